package ollama

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ollama/ollama/api"

	"plumb/chat"
	"plumb/clients/upstream"
)

// rereadAfter is how long a model's digest is taken to belong to its name.
const rereadAfter = 10 * time.Second

// model is what is found out about a model once for each digest.
type model struct {
	can   chat.Abilities
	open  bool     // its template leaves a last assistant message open
	stops []string // its own stop texts
}

// known remembers models. What belongs to a digest stays true; which digest a name has may change.
type known struct {
	mu      sync.Mutex
	digests map[string]dated // by model name as asked
	models  map[string]model // by digest
}

type dated struct {
	digest string
	until  time.Time
}

func (k *known) find(name string) (model, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	d, ok := k.digests[name]
	if !ok || time.Now().After(d.until) {
		return model{}, false
	}
	m, ok := k.models[d.digest]
	return m, ok
}

// refresh returns what is known of a digest that the name has now.
func (k *known) refresh(name, digest string) (model, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, ok := k.models[digest]
	if ok {
		k.digests[name] = dated{digest, time.Now().Add(rereadAfter)}
	}
	return m, ok
}

func (k *known) keep(name, digest string, m model) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.models == nil {
		k.digests, k.models = make(map[string]dated), make(map[string]model)
	}
	k.digests[name] = dated{digest, time.Now().Add(rereadAfter)}
	k.models[digest] = m
}

func (k *known) forget(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.digests, name)
}

// Abilities says what the model can do. The first call for a model's digest loads the model and renders a probe, which
// takes as long as loading does; later ones read a map, and the list of models every 10 s.
func (c *Client) Abilities(ctx context.Context, name string) (chat.Abilities, error) {
	m, err := c.model(ctx, name)
	return m.can, err
}

func (c *Client) model(ctx context.Context, name string) (model, error) {
	if m, ok := c.known.find(name); ok {
		return m, nil
	}
	// Callers share the question; one that leaves does not end it for the others.
	answer := c.asking.DoChan(name, func() (any, error) {
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.patience())
		defer cancel()
		return c.findOut(asking, name)
	})
	select {
	case <-ctx.Done():
		return model{}, ctx.Err()
	case a := <-answer:
		return a.Val.(model), a.Err
	}
}

// patience bounds a request that may load a model.
func (c *Client) patience() time.Duration { return cmp.Or(c.options.CandidateTimeout, 120*time.Second) }

func (c *Client) findOut(ctx context.Context, name string) (model, error) {
	digest, err := c.digest(ctx, name)
	if err != nil {
		return model{}, err
	}
	if m, ok := c.known.refresh(name, digest); ok {
		return m, nil
	}
	info, err := c.Show(ctx, name)
	if err != nil {
		return model{}, err
	}
	rendered, err := c.render(ctx, body{Model: name, Messages: opening})
	if err != nil {
		return model{}, err
	}
	m := model{can: chat.Abilities{
		// Where the template closes the turn, a rendered prompt is continued raw.
		Prefix: rendered != "", Logprobs: true, ResponseFormat: true, Seed: true, Slots: c.options.Slots,
		Tools:     slices.Contains(info.Capabilities, "tools"),
		Penalties: !slices.Contains(withoutPenalties, info.Architecture),
		Context:   c.context(ctx, name, info),
	}}
	m.open = strings.HasSuffix(rendered, opening[1].Content)
	m.stops, _ = info.Parameters["stop"].([]string)
	c.known.keep(name, digest, m)
	return m, nil
}

// withoutPenalties lists the architectures that Ollama runs (0.17) in its own engine, which ignores both penalties.
var withoutPenalties = []string{
	"deepseek2", "deepseekocr", "gemma3", "gemma3n", "glm4moelite", "glmocr", "gpt-oss", "gptoss", "lfm2", "lfm2moe",
	"llama4", "mistral3", "mllama", "nemotron_h", "nemotron_h_moe", "olmo3", "qwen25vl", "qwen3", "qwen35", "qwen35moe",
	"qwen3moe", "qwen3next", "qwen3vl", "qwen3vlmoe",
}

// context is the number of tokens the loaded model really has, else what its Modelfile or file says, else 0.
func (c *Client) context(ctx context.Context, model string, info Info) int {
	if running, err := c.api.ListRunning(ctx); err == nil {
		for _, m := range running.Models {
			if sameModel(m.Name, model) && m.ContextLength > 0 {
				return m.ContextLength
			}
		}
	}
	for _, set := range []map[string]any{c.options.Set, info.Parameters} {
		if n, ok := set["num_ctx"].(int); ok && n > 0 {
			return n
		}
	}
	return info.Context
}

// opening ends in an unfinished assistant turn, and that in a space: a template that trims would change prefixes too.
var opening = []api.Message{
	{Role: chat.User, Content: "What does a plumb line do?"},
	{Role: chat.Assistant, Content: "It hangs straight, and "},
}

// render is the prompt that the server makes of b's messages. It is "" if the server is too old to render: such a one
// draws a token instead.
func (c *Client) render(ctx context.Context, b body) (string, error) {
	b.RenderOnly, b.Stream, b.Think = true, false, c.think()
	b.Options = c.sampling(chat.Sampling{}, 1)
	doing := fmt.Sprintf("render a prompt of model %q", b.Model)
	resp, err := c.post(ctx, "/api/chat", b)
	if err != nil {
		return "", upstream.Broken(doing, err)
	}
	defer upstream.Drain(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return "", upstream.StatusError(doing, resp)
	}
	var answer api.ChatResponse
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.DebugInfo == nil {
		return "", upstream.Broken(doing, err)
	}
	return answer.DebugInfo.RenderedTemplate, nil
}

// digest is the content digest of a model, NotFound if the server does not have it.
func (c *Client) digest(ctx context.Context, model string) (string, error) {
	models, err := c.Models(ctx)
	if err != nil {
		return "", err
	}
	for _, m := range models {
		if sameModel(m.Name, model) {
			return m.Digest, nil
		}
	}
	return "", notFound(model)
}

func notFound(model string) error {
	return &chat.Error{Kind: chat.NotFound, Param: "model", Msg: fmt.Sprintf("find model %q: the Ollama server does not have it", model)}
}

// sameModel compares names as Ollama does: without regard to case, and the tag "latest" may be left out.
func sameModel(a, b string) bool {
	return strings.EqualFold(withTag(a), withTag(b))
}

func withTag(name string) string {
	if strings.LastIndexByte(name, ':') > strings.LastIndexByte(name, '/') {
		return name
	}
	return name + ":latest"
}
