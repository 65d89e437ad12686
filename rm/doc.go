// Package rm is the reward model: a small ensemble of linear heads over text features that learns, from votes, which of
// several replies to a prompt people like better, and how sure that is.
//
//	rewards, err := model.Score(ctx, prompt, replies)
//
// A [Trainer] fits a [Model] from comparisons with ties, thumbs, rankings and demonstrations together. The model is one
// file with everything that scoring needs; its [Model.Version] is the hash of that file's bytes. [Live] holds the model in use
// and swaps it under readers. How features are made is a [Features]: [Lexical] needs no model and takes microseconds,
// [Embedding] asks an embeddings server.
//
// The package knows neither servers nor stores nor samplers.
package rm
