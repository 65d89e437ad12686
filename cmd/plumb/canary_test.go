package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"plumb/chat"
	"plumb/clients/sqlite"
	"plumb/feedback"
	"plumb/feedback/memory"
	"plumb/offline"
	"plumb/offline/gate"
	"plumb/offline/registry"
)

// town is people who chat with what the alias gives each of them and rate the replies, over a store that two servers share.
type town struct {
	db       *sqlite.Store // of alias and runs
	log      feedback.Log
	policies *policies
	servers  [2]*canaries
	metrics  *prometheus.Registry
	logged   bytes.Buffer
	random   *rand.Rand
	clock    time.Time
	votes    int
}

const canaryModel, liveModel = "plumb-plumb:run-c", "plumb-plumb:run-l"

// newTown makes one whose store is a file; what people say is in it too, or in memory, which is quicker.
func newTown(t *testing.T, file string, inMemory bool, share float64) *town {
	t.Helper()
	db, err := sqlite.Open(file, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	v := &town{db: db, log: db, metrics: prometheus.NewRegistry(), random: rand.New(rand.NewPCG(4, 4)), clock: time.Unix(1e9, 0).UTC()}
	if inMemory {
		v.log = &memory.Log{}
	}
	log := slog.New(slog.NewTextHandler(&v.logged, nil))
	v.policies = &policies{alias: "plumb", base: "base", upstream: &upstream{generator: someModels{canaryModel, liveModel}}, registry: db, log: log,
		now: func() time.Time { return v.clock }}
	for i, reg := range []*prometheus.Registry{v.metrics, prometheus.NewRegistry()} {
		r := &offline.Runner{Log: v.log, Registry: db, Lease: db, Alias: "plumb", Base: "base", Holder: fmt.Sprint("server ", i)}
		v.servers[i] = newCanaries(r, reg, log)
	}
	result := registry.Release{Model: canaryModel, Run: "run-c"}
	if err := db.PutRun(t.Context(), registry.Run{ID: "run-c", Alias: "plumb", State: registry.Canary, Decision: "canary", Created: v.clock, Updated: v.clock, Result: result}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := db.SetAlias(t.Context(), registry.Alias{Name: "plumb", Live: &registry.Release{Model: liveModel, Run: "run-l"}, Canary: &result, Share: share}, 0); err != nil {
		t.Fatal(err)
	}
	return v
}

// chats has one of many people chat and rate the reply; down is the rate of thumbs down by model. It returns the model that answered.
func (v *town) chats(t *testing.T, down map[string]float64) string {
	t.Helper()
	ctx := context.Background()
	v.votes++
	v.clock = v.clock.Add(time.Second)
	user := feedback.HashUser([]byte("the town's salt."), fmt.Sprint("person ", v.random.IntN(5000)))
	p, err := v.policies.Policy(ctx, "plumb", user)
	if err != nil {
		t.Fatal(err)
	}
	g := feedback.Generation{ID: feedback.NewGenerationID(v.clock), Time: v.clock, User: user, Policy: p.Policy, Messages: []chat.Message{{Role: chat.User, Content: "Tea?"}}}
	g.Candidates = []feedback.Candidate{{ID: feedback.CandidateID(g.ID, 0), Text: "Yes.", Shown: true}}
	e := feedback.Event{ID: feedback.NewEventID(v.clock), Generation: g.ID, Candidate: g.Candidates[0].ID, User: user, Kind: feedback.Thumb, Value: 1, Source: feedback.Human, Time: v.clock}
	if v.random.Float64() < down[p.Name] {
		e.Value = -1
	}
	if _, err := v.log.PutGeneration(ctx, g); err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.log.PutEvent(ctx, e); err != nil {
		t.Fatal(err)
	}
	return p.Name
}

func (v *town) alias(t *testing.T) registry.Alias {
	t.Helper()
	a, err := v.db.Alias(t.Context(), "plumb")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (v *town) scrape() string {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(v.metrics, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// People are dealt out by their hashed names and vote; two servers look. A canary that is worse is taken back and the alias is as it was
// before; one that is as good goes live.
func TestCanaryFromVotesToAlias(t *testing.T) {
	for _, c := range []struct {
		name string
		rate float64 // of thumbs down on the canary, .2 on what is live
		want string
		says string
	}{{"bad", .4, gate.Bad, "the canary is taken back"}, {"good", .2, gate.Good, "the canary is live"}} {
		t.Run(c.name, func(t *testing.T) {
			v := newTown(t, filepath.Join(t.TempDir(), "plumb.db"), true, .4)
			before := v.alias(t)
			down := map[string]float64{canaryModel: c.rate, liveModel: .2}
			answered := map[string]int{}
			for i := 0; v.alias(t).Canary != nil && i < 150; i++ {
				for range 25 {
					answered[v.chats(t, down)]++
				}
				if i == 1 {
					v.servers[0].look(t.Context())
					if s := v.scrape(); !strings.Contains(s, "plumb_canary_share 0.4") || !strings.Contains(s, `plumb_canary_votes{release="live",thumb="up"}`) {
						t.Errorf("metrics:\n%s", s)
					}
				}
				v.servers[i%2].look(t.Context())
				v.servers[1-i%2].look(t.Context())
			}
			a := v.alias(t)
			if share := float64(answered[canaryModel]) / float64(v.votes); share < .3 || share > .5 {
				t.Errorf("the canary answered %.2f of chats, want .4", share)
			}
			t.Logf("after %d votes: %s", v.votes, a.Live.Model)
			run, err := v.db.Run(t.Context(), "run-c")
			if err != nil {
				t.Fatal(err)
			}
			switch c.want {
			case gate.Bad:
				if a.Canary != nil || a.Share != 0 || *a.Live != *before.Live || a.Previous != nil || run.State != registry.Rejected || !strings.Contains(offline.Why(run), "canary: thumbs down") {
					t.Errorf("alias %+v, run at %s: %s", a, run.State, run.Reason)
				}
			case gate.Good:
				if a.Canary != nil || a.Share != 0 || *a.Live != *before.Canary || *a.Previous != *before.Live || run.State != registry.Live || run.Decision != "live" {
					t.Errorf("alias %+v, run at %s", a, run.State)
				}
			}
			if a.Version != before.Version+1 || strings.Count(v.logged.String(), c.says) != 1 {
				t.Errorf("the alias moved %d times; logged:\n%s", a.Version-before.Version, &v.logged)
			}
			v.clock = v.clock.Add(2 * time.Second) // what the servers know of the alias is a second old at most
			for range 50 {
				if model := v.chats(t, down); model != a.Live.Model {
					t.Fatalf("%s answers", model)
				}
			}
			v.servers[0].look(t.Context())
			if s := v.scrape(); !strings.Contains(s, "plumb_canary_share 0\n") || strings.Contains(s, "plumb_canary_votes{") {
				t.Errorf("metrics:\n%s", s)
			}
		})
	}
}

func TestStatusTellsOfACanary(t *testing.T) {
	dir := t.TempDir()
	v := newTown(t, filepath.Join(dir, "plumb.db"), false, .5)
	for range 20 {
		v.chats(t, map[string]float64{canaryModel: 1})
	}
	status, stdout, stderr := runPlumb(t, "", "align", "status", "--data", dir)
	var got struct{ Canary offline.CanaryNews }
	if err := json.Unmarshal([]byte(stdout), &got); status != 0 || err != nil {
		t.Fatal(stderr, err)
	}
	if got.Canary.Run != "run-c" || got.Canary.Canary.All+got.Canary.Live.All != 20 || got.Canary.Verdict == "" {
		t.Errorf("%+v", got.Canary)
	}
	if !strings.Contains(stderr, "50 % of users get "+canaryModel) {
		t.Errorf("says %q", stderr)
	}
	if v.alias(t).Canary == nil {
		t.Error("status took the canary back")
	}
}

// A store that is away is no verdict.
func TestCanaryStoreAway(t *testing.T) {
	v := newTown(t, filepath.Join(t.TempDir(), "plumb.db"), true, .5)
	v.servers[0].watch.Runner.Registry = &watched{Registry: v.db, away: true}
	v.servers[0].look(t.Context())
	if !strings.Contains(v.logged.String(), "look at the canary: again in a while") || v.alias(t).Canary == nil {
		t.Errorf("logged %q", &v.logged)
	}
}
