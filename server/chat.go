package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"plumb/chat"
	"plumb/feedback"
	"plumb/sampler"
)

// job is one chat request on its way through the server.
type job struct {
	q       *chatRequest
	policy  Policy
	request sampler.Request
	id      string // of the generation
	user    string // salted hash
	begun   time.Time
	trace   *chatTrace
}

// chat answers a conversation: decode, validate, draw and choose, keep, answer.
func (s *Server) chat(c *gin.Context) error {
	t := traceOf(c)
	q, err := s.readChat(c, t.key.maxN)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), s.options.Timeout+grace)
	defer cancel()
	j, err := s.prepare(ctx, q)
	if err != nil {
		return err
	}
	t.chat = j.trace
	seat, err := s.admission.enter(j.weight())
	if err != nil {
		return err
	}
	defer seat.leave()
	if len(q.warnings) > 0 {
		c.Header("X-Plumb-Warning", strings.Join(q.warnings, "; "))
	}
	if q.stream {
		return s.stream(ctx, c, j, seat)
	}
	o, err := s.sample(ctx, j, seat)
	if err != nil {
		return err
	}
	stored := s.keep(ctx, j, o)
	c.Header("X-Plumb-Stored", j.trace.stored)
	reply(c, http.StatusOK, toCompletion(j, o, stored))
	return nil
}

// grace is what a request may take beyond its deadline to choose among what was drawn.
const grace = 5 * time.Second

// notStored is said of a reply whose record could not be kept.
const notStored = "no"

// prepare resolves what the request asks for, and refuses what cannot be honoured.
func (s *Server) prepare(ctx context.Context, q *chatRequest) (*job, error) {
	now := s.options.Now()
	j := &job{q: q, id: feedback.NewGenerationID(now), begun: now, user: feedback.HashUser(s.options.Salt, q.user)}
	var err error
	j.policy, err = s.options.Policies.Policy(ctx, q.model, j.user)
	if chat.KindOf(err) == chat.NotFound {
		return nil, &chat.Error{Kind: chat.NotFound, Param: "model", Msg: "model: " + quote(q.model) + " does not exist; GET /v1/models lists those that do"}
	}
	if err != nil {
		return nil, err
	}
	if err := q.unable(j.policy.Abilities); err != nil {
		return nil, err
	}
	j.request = s.toRequest(j)
	j.trace = &chatTrace{model: j.policy.Name, mode: "plain"}
	return j, nil
}

// weight is how many candidates the request is likely to draw at once.
func (j *job) weight() int {
	switch r := j.request; {
	case r.N > 0:
		return r.N
	case r.Method == sampler.None, r.Method == sampler.Auto && j.policy.RM == "":
		return r.Return
	default:
		return max(sampler.DefaultN, r.Return)
	}
}

// sample waits for the request's slots, and draws and chooses. The deadline holds for both together.
func (s *Server) sample(ctx context.Context, j *job, seat *seat) (outcome, error) {
	queue, cancel := context.WithTimeout(ctx, j.request.Deadline)
	defer cancel()
	queued := time.Now()
	if err := seat.wait(queue); err != nil {
		return outcome{}, err
	}
	j.trace.waited = time.Since(queued)
	s.metrics.waited.Observe(j.trace.waited.Seconds())
	if j.request.Deadline -= j.trace.waited; j.request.Deadline <= 0 {
		return outcome{}, context.DeadlineExceeded
	}
	result, err := j.policy.Sampler.Sample(ctx, j.request)
	seat.leave()
	if err != nil {
		return outcome{}, err
	}
	if result.ScoreErr != nil {
		s.options.Logger.Warn("no rewards", "generation", j.id, "rm", j.policy.RM, "error", result.ScoreErr)
	}
	o := newOutcome(j.id, result)
	s.count(j, o)
	return o, nil
}

// keep stores the record of the reply before anybody sees it, also when the client leaves meanwhile. It returns how
// safely, nil if not at all: a reply that was drawn is given even so, and says that it cannot be rated.
func (s *Server) keep(ctx context.Context, j *job, o outcome) *string {
	how, err := s.putGeneration(ctx, toGeneration(j, o, s.options.Now()))
	if err != nil {
		s.options.Logger.Error("keep generation", "generation", j.id, "error", err)
		j.trace.stored = notStored
		return nil
	}
	j.trace.stored = string(how)
	s.shadows.offer(s, j)
	return &j.trace.stored
}

func (s *Server) putGeneration(ctx context.Context, g feedback.Generation) (feedback.Durability, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.StoreTime)
	defer cancel()
	how, err := s.options.Log.PutGeneration(ctx, g)
	if err = storeError("keep generation", err); err != nil {
		s.metrics.stored.WithLabelValues("generation", "failed").Inc()
		return "", err
	}
	s.metrics.stored.WithLabelValues("generation", string(how)).Inc()
	return how, nil
}

// count enters what came of a request into the trace and the metrics.
func (s *Server) count(j *job, o outcome) {
	t := j.trace
	t.method, t.drawn, t.failed = o.Method, o.NDrawn, o.NFailed
	t.tokens, t.discarded, t.reward = o.Usage.CompletionTokens, o.TokensDiscarded, o.kept[o.first].Reward
	m := s.metrics
	m.replies.WithLabelValues(o.Method, t.mode).Inc()
	m.tokens.WithLabelValues("prompt").Add(float64(o.Usage.PromptTokens))
	m.tokens.WithLabelValues("completion").Add(float64(o.Usage.CompletionTokens))
	m.tokens.WithLabelValues("discarded").Add(float64(o.TokensDiscarded))
	m.candidates.WithLabelValues("returned").Add(float64(len(o.Chosen)))
	m.candidates.WithLabelValues("discarded").Add(float64(max(0, o.NDrawn-len(o.Chosen))))
	m.candidates.WithLabelValues("failed").Add(float64(o.NFailed))
	if o.RMMillis != nil {
		m.scoring.Observe(*o.RMMillis / 1000)
	}
}
