package token

import "slices"

// turnEnds are the names under which models end a turn, for files whose keys do not say. llama.cpp knows the same ones.
var turnEnds = []string{"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|eot|>", "<EOT>", "<end_of_utterance>", "<|endoftext|>"}

// textEnds are other names that end generation.
var textEnds = []string{"<|eom_id|>", "<|end_of_text|>", "<|endoftext|>"}

// readEnds finds the tokens that begin and end texts and turns. bos and eos stand where the file has no key.
func (t *Tokenizer) readEnds(keys Keys, v *vocabulary, bos, eos int32) error {
	eom := int32(-1)
	t.EOT = -1
	for _, name := range turnEnds {
		if id, ok := v.ids[name]; ok && v.special(id) {
			t.EOT = id
			break
		}
	}
	for _, k := range []struct {
		key      string
		id       *int32
		fallback int32
	}{{keyBOS, &t.BOS, bos}, {keyEOS, &t.EOS, eos}, {keyEOT, &t.EOT, t.EOT}, {keyEOM, &eom, -1}} {
		id, err := v.id(keys, k.key, k.fallback)
		if err != nil {
			return err
		}
		*k.id = id
	}
	t.ends = make(map[int32]bool)
	for _, id := range []int32{t.EOS, t.EOT, eom} {
		if id >= 0 {
			t.ends[id] = true
		}
	}
	for _, name := range slices.Concat(turnEnds, textEnds) {
		if id, ok := v.ids[name]; ok && v.special(id) {
			t.ends[id] = true
		}
	}
	return nil
}
