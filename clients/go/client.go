// Package client talks to a plumb server: chat as with any OpenAI-compatible API, and say what you think of the replies.
// It needs nothing but the standard library. A stock OpenAI client works as well; this one adds feedback.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

// Client calls the server at BaseURL. The zero value calls http://127.0.0.1:8080 without a key. Safe for concurrent use.
type Client struct {
	BaseURL string       // without /v1
	Key     string       // API key, "" for none
	User    string       // who asks and votes
	HTTP    *http.Client // nil means http.DefaultClient
}

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Align says how the reply is to be chosen. Zero fields mean the server's defaults.
type Align struct {
	Method       string   `json:"method,omitempty"`
	N            int      `json:"n,omitempty"` // candidates drawn
	Pressure     *float64 `json:"pressure,omitempty"`
	Conservatism *float64 `json:"conservatism,omitempty"`
	Length       *float64 `json:"length,omitempty"`
	BudgetTokens int      `json:"budget_tokens,omitempty"`
	DeadlineMS   int      `json:"deadline_ms,omitempty"`
	Candidates   bool     `json:"candidates,omitempty"` // return them in the reply
	Strict       bool     `json:"strict,omitempty"`
}

// Request is a chat request. Fields of OpenAI's that are not here go into Extra.
type Request struct {
	Model    string         `json:"model"` // "" means "plumb"
	Messages []Message      `json:"messages"`
	User     string         `json:"user,omitempty"` // "" means the client's
	Align    *Align         `json:"align,omitempty"`
	Extra    map[string]any `json:"-"`
}

// Completion is the server's reply.
type Completion struct {
	ID      string `json:"id"`
	Choices []struct {
		Index        int     `json:"index"`
		Message      Message `json:"message"`
		FinishReason string  `json:"finish_reason"`
	} `json:"choices"`
	Usage struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
	} `json:"usage"`
	Align struct {
		Method         string   `json:"method"`
		NDrawn         int      `json:"n_drawn"`
		NScored        int      `json:"n_scored"`
		Reward         *float64 `json:"reward"`
		DowngradedFrom *string  `json:"downgraded_from"`
	} `json:"align"`
}

// Text returns the first choice's reply, or "".
func (c *Completion) Text() string {
	if len(c.Choices) == 0 {
		return ""
	}
	return c.Choices[0].Message.Content
}

// Candidate is one drawn reply.
type Candidate struct {
	ID     string   `json:"id"`
	Text   string   `json:"text"`
	Reward *float64 `json:"reward"`
	Shown  bool     `json:"shown"`
}

// Vote is feedback. Which fields it needs depends on Kind: see openapi.yaml.
type Vote struct {
	ID       string    `json:"id,omitempty"` // of a generation, a candidate or (revoke) a vote
	Kind     string    `json:"kind"`         // thumb, rating, comment, preference, ranking, edit, demonstration, revoke
	User     string    `json:"user,omitempty"`
	Value    float64   `json:"value,omitempty"`
	Winner   string    `json:"winner,omitempty"`
	Losers   []string  `json:"losers,omitempty"`
	Ranking  []string  `json:"ranking,omitempty"` // best first
	Text     string    `json:"text,omitempty"`
	Messages []Message `json:"messages,omitempty"`
}

// Stored is the server's receipt for a vote.
type Stored struct {
	ID     string `json:"id"`
	Stored string `json:"stored"` // "durable", or "spooled" while the store is away
}

// Error is what the server answered instead of a result.
type Error struct {
	Status  int
	Message string `json:"message"`
	Param   string `json:"param"`
	Code    string `json:"code"`
}

func (e *Error) Error() string {
	if e.Param == "" {
		return fmt.Sprintf("plumb: %s (HTTP %d)", e.Message, e.Status)
	}
	return fmt.Sprintf("plumb: %s (HTTP %d, %s)", e.Message, e.Status, e.Param)
}

// Chat asks for one completion.
func (c *Client) Chat(ctx context.Context, r Request) (*Completion, error) {
	body, err := c.body(r, false)
	if err != nil {
		return nil, err
	}
	var done Completion
	return &done, c.call(ctx, http.MethodPost, "/v1/chat/completions", body, &done)
}

// Stream asks for one completion and yields its text as it comes. A stream that does not end properly yields an error.
func (c *Client) Stream(ctx context.Context, r Request) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		body, err := c.body(r, true)
		if err != nil {
			yield("", err)
			return
		}
		response, err := c.send(ctx, http.MethodPost, "/v1/chat/completions", body)
		if err != nil {
			yield("", err)
			return
		}
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			if data == "[DONE]" {
				return
			}
			text, err := delta(data)
			if err != nil || text != "" {
				if !yield(text, err) || err != nil {
					return
				}
			}
		}
		if err = lines.Err(); err == nil {
			err = io.ErrUnexpectedEOF
		}
		yield("", fmt.Errorf("read stream: %w", err))
	}
}

func delta(data string) (string, error) {
	var chunk struct {
		Choices []struct {
			Delta struct {
				Content string `json:"content"`
			} `json:"delta"`
		} `json:"choices"`
		Error *Error `json:"error"`
	}
	if err := json.Unmarshal([]byte(data), &chunk); err != nil {
		return "", fmt.Errorf("read stream: %w", err)
	}
	if chunk.Error != nil {
		return "", chunk.Error
	}
	if len(chunk.Choices) == 0 {
		return "", nil
	}
	return chunk.Choices[0].Delta.Content, nil
}

// Candidates returns every reply that was drawn for a completion.
func (c *Client) Candidates(ctx context.Context, id string) ([]Candidate, error) {
	var g struct {
		Candidates []Candidate `json:"candidates"`
	}
	err := c.call(ctx, http.MethodGet, "/v1/generations/"+url.PathEscape(id), nil, &g)
	return g.Candidates, err
}

// Next returns the best reply not yet shown; that it was asked for is kept as a preference.
func (c *Client) Next(ctx context.Context, id string) (*Completion, error) {
	var done Completion
	err := c.call(ctx, http.MethodPost, "/v1/generations/"+url.PathEscape(id)+"/next", map[string]string{"user": c.User}, &done)
	return &done, err
}

// Vote stores feedback. The same vote again changes nothing and returns the same receipt.
func (c *Client) Vote(ctx context.Context, v Vote) (Stored, error) {
	if v.User == "" {
		v.User = c.User
	}
	var s Stored
	return s, c.call(ctx, http.MethodPost, "/v1/feedback", v, &s)
}

// Revoke withdraws a vote by the id of its receipt.
func (c *Client) Revoke(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/feedback/"+url.PathEscape(id), nil, nil)
}

func (c *Client) body(r Request, stream bool) (any, error) {
	if r.Model == "" {
		r.Model = "plumb"
	}
	if r.User == "" {
		r.User = c.User
	}
	encoded, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	for k, v := range r.Extra {
		all[k] = v
	}
	if err := json.Unmarshal(encoded, &all); err != nil {
		return nil, err
	}
	if stream {
		all["stream"] = true
	}
	return all, nil
}

func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	response, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("read reply: %w", err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(encoded)
	}
	base := strings.TrimSuffix(strings.TrimSuffix(c.BaseURL, "/"), "/v1")
	if base == "" {
		base = "http://127.0.0.1:8080"
	}
	request, err := http.NewRequestWithContext(ctx, method, base+path, reader)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if c.Key != "" {
		request.Header.Set("Authorization", "Bearer "+c.Key)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		defer response.Body.Close()
		return nil, readError(response)
	}
	return response, nil
}

func readError(response *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	envelope := struct{ Error *Error }{}
	if json.Unmarshal(text, &envelope) != nil || envelope.Error == nil {
		envelope.Error = &Error{Message: strings.TrimSpace(string(text))}
	}
	envelope.Error.Status = response.StatusCode
	return envelope.Error
}
