package rm

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"plumb/chat"
)

// Embedder turns texts into vectors, all of one length. Safe for concurrent use.
type Embedder interface {
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// Embedding is features from a frozen text-embedding model: the vector of the reply, and its product, place by place, with that
// of the prompt, each scaled to unit length. Same vectors, same features: Model must name what makes them, its digest
// included where known.
type Embedding struct {
	Embedder Embedder
	Model    string
	Size     int // length of the embedder's vectors
}

// Spec implements [Features].
func (e Embedding) Spec() Spec {
	s := Spec{Name: "embedding", Version: 1, Model: e.Model, Dense: make([]string, 2*e.Size)}
	for j := range e.Size {
		s.Dense[j], s.Dense[e.Size+j] = "reply."+strconv.Itoa(j), "prompt·reply."+strconv.Itoa(j)
	}
	return s
}

// Extract implements [Features]: one call of the embedder for the prompt and all replies.
func (e Embedding) Extract(ctx context.Context, prompt []chat.Message, replies []string, row func(int, Row)) error {
	vectors, err := e.Embedder.Embed(ctx, append([]string{lastUser(prompt)}, replies...))
	if err != nil {
		return fmt.Errorf("embed replies: %w", err)
	}
	if len(vectors) != 1+len(replies) {
		return fmt.Errorf("embed replies: got %d vectors for %d texts", len(vectors), 1+len(replies))
	}
	units := make([][]float64, len(vectors))
	for i, v := range vectors {
		if units[i], err = e.unit(v); err != nil {
			return fmt.Errorf("embed replies: text %d: %w", i, err)
		}
	}
	dense := make([]float64, 2*e.Size)
	for i, u := range units[1:] {
		copy(dense, u)
		for j, x := range u {
			dense[e.Size+j] = x * units[0][j]
		}
		row(i, Row{Dense: dense})
	}
	return nil
}

func (e Embedding) unit(v []float32) ([]float64, error) {
	if len(v) != e.Size {
		return nil, fmt.Errorf("got a vector of %d numbers, want %d", len(v), e.Size)
	}
	norm := 0.0
	for _, x := range v {
		norm += float64(x) * float64(x)
	}
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return nil, fmt.Errorf("the vector is not finite")
	}
	u := make([]float64, len(v))
	for j, x := range v {
		if norm > 0 {
			u[j] = float64(x) / math.Sqrt(norm)
		}
	}
	return u, nil
}

// Joined is several sets of features side by side. At most one of them may have hashed columns.
type Joined []Features

// Spec implements [Features].
func (f Joined) Spec() Spec {
	s := Spec{Name: "joined", Version: 1}
	for _, part := range f {
		p := part.Spec()
		s.Model += fmt.Sprintf("%s.%d(%s)", p.Name, p.Version, p.Model)
		s.Dense = append(s.Dense, p.Dense...)
		s.Sparse = max(s.Sparse, p.Sparse)
	}
	return s
}

// Extract implements [Features].
func (f Joined) Extract(ctx context.Context, prompt []chat.Message, replies []string, row func(int, Row)) error {
	joined := make([]Row, len(replies))
	hashed := 0
	for _, part := range f {
		if part.Spec().Sparse > 0 {
			hashed++
		}
		err := part.Extract(ctx, prompt, replies, func(i int, r Row) {
			joined[i].Dense = append(joined[i].Dense, r.Dense...)
			joined[i].Index = append(joined[i].Index, r.Index...)
			joined[i].Value = append(joined[i].Value, r.Value...)
		})
		if err != nil {
			return err
		}
	}
	if hashed > 1 {
		return fmt.Errorf("join features: %d of them have hashed columns, want at most 1", hashed)
	}
	for i, r := range joined {
		row(i, r)
	}
	return nil
}
