// Package train changes a language model: it fits a low-rank adapter, or all weights, to preference pairs, to single replies with
// thumbs, or to demonstrations.
//
//	pairs, dropped := train.Encoder{Model: m}.Pairs(rows)
//	result, err := train.Trainer{Model: m, Config: train.Config{Method: "dpo"}}.Preferences(ctx, pairs)
//
// The loop is plain: draw a batch, run the model forward and backward, clip, step ([Trainer], trainer.go); each objective is a file
// (preference.go, unpaired.go, sft.go). Both replies of a pair share one pass over their prompt. The reference is the model without
// the adapter; its log-probs are computed once and kept on disk ([Reference]). A batch's gradient is the gradient of the sum of
// its rows' losses over the number of rows, however many passes it takes to stay within memory.
//
// The same model, rows and [Config] give the same bytes on any number of threads, and after any number of interruptions: a
// checkpoint holds everything, and the order of rows follows from the seed and the step alone.
package train
