// Package loss holds the training objectives of preference alignment as pure functions in float64: summed log-probs of
// the policy and the reference in, value and partial derivatives out. They know no model, no batch layout and no file.
//
// One loss is one file and one struct; its fields are the hyper-parameters and its zero value has the documented
// defaults. Losses of preference pairs implement [Pairwise], losses of single replies with a thumb [Unpaired]. [Parse] makes
// one from its name, and sums of several ([Mix]).
//
// Reinforcement learning from a reward has its parts here too, on single tokens, episodes and groups: advantages ([GAE], [LeaveOneOut],
// [GroupRelative], [Whiten]), losses ([Clipped], [ClippedValue]), the KL to a reference ([K1], [K3], [ReverseKL]) and [Entropy].
//
// Notation, as in the papers: c = log π(y⁺) − log π_ref(y⁺) and r = log π(y⁻) − log π_ref(y⁻), summed over completion tokens, in
// nats; Δ = c − r; n⁺ and n⁻ the completions' tokens; σ the logistic function; β the strength of the pull towards the reference.
//
// All functions are stable for |Δ| up to 1e3 and beyond: finite inputs give finite values. Nothing here keeps state but
// [Delta]. Cost: tens of nanoseconds a pair.
package loss
