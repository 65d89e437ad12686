package lm

import (
	"context"
	"sync"

	"plumb/chat"
)

// models keeps the models that are open, by name, and closes the one unused for longest when there are too many. A model
// in use is never closed.
type models struct {
	open func(ctx context.Context, name string) (*Model, error)
	list func(ctx context.Context) ([]chat.Model, error)
	max  int

	mu    sync.Mutex
	held  map[string]*heldModel
	clock int64
}

type heldModel struct {
	once  sync.Once
	model *Model
	err   error
	users int
	used  int64 // clock of the last use
}

func newModels(open func(context.Context, string) (*Model, error), list func(context.Context) ([]chat.Model, error), limit int) *models {
	return &models{open: open, list: list, max: limit, held: map[string]*heldModel{}}
}

// get returns a model; done must be called when it is no longer used. Requests for one model that is not open yet wait for
// one opening of it.
func (s *models) get(ctx context.Context, name string) (m *Model, done func(), err error) {
	s.mu.Lock()
	h := s.held[name]
	if h == nil {
		h = &heldModel{}
		s.held[name] = h
	}
	h.users++
	s.clock++
	h.used = s.clock
	s.mu.Unlock()
	h.once.Do(func() { h.model, h.err = s.open(context.WithoutCancel(ctx), name) })
	if h.err != nil {
		s.mu.Lock()
		if s.held[name] == h {
			delete(s.held, name) // the next request tries again
		}
		s.mu.Unlock()
		return nil, nil, h.err
	}
	s.closeUnused()
	return h.model, func() {
		s.mu.Lock()
		h.users--
		s.mu.Unlock()
	}, nil
}

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
		s.held[oldest].model.Close()
		delete(s.held, oldest)
	}
}
