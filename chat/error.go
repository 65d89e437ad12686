package chat

import (
	"errors"
	"time"
)

// Kind says what a caller can do about an error. The set is closed; server/errors.go maps each to an HTTP status.
type Kind uint8

const (
	Internal     Kind = iota // a fault of ours; details stay in the log
	Invalid                  // the request is wrong: change it
	Unauthorized             // no key, or a wrong one
	Forbidden                // the key's scope does not allow it
	NotFound                 // the thing named does not exist
	Conflict                 // the state does not allow it now
	TooLarge                 // over a size limit
	RateLimited              // over a rate or queue limit: wait RetryAfter
	Unavailable              // something we depend on is away: try later
	Upstream                 // the base model's server failed or answered nonsense
	Timeout                  // the deadline passed with nothing to show
)

func (k Kind) String() string {
	names := [...]string{"internal", "invalid", "unauthorized", "forbidden", "not_found", "conflict", "too_large",
		"rate_limited", "unavailable", "upstream", "timeout"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Error is the one error type that crosses packages when the caller should branch on the kind or see the message.
// Msg is for the caller and names the thing, its value and what is allowed; Cause is for the log.
type Error struct {
	Kind       Kind
	Param      string // path of the offending input ("messages[0].role"), or ""
	Msg        string // "verb noun: what is wrong"
	Cause      error
	RetryAfter time.Duration // with RateLimited and Unavailable, 0 if unknown
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Msg
	}
	return e.Msg + ": " + e.Cause.Error()
}

func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the first *Error in err's chain, and Internal for any other error.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
