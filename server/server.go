// Package server is plumb's HTTP API and the page that shows it: OpenAI's chat routes in front of a sampler, and routes
// for feedback, candidates, runs and releases. It decodes, validates, makes one call, keeps the record and encodes; how
// replies are chosen, kept and learned from is other packages' work, which it knows as small interfaces ([Policies],
// [Log], [Exporter], [Runs], [Releases], [Advisor]). The contract is openapi.yaml at the root of the repository.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"plumb/chat"
	"plumb/sampler"
)

// Server answers HTTP requests. Make one with [New]. Safe for concurrent use.
type Server struct {
	options   Options
	keys      []key
	admission *admission
	metrics   *metrics
	swaps     keyedMutex // one /next at a time on each generation
	page      page
	shadows   *shadows
	engine    *gin.Engine
	draining  atomic.Bool
}

// New returns a server, or an error that names every setting that is wrong.
func New(o Options) (*Server, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o.defaults()
	s := &Server{options: o, keys: newKeys(o.Keys, o.MaxN), admission: newAdmission(o.Slots, o.Queue), shadows: newShadows()}
	s.metrics = newMetrics(o.Registry, s.admission)
	s.page = newPage()
	s.engine = s.routes()
	return s, nil
}

// Handler returns the whole API as one handler.
func (s *Server) Handler() http.Handler { return s.engine }

// Serve answers requests on l until ctx ends. It then lets those that run finish for Options.Drain, during which
// /readyz says no, and cancels what is left. It returns nil after an orderly end.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	requests, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	h := &http.Server{
		Handler:           s.engine,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ErrorLog:          slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	s.draining.Store(true)
	defer s.shadows.end()
	limit, stop := context.WithTimeout(context.WithoutCancel(ctx), s.options.Drain)
	defer stop()
	err := h.Shutdown(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		s.options.Logger.Warn("drain: requests still running are cancelled", "after", s.options.Drain)
		cancel(&chat.Error{Kind: chat.Unavailable, Msg: "answer request: the server is shutting down"})
		err = h.Close()
	}
	return err
}

// Options say how a server behaves. The fields without a default in their comment must be set.
type Options struct {
	Policies Policies
	Log      Log
	Exporter Exporter // nil: exports are 503
	Runs     Runs     // nil: the routes under /v1/align that need it are 503
	Releases Releases // likewise
	Advisor  Advisor  // likewise
	Checks   []Check  // what /readyz asks, besides the store

	// Salt hashes user names, at least 16 bytes. It must stay the same from start to start and on all replicas, or
	// users lose what they said before.
	Salt []byte
	// Keys that may call; with none, everybody may do everything.
	Keys []Key
	// Hosts are the host names under which the server may be called, without port; none means any. Naming the loopback
	// names for a server on loopback keeps web pages from reaching it through a name of their own.
	Hosts []string
	// Origins are the web origins ("https://chat.example") whose pages may call; the server's own page always may.
	Origins []string

	MaxBody   int64         // bytes of a request's body; 4 MiB
	MaxN      int           // candidates a request, where the key sets no ceiling; 64
	MaxTokens int           // ceiling of max_tokens; 131,072
	Slots     int           // candidates drawn at once over all requests; 64
	Queue     int           // requests that may wait for a slot; 256
	Timeout   time.Duration // of one chat request, waiting included; 5 min
	StoreTime time.Duration // for one write to the log; 5 s
	Heartbeat time.Duration // silence in a stream before a comment is sent; 10 s
	Drain     time.Duration // how long Serve lets requests finish at its end; 30 s
	Method    string        // how replies are chosen where a request does not say; "auto"
	Lenient   bool          // unknown and unsupported fields become a warning header instead of a 400

	Logger   *slog.Logger         // slog.Default()
	Registry *prometheus.Registry // where the server's metrics go, and what /metrics shows; a new one
	Now      func() time.Time     // time.Now
}

func (o *Options) validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(o.Policies != nil, "Policies: not set")
	check(o.Log != nil, "Log: not set")
	check(len(o.Salt) >= 16, "Salt: %d bytes, want at least 16", len(o.Salt))
	check(o.MaxBody >= 0, "MaxBody: got %d, want at least 1", o.MaxBody)
	check(o.MaxN >= 0 && o.MaxN <= hardMaxN, "MaxN: got %d, want 1 to %d", o.MaxN, hardMaxN)
	check(o.MaxTokens >= 0, "MaxTokens: got %d, want at least 1", o.MaxTokens)
	check(o.Slots >= 0, "Slots: got %d, want at least 1", o.Slots)
	check(o.Queue >= 0, "Queue: got %d, want at least 1", o.Queue)
	for name, d := range map[string]time.Duration{"Timeout": o.Timeout, "StoreTime": o.StoreTime, "Heartbeat": o.Heartbeat, "Drain": o.Drain} {
		check(d >= 0, "%s: got %v, want more than 0", name, d)
	}
	check(o.Method == "" || known(o.Method), "Method: got %q, want %s", o.Method, oneOf(methods))
	problems = append(problems, validateKeys(o.Keys)...)
	for _, origin := range o.Origins {
		if err := http.NewCrossOriginProtection().AddTrustedOrigin(origin); err != nil {
			problems = append(problems, fmt.Errorf("in Origins: %w", err))
		}
	}
	return errors.Join(problems...)
}

func (o *Options) defaults() {
	number := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	span := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	number(&o.MaxN, 64)
	number(&o.MaxTokens, 131072)
	number(&o.Slots, 64)
	number(&o.Queue, 256)
	span(&o.Timeout, 5*time.Minute)
	span(&o.StoreTime, 5*time.Second)
	span(&o.Heartbeat, 10*time.Second)
	span(&o.Drain, 30*time.Second)
	if o.MaxBody == 0 {
		o.MaxBody = 4 << 20
	}
	if o.Method == "" {
		o.Method = sampler.Auto
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}
