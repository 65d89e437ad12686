// Package checkpoint keeps the state of a training in one file, so that one that was interrupted goes on as if it had not been.
//
// The file: magic, the length of the header as a 32-bit number, the header as JSON, the values (parameters, optimizers' means and
// whatever else a training carries) as float32, and the SHA-256 of all that. Numbers are little endian.
package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"plumb/chat"
	"plumb/offline/durable"
)

const (
	magic         = "plumbck1"
	file          = "checkpoint"
	largestHeader = 1 << 16
)

// Path returns where the checkpoint in dir lies.
func Path(dir string) string { return filepath.Join(dir, file) }

// Save writes a checkpoint into dir in place of the one before, whole or not at all. header is a struct whose JSON has a key
// "fingerprint", which says what training it belongs to; see [Fingerprint].
func Save(dir string, header any, values ...[]float32) error {
	text, err := json.Marshal(header)
	if err != nil {
		return fmt.Errorf("save checkpoint: %w", err)
	}
	return durable.WriteFile(Path(dir), func(w io.Writer) error {
		hash := sha256.New()
		both := io.MultiWriter(w, hash)
		var size [4]byte
		binary.LittleEndian.PutUint32(size[:], uint32(len(text)))
		for _, part := range [][]byte{[]byte(magic), size[:], text} {
			if _, err := both.Write(part); err != nil {
				return err
			}
		}
		for _, v := range values {
			if err := writeFloats(both, v); err != nil {
				return err
			}
		}
		_, err := w.Write(hash.Sum(nil))
		return err
	})
}

// Load reads the checkpoint in dir into header and into values, whose lengths must add up to what was saved. ok is false where there is
// none. A damaged file, or another training's, is an error of kind Invalid, and leaves header and values as they were.
func Load(dir, fingerprint string, header any, values ...[]float32) (ok bool, err error) {
	b, err := os.ReadFile(Path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("load checkpoint: %w", err)
	}
	text, rest, wrong := split(b)
	if wrong == "" {
		wrong = check(text, rest, fingerprint, values)
	}
	if wrong == "" {
		if err := json.Unmarshal(text, header); err != nil {
			wrong = "damaged header: " + err.Error()
		}
	}
	if wrong != "" {
		return false, &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("load checkpoint %s: %s; remove it to begin anew", Path(dir), wrong)}
	}
	for _, v := range values {
		rest = readFloats(v, rest)
	}
	return true, nil
}

// split returns the header and the values of a file, or what is wrong with it.
func split(b []byte) (header, values []byte, wrong string) {
	if len(b) < len(magic)+4+sha256.Size || string(b[:len(magic)]) != magic {
		return nil, nil, "not a checkpoint"
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if want := sha256.Sum256(body); !bytes.Equal(sum, want[:]) {
		return nil, nil, "damaged: its checksum differs"
	}
	rest := body[len(magic)+4:]
	size := binary.LittleEndian.Uint32(body[len(magic):])
	if size > largestHeader || int(size) > len(rest) {
		return nil, nil, "damaged: its header is cut"
	}
	return rest[:size], rest[size:], ""
}

func check(header, rest []byte, fingerprint string, values [][]float32) (wrong string) {
	var owner struct {
		Fingerprint string `json:"fingerprint"`
	}
	if err := json.Unmarshal(header, &owner); err != nil {
		return "damaged header: " + err.Error()
	}
	if owner.Fingerprint != fingerprint {
		return "it belongs to a training with another configuration, model or rows"
	}
	n := 0
	for _, v := range values {
		n += len(v)
	}
	if len(rest) != 4*n {
		return "it does not fit the model"
	}
	return ""
}

func writeFloats(w io.Writer, values []float32) error {
	block := make([]byte, 0, 1<<16)
	for len(values) > 0 {
		n := min(len(values), 1<<14)
		block = block[:0]
		for _, x := range values[:n] {
			block = binary.LittleEndian.AppendUint32(block, math.Float32bits(x))
		}
		if _, err := w.Write(block); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

func readFloats(values []float32, b []byte) (rest []byte) {
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return b[4*len(values):]
}
