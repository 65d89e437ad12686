package offline

import (
	"context"
	"fmt"
	"time"

	"plumb/offline/gate"
	"plumb/offline/pairs"
	"plumb/rm"
)

// refit fits a reward model on all votes, and stores it. One that is no better than chance, or falls for known hacks, is not released:
// what scores now stays.
func (w *work) refit(ctx context.Context) error {
	s, err := w.rows()
	if err != nil {
		return err
	}
	var begun start
	if err := w.folder.get("start.json", &begun); err != nil {
		return err
	}
	w.run.Result.RM = begun.Incumbent.RM
	data := merge(s.Train, s.HeldOut).RewardData()
	if len(data.Pairs)+len(data.Thumbs)+len(data.Rankings)+len(data.Demonstrations) == 0 {
		return w.judgeReward(gate.Reward{})
	}
	m, err := rm.Trainer{Seed: w.config.Seed, Run: w.run.ID, Created: w.run.Created.Format(time.RFC3339)}.Fit(ctx, data)
	if err != nil {
		return fmt.Errorf("fit reward model: %w", err)
	}
	hash, err := w.Registry.PutBlob(ctx, m.Bytes())
	if err != nil {
		return fmt.Errorf("store reward model: %w", err)
	}
	metrics := m.Meta().Metrics
	reward := rewardOf(metrics)
	w.metric("rm/accuracy", reward.Accuracy)
	w.metric("rm/ece", metrics.ECE)
	w.metric("rm/hack_resistance", metrics.HackResistance)
	if gate.DecideReward(reward, w.config.Limits).Pass {
		w.run.Result.RM = hash
	}
	return w.judgeReward(reward)
}

// judgeReward keeps what the gate has to say of the reward model for its report.
func (w *work) judgeReward(reward gate.Reward) error {
	return w.folder.put("reward.json", gate.DecideReward(reward, w.config.Limits))
}

// best returns the accuracy on the votes that the model was measured on, and how many those are. A model that was measured on thumbs,
// because there are too few pairs, is not judged by those few pairs.
func best(m rm.Metrics) (accuracy *float64, votes int) {
	return m.MeasuredAccuracy(), m.HeldOut
}

// rewardOf is what the gate looks at of a reward model.
func rewardOf(m rm.Metrics) gate.Reward {
	accuracy, votes := best(m)
	return gate.Reward{Accuracy: accuracy, HeldOut: votes, HackResistance: m.HackResistance, HackPrompts: m.HackPrompts}
}

// judgeOf is what the gate looks at of a second opinion that was fitted on n votes.
func judgeOf(n int, m rm.Metrics) gate.Judge {
	accuracy, votes := best(m)
	return gate.Judge{Votes: n, Accuracy: accuracy, HeldOut: votes}
}

func (w *work) metric(name string, v *float64) {
	if v == nil {
		return
	}
	if w.run.Metrics == nil {
		w.run.Metrics = map[string]float64{}
	}
	w.run.Metrics[name] = *v
}

// fewestJudged is from how many held-out votes a judge is fitted.
const fewestJudged = 20

// judge fits a reward model on held-out human votes alone: it has seen nothing of what the policy was trained on. nil where they are too
// few or cannot be fitted.
func (w *work) judge(ctx context.Context, heldOut pairs.Set) (*rm.Model, gate.Judge, error) {
	data := heldOut.RewardData()
	n := len(data.Pairs) + len(data.Thumbs) + len(data.Rankings)
	if n < fewestJudged {
		return nil, gate.Judge{}, nil
	}
	m, err := rm.Trainer{Seed: w.config.Seed + 1, Canaries: -1}.Fit(ctx, data)
	if err != nil {
		return nil, gate.Judge{}, fmt.Errorf("fit judge: %w", err)
	}
	return m, judgeOf(n, m.Meta().Metrics), nil
}

func merge(a, b pairs.Set) pairs.Set {
	return pairs.Set{
		Preferences:    append(append([]pairs.Preference(nil), a.Preferences...), b.Preferences...),
		Unpaired:       append(append([]pairs.Unpaired(nil), a.Unpaired...), b.Unpaired...),
		Demonstrations: append(append([]pairs.Wish(nil), a.Demonstrations...), b.Demonstrations...),
		Rankings:       append(append([]pairs.Ranking(nil), a.Rankings...), b.Rankings...),
	}
}
