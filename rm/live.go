package rm

import (
	"context"
	"sync/atomic"

	"plumb/chat"
)

// Live is the model in use, which can be swapped while others score: a call under way keeps the model it began with. The
// zero value has no model. Safe for concurrent use.
type Live struct {
	model atomic.Pointer[Model]
}

// Model returns the model in use, nil if there is none.
func (l *Live) Model() *Model { return l.model.Load() }

// Swap puts m (nil for none) in use and returns what was.
func (l *Live) Swap(m *Model) (before *Model) { return l.model.Swap(m) }

// Score scores with the model in use; without one the error is of kind Unavailable.
func (l *Live) Score(ctx context.Context, prompt []chat.Message, replies []string) ([]chat.Reward, error) {
	m := l.Model()
	if m == nil {
		return nil, &chat.Error{Kind: chat.Unavailable, Msg: "score replies: no reward model is trained yet"}
	}
	return m.Score(ctx, prompt, replies)
}
