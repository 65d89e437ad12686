package feedback

import (
	"encoding/json"
	"fmt"

	"plumb/chat"
)

// MaxGeneration bounds the stored form of one [Generation], in bytes.
const MaxGeneration = 64 << 20

// EncodeGeneration returns the form in which stores keep g: its JSON. An id that is no key, a number that JSON cannot
// write (NaN, ±Inf) and a bad Metadata are errors of kind Invalid; a record above [MaxGeneration] is one of kind TooLarge.
// Bytes of texts that are not UTF-8 become U+FFFD.
func EncodeGeneration(g Generation) ([]byte, error) {
	if !validID(g.ID) {
		return nil, invalid("id", "id %s: want 1 to %d of A-Z a-z 0-9 . _ : -", quote(g.ID), maxID)
	}
	if len(g.User) > maxUser {
		return nil, invalid("user", "user has %d bytes: at most %d", len(g.User), maxUser)
	}
	b, err := json.Marshal(g)
	if err != nil {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: "encode generation " + g.ID, Cause: err}
	}
	if len(b) > MaxGeneration {
		return nil, &chat.Error{Kind: chat.TooLarge, Msg: fmt.Sprintf("generation %s has %d bytes: at most %d", g.ID, len(b), MaxGeneration)}
	}
	return b, nil
}

// DecodeGeneration reads what [EncodeGeneration] wrote. Fields it does not know are skipped: an older program can read
// what a newer one kept.
func DecodeGeneration(b []byte) (Generation, error) {
	var g Generation
	if err := json.Unmarshal(b, &g); err != nil {
		return g, fmt.Errorf("decode generation: %w", err)
	}
	return g, nil
}

// EncodeEvent validates e and returns the form in which stores keep it: its JSON.
func EncodeEvent(e Event) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(e)
	if err != nil {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: "encode event " + e.ID, Cause: err}
	}
	return b, nil
}

// DecodeEvent reads what [EncodeEvent] wrote; what it returns is valid.
func DecodeEvent(b []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("decode event: %w", err)
	}
	if err := e.Validate(); err != nil {
		return e, fmt.Errorf("decode event: %w", err)
	}
	return e, nil
}
