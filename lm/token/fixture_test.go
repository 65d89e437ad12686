package token

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
)

// keyMap holds keys as encoding/json reads them; the prefix tokenizer.ggml. is left out.
type keyMap map[string]any

func (m keyMap) get(key string) any { return m[strings.TrimPrefix(key, "tokenizer.ggml.")] }

func (m keyMap) String(key string) (string, bool) {
	v, ok := m.get(key).(string)
	return v, ok
}

func (m keyMap) Bool(key string) (value, ok bool) {
	value, ok = m.get(key).(bool)
	return value, ok
}

func (m keyMap) Uint(key string) (uint64, bool) {
	v, ok := m.get(key).(float64)
	return uint64(v), ok && v >= 0
}

func (m keyMap) Strings(key string) ([]string, bool) { return list[string, string](m.get(key)) }
func (m keyMap) Ints(key string) ([]int64, bool)     { return numbers[int64](m.get(key)) }
func (m keyMap) Floats(key string) ([]float32, bool) { return numbers[float32](m.get(key)) }
func numbers[T int64 | float32](v any) ([]T, bool) {
	return listFunc(v, func(x float64) T { return T(x) })
}
func list[S, T ~string](v any) ([]T, bool) { return listFunc(v, func(x S) T { return T(x) }) }
func listFunc[S, T any](v any, f func(S) T) ([]T, bool) {
	values, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make([]T, len(values))
	for i, value := range values {
		x, ok := value.(S)
		if !ok {
			return nil, false
		}
		out[i] = f(x)
	}
	return out, true
}

// with returns a copy with one key changed, or removed if value is nil.
func (m keyMap) with(key string, value any) keyMap {
	out := keyMap{}
	for k, v := range m {
		out[k] = v
	}
	if out[key] = value; value == nil {
		delete(out, key)
	}
	return out
}

type row struct {
	Text  string  `json:"text"`
	IDs   []int32 `json:"ids"`
	Plain []int32 `json:"ids_plain"`     // special tokens as text; absent when equal
	Llama []int32 `json:"ids_llama_cpp"` // where it differs from IDs

	Greedy     []int32 `json:"greedy"` // what the model goes on with
	GreedyText string  `json:"greedy_text"`
}

type fixture struct {
	Keys keyMap `json:"keys"`
	Rows []row  `json:"rows"`
}

func load(t testing.TB, name string) fixture {
	t.Helper()
	f, err := read(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func read(name string) (f fixture, err error) {
	file, err := os.Open("testdata/" + name + ".json.gz")
	if err != nil {
		return f, err
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		return f, err
	}
	return f, json.NewDecoder(z).Decode(&f)
}

// smollm2 returns the tokenizer of SmolLM2-135M-Instruct, 49,152 tokens.
func smollm2(t testing.TB) *Tokenizer {
	t.Helper()
	tokenizer, err := readSmolLM2()
	if err != nil {
		t.Fatal(err)
	}
	return tokenizer
}

var readSmolLM2 = sync.OnceValues(func() (*Tokenizer, error) {
	keys, err := readSmolLM2Keys()
	if err != nil {
		return nil, err
	}
	return New(keys)
})

var readSmolLM2Keys = sync.OnceValues(func() (keyMap, error) {
	f, err := read("smollm2-keys")
	if err != nil {
		return nil, err
	}
	tokens, types := f.Keys["tokens"].([]any), f.Keys["token_type"].([]any)
	for _, line := range f.Keys["merges"].([]any) { // the other tokens are the merges joined
		tokens = append(tokens, strings.Replace(line.(string), " ", "", 1))
		types = append(types, 1.0)
	}
	return f.Keys.with("tokens", tokens).with("token_type", types), nil
})

func newTokenizer(t testing.TB, keys Keys) *Tokenizer {
	t.Helper()
	tokenizer, err := New(keys)
	if err != nil {
		t.Fatal(err)
	}
	return tokenizer
}
