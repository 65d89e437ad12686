// Package distill turns what was drawn to serve one reply into what the model learns from: the log keeps every candidate of a
// best-of-n answer, a reward model says which was best, and a model trained on those gives in one draw what took n.
//
//	all, err := distill.Collect(ctx, log)
//	pools, dropped, err := distill.Reader{Judge: rm}.Pools(ctx, all)
//	rows := distill.Best{}.Rows(pools)             // to imitate: expert iteration, best-of-n distillation
//	pairs := distill.BoNBoN{}.Rows(pools)          // best against worst, for the loss that BoNBoN.Method names
//	saved := distill.Compare(before, after, 8)     // how many draws the trained model saves
//
// Rows made here are the reward model's opinion, not people's: their source is "rm", and they never enter a gate.
package distill
