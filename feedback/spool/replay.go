package spool

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"plumb/chat"
	"plumb/feedback"
)

// noteEvery is after how many replayed records the position is written: what lies behind it is put again after a crash,
// which changes nothing.
const noteEvery = 256

// firstPause is the pause after the first failure; each one after it is longer, up to Options.MaxBackoff.
const firstPause = 20 * time.Millisecond

// replayLoop puts what is pending into the store, whenever there is something, until ctx ends.
func (l *Log) replayLoop(ctx context.Context) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = firstPause, l.o.MaxBackoff
	looks := time.NewTicker(time.Second)
	defer looks.Stop()
	for {
		select {
		case <-looks.C:
			l.look(ctx)
			continue
		case <-l.wake:
		case <-ctx.Done():
			return
		}
		for again := true; again; {
			var err error
			again, err = l.step(ctx)
			if err == nil {
				pause.Reset()
				continue
			}
			select {
			case <-time.After(pause.NextBackOff()):
			case <-ctx.Done():
				return
			}
		}
	}
}

// step replays a stretch of what is pending, or finds that there is nothing left; again is false then.
func (l *Log) step(ctx context.Context) (again bool, err error) {
	if err := l.redo(ctx); err != nil {
		l.setFailing(err)
		return true, err
	}
	l.mu.RLock()
	stretch := append([]entry(nil), l.pending[:min(noteEvery, len(l.pending))]...)
	l.mu.RUnlock()
	if len(stretch) == 0 {
		return l.finish(ctx)
	}
	done := 0
	for _, e := range stretch {
		if err = l.replay(ctx, e); err != nil {
			break
		}
		done++
	}
	l.mu.Lock()
	l.failing = err != nil
	nothingLeft := len(l.pending) == 0 && l.queued == 0
	if nothingLeft {
		l.journal.seal() // while no write is on its way into it
	}
	l.mu.Unlock()
	if done > 0 {
		if noted := l.journal.replayed(stretch[done-1].at, nothingLeft); noted != nil {
			l.log.Error("cannot note how far the spool was replayed", "error", noted) // it will be replayed again
		}
	}
	return true, err
}

func (l *Log) setFailing(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = err != nil
}

// finish lets writes go to the store again, once it answers and no write is on its way into the journal.
func (l *Log) finish(ctx context.Context) (again bool, err error) {
	l.mu.RLock()
	busy := l.queued > 0
	l.mu.RUnlock()
	if busy {
		return false, nil // the committer wakes us
	}
	_, err = withTimeout(ctx, l, func(ctx context.Context) (struct{}, error) { return struct{}{}, l.store.Ping(ctx) })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = err != nil
	switch {
	case err != nil:
		return true, err
	case l.queued > 0 || len(l.pending) > 0:
		return len(l.pending) > 0, nil
	case l.behind:
		l.behind = false
		close(l.caught)
		l.log.Info("the feedback store has caught up")
	}
	return false, nil
}

// replay puts one record into the store and forgets it. An error means that it is still pending.
func (l *Log) replay(ctx context.Context, e entry) error {
	l.mu.RLock()
	payload, err := l.journal.read(e.at)
	l.mu.RUnlock()
	var r record
	if err == nil {
		r, err = decodeRecord(payload)
	}
	if err != nil {
		l.log.Error("a spooled record cannot be read", "id", e.id, "error", err)
		l.reject(payload, err)
	} else if err := l.deliver(ctx, r); err != nil {
		if !isRefusal(err) && !l.hopeless(ctx, e, err) {
			return err
		}
		l.log.Error("the store refuses a spooled record", "id", e.id, "error", err)
		l.reject(payload, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = l.pending[1:]
	if r.event != nil || r.generation != nil {
		l.view.remove(r, e.at)
	}
	return nil
}

// deliver puts one record into the store and remembers it where the store is forgetful.
func (l *Log) deliver(ctx context.Context, r record) error {
	err := l.put(ctx, r)
	if err == nil {
		l.acknowledged(r)
	}
	return err
}

// put puts one record into the store. An event on a generation that was out of reach when it was said is now told
// which reply it means.
func (l *Log) put(ctx context.Context, r record) error {
	_, err := withTimeout(ctx, l, func(ctx context.Context) (struct{}, error) {
		if r.generation != nil {
			_, err := l.store.PutGeneration(ctx, *r.generation)
			return struct{}{}, err
		}
		e := *r.event
		if e.Generation != "" && e.Candidate == "" && e.Kind != feedback.Revoke {
			g, err := l.store.Generation(ctx, e.Generation)
			if err != nil && chat.KindOf(err) != chat.NotFound {
				return struct{}{}, err
			}
			if resolved, failed := feedback.Resolve(e, g); err == nil && failed == nil {
				e = resolved
			}
		}
		_, _, err := l.store.PutEvent(ctx, e)
		return struct{}{}, err
	})
	return err
}

// isRefusal says whether the store will never take the record.
func isRefusal(err error) bool {
	switch chat.KindOf(err) {
	case chat.Invalid, chat.NotFound, chat.Conflict, chat.TooLarge:
		return true
	}
	return false
}

// attempts is how often a record is tried that the store cannot take although it can be written: a fault, of the store
// or of ours, which must not hold up all that comes after it.
const attempts = 10

// hopeless says whether e has failed that often.
func (l *Log) hopeless(ctx context.Context, e entry, err error) bool {
	if isAway(err) || ctx.Err() != nil || l.Ping(ctx) != nil {
		return false
	}
	if l.stuck.id != e.id || l.stuck.at != e.at {
		l.stuck.entry, l.stuck.times = e, 0
	}
	l.stuck.times++
	return l.stuck.times >= attempts
}

// reject keeps a record that cannot be replayed for a person to look at.
func (l *Log) reject(payload []byte, cause error) {
	l.rejected.Add(1)
	line := struct {
		Error  string          `json:"error"`
		Record json.RawMessage `json:"record,omitempty"`
		Raw    []byte          `json:"raw,omitempty"`
	}{Error: cause.Error()}
	if len(payload) > 1 && json.Valid(payload[1:]) {
		line.Record = payload[1:]
	} else {
		line.Raw = payload
	}
	b, err := json.Marshal(line)
	if err == nil {
		err = appendDurably(l.o.folder, "rejected.jsonl", append(b, '\n'))
	}
	if err != nil {
		l.log.Error("cannot keep a rejected record", "error", err)
	}
}

// appendDurably appends to a file, and makes it where there is none.
func appendDurably(d folder, name string, b []byte) error {
	f, err := d.open(name, false)
	if err != nil {
		if f, err = d.open(name, true); err != nil {
			return err
		}
		if err := d.sync(); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(b, info.Size())
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
