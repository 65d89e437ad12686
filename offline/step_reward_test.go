package offline

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"plumb/offline/gate"
	"plumb/offline/registry"
	"plumb/rm"
)

// The accuracy that the gate sees is that of the votes that it is told the number of.
func TestBestPairsAccuracyWithItsCount(t *testing.T) {
	pairs, lists, thumbs := .9, .8, .6
	for _, c := range []struct {
		name string
		rm.Metrics
		want *float64
	}{
		{"many pairs", rm.Metrics{MeasuredOn: rm.OnPairs, HeldOut: 90, Accuracy: &pairs, ThumbAccuracy: &thumbs}, &pairs},
		{"a few pairs beside thumbs", rm.Metrics{MeasuredOn: rm.OnThumbs, HeldOut: 70, Accuracy: &pairs, ThumbAccuracy: &thumbs}, &thumbs},
		{"a few pairs beside lists", rm.Metrics{MeasuredOn: rm.OnLists, HeldOut: 40, Accuracy: &pairs, ListAccuracy: &lists}, &lists},
		{"of an earlier version", rm.Metrics{HeldOut: 40, Accuracy: &pairs, ThumbAccuracy: &thumbs}, &pairs},
		{"nothing", rm.Metrics{}, nil},
	} {
		got, n := best(c.Metrics)
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want || n != c.HeldOut {
			t.Errorf("%s: %v of %d votes", c.name, got, n)
		}
	}
}

// What training has to say against its result is in the gate's report, and decides nothing.
func TestGateReportHasWarnings(t *testing.T) {
	decide := func(warnings []string) gate.Report {
		w := &work{Runner: emptyWorld(t, nil).runner(), run: registry.Run{ID: "run-w", Method: IRL}, folder: folder(t.TempDir())}
		if err := w.folder.put("reward.json", gate.Report{Pass: true}); err != nil {
			t.Fatal(err)
		}
		if err := w.folder.put("measures.json", gate.Measures{}); err != nil {
			t.Fatal(err)
		}
		if warnings != nil {
			if err := w.folder.put(warningsFile, warnings); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.gate(context.Background()); err != nil {
			t.Fatal(err)
		}
		var report gate.Report
		if err := json.Unmarshal(w.run.Gate, &report); err != nil {
			t.Fatal(err)
		}
		return report
	}
	without, with := decide(nil), decide([]string{"who wrote it"})
	if len(without.Warnings) != 0 || !slices.Equal(with.Warnings, []string{"who wrote it"}) {
		t.Errorf("warnings %q and %q", without.Warnings, with.Warnings)
	}
	if with.Pass != without.Pass || with.Why != without.Why {
		t.Errorf("a warning changed the decision: %q, %q", with.Why, without.Why)
	}
}
