package lm

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"plumb/chat"
)

// line is the requests for one model: some wait, those before them are drawn, all together. A goroutine serves them while
// there are any.
type line struct {
	m         *Model
	options   Options
	context   int        // tokens that a prompt with a reply may have
	scheduler *scheduler // of the goroutine that serves

	mu      sync.Mutex
	waiting []*request
	serving bool
}

// idlePages is how many unused pages a line keeps when it has nothing to do.
const idlePages = 32

func newLine(m *Model, o Options) *line {
	s := m.newScheduler(nil, limits{exact: o.Exact, replies: o.Replies, keys: o.KVBytes, cache: o.PromptBytes})
	return &line{m: m, options: o, context: min(m.config.Context, s.pages.context()), scheduler: s}
}

// join queues a request. It fails with kind RateLimited if too many wait already; then the request's left is not called.
func (l *line) join(r *request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= l.options.Queue {
		return &chat.Error{Kind: chat.RateLimited, Msg: fmt.Sprintf("draw: %d requests wait already", l.options.Queue), RetryAfter: time.Second}
	}
	l.waiting = append(l.waiting, r)
	if !l.serving {
		l.serving = true
		go l.serve()
	}
	return nil
}

// serve draws until nothing is left to do.
func (l *line) serve() {
	for {
		for _, r := range l.cancelled() {
			r.left(r.ctx.Err())
		}
		l.admit()
		if !l.scheduler.busy() && l.rest() {
			return
		}
		l.step()
	}
}

// rest ends the serving if nobody waits.
func (l *line) rest() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) > 0 {
		return false
	}
	l.scheduler.pages.trim(idlePages)
	l.serving = false
	return true
}

// admit takes requests on in the order in which they came, while there is room.
func (l *line) admit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(l.waiting) && l.scheduler.fits(l.waiting[n]) {
		l.scheduler.enter(l.waiting[n])
		n++
	}
	l.waiting = append(l.waiting[:0], l.waiting[n:]...)
	clear(l.waiting[len(l.waiting) : len(l.waiting)+n])
}

// cancelled takes out those who no longer wait.
func (l *line) cancelled() (gone []*request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	stay := l.waiting[:0]
	for _, r := range l.waiting {
		if r.ctx.Err() != nil {
			gone = append(gone, r)
			continue
		}
		stay = append(stay, r)
	}
	clear(l.waiting[len(stay):])
	l.waiting = stay
	return gone
}

// step is a step of the scheduler. A fault in it fails the requests that are drawn, and none after them.
func (l *line) step() {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		err := &chat.Error{Kind: chat.Internal, Msg: "draw: the engine failed", Cause: fmt.Errorf("panic: %v\n%s", v, debug.Stack())}
		for _, r := range l.scheduler.active {
			if r != nil {
				r.left(err)
			}
		}
		l.scheduler = l.m.newScheduler(nil, l.scheduler.limits)
	}()
	l.scheduler.step()
}

// box carries pieces from the goroutine that draws to the one that asked, so that a slow reader holds nobody up. It holds no
// more than the replies have tokens.
type box struct {
	mu     sync.Mutex
	pieces []chat.Piece
	closed bool
	err    error
	signal chan struct{}
}

func newBox() *box { return &box{signal: make(chan struct{}, 1)} }

func (b *box) put(p chat.Piece) {
	b.mu.Lock()
	b.pieces = append(b.pieces, p)
	b.mu.Unlock()
	b.ring()
}

// close says that no more comes; err is what empty returns.
func (b *box) close(err error) {
	b.mu.Lock()
	b.closed, b.err = true, err
	b.mu.Unlock()
	b.ring()
}

func (b *box) ring() {
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

// empty passes on what comes, until the box is closed or ctx ends.
func (b *box) empty(ctx context.Context, each func(chat.Piece)) error {
	var pieces, spare []chat.Piece
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.signal:
		}
		b.mu.Lock()
		pieces, b.pieces = b.pieces, spare[:0]
		closed, err := b.closed, b.err
		b.mu.Unlock()
		for _, p := range pieces {
			if err := ctx.Err(); err != nil {
				return err
			}
			each(p)
		}
		clear(pieces)
		spare = pieces
		if closed {
			return err
		}
	}
}
