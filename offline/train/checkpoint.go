package train

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
	"plumb/offline/loss"
	"plumb/offline/optim"
)

// A checkpoint is one file: magic, the length of the header as a 32-bit number, the header as JSON, the parameters, Adam's two means (each
// N float32), and the SHA-256 of all that. Numbers are little endian.
const (
	checkpointMagic = "plumbck1"
	checkpointFile  = "checkpoint"
	largestHeader   = 1 << 16
)

// saved is a checkpoint's header.
type saved struct {
	Fingerprint string     `json:"fingerprint"` // of the training it belongs to
	Step        int        `json:"step"`        // steps made
	Adam        int        `json:"adam"`        // steps Adam has made
	N           int        `json:"n"`           // parameters
	Delta       loss.Delta `json:"delta"`       // BCO's threshold
	Last        Step       `json:"last"`        // what the last step measured
}

// save writes a checkpoint into dir in place of the one before.
func save(dir string, s saved, params []float32, adam *optim.AdamW) error {
	header, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("save checkpoint: %w", err)
	}
	return durable.WriteFile(filepath.Join(dir, checkpointFile), func(w io.Writer) error {
		hash := sha256.New()
		both := io.MultiWriter(w, hash)
		var size [4]byte
		binary.LittleEndian.PutUint32(size[:], uint32(len(header)))
		for _, part := range [][]byte{[]byte(checkpointMagic), size[:], header} {
			if _, err := both.Write(part); err != nil {
				return err
			}
		}
		for _, values := range [][]float32{params, adam.M, adam.V} {
			if err := writeFloats(both, values); err != nil {
				return err
			}
		}
		_, err := w.Write(hash.Sum(nil))
		return err
	})
}

// load reads the checkpoint in dir into params, adam and s, whose fingerprint it must have. ok is false where there is none. A
// damaged file, or another training's, is an error.
func load(dir string, s *saved, params []float32, adam *optim.AdamW) (ok bool, err error) {
	path := filepath.Join(dir, checkpointFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("load checkpoint: %w", err)
	}
	damaged := func(what string) (bool, error) {
		return false, &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("load checkpoint %s: %s; remove it to begin anew", path, what)}
	}
	if len(b) < len(checkpointMagic)+4+sha256.Size || string(b[:len(checkpointMagic)]) != checkpointMagic {
		return damaged("not a checkpoint")
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if want := sha256.Sum256(body); !bytes.Equal(sum, want[:]) {
		return damaged("damaged: its checksum differs")
	}
	rest := body[len(checkpointMagic)+4:]
	size := binary.LittleEndian.Uint32(body[len(checkpointMagic):])
	if size > largestHeader || int(size) > len(rest) {
		return damaged("damaged: its header is cut")
	}
	var header saved
	if err := json.Unmarshal(rest[:size], &header); err != nil {
		return damaged("damaged header: " + err.Error())
	}
	rest = rest[size:]
	if header.Fingerprint != s.Fingerprint {
		return damaged("it belongs to a training with another configuration, model or rows")
	}
	if header.N != len(params) || len(rest) != 12*len(params) || header.Step < 0 || header.Adam < 0 {
		return damaged("it does not fit the model")
	}
	adam.T, adam.M, adam.V = header.Adam, make([]float32, len(params)), make([]float32, len(params))
	for _, values := range [][]float32{params, adam.M, adam.V} {
		rest = readFloats(values, rest)
	}
	*s = header
	return true, nil
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
