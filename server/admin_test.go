package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"plumb/chat"
)

// fakeRuns keeps runs in a slice and moves an alias.
type fakeRuns struct {
	runs  []Run
	alias Alias
	asked RunRequest
}

func (r *fakeRuns) Start(_ context.Context, q RunRequest) (Run, error) {
	r.asked = q
	if len(r.runs) > 0 && r.runs[0].State != "live" {
		return Run{}, &chat.Error{Kind: chat.Conflict, Msg: "start run: " + r.runs[0].ID + " is running"}
	}
	run := Run{ID: "run-1", Alias: "plumb", State: "collect", Created: time.Unix(1, 0).UTC(), Base: Release{Model: "base"}, Rows: map[string]int{"pairs": 3}}
	r.runs = append(r.runs, run)
	return run, nil
}

func (r *fakeRuns) Runs(context.Context, int) ([]Run, error) { return r.runs, nil }

func (r *fakeRuns) Run(_ context.Context, id string) (Run, error) {
	for _, run := range r.runs {
		if run.ID == id {
			return run, nil
		}
	}
	return Run{}, &chat.Error{Kind: chat.NotFound, Param: "id", Msg: "id: no run " + id}
}

func (r *fakeRuns) Alias(context.Context) (Alias, error) { return r.alias, nil }

func (r *fakeRuns) Promote(_ context.Context, run string) (Alias, error) {
	if run == "run-9" {
		return Alias{}, &chat.Error{Kind: chat.NotFound, Param: "run", Msg: "run: no run run-9"}
	}
	r.alias.Live = &Release{Model: "plumb-plumb:" + run, Run: run}
	return r.alias, nil
}

func (r *fakeRuns) Rollback(context.Context) (Alias, error) {
	if r.alias.Live == nil {
		return Alias{}, &chat.Error{Kind: chat.Conflict, Msg: "roll back: there is no previous release"}
	}
	r.alias.Live = nil
	return r.alias, nil
}

func TestRunsAndReleases(t *testing.T) {
	runs := &fakeRuns{alias: Alias{Name: "plumb"}}
	f := newFixture(t, func(o *Options) { o.Runs, o.Releases = runs, runs })
	if a := f.get("/v1/align/runs"); len(a.at(t, "data").([]any)) != 0 {
		t.Error(a.body)
	}
	a := f.post("/v1/align/runs", `{"method": "dpo", "seed": 3}`)
	if a.status != 202 || a.at(t, "id") != "run-1" || a.header.Get("Location") != "/v1/align/runs/run-1" || runs.asked.Method != "dpo" || *runs.asked.Seed != 3 {
		t.Errorf("%d %s", a.status, a.body)
	}
	wantError(t, f.post("/v1/align/runs", ""), 409, "")
	wantError(t, f.post("/v1/align/runs", `{"epochs": 3}`), 400, "epochs")
	if a := f.get("/v1/align/runs/run-1"); a.at(t, "rows", "pairs") != 3.0 {
		t.Error(a.body)
	}
	wantError(t, f.get("/v1/align/runs/run-7"), 404, "id")
	wantError(t, f.get("/v1/align/runs?limit=0"), 400, "limit")
	wantError(t, f.post("/v1/align/rollback", ""), 409, "")
	if a := f.post("/v1/align/promote", `{"run": "run-1"}`); a.at(t, "live", "run") != "run-1" {
		t.Error(a.body)
	}
	wantError(t, f.post("/v1/align/promote", `{"run": "run-9"}`), 404, "run")
	wantError(t, f.post("/v1/align/promote", `{"runs": 1}`), 400, "runs")
	if a := f.get("/v1/align/status"); a.at(t, "alias", "live", "run") != "run-1" || len(a.at(t, "runs").([]any)) != 1 {
		t.Error(a.body)
	}
	if a := f.post("/v1/align/rollback", "{}"); a.at(t, "live") != nil {
		t.Error(a.body)
	}
}

func TestWithoutAlignment(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/v1/align/status", "/v1/align/advice", "/v1/align/runs", "/v1/align/runs/x", "/v1/feedback/export"} {
		wantError(t, f.get(path), 503, "")
	}
	for _, path := range []string{"/v1/align/runs", "/v1/align/promote", "/v1/align/rollback"} {
		wantError(t, f.post(path, ""), 503, "")
	}
}

// fakeExporter yields rows and then fails with err.
type fakeExporter struct {
	rows    []any
	err     error
	kind    string
	sources []string
}

func (e *fakeExporter) Export(_ context.Context, kind string, sources []string, each func(any) error) error {
	e.kind, e.sources = kind, sources
	for _, row := range e.rows {
		if err := each(row); err != nil {
			return err
		}
	}
	return e.err
}

func TestExport(t *testing.T) {
	e := &fakeExporter{rows: []any{map[string]any{"prompt": "<tea>", "source": "human"}, map[string]any{"prompt": "b"}}}
	f := newFixture(t, func(o *Options) { o.Exporter = e })
	a := f.get("/v1/feedback/export?kind=unpaired")
	if a.status != 200 || a.body != `{"prompt":"<tea>","source":"human"}`+"\n"+`{"prompt":"b"}`+"\n" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/jsonl") {
		t.Errorf("%d %v %q", a.status, a.header, a.body)
	}
	if e.kind != "unpaired" || strings.Join(e.sources, ",") != "human,implicit" {
		t.Errorf("asked for %s of %v", e.kind, e.sources)
	}
	f.get("/v1/feedback/export?source=rm&source=human,import")
	if e.kind != "preference" || strings.Join(e.sources, ",") != "rm,human,import" {
		t.Errorf("asked for %s of %v", e.kind, e.sources)
	}
	wantError(t, f.get("/v1/feedback/export?kind=pairs"), 400, "kind")
	wantError(t, f.get("/v1/feedback/export?source=bots"), 400, "source")

}

func TestExportThatBreaks(t *testing.T) {
	e := &fakeExporter{rows: []any{map[string]any{"prompt": "a"}}, err: errors.New("store broke")}
	f := newFixture(t, func(o *Options) { o.Exporter = e })
	response, err := http.Get(f.http.URL + "/v1/feedback/export")
	if err == nil {
		_, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err == nil {
		t.Error("an export that broke off looks whole")
	}
	e = &fakeExporter{err: errAway}
	f = newFixture(t, func(o *Options) { o.Exporter = e })
	wantError(t, f.get("/v1/feedback/export"), 503, "")
	e.err = nil
	if a := f.get("/v1/feedback/export"); a.status != 200 || a.body != "" {
		t.Errorf("no rows: %d %q", a.status, a.body)
	}
}

func TestModels(t *testing.T) {
	f := newFixture(t)
	if a := f.get("/v1/models"); a.at(t, "data", 0, "id") != "plumb" || a.at(t, "data", 1, "digest") != "sha256:3f" {
		t.Error(a.body)
	}
	for _, path := range []string{"hf.co%2Fa%2Fb:q4", "base"} {
		if a := f.get("/v1/models/" + path); a.status != 200 {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	wantError(t, f.get("/v1/models/gpt-9"), 404, "model")
	f.policy.err = &chat.Error{Kind: chat.Upstream, Msg: "list models: connection refused"}
	wantError(t, f.get("/v1/models"), 502, "")
}

func TestHealth(t *testing.T) {
	var upstream error
	broken := &brokenLog{}
	f := newFixture(t, func(o *Options) {
		broken.Log = o.Log
		o.Log = broken
		o.Checks = []Check{{Name: "upstream", Ready: func(context.Context) error { return upstream }}}
	})
	if a := f.get("/healthz"); a.status != 200 {
		t.Error(a.body)
	}
	if a := f.get("/readyz"); a.status != 200 || a.at(t, "checks", 1, "name") != "upstream" {
		t.Error(a.body)
	}
	broken.err = &chat.Error{Kind: chat.Unavailable, Msg: "the store is away", Cause: errors.New("dial redis://:secret@host")}
	a := f.get("/readyz")
	if a.status != 503 || a.at(t, "checks", 0, "reason") != "the store is away" || strings.Contains(a.body, "secret") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := f.get("/readyz?exclude=store"); a.status != 200 {
		t.Error(a.body)
	}
	broken.err, upstream = nil, errors.New("dial http://:secret@host")
	if a := f.get("/readyz"); a.status != 503 || strings.Contains(a.body, "secret") || a.at(t, "checks", 0, "ok") != true {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := f.get("/healthz"); a.status != 200 {
		t.Error("unready is not dead")
	}
}

func TestMetrics(t *testing.T) {
	f := newFixture(t)
	asked(t, f)
	f.post("/v1/feedback", `{"kind": "star"}`)
	f.get("/v1/" + strings.Repeat("x", 50))
	body := f.get("/metrics").body
	for _, want := range []string{
		`plumb_http_requests_total{method="POST",route="/v1/chat/completions",status="200"} 1`,
		`plumb_http_requests_total{method="POST",route="/v1/feedback",status="400"} 1`,
		`plumb_http_requests_total{method="any",route="none",status="404"} 1`,
		`plumb_replies_total{method="top_m",mode="plain"} 1`,
		`plumb_candidates_total{outcome="discarded"} 3`,
		`plumb_tokens_total{kind="discarded"} 15`,
		`plumb_stored_total{how="durable",record="generation"} 1`,
		`plumb_slots 64`, `plumb_slots_taken 0`, `plumb_scoring_seconds_count 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(body, "xxx") {
		t.Error("paths that callers choose become labels")
	}
}

func TestPage(t *testing.T) {
	f := newFixture(t)
	a := f.get("/")
	policy := a.header.Get("Content-Security-Policy")
	if a.status != 200 || !strings.Contains(a.body, "<title>plumb</title>") || strings.Contains(a.body, "{{") {
		t.Fatal(a.status)
	}
	for tag, directive := range map[string]string{"script": "script-src", "style": "style-src"} {
		_, rest, _ := strings.Cut(a.body, "<"+tag+">")
		text, _, found := strings.Cut(rest, "</"+tag+">")
		if !found || !strings.Contains(policy, directive+" '"+sourceHash(text)+"'") {
			t.Errorf("the policy does not allow the page's own %s: %s", tag, policy)
		}
	}
	for _, outside := range []string{`src="http`, `href="http`, "url(", "@import", "innerHTML", "eval("} {
		if strings.Contains(a.body, outside) {
			t.Errorf("the page has %s", outside)
		}
	}
	if a := f.do("GET", "/", "", "If-None-Match", a.header.Get("ETag")); a.status != 304 {
		t.Error(a.status)
	}
}
