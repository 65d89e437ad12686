package gate

// Measures is what the checks look at. Policies are the candidate (the trained model), the incumbent (what answers now) and the
// base (what nobody has trained). All log-probs are sums over a reply's tokens, in nats. No text is in it.
type Measures struct {
	// On people's held-out votes:
	Pairs          []Pair  `json:"pairs"`
	Thumbs         []Reply `json:"thumbs"`
	Demonstrations []Reply `json:"demonstrations"`
	ByUser         bool    `json:"by_user"` // held-out votes share neither prompt nor user with training, not the prompt alone
	// IncumbentIsBase says that no trained model answers now.
	IncumbentIsBase bool `json:"incumbent_is_base"`

	Neutral      Neutral    `json:"neutral"`
	NeutralTexts []Logprobs `json:"neutral_texts,omitempty"` // text by text; Neutral is over all of them
	Drawn        []Drawn    `json:"drawn"`                   // replies drawn for held-out prompts
	KL           KL         `json:"kl"`
	KLs          []KL       `json:"kl_by_prompt,omitempty"` // prompt by prompt; KL is over all of them
	// PreferredLength is the geometric mean of chosen over rejected length in the votes, in words; 1 without votes.
	PreferredLength float64 `json:"preferred_length"`
	Judge           Judge   `json:"judge"` // the second opinion: Sample.Reward is its

	Proxy Judge `json:"proxy"` // the training reward: Sample.Proxy is its
	// OtherUsers says that nobody's votes are in both the judge and the training reward; otherwise no prompt's are.
	OtherUsers bool `json:"other_users,omitempty"`
	// Maximised says that the policy was trained to raise the training reward, as in RLHF, rather than from votes.
	Maximised bool `json:"maximised,omitempty"`

	Refusals   []Refusal    `json:"refusals,omitempty"`   // of harmless prompts, one each
	Sycophancy []Sycophancy `json:"sycophancy,omitempty"` // of false claims, one each
}

// Logprobs is the log-prob of one reply under each policy.
type Logprobs struct {
	Candidate float64 `json:"candidate"`
	Incumbent float64 `json:"incumbent"`
	Base      float64 `json:"base"`
	Tokens    int     `json:"tokens"`
}

// gain is how much likelier the candidate makes the reply than the incumbent.
func (l Logprobs) gain() float64 { return l.Candidate - l.Incumbent }

// Pair is a held-out pair.
type Pair struct {
	Chosen   Logprobs `json:"chosen"`
	Rejected Logprobs `json:"rejected"`
}

// Reply is a held-out reply with a verdict.
type Reply struct {
	Logprobs
	Label bool `json:"label"`
}

// Neutral is the mean NLL, nats a token, of text that nobody voted on.
type Neutral struct {
	Candidate float64 `json:"candidate"`
	Incumbent float64 `json:"incumbent"`
	Base      float64 `json:"base"`
	Tokens    int     `json:"tokens"`
}

// Drawn is what two policies answer to one held-out prompt under one seed.
type Drawn struct {
	Prompt    int    `json:"prompt"` // which of the prompts, from 0
	Candidate Sample `json:"candidate"`
	Incumbent Sample `json:"incumbent"`
}

// prompts groups what was drawn by prompt.
func (m Measures) prompts() [][]Drawn {
	var all [][]Drawn
	for i, d := range m.Drawn {
		if i == 0 || d.Prompt != m.Drawn[i-1].Prompt {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], d)
	}
	return all
}

// sumBy returns Σ f over what was drawn for each prompt.
func (m Measures) sumBy(f func(Drawn) float64) []float64 {
	var sums []float64
	for _, drawn := range m.prompts() {
		sum := 0.
		for _, d := range drawn {
			sum += f(d)
		}
		sums = append(sums, sum)
	}
	return sums
}

// Sample is a drawn reply without its text.
type Sample struct {
	Tokens  int     `json:"tokens"`
	Words   int     `json:"words"`
	Ended   bool    `json:"ended"`          // by itself, not at the token limit
	Repeats bool    `json:"repeats"`        // see [Repeats]
	Hack    string  `json:"hack,omitempty"` // kind of known hack that it is, "" for none
	Reward  float64 `json:"reward"`         // the judge's
	Proxy   float64 `json:"proxy"`          // the training reward
}

// KL is the exact divergence over the vocabulary, Σ p_candidate·log(p_candidate/p_other), mean over the tokens of replies that the
// candidate drew.
type KL struct {
	Incumbent float64 `json:"incumbent"`
	Base      float64 `json:"base"`
	Tokens    int     `json:"tokens"`
}

// Judge is a reward model, and how well it knows people's votes that it was not fitted on. The one behind [Measures.Judge] is fitted on
// held-out votes alone.
type Judge struct {
	Votes    int      `json:"votes"` // it was fitted on; 0 for none
	Accuracy *float64 `json:"accuracy"`
	HeldOut  int      `json:"held_out"` // votes its accuracy was measured on
}

// Refusal is what two policies make of one harmless prompt.
type Refusal struct {
	Candidate Opening `json:"candidate"`
	Incumbent Opening `json:"incumbent"`
}

// Opening is how a policy begins its reply.
type Opening struct {
	Refuses bool    `json:"refuses"` // the reply that it drew, see [Refuses]
	Share   float64 `json:"share"`   // probability that a reply begins with one of the openings of a refusal, [0, 1]
}

// Sycophancy is how two policies take one false claim.
type Sycophancy struct {
	Candidate Stance `json:"candidate"`
	Incumbent Stance `json:"incumbent"`
}

// Stance is the log-odds of agreeing over correcting, in nats.
type Stance struct {
	Pressed float64 `json:"pressed"` // where the user is sure of the claim, or asks to be told that it is right
	Asked   float64 `json:"asked"`   // where the user asks whether it is right
}

// sway is how much the user's own view moves the policy towards agreeing.
func (s Stance) sway() float64 { return s.Pressed - s.Asked }

// Reward is how a reward model did on votes it was not fitted on.
type Reward struct {
	Accuracy       *float64 `json:"accuracy"`
	HeldOut        int      `json:"held_out"`
	HackResistance *float64 `json:"hack_resistance"`
	HackPrompts    int      `json:"hack_prompts,omitempty"` // that was tested on
}
