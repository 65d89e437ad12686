package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"plumb/clients/upstreamtest"
)

// found runs the doctor and returns what it found, by check.
func found(t *testing.T, args ...string) (status int, all map[string]finding) {
	t.Helper()
	status, stdout, stderr := runPlumb(t, "", append([]string{"doctor", "--data", t.TempDir()}, args...)...)
	var report struct {
		OK       bool
		Findings []finding
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	if report.OK != (status == 0) {
		t.Errorf("status %d and ok %v", status, report.OK)
	}
	all = map[string]finding{}
	for _, f := range report.Findings {
		if f.Advice == "" || f.Found == "" {
			t.Errorf("%s says nothing: %+v", f.Check, f)
		}
		all[f.Check] = f
	}
	return status, all
}

// slowly has a server take its time over each token, so that replies that run at once overlap.
func slowly(s *upstreamtest.Server) {
	s.Script(func(upstreamtest.Request) upstreamtest.Reply {
		return upstreamtest.Reply{Tokens: strings.Fields("one two three four five six"), Delay: 20 * time.Millisecond}
	})
}

// oneAtATime passes requests for replies on one after the other, as a server with one slot does.
func oneAtATime(t *testing.T, to string) string {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	var slot sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			slot.Lock()
			defer slot.Unlock()
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestDoctorCountsSlots(t *testing.T) {
	s := upstreamtest.NewOllama()
	t.Cleanup(s.Close)
	slowly(s)
	for _, c := range []struct {
		name, url, status, found, advice string
	}{
		{"all at once", s.URL, fine, "4 of 4 replies ran at once", "best-of-n"},
		{"one after the other", oneAtATime(t, s.URL), warning, "1 of 4 replies ran at once", "OLLAMA_NUM_PARALLEL=4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, all := found(t, "--upstream", c.url, "--model", upstreamtest.DefaultModel, "--draws", "4")
			if got := all["slots"]; got.Status != c.status || got.Found != c.found || !strings.Contains(got.Advice, c.advice) {
				t.Errorf("got %+v, want %+v", got, c)
			}
			if status != 0 || all["upstream"].Status != fine || all["model"].Status != fine {
				t.Errorf("status %d, %+v", status, all)
			}
			// Tokens of a script have no log-probs: that is no reason to call the model broken.
			if got := all["log-probs"]; got.Status != warning {
				t.Errorf("log-probs: %+v", got)
			}
			// The fake's model has no file here: votes can be used all the same.
			if base := all["base file"]; base.Status != warning || !strings.Contains(base.Advice, "--base") {
				t.Errorf("base file: %+v", base)
			}
		})
	}
}

func TestDoctorUpstreamFails(t *testing.T) {
	s := upstreamtest.NewOllama()
	t.Cleanup(s.Close)
	status, all := found(t, "--upstream", s.URL, "--model", "another")
	if status != 1 || all["model"].Status != failed || !strings.Contains(all["model"].Advice, "ollama pull another") || all["slots"].Status != skipped {
		t.Errorf("an unknown model: status %d, %+v", status, all)
	}
	if _, all := found(t, "--upstream", s.URL, "--model", upstreamtest.DefaultModel, "--draws", "1"); all["log-probs"].Status != fine {
		t.Errorf("log-probs are not seen: %+v", all["log-probs"])
	}
	s.Script(func(upstreamtest.Request) upstreamtest.Reply { return upstreamtest.Reply{Status: 500} })
	status, all = found(t, "--upstream", s.URL, "--model", upstreamtest.DefaultModel)
	if status != 1 || all["model"].Status != failed || all["store"].Status != fine {
		t.Errorf("a model that does not answer: status %d, %+v", status, all)
	}
	status, all = found(t, "--upstream", upstreamtest.Nobody(), "--model", "x")
	if status != 1 || all["upstream"].Status != failed || all["base file"].Status != skipped || all["disk"].Status == failed {
		t.Errorf("nobody there: status %d, %+v", status, all)
	}
}
