// Package chat holds the few plain types that every other package shares: what a conversation is, how a reply is to be
// drawn, what a drawn reply is, and the one error type. It has no behaviour and imports nothing of this module, so that
// sampler, rm, lm, feedback and the clients can speak of the same things without knowing each other.
package chat

import "encoding/json"

// Roles of a [Message].
const (
	System    = "system"
	User      = "user"
	Assistant = "assistant"
	Tool      = "tool"
)

// Message is one turn of a conversation. The zero value of each optional field means "absent".
type Message struct {
	Role       string          `json:"role"`
	Content    string          `json:"content"`
	Name       string          `json:"name,omitempty"`
	ToolCalls  json.RawMessage `json:"tool_calls,omitempty"`   // OpenAI's array, passed through unread
	ToolCallID string          `json:"tool_call_id,omitempty"` // role tool: the call this answers
}

// Sampling says how tokens are drawn. A nil pointer means "the model's own default" (for Ollama the Modelfile's, for the
// built-in engine temperature 1 and no truncation).
type Sampling struct {
	Temperature      *float64        `json:"temperature,omitempty"` // [0, 2]; 0 is greedy
	TopP             *float64        `json:"top_p,omitempty"`       // (0, 1]
	MinP             *float64        `json:"min_p,omitempty"`       // [0, 1]: keep tokens with p ≥ MinP·max p
	TopK             *int            `json:"top_k,omitempty"`       // ≥ 1
	PresencePenalty  *float64        `json:"presence_penalty,omitempty"`
	FrequencyPenalty *float64        `json:"frequency_penalty,omitempty"`
	Stop             []string        `json:"stop,omitempty"`            // at most 4; the text is cut before the match
	Logprobs         bool            `json:"logprobs,omitempty"`        // per-token log-probs wanted
	TopLogprobs      int             `json:"top_logprobs,omitempty"`    // 0..20 alternatives a token
	ResponseFormat   json.RawMessage `json:"response_format,omitempty"` // OpenAI's object, passed through
	Tools            json.RawMessage `json:"tools,omitempty"`           // OpenAI's array, passed through
	ToolChoice       json.RawMessage `json:"tool_choice,omitempty"`     // OpenAI's value, passed through
}

// Draw asks a generator for one continuation of each of len(Prefixes) replies to the same prompt: the one primitive
// that carries every sampler. Whole replies are n empty prefixes; blocks are n prefixes and a small MaxTokens.
type Draw struct {
	Model    string
	Messages []Message
	Prefixes []string // text the reply already begins with; "" for a whole reply
	Seeds    []int64  // one a prefix; the same seed, prefix and sampling give the same text
	// MaxTokens bounds the new tokens of each continuation, ≥ 1; 0 means up to the end of the model's context.
	MaxTokens int
	Sampling  Sampling
	Stream    bool // deliver text as it is drawn, not only the finished continuations
}

// Piece is what a generator delivers of continuation Index: new text while it is drawn (only where Draw.Stream is
// set), and at last either Done or Err. Pieces of one Draw are delivered one at a time, never concurrently.
type Piece struct {
	Index    int
	Text     string         // new since the last piece of this index
	Logprobs []TokenLogprob // of the tokens of Text, where asked for
	Done     *Completion    // set on the last piece of a continuation that succeeded
	Err      error          // set on the last piece of one that failed
	Retries  int            // on the last piece: how often the upstream was asked again
}

// Reasons why a continuation ended, OpenAI's words.
const (
	FinishStop      = "stop"       // the model ended its turn, or a stop sequence matched
	FinishLength    = "length"     // MaxTokens or the context was reached
	FinishToolCalls = "tool_calls" // the model called a tool
)

// Completion is one drawn continuation.
type Completion struct {
	Text             string          // without the prefix it continues
	Finish           string          // one of the Finish constants
	PromptTokens     int             // tokens of the prompt, prefix included
	CompletionTokens int             // tokens drawn, the end-of-turn token included where the upstream counts it
	Logprob          *float64        // Σ log-prob of the drawn tokens in nats, nil where unknown
	Logprobs         []TokenLogprob  // where asked for
	ToolCalls        json.RawMessage // OpenAI's array, nil if none
}

// TokenLogprob is the log-prob, in nats, of one drawn token under the model's unscaled distribution.
type TokenLogprob struct {
	Token   string         `json:"token"`
	Logprob float64        `json:"logprob"`
	Bytes   []int          `json:"bytes"`
	Top     []TokenLogprob `json:"top_logprobs,omitempty"`
}

// Abilities says what a generator can do with a model; a sampler that needs more downgrades or refuses.
type Abilities struct {
	Prefix         bool // continues a given prefix exactly
	Logits         bool // gives the full distribution to a token-level guide
	Logprobs       bool
	Tools          bool
	ResponseFormat bool
	Penalties      bool // presence and frequency penalties
	Seed           bool // the same seed gives the same text
	Slots          int  // continuations that truly run at once; 0 if unknown
	Context        int  // tokens of prompt and reply together; 0 if unknown
}

// Model names a model that a generator can draw from.
type Model struct {
	Name    string
	Digest  string // content digest ("sha256:…"), "" if the upstream tells none
	Created int64  // Unix seconds, 0 if unknown
}

// Reward is what a reward model says of one reply to one prompt. Rewards compare only within one prompt and one
// version of the reward model.
type Reward struct {
	Reward float64 `json:"reward"` // mean over the ensemble; log-odds units: a difference of 1 is odds of e : 1
	SD     float64 `json:"sd"`     // standard deviation over the ensemble, ≥ 0
	OOD    float64 `json:"ood"`    // distance from what the model was trained on, ≥ 0; about 1 is typical
}
