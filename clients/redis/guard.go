package redis

import (
	"context"
	"maps"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"plumb/chat"
)

// guard notices that a server was restarted, or replaced by another: each run of a Redis has a run_id of its own, and a
// new run means new connections. The zero value notices nothing until Guard.
type guard struct {
	mu    sync.Mutex
	on    bool
	runs  map[string]string // run_id by node; the one node that is no cluster's is ""
	later map[string]string // those that are refused
}

// Guard makes the store refuse, with errors of kind Unavailable, to go on with a server that was restarted or replaced by a
// replica, until Resume. A server that does not let us ask for its run_id is not guarded.
func (s *Store) Guard() {
	s.guard.mu.Lock()
	defer s.guard.mu.Unlock()
	s.guard.on = true
}

// Restarted says whether the store refuses because of that.
func (s *Store) Restarted() bool {
	s.guard.mu.Lock()
	defer s.guard.mu.Unlock()
	return len(s.guard.later) > 0
}

// Resume lets the store go on with the server that is there now.
func (s *Store) Resume() {
	s.guard.mu.Lock()
	defer s.guard.mu.Unlock()
	maps.Copy(s.guard.runs, s.guard.later)
	s.guard.later = nil
}

// onConnect looks at the server of every new connection.
func (g *guard) onConnect(ctx context.Context, c *redis.Conn) error {
	info, err := c.Info(ctx, "server").Result()
	if _, refused := err.(redis.Error); refused {
		return nil
	}
	if err != nil {
		return err
	}
	node := ""
	if field(info, "redis_mode") == "cluster" {
		if node, err = c.ClusterMyID(ctx).Result(); err != nil {
			return err
		}
	}
	return g.see(node, field(info, "run_id"))
}

// see notes the run of a node, or refuses one that is not the first.
func (g *guard) see(node, run string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	known, seen := g.runs[node]
	switch {
	case seen && known != run && g.on:
		if g.later == nil {
			g.later = map[string]string{}
		}
		g.later[node] = run
	case g.runs == nil:
		g.runs = map[string]string{node: run}
	default:
		g.runs[node] = run
	}
	if len(g.later) > 0 {
		return &chat.Error{Kind: chat.Unavailable, Msg: "redis was restarted"}
	}
	return nil
}

// field reads one line of INFO.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return v
		}
	}
	return ""
}
