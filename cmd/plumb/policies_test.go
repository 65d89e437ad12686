package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plumb/chat"
	"plumb/clients/sqlite"
	"plumb/offline/registry"
	"plumb/sampler"
)

// someModels is a generator that has the models it names.
type someModels []string

func (g someModels) Abilities(_ context.Context, name string) (chat.Abilities, error) {
	for _, m := range g {
		if m == name {
			return chat.Abilities{Slots: 1}, nil
		}
	}
	return chat.Abilities{}, unknownModel(name)
}

func (someModels) Continue(context.Context, chat.Draw, func(chat.Piece)) error {
	return errors.New("draw: not in this test")
}

// watched is a registry whose readings of aliases are counted and can be made to fail.
type watched struct {
	registry.Registry
	reads int
	away  bool
}

func (w *watched) Alias(ctx context.Context, name string) (registry.Alias, error) {
	w.reads++
	if w.away {
		return registry.Alias{}, errors.New("the registry is away")
	}
	return w.Registry.Alias(ctx, name)
}

// policyBench is policies with all that they depend on in the test's hands.
type policyBench struct {
	*policies
	registry *watched
	clock    time.Time
	logged   bytes.Buffer
}

func newPolicyBench(t *testing.T) *policyBench {
	t.Helper()
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "plumb.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b := &policyBench{registry: &watched{Registry: db}, clock: time.Unix(1e9, 0)}
	g := someModels{"base", "trained", "canary"}
	list := func(context.Context) ([]chat.Model, error) { return []chat.Model{{Name: "base"}}, nil }
	b.policies = &policies{alias: "plumb", base: "base", upstream: &upstream{generator: g, models: list}, registry: b.registry,
		log: slog.New(slog.NewTextHandler(&b.logged, nil)), now: func() time.Time { return b.clock }}
	return b
}

// set stores the alias with what the change makes of it.
func (b *policyBench) set(t *testing.T, change func(*registry.Alias)) {
	t.Helper()
	a, err := b.registry.Registry.Alias(t.Context(), "plumb")
	if err != nil {
		t.Fatal(err)
	}
	change(&a)
	if _, err := b.registry.SetAlias(t.Context(), a, 0); err != nil {
		t.Fatal(err)
	}
}

// answers is the model that answers a user under the alias.
func (b *policyBench) answers(t *testing.T, user string) string {
	t.Helper()
	p, err := b.Policy(t.Context(), "plumb", user)
	if err != nil {
		t.Fatal(err)
	}
	if p.Alias != "plumb" {
		t.Errorf("policy %+v does not say its alias", p)
	}
	return p.Name
}

func TestPolicyIsTheBaseUntilSomethingIsLive(t *testing.T) {
	b := newPolicyBench(t)
	if got := b.answers(t, "ann"); got != "base" {
		t.Errorf("got %s, want base", got)
	}
	models, err := b.Models(t.Context())
	if err != nil || len(models) != 2 || models[0].Name != "plumb" || models[1].Name != "base" {
		t.Errorf("models %v, %v", models, err)
	}
}

func TestPolicyAliasIsCachedForASecond(t *testing.T) {
	b := newPolicyBench(t)
	b.answers(t, "ann")
	b.set(t, func(a *registry.Alias) {
		a.Live = &registry.Release{Model: "trained", Digest: "sha256:1", Run: "run-1"}
	})
	for _, c := range []struct {
		after time.Duration
		want  string
		reads int
	}{{0, "base", 1}, {999 * time.Millisecond, "base", 1}, {time.Millisecond, "trained", 2}, {500 * time.Millisecond, "trained", 2}} {
		b.clock = b.clock.Add(c.after)
		if got := b.answers(t, "ann"); got != c.want || b.registry.reads != c.reads {
			t.Errorf("after %v: %s and %d readings, want %s and %d", c.after, got, b.registry.reads, c.want, c.reads)
		}
	}
	p, err := b.Policy(t.Context(), "plumb", "ann")
	if err != nil || p.Digest != "sha256:1" || p.Run != "run-1" {
		t.Errorf("policy %+v, %v: the release is not told", p, err)
	}
	if models, _ := b.Models(t.Context()); models[0].Digest != "sha256:1" {
		t.Errorf("models %v do not tell the digest", models)
	}
}

func TestPolicyRegistryAway(t *testing.T) {
	b := newPolicyBench(t)
	b.set(t, func(a *registry.Alias) { a.Live = &registry.Release{Model: "trained"} })
	b.answers(t, "ann")
	b.registry.away = true
	b.set(t, func(a *registry.Alias) { a.Live = &registry.Release{Model: "canary"} })
	b.clock = b.clock.Add(2 * time.Second)
	if got := b.answers(t, "ann"); got != "trained" || !strings.Contains(b.logged.String(), "the registry is away") {
		t.Errorf("got %s, want the last known; logged %q", got, &b.logged)
	}
	// It is not asked again for each request meanwhile.
	reads := b.registry.reads
	b.answers(t, "bob")
	if b.registry.reads != reads {
		t.Error("a registry that is away is asked for every request")
	}
	b.registry.away, b.clock = false, b.clock.Add(2*time.Second)
	if got := b.answers(t, "ann"); got != "canary" {
		t.Errorf("got %s once it is back, want canary", got)
	}
}

func TestPolicyCanary(t *testing.T) {
	b := newPolicyBench(t)
	const users = 4000
	got := func(want float64) map[string]bool {
		b.set(t, func(a *registry.Alias) {
			a.Live, a.Canary, a.Share = &registry.Release{Model: "trained"}, &registry.Release{Model: "canary"}, want
		})
		b.clock = b.clock.Add(2 * time.Second)
		chosen := map[string]bool{}
		for i := range users {
			user := fmt.Sprintf("u-%032x", i)
			switch model := b.answers(t, user); model {
			case "canary":
				chosen[user] = true
			case "trained":
			default:
				t.Fatalf("%s is answered by %s", user, model)
			}
			if again := b.answers(t, user) == "canary"; again != chosen[user] {
				t.Fatalf("%s is answered by one model and then the other", user)
			}
		}
		// Five standard deviations of a binomial.
		if off := math.Abs(float64(len(chosen))/users - want); off > 5*math.Sqrt(want*(1-want)/users) {
			t.Errorf("%d of %d users, want a share of %g", len(chosen), users, want)
		}
		return chosen
	}
	some := got(.1)
	more := got(.5)
	for user := range some {
		if !more[user] {
			t.Fatalf("%s loses the canary though its share grew", user)
		}
	}
	got(0)
	got(1)
}

func TestPolicyUnknownModel(t *testing.T) {
	b := newPolicyBench(t)
	if _, err := b.Policy(t.Context(), "nobody", "ann"); chat.KindOf(err) != chat.NotFound {
		t.Errorf("got %v, want kind not_found", err)
	}
	p, err := b.Policy(t.Context(), "base", "ann")
	if err != nil || p.Alias != "" || p.Name != "base" || p.RM != "" {
		t.Errorf("policy %+v, %v: want the untouched base", p, err)
	}
	if b.registry.reads != 0 {
		t.Error("the alias is read for a model that was asked for by name")
	}
}

// rewardFile fits a small reward model and returns its file.
func rewardFile(t *testing.T) []byte {
	t.Helper()
	var all []any
	for i := range 20 {
		good, bad := thanks(i)
		all = append(all, jsonRow{"prompt": fmt.Sprint("Which? ", i), "chosen": good, "rejected": bad})
	}
	out := filepath.Join(t.TempDir(), "r.safetensors")
	if status, _, stderr := runPlumb(t, "", "rm", "train", "--pairs", writeRows(t, "p.jsonl", all...), "--out", out); status != 0 {
		t.Fatal(stderr)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPolicyRewardModel(t *testing.T) {
	file := rewardFile(t)
	for _, c := range []struct {
		name   string
		blob   []byte
		hash   string // instead of the blob's
		scored bool
		logged string
	}{
		{"a good one", file, "", true, ""},
		{"one that cannot be decoded", []byte("no reward model"), "", false, "read reward model"},
		{"one that is cut", file[:len(file)/2], "", false, "read reward model"},
		{"one that is gone", nil, strings.Repeat("0", 64), false, "read reward model"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newPolicyBench(t)
			hash := c.hash
			if hash == "" {
				var err error
				if hash, err = b.registry.PutBlob(t.Context(), c.blob); err != nil {
					t.Fatal(err)
				}
			}
			b.set(t, func(a *registry.Alias) { a.Live = &registry.Release{Model: "trained", RM: hash} })
			p, err := b.Policy(t.Context(), "plumb", "ann")
			if err != nil || p.Name != "trained" {
				t.Fatalf("policy %+v, %v: chat must go on", p, err)
			}
			first := p.Sampler.(*sampler.Sampler)
			if scored := first.Scorer != nil; scored != c.scored || scored != (p.RM == hash) || scored != (first.Pairs > 0) {
				t.Errorf("scorer %v, rm %q, pairs %v; want scored %v", first.Scorer, p.RM, first.Pairs, c.scored)
			}
			if got := b.logged.String(); !strings.Contains(got, c.logged) || c.logged == "" && got != "" {
				t.Errorf("logged %q, want %q", got, c.logged)
			}
			// The next reply takes the same model, not one that is read anew.
			again, err := b.Policy(t.Context(), "plumb", "ann")
			if err != nil || c.scored && again.Sampler.(*sampler.Sampler).Scorer != first.Scorer {
				t.Errorf("read again: %v", err)
			}
		})
	}
}

// What is in the shadow answers nobody, and is there to be asked beside what everybody gets.
func TestPolicyInTheShadow(t *testing.T) {
	b := newPolicyBench(t)
	b.set(t, func(a *registry.Alias) {
		a.Live, a.Canary = &registry.Release{Model: "trained"}, &registry.Release{Model: "canary", Run: "run-c"}
		a.Shadow = &registry.Shadow{Replies: 10, Share: .5}
	})
	for i := range 50 {
		p, err := b.Policy(t.Context(), "plumb", fmt.Sprint("user ", i))
		if err != nil || p.Name != "trained" || p.Shadow == nil || p.Shadow.Name != "canary" || p.Shadow.Run != "run-c" || p.Shadow.Sampler == nil {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	if p, err := b.Policy(t.Context(), "base", "ann"); err != nil || p.Shadow != nil {
		t.Errorf("by its own name: %+v, %v", p, err)
	}
	b.clock = b.clock.Add(time.Minute)
	b.set(t, func(a *registry.Alias) { a.Canary = &registry.Release{Model: "gone"} })
	if p, err := b.Policy(t.Context(), "plumb", "ann"); err != nil || p.Name != "trained" || p.Shadow != nil {
		t.Errorf("a model that is not there: %+v, %v", p, err)
	}
}
