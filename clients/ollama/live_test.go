package ollama

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"plumb/chat"
	"plumb/sampler/samplertest"
)

// These tests need a real Ollama with the model smollm2:135m:
//
//	PLUMB_TEST_OLLAMA=http://127.0.0.1:11434 go test -run Live ./clients/ollama
const liveModel = "smollm2:135m"

func live(t *testing.T) *Client {
	t.Helper()
	url := os.Getenv("PLUMB_TEST_OLLAMA")
	if url == "" {
		t.Skip("PLUMB_TEST_OLLAMA is not set")
	}
	// Parallel threads of a shared machine wait for each other; one gets on.
	c, err := New(Options{URL: url, Threads: 1, CandidateTimeout: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func liveDraw(n, tokens int) chat.Draw {
	temperature := 0.8
	d := chat.Draw{
		Model: liveModel, Messages: []chat.Message{{Role: chat.User, Content: "Name the capital of France."}},
		Prefixes: make([]string, n), Seeds: make([]int64, n), MaxTokens: tokens, Sampling: chat.Sampling{Temperature: &temperature},
	}
	for i := range d.Seeds {
		d.Seeds[i] = int64(i) - 1 // −1 too, which Ollama itself takes for "random"
	}
	return d
}

// draw collects the last pieces of a draw by index.
func draw(t *testing.T, c *Client, d chat.Draw) []chat.Completion {
	t.Helper()
	done := make([]chat.Completion, len(d.Prefixes))
	err := c.Continue(t.Context(), d, func(p chat.Piece) {
		if p.Err != nil {
			t.Errorf("continuation %d: %v", p.Index, p.Err)
		}
		if p.Done != nil {
			done[p.Index] = *p.Done
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestLiveSeeds(t *testing.T) {
	c := live(t)
	first, second := draw(t, c, liveDraw(4, 12)), draw(t, c, liveDraw(4, 12))
	texts := map[string]bool{}
	for i := range first {
		if first[i].Text != second[i].Text {
			t.Errorf("seed %d gave %q, then %q", i, first[i].Text, second[i].Text)
		}
		if first[i].CompletionTokens == 0 || first[i].CompletionTokens > 12 || first[i].PromptTokens == 0 {
			t.Errorf("tokens of continuation %d: %+v", i, first[i])
		}
		texts[first[i].Text] = true
	}
	if len(texts) < 2 {
		t.Errorf("four seeds gave one text: %v", texts)
	}
}

func TestLivePrefixContinuesExactly(t *testing.T) {
	c := live(t)
	can, err := c.Abilities(t.Context(), liveModel)
	if err != nil {
		t.Fatal(err)
	}
	if !can.Prefix || can.Context < 1024 || !can.Seed || can.Tools {
		t.Fatalf("abilities: %+v", can)
	}
	cold := 0.0
	d := liveDraw(1, 16)
	d.Sampling.Temperature = &cold
	whole := draw(t, c, d)[0].Text
	d.MaxTokens = 6
	head := draw(t, c, d)[0].Text
	d.Prefixes[0], d.MaxTokens = head, 10
	tail := draw(t, c, d)[0].Text
	if head+tail != whole {
		t.Errorf("continued %q + %q, want %q", head, tail, whole)
	}
}

func TestLiveLogprobsStream(t *testing.T) {
	c := live(t)
	d := liveDraw(1, 8)
	d.Stream, d.Sampling.Logprobs, d.Sampling.TopLogprobs = true, true, 2
	var text strings.Builder
	pieces, tokens := 0, 0
	var done *chat.Completion
	err := c.Continue(t.Context(), d, func(p chat.Piece) {
		text.WriteString(p.Text)
		if p.Text != "" {
			pieces++
		}
		tokens += len(p.Logprobs)
		if p.Done != nil {
			done = p.Done
		}
	})
	if err != nil || done == nil {
		t.Fatalf("no end: %v", err)
	}
	if done.Text != text.String() || pieces < 2 || tokens != len(done.Logprobs) || tokens == 0 {
		t.Errorf("pieces %q in %d with %d log-probs; whole %q with %d", text.String(), pieces, tokens, done.Text, len(done.Logprobs))
	}
	if done.Logprob == nil || *done.Logprob >= 0 || len(done.Logprobs[0].Top) != 2 {
		t.Errorf("log-probs: %v %+v", done.Logprob, done.Logprobs[0])
	}
}

func TestLiveUnknownModel(t *testing.T) {
	c := live(t)
	d := liveDraw(3, 4)
	d.Model = "nobody:1b"
	err := c.Continue(t.Context(), d, func(p chat.Piece) { t.Errorf("piece %+v", p) })
	if chat.KindOf(err) != chat.NotFound || !strings.Contains(err.Error(), "nobody:1b") {
		t.Errorf("error %v", err)
	}
}

func TestLivePromptTooLongIsRefused(t *testing.T) {
	c := live(t)
	d := liveDraw(1, 4)
	d.Messages[0].Content = strings.Repeat("word ", 20000)
	err := c.Continue(t.Context(), d, func(p chat.Piece) { t.Errorf("piece %+v", p) })
	if chat.KindOf(err) != chat.Invalid {
		t.Errorf("error %v", err)
	}
}

func TestLiveCancel(t *testing.T) {
	c := live(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := liveDraw(4, 2000)
	d.Stream = true
	var once sync.Once
	if err := c.Continue(ctx, d, func(chat.Piece) { once.Do(cancel) }); err != context.Canceled {
		t.Fatalf("error %v", err)
	}
	// What follows would wait for the slots if they were still busy.
	start := time.Now()
	draw(t, c, liveDraw(1, 1))
	t.Logf("the next token came %v after cancelling", time.Since(start))
}

func TestLivePublish(t *testing.T) {
	c := live(t)
	ctx := t.Context()
	base, err := c.Show(ctx, liveModel)
	if err != nil {
		t.Fatal(err)
	}
	if base.Path == "" {
		t.Skip("the model's file cannot be read from here")
	}
	name := "plumb-live-test:" + base.Digest[7:15]
	if err := c.Delete(ctx, name); err != nil && chat.KindOf(err) != chat.NotFound {
		t.Fatal(err)
	}
	digest, err := c.Publish(ctx, name, base.Path, "", base)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.Publish(ctx, name, base.Path, base.Blob, base); err != nil || again != digest {
		t.Errorf("published again: %q %v, want %q", again, err, digest)
	}
	if _, err := c.Publish(ctx, name, base.Path, "sha256:"+strings.Repeat("0", 64), base); chat.KindOf(err) != chat.Conflict {
		t.Errorf("another file under the name: %v", err)
	}
	copied, err := c.Show(ctx, name)
	if err != nil || copied.Template != base.Template || copied.System != base.System || copied.Blob != base.Blob {
		t.Errorf("the copy differs: %+v %v", copied, err)
	}
	if err := c.Warm(ctx, name); err != nil {
		t.Fatal(err)
	}
	d := liveDraw(1, 8)
	want := draw(t, c, d)[0].Text
	d.Model = name
	if got := draw(t, c, d)[0].Text; got != want {
		t.Errorf("the copy says %q, the base %q", got, want)
	}
	if err := c.Unload(ctx, name); err != nil {
		t.Error(err)
	}
	if err := c.Delete(ctx, name); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Abilities(ctx, name); chat.KindOf(err) != chat.NotFound {
		t.Errorf("after deletion: %v", err)
	}
}

func TestLiveEmbeddings(t *testing.T) {
	c := live(t)
	rows, err := c.Embeddings(t.Context(), liveModel, []string{"a plumb line", "a lead weight"})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || len(rows[0]) != 576 {
		t.Errorf("%d rows of %d", len(rows), len(rows[0]))
	}
}

func TestLiveProbe(t *testing.T) {
	live(t)
	if kind, err := Probe(t.Context(), os.Getenv("PLUMB_TEST_OLLAMA")); kind != KindOllama || err != nil {
		t.Errorf("%q %v", kind, err)
	}
}

// Where the template closes a last assistant message, prefixes are continued raw: the suite holds just the same.
func TestLiveClosedTemplate(t *testing.T) {
	c := live(t)
	base, err := c.Show(t.Context(), liveModel)
	if err != nil {
		t.Fatal(err)
	}
	if base.Path == "" {
		t.Skip("the model's file cannot be read from here")
	}
	base.Template = "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
	const name = "plumb-live-test:closed"
	if _, err := c.Publish(t.Context(), name, base.Path, base.Blob, base); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Delete(context.Background(), name) })
	if m, err := c.model(t.Context(), name); err != nil || m.open || !m.can.Prefix {
		t.Fatalf("%+v %v", m, err)
	}
	samplertest.TestGenerator(t, func(t *testing.T) samplertest.Subject {
		return samplertest.Subject{Generator: c, Model: name}
	})
}
