package offline

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"plumb/offline/durable"
)

// curveFile holds a line of JSON for every step of a training.
const curveFile = "steps.jsonl"

// addStep appends what a step measured. It is not synced: a curve is worth no wait.
func (f folder) addStep(step any) error {
	b, err := json.Marshal(step)
	if err != nil {
		return fmt.Errorf("keep step: %w", err)
	}
	file, err := os.OpenFile(f.path(curveFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep step: %w", err)
	}
	_, err = fmt.Fprintf(file, "\n%s\n", b) // a line that a crash cut ends here
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("keep step: %w", err)
	}
	return nil
}

// closeCurve leaves each step once, in order: steps that were made again after an interruption are there twice until then.
func (f folder) closeCurve() error {
	lines, err := f.stepLines()
	if err != nil || lines == nil {
		return err
	}
	return durable.WriteFile(f.path(curveFile), func(w io.Writer) error {
		_, err := w.Write(append(bytes.Join(lines, []byte("\n")), '\n'))
		return err
	})
}

// stepLines returns the last line of each step, by step; nil where there is no curve. A line that was cut by a crash is left out.
func (f folder) stepLines() ([][]byte, error) {
	b, err := os.ReadFile(f.path(curveFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read steps: %w", err)
	}
	latest := map[int][]byte{}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		var s struct{ Step int }
		if json.Unmarshal(lines.Bytes(), &s) == nil {
			latest[s.Step] = slices.Clone(lines.Bytes())
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read steps: %w", err)
	}
	var all [][]byte
	for _, step := range slices.Sorted(maps.Keys(latest)) {
		all = append(all, latest[step])
	}
	return all, nil
}

// Curve returns what a run's training measured, step by step: the figures of each by name, "step" among them. nil where the run's folder
// below the data folder is gone, or nothing was trained.
func Curve(dir, run string) ([]map[string]float64, error) {
	lines, err := folder(filepath.Join(dir, "runs", filepath.Base(run))).stepLines()
	var all []map[string]float64
	for _, line := range lines {
		var values map[string]any
		if err := json.Unmarshal(line, &values); err != nil {
			return nil, fmt.Errorf("read steps of %s: %w", run, err)
		}
		step := map[string]float64{}
		for name, v := range values {
			if x, ok := v.(float64); ok {
				step[name] = x
			}
		}
		all = append(all, step)
	}
	return all, err
}
