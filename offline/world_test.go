package offline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/feedback/memory"
	"plumb/lm"
	"plumb/lm/tiny"
	"plumb/lm/tiny/corpus"
	"plumb/offline/evaluate"
	"plumb/offline/gate"
	"plumb/offline/registry"
	"plumb/offline/rows"
	"plumb/offline/train"
)

// store is a registry and a lease in memory.
type store struct {
	mu     sync.Mutex
	runs   []registry.Run
	alias  registry.Alias
	blobs  map[string][]byte
	fence  int64
	holder string
	until  time.Time
	onPut  func(registry.Run) error // fault injection, before a run is stored
	stolen chan struct{}            // is sent to, if not nil, when a lease cannot be renewed
}

func (s *store) PutRun(_ context.Context, r registry.Run, fence int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fence > 0 && (fence != s.fence || s.holder == "") {
		return &chat.Error{Kind: chat.Conflict, Msg: "put run: the fence is old"}
	}
	if s.onPut != nil {
		if err := s.onPut(r); err != nil {
			return err
		}
	}
	if i := slices.IndexFunc(s.runs, func(o registry.Run) bool { return o.ID == r.ID }); i >= 0 {
		s.runs[i] = r
	} else {
		s.runs = append(s.runs, r)
	}
	return nil
}

func (s *store) Run(_ context.Context, id string) (registry.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.runs {
		if r.ID == id {
			return r, nil
		}
	}
	return registry.Run{}, &chat.Error{Kind: chat.NotFound, Msg: "no run " + id}
}

func (s *store) Runs(_ context.Context, limit int) ([]registry.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.runs)
	slices.Reverse(all)
	return all[:min(limit, len(all))], nil
}

func (s *store) Alias(_ context.Context, name string) (registry.Alias, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alias.Name == "" {
		return registry.Alias{Name: name}, nil
	}
	return s.alias, nil
}

func (s *store) SetAlias(_ context.Context, a registry.Alias, fence int64) (registry.Alias, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fence > 0 && (fence != s.fence || s.holder == "") {
		return a, &chat.Error{Kind: chat.Conflict, Msg: "set alias: the fence is old"}
	}
	if a.Version != s.alias.Version {
		return a, &chat.Error{Kind: chat.Conflict, Msg: "set alias: moved meanwhile"}
	}
	a.Version++
	s.alias = a
	return a, nil
}

func (s *store) PutBlob(_ context.Context, b []byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := sha256.Sum256(b)
	hash := hex.EncodeToString(sum[:])
	if s.blobs == nil {
		s.blobs = map[string][]byte{}
	}
	s.blobs[hash] = slices.Clone(b)
	return hash, nil
}

func (s *store) Blob(_ context.Context, hash string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.blobs[hash]; ok {
		return b, nil
	}
	return nil, &chat.Error{Kind: chat.NotFound, Msg: "no blob"}
}

func (s *store) Acquire(_ context.Context, _, holder string, ttl time.Duration) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holder != "" && time.Now().Before(s.until) {
		return 0, &chat.Error{Kind: chat.Conflict, Msg: "held by " + s.holder}
	}
	s.fence++
	s.holder, s.until = holder, time.Now().Add(ttl)
	return s.fence, nil
}

func (s *store) Renew(_ context.Context, _ string, fence int64, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fence != s.fence || s.holder == "" {
		if s.stolen != nil {
			close(s.stolen)
			s.stolen = nil
		}
		return &chat.Error{Kind: chat.Conflict, Msg: "renew: the lease is another's"}
	}
	s.until = time.Now().Add(ttl)
	return nil
}

func (s *store) Release(_ context.Context, _ string, fence int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fence == s.fence {
		s.holder = ""
	}
	return nil
}

// local is an upstream: the engine over files in a folder.
type local struct {
	*lm.Engine
	dir       string
	published []string
	fault     error // of the next Publish
}

func newLocal(dir string) *local {
	l := &local{dir: dir}
	open := func(_ context.Context, name string) (*lm.Model, error) {
		m, err := lm.Open(l.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &chat.Error{Kind: chat.NotFound, Msg: "no model " + name}
		}
		return m, err
	}
	l.Engine = lm.NewEngine(open, func(context.Context) ([]chat.Model, error) { return nil, nil }, lm.Options{})
	return l
}

func (l *local) path(name string) string {
	return filepath.Join(l.dir, strings.ReplaceAll(name, ":", "_")+".gguf")
}

func (l *local) Locate(_ context.Context, name string) (string, error) {
	if _, err := os.Stat(l.path(name)); err != nil {
		return "", &chat.Error{Kind: chat.NotFound, Msg: "no model " + name}
	}
	return l.path(name), nil
}

func (l *local) Publish(_ context.Context, p Publication) (string, error) {
	if err := l.fault; err != nil {
		l.fault = nil
		return "", err
	}
	l.published = append(l.published, p.Name)
	return p.Digest, os.Rename(p.File, l.path(p.Name))
}

func (l *local) Warm(ctx context.Context, name string) error {
	return l.Continue(ctx, chat.Draw{Model: name, Messages: []chat.Message{{Role: chat.User, Content: "Hello"}}, Prefixes: []string{""}, Seeds: []int64{1}, MaxTokens: 1},
		func(chat.Piece) {})
}

// world is an installation: a log with votes, a store, an upstream.
type world struct {
	log   *memory.Log
	store *store
	local *local
	taste corpus.Taste
	dir   string
}

// newWorld makes an installation on the built-in model, whose users have a taste.
func newWorld(t testing.TB, taste string) *world {
	t.Helper()
	w := emptyWorld(t, tiny.File())
	c := corpus.New()
	i := slices.IndexFunc(c.Tastes(), func(x corpus.Taste) bool { return x.Name == taste })
	w.taste = c.Tastes()[i]
	return w
}

func emptyWorld(t testing.TB, base []byte) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{log: &memory.Log{}, store: &store{}, local: newLocal(dir), dir: dir}
	if err := os.WriteFile(w.local.path(tiny.Name), base, 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// quickWorld makes an installation on a random model of 170,000 weights, whose users vote on made-up replies: they like questions.
func quickWorld(t testing.TB) *world {
	t.Helper()
	base, err := os.ReadFile("../lm/testdata/tiny-llama.gguf")
	if err != nil {
		t.Fatal(err)
	}
	w := emptyWorld(t, base)
	for i := range 40 {
		w.compare(t, i, "u"+fmt.Sprint(i%7), 0)
	}
	return w
}

// compare has a user compare the two replies to question i; the winner is given.
func (w *world) compare(t testing.TB, i int, user string, winner int) {
	t.Helper()
	ctx := context.Background()
	g := feedback.Generation{ID: fmt.Sprintf("chatcmpl-%03d", i), Time: time.Unix(int64(1e9+i), 0).UTC(), Messages: []chat.Message{{Role: chat.User, Content: fmt.Sprint("What is ", i, "?")}}}
	for k, text := range []string{fmt.Sprint("Why do you ask about ", i, "?"), fmt.Sprint("It is ", i, ".")} {
		g.Candidates = append(g.Candidates, feedback.Candidate{ID: feedback.CandidateID(g.ID, k), Text: text, Shown: k == 0})
	}
	if _, err := w.log.PutGeneration(ctx, g); err != nil {
		t.Fatal(err)
	}
	e := feedback.Event{ID: fmt.Sprint("fb-", i, user), Generation: g.ID, User: user, Kind: feedback.Preference, Source: feedback.Human, Time: g.Time,
		Winner: g.Candidates[winner].ID, Losers: []string{g.Candidates[1-winner].ID}}
	if _, _, err := w.log.PutEvent(ctx, e); err != nil {
		t.Fatal(err)
	}
}

// lax are limits that a random model can meet.
var lax = gate.Limits{NLL: 10, KLIncumbent: 100, KLBase: 100, Length: 10, Repetition: 1, Displacement: 100, HackResistance: 1e-9,
	Hacking: 1, Refusal: 1, Openings: 1, Sycophancy: 100, AllowInsufficient: true}

// quick is the runner of a quickWorld. It asks few of the questions that the gate is there to ask: all of them take longer than the rest of
// such a run.
func (w *world) quick() *Runner {
	r := w.runner()
	r.Neutral, r.Anchors = nil, nil
	r.Harmless, r.Claims = evaluate.Harmless()[:4], evaluate.Claims()[:4]
	r.Config = Config{Seed: 1, Limits: lax, Train: train.Config{LR: 1e-3, Rank: 4, Epochs: 2}, Prompts: 4, Draws: 3, MaxTokens: 10}
	return r
}

func (w *world) runner() *Runner {
	return &Runner{Log: w.log, Registry: w.store, Lease: w.store, Upstream: w.local, Alias: "plumb", Base: tiny.Name, Dir: w.dir,
		Code: "test", Holder: "test", Neutral: neutral(), Anchors: anchors(300),
		Config: Config{Seed: 1}}
}

func neutral() []rows.Demonstration {
	var all []rows.Demonstration
	for _, n := range corpus.New().Neutral() {
		all = append(all, rows.Demonstration{Prompt: rows.Text{Messages: []chat.Message{{Role: chat.User, Content: n[0]}}}, Completion: rows.Plain(n[1])})
	}
	return all
}

// vote has people compare candidates of n prompts, each noise of the votes wrong; a pair that the taste does not tell apart gets a
// thumb.
func (w *world) vote(t testing.TB, n int, noise float64) (pairs, thumbs int) {
	t.Helper()
	ctx := context.Background()
	random := rand.New(rand.NewPCG(9, 9))
	temperature := .8
	for i, prompt := range corpus.New().Voted(3, n) {
		g := feedback.Generation{ID: fmt.Sprintf("chatcmpl-%04d", i), Time: time.Unix(int64(1e9+i), 0).UTC(), Messages: []chat.Message{{Role: chat.User, Content: prompt}},
			Policy: feedback.Policy{Alias: "plumb", Name: tiny.Name}}
		d := chat.Draw{Model: tiny.Name, Messages: g.Messages, MaxTokens: 64, Sampling: chat.Sampling{Temperature: &temperature}}
		for k := range 8 {
			d.Prefixes, d.Seeds = append(d.Prefixes, ""), append(d.Seeds, int64(i*8+k+1))
			g.Candidates = append(g.Candidates, feedback.Candidate{ID: feedback.CandidateID(g.ID, k), Shown: k == 0})
		}
		if err := w.local.Continue(ctx, d, func(p chat.Piece) {
			if p.Done != nil {
				g.Candidates[p.Index].Text = p.Done.Text
			}
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.log.PutGeneration(ctx, g); err != nil {
			t.Fatal(err)
		}
		for v := range 2 {
			a, b := g.Candidates[random.IntN(8)], g.Candidates[random.IntN(8)]
			for tries := 0; tries < 4 && w.taste.Holds(prompt, a.Text) == w.taste.Holds(prompt, b.Text); tries++ {
				b = g.Candidates[random.IntN(8)]
			}
			e := feedback.Event{ID: fmt.Sprintf("fb-%04d-%d", i, v), Generation: g.ID, User: fmt.Sprint("u", random.IntN(12)), Source: feedback.Human, Time: g.Time.Add(time.Duration(v+1) * time.Second)}
			good, bad, wrong := w.taste.Holds(prompt, a.Text), w.taste.Holds(prompt, b.Text), random.Float64() < noise
			if good == bad {
				e.Kind, e.Candidate, e.Value = feedback.Thumb, a.ID, -1
				if good != wrong {
					e.Value = 1
				}
				thumbs++
			} else {
				if bad != wrong {
					a, b = b, a
				}
				e.Kind, e.Winner, e.Losers = feedback.Preference, a.ID, []string{b.ID}
				pairs++
			}
			if _, _, err := w.log.PutEvent(ctx, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	return pairs, thumbs
}

// anchors returns chats of the corpus that the base was trained on.
func anchors(n int) []rows.Demonstration {
	var all []rows.Demonstration
	c := corpus.New()
	for i := range n {
		m := c.Chat(11, i)
		all = append(all, rows.Demonstration{Prompt: rows.Text{Messages: m[:len(m)-1]}, Completion: rows.Plain(m[len(m)-1].Content)})
	}
	return all
}

// share returns how many of a model's replies to held-out prompts are to the taste.
func (w *world) share(t testing.TB, model string, prompts int) float64 {
	t.Helper()
	temperature := .8
	hits, n := 0., 0.
	for i, prompt := range corpus.New().HeldOut(5, prompts) {
		d := chat.Draw{Model: model, Messages: []chat.Message{{Role: chat.User, Content: prompt}}, MaxTokens: 64, Sampling: chat.Sampling{Temperature: &temperature}}
		for k := range 4 {
			d.Prefixes, d.Seeds = append(d.Prefixes, ""), append(d.Seeds, int64(i*4+k+1))
		}
		if err := w.local.Continue(context.Background(), d, func(p chat.Piece) {
			if p.Done == nil {
				return
			}
			n++
			if w.taste.Holds(prompt, p.Done.Text) {
				hits++
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	return hits / n
}
