package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plumb/offline"
	"plumb/offline/gate"
)

// canaries has what a new release answers unseen, and then the votes on it, looked at while the server runs, and the verdicts carried
// out. Several replicas may do so at once.
type canaries struct {
	watch  *offline.CanaryWatch
	shadow *offline.ShadowWatch
	log    *slog.Logger

	share    prometheus.Gauge
	unseen   prometheus.Gauge
	votes    *prometheus.GaugeVec   // release: canary, live; thumb: up, down
	verdicts *prometheus.CounterVec // good, bad
}

func newCanaries(r *offline.Runner, reg prometheus.Registerer, log *slog.Logger) *canaries {
	c := &canaries{
		watch: &offline.CanaryWatch{Runner: r}, shadow: &offline.ShadowWatch{Runner: r}, log: log,
		share:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "plumb_canary_share", Help: "Share of users who get the canary; 0 without one."}),
		unseen: prometheus.NewGauge(prometheus.GaugeOpts{Name: "plumb_shadow_replies", Help: "Requests that a new release has answered unseen; 0 without one."}),
		votes: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "plumb_canary_votes", Help: "Thumbs since the canary was let loose, on it and on what is live."},
			[]string{"release", "thumb"}),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "plumb_canary_verdicts_total", Help: "Canaries, seen or not yet, that this process made live or let loose (good) or took back (bad)."},
			[]string{"verdict"}),
	}
	reg.MustRegister(c.share, c.unseen, c.votes, c.verdicts)
	return c
}

// run looks at each interval until ctx ends.
func (c *canaries) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.look(ctx)
		}
	}
}

// look looks once. A store that is away is asked again the next time.
func (c *canaries) look(ctx context.Context) {
	c.lookAside(ctx)
	news, err := c.watch.Judge(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.log.Warn("look at the canary: again in a while", "error", err)
		}
		return
	}
	c.share.Set(news.Share)
	c.votes.Reset()
	if news.Run == "" {
		return
	}
	for release, v := range map[string]gate.Votes{"canary": news.Canary, "live": news.Live} {
		c.votes.WithLabelValues(release, "down").Set(float64(v.Down))
		c.votes.WithLabelValues(release, "up").Set(float64(v.All - v.Down))
	}
	switch news.Verdict {
	case gate.Bad:
		c.log.Warn("the canary is taken back", "run", news.Run, "why", news.Why)
	case gate.Good:
		c.log.Info("the canary is live", "run", news.Run, "why", news.Why)
	default:
		return
	}
	c.verdicts.WithLabelValues(news.Verdict).Inc()
	c.share.Set(0)
	c.votes.Reset()
}

// lookAside looks at what a release answers unseen.
func (c *canaries) lookAside(ctx context.Context) {
	news, err := c.shadow.Judge(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.log.Warn("look at unseen replies: again in a while", "error", err)
		}
		return
	}
	c.unseen.Set(float64(news.Replies))
	switch news.Verdict {
	case gate.Bad:
		c.log.Warn("the release is taken back before anybody got it", "run", news.Run, "why", news.Why)
	case gate.Good:
		c.log.Info("the release has answered enough unseen", "run", news.Run, "share of users who get it now, 0 for all", news.Share, "why", news.Why)
	default:
		return
	}
	c.verdicts.WithLabelValues(news.Verdict).Inc()
	c.unseen.Set(0)
}
