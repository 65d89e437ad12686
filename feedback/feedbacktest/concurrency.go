package feedbacktest

import (
	"fmt"
	"sync"
	"testing"

	"plumb/feedback"
)

var concurrencyTests = map[string]func(*testing.T, feedback.Log){
	"many at once with the same vote make one": func(t *testing.T, l feedback.Log) {
		const n = 48
		live := atOnce(t, n, func(i int) (string, error) {
			e, _, err := l.PutEvent(background(), thumb(fmt.Sprintf("fb-%02d", i), "chatcmpl-A", "u-1", 1))
			return e.ID, err
		})
		for _, id := range live {
			if id != live[0] {
				t.Fatalf("%s and %s were both live", live[0], id)
			}
		}
		wantLive(t, l, feedback.Query{}, live[0])
	},
	"many at once who disagree leave one": func(t *testing.T, l feedback.Log) {
		const n = 48
		atOnce(t, n, func(i int) (string, error) {
			e, _, err := l.PutEvent(background(), thumb(fmt.Sprintf("fb-%02d", i), "chatcmpl-A", "u-1", float64(1-2*(i%2))))
			return e.ID, err
		})
		events, _, err := l.Events(t.Context(), feedback.Query{})
		if err != nil || len(events) != 1 {
			t.Fatalf("%d live, %v", len(events), err)
		}
	},
	"many at once with the same id store it once": func(t *testing.T, l feedback.Log) {
		atOnce(t, 16, func(int) (string, error) {
			e, _, err := l.PutEvent(background(), thumb("fb-1", "chatcmpl-A", "u-1", 1))
			return e.ID, err
		})
		wantLive(t, l, feedback.Query{}, "fb-1")
	},
	"many at once revoke once": func(t *testing.T, l feedback.Log) {
		put(t, l, thumb("fb-1", "chatcmpl-A", "u-1", 1))
		live := atOnce(t, 16, func(i int) (string, error) {
			e, _, err := l.PutEvent(background(), revoke(fmt.Sprintf("fb-r%02d", i), "fb-1"))
			return e.ID, err
		})
		for _, id := range live {
			if id != live[0] {
				t.Fatalf("revoked by %s and by %s", live[0], id)
			}
		}
		wantLive(t, l, feedback.Query{})
	},
	"each reads what it wrote": func(t *testing.T, l feedback.Log) {
		const n, each = 12, 8
		atOnce(t, n, func(i int) (string, error) {
			for k := range each {
				g := NewGeneration(fmt.Sprintf("chatcmpl-%02d-%d", i, k), fmt.Sprintf("u-%d", i), 2)
				if _, err := l.PutGeneration(background(), g); err != nil {
					return "", err
				}
				if _, err := l.Generation(background(), g.ID); err != nil {
					return "", err
				}
				e := thumb(fmt.Sprintf("fb-%02d-%d", i, k), g.ID, g.User, 1)
				if _, _, err := l.PutEvent(background(), e); err != nil {
					return "", err
				}
				if _, err := l.Event(background(), e.ID); err != nil {
					return "", err
				}
				mine, _, err := l.Events(background(), feedback.Query{User: g.User})
				if err != nil || len(mine) != k+1 || mine[k].ID != e.ID {
					return "", fmt.Errorf("user %d reads %d events after %d: %v", i, len(mine), k+1, err)
				}
			}
			return "", nil
		})
		count := 0
		for _, err := range feedback.AllEvents(t.Context(), l, feedback.Query{Limit: 7}) {
			if err != nil {
				t.Fatal(err)
			}
			count++
		}
		if count != n*each {
			t.Fatalf("%d events, want %d", count, n*each)
		}
	},
}

// atOnce runs n goroutines that start together and returns what they returned.
func atOnce(t *testing.T, n int, do func(i int) (string, error)) []string {
	t.Helper()
	results, errs := make([]string, n), make([]error, n)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-begin
			results[i], errs[i] = do(i)
		})
	}
	close(begin)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("goroutine %d: %v", i, err)
		}
	}
	return results
}
