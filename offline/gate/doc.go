// Package gate decides whether a trained model may take the place of the one that answers now. [Decide] is a pure function
// of [Measures] (made by package evaluate) and [Limits]; it returns a [Report] with one [Check] a question, each with its
// figure, its interval, what was allowed, and what it can and cannot see.
//
// Two kinds of checks:
//
//   - Evidence: is the new model closer to what people said, on prompts (and where there are enough, users) that training did not
//     see? Held-out pairs, thumbs, demonstrations, and a judge. At least one must show it beyond chance, and none the opposite.
//     With too few votes a check is insufficient, which is no evidence.
//   - Guards: likelihood of other text, divergence from the incumbent and the base, length, repetition, displacement, the
//     reward model's resistance to known hacks, and the published file. Every one must pass; one without data does not, unless
//     the limits say so.
package gate
