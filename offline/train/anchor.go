package train

import (
	"context"
	"fmt"

	"plumb/lm"
)

// anchor adds Config.Anchor times the mean NLL of a token over a batch of replies that have nothing to do with the votes, so that
// learning from votes does not make the model worse at everything else. It is the pretraining mix of Ouyang et al. 2022 (PPO-ptx, Eq.
// 2, https://arxiv.org/abs/2203.02155). Where it is off, it adds nothing.
type anchor struct {
	*run
	order order
}

func (r *run) anchored() anchor {
	return anchor{r, order{rows: len(r.Anchors), batch: r.Config.Batch, least: 1, seed: r.Config.Seed + 1}}
}

// add adds the gradient of a step, and its loss to s.
func (a anchor) add(ctx context.Context, step int, s *Step, grad *lm.Params) error {
	if a.Config.Anchor == 0 || len(a.Anchors) == 0 {
		return nil
	}
	grown := a.weighted(a.order.at(step))
	t, err := (&imitation{run: a.run, replies: grown}).batch(ctx, all(len(grown)), grad)
	if err != nil {
		return fmt.Errorf("anchor: %w", err)
	}
	s.Loss += t.Loss
	nll := t.Loss / a.Config.Anchor
	s.Anchor = &nll
	return nil
}

// weighted returns copies of the rows with the anchor's weight.
func (a anchor) weighted(rows []int) []Reply {
	replies := make([]Reply, len(rows))
	for i, row := range rows {
		replies[i] = a.Anchors[row]
		replies[i].Weight = a.Config.Anchor
	}
	return replies
}

// all returns 0 … n−1.
func all(n int) []int {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	return rows
}
