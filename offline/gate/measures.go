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

	Neutral Neutral `json:"neutral"`
	Drawn   []Drawn `json:"drawn"` // replies drawn for held-out prompts
	KL      KL      `json:"kl"`
	// PreferredLength is the geometric mean of chosen over rejected length in the votes, in words; 1 without votes.
	PreferredLength float64 `json:"preferred_length"`
	Judge           Judge   `json:"judge"`
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
	Candidate Sample `json:"candidate"`
	Incumbent Sample `json:"incumbent"`
}

// Sample is a drawn reply without its text.
type Sample struct {
	Tokens  int     `json:"tokens"`
	Words   int     `json:"words"`
	Ended   bool    `json:"ended"`   // by itself, not at the token limit
	Repeats bool    `json:"repeats"` // see [Repeats]
	Reward  float64 `json:"reward"`  // the judge's
}

// KL is the exact divergence over the vocabulary, Σ p_candidate·log(p_candidate/p_other), mean over the tokens of replies that the
// candidate drew.
type KL struct {
	Incumbent float64 `json:"incumbent"`
	Base      float64 `json:"base"`
	Tokens    int     `json:"tokens"`
}

// Judge is a reward model fitted on held-out votes alone.
type Judge struct {
	Votes    int      `json:"votes"` // it was fitted on; 0 for no judge
	Accuracy *float64 `json:"accuracy"`
	HeldOut  int      `json:"held_out"` // votes its accuracy was measured on
}

// Reward is how a reward model did on votes it was not fitted on.
type Reward struct {
	Accuracy       *float64 `json:"accuracy"`
	HeldOut        int      `json:"held_out"`
	HackResistance *float64 `json:"hack_resistance"`
}
