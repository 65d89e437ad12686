package redis_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"plumb/clients/redis"
	"plumb/feedback"
	"plumb/feedback/spool"
)

var rounds = flag.Int("rounds", 3, "how often TestKill9 kills Redis")

// TestKill9 kills Redis under load, again and again, with a spool before it, and looks for everything that was
// acknowledged.
//
// Without an append-only file Redis forgets everything each time; the spool knows it all the same.
func TestKill9(t *testing.T) {
	for _, keeps := range []string{"always", "everysec", "nothing"} {
		t.Run(keeps, func(t *testing.T) {
			args := []string{"--appendfsync", keeps}
			if keeps == "nothing" {
				args = []string{"--appendonly", "no"}
			}
			kill9(t, startServer(t, args...))
		})
	}
}

func kill9(t *testing.T, srv *server) {
	store, err := redis.Open(redis.Options{URL: "redis://" + srv.addr})
	if err != nil {
		t.Fatal(err)
	}
	l, err := spool.Open(store, spool.Options{Dir: t.TempDir(), MaxBackoff: 100 * time.Millisecond, Redo: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var mu sync.Mutex
	acknowledged := map[string]feedback.Durability{}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				g := feedback.Generation{ID: fmt.Sprintf("chatcmpl-%d-%d", worker, i), User: "u-1"}
				e := vote(fmt.Sprintf("u-%d-%d", worker, i), 1)
				how, err := l.PutGeneration(context.Background(), g)
				if err == nil {
					mu.Lock()
					acknowledged[g.ID] = how
					mu.Unlock()
					_, how, err = l.PutEvent(context.Background(), e)
				}
				if err != nil {
					t.Errorf("put: %v", err)
					return
				}
				mu.Lock()
				acknowledged[e.ID] = how
				mu.Unlock()
				time.Sleep(time.Millisecond)
			}
		})
	}
	for range *rounds {
		time.Sleep(time.Duration(50+rand.IntN(200)) * time.Millisecond)
		srv.kill()
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
		srv.start(t)
	}
	stop()
	wg.Wait()
	eventually(t, "the spool is replayed", func() error {
		if st := l.Status(); st.Behind || st.Rejected > 0 {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	count := map[string]int{}
	for e, err := range feedback.AllEvents(t.Context(), store, feedback.Query{Limit: 1000}) {
		if err != nil {
			t.Fatal(err)
		}
		count[e.ID]++
	}
	for g, err := range feedback.AllGenerations(t.Context(), store, feedback.Query{Limit: 1000}) {
		if err != nil {
			t.Fatal(err)
		}
		count[g.ID]++
	}
	spooled := 0
	for id, how := range acknowledged {
		if count[id] != 1 {
			t.Errorf("acknowledged %s (%s) is there %d times", id, how, count[id])
		}
		if how == feedback.Spooled {
			spooled++
		}
	}
	t.Logf("%d rounds, %d acknowledged, %d of them spooled", *rounds, len(acknowledged), spooled)
}
