package train

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"plumb/lm"
)

// Reference gives the log-probs of replies under the model without an adapter, and remembers them in memory and in a file, by the
// model's digest and the tokens: an epoch later, or in the next run, they cost nothing. Not safe for concurrent use.
type Reference struct {
	model *lm.Model
	path  string // "" for none
	known map[string]float64
}

// remembered is a line of the file. Lines that cannot be read (the last one of a process that died) count as absent.
type remembered struct {
	Key  string  `json:"key"`
	Logp float64 `json:"logp"` // Σ over the reply's tokens, nats
}

// OpenReference reads what is known of the model's log-probs from its file in dir; dir "" keeps nothing.
func OpenReference(m *lm.Model, dir string) (*Reference, error) {
	r := &Reference{model: m, known: map[string]float64{}}
	if dir == "" {
		return r, nil
	}
	r.path = filepath.Join(dir, strings.TrimPrefix(m.Digest(), "sha256:")[:16]+".jsonl")
	f, err := os.Open(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open reference log-probs: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var l remembered
		if json.Unmarshal(lines.Bytes(), &l) == nil && len(l.Key) == 32 && l.Logp <= 0 {
			r.known[l.Key] = l.Logp
		}
	}
	return r, nil
}

// Logprobs returns the log-prob of each branch of each tree. What is not known yet is computed, limit tokens or one tree at a time,
// and kept after each such pass. each, if not nil, is told how many of all trees are done.
func (r *Reference) Logprobs(ctx context.Context, trees []lm.Tree, limit int, each func(done, all int)) ([][]float64, error) {
	var missing []lm.Tree
	for _, t := range trees {
		for _, b := range t.Branches {
			if _, ok := r.known[r.key(t, b)]; !ok {
				missing = append(missing, t)
				break
			}
		}
	}
	for _, group := range Groups(missing, limit) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.compute(missing[group.From:group.To]); err != nil {
			return nil, err
		}
		if each != nil {
			each(len(trees)-len(missing)+group.To, len(trees))
		}
	}
	sums := make([][]float64, len(trees))
	for i, t := range trees {
		for _, b := range t.Branches {
			sums[i] = append(sums[i], r.known[r.key(t, b)])
		}
	}
	return sums, nil
}

func (r *Reference) key(t lm.Tree, branch []int32) string {
	return hex.EncodeToString(key(t.Prompt, branch))
}

func (r *Reference) compute(trees []lm.Tree) error {
	pass, err := r.model.Forward(nil, trees, false)
	if err != nil {
		return fmt.Errorf("compute reference: %w", err)
	}
	defer pass.Release()
	var lines []byte
	for i, t := range trees {
		for j, b := range t.Branches {
			logp := total(pass.Logprobs[i][j])
			if math.IsNaN(logp) || math.IsInf(logp, 0) {
				return fmt.Errorf("compute reference: a log-prob is %v", logp)
			}
			k := r.key(t, b)
			r.known[k] = logp
			line, err := json.Marshal(remembered{k, logp})
			if err != nil {
				return fmt.Errorf("keep reference: %w", err)
			}
			lines = append(append(lines, line...), '\n')
		}
	}
	return r.keep(lines)
}

// keep appends lines to the file. They begin with an empty one, should the last process have died in the middle of a line.
func (r *Reference) keep(lines []byte) error {
	if r.path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(r.path), 0o700); err != nil {
		return fmt.Errorf("keep reference: %w", err)
	}
	f, err := os.OpenFile(r.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep reference: %w", err)
	}
	_, err = f.Write(append([]byte{'\n'}, lines...))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep reference: %w", err)
	}
	return nil
}

func total(logprobs []float64) float64 {
	sum := 0.
	for _, x := range logprobs {
		sum += x
	}
	return sum
}
