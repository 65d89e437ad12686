package registry

import (
	"fmt"
	"time"

	"plumb/chat"
)

// AlignLease is the name of the lease under which offline runs: one at a time on a store.
const AlignLease = "align"

// CheckLease returns an error of kind Invalid for a lease that no store can keep: one without a name, or for less than a
// millisecond.
func CheckLease(name string, ttl time.Duration) error {
	if name == "" {
		return &chat.Error{Kind: chat.Invalid, Param: "name", Msg: "lease: it has no name"}
	}
	if ttl < time.Millisecond {
		return &chat.Error{Kind: chat.Invalid, Param: "ttl", Msg: fmt.Sprintf("lease %s: ttl %v: want at least 1ms", name, ttl)}
	}
	return nil
}

// Held is the error of an Acquire that came second.
func Held(name, holder string, left time.Duration) error {
	return &chat.Error{Kind: chat.Conflict, RetryAfter: left,
		Msg: fmt.Sprintf("lease %s: held by %s for another %v", name, holder, left.Round(time.Millisecond))}
}
