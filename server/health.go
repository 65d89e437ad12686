package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"plumb/chat"
)

// healthz says that the process runs.
func (s *Server) healthz(c *gin.Context) { reply(c, http.StatusOK, wireHealth{Status: "ok"}) }

// readyz says whether everything that a request needs is there, and if not what is away: 200 or 503. As with the probe
// of the same name elsewhere, ?exclude=NAME leaves a check out: chat goes on while the store is away, so a balancer for
// chat alone asks /readyz?exclude=store.
func (s *Server) readyz(c *gin.Context) {
	checks := append([]Check{{Name: "store", Ready: s.options.Log.Ping}}, s.options.Checks...)
	excluded := c.QueryArray("exclude")
	checks = slices.DeleteFunc(checks, func(check Check) bool { return slices.Contains(excluded, check.Name) })
	health := wireHealth{Status: "ok", Checks: s.ask(c, checks)}
	if s.draining.Load() {
		health.Checks = append(health.Checks, wireCheck{Name: "draining", Reason: "the server is shutting down"})
	}
	status := http.StatusOK
	if slices.ContainsFunc(health.Checks, func(check wireCheck) bool { return !check.OK }) {
		health.Status, status = "unready", http.StatusServiceUnavailable
	}
	reply(c, status, health)
}

// ask asks all checks at once; one that takes longer than two seconds has failed.
func (s *Server) ask(c *gin.Context, checks []Check) []wireCheck {
	ctx, cancel := context.WithTimeout(c.Request.Context(), 2*time.Second)
	defer cancel()
	answers := make([]wireCheck, len(checks))
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() {
			err := check.Ready(ctx)
			answers[i] = wireCheck{Name: check.Name, OK: err == nil}
			var e *chat.Error
			switch {
			case err == nil:
				return
			case errors.As(err, &e):
				answers[i].Reason = e.Msg
			case errors.Is(err, context.DeadlineExceeded):
				answers[i].Reason = "no answer within 2 s"
			default:
				answers[i].Reason = "failed; the log says why"
			}
			s.options.Logger.Warn("not ready", "check", check.Name, "error", err)
		})
	}
	all.Wait()
	return answers
}
