package trl

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"plumb/offline/durable"
)

// script is ours for TRL.
//
//go:embed train.py
var script []byte

// Files of a training's folder.
const (
	rowsFile      = "rows.jsonl"
	jobFile       = "job.json"
	scriptFile    = "train.py"
	logFile       = "train.log"
	checkFile     = "check.jsonl"
	adapterFolder = "adapter"
)

// folder is a training's.
type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), name) }

func (f folder) has(name string) bool {
	_, err := os.Stat(f.path(name))
	return err == nil
}

// prepare writes what the trainer reads. What a training with another job left is removed first.
func (t Training) prepare(d *data, j job) (folder, error) {
	dir, err := filepath.Abs(t.Folder)
	if err != nil {
		return "", fmt.Errorf("prepare training: %w", err)
	}
	f := folder(dir)
	text, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return "", fmt.Errorf("prepare training: %w", err)
	}
	text = append(text, '\n')
	if old, err := os.ReadFile(f.path(jobFile)); err != nil || !bytes.Equal(old, text) {
		// The job goes last: while there is none, whatever lies here is nobody's.
		for _, name := range []string{jobFile, adapterFolder, adapterFolder + ".new", "checkpoints", checkFile, logFile} {
			if err := os.RemoveAll(f.path(name)); err != nil {
				return "", fmt.Errorf("prepare training: %w", err)
			}
		}
	}
	for _, file := range []struct {
		name string
		text []byte
	}{{rowsFile, d.lines.Bytes()}, {scriptFile, script}, {jobFile, text}} {
		if err := durable.WriteFile(f.path(file.name), func(w io.Writer) error {
			_, err := w.Write(file.text)
			return err
		}); err != nil {
			return "", fmt.Errorf("prepare training: %w", err)
		}
	}
	return f, nil
}

// Folder returns where the training of a run lies: its own folder, or one in l.Dir.
func (l Launch) Folder(own, run string) string {
	if l.Dir == "" {
		return own
	}
	return filepath.Join(l.Dir, filepath.Base(run))
}

// Clean removes a run's folder from l.Dir once the run has ended: it holds what people wrote. With no l.Dir nothing is done: the
// run's own folder is cleaned by whoever keeps it.
func (l Launch) Clean(run string) error {
	if l.Dir == "" || run == "" {
		return nil
	}
	if err := os.RemoveAll(l.Folder("", run)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("clean trainer's folder: %w", err)
	}
	return nil
}
