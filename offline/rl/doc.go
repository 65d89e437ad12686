// Package rl trains a language model by reinforcement learning from a reward: proximal policy optimisation with a value head, RLOO
// and GRPO, as three settings of one loop.
//
//	result, err := rl.Trainer{Model: m, Reward: proxy, Watch: other, Config: rl.Config{Algorithm: "ppo"}}.Train(ctx, prompts)
//
// A step draws a batch of replies, a group to each prompt; has the reward model score them (scale.go); makes advantages of the scores
// (ppo.go, rloo.go, grpo.go); and takes some minibatch steps on the clipped policy loss (update.go). The loop (run.go) knows its policy
// as an actor of four methods (actor.go); a language model with an adapter is one (policy.go).
//
// Replies are drawn at temperature 1 without filters, so that the sampler and the policy are one distribution: the log-probs that a
// forward pass gives are then those the replies were drawn under, and the ratio of policies, the KL to the reference and the entropy
// are estimates without bias. Any other temperature would train a policy on the replies of another.
//
// What keeps a policy from being worth less than its reward says: the KL to the reference with an adaptive coefficient (control.go) and
// a budget; the reward model's own doubt, its ensemble's spread and the distance from what it knows, taken off the reward
// (scale.go); and a watcher made from other votes, that ends a run where the two part ways (guard.go).
//
// There is no entropy bonus: the KL to the reference already pulls towards its entropy.
//
// The same model, prompts, reward models and [Config] give the same bytes on any number of threads, and after any number of
// interruptions.
package rl
