package samplertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"plumb/chat"
)

func unknownModel(ctx context.Context, s *subject) error {
	d := s.draw(2, 4)
	d.Model = s.Missing
	err := s.Generator.Continue(ctx, d, func(chat.Piece) {})
	if chat.KindOf(err) != chat.NotFound || !strings.Contains(err.Error(), s.Missing) {
		return fmt.Errorf("continue with model %q: got %v, want an error of kind NotFound that names it", s.Missing, err)
	}
	if _, err := s.Generator.Abilities(ctx, s.Missing); chat.KindOf(err) != chat.NotFound {
		return fmt.Errorf("abilities of model %q: got %v, want an error of kind NotFound", s.Missing, err)
	}
	return nil
}

func seedsMissing(ctx context.Context, s *subject) error {
	d := s.draw(3, 4)
	d.Seeds = d.Seeds[:2]
	err := s.Generator.Continue(ctx, d, func(chat.Piece) {})
	if chat.KindOf(err) != chat.Invalid {
		return fmt.Errorf("two seeds for three prefixes: got %v, want an error of kind Invalid", err)
	}
	return nil
}

func cancelledBefore(ctx context.Context, s *subject) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	pieces := 0
	err := s.Generator.Continue(ctx, s.draw(2, 8), func(p chat.Piece) {
		if p.Done != nil {
			pieces++
		}
	})
	if !errors.Is(err, context.Canceled) || pieces > 0 {
		return fmt.Errorf("got %v and %d replies, want the context's error", err, pieces)
	}
	return nil
}

// cancelled: a long draw is cancelled at its first text. Continue returns the context's error, and nothing is left running.
func cancelled(ctx context.Context, s *subject) error {
	drawing, cancel := context.WithCancel(ctx)
	defer cancel()
	d := s.draw(4, 2000)
	d.Stream = true
	var at time.Time
	err := s.Generator.Continue(drawing, d, func(p chat.Piece) {
		if at.IsZero() {
			at = time.Now()
			cancel()
		}
	})
	if at.IsZero() {
		return fmt.Errorf("no piece came: %w", err)
	}
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("got %v, want the context's error", err)
	}
	s.logf("Continue returned %v after the cancellation", time.Since(at))
	if s.Running == nil {
		return nil
	}
	for s.Running() > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d continuations are still worked on upstream", s.Running())
		case <-time.After(time.Millisecond):
		}
	}
	s.logf("the upstream was idle %v after the cancellation", time.Since(at))
	return nil
}

func oneFails(ctx context.Context, s *subject) error {
	s.FailOne()
	got, err := s.collect(ctx, s.draw(4, 8))
	if err != nil {
		return fmt.Errorf("continue: %w; want the failure as a piece", err)
	}
	failed := 0
	for i, p := range got.last {
		if p.Err == nil {
			continue
		}
		failed++
		if kind := chat.KindOf(p.Err); kind == chat.Internal {
			return fmt.Errorf("continuation %d fails with %v, which has no kind", i, p.Err)
		}
	}
	if failed != 1 {
		return fmt.Errorf("%d of 4 continuations failed, want 1", failed)
	}
	return nil
}
