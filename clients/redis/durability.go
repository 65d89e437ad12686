package redis

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// Answers of a server about itself.
const (
	Yes     = "yes"
	No      = "no"
	Unknown = "unknown" // it does not say, or does not let us ask
)

// Durability is what a Redis says of how it keeps what it is given; of a cluster, what its weakest node says.
type Durability struct {
	Version  string
	AOF      string // Yes, No or Unknown: whether there is an append-only file
	Fsync    string // "always", "everysec", "no" or Unknown: when that file is fsync'd
	Eviction string // maxmemory-policy, or Unknown
	Replicas int    // that are connected
}

// Warnings says what can be lost, one line a risk; none for a server that loses nothing.
func (d Durability) Warnings() []string {
	var w []string
	switch {
	case d.AOF == No:
		w = append(w, "redis keeps no append-only file: a restart loses feedback; set appendonly yes")
	case d.AOF == Unknown:
		w = append(w, "redis does not say whether it keeps an append-only file")
	case d.Fsync == "everysec":
		w = append(w, "redis fsyncs every second: a power cut, or kill -9, can lose the last seconds; set appendfsync always to lose nothing")
	case d.Fsync == "no":
		w = append(w, "redis leaves fsync to the system: a power cut can lose half a minute; set appendfsync always")
	}
	if d.Eviction != "noeviction" && d.Eviction != Unknown {
		w = append(w, fmt.Sprintf("redis throws records away when memory is full (maxmemory-policy %s): set noeviction", d.Eviction))
	}
	return w
}

// Durability asks the server how it keeps what it is given.
func (s *Store) Durability(ctx context.Context) (Durability, error) {
	if s.cluster == nil {
		d, err := ask(ctx, s.client)
		return d, fail("ask redis for its durability", err)
	}
	nodes := make(chan Durability, 1)
	worst := make(chan Durability)
	go func() {
		d := <-nodes
		for n := range nodes {
			d = weaker(d, n)
		}
		worst <- d
	}()
	err := s.cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		d, err := ask(ctx, node)
		if err == nil {
			nodes <- d
		}
		return err
	})
	close(nodes)
	return <-worst, fail("ask redis for its durability", err)
}

func weaker(a, b Durability) Durability {
	pick := func(x, y string, best string) string {
		if x == best {
			return y
		}
		return x
	}
	return Durability{Version: min(a.Version, b.Version), AOF: pick(a.AOF, b.AOF, Yes), Fsync: pick(a.Fsync, b.Fsync, "always"),
		Eviction: pick(a.Eviction, b.Eviction, "noeviction"), Replicas: min(a.Replicas, b.Replicas)}
}

// ask reads INFO, and CONFIG where that is allowed: hosted servers often forbid it.
func ask(ctx context.Context, node redis.Cmdable) (Durability, error) {
	d := Durability{AOF: Unknown, Fsync: Unknown, Eviction: Unknown}
	info := ""
	for _, section := range []string{"server", "persistence", "memory", "replication"} {
		text, err := node.Info(ctx, section).Result()
		if _, refused := err.(redis.Error); err != nil && !refused {
			return d, err
		}
		info += text
	}
	d.Version = field(info, "redis_version")
	switch field(info, "aof_enabled") {
	case "1":
		d.AOF = Yes
	case "0":
		d.AOF = No
	}
	d.Eviction = cmp.Or(field(info, "maxmemory_policy"), Unknown)
	if n, err := strconv.Atoi(field(info, "connected_slaves")); err == nil {
		d.Replicas = n
	}
	config, err := node.ConfigGet(ctx, "appendfsync").Result()
	if _, refused := err.(redis.Error); err != nil && !refused {
		return d, err
	}
	if fsync := config["appendfsync"]; fsync != "" {
		d.Fsync = fsync
	}
	return d, nil
}
