// Package irl is inverse reinforcement learning: a reward from demonstrations and edits alone, without a vote.
//
//	result, err := irl.Learner{Model: base}.Learn(ctx, irl.FromSet(rows))
//
// People who show how they want to be answered are taken for a policy that has the reward in mind but stays near the base
// model, p(y|x) ∝ π_ref(y|x)·e^{r(x,y)/τ} (maximum entropy with a prior; Ziebart et al. 2008). The likelihood of the
// demonstrations needs the partition function Z(x) = E_ref[e^{r/τ}], which is estimated from the model's own replies to the same
// prompt (guided cost learning, Finn et al. 2016, https://arxiv.org/abs/1603.00448). A [Learner] goes round: draw candidates from
// the policy, fit the reward on the demonstrations against all candidates so far, improve the policy against it. The first
// policy is the base; an [Improver] makes the next, and candidates that come nearer to the demonstrations teach the reward finer
// differences. Without an Improver there is one round, and the reward is for a sampler to use.
//
// # Candidates that are no draws from the reference
//
// Those of a later round come from another policy, or all were drawn at another temperature. Each then counts for
// π_ref(y)/q(y), q being the mixture of all that was drawn from (the balance heuristic: Veach & Guibas 1995, §5; Finn et al.
// 2016, §4.2), with log-probs from forward passes over the very tokens that were drawn. What the weighted candidates are worth
// is reported as their effective size. Candidates that a log holds are not used: nobody knows what they were drawn from.
//
// # What is good, or who wrote it
//
// A reward fitted on people's text against the model's may learn to know the author: a signature, a typing habit, a spelling. It
// then separates the two perfectly and is of no use, since a sampler or PPO only ever chooses among replies of the model (Sun &
// van der Schaar 2024, https://arxiv.org/abs/2405.15624). Both look the same in the fit's own accuracy. What tells them apart is
// whether the reward also tells better from worse among the model's own replies. So every fit is measured on both, on prompts it
// has not seen:
//
//   - author_accuracy: a demonstration outscores a candidate of the model;
//   - own_accuracy: an own positive outscores an own negative. Positives are the candidates nearest to the demonstration in content
//     and style, negatives those farthest from it ([rm.OwnPairs]). Where there is an adapter trained on the demonstrations
//     (Learner.SFT) positives are draws from that, text of the model that has taken over what the demonstrations say and how, and
//     negatives draws from the base.
//
// High author accuracy with own accuracy near chance is reported as a warning. Trainer.OwnText puts the own comparisons into the fit, which
// pulls the reward towards what also differs between the model's replies. The measure has a limit: a habit of the
// author that some of the model's replies happen to share, such as length, passes for a quality. Edits are the better evidence
// there, for both of their sides are mostly the model's text.
package irl
