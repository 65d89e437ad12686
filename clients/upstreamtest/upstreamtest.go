// Package upstreamtest has fake model servers for tests: one that speaks Ollama's native API and one that speaks
// OpenAI's. They answer with text of a tiny made-up language that is exact in what matters (the same model, prompt,
// seed and sampling give the same text; a reply cut anywhere and continued is the same reply), count the requests they
// are working on, so that a test can see whether a cancellation arrived, and fail as a script tells them to: slowly, in
// the middle, with garbage, or never ending.
//
//	s := upstreamtest.NewOllama()
//	t.Cleanup(s.Close)
//	s.Script(func(r upstreamtest.Request) upstreamtest.Reply {
//		return upstreamtest.Reply{Fault: upstreamtest.Cut, After: 3}
//	})
package upstreamtest

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"plumb/chat"
)

// DefaultModel is what a server has if it is given no models.
const DefaultModel = "tiny:latest"

// Model is a model of a fake server.
type Model struct {
	Name   string
	Closes bool // its template closes a last assistant message, so that it is not continued
	Tools  bool
	Stop   []string // its own stop texts
	System string   // its own system prompt
	// Context is its size in tokens (words, here); 0 means 4096.
	Context int

	blob string // digest of the file it was created from
}

// Request is a request for a reply, as the server understood it.
type Request struct {
	Nth       int // 0 for the first that the server got
	Model     string
	Messages  []chat.Message
	Prompt    string // as rendered, prefix included
	Seed      int64
	MaxTokens int // 0 if unbounded
	Sampling  chat.Sampling
	Stream    bool
	Body      json.RawMessage // all of it
}

// Fault is a way to fail.
type Fault int

// The faults. Those "after some tokens" come before the first if Reply.After is 0.
const (
	None     Fault = iota
	Truncate       // after some tokens the reply ends, correctly closed but without what should end it
	Cut            // after some tokens the connection breaks
	Garbage        // after some tokens comes what is not JSON
	Error          // after some tokens comes an error in the stream
	Hang           // after some tokens nothing more comes
	Endless        // tokens never end
)

// Reply is what a script has the server answer. The zero value is the reply of the made-up language.
type Reply struct {
	Tokens    []string // instead of the language's
	Finish    string   // why they end; "" means "stop", or "length" where MaxTokens cut them
	ToolCalls []Call
	Delay     time.Duration // before each token
	Fault     Fault
	After     int    // tokens before the fault
	Status    int    // instead of a reply, with the header Retry-After if that is set
	Body      string // with Status: instead of an error in the API's own form
	RetryIn   string
}

// Call is a tool call.
type Call struct {
	Name      string
	Arguments string // a JSON object
}

// Server is a fake model server. Safe for concurrent use.
type Server struct {
	URL string

	http   *httptest.Server
	closed chan struct{}

	mu       sync.Mutex
	script   func(Request) Reply
	models   []Model
	blobs    map[string]bool // by digest
	key      string
	requests []Request
	active   int
	left     int
	warmed   map[string]string // model → last keep_alive
}

// Script sets what the server answers; nil is the language again. It may be called while requests run.
func (s *Server) Script(f func(Request) Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = f
}

// RequireKey makes the server refuse requests without this bearer token.
func (s *Server) RequireKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
}

// Active is how many replies are being worked on now.
func (s *Server) Active() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active
}

// Left is of how many replies the client went away before the end.
func (s *Server) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}

// Requests are the requests for replies so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Models are the models that the server has now.
func (s *Server) Models() []Model {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.models)
}

// KeepAlive is the keep_alive that the last request for a model carried, as JSON, "" if none did (Ollama only).
func (s *Server) KeepAlive(model string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.warmed[model]
}

// Close ends the server and every request it works on.
func (s *Server) Close() {
	s.mu.Lock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	s.mu.Unlock()
	s.http.CloseClientConnections()
	s.http.Close()
}

// Nobody is an address at which no server listens.
func Nobody() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic("upstreamtest: " + err.Error())
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func start(models []Model, routes func(*Server) http.Handler) *Server {
	if len(models) == 0 {
		models = []Model{{Name: DefaultModel, System: "You are a test."}}
	}
	s := &Server{closed: make(chan struct{}), models: slices.Clone(models), blobs: map[string]bool{}, warmed: map[string]string{}}
	for i, m := range s.models {
		s.models[i].blob = digestOf("file of " + m.Name)
		s.blobs[s.models[i].blob] = true
	}
	s.http = httptest.NewServer(routes(s))
	s.URL = s.http.URL
	return s
}

// begin counts a request for a reply and asks the script.
func (s *Server) begin(r Request) (Reply, Request) {
	s.mu.Lock()
	r.Nth = len(s.requests)
	s.requests = append(s.requests, r)
	s.active++
	script := s.script
	s.mu.Unlock()
	if script == nil {
		return Reply{}, r
	}
	return script(r), r
}

// end uncounts it.
func (s *Server) end(left bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	if left {
		s.left++
	}
}

func (s *Server) find(same func(name string) bool) (Model, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.models {
		if same(m.Name) {
			return m, true
		}
	}
	return Model{}, false
}
