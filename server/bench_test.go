package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"plumb/chat"
	"plumb/feedback"
	"plumb/feedback/memory"
	"plumb/sampler"
)

// instant draws at once, so that what a benchmark measures is the gateway alone.
type instant struct{ reply string }

func (g instant) Continue(_ context.Context, d chat.Draw, each func(chat.Piece)) error {
	for i := range d.Prefixes {
		if d.Stream {
			each(chat.Piece{Index: i, Text: g.reply})
		}
		each(chat.Piece{Index: i, Done: &chat.Completion{Text: fmt.Sprint(g.reply, i), Finish: chat.FinishStop, PromptTokens: 20, CompletionTokens: 60}})
	}
	return nil
}

func (instant) Abilities(context.Context, string) (chat.Abilities, error) {
	return chat.Abilities{Seed: true, Slots: 64}, nil
}

func (instant) Score(_ context.Context, _ []chat.Message, replies []string) ([]chat.Reward, error) {
	rewards := make([]chat.Reward, len(replies))
	for i := range rewards {
		rewards[i] = chat.Reward{Reward: float64(i), SD: .1, OOD: 1}
	}
	return rewards, nil
}

// recent is a log that keeps the last generation only: memory must not grow with the benchmark, and a store's own time
// is its own benchmark's.
type recent struct{ memory.Log }

func (l *recent) PutGeneration(_ context.Context, g feedback.Generation) (feedback.Durability, error) {
	_, err := feedback.EncodeGeneration(g)
	return feedback.Durable, err
}

func benchmarkServer(b *testing.B) *Server {
	b.Helper()
	g := instant{strings.Repeat("a word or two ", 20)}
	s, err := New(Options{Log: &recent{}, Salt: make([]byte, 16), Logger: slog.New(slog.NewJSONHandler(io.Discard, nil)),
		Policies: &fakePolicies{policy: Policy{Policy: feedback.Policy{Alias: "plumb", Name: "base"}, RM: "rm",
			Abilities: chat.Abilities{Seed: true}, Sampler: &sampler.Sampler{Generator: g, Scorer: g}}}})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkHandler is what a request costs without the network.
func BenchmarkHandler(b *testing.B) {
	for name, extra := range map[string]string{"n=1": `"align": {"method": "none"}`, "n=8": `"align": {"n": 8}`,
		"n=1,stream": `"stream": true, "align": {"method": "none"}`} {
		b.Run(name, func(b *testing.B) {
			h, body := benchmarkServer(b).Handler(), ask(extra, `"seed": 7`)
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(body)))
				if w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

// BenchmarkGateway is what a request costs over loopback, the client's half included.
func BenchmarkGateway(b *testing.B) {
	s := httptest.NewServer(benchmarkServer(b).Handler())
	defer s.Close()
	body := ask(`"align": {"method": "none"}`)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			response, err := http.Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
	})
}

// BenchmarkVote is what a vote costs without the network and the store.
func BenchmarkVote(b *testing.B) {
	h := benchmarkServer(b).Handler()
	body := `{"kind": "demonstration", "messages": [{"role": "user", "content": "Tea?"}], "text": "Warm the pot."}`
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/feedback", strings.NewReader(body)))
		if w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

// BenchmarkDecode is the strict reader on a long conversation.
func BenchmarkDecode(b *testing.B) {
	message := `{"role": "user", "content": "` + strings.Repeat("some text ", 40) + `"}`
	body := []byte(`{"model": "plumb", "messages": [` + strings.Repeat(message+",", 63) + message + `]}`)
	s := fuzzed(false)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.decodeChat(body, 64); err != nil {
			b.Fatal(err)
		}
	}
}
