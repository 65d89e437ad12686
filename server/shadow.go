package server

import (
	"context"
	"encoding/json"
	"sync"

	"plumb/feedback"
	"plumb/sampler"
)

// shadows answer requests a second time, unseen, with a release that is to be judged before people get it ([Policy.Shadow]): one at a
// time, so that they cost the people who wait no more than one slot; a request that comes meanwhile is left out.
type shadows struct {
	ctx    context.Context // ends with the server
	cancel context.CancelFunc
	one    chan struct{}
	all    sync.WaitGroup
}

func newShadows() *shadows {
	s := &shadows{one: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// end breaks off what is under way and waits for it.
func (s *shadows) end() {
	s.cancel()
	s.all.Wait()
}

// offer has a request answered, once its reply is kept, if there is who should and nothing else is under way.
func (s *shadows) offer(server *Server, j *job) {
	if j.policy.Shadow == nil || s.ctx.Err() != nil {
		return
	}
	select {
	case s.one <- struct{}{}:
	default:
		return
	}
	s.all.Go(func() {
		defer func() { <-s.one }()
		ctx, cancel := context.WithTimeout(s.ctx, server.options.Timeout)
		defer cancel()
		server.shadow(ctx, j)
	})
}

// shadow draws one reply as the request had it, and keeps it beside what the person got. A failure is kept too: it says something of the
// release, unless it is the server that ends or has no room.
func (s *Server) shadow(ctx context.Context, j *job) {
	own := *j
	own.policy, own.begun = *j.policy.Shadow, s.options.Now()
	own.trace = &chatTrace{model: own.policy.Name, mode: "shadow"}
	if err := j.q.unable(own.policy.Abilities); err != nil {
		return
	}
	r := j.request
	r.Model, r.Method, r.N, r.Return, r.Pressure, r.Conservatism, r.Length, r.Stream, r.Strict = own.policy.Name, sampler.None, 1, 1, nil, nil, 0, nil, false
	r.Deadline = s.options.Timeout
	own.request = r
	seat, err := s.admission.enter(1)
	if err != nil {
		return
	}
	defer seat.leave()
	if seat.wait(ctx) != nil {
		return
	}
	result, err := own.policy.Sampler.Sample(ctx, r)
	if ctx.Err() != nil && s.shadows.ctx.Err() != nil {
		return
	}
	own.id = feedback.NewGenerationID(s.options.Now())
	var g feedback.Generation
	if err != nil {
		s.options.Logger.Warn("answer unseen", "model", own.policy.Name, "error", err)
		g = toGeneration(&own, outcome{Result: &sampler.Result{Method: sampler.None}}, s.options.Now())
		g.Metadata, _ = json.Marshal(map[string]string{"error": err.Error()})
	} else {
		o := newOutcome(own.id, result)
		for i := range o.kept {
			o.kept[i].Shown = false
		}
		g = toGeneration(&own, o, s.options.Now())
	}
	g.Shadow = j.id
	if _, err := s.putGeneration(ctx, g); err != nil {
		s.options.Logger.Error("keep unseen reply", "generation", j.id, "error", err)
	}
}
