package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"plumb/lm"
)

// Fingerprint identifies a training: what must be equal for a checkpoint to be gone on with. That is its configuration, the values it
// starts from, and whatever else names its inputs.
func Fingerprint(config any, start []float32, inputs ...string) (string, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("identify training: %w", err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", text)
	for _, input := range inputs {
		fmt.Fprintf(h, "%s\n", input)
	}
	if err := writeFloats(h, start); err != nil {
		return "", fmt.Errorf("identify training: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Hash returns the SHA-256 over the tensors: their names, shapes and values.
func Hash(p *lm.Params) string {
	h := sha256.New()
	for _, t := range p.Tensors {
		fmt.Fprintln(h, t.Name, t.Rows, t.Cols)
	}
	if err := writeFloats(h, p.Data); err != nil {
		panic("checkpoint: a hash does not fail: " + err.Error())
	}
	return hex.EncodeToString(h.Sum(nil))
}
