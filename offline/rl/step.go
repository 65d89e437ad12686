package rl

// Step is what one step of a training measured of a policy on the replies it drew, and what learning from them did. The first step
// measures the reference, and the last the policy that all updates made: nothing is learned from its replies, so the figures of
// learning are absent there, as they are where the run stops.
type Step struct {
	Step  int `json:"step"`  // steps learned from before: the policy's age, from 0
	Steps int `json:"steps"` // that there will be

	Reward        float64  `json:"reward"`                    // mean of the reward model's own reward, as it counts
	RewardWatch   *float64 `json:"reward_watch,omitempty"`    // the same of the watcher
	RewardWatchSE *float64 `json:"reward_watch_se,omitempty"` // its standard error, over prompts
	Score         float64  `json:"score"`                     // mean of what is maximised, in standard deviations of the reference's replies, without KL
	SD            float64  `json:"sd"`                        // mean spread of the ensemble, in the reward's own unit
	OOD           float64  `json:"ood"`                       // mean distance from what the reward model knows
	KL            float64  `json:"kl"`                        // to the reference, nats a reply: mean of Σ log π/π_ref
	KLCoef        float64  `json:"kl_coef"`                   // Beta now
	Entropy       float64  `json:"entropy"`                   // nats a token: mean of −log π of what was drawn
	Length        float64  `json:"length"`                    // mean tokens of a reply
	Ended         float64  `json:"ended"`                     // share of replies that ended by themselves
	Tokens        int      `json:"tokens"`                    // drawn

	Updates      int      `json:"updates,omitempty"`            // of the policy from this batch
	Loss         *float64 `json:"loss,omitempty"`               // of the policy, KL included where it stands in the loss; mean over the minibatches
	GradNorm     *float64 `json:"grad_norm,omitempty"`          // before clipping, mean over the updates
	ClipFraction *float64 `json:"clip_fraction,omitempty"`      // share of tokens that the clip holds, mean over the minibatches
	StepKL       *float64 `json:"step_kl,omitempty"`            // from the policy that drew the batch to that of the last minibatch, nats a reply
	ValueLoss    *float64 `json:"value_loss,omitempty"`         // ppo
	Explained    *float64 `json:"explained_variance,omitempty"` // ppo: share of the returns' variance that the values foretold
	LR           float64  `json:"lr,omitempty"`
}
