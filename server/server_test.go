package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"plumb/chat"
	"plumb/feedback"
	"plumb/feedback/memory"
	"plumb/sampler"
)

// spec is openapi.yaml and a router over it, read once.
var spec = sync.OnceValues(func() (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	text, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := loader.LoadFromData(text)
	if err != nil {
		return nil, err
	}
	doc.Servers = nil // tests listen where they can
	return doc, doc.Validate(context.Background())
})

var specRouter = sync.OnceValues(func() (routers.Router, error) {
	doc, err := spec()
	if err != nil {
		return nil, err
	}
	openapi3filter.RegisterBodyDecoder("application/jsonl", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.FileBodyDecoder)
	return legacy.NewRouter(doc)
})

// fixture is a server with fakes behind it.
type fixture struct {
	t       *testing.T
	server  *Server
	http    *httptest.Server
	log     *memory.Log
	policy  *fakePolicies
	sampler *fakeSampler
	lines   *lockedBuffer // the server's log
	key     string
}

func newFixture(t *testing.T, change ...func(o *Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, log: &memory.Log{}, sampler: &fakeSampler{}, lines: &lockedBuffer{}}
	f.policy = &fakePolicies{policy: Policy{Policy: feedback.Policy{Alias: "plumb", Name: "base", Digest: "sha256:3f2a9c0d1122334455", Run: ""},
		RM: "rm-1", Abilities: chat.Abilities{Logprobs: true, Tools: true, ResponseFormat: true, Penalties: true, Seed: true}, Sampler: f.sampler}}
	o := Options{Policies: f.policy, Log: f.log, Salt: []byte("0123456789abcdef"), Heartbeat: time.Hour,
		Logger: slog.New(slog.NewJSONHandler(f.lines, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, c := range change {
		c(&o)
	}
	var err error
	if f.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	f.http = httptest.NewServer(f.server.Handler())
	t.Cleanup(f.http.Close)
	return f
}

// answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	return v
}

// at digs into an answer: at("choices", 0, "message", "content").
func (a answer) at(t *testing.T, path ...any) any {
	t.Helper()
	return dig(t, a.json(t), path...)
}

func dig(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			object, _ := v.(map[string]any)
			next, ok := object[p]
			if !ok {
				t.Fatalf("no %v in %v (path %v)", p, v, path)
			}
			v = next
		case int:
			list, _ := v.([]any)
			if p >= len(list) {
				t.Fatalf("no [%d] in %v (path %v)", p, v, path)
			}
			v = list[p]
		}
	}
	return v
}

// do sends a request and holds the response against openapi.yaml. headers are name, value, name, value.
func (f *fixture) do(method, path, body string, headers ...string) answer {
	f.t.Helper()
	r, err := http.NewRequest(method, f.http.URL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if f.key != "" {
		r.Header.Set("Authorization", "Bearer "+f.key)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	a := answer{response.StatusCode, response.Header, string(text)}
	holdAgainstSpec(f.t, r, a)
	return a
}

func (f *fixture) post(path, body string, headers ...string) answer {
	f.t.Helper()
	return f.do(http.MethodPost, path, body, headers...)
}

func (f *fixture) get(path string) answer { f.t.Helper(); return f.do(http.MethodGet, path, "") }

// chat asks for a completion with extra fields, as `"n": 2`.
func (f *fixture) chat(extra ...string) answer {
	f.t.Helper()
	return f.post("/v1/chat/completions", ask(extra...))
}

func ask(extra ...string) string {
	return "{" + strings.Join(append([]string{`"model": "plumb", "messages": [{"role": "user", "content": "Tea?"}]`}, extra...), ", ") + "}"
}

func holdAgainstSpec(t *testing.T, r *http.Request, a answer) {
	t.Helper()
	router, err := specRouter()
	if err != nil {
		t.Fatal(err)
	}
	route, params, err := router.FindRoute(r)
	if err != nil {
		return // unknown routes are not in the contract
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		t.Errorf("%s %s answers %d against openapi.yaml: %v\n%s", r.Method, r.URL.Path, a.status, err, a.body)
	}
}

// wantError checks status and param of an error.
func wantError(t *testing.T, a answer, status int, param string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	got := a.at(t, "error", "param")
	if param == "" && got != nil || param != "" && got != param {
		t.Errorf("param %v, want %q: %s", got, param, a.body)
	}
	if message := a.at(t, "error", "message").(string); param != "" && !strings.Contains(message, param) {
		t.Errorf("the message does not name %s: %s", param, message)
	}
}

// fakePolicies answers to "plumb" and "base".
type fakePolicies struct {
	policy Policy
	err    error
	user   atomic.Value // asked for last
}

func (p *fakePolicies) Policy(_ context.Context, name, user string) (Policy, error) {
	p.user.Store(user)
	if p.err != nil {
		return Policy{}, p.err
	}
	if name != "plumb" && name != "base" && name != "@cf/x/y" {
		return Policy{}, &chat.Error{Kind: chat.NotFound, Msg: "no such model"}
	}
	policy := p.policy
	if name != "plumb" {
		policy.Alias, policy.RM = "", ""
	}
	return policy, nil
}

func (p *fakePolicies) Models(context.Context) ([]chat.Model, error) {
	return []chat.Model{{Name: "plumb", Created: 1}, {Name: "base", Digest: "sha256:3f"}, {Name: "hf.co/a/b:q4"}}, p.err
}

// fakeSampler draws n numbered replies, scores all but one draw by their number, and returns the last ones.
type fakeSampler struct {
	mu       sync.Mutex
	requests []sampler.Request

	before func(ctx context.Context, r sampler.Request) error // runs first
	change func(r sampler.Request, result *sampler.Result)    // has the last word
}

func (s *fakeSampler) last() sampler.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[len(s.requests)-1]
}

// lockedBuffer is a log that tests read while a server writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestRoutesAreTheSpecs(t *testing.T) {
	doc, err := spec()
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			want = append(want, method+" "+path)
		}
	}
	f := newFixture(t)
	for _, r := range f.server.engine.Routes() {
		parts := strings.Split(r.Path, "/")
		for i, p := range parts {
			if strings.HasPrefix(p, ":") {
				parts[i] = "{" + p[1:] + "}"
			}
		}
		got = append(got, r.Method+" "+strings.Join(parts, "/"))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("routes\n%s\nspec\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSettingsAreAllCheckedAtOnce(t *testing.T) {
	_, err := New(Options{MaxN: 5000, Queue: -1, Method: "best", Origins: []string{"chat.example"},
		Keys: []Key{{Secret: "short", Scopes: []string{"chats"}}}})
	if err == nil {
		t.Fatal("bad settings were taken")
	}
	for _, want := range []string{"Policies", "Log", "Salt", "MaxN", "Queue", "Method", "Origins", "Keys[0]: secret", `scope "chats"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "short") {
		t.Errorf("the error tells a secret: %v", err)
	}
}

func TestUnknownRoutes(t *testing.T) {
	f := newFixture(t)
	wantError(t, f.get("/v1/nothing"), 404, "")
	if a := f.do("PUT", "/v1/feedback", ""); a.status != 405 || !strings.Contains(a.header.Get("Allow"), "POST") {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
}

func TestServeDrains(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Drain = 5 * time.Second })
	l := listen(t)
	inside, release := make(chan struct{}), make(chan struct{})
	f.sampler.before = func(ctx context.Context, _ sampler.Request) error { close(inside); <-release; return ctx.Err() }
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.server.Serve(ctx, l) }()
	answered := make(chan string, 1)
	go func() {
		response, err := http.Post("http://"+l.Addr().String()+"/v1/chat/completions", "application/json", strings.NewReader(ask()))
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		answered <- response.Status
	}()
	<-inside
	stop()
	for !f.server.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	if a := f.get("/readyz"); a.status != 503 || !strings.Contains(a.body, "draining") {
		t.Errorf("while draining: %d %s", a.status, a.body)
	}
	close(release)
	if got := <-answered; got != "200 OK" {
		t.Errorf("the running request got %s", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServeCancelsWhatDoesNotEnd(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Drain = time.Millisecond })
	l := listen(t)
	inside, cancelled := make(chan struct{}), make(chan struct{})
	f.sampler.before = func(ctx context.Context, _ sampler.Request) error {
		close(inside)
		<-ctx.Done()
		close(cancelled)
		return ctx.Err()
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.server.Serve(ctx, l) }()
	go http.Post("http://"+l.Addr().String()+"/v1/chat/completions", "application/json", strings.NewReader(ask()))
	<-inside
	stop()
	<-cancelled
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
