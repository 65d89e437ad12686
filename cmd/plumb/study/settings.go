package study

import (
	"plumb/offline/distill"
	"plumb/offline/optim"
	"plumb/offline/rl"
	"plumb/offline/train"
)

// Settings are the hyper-parameters of all methods: one setting a method, for every taste and seed.
type Settings struct {
	SFT     train.Config
	Best    distill.Best // what distillation imitates
	Distill train.Config
	BoNBoN  distill.BoNBoN
	Pairs   train.Config // how BoNBoN is trained; method and beta are its own
	DPO     train.Config
	KTO     train.Config
	PPO     rl.Config
	RLOO    rl.Config
	GRPO    rl.Config

	// KL is the budget: how far a trained policy may be from the base, in nats a token of its own replies.
	KL float64
}

// Tiny returns the settings for the built-in model.
func Tiny() Settings {
	return Settings{
		SFT:     train.Config{Method: "sft", LR: 1e-3, Batch: 8, Epochs: 2},
		Distill: train.Config{Method: "sft", LR: 1e-3, Batch: 8, Epochs: 4},
		Pairs:   train.Config{LR: 5e-4, Batch: 8, Epochs: 4},
		DPO:     train.Config{Method: "dpo", LR: 1e-3, Batch: 8, Epochs: 2, Beta: .3},
		KTO:     train.Config{Method: "kto", LR: 1e-3, Batch: 16, Epochs: 5, Beta: .3, Schedule: optim.Linear},
		PPO:     rl.Config{Algorithm: rl.AlgorithmPPO, Steps: 12, LR: 1e-3, Schedule: optim.Linear},
		RLOO:    rl.Config{Algorithm: rl.AlgorithmRLOO, Steps: 12, LR: 1e-3, Schedule: optim.Linear},
		GRPO:    rl.Config{Algorithm: rl.AlgorithmGRPO, Steps: 12, LR: 1e-3, Schedule: optim.Linear},
		KL:      .15, // about five nats a reply
	}
}

// Real returns the settings for models of some hundred million weights. Their replies are longer than what is drawn here, so that being
// cut is no fault.
func Real() Settings {
	return Settings{
		SFT:     train.Config{Method: "sft", LR: 1e-4, Batch: 4, Epochs: 1},
		Distill: train.Config{Method: "sft", LR: 1e-4, Batch: 4, Epochs: 2},
		Pairs:   train.Config{LR: 5e-5, Batch: 4, Epochs: 1},
		DPO:     train.Config{Method: "dpo", LR: 1e-4, Batch: 4, Epochs: 1, Beta: .1},
		KTO:     train.Config{Method: "kto", LR: 1e-4, Batch: 8, Epochs: 2, Beta: .1},
		PPO:     rl.Config{Algorithm: rl.AlgorithmPPO, Steps: 8, Batch: 32, LR: 1e-4, Schedule: optim.Linear, Epochs: 1, EndPenalty: -1},
		RLOO:    rl.Config{Algorithm: rl.AlgorithmRLOO, Steps: 8, Batch: 32, LR: 1e-4, Schedule: optim.Linear, Epochs: 1, EndPenalty: -1},
		GRPO:    rl.Config{Algorithm: rl.AlgorithmGRPO, Steps: 8, Batch: 32, LR: 1e-4, Schedule: optim.Linear, Epochs: 1, EndPenalty: -1},
		KL:      .3,
	}
}

// Small returns s with a fraction of its steps.
func (s Settings) Small() Settings {
	for _, c := range []*train.Config{&s.SFT, &s.Distill, &s.Pairs, &s.DPO, &s.KTO} {
		c.Epochs = min(c.Epochs, 1)
	}
	for _, c := range []*rl.Config{&s.PPO, &s.RLOO, &s.GRPO} {
		c.Steps, c.Batch, c.Group, c.Minibatches, c.Baseline = min(c.Steps, 4), 16, 4, 2, 32
	}
	return s
}
