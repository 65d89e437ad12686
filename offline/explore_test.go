package offline

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"plumb/offline/gate"
	"plumb/offline/registry"
)

func TestExplore(t *testing.T) {
	if os.Getenv("EXPLORE") == "" {
		t.Skip()
	}
	w := newWorld(t, os.Getenv("EXPLORE"))
	b := time.Now()
	p, th := w.vote(t, 100, .15)
	t.Logf("voted %d %d in %v", p, th, time.Since(b))
	r := w.runner()
	if c := os.Getenv("CONFIG"); c != "" {
		if err := json.Unmarshal([]byte(c), &r.Config); err != nil {
			t.Fatal(err)
		}
	}
	last := time.Now()
	r.Progress = func(s registry.State, done, all int, note string) {
		if all == 0 {
			t.Logf("%6.2fs %s", time.Since(last).Seconds(), s)
			last = time.Now()
		}
	}
	run, err := r.Run(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	var g gate.Report
	json.Unmarshal(run.Gate, &g)
	for _, c := range g.Checks {
		v := 0.
		if c.Value != nil {
			v = *c.Value
		}
		t.Logf("%-24s pass %-5v insuff %-5v %8.4f  [%s] %s", c.Name, c.Pass, c.Insufficient, v, c.Threshold, c.Detail)
	}
	t.Logf("%s %s %s rows %v dropped %v", run.Decision, run.Reason, g.Why, run.Rows, run.Dropped)
	if p, err := w.local.Locate(context.Background(), run.Result.Model); err == nil {
		t.Logf("taste %s: base %.3f trained %.3f", w.taste.Name, w.share(t, "plumb-tiny"), w.share(t, run.Result.Model))
		_ = p
	}
	j, _ := json.Marshal(run.Metrics)
	t.Logf("%s", j)
}
