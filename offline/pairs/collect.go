package pairs

import (
	"context"
	"fmt"

	"plumb/chat"
	"plumb/feedback"
)

// Source is where records come from; a [feedback.Log] is one.
type Source interface {
	Events(ctx context.Context, q feedback.Query) (events []feedback.Event, next string, err error)
	Generation(ctx context.Context, id string) (feedback.Generation, error)
}

// Records is what rows are made of: every live event, and the generations that they are about.
type Records struct {
	Events      []feedback.Event               `json:"events"`
	Generations map[string]feedback.Generation `json:"generations"`
}

// Collect reads all live events and their generations, all into memory. A generation that is gone is left out: its events
// become no row and are counted.
func Collect(ctx context.Context, from Source) (Records, error) {
	r := Records{Generations: map[string]feedback.Generation{}}
	gone := map[string]bool{}
	for after := ""; ; {
		events, next, err := from.Events(ctx, feedback.Query{After: after, Limit: 1000})
		if err != nil {
			return Records{}, fmt.Errorf("collect feedback: %w", err)
		}
		for _, e := range events {
			r.Events = append(r.Events, e)
			id := e.Generation
			if _, have := r.Generations[id]; have || id == "" || gone[id] {
				continue
			}
			g, err := from.Generation(ctx, id)
			switch {
			case err == nil:
				r.Generations[id] = g
			case chat.KindOf(err) == chat.NotFound:
				gone[id] = true
			default:
				return Records{}, fmt.Errorf("collect feedback: %w", err)
			}
		}
		if next == "" {
			return r, nil
		}
		after = next
	}
}
