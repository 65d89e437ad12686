package server

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/sampler"
)

// This file turns the shapes of one package into those of another, with no effect beside.

// toRequest makes the sampler's request.
func (s *Server) toRequest(j *job) sampler.Request {
	q, a := j.q, j.q.align
	r := sampler.Request{
		Model: j.policy.Name, Messages: q.messages, Sampling: q.sampling, MaxTokens: value(q.maxTokens),
		Method: s.options.Method, N: value(a.n), Return: max(1, value(q.n)),
		Pressure: a.pressure, Conservatism: a.conservatism, Length: value(a.length),
		BudgetTokens: value(a.budgetTokens), Strict: value(a.strict), Deadline: s.options.Timeout,
	}
	if a.method != nil {
		r.Method = *a.method
	}
	if a.deadlineMS != nil {
		r.Deadline = min(s.options.Timeout, time.Duration(*a.deadlineMS)*time.Millisecond)
	}
	if r.Seed = newSeed(); a.seed != nil {
		r.Seed = *a.seed
	}
	return r
}

// newSeed draws a seed that JSON can say exactly.
func newSeed() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return int64(binary.LittleEndian.Uint64(b[:]) >> 11)
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// outcome is what came of a request: the sampler's result, and the candidates as they are kept. Candidates that failed are
// not kept, so a kept one's number may be smaller than the sampler's index.
type outcome struct {
	*sampler.Result
	kept  []feedback.Candidate
	first int // kept candidate that is the first choice
}

func newOutcome(id string, result *sampler.Result) outcome {
	o := outcome{Result: result, kept: make([]feedback.Candidate, 0, len(result.Candidates))}
	for i, c := range result.Candidates {
		if c.Err != nil {
			continue
		}
		kept := feedback.Candidate{ID: feedback.CandidateID(id, len(o.kept)), Text: c.Text, Finish: c.Finish, Tokens: c.CompletionTokens,
			Logprob: c.Logprob, Seed: c.Seed, ToolCalls: c.ToolCalls, Shown: slices.Contains(result.Chosen, i)}
		if c.Reward != nil {
			kept.Reward, kept.SD, kept.OOD, kept.Propensity = &c.Reward.Reward, &c.Reward.SD, &c.Reward.OOD, &c.Propensity
		}
		if i == result.Chosen[0] {
			o.first = len(o.kept)
		}
		o.kept = append(o.kept, kept)
	}
	return o
}

// toCompletion makes the answer.
func toCompletion(j *job, o outcome, stored *string) wireCompletion {
	w := wireCompletion{ID: j.id, Object: "chat.completion", Created: j.begun.Unix(), Model: j.named(),
		Choices: make([]wireChoice, len(o.Chosen)), Usage: toUsage(o), ServiceTier: tier(j.q.tier),
		SystemFingerprint: fingerprint(j.policy.Digest), Align: toAlign(j, o, stored)}
	for i, k := range o.Chosen {
		c := o.Candidates[k]
		w.Choices[i] = wireChoice{Index: i, Message: toMessage(c.Text, c.ToolCalls), FinishReason: c.Finish,
			Logprobs: toLogprobs(j.q.sampling, c.Logprobs)}
	}
	return w
}

// named is the model as the reply names it: as it was asked for, without the suffix.
func (j *job) named() string { return j.q.model }

func toMessage(text string, calls json.RawMessage) wireMessage {
	m := wireMessage{Role: chat.Assistant, Content: &text, ToolCalls: calls}
	if len(calls) > 0 && text == "" {
		m.Content = nil
	}
	return m
}

// toLogprobs is nil where they were not asked for.
func toLogprobs(asked chat.Sampling, tokens []chat.TokenLogprob) *wireLogprobs {
	if !asked.Logprobs {
		return nil
	}
	w := &wireLogprobs{Content: make([]wireLogprob, len(tokens))}
	for i, t := range tokens {
		one := wireLogprob{Token: t.Token, Logprob: t.Logprob, Bytes: t.Bytes, Top: make([]wireTopLogprob, len(t.Top))}
		for k, top := range t.Top {
			one.Top[k] = wireTopLogprob{Token: top.Token, Logprob: top.Logprob, Bytes: top.Bytes}
		}
		w.Content[i] = one
	}
	return w
}

// toAlign says how the reply was chosen.
func toAlign(j *job, o outcome, stored *string) *wireAlign {
	first := &o.kept[o.first]
	w := &wireAlign{Method: o.Method, NDrawn: o.NDrawn, NFailed: o.NFailed, NRetried: o.NRetried, NScored: o.NScored, Chosen: &o.first,
		Reward: first.Reward, SD: first.SD, OOD: first.OOD, KLBound: o.KLBound, KLEst: o.KLEst, Propensity: first.Propensity,
		TokensDiscarded: o.TokensDiscarded, RMMillis: o.RMMillis, StoppedBy: orNil(o.StoppedBy), DowngradedFrom: orNil(o.DowngradedFrom),
		Stored: stored}
	if value(j.q.align.candidates) {
		w.Candidates = o.kept
	}
	return w
}

func toUsage(o outcome) wireUsage {
	u := o.Usage
	return wireUsage{PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, TotalTokens: u.PromptTokens + u.CompletionTokens}
}

// toGeneration makes the record that is kept.
func toGeneration(j *job, o outcome, now time.Time) feedback.Generation {
	r := j.request
	return feedback.Generation{
		ID: j.id, Time: j.begun.UTC(), User: j.user, Session: j.q.session, Messages: j.q.messages,
		Policy: j.policy.Policy, RM: j.policy.RM, Seed: r.Seed,
		Sampler: feedback.Sampler{Method: o.Method, N: o.NDrawn, Pressure: value(r.Pressure), Conservatism: value(r.Conservatism),
			Length: r.Length, Sampling: r.Sampling, MaxTokens: r.MaxTokens, DowngradedFrom: o.DowngradedFrom},
		Candidates: o.kept, LatencyMS: float64(now.Sub(j.begun).Microseconds()) / 1000, Metadata: j.q.metadata,
		Usage: feedback.Usage{Prompt: o.Usage.PromptTokens, Completion: o.Usage.CompletionTokens, Discarded: o.TokensDiscarded},
	}
}

// fingerprint shortens a model's digest to OpenAI's system_fingerprint.
func fingerprint(digest string) *string {
	const length = 12
	_, digest, _ = strings.Cut(digest, ":")
	if digest == "" {
		return nil
	}
	short := "fp_" + digest[:min(length, len(digest))]
	return &short
}

// tier answers OpenAI's service_tier where it was asked for; there is one.
func tier(asked string) string {
	if asked == "" {
		return ""
	}
	return "default"
}
