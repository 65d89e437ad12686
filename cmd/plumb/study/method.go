package study

import (
	"context"
	"fmt"

	"plumb/offline/evaluate"
	"plumb/offline/rl"
	"plumb/rm"
)

// method is one way from feedback to better replies.
type method struct {
	name  string
	cost  float64 // beside the others, for the time left
	learn func(ctx context.Context, b *bench) (arm, error)
}

// arm is what a method has learned: a policy, or a judge who chooses among draws of one.
type arm struct {
	policy  evaluate.Policy // without an adapter: the base
	draws   int             // for each answer
	judge   *rm.Model       // chooses among them; nil where there is one
	seconds float64
	rows    int
	drawn   int // tokens
	trained int
	fit     *rm.Model // reward model that it learned from, to say how good that is
	note    string
}

func methods() []method {
	best := fmt.Sprintf("best-of-%d", Candidates)
	return []method{
		{best, .2, bestOfN},
		{"sft", 1, cloning},
		{"distill", 1, distilled},
		{"bonbon", 1, bonbon},
		{"dpo", 1.5, dpo},
		{"kto", 2, kto},
		{"rlhf", 8, rlhf},
		{"rloo", 8, reinforced(func(s Settings) rl.Config { return s.RLOO })},
		{"grpo", 8, reinforced(func(s Settings) rl.Config { return s.GRPO })},
		{"irl+" + best, .2, inverse},
		{"irl+ppo", 8, inverseReinforced},
	}
}
