package tiny

import (
	"bytes"
	"testing"

	"plumb/lm/gguf"
	"plumb/lm/tiny/corpus"
	"plumb/lm/token"
)

func TestInitIsAWholeModelFile(t *testing.T) {
	var file bytes.Buffer
	kv, tensors, err := Init(1, Dims{Dim: 64, Layers: 2, Vocab: 600})
	if err != nil {
		t.Fatal(err)
	}
	if err := gguf.Write(&file, kv, tensors); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	tok, err := token.New(f)
	if err != nil {
		t.Fatal(err)
	}
	c := corpus.New()
	for i := range 200 {
		for _, m := range c.Chat(99, i) {
			if got := tok.Decode(tok.Encode(m.Content, false)); got != m.Content {
				t.Fatalf("%q came back as %q", m.Content, got)
			}
		}
	}
	if ids := tok.Encode("<|im_start|>user\nHi<|im_end|>", true); ids[0] != 1 || ids[len(ids)-1] != 2 || !tok.IsEnd(2) {
		t.Errorf("ids %v", ids)
	}
}

func TestInitRefusesSizesThatDoNotFit(t *testing.T) {
	for _, d := range []Dims{{Dim: 100, Heads: 3}, {Dim: 64, Heads: 4, KVHeads: 3}, {Vocab: 10}} {
		if _, _, err := Init(1, d); err == nil {
			t.Errorf("%+v was taken", d)
		}
	}
}
