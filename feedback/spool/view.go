package spool

import (
	"fmt"

	"plumb/chat"
	"plumb/feedback"
)

// view is the index of what is pending: enough to answer by id, and to decide what a new event means for the pending
// ones as a store would. Texts stay in the segments.
type view struct {
	generations map[string]place    // the newest record of each
	events      map[string]*pending // by id, other names included
	live        map[string]*pending // by key
	revokes     map[string]*pending // by target
}

// pending is one event that the store has not got.
type pending struct {
	at                          place
	id, key, content            string
	kind, source, target        string
	generation, candidate, user string
	names                       []string
}

func newView() view {
	return view{map[string]place{}, map[string]*pending{}, map[string]*pending{}, map[string]*pending{}}
}

// decide says what putting e means: either it repeats a pending event, which is live instead, or it is new; live is then
// what is live afterwards where that is not e.
func (v view) decide(e feedback.Event) (instead, live *pending, err error) {
	if known := v.events[e.ID]; known != nil {
		if live := v.live[known.key]; live != nil {
			return live, nil, nil
		}
		return known, nil, nil
	}
	if e.Kind == feedback.Revoke {
		if target := v.events[e.Target]; target != nil && target.kind == feedback.Revoke {
			return nil, nil, &chat.Error{Kind: chat.Invalid, Param: "target", Msg: fmt.Sprintf("target %q is itself a revoke", e.Target)}
		}
		return v.revokes[v.target(e)], nil, nil
	}
	live = v.live[e.Key()]
	if live == nil {
		return nil, nil, nil
	}
	switch feedback.Meet(e, true, live.content, live.source) {
	case feedback.Repeat:
		return live, nil, nil
	case feedback.Yield:
		return nil, live, nil
	}
	return nil, nil, nil
}

// target is the id of the event that e revokes, whatever name e uses for it.
func (v view) target(e feedback.Event) string {
	if t := v.events[e.Target]; t != nil {
		return t.id
	}
	return e.Target
}

// complete fills in what a revoke takes over from its target, as far as that is pending.
func (v view) complete(e feedback.Event) feedback.Event {
	if t := v.events[e.Target]; e.Kind == feedback.Revoke && t != nil {
		return e.Withdrawing(feedback.Event{ID: t.id, Generation: t.generation, Candidate: t.candidate, User: t.user})
	}
	return e
}

// add notes a record that is now in the journal.
func (v view) add(r record, at place) {
	if r.generation != nil {
		v.generations[r.generation.ID] = at
		return
	}
	e := *r.event
	repeated, yields, _ := v.decide(e) // an error was an answer to the caller; here there is none
	if repeated != nil {
		v.name(e.ID, repeated)
		return
	}
	p := &pending{at: at, id: e.ID, key: e.Key(), content: e.Content(), kind: e.Kind, source: e.Source, target: e.Target,
		generation: e.Generation, candidate: e.Candidate, user: e.User}
	v.events[e.ID] = p
	switch {
	case e.Kind == feedback.Revoke:
		v.revokes[e.Target] = p
		if t := v.events[e.Target]; t != nil && v.live[t.key] == t {
			delete(v.live, t.key)
		}
	case yields == nil:
		v.live[p.key] = p
	}
}

// name makes id another name of p.
func (v view) name(id string, p *pending) {
	if v.events[id] == nil {
		v.events[id], p.names = p, append(p.names, id)
	}
}

// remove forgets a record that the store has got.
func (v view) remove(r record, at place) {
	if r.generation != nil {
		if v.generations[r.generation.ID] == at {
			delete(v.generations, r.generation.ID)
		}
		return
	}
	p := v.events[r.event.ID]
	if p == nil || p.at != at {
		return
	}
	for _, id := range append(p.names, p.id) {
		delete(v.events, id)
	}
	if v.live[p.key] == p {
		delete(v.live, p.key)
	}
	if v.revokes[p.target] == p {
		delete(v.revokes, p.target)
	}
}
