package spool

import (
	"fmt"

	"plumb/feedback"
)

// record is one thing to store: a generation, or an event.
type record struct {
	generation *feedback.Generation
	event      *feedback.Event
}

// First bytes of a payload.
const (
	isGeneration = 'g'
	isEvent      = 'e'
)

// encode validates r and returns its payload.
func (r record) encode() ([]byte, error) {
	if r.generation != nil {
		b, err := feedback.EncodeGeneration(*r.generation)
		return append([]byte{isGeneration}, b...), err
	}
	b, err := feedback.EncodeEvent(*r.event)
	return append([]byte{isEvent}, b...), err
}

func decodeRecord(payload []byte) (record, error) {
	if len(payload) == 0 {
		return record{}, fmt.Errorf("decode record: it is empty")
	}
	switch payload[0] {
	case isGeneration:
		g, err := feedback.DecodeGeneration(payload[1:])
		return record{generation: &g}, err
	case isEvent:
		e, err := feedback.DecodeEvent(payload[1:])
		return record{event: &e}, err
	}
	return record{}, fmt.Errorf("decode record: kind %q is not known: a newer plumb wrote it", payload[0])
}

func (r record) name() string {
	if r.generation != nil {
		return r.generation.ID
	}
	return r.event.ID
}

// touches names what r reads or changes in the view: two records that touch the same have an order.
func (r record) touches() []string {
	if r.generation != nil {
		return []string{"g" + r.generation.ID}
	}
	names := []string{"e" + r.event.ID, "k" + r.event.Key()}
	if r.event.Target != "" {
		names = append(names, "e"+r.event.Target)
	}
	return names
}
