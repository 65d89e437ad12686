// Package sampler chooses a reply: it draws candidates from a [Generator], has them scored by a [Scorer], and picks one by
// a rule. It knows no server, no store and no reward model; what it needs of them it states here as small interfaces.
//
// [Sampler.Sample] is the whole way of a request: plan.go holds it against what there is, draw.go draws, merge.go finds
// equal texts, score.go turns rewards into scores, choose.go draws the choice. The rules are pure functions from scores to
// probabilities, one a file: [Max], [TopM], [Soft], [BestOfPoisson], [ChiSquare]. kl.go and law.go say how far each goes
// from the base model.
package sampler

import (
	"context"

	"plumb/chat"
)

// Generator draws continuations from a base model. Implementations are safe for concurrent use.
type Generator interface {
	// Continue draws one continuation of each prefix of d and calls each for every [chat.Piece], never concurrently;
	// pieces of different continuations come in the order in which they are ready. A continuation that fails is
	// delivered as a piece with Err and does not stop the others. Continue returns after the last piece; its error is
	// for what concerns the whole draw (unknown model, invalid options, upstream unreachable before anything was
	// drawn). Cancelling ctx stops all work upstream and returns ctx's error.
	Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error
	// Abilities says what can be asked of model. Cheap: implementations cache it.
	Abilities(ctx context.Context, model string) (chat.Abilities, error)
}

// Scorer scores replies to one prompt, all in one call: rewards[i] belongs to replies[i]. Safe for concurrent use.
type Scorer interface {
	Score(ctx context.Context, prompt []chat.Message, replies []string) ([]chat.Reward, error)
}
