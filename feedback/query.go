package feedback

import (
	"context"
	"iter"
	"strconv"
)

// Page sizes of a [Query].
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// Size returns how many records a page of q has: q.Limit, or 100 where that is 0. A limit that is negative or above 1,000
// is an error of kind Invalid.
func (q Query) Size() (int, error) {
	switch {
	case q.Limit == 0:
		return defaultLimit, nil
	case q.Limit < 0 || q.Limit > maxLimit:
		return 0, invalid("limit", "limit %d: want 1 to %d", q.Limit, maxLimit)
	}
	return q.Limit, nil
}

// AfterSeq reads q.After as the position of an event: stores number events in the order of their storing, from 1. Any
// other cursor is an error of kind Invalid.
func (q Query) AfterSeq() (int64, error) {
	if q.After == "" {
		return 0, nil
	}
	seq, err := strconv.ParseInt(q.After, 10, 64)
	if err != nil || seq < 0 {
		return 0, invalid("after", "after %s: want the cursor of an earlier page", quote(q.After))
	}
	return seq, nil
}

// Seq makes the cursor that [Query.AfterSeq] reads.
func Seq(seq int64) string { return strconv.FormatInt(seq, 10) }

// AllEvents reads every live event that q selects, page by page, from q.After on. It stops at the first error.
func AllEvents(ctx context.Context, r Reader, q Query) iter.Seq2[Event, error] {
	return all(q, func(q Query) ([]Event, string, error) { return r.Events(ctx, q) })
}

// AllGenerations reads every generation that q selects, as [AllEvents] does.
func AllGenerations(ctx context.Context, r Reader, q Query) iter.Seq2[Generation, error] {
	return all(q, func(q Query) ([]Generation, string, error) { return r.Generations(ctx, q) })
}

func all[T any](q Query, page func(Query) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			records, next, err := page(q)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			q.After = next
		}
	}
}
