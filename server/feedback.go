package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"plumb/chat"
	"plumb/feedback"
)

// voteRequest is feedback as it was sent.
type voteRequest struct {
	id    string // of a generation, a candidate or, to revoke, of an event
	event feedback.Event
}

// vote keeps one thing that somebody said: 200 when it is stored for good, 202 while it waits in the spool.
func (s *Server) vote(c *gin.Context) error {
	q, err := s.readVote(c)
	if err != nil {
		return err
	}
	e, err := s.resolve(c.Request.Context(), q)
	if err != nil {
		return err
	}
	return s.keepEvent(c, e)
}

// revoke withdraws a vote.
func (s *Server) revoke(c *gin.Context) error {
	e := feedback.Event{Kind: feedback.Revoke, Target: c.Param("id"), Source: feedback.Human}
	if !feedback.IsEventID(e.Target) {
		return noVote(e.Target)
	}
	return s.keepEvent(c, e)
}

// votes lists live events.
func (s *Server) votes(c *gin.Context) error {
	if err := onlyQuery(c, "generation", "user", "kind", "after", "limit"); err != nil {
		return err
	}
	limit, err := limitOf(c, 100, 1000)
	if err != nil {
		return err
	}
	events, next, err := s.options.Log.Events(c.Request.Context(), feedback.Query{
		Generation: c.Query("generation"), User: feedback.HashUser(s.options.Salt, c.Query("user")),
		Kind: c.Query("kind"), After: c.Query("after"), Limit: limit,
	})
	if err != nil {
		return err
	}
	list := wireList[wireVote]{Object: "list", Data: make([]wireVote, len(events)), Next: orNil(next)}
	for i, e := range events {
		list.Data[i] = toVote(e)
	}
	reply(c, http.StatusOK, list)
	return nil
}

// readVote reads and checks the body of a vote, as far as that goes without looking at what it is about.
func (s *Server) readVote(c *gin.Context) (*voteRequest, error) {
	body, err := s.body(c)
	if err != nil {
		return nil, err
	}
	q, err := s.decodeVote(body)
	if err != nil {
		return nil, err
	}
	e := &q.event
	e.User = feedback.HashUser(s.options.Salt, e.User)
	s.stamp(e)
	switch {
	case e.Kind == "":
		return nil, invalid("kind", "missing: want thumb, rating, comment, preference, ranking, edit, demonstration or revoke")
	case e.Kind == feedback.Demonstration:
		if q.id != "" {
			return nil, invalid("id", "not used by kind demonstration")
		}
	case q.id == "":
		return nil, invalid("id", "missing: want the id of the reply that this is about")
	case e.Kind == feedback.Revoke:
		e.Target = q.id
	default:
		e.Generation = q.id
		if generation, _, ok := feedback.SplitCandidateID(q.id); ok {
			e.Generation, e.Candidate = generation, q.id
		}
	}
	return q, asSent(e.Validate())
}

// decodeVote reads the body alone.
func (s *Server) decodeVote(body []byte) (*voteRequest, error) {
	q := &voteRequest{event: feedback.Event{Source: feedback.Human}}
	e := &q.event
	r := newReader(body)
	return q, r.whole(func(name, path string) (err error) {
		switch name {
		case "id":
			return r.string(path, &q.id)
		case "kind":
			return r.string(path, &e.Kind)
		case "user":
			if err := r.string(path, &e.User); err != nil {
				return err
			}
			return checkUser(path, e.User)
		case "value":
			var value *float64
			if err := r.float(path, &value, -5, 5); err != nil || value == nil {
				return err
			}
			e.Value = *value
			return nil
		case "winner":
			return r.string(path, &e.Winner)
		case "losers":
			e.Losers, err = r.strings(path)
			return err
		case "ranking":
			e.Ranking, err = r.strings(path)
			return err
		case "text":
			return r.string(path, &e.Text)
		case "messages":
			e.Messages, err = readMessages(r, path)
			return err
		case "source":
			return r.oneOf(path, &e.Source, feedback.Human, feedback.Implicit)
		}
		return r.unknown(path)
	})
}

// resolve finds what a vote is about. While the store is away that cannot be looked up: the vote is taken as it stands,
// for it would be lost otherwise.
func (s *Server) resolve(ctx context.Context, q *voteRequest) (feedback.Event, error) {
	e := q.event
	if e.Generation == "" {
		return e, nil
	}
	g, err := s.options.Log.Generation(ctx, e.Generation)
	switch {
	case chat.KindOf(err) == chat.Unavailable:
		return e, nil
	case chat.KindOf(err) == chat.NotFound:
		return e, noGeneration(q.id, "id")
	case err != nil:
		return e, err
	}
	if e.Candidate == "" && isAboutOne(e.Kind) && shown(g) > 1 {
		if e.Candidate, err = s.current(ctx, g, e.User); err != nil {
			return e, err
		}
	}
	e, err = feedback.Resolve(e, g)
	return e, asSent(err)
}

func isAboutOne(kind string) bool {
	return kind == feedback.Thumb || kind == feedback.Rating || kind == feedback.Comment || kind == feedback.Edit
}

// keepEvent stores e and answers with the event that is live now.
func (s *Server) keepEvent(c *gin.Context, e feedback.Event) error {
	s.stamp(&e)
	live, how, err := s.putEvent(c.Request.Context(), e)
	if err != nil {
		return asSent(err)
	}
	status := http.StatusOK
	if how == feedback.Spooled {
		status = http.StatusAccepted
	}
	reply(c, status, wireReceipt{ID: live.ID, Object: "feedback", Kind: live.Kind, Generation: orNil(live.Generation),
		Candidate: orNil(live.Candidate), Stored: string(how)})
	return nil
}

// putEvent stores an event, also when the client leaves meanwhile. What the store cannot take is of kind Unavailable.
func (s *Server) putEvent(ctx context.Context, e feedback.Event) (feedback.Event, feedback.Durability, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.StoreTime)
	defer cancel()
	live, how, err := s.options.Log.PutEvent(ctx, e)
	if chat.KindOf(err) == chat.NotFound {
		return live, how, noVote(e.Target)
	}
	if err = storeError("keep feedback", err); err != nil {
		s.metrics.stored.WithLabelValues("event", "failed").Inc()
		return live, how, err
	}
	s.metrics.stored.WithLabelValues("event", string(how)).Inc()
	s.metrics.votes.WithLabelValues(e.Kind).Inc()
	return live, how, nil
}

// storeError makes a failure of the store, of which the caller is innocent, one of kind Unavailable.
func storeError(doing string, err error) error {
	if err == nil || chat.KindOf(err) != chat.Internal {
		return err
	}
	return &chat.Error{Kind: chat.Unavailable, Msg: doing + ": the store failed; try again", Cause: err}
}

// stamp gives an event its id and time.
func (s *Server) stamp(e *feedback.Event) {
	e.Time = s.options.Now().UTC()
	e.ID = feedback.NewEventID(e.Time)
}

// asSent names the fields of an event as the body of a vote does.
func asSent(err error) error {
	var e *chat.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Param {
	case "generation", "candidate", "target":
		renamed := *e
		renamed.Param, renamed.Msg = "id", "id: "+strings.TrimPrefix(e.Msg, e.Param+" ")
		return &renamed
	}
	return err
}

func noVote(id string) error {
	return &chat.Error{Kind: chat.NotFound, Param: "id", Msg: "id: no feedback " + quote(id)}
}

func noGeneration(id, param string) error {
	return &chat.Error{Kind: chat.NotFound, Param: param, Msg: param + ": no generation " + quote(id)}
}

func toVote(e feedback.Event) wireVote {
	v := wireVote{ID: e.ID, Object: "feedback", Generation: orNil(e.Generation), Candidate: orNil(e.Candidate), User: orNil(e.User),
		Kind: e.Kind, Winner: e.Winner, Losers: e.Losers, Ranking: e.Ranking, Text: e.Text, Messages: e.Messages,
		Source: e.Source, Time: e.Time}
	if e.Kind == feedback.Thumb || e.Kind == feedback.Rating {
		v.Value = &e.Value
	}
	return v
}

// strings reads an array of strings.
func (r *reader) strings(path string) ([]string, error) {
	var all []string
	err := r.array(path, func(i int, path string) error {
		var one string
		if i >= feedback.MaxCompared {
			return invalid(path, "more than %d", feedback.MaxCompared)
		}
		err := r.string(path, &one)
		all = append(all, one)
		return err
	})
	return all, err
}

// readOptional reads a body that may be absent.
func (s *Server) readOptional(c *gin.Context, read func(r *reader) error) error {
	body, err := s.body(c)
	if err != nil || len(body) == 0 {
		return err
	}
	return read(newReader(body))
}

// limitOf reads the query's limit.
func limitOf(c *gin.Context, absent, most int) (int, error) {
	given, ok := c.GetQuery("limit")
	if !ok {
		return absent, nil
	}
	limit, err := strconv.Atoi(given)
	if err != nil || limit < 1 || limit > most {
		return 0, invalid("limit", "got %s, want a whole number, 1 to %d", quote(given), most)
	}
	return limit, nil
}

func itoa(i int) string { return strconv.Itoa(i) }
