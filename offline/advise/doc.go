// Package advise says what was collected, what each method needs, which one fits and why, what is missing for the next better one, and
// what a hundred more votes would tell.
//
//	train, heldOut, _ := set.Split(pairs.Split{})
//	a := advise.Evidence{All: set, Train: train, HeldOut: heldOut}.Advise()
//
// The rule, in its order:
//
//	the base is weak at the task, and people wrote down how it is done     sft     the task comes before taste
//	more demonstrations than votes, and the model's own replies beside     irl     a reward from what people wrote against what it says
//	more demonstrations than votes                                         sft
//	thumbs are five times as many as pairs                                 kto
//	enough pairs                                                           dpo     the most a vote can teach
//	enough thumbs, up and down                                             kto
//	enough thumbs, of one sort                                             bco
//	enough demonstrations                                                  irl or sft
//	half as many votes of any kind                                         rm      best-of-n, no new model
//
// Enough is a run's least rows where votes are clean, and 1/(1 − 2ε)² times as many where a share ε of them is wrong: each then moves a fit
// by 1 − 2ε of what a right one does, under the same chance.
package advise
