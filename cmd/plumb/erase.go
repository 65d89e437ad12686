package main

import (
	"context"

	"plumb/feedback"
	"plumb/offline"
	"plumb/offline/registry"
)

// erasing is a log that, when a user is erased, also marks the runs that learned from that user.
type erasing struct {
	feedback.Log
	runs registry.Runs
}

// EraseUser implements [feedback.Log]. The runs are marked last: whoever gets an error calls again, and what is gone already
// does no harm.
func (l erasing) EraseUser(ctx context.Context, user string) (feedback.Erased, error) {
	erased, err := l.Log.EraseUser(ctx, user)
	if err != nil {
		return erased, err
	}
	_, err = offline.Taint(ctx, l.runs, user)
	return erased, err
}
