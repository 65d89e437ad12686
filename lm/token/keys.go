package token

import (
	"fmt"
	"math"
)

// Keys are the metadata of a model file. Each method returns the value of a key and whether the file has it with that
// type. *gguf.File satisfies Keys.
type Keys interface {
	String(key string) (string, bool)
	Bool(key string) (value, ok bool)
	Uint(key string) (uint64, bool)
	Strings(key string) ([]string, bool)
	Ints(key string) ([]int64, bool)
	Floats(key string) ([]float32, bool)
}

const (
	keyModel       = "tokenizer.ggml.model"
	keyPre         = "tokenizer.ggml.pre"
	keyTokens      = "tokenizer.ggml.tokens"
	keyTypes       = "tokenizer.ggml.token_type"
	keyScores      = "tokenizer.ggml.scores"
	keyMerges      = "tokenizer.ggml.merges"
	keyBOS         = "tokenizer.ggml.bos_token_id"
	keyEOS         = "tokenizer.ggml.eos_token_id"
	keyEOT         = "tokenizer.ggml.eot_token_id"
	keyEOM         = "tokenizer.ggml.eom_token_id"
	keyUnknown     = "tokenizer.ggml.unknown_token_id"
	keyAddBOS      = "tokenizer.ggml.add_bos_token"
	keySpacePrefix = "tokenizer.ggml.add_space_prefix"
)

// A Type says what a token stands for. The values are GGUF's (tokenizer.ggml.token_type).
type Type int32

// The types a file may give a token.
const (
	Normal      Type = 1 // text
	Unknown     Type = 2 // what nothing else matches
	Control     Type = 3 // a mark such as <|im_end|>, matched in text only where the caller asks for it
	UserDefined Type = 4 // text that is always one token, before anything else is cut
	Unused      Type = 5 // never produced
	Byte        Type = 6 // one byte, written <0x0A>
)

// maxSpecial bounds the bytes of a special token: the search for them reads at most this far ahead at each place.
const maxSpecial = 1024

// vocabulary is what every kind of tokenizer reads from a file.
type vocabulary struct {
	tokens []string // as the file writes them
	types  []Type   // one a token
	ids    map[string]int32
}

func readVocabulary(keys Keys) (*vocabulary, error) {
	tokens, ok := keys.Strings(keyTokens)
	switch {
	case !ok:
		return nil, fmt.Errorf("key %s is missing or no array of strings", keyTokens)
	case len(tokens) == 0:
		return nil, fmt.Errorf("key %s is empty", keyTokens)
	case len(tokens) > math.MaxInt32:
		return nil, fmt.Errorf("key %s has %d entries; at most %d are allowed", keyTokens, len(tokens), math.MaxInt32)
	}
	v := &vocabulary{tokens: tokens, types: make([]Type, len(tokens)), ids: make(map[string]int32, len(tokens))}
	types, ok := keys.Ints(keyTypes)
	if ok && len(types) != len(tokens) {
		return nil, fmt.Errorf("key %s has %d entries for %d tokens", keyTypes, len(types), len(tokens))
	}
	for i, text := range tokens {
		v.types[i] = Normal
		if ok {
			if types[i] < int64(Normal) || types[i] > int64(Byte) {
				return nil, fmt.Errorf("key %s: token %d has type %d; want %d to %d", keyTypes, i, types[i], Normal, Byte)
			}
			v.types[i] = Type(types[i])
		}
		if v.special(int32(i)) && len(text) > maxSpecial {
			return nil, fmt.Errorf("key %s: special token %d has %d bytes; at most %d are allowed", keyTokens, i, len(text), maxSpecial)
		}
		v.ids[text] = int32(i) // of equal texts the last one is found, as in llama.cpp
	}
	return v, nil
}

// special reports whether the token is written as it stands: no byte mapping, no "▁".
func (v *vocabulary) special(id int32) bool {
	t := v.types[id]
	return t == Control || t == UserDefined || t == Unknown
}

// id reads the key of a special token: fallback where the file lacks the key.
func (v *vocabulary) id(keys Keys, key string, fallback int32) (int32, error) {
	n, ok := keys.Uint(key)
	if !ok {
		if int(fallback) >= len(v.tokens) {
			return -1, nil
		}
		return fallback, nil
	}
	if n >= uint64(len(v.tokens)) {
		return 0, fmt.Errorf("key %s is %d; want less than the %d tokens", key, n, len(v.tokens))
	}
	return int32(n), nil
}
