package offline

import (
	"context"
	"slices"

	"plumb/lm"
	"plumb/offline/pairs"
	"plumb/offline/train"
)

// Methods of a run that are made of several steps of learning. The others are a trainer's own, see [train.Methods].
const (
	Distill = "distill" // imitate the candidate that the reward model likes best
	BoNBoN  = "bonbon"  // learn to draw as best-of-n draws, from its best and worst candidate
	RLHF    = "rlhf"    // imitation where it helps, a reward model, PPO
	PPO     = "ppo"     // reinforcement from the reward of the votes, beginning with the base
	RLOO    = "rloo"
	GRPO    = "grpo"
	IRL     = "irl" // a reward inferred from demonstrations, then PPO
)

// Methods returns the names of all methods that a run can be asked for.
func Methods() []string {
	return slices.Concat([]string{Auto, RMOnly}, train.Methods(), []string{Distill, BoNBoN, RLHF, PPO, RLOO, GRPO, IRL})
}

// method is a way from the rows of a run to an adapter of the base.
type method interface {
	// rows is how many rows of s it learns from. Fewer than Config.LeastRows make no model.
	rows(s pairs.Set) int
	// prepare computes what training will look up, and train fits the adapter. Both are called again after an interruption, and then
	// end with the same bytes.
	prepare(ctx context.Context, w *work) error
	train(ctx context.Context, w *work) (fitted, error)
}

// fitted is what a method made.
type fitted struct {
	adapter *lm.Adapter
	weights string // SHA-256 over its tensors
}

func methodOf(name string) method {
	switch name {
	case Distill, BoNBoN:
		return distilled{worst: name == BoNBoN}
	case RLHF:
		return reinforced{algorithm: PPO, head: true}
	case PPO, RLOO, GRPO:
		return reinforced{algorithm: name}
	case IRL:
		return inverse{}
	}
	return voted{name}
}

// trainerOf returns a method of package train that stands for name where a trainer's configuration is checked.
func trainerOf(name string) string {
	switch name {
	case Auto, RMOnly, RLHF, PPO, RLOO, GRPO, IRL:
		return "sft"
	case Distill:
		return "sft"
	case BoNBoN:
		return "ipo_sum"
	}
	return name
}

// maximises reports whether a method trains the policy by a reward model's opinion, rather than from votes: then it may have learned to
// please that model, and the gate holds the reward model to its standard as well.
func maximises(name string) bool {
	return reinforces(name) || name == Distill || name == BoNBoN
}

// reinforces reports whether reinforcement learning is a part of a method.
func reinforces(name string) bool {
	return slices.Contains([]string{RLHF, PPO, RLOO, GRPO, IRL}, name)
}
