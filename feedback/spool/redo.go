package spool

import (
	"context"
	"sync"
	"time"

	"plumb/chat"
)

// Forgetful is a store that can lose, when it is restarted or replaced, what it acknowledged shortly before: a Redis that
// fsyncs every second, or whose replicas follow some way behind. To make up for that a Log keeps what such a store
// acknowledged in the last Options.Redo, and puts it again: what the store still knows is not changed by that.
type Forgetful interface {
	// Guard makes the store refuse, with errors of kind Unavailable, to go on with a server that is not the one it began
	// with, until Resume.
	Guard()
	// Restarted says whether it refuses because of that.
	Restarted() bool
	// Resume lets it go on with the server that is there now.
	Resume()
}

// redoBytes bounds the memory that recent records take.
const redoBytes = 64 << 20

// recent holds what the store acknowledged lately, in that order. The zero value is empty.
type recent struct {
	mu      sync.Mutex
	records []remembered
	bytes   int
}

type remembered struct {
	at      time.Time
	payload []byte
}

// add appends a record and forgets what is older than keep.
func (r *recent) add(payload []byte, keep time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.records = append(r.records, remembered{now, payload})
	r.bytes += len(payload)
	r.trim(now.Add(-keep))
}

// trim forgets what came before a time, and what is too much. r.mu is held.
func (r *recent) trim(before time.Time) {
	n := 0
	for n < len(r.records) && (r.records[n].at.Before(before) || r.bytes > redoBytes) {
		r.bytes -= len(r.records[n].payload)
		r.records[n].payload = nil
		n++
	}
	r.records = r.records[n:]
}

// since returns what was acknowledged in the last while.
func (r *recent) since(keep time.Duration) [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trim(time.Now().Add(-keep))
	payloads := make([][]byte, len(r.records))
	for i, m := range r.records {
		payloads[i] = m.payload
	}
	return payloads
}

// acknowledged remembers a record that the store has just taken.
func (l *Log) acknowledged(r record) {
	if l.forgetful == nil {
		return
	}
	if payload, err := r.encode(); err == nil { // the store could encode it, too
		l.recent.add(payload, l.o.Redo)
	}
}

// redo puts again what a store that was restarted may have lost, before anything newer. An error means that there is more.
func (l *Log) redo(ctx context.Context) error {
	if l.forgetful == nil {
		return nil
	}
	if l.forgetful.Restarted() {
		l.again = l.recent.since(l.o.Redo)
		l.forgetful.Resume()
		l.log.Warn("the feedback store was restarted: what it acknowledged lately is put again", "records", len(l.again))
	}
	for len(l.again) > 0 {
		r, err := decodeRecord(l.again[0])
		if err == nil {
			err = l.putAgain(ctx, r)
		}
		if err != nil && !isRefusal(err) {
			return err
		}
		l.again = l.again[1:]
	}
	return nil
}

// putAgain puts a record unless the store knows it; a generation that it knows may be newer than ours.
func (l *Log) putAgain(ctx context.Context, r record) error {
	if r.generation != nil {
		known, err := withTimeout(ctx, l, func(ctx context.Context) (bool, error) {
			_, err := l.store.Generation(ctx, r.generation.ID)
			return err == nil, err
		})
		if known || chat.KindOf(err) != chat.NotFound {
			return err
		}
	}
	return l.put(ctx, r)
}

// look finds out whether the store was restarted, while there is something that it could have lost.
func (l *Log) look(ctx context.Context) {
	if l.forgetful == nil || len(l.recent.since(l.o.Redo)) == 0 {
		return
	}
	if err := l.Ping(ctx); err != nil && l.forgetful.Restarted() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.fallBehind(err)
	}
}
