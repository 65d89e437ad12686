package offline

import (
	"context"
	"fmt"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/gate"
	"plumb/offline/irl"
	"plumb/offline/pairs"
	"plumb/offline/registry"
)

// inverse infers a reward from what people showed, in rounds with PPO against it (package irl). The last reward is released with the
// model, if it stands up to the gate, so that it serves the sampler as well.
type inverse struct{}

// ownText is the weight of comparisons among the model's own replies in an inferred reward: enough to keep it from learning who wrote a
// demonstration where they are all signed alike.
const ownText = .5

// warningsFile keeps for the gate's report what training has to say against its own result.
const warningsFile = "warnings.json"

func (inverse) rows(s pairs.Set) int { return len(s.Demonstrations) }

func (inverse) prepare(context.Context, *work) error { return nil }

func (inverse) train(ctx context.Context, w *work) (fitted, error) {
	s, err := w.rows()
	if err != nil {
		return fitted{}, err
	}
	m, err := w.openBase(ctx)
	if err != nil {
		return fitted{}, err
	}
	improver := &rounds{w: w}
	l := irl.Learner{Model: m, Improver: improver, Rounds: w.config.IRLRounds, MaxTokens: w.config.MaxTokens, PassTokens: w.config.Train.PassTokens}
	l.Trainer.Seed, l.Trainer.Run, l.Trainer.OwnText = w.config.Seed, w.run.ID, ownText
	l.Trainer.Log = func(format string, args ...any) { w.progress(registry.Train, 0, 0, fmt.Sprintf(format, args...)) }
	r, err := l.Learn(ctx, irl.FromSet(s.Train))
	if err != nil {
		return fitted{}, err
	}
	w.dropped("demonstrations: ", r.Report.Dropped)
	for name, v := range map[string]*float64{"irl/author_accuracy": r.Report.AuthorAccuracy, "irl/own_accuracy": r.Report.OwnAccuracy,
		"irl/ess_mean": r.Report.ESSMean, "irl/ess_least": r.Report.ESSLeast} {
		w.metric(name, v)
	}
	for _, warning := range r.Report.Warnings {
		w.run.Reason += "; " + warning
	}
	if err := w.folder.put(warningsFile, r.Report.Warnings); err != nil {
		return fitted{}, err
	}
	return improver.last, w.releaseReward(ctx, r)
}

// releaseReward has the inferred reward answer with the model, in place of the one fitted on all feedback.
func (w *work) releaseReward(ctx context.Context, r *irl.Result) error {
	reward := rewardOf(r.RM.Meta().Metrics)
	if !gate.DecideReward(reward, w.config.Limits).Pass {
		return nil
	}
	hash, err := w.Registry.PutBlob(ctx, r.RM.Bytes())
	if err != nil {
		return fmt.Errorf("store reward model: %w", err)
	}
	w.run.Result.RM = hash
	return w.judgeReward(reward)
}

// rounds improves the policy by PPO, each round from the base with a checkpoint of its own.
type rounds struct {
	w    *work
	n    int
	last fitted
}

// Improve implements [irl.Improver].
func (r *rounds) Improve(ctx context.Context, reward irl.Rewarder, prompts [][]chat.Message) (*lm.Adapter, error) {
	r.n++
	var err error
	r.last, err = r.w.reinforce(ctx, PPO, fmt.Sprintf("train-%d", r.n), reward, nil, nil, prompts)
	return r.last.adapter, err
}
