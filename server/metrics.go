package server

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the server's, in Prometheus's form. Labels have few values: routes, not paths; kinds, not names that
// callers choose.
type metrics struct {
	requests   *prometheus.CounterVec   // method, route, status
	seconds    *prometheus.HistogramVec // route
	inFlight   prometheus.Gauge
	panics     prometheus.Counter
	replies    *prometheus.CounterVec // sampler method, mode
	candidates *prometheus.CounterVec // what became of them: returned, discarded, failed
	tokens     *prometheus.CounterVec // prompt, completion, discarded
	scoring    prometheus.Histogram   // seconds
	waited     prometheus.Histogram   // seconds
	stored     *prometheus.CounterVec // record: generation, event; how: durable, spooled, failed
	votes      *prometheus.CounterVec // kind
	left       prometheus.Counter
}

func newMetrics(reg *prometheus.Registry, a *admission) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "plumb_" + name, Help: help}, labels)
		reg.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "plumb_" + name, Help: help, Buckets: buckets}, labels)
		reg.MustRegister(v)
		return v
	}
	gauge := func(name, help string, value func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "plumb_" + name, Help: help}, value))
	}
	gauge("slots", "Candidates that may be drawn at once.", func() float64 { return float64(a.slots) })
	gauge("slots_taken", "Slots taken now.", func() float64 { return float64(a.taken.Load()) })
	gauge("queue_waiting", "Requests waiting for slots now.", func() float64 { return float64(a.waiting.Load()) })
	short := prometheus.ExponentialBuckets(.0001, 4, 8) // .1 ms to 1.6 s
	long := prometheus.ExponentialBuckets(.001, 3, 12)  // 1 ms to 3 min
	m := &metrics{
		requests:   counter("http_requests_total", "Requests answered.", "method", "route", "status"),
		seconds:    histogram("http_request_seconds", "Time to answer.", long, "route"),
		inFlight:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "plumb_http_in_flight", Help: "Requests being answered now."}),
		panics:     counter("panics_total", "Requests that panicked.").WithLabelValues(),
		replies:    counter("replies_total", "Replies given, by the method that really ran.", "method", "mode"),
		candidates: counter("candidates_total", "Candidates, by what became of them.", "outcome"),
		tokens:     counter("tokens_total", "Tokens; discarded ones are among those of completions.", "kind"),
		scoring:    histogram("scoring_seconds", "Time of the reward model for one request.", short).WithLabelValues().(prometheus.Histogram),
		waited:     histogram("queue_seconds", "Time that requests waited for slots.", long).WithLabelValues().(prometheus.Histogram),
		stored:     counter("stored_total", "Records written, by how safely.", "record", "how"),
		votes:      counter("votes_total", "Feedback taken.", "kind"),
		left:       counter("clients_left_total", "Requests whose client left before the end.").WithLabelValues(),
	}
	reg.MustRegister(m.inFlight)
	return m
}

func (m *metrics) request(method, route string, status int, took time.Duration) {
	if route == "" {
		route, method = "none", "any" // unknown paths and methods are the caller's choice
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
	if status == statusGone {
		m.left.Inc()
	}
}
