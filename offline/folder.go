package offline

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"plumb/chat"
	"plumb/offline/durable"
)

// folder is a run's own: runs/ID below the data folder. While the run goes on it holds
//
//	start.json        what the run began with: incumbent, base, whether it is untouched
//	records.json.gz   the feedback, as it was
//	rows.json.gz      the rows, training and held out
//	train/            the trainer's checkpoint
//	reward.json       what the fit of the reward model came to
//	warnings.json     what a method has to say to whoever reads the report
//	steps.jsonl       what the steps of the training measured
//	measures.json     what the gate looks at
//	model.gguf        the merged model, until it is published
//
// and for good adapter.gguf, from which later runs measure against this one. What people wrote is removed when the run ends.
type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), name) }

func (f folder) has(name string) bool {
	_, err := os.Stat(f.path(name))
	return err == nil
}

// put writes v as gzip'd JSON, whole or not at all.
func (f folder) put(name string, v any) error {
	return durable.WriteFile(f.path(name), func(w io.Writer) error {
		z := gzip.NewWriter(w)
		return errors.Join(json.NewEncoder(z).Encode(v), z.Close())
	})
}

// get reads what put wrote.
func (f folder) get(name string, v any) error {
	file, err := os.Open(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return &chat.Error{Kind: chat.NotFound, Msg: fmt.Sprintf("read %s: the run's folder is incomplete, perhaps it began on another machine", f.path(name))}
	}
	if err != nil {
		return fmt.Errorf("read run: %w", err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err == nil {
		err = json.NewDecoder(z).Decode(v)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", f.path(name), err)
	}
	return nil
}

// clean removes everything that a finished run needs no more: above all what people wrote.
func (f folder) clean() error {
	var problems []error
	for _, name := range []string{"records.json.gz", "rows.json.gz", "train", "model.gguf"} {
		problems = append(problems, os.RemoveAll(f.path(name)))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("clean run folder: %w", err)
	}
	return nil
}
