package ollama

import (
	"testing"

	"github.com/ollama/ollama/api"

	"plumb/chat"
	"plumb/clients/upstreamtest"
)

// BenchmarkContinue draws eight replies from a server that answers at once; the fake's own work is part of the figure.
func BenchmarkContinue(b *testing.B) {
	s := upstreamtest.NewOllama()
	defer s.Close()
	c, err := New(Options{URL: s.URL})
	if err != nil {
		b.Fatal(err)
	}
	s.Script(func(upstreamtest.Request) upstreamtest.Reply { return upstreamtest.Reply{Tokens: []string{"a", " b"}} })
	for _, n := range []int{1, 8} {
		for name, draw := range map[string]func(chat.Draw) error{
			"ours": func(d chat.Draw) error { return c.Continue(b.Context(), d, func(chat.Piece) {}) },
			"library": func(d chat.Draw) error { // what the library's own client costs, one after the other
				for i := range d.Seeds {
					no := false
					req := &api.ChatRequest{Model: tiny, Messages: []api.Message{{Role: chat.User, Content: "Hi"}}, Stream: &no, Options: map[string]any{"seed": i, "num_predict": 20}}
					if err := c.api.Chat(b.Context(), req, func(api.ChatResponse) error { return nil }); err != nil {
						return err
					}
				}
				return nil
			},
		} {
			b.Run(map[int]string{1: "one/", 8: "eight/"}[n]+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := draw(ask(n)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
