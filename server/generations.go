package server

import (
	"context"
	"hash/maphash"
	"net/http"
	"slices"
	"sync"

	"github.com/gin-gonic/gin"

	"plumb/chat"
	"plumb/feedback"
)

// generation returns the record of one request: what was asked, every candidate, every score.
func (s *Server) generation(c *gin.Context) error {
	g, err := s.load(c)
	if err != nil {
		return err
	}
	reply(c, http.StatusOK, g)
	return nil
}

// load reads the generation that the path names, by its own id or by that of a candidate.
func (s *Server) load(c *gin.Context) (feedback.Generation, error) {
	id := c.Param("id")
	if generation, _, ok := feedback.SplitCandidateID(id); ok {
		id = generation
	}
	g, err := s.options.Log.Generation(c.Request.Context(), id)
	if chat.KindOf(err) == chat.NotFound || chat.KindOf(err) == chat.Invalid {
		return g, noGeneration(c.Param("id"), "id")
	}
	return g, err
}

// next answers with the best candidate not yet shown. That somebody asked for it is kept as a preference, implied and
// not stated, of it over what was shown before.
func (s *Server) next(c *gin.Context) error {
	var user string
	err := s.readOptional(c, func(r *reader) error {
		return r.whole(func(name, path string) error {
			if name != "user" {
				return r.unknown(path)
			}
			if err := r.string(path, &user); err != nil {
				return err
			}
			return checkUser(path, user)
		})
	})
	if err != nil {
		return err
	}
	unlock := s.swaps.lock(c.Param("id")[:min(len(c.Param("id")), idLength)])
	defer unlock()
	g, err := s.load(c)
	if err != nil {
		return err
	}
	best := bestUnseen(g)
	if best < 0 {
		return &chat.Error{Kind: chat.Conflict, Param: "id", Msg: "id: every reply of " + g.ID + " has been shown; ask anew"}
	}
	how, err := s.swap(c.Request.Context(), &g, best, feedback.HashUser(s.options.Salt, user))
	if err != nil {
		return err
	}
	reply(c, http.StatusOK, s.toNext(g, best, how))
	return nil
}

// idLength is the length of a generation's id, by which its candidates' ids begin.
const idLength = len("chatcmpl-") + 26

// swap marks candidate best as shown. The preference is stored first: both are idempotent, so a caller to whom this
// failed can try again.
func (s *Server) swap(ctx context.Context, g *feedback.Generation, best int, user string) (feedback.Durability, error) {
	if user == "" {
		user = g.User
	}
	if losers, err := s.passedOver(ctx, *g, user); err != nil {
		return "", err
	} else if len(losers) > 0 {
		e := feedback.Event{Generation: g.ID, User: user, Kind: feedback.Preference, Source: feedback.Implicit,
			Winner: g.Candidates[best].ID, Losers: losers}
		s.stamp(&e)
		if _, _, err := s.putEvent(ctx, e); err != nil {
			return "", err
		}
	}
	g.Candidates = slices.Clone(g.Candidates) // the store may share its own
	g.Candidates[best].Shown = true
	return s.putGeneration(ctx, *g)
}

// passedOver returns the candidates that the user has before the eyes when asking for the next: the one that was asked
// for last, or all that the request itself returned.
func (s *Server) passedOver(ctx context.Context, g feedback.Generation, user string) ([]string, error) {
	last, err := s.current(ctx, g, user)
	if err != nil || last != "" {
		return []string{last}, err
	}
	var ids []string
	for _, c := range g.Candidates {
		if c.Shown {
			ids = append(ids, c.ID)
		}
	}
	return ids, nil
}

// current returns the candidate that the user asked for last by /next, "" if none.
func (s *Server) current(ctx context.Context, g feedback.Generation, user string) (string, error) {
	var last string
	for e, err := range feedback.AllEvents(ctx, s.options.Log, feedback.Query{Generation: g.ID, User: user, Kind: feedback.Preference}) {
		if err != nil {
			return "", err
		}
		if e.Source == feedback.Implicit {
			last = e.Winner
		}
	}
	return last, nil
}

// bestUnseen returns the index of the candidate with the best reward whose text has not been shown, -1 if there is none.
// Scored candidates come before unscored ones, ties and the unscored in the order in which they were drawn.
func bestUnseen(g feedback.Generation) int {
	seen := map[string]bool{}
	content := func(c feedback.Candidate) string { return c.Text + "\x00" + string(c.ToolCalls) }
	for _, c := range g.Candidates {
		if c.Shown {
			seen[content(c)] = true
		}
	}
	best := -1
	for i, c := range g.Candidates {
		if seen[content(c)] {
			continue
		}
		if best < 0 || c.Reward != nil && (g.Candidates[best].Reward == nil || *c.Reward > *g.Candidates[best].Reward) {
			best = i
		}
	}
	return best
}

func shown(g feedback.Generation) (n int) {
	for _, c := range g.Candidates {
		if c.Shown {
			n++
		}
	}
	return n
}

// toNext makes the completion for a candidate that was drawn before: it cost no tokens.
func (s *Server) toNext(g feedback.Generation, k int, how feedback.Durability) wireCompletion {
	c := g.Candidates[k]
	model := g.Policy.Alias
	if model == "" {
		model = g.Policy.Name
	}
	return wireCompletion{
		ID: g.ID, Object: "chat.completion", Created: s.options.Now().Unix(), Model: model,
		Choices:           []wireChoice{{Message: toMessage(c.Text, c.ToolCalls), FinishReason: c.Finish}},
		SystemFingerprint: fingerprint(g.Policy.Digest),
		Align: &wireAlign{Method: g.Sampler.Method, NDrawn: len(g.Candidates), NScored: scored(g.Candidates), Chosen: &k,
			Reward: c.Reward, SD: c.SD, OOD: c.OOD, Propensity: c.Propensity, Stored: orNil(string(how)),
			DowngradedFrom: orNil(g.Sampler.DowngradedFrom)},
	}
}

func scored(candidates []feedback.Candidate) (n int) {
	for _, c := range candidates {
		if c.Reward != nil {
			n++
		}
	}
	return n
}

// keyedMutex is a set of mutexes by name; different names may share one. The zero value is ready.
type keyedMutex struct {
	once  sync.Once
	seed  maphash.Seed
	locks [64]sync.Mutex
}

// lock locks name and returns what unlocks it.
func (m *keyedMutex) lock(name string) (unlock func()) {
	m.once.Do(func() { m.seed = maphash.MakeSeed() })
	l := &m.locks[maphash.String(m.seed, name)%uint64(len(m.locks))]
	l.Lock()
	return l.Unlock
}
