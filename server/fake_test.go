package server

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"plumb/chat"
	"plumb/sampler"
)

// Sample draws r.N replies, "reply 0" and so on, scores reply k with k where something is chosen, and chooses the last.
func (s *fakeSampler) Sample(ctx context.Context, r sampler.Request) (*sampler.Result, error) {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	if s.before != nil {
		if err := s.before(ctx, r); err != nil {
			return nil, err
		}
	}
	n := max(1, r.N, r.Return)
	if r.N == 0 && r.Method == "auto" {
		n = max(8, n)
	}
	scored := r.Method != "none"
	result := &sampler.Result{Method: r.Method, NDrawn: n, StoppedBy: ""}
	if result.Method == "auto" {
		result.Method = "top_m"
	}
	for k := range n {
		logprob := -float64(k) - .5
		c := sampler.Candidate{Index: k, SameAs: k, Completion: chat.Completion{Text: fmt.Sprintf("reply %d", k), Finish: chat.FinishStop,
			PromptTokens: 10, CompletionTokens: 5, Logprob: &logprob}, Seed: r.Seed + int64(k)}
		if r.Sampling.Logprobs {
			c.Logprobs = []chat.TokenLogprob{{Token: c.Text, Logprob: logprob, Bytes: []int{1}, Top: []chat.TokenLogprob{{Token: "x", Logprob: -3}}}}
		}
		if scored {
			c.Reward, c.Propensity = &chat.Reward{Reward: float64(k), SD: .1, OOD: 1}, 1/float64(n)
			result.NScored++
		}
		result.Candidates = append(result.Candidates, c)
	}
	for k := range r.Return {
		result.Chosen = append(result.Chosen, n-1-k)
	}
	if scored {
		took := .25
		result.RMMillis = &took
	}
	result.TokensDiscarded = 5 * (n - r.Return)
	result.Usage = sampler.Usage{PromptTokens: 10, CompletionTokens: 5 * n}
	if s.change != nil {
		s.change(r, result)
	}
	if r.Stream != nil && n == 1 {
		c := result.Candidates[0]
		half := len(c.Text) / 2
		r.Stream(chat.Piece{Text: c.Text[:half], Logprobs: c.Logprobs})
		r.Stream(chat.Piece{Text: c.Text[half:]})
		r.Stream(chat.Piece{Done: &c.Completion})
	}
	return result, nil
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// checkKnobs checks what TestRequestReachesTheSampler sent.
func checkKnobs(t *testing.T, r sampler.Request) {
	t.Helper()
	if value(r.Pressure) != 4 || value(r.Conservatism) != .5 || r.Length != .2 || r.Deadline <= 0 || r.Deadline > time.Minute {
		t.Errorf("knobs %+v", r)
	}
}
