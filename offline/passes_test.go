package offline

import (
	"context"
	"strings"
	"testing"
)

// A run on few rows goes over them more often than twice, unless it is said how often; the manifest tells.
func TestPassesOfARun(t *testing.T) {
	for _, c := range []struct {
		asked, want float64
		why         string
	}{{0, 8, "train: 8 passes over"}, {1.5, 1.5, ""}} {
		r := quickWorld(t).unpublished()
		r.Config.Train.Epochs = c.asked
		run, err := r.Run(context.Background(), Request{})
		if err != nil {
			t.Fatal(err)
		}
		perPass := (int(run.Metrics["train/rows"]) + 3) / 4
		if steps := int(run.Metrics["train/steps"]); run.Metrics["train/epochs"] != c.want || steps != int(c.want*float64(perPass)+.5) {
			t.Errorf("asked for %v: %d steps, %v passes, want %v", c.asked, steps, run.Metrics["train/epochs"], c.want)
		}
		if (c.why != "") != strings.Contains(run.Reason, "passes over") || !strings.Contains(run.Reason, c.why) {
			t.Errorf("asked for %v: the manifest says %q", c.asked, run.Reason)
		}
	}
}
