package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	client "plumb/clients/go"
	"plumb/cmd/plumb/people"
)

// scripted is a server whose replies are to the taste with a probability that its state decides; it counts votes.
type scripted struct {
	mu    sync.Mutex
	share float64 // of single replies to the taste
	votes []client.Vote
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.URL.Path == "/v1/feedback":
		var v client.Vote
		_ = json.NewDecoder(r.Body).Decode(&v)
		s.votes = append(s.votes, v)
		fmt.Fprint(w, `{"id":"fb-1","stored":"durable"}`)
	case strings.HasPrefix(r.URL.Path, "/v1/generations/"):
		fmt.Fprint(w, `{"candidates":[{"id":"g.0","text":"good"},{"id":"g.1","text":"bad"},{"id":"g.2","text":"good"},{"id":"g.3","text":"bad"}]}`)
	default:
		var body struct {
			Seed  int64
			Align client.Align
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		share := s.share
		if body.Align.Method == "bon" {
			share = 1
		}
		text := "bad"
		if float64(body.Seed%1000)/1000 < share {
			text = "good"
		}
		fmt.Fprintf(w, `{"id":"g","choices":[{"message":{"content":%q}}],"align":{"method":%q}}`, text, body.Align.Method)
	}
}

func TestPlay(t *testing.T) {
	s := &scripted{share: .4}
	web := httptest.NewServer(s)
	defer web.Close()
	set := func(share float64) { s.mu.Lock(); s.share = share; s.mu.Unlock() }
	var prompts []string
	for i := range 30 {
		prompts = append(prompts, fmt.Sprint("prompt ", i))
	}
	d := &Demo{
		Client: &client.Client{BaseURL: web.URL}, Train: prompts, HeldOut: prompts, Votes: 50, Noise: .2, Seed: 3,
		Taste: people.Taste{Name: "good", Doc: "is good", Holds: func(_, reply string) bool { return reply == "good" }},
		Align: func(_ context.Context, method string) (Outcome, error) {
			if method != "rm" {
				set(.9)
			}
			return Outcome{Run: "run-1", Decision: "live", Pairs: 40}, nil
		},
		Rollback: func(context.Context) error { set(.4); return nil },
	}
	r, err := d.Play(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.votes) != 50 || r.Votes != 50 || r.Wrong < 3 || r.Wrong > 20 {
		t.Errorf("%d votes stored, %d counted, %d wrong", len(s.votes), r.Votes, r.Wrong)
	}
	share := map[string]float64{}
	for _, c := range r.Rows {
		share[c.Name] = c.Share
		if c.Lo > c.Share || c.Hi < c.Share || c.Lo == c.Hi {
			t.Errorf("%s: %v outside its interval %v–%v", c.Name, c.Share, c.Lo, c.Hi)
		}
	}
	if math.Abs(share[Base]-.4) > .15 || share[Search] != 1 || share[Trained] < .8 || math.Abs(share[RolledBack]-.4) > .3 || !r.Restored {
		t.Errorf("shares %v, restored %v", share, r.Restored)
	}
	var table bytes.Buffer
	if err := r.Table(&table); err != nil || !strings.Contains(table.String(), "after rollback") {
		t.Errorf("table %q: %v", table.String(), err)
	}
	if err := Plot(filepath.Join(t.TempDir(), "demo.png"), []*Result{r, r}); err != nil {
		t.Error(err)
	}
}

func TestJudgeErrsAsOftenAsToldAndPrefersTheTaste(t *testing.T) {
	s := &scripted{}
	web := httptest.NewServer(s)
	defer web.Close()
	d := &Demo{Client: &client.Client{BaseURL: web.URL}, Train: []string{"p"}, Votes: 4000, Noise: 0, Seed: 1,
		Taste: people.Taste{Holds: func(_, reply string) bool { return reply == "good" }}}
	d.defaults()
	votes, wrong, err := d.vote(context.Background())
	if err != nil || votes != 4000 || wrong != 0 {
		t.Fatal(votes, wrong, err)
	}
	for _, v := range s.votes {
		if v.Kind == "preference" && (v.Winner == "g.1" || v.Winner == "g.3" || v.Losers[0] == "g.0" || v.Losers[0] == "g.2") {
			t.Fatalf("without noise %+v", v)
		}
	}
	d.Noise = .15
	_, wrong, err = d.vote(context.Background())
	if share := float64(wrong) / 4000; err != nil || math.Abs(share-.15) > .02 {
		t.Fatalf("share of wrong votes %.3f, %v", share, err)
	}
}
