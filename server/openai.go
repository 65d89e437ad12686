package server

import (
	"encoding/json"
	"time"

	"plumb/chat"
	"plumb/feedback"
)

// This file has the shapes that go over the wire, and nothing else. Requests have none: they are read field by field
// (chat_request.go). A pointer is null where it is nil; omitempty marks what OpenAI leaves out too.

// wireCompletion is a chat.completion.
type wireCompletion struct {
	ID                string       `json:"id"`
	Object            string       `json:"object"` // chat.completion
	Created           int64        `json:"created"`
	Model             string       `json:"model"`
	Choices           []wireChoice `json:"choices"`
	Usage             wireUsage    `json:"usage"`
	ServiceTier       string       `json:"service_tier,omitempty"`
	SystemFingerprint *string      `json:"system_fingerprint"`
	Align             *wireAlign   `json:"align"`
}

type wireChoice struct {
	Index        int           `json:"index"`
	Message      wireMessage   `json:"message"`
	Logprobs     *wireLogprobs `json:"logprobs"`
	FinishReason string        `json:"finish_reason"`
}

type wireMessage struct {
	Role      string          `json:"role"`
	Content   *string         `json:"content"`
	Refusal   *string         `json:"refusal"`
	ToolCalls json.RawMessage `json:"tool_calls,omitempty"`
}

type wireLogprobs struct {
	Content []wireLogprob `json:"content"`
	Refusal []wireLogprob `json:"refusal"` // always null
}

type wireLogprob struct {
	Token   string           `json:"token"`
	Logprob float64          `json:"logprob"`
	Bytes   []int            `json:"bytes"`
	Top     []wireTopLogprob `json:"top_logprobs"`
}

type wireTopLogprob struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

type wireUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"` // discarded ones included
	TotalTokens      int `json:"total_tokens"`
}

// wireAlign says how a reply was chosen. Every key is always there.
type wireAlign struct {
	Method          string               `json:"method"`
	NDrawn          int                  `json:"n_drawn"`
	NFailed         int                  `json:"n_failed"`
	NRetried        int                  `json:"n_retried"`
	NScored         int                  `json:"n_scored"`
	Chosen          *int                 `json:"chosen"` // candidate: its id is the completion's with "." and this
	Reward          *float64             `json:"reward"`
	SD              *float64             `json:"sd"`
	OOD             *float64             `json:"ood"`
	KLBound         *float64             `json:"kl_bound"`
	KLEst           *float64             `json:"kl_est"`
	Propensity      *float64             `json:"propensity"`
	TokensDiscarded int                  `json:"tokens_discarded"`
	RMMillis        *float64             `json:"rm_ms"`
	StoppedBy       *string              `json:"stopped_by"`
	DowngradedFrom  *string              `json:"downgraded_from"`
	Stored          *string              `json:"stored"` // durable, spooled, or null: not kept, so the id cannot be rated
	Candidates      []feedback.Candidate `json:"candidates"`
}

// wireChunk is a chat.completion.chunk.
type wireChunk struct {
	ID                string            `json:"id"`
	Object            string            `json:"object"` // chat.completion.chunk
	Created           int64             `json:"created"`
	Model             string            `json:"model"`
	Choices           []wireChunkChoice `json:"choices"`
	ServiceTier       string            `json:"service_tier,omitempty"`
	SystemFingerprint *string           `json:"system_fingerprint"`
	Usage             *wireUsage        `json:"usage"`           // on the last one, where asked for
	Align             *wireAlign        `json:"align,omitempty"` // on the last one
}

type wireChunkChoice struct {
	Index        int           `json:"index"`
	Delta        wireDelta     `json:"delta"`
	Logprobs     *wireLogprobs `json:"logprobs"`
	FinishReason *string       `json:"finish_reason"`
}

type wireDelta struct {
	Role      string          `json:"role,omitempty"`
	Content   *string         `json:"content,omitempty"`
	ToolCalls json.RawMessage `json:"tool_calls,omitempty"`
}

// wireError is OpenAI's error envelope.
type wireError struct {
	Error wireErrorBody `json:"error"`
}

type wireErrorBody struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

// wireList is OpenAI's list.
type wireList[T any] struct {
	Object string  `json:"object"` // list
	Data   []T     `json:"data"`
	Next   *string `json:"next"` // cursor of the next page, null on the last
}

type wireModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"` // model
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	Digest  string `json:"digest,omitempty"`
}

// wireReceipt is the answer to feedback.
type wireReceipt struct {
	ID         string  `json:"id"`
	Object     string  `json:"object"` // feedback
	Kind       string  `json:"kind"`
	Generation *string `json:"generation"`
	Candidate  *string `json:"candidate"`
	Stored     string  `json:"stored"`
}

// wireVote is one live event.
type wireVote struct {
	ID         string         `json:"id"`
	Object     string         `json:"object"` // feedback
	Generation *string        `json:"generation"`
	Candidate  *string        `json:"candidate"`
	User       *string        `json:"user"` // salted hash
	Kind       string         `json:"kind"`
	Value      *float64       `json:"value,omitempty"`
	Winner     string         `json:"winner,omitempty"`
	Losers     []string       `json:"losers,omitempty"`
	Ranking    []string       `json:"ranking,omitempty"`
	Text       string         `json:"text,omitempty"`
	Messages   []chat.Message `json:"messages,omitempty"`
	Source     string         `json:"source"`
	Time       time.Time      `json:"time"`
}

type wireErased struct {
	Object      string `json:"object"` // user.erased
	Generations int    `json:"generations"`
	Events      int    `json:"events"`
}

type wireStatus struct {
	Alias Alias `json:"alias"`
	Runs  []Run `json:"runs"`
}

type wireHealth struct {
	Status string      `json:"status"` // ok, unready
	Checks []wireCheck `json:"checks,omitempty"`
}

type wireCheck struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
}
