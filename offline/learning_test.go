package offline

import (
	"context"
	"encoding/json"
	"testing"

	"plumb/offline/gate"
	"plumb/offline/train"
)

// From a hundred votes of which 15 % are wrong, the built-in model learns what people like, on subjects nobody voted on, passes the
// gate, and is no worse at anything else.
func TestLearnsATaste(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	w := newWorld(t, "question")
	pairs, thumbs := w.vote(t, 50, .15)
	r := w.runner()
	r.Config.Train = train.Config{LR: 1e-3, Beta: .3, Anchor: 1}
	r.Config.Prompts, r.Config.Split.Prompts, r.Config.Train.Epochs = 8, .3, 2
	run, err := r.Run(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	if run.Decision != "live" {
		t.Fatalf("%s: %s", run.Decision, Why(run))
	}
	base, trained := w.share(t, r.Base, 20), w.share(t, run.Result.Model, 20)
	t.Logf("%d pairs, %d thumbs: %.2f of replies are to the taste, %.2f before", pairs, thumbs, trained, base)
	if trained < base+.15 {
		t.Errorf("%.2f of replies are to the taste, %.2f before", trained, base)
	}
	var report gate.Report
	if err := json.Unmarshal(run.Gate, &report); err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Checks {
		t.Logf("%-24s %v %s", c.Name, c.Pass, c.Detail)
	}
}
