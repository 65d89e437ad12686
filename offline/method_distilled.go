package offline

import (
	"context"
	"fmt"

	"plumb/chat"
	"plumb/offline/distill"
	"plumb/offline/pairs"
	"plumb/offline/registry"
)

// distilled learns from the candidates that the log kept of every voted reply, as a reward model fitted on the votes ranks them: it
// imitates the best of each prompt, or with worst learns from the best against the worst (BoNBoN).
type distilled struct{ worst bool }

func (m distilled) rows(s pairs.Set) int { return rewardRows(s) }

// prepare has nothing to do: which rows there are is known once the reward model is fitted.
func (m distilled) prepare(context.Context, *work) error { return nil }

func (m distilled) train(ctx context.Context, w *work) (fitted, error) {
	pools, err := m.pools(ctx, w)
	if err != nil {
		return fitted{}, err
	}
	if m.worst {
		return m.contrast(ctx, w, pools)
	}
	best, dropped := distill.Best{}.Rows(pools)
	w.dropped("candidates: ", dropped)
	t, e, err := w.trainer(ctx, "sft", registry.Train)
	if err != nil {
		return fitted{}, err
	}
	replies, cut := e.Demonstrations(best)
	w.dropped("tokens: ", cut)
	if err := enough(len(replies), w.config.LeastRows); err != nil {
		return fitted{}, err
	}
	return w.fitted(t.Imitate(ctx, replies))
}

// contrast trains on the best of each pool against its worst.
func (m distilled) contrast(ctx context.Context, w *work, pools []distill.Pool) (fitted, error) {
	b := distill.BoNBoN{}
	all, n, dropped := b.Rows(pools)
	w.dropped("candidates: ", dropped)
	if n < 2 {
		return fitted{}, enough(0, w.config.LeastRows)
	}
	method, beta := b.Method(n)
	t, e, err := w.trainer(ctx, method, registry.Train)
	if err != nil {
		return fitted{}, err
	}
	t.Config.Beta = beta
	encoded, cut := e.Pairs(all)
	w.dropped("tokens: ", cut)
	if err := enough(len(encoded), w.config.LeastRows); err != nil {
		return fitted{}, err
	}
	return w.fitted(t.Preferences(ctx, encoded))
}

// pools scores the candidates of the voted replies with the reward of the training votes. Held-out topics are not among them.
func (m distilled) pools(ctx context.Context, w *work) ([]distill.Pool, error) {
	s, err := w.rows()
	if err != nil {
		return nil, err
	}
	var records pairs.Records
	if err := w.folder.get("records.json.gz", &records); err != nil {
		return nil, err
	}
	training, _, _ := opinions(s)
	reward, err := w.fitReward(ctx, training, 0)
	if err != nil {
		return nil, err
	}
	reader := distill.Reader{Judge: reward, Caution: 1, Except: distill.Topics(s.HeldOut)}
	pools, dropped, err := reader.Pools(ctx, distill.Voted(records))
	w.dropped("candidates: ", dropped)
	return pools, err
}

// enough fails where too few rows are left to train on.
func enough(n, least int) error {
	if n >= least {
		return nil
	}
	return &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("train: %d rows are left of the logged candidates, at least %d are wanted; draw more candidates a reply (align.n)", n, least)}
}
