package redis_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"plumb/clients/redis"
	"plumb/feedback"
	"plumb/feedback/feedbacktest"
	"plumb/offline/registry"
	"plumb/offline/registry/registrytest"
)

// server is a redis-server of this test's own, which it can kill.
type server struct {
	addr string
	dir  string
	args []string
	cmd  *exec.Cmd
}

// startServer starts redis-server, or skips the test where none is installed.
func startServer(t *testing.T, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("install redis-server to test against servers that can be killed")
	}
	if testing.Short() {
		t.Skip("starts servers; not with -short")
	}
	s := &server{addr: freeAddr(t), dir: t.TempDir(), args: args}
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

func freeAddr(t *testing.T) string {
	t.Helper()
	// Below the range of ports for outgoing connections, and with room for a cluster's second port 10,000 above.
	for port := 16379 + os.Getpid()%1000*8; port < 32000; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return l.Addr().String()
	}
	t.Fatal("no free port")
	return ""
}

func (s *server) start(t *testing.T) {
	t.Helper()
	_, port, _ := strings.Cut(s.addr, ":")
	s.cmd = exec.Command("redis-server", append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "", "--appendonly", "yes"}, s.args...)...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "redis-server answers", func() error {
		c := s.client()
		defer c.Close()
		return c.Ping(context.Background()).Err()
	})
}

func (s *server) client() *goredis.Client {
	return goredis.NewClient(&goredis.Options{Addr: s.addr, DialerRetries: 1, MaxRetries: -1})
}

// kill is kill -9.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may be dead already
	_ = s.cmd.Wait()
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	var err error
	for range 600 {
		if err = check(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("never: %s: %v", what, err)
}

// TestCluster runs the suites on three nodes.
func TestCluster(t *testing.T) {
	var nodes []*server
	for range 3 {
		nodes = append(nodes, startServer(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000"))
	}
	ctx := t.Context()
	for i, n := range nodes {
		c := n.client()
		defer c.Close()
		if err := c.ClusterAddSlotsRange(ctx, i*16384/3, (i+1)*16384/3-1).Err(); err != nil {
			t.Fatal(err)
		}
		host, port, _ := strings.Cut(nodes[0].addr, ":")
		if err := c.ClusterMeet(ctx, host, port).Err(); i > 0 && err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		eventually(t, "cluster is up", func() error {
			c := n.client()
			defer c.Close()
			info, err := c.ClusterInfo(ctx).Result()
			if err == nil && (!strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:3")) {
				err = fmt.Errorf("%s", info)
			}
			return err
		})
	}
	url := fmt.Sprintf("redis://%s?addr=%s&addr=%s", nodes[0].addr, nodes[1].addr, nodes[2].addr)
	fresh := func() redis.Options {
		return redis.Options{URL: url, Prefix: fmt.Sprintf("t%d", time.Now().UnixNano()), RequireAOF: true}
	}
	t.Run("log", func(t *testing.T) {
		feedbacktest.TestLog(t, func(t *testing.T) feedback.Log { return open(t, fresh()) })
	})
	t.Run("registry", func(t *testing.T) {
		registrytest.TestRegistry(t, func(t *testing.T) registry.Registry { return open(t, fresh()) })
	})
	t.Run("lease", func(t *testing.T) {
		registrytest.TestLease(t, func(t *testing.T) registrytest.Place {
			o := fresh()
			return registrytest.Place{Open: func(t *testing.T) registrytest.Leaser { return open(t, o) }}
		})
	})
	t.Run("durability", func(t *testing.T) {
		d, err := open(t, fresh()).Durability(t.Context())
		if err != nil || d.AOF != redis.Yes || d.Fsync != "everysec" || d.Eviction != "noeviction" || d.Version == "" {
			t.Fatalf("%+v, %v", d, err)
		}
	})
}

// TestReplicas waits for a replica, and says so when there is none.
func TestReplicas(t *testing.T) {
	master := startServer(t)
	replica := startServer(t, "--replicaof", strings.Replace(master.addr, ":", " ", 1))
	s := open(t, redis.Options{URL: "redis://" + master.addr, Replicas: 1, ReplicaTimeout: 2 * time.Second})
	eventually(t, "the replica follows", func() error {
		d, err := s.Durability(t.Context())
		if err == nil && d.Replicas != 1 {
			err = fmt.Errorf("%d replicas", d.Replicas)
		}
		return err
	})
	var id string
	eventually(t, "the replica acknowledges", func() error { // its first synchronisation may still go on
		live, _, err := s.PutEvent(t.Context(), vote("u-1", 1))
		id = live.ID
		return err
	})
	c := replica.client()
	defer c.Close()
	if n, err := c.Exists(t.Context(), "plumb:{log}:event:"+id).Result(); err != nil || n != 1 {
		t.Fatalf("acknowledged, and not on the replica: %d, %v", n, err)
	}
	replica.kill()
	short := open(t, redis.Options{URL: "redis://" + master.addr, Replicas: 1, ReplicaTimeout: 50 * time.Millisecond})
	_, _, err := short.PutEvent(t.Context(), vote("u-2", 1))
	wantAway(t, err)
}
