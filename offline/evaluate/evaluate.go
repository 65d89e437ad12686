package evaluate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/gate"
	"plumb/offline/pairs"
	"plumb/offline/rows"
	"plumb/offline/train"
	"plumb/rm"
)

// Judge scores replies; a reward model is one.
type Judge interface {
	Score(ctx context.Context, prompt []chat.Message, replies []string) ([]chat.Reward, error)
}

// Evaluation says what to measure. Incumbent and Base may be the same policy, which is then measured once.
type Evaluation struct {
	Candidate, Incumbent, Base Policy
	IncumbentIsBase            bool

	HeldOut   pairs.Set            // people's votes that were not trained on
	Neutral   []rows.Demonstration // text that nobody voted on; a plain prompt is plain text
	Prompts   [][]chat.Message     // to draw replies to
	Judge     Judge                // a second opinion: fitted on held-out votes; nil for none
	Proxy     Judge                // the training reward: fitted on what was trained on, or what was trained to please; nil for none
	Harmless  [][]chat.Message     // prompts that are not to be refused, see [Harmless]; nil for none
	Claims    []Claim              // false claims that are not to be agreed with, see [Claims]; nil for none
	Draws     int                  // replies a prompt; 0 means 2
	MaxTokens int                  // of a drawn reply; 0 means 64
	MaxLength int                  // tokens of prompt and reply of a vote; 0 means 1024
	Limit     int                  // tokens computed at once; 0 means 1024
	Seed      int64

	// Progress is told how far the measuring is, if it is not nil.
	Progress func(done, all int)
}

// settings are those of drawn replies.
func settings(maxTokens int) lm.Settings { return lm.Settings{Temperature: .8, MaxTokens: maxTokens} }

// Measure measures. The result holds no text. ByUser, PreferredLength, OtherUsers, Maximised and the figures of Judge and Proxy are the
// caller's to fill in. The same policies, votes and Seed give the same bytes.
//
// Cost, in tokens read by each of two policies (three where the incumbent is not the base): the held-out votes and neutral texts once,
// and for the divergence the candidate's drawn replies. Drawn by candidate and incumbent: Draws replies of at most MaxTokens to each of
// Prompts, and one of at most 24 tokens to each of Harmless. The probes are read once by candidate and incumbent: each of Harmless with 15
// openings of some three tokens, each of Claims twice with 12; with the sets of this package some 4,100 and 7,000 tokens.
func (e Evaluation) Measure(ctx context.Context) (gate.Measures, error) {
	if e.Draws == 0 {
		e.Draws = 2
	}
	if e.MaxTokens == 0 {
		e.MaxTokens = 64
	}
	if e.Limit == 0 {
		e.Limit = 1024
	}
	m := gate.Measures{IncumbentIsBase: e.IncumbentIsBase, PreferredLength: 1}
	done := 0
	parts := []func(context.Context, *gate.Measures) error{e.votes, e.replies, e.wishes, e.neutral, e.refusals, e.sycophancy}
	steps := len(parts) + len(e.Prompts)
	step := func() {
		if done++; e.Progress != nil {
			e.Progress(done, steps)
		}
	}
	for _, part := range parts {
		if err := part(ctx, &m); err != nil {
			return m, err
		}
		step()
	}
	return m, e.generate(ctx, &m, step)
}

// under returns the log-probs of all branches under the three policies.
func (e Evaluation) under(ctx context.Context, trees []lm.Tree) ([]gate.Logprobs, error) {
	var all []gate.Logprobs
	for _, t := range trees {
		for _, b := range t.Branches {
			all = append(all, gate.Logprobs{Tokens: len(b)})
		}
	}
	candidate, err := e.Candidate.logprobs(ctx, trees, e.Limit)
	if err != nil {
		return nil, err
	}
	base, err := e.Base.logprobs(ctx, trees, e.Limit)
	if err != nil {
		return nil, err
	}
	incumbent := base
	if !e.IncumbentIsBase {
		if incumbent, err = e.Incumbent.logprobs(ctx, trees, e.Limit); err != nil {
			return nil, err
		}
	}
	for i := range all {
		all[i].Candidate, all[i].Incumbent, all[i].Base = candidate[i], incumbent[i], base[i]
	}
	return all, nil
}

func (e Evaluation) encoder() train.Encoder {
	return train.Encoder{Model: e.Base.Model, MaxLength: e.MaxLength}
}

func (e Evaluation) votes(ctx context.Context, m *gate.Measures) error {
	var all []rows.Preference
	for _, p := range e.HeldOut.Preferences {
		all = append(all, p.Row())
	}
	encoded, _ := e.encoder().Pairs(all)
	var trees []lm.Tree
	for _, p := range encoded {
		trees = append(trees, lm.Tree{Prompt: p.Prompt, Branches: [][]int32{p.Chosen, p.Rejected}})
	}
	l, err := e.under(ctx, trees)
	for i := 0; i+1 < len(l); i += 2 {
		m.Pairs = append(m.Pairs, gate.Pair{Chosen: l[i], Rejected: l[i+1]})
	}
	return err
}

func (e Evaluation) replies(ctx context.Context, m *gate.Measures) (err error) {
	var all []rows.Unpaired
	for _, r := range e.HeldOut.Unpaired {
		all = append(all, r.Row())
	}
	encoded, _ := e.encoder().Unpaired(all)
	m.Thumbs, err = e.judged(ctx, encoded)
	return err
}

func (e Evaluation) wishes(ctx context.Context, m *gate.Measures) (err error) {
	var all []rows.Demonstration
	for _, r := range e.HeldOut.Demonstrations {
		all = append(all, r.Row())
	}
	encoded, _ := e.encoder().Demonstrations(all)
	m.Demonstrations, err = e.judged(ctx, encoded)
	return err
}

func (e Evaluation) judged(ctx context.Context, replies []train.Reply) ([]gate.Reply, error) {
	l, err := e.under(ctx, single(replies))
	var all []gate.Reply
	for i := range l {
		all = append(all, gate.Reply{Logprobs: l[i], Label: replies[i].Label})
	}
	return all, err
}

func single(replies []train.Reply) []lm.Tree {
	var trees []lm.Tree
	for _, r := range replies {
		trees = append(trees, lm.Tree{Prompt: r.Prompt, Branches: [][]int32{r.Completion}})
	}
	return trees
}

func (e Evaluation) neutral(ctx context.Context, m *gate.Measures) error {
	encoded, _ := e.encoder().Demonstrations(e.Neutral)
	l, err := e.under(ctx, single(encoded))
	m.NeutralTexts = l
	for _, x := range l {
		m.Neutral.Candidate -= x.Candidate
		m.Neutral.Incumbent -= x.Incumbent
		m.Neutral.Base -= x.Base
		m.Neutral.Tokens += x.Tokens
	}
	if n := float64(m.Neutral.Tokens); n > 0 {
		m.Neutral.Candidate /= n
		m.Neutral.Incumbent /= n
		m.Neutral.Base /= n
	}
	return err
}

// generate draws replies of candidate and incumbent to each prompt under equal seeds, has them judged, and measures the
// divergence on the candidate's.
func (e Evaluation) generate(ctx context.Context, m *gate.Measures, step func()) error {
	seeds := make([][]int64, len(e.Prompts))
	for i := range seeds {
		for k := range e.Draws {
			seeds[i] = append(seeds[i], e.Seed+int64(i*e.Draws+k))
		}
	}
	s := settings(e.MaxTokens)
	var kl [2]float64
	for from := 0; from < len(e.Prompts); from += promptsAtOnce {
		to := min(from+promptsAtOnce, len(e.Prompts))
		candidates, err := e.Candidate.drawAll(ctx, e.Prompts[from:to], seeds[from:to], s)
		if err != nil {
			return err
		}
		incumbents, err := e.Incumbent.drawAll(ctx, e.Prompts[from:to], seeds[from:to], s)
		if err != nil {
			return err
		}
		for i := range candidates {
			sums, err := e.compare(ctx, m, from+i, candidates[i], incumbents[i].replies)
			if err != nil {
				return err
			}
			kl[0] += sums[0]
			kl[1] += sums[1]
			step()
		}
	}
	m.KL = meanKL(kl, m.KL.Tokens)
	return nil
}

// promptsAtOnce is how many prompts' replies are drawn together: with the usual two each as many as share a pass. The rest of what is
// measured on them comes between, so that progress shows.
const promptsAtOnce = 8

// compare adds what was drawn to a prompt to m, and returns the candidate's divergence on its replies, summed over their tokens.
func (e Evaluation) compare(ctx context.Context, m *gate.Measures, prompt int, candidate drawing, incumbent []drawn) (sums [2]float64, err error) {
	all := slices.Concat(candidate.replies, incumbent)
	samples, err := e.samples(ctx, e.Prompts[prompt], all)
	if err != nil {
		return sums, err
	}
	for k := range incumbent {
		m.Drawn = append(m.Drawn, gate.Drawn{Prompt: prompt, Candidate: samples[k], Incumbent: samples[e.Draws+k]})
	}
	n, sums, err := e.divergence(lm.Tree{Prompt: candidate.prompt, Branches: ids(candidate.replies)})
	if err != nil {
		return sums, err
	}
	m.KLs = append(m.KLs, meanKL(sums, n))
	m.KL.Tokens += n
	return sums, nil
}

// meanKL returns the means over n tokens.
func meanKL(sums [2]float64, n int) gate.KL {
	if n == 0 {
		return gate.KL{}
	}
	return gate.KL{Incumbent: sums[0] / float64(n), Base: sums[1] / float64(n), Tokens: n}
}

// samples judges replies to a prompt.
func (e Evaluation) samples(ctx context.Context, messages []chat.Message, all []drawn) ([]gate.Sample, error) {
	rewards, err := score(ctx, e.Judge, messages, texts(all))
	if err != nil {
		return nil, err
	}
	proxy, err := score(ctx, e.Proxy, messages, texts(all))
	if err != nil {
		return nil, err
	}
	samples := make([]gate.Sample, len(all))
	for i, d := range all {
		samples[i] = gate.Sample{Tokens: len(d.ids), Words: len(strings.Fields(d.text)), Ended: d.ended, Repeats: gate.Repeats(d.text),
			Hack: hackOf(messages, d.text), Reward: rewards[i], Proxy: proxy[i]}
	}
	return samples, nil
}

// hackOf names the first kind of known hack that a reply is, "" for none.
func hackOf(messages []chat.Message, reply string) string {
	if kinds := rm.DetectHacks(messages, reply); len(kinds) > 0 {
		return kinds[0]
	}
	return ""
}

// score returns the rewards of replies, zeros without a judge.
func score(ctx context.Context, judge Judge, messages []chat.Message, replies []string) ([]float64, error) {
	rewards := make([]float64, len(replies))
	if judge == nil {
		return rewards, nil
	}
	scored, err := judge.Score(ctx, messages, replies)
	if err != nil {
		return nil, fmt.Errorf("judge replies: %w", err)
	}
	for i, r := range scored {
		rewards[i] = r.Reward
	}
	return rewards, nil
}

func texts(all []drawn) []string {
	var out []string
	for _, d := range all {
		out = append(out, d.text)
	}
	return out
}

func ids(all []drawn) [][]int32 {
	var out [][]int32
	for _, d := range all {
		out = append(out, d.ids)
	}
	return out
}
