package lm

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"plumb/chat"
)

// models keeps the models that are open, by name, and closes the one unused for longest when there are too many. A model
// in use is never closed.
type models struct {
	open   func(ctx context.Context, name string) (*Model, error)
	list   func(ctx context.Context) ([]chat.Model, error)
	max    int
	closed func(*Model) // told of a model that is to be closed

	mu    sync.Mutex
	held  map[string]*heldModel
	clock int64
}

type heldModel struct {
	ready chan struct{} // closed when model or err is set
	model *Model
	err   error
	users int
	used  int64 // clock of the last use
}

func newModels(open func(context.Context, string) (*Model, error), list func(context.Context) ([]chat.Model, error), limit int, closed func(*Model)) *models {
	return &models{open: open, list: list, max: limit, closed: closed, held: map[string]*heldModel{}}
}

// get returns a model; done must be called when it is no longer used. Requests for one model that is not open yet wait for
// one opening of it, as long as their contexts allow.
func (s *models) get(ctx context.Context, name string) (m *Model, done func(), err error) {
	s.mu.Lock()
	h := s.held[name]
	if h == nil {
		h = &heldModel{ready: make(chan struct{})}
		s.held[name] = h
		go s.load(context.WithoutCancel(ctx), name, h)
	}
	h.users++
	s.clock++
	h.used = s.clock
	s.mu.Unlock()
	done = func() {
		s.mu.Lock()
		h.users--
		s.clock++
		h.used = s.clock
		s.mu.Unlock()
		s.closeUnused()
	}
	select {
	case <-h.ready:
	case <-ctx.Done():
		done()
		return nil, nil, ctx.Err()
	}
	if h.err != nil {
		done()
		return nil, nil, h.err
	}
	return h.model, done, nil
}

// load opens a model; after a failure the next request tries again.
func (s *models) load(ctx context.Context, name string, h *heldModel) {
	model, err := s.tryOpen(ctx, name)
	s.mu.Lock()
	h.model, h.err = model, err
	if err != nil {
		delete(s.held, name)
	}
	s.mu.Unlock()
	close(h.ready)
	s.closeUnused()
}

// tryOpen makes an error of a fault, so that one file cannot end the process.
func (s *models) tryOpen(ctx context.Context, name string) (m *Model, err error) {
	defer func() {
		if v := recover(); v != nil {
			m, err = nil, &chat.Error{Kind: chat.Internal, Msg: "open model: failed", Cause: fmt.Errorf("panic: %v\n%s", v, debug.Stack())}
		}
	}()
	return s.open(ctx, name)
}

// closeUnused closes models until no more than max are held, or all that are left are in use.
func (s *models) closeUnused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.held) > s.max {
		oldest := ""
		for name, h := range s.held {
			if h.users == 0 && h.model != nil && (oldest == "" || h.used < s.held[oldest].used) {
				oldest = name
			}
		}
		if oldest == "" {
			return
		}
		s.closed(s.held[oldest].model)
		s.held[oldest].model.Close()
		delete(s.held, oldest)
	}
}
