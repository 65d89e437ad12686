// Package spool keeps feedback while its store is away. [Log] wraps a [feedback.Log]: as long as the store answers, every
// call goes straight to it. When it stops answering, records go to files in a folder of this machine, fsync'd and
// bounded, and reads see them; when it is back they are replayed into it in their order, each one exactly once, because
// a store takes an event's id only once and a generation as a whole.
//
// # Files
//
//	lock                        held by the one process that uses the folder
//	0000000000000001.spool      segments: records in the order in which they were acknowledged (journal.go)
//	position                    up to where the segments were replayed, as JSON
//	rejected.jsonl              records that the store refused for good, one {"error", "record"} a line, for a person
//
// A store that can itself lose what it acknowledged, and says so ([Forgetful]), is given the records of its last seconds
// again after it was restarted.
//
// A segment that was replayed is deleted. What a crash or a full disk left half-written is not a record that was
// acknowledged; it is skipped.
package spool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"plumb/chat"
	"plumb/feedback"
)

// Options says where and how to spool.
type Options struct {
	Dir          string        // the folder; made where there is none
	MaxBytes     int64         // of all segments; 0 means 1 GiB. Above it writes fail with kind Unavailable
	SegmentBytes int64         // size from which a new segment is begun; 0 means 16 MiB
	StoreTimeout time.Duration // how long the store may take for one call before it counts as away; 0 means 1 s
	MaxBackoff   time.Duration // longest pause between two attempts to reach the store; 0 means 5 s
	Redo         time.Duration // how long a record is kept to be put again into a store that is Forgetful; 0 means 10 s
	Logger       *slog.Logger  // nil logs nothing

	folder folder // tests put faults in here
}

// Log is a feedback.Log that outlives its store's absence. Safe for concurrent use.
type Log struct {
	store   feedback.Log
	o       Options
	log     *slog.Logger
	journal *journal
	unlock  func() error

	// mu covers what is pending and where we stand. Reads of segments hold it too, as what is pending is not deleted.
	mu      sync.RWMutex
	view    view
	pending []entry       // in order; the first is replayed next
	queued  int           // writes on their way into the journal
	behind  bool          // the store is away, or has not yet got all: every write goes to the journal
	failing bool          // the last attempt to reach the store failed
	caught  chan struct{} // closed when the store has caught up; remade when it falls behind
	closed  bool

	forgetful Forgetful // nil for a store that is not
	recent    recent
	again     [][]byte // what is to be put again; the replayer's
	rejected  atomic.Int64
	stuck     struct { // the record that the replayer cannot get rid of
		entry
		times int
	}
	requests  chan *request
	wake      chan struct{} // holds one: there is something for the replayer
	stop      context.CancelFunc
	goroutine sync.WaitGroup
}

var _ feedback.Log = (*Log)(nil)

// Open reads what an earlier process left in the folder and begins to replay it. The store need not be there. A folder in
// use by another process is an error of kind Conflict. Close closes the store, too.
func Open(store feedback.Log, o Options) (*Log, error) {
	o.MaxBytes, o.SegmentBytes = cmp.Or(o.MaxBytes, 1<<30), cmp.Or(o.SegmentBytes, 16<<20)
	o.StoreTimeout, o.MaxBackoff, o.Redo = cmp.Or(o.StoreTimeout, time.Second), cmp.Or(o.MaxBackoff, 5*time.Second), cmp.Or(o.Redo, 10*time.Second)
	if o.MaxBytes < 0 || o.SegmentBytes < 0 || o.StoreTimeout < 0 || o.MaxBackoff < 0 || o.Redo < 0 {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: "open spool: sizes and times are not negative"}
	}
	l := &Log{store: store, o: o, log: o.Logger, view: newView(), caught: make(chan struct{}),
		requests: make(chan *request, queueLength), wake: make(chan struct{}, 1)}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	close(l.caught)
	if f, ok := store.(Forgetful); ok {
		l.forgetful = f
		f.Guard()
	}
	if err := l.load(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.goroutine.Go(l.commitLoop)
	l.goroutine.Go(func() { l.replayLoop(ctx) })
	return l, nil
}

// load locks the folder and indexes what is in it.
func (l *Log) load() error {
	if l.o.folder == nil {
		unlock, err := lockFolder(l.o.Dir)
		if err != nil {
			return err
		}
		l.unlock, l.o.folder = unlock, osFolder(l.o.Dir)
	}
	j, err := openJournal(l.o.folder, l.o.SegmentBytes, l.o.MaxBytes)
	if err == nil {
		l.journal = j
		err = j.scan(l.index)
	}
	if err != nil {
		return errors.Join(&chat.Error{Kind: chat.Unavailable, Msg: "open spool " + l.o.Dir, Cause: err}, l.release())
	}
	if j.skipped > 0 {
		l.log.Warn("skipped what was half-written in the spool", "bytes", j.skipped)
	}
	if n := len(j.segments); n > 0 && len(l.pending) == 0 { // all of it was rejected
		last := j.segments[n-1]
		if err := j.replayed(place{Segment: last.number, Offset: last.size}, true); err != nil {
			return errors.Join(&chat.Error{Kind: chat.Unavailable, Msg: "open spool " + l.o.Dir, Cause: err}, l.release())
		}
	}
	if len(l.pending) > 0 {
		l.log.Info("records of an earlier process wait in the spool", "records", len(l.pending))
		l.fallBehind(nil)
		l.failing = false
	}
	return nil
}

// index notes one record found in the journal.
func (l *Log) index(at place, payload []byte) {
	r, err := decodeRecord(payload)
	if err != nil {
		l.reject(payload, err)
		return
	}
	l.view.add(r, at)
	l.pending = append(l.pending, entry{at, r.name()})
}

// Status is where a spool stands.
type Status struct {
	Behind   bool  // the store is away, or has not yet got all that was acknowledged
	Pending  int   // records that it has not got
	Bytes    int64 // size of the segments
	Rejected int64 // records that it refused for good, since Open
}

// Status says where the spool stands.
func (l *Log) Status() Status {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return Status{l.behind, len(l.pending), l.journal.size(), l.rejected.Load()}
}

// Pending is how many acknowledged records the store has not got.
func (l *Log) Pending() int { return l.Status().Pending }

// Ping says whether the store itself can be written now. Writes are accepted all the same while it cannot, as long as the
// spool has room.
func (l *Log) Ping(ctx context.Context) error {
	if l.isClosed() {
		return errClosed()
	}
	ctx, cancel := context.WithTimeout(ctx, l.o.StoreTimeout)
	defer cancel()
	if err := l.store.Ping(ctx); err != nil {
		return &chat.Error{Kind: chat.Unavailable, Msg: fmt.Sprintf("the store is away, %d records are spooled", l.Pending()), Cause: err}
	}
	return nil
}

// Close ends the replay, keeps what is pending for the next Open, and closes the store. Closing twice is no error.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.requests)
	l.mu.Unlock()
	l.stop()
	l.goroutine.Wait()
	return errors.Join(l.journal.close(), l.release(), l.store.Close())
}

func (l *Log) release() error {
	if l.unlock == nil {
		return nil
	}
	return l.unlock()
}

func (l *Log) isClosed() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.closed
}

func errClosed() error { return &chat.Error{Kind: chat.Unavailable, Msg: "feedback log is closed"} }
