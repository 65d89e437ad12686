package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"plumb/chat"
	"plumb/clients/upstream"
)

const (
	// metadataTimeout bounds requests that draw nothing.
	metadataTimeout = 30 * time.Second
	// rereadAfter is how long a list of models is taken to hold.
	rereadAfter = 10 * time.Second
)

// entry is a model as the server lists it.
type entry struct {
	ID          string `json:"id"`
	Created     int64  `json:"created"`
	MaxModelLen int    `json:"max_model_len"` // vLLM, SGLang: the context
}

// listed remembers the server's list of models. The zero value is out of date.
type listed struct {
	mu      sync.Mutex
	entries []entry
	none    bool // the server keeps no list
	until   time.Time
}

// Models lists the models of the server, in its order.
func (c *Client) Models(ctx context.Context) ([]chat.Model, error) {
	entries, _, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	models := make([]chat.Model, len(entries))
	for i, e := range entries {
		models[i] = chat.Model{Name: e.ID, Created: e.Created}
	}
	return models, nil
}

// Abilities says what can be asked of the model: what the protocol has, less what [Options] say the server has not. A
// model that is not in the server's list is NotFound; a server without a list is taken to have every model.
func (c *Client) Abilities(ctx context.Context, model string) (chat.Abilities, error) {
	entries, none, err := c.known(ctx)
	if err != nil {
		return chat.Abilities{}, err
	}
	can := chat.Abilities{
		Prefix: c.options.ContinueFinal, Logprobs: !c.options.NoLogprobs, Tools: !c.options.NoTools, ResponseFormat: true,
		Penalties: true, Seed: !c.options.NoSeed, Slots: c.options.Slots,
	}
	for _, e := range entries {
		if e.ID == model {
			can.Context = max(0, e.MaxModelLen)
			return can, nil
		}
	}
	if none {
		return can, nil
	}
	return chat.Abilities{}, &chat.Error{Kind: chat.NotFound, Param: "model", Msg: fmt.Sprintf("find model %q: the upstream does not list it", model)}
}

// known is the list of at most rereadAfter ago. Callers share the question; one that leaves does not end it.
func (c *Client) known(ctx context.Context) (entries []entry, none bool, err error) {
	l := &c.listed
	l.mu.Lock()
	entries, none, fresh := l.entries, l.none, time.Now().Before(l.until)
	l.mu.Unlock()
	if fresh {
		return entries, none, nil
	}
	answer := c.asking.DoChan("", func() (any, error) {
		entries, none, err := c.list(context.WithoutCancel(ctx))
		if err == nil {
			l.mu.Lock()
			l.entries, l.none, l.until = entries, none, time.Now().Add(rereadAfter)
			l.mu.Unlock()
		}
		return nil, err
	})
	select {
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case a := <-answer:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.entries, l.none, a.Err
	}
}

// list asks for the models; none says that the server has no such route.
func (c *Client) list(ctx context.Context) (entries []entry, none bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	var list struct{ Data []entry }
	err = c.call(ctx, "list models", http.MethodGet, "/models", nil, &list)
	if chat.KindOf(err) == chat.NotFound {
		return nil, true, nil
	}
	return list.Data, false, err
}

// Embeddings embeds each text with the model; row i belongs to texts[i] and all rows have the same length.
func (c *Client) Embeddings(ctx context.Context, model string, texts []string) ([][]float32, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience())
	defer cancel()
	doing := fmt.Sprintf("embed %d texts with model %q", len(texts), model)
	ask := struct {
		Model  string   `json:"model"`
		Input  []string `json:"input"`
		Format string   `json:"encoding_format"`
	}{model, texts, "float"}
	var got struct {
		Data []struct {
			Index     int       `json:"index"`
			Embedding []float32 `json:"embedding"`
		}
	}
	if err := c.call(ctx, doing, http.MethodPost, "/embeddings", ask, &got); err != nil {
		return nil, err
	}
	wrong := func(format string, args ...any) error {
		return &chat.Error{Kind: chat.Upstream, Msg: doing + ": " + fmt.Sprintf(format, args...)}
	}
	if len(got.Data) != len(texts) {
		return nil, wrong("%d vectors came back", len(got.Data))
	}
	rows := make([][]float32, len(texts))
	for _, d := range got.Data {
		switch {
		case d.Index < 0 || d.Index >= len(rows) || rows[d.Index] != nil:
			return nil, wrong("index %d came twice or is out of range", d.Index)
		case len(d.Embedding) == 0 || len(d.Embedding) != len(got.Data[0].Embedding):
			return nil, wrong("vector %d has %d numbers, another has %d", d.Index, len(d.Embedding), len(got.Data[0].Embedding))
		}
		rows[d.Index] = d.Embedding
	}
	return rows, nil
}

// call sends ask as JSON, if it is not nil, and reads the reply into v.
func (c *Client) call(ctx context.Context, doing, method, route string, ask, v any) error {
	var body []byte
	if ask != nil {
		var err error
		if body, err = json.Marshal(ask); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	resp, err := c.send(ctx, method, route, body)
	if err != nil {
		return upstream.Broken(doing, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return upstream.StatusError(doing, resp)
	}
	data, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	return upstream.Broken(doing, err)
}
