package sampler

import (
	"context"
	"fmt"
	"testing"

	"plumb/chat"
)

// instant is a generator that takes no time, so that only the sampler's own is left.
type instant struct{ texts []string }

func (g instant) Abilities(context.Context, string) (chat.Abilities, error) {
	return chat.Abilities{}, nil
}

func (g instant) Continue(_ context.Context, d chat.Draw, each func(chat.Piece)) error {
	for i := range d.Prefixes {
		each(chat.Piece{Index: i, Done: &chat.Completion{Text: g.texts[i], Finish: chat.FinishStop, CompletionTokens: 64}})
	}
	return nil
}

// constant gives every reply the same reward for its place.
type constant struct{}

func (constant) Score(_ context.Context, _ []chat.Message, replies []string) ([]chat.Reward, error) {
	rewards := make([]chat.Reward, len(replies))
	for i := range rewards {
		rewards[i] = chat.Reward{Reward: float64(i * 37 % 11), SD: .1}
	}
	return rewards, nil
}

// BenchmarkSample is what the sampler adds to a request.
func BenchmarkSample(b *testing.B) {
	texts := make([]string, 64)
	for i := range texts {
		texts[i] = fmt.Sprintf("%0300d", i)
	}
	s := &Sampler{Generator: instant{texts}, Scorer: constant{}, Pairs: 1000}
	for _, method := range []string{None, BestOfN, TopMethod, SoftMethod, BestOfPoissonMethod, ChiSquareMethod} {
		for _, n := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%s/%d", method, n), func(b *testing.B) {
				b.ReportAllocs()
				for i := range b.N {
					if _, err := s.Sample(b.Context(), Request{Messages: ask, Method: method, N: n, Seed: int64(i)}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
