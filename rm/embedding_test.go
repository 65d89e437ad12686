package rm

import (
	"context"
	"math"
	"strings"
	"testing"
)

// fakeEmbedder counts a few words.
type fakeEmbedder struct{ size int }

func (f fakeEmbedder) Embed(_ context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		out[i] = make([]float32, f.size)
		out[i][0] = 1
		for j, w := range []string{"dragon", "river", "stone"} {
			out[i][j+1] = float32(strings.Count(text, w))
		}
	}
	return out, nil
}

func TestEmbeddingFeatures(t *testing.T) {
	e := Embedding{Embedder: fakeEmbedder{4}, Model: "counts", Size: 4}
	d := Data{Pairs: tasted(1, 150, .1, dragons)}
	for name, f := range map[string]Features{"embedding": e, "joined": Joined{NewLexical(12), e}} {
		trainer := quick
		trainer.Features = f
		m := fit(t, trainer, d)
		if held := evaluate(t, m, tasted(2, 200, 0, dragons)); *held.Accuracy < .95 {
			t.Errorf("%s: accuracy %v", name, *held.Accuracy)
		}
		if _, err := Decode(m.Bytes(), nil); err == nil || !strings.Contains(err.Error(), "must be given") {
			t.Errorf("%s: opened without its features: %v", name, err)
		}
		if _, err := Decode(m.Bytes(), f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	wide := quick
	wide.Features = Embedding{Embedder: fakeEmbedder{300}, Model: "wide", Size: 300}
	if m := fit(t, wide, d); score(t, m, "x", "The dragon is near the stone.")[0].OOD > 3 {
		t.Error("a typical reply is far off in many dimensions")
	}
	if e.Spec().Hash() == (Embedding{Model: "other", Size: 4}).Spec().Hash() {
		t.Error("two embedding models have the same features")
	}
}

func TestEmbeddingRefusesBadVectors(t *testing.T) {
	extract := func(e Embedder, size int) error {
		return Embedding{Embedder: e, Size: size}.Extract(context.Background(), ask("x"), []string{"a"}, func(int, Row) {})
	}
	if err := extract(fakeEmbedder{4}, 5); err == nil || !strings.Contains(err.Error(), "vector of 4 numbers, want 5") {
		t.Errorf("got %v", err)
	}
	if err := extract(fixed{{float32(math.NaN())}, {1}}, 1); err == nil || !strings.Contains(err.Error(), "not finite") {
		t.Errorf("got %v", err)
	}
	if err := extract(fixed{{1}}, 1); err == nil || !strings.Contains(err.Error(), "1 vectors for 2 texts") {
		t.Errorf("got %v", err)
	}
	if err := extract(fixed{{0}, {0}}, 1); err != nil {
		t.Errorf("a zero vector: %v", err)
	}
}

type fixed [][]float32

func (f fixed) Embed(context.Context, []string) ([][]float32, error) { return f, nil }
