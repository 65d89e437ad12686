package offline

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"plumb/offline/train"
)

func TestCurve(t *testing.T) {
	dir := t.TempDir()
	if all, err := Curve(dir, "run-1"); all != nil || err != nil {
		t.Errorf("without a folder: %v, %v", all, err)
	}
	f := folder(filepath.Join(dir, "runs", "run-1"))
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.closeCurve(); err != nil {
		t.Errorf("nothing was trained: %v", err)
	}
	margin := .5
	add := func(steps ...int) {
		for _, s := range steps {
			if err := f.addStep(train.Step{Step: s, Loss: 1 / float64(s), Margins: &margin}); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(1, 2, 3)
	whole := read(t, f.path(curveFile))
	// Killed in the middle of a line, and gone on with from the checkpoint at step 1.
	if err := os.WriteFile(f.path(curveFile), whole[:len(whole)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	add(2, 3, 4)
	if err := f.closeCurve(); err != nil {
		t.Fatal(err)
	}
	killed := read(t, f.path(curveFile))
	os.Remove(f.path(curveFile))
	add(1, 2, 3, 4)
	if err := f.closeCurve(); err != nil {
		t.Fatal(err)
	}
	if through := read(t, f.path(curveFile)); string(through) != string(killed) {
		t.Errorf("killed:\n%sthrough:\n%s", killed, through)
	}
	all, err := Curve(dir, "run-1")
	if err != nil || len(all) != 4 || all[2]["step"] != 3 || math.Abs(all[2]["loss"]-1./3) > 1e-12 || all[2]["rewards/margins"] != .5 {
		t.Errorf("%v, %v", all, err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
