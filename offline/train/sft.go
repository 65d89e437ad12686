package train

import (
	"context"
	"fmt"

	"plumb/lm"
)

// Imitate trains on replies to be imitated, with the method sft; labels do not count. The loss of a step is the mean negative
// log-likelihood of a token over all replies of the batch, weighted by row.
func (t Trainer) Imitate(ctx context.Context, replies []Reply) (*Result, error) {
	r, err := t.start(Demonstration)
	if err != nil {
		return nil, err
	}
	return r.loop(ctx, &imitation{run: r, replies: replies})
}

type imitation struct {
	*run
	replies []Reply
}

func (o *imitation) rows() (int, string, int) {
	return len(o.replies), hashReplies(o.replies), 1
}

func (o *imitation) begin(context.Context) error { return nil }

func (o *imitation) batch(_ context.Context, rows []int, grad *lm.Params) (Step, error) {
	var s Step
	var seen sides
	trees := make([]lm.Tree, len(rows))
	for i, row := range rows {
		trees[i] = lm.Tree{Prompt: o.replies[row].Prompt, Branches: [][]int32{o.replies[row].Completion}}
		s.Tokens += len(o.replies[row].Completion)
	}
	for _, g := range Groups(trees, o.Config.PassTokens) {
		pass, err := o.Model.Forward(o.adapter, trees[g.From:g.To], true)
		if err != nil {
			return s, fmt.Errorf("train: %w", err)
		}
		dlogp := make([][][]float64, g.To-g.From)
		for i, row := range rows[g.From:g.To] {
			logps := pass.Logprobs[i][0]
			share := o.replies[row].Weight / float64(s.Tokens)
			s.Loss -= share * total(logps)
			dlogp[i] = [][]float64{repeat(-share, len(logps))}
			seen.logps[0].add(total(logps))
		}
		pass.Backward(dlogp, grad)
		pass.Release()
	}
	seen.report(&s)
	return s, nil
}
