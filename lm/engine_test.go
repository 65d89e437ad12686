package lm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"plumb/chat"
)

// shelf is the models of a test's engine, by name; each opening makes a new one.
type shelf struct {
	t      testing.TB
	mu     sync.Mutex
	opened map[string]int
	fail   error
}

func (s *shelf) open(_ context.Context, name string) (*Model, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == nil {
		s.opened = map[string]int{}
	}
	s.opened[name]++
	if s.fail != nil {
		return nil, s.fail
	}
	if !strings.HasPrefix(name, "sketch") {
		return nil, &chat.Error{Kind: chat.NotFound, Msg: fmt.Sprintf("open model: %q not found", name)}
	}
	return parseModel(sketch{}.file(s.t, uint64(len(name))))
}

func (s *shelf) list(context.Context) ([]chat.Model, error) {
	return []chat.Model{{Name: "sketch"}}, nil
}

func (s *shelf) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened[name]
}

func newTestEngine(t testing.TB, o Options) (*Engine, *shelf) {
	s := &shelf{t: t}
	return NewEngine(s.open, s.list, o), s
}

func temperature(x float64) chat.Sampling { return chat.Sampling{Temperature: &x} }

// drawOf is a draw of n whole replies.
func drawOf(n int) chat.Draw {
	d := chat.Draw{Model: "sketch", Messages: []chat.Message{{Role: chat.User, Content: "hello"}}, Prefixes: make([]string, n), MaxTokens: 12}
	for i := range n {
		d.Seeds = append(d.Seeds, int64(i+1))
	}
	return d
}

// drawn collects what a draw gives: the completion of each continuation, the streamed texts, the errors.
func drawn(t testing.TB, e *Engine, d chat.Draw) (done []chat.Completion, streamed []string, failed []error) {
	t.Helper()
	n := len(d.Prefixes)
	done, streamed, failed = make([]chat.Completion, n), make([]string, n), make([]error, n)
	over := make([]bool, n)
	var busy atomic.Int32
	err := e.Continue(context.Background(), d, func(p chat.Piece) {
		if busy.Add(1) != 1 {
			t.Error("pieces come concurrently")
		}
		defer busy.Add(-1)
		if over[p.Index] {
			t.Errorf("continuation %d: a piece after its last one", p.Index)
		}
		streamed[p.Index] += p.Text
		if p.Done != nil {
			done[p.Index] = *p.Done
		}
		failed[p.Index] = p.Err
		over[p.Index] = p.Done != nil || p.Err != nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(over, false) {
		t.Errorf("not every continuation has a last piece: %v", over)
	}
	return done, streamed, failed
}

func texts(done []chat.Completion) (list []string) {
	for _, c := range done {
		list = append(list, fmt.Sprintf("%s|%s|%d|%v", c.Text, c.Finish, c.CompletionTokens, *c.Logprob))
	}
	return list
}

// The same seeds give the same texts and log-probs to the last bit: alone or together, with a cold or a warm cache, while
// other requests run.
func TestContinueIsExactlyReproducible(t *testing.T) {
	e, _ := newTestEngine(t, Options{})
	d := drawOf(8)
	first, _, _ := drawn(t, e, d)
	want := texts(first)
	if len(slices.Compact(slices.Sorted(slices.Values(want)))) < 4 {
		t.Errorf("the texts are nearly all the same: %q", want)
	}
	again, _, _ := drawn(t, e, d)
	if !slices.Equal(texts(again), want) {
		t.Errorf("with a warm cache:\n got %q\nwant %q", texts(again), want)
	}
	var wg sync.WaitGroup
	for i := range d.Seeds {
		wg.Go(func() {
			single := d
			single.Prefixes, single.Seeds = d.Prefixes[i:i+1], d.Seeds[i:i+1]
			alone, _, _ := drawn(t, e, single)
			if got := texts(alone)[0]; got != want[i] {
				t.Errorf("seed %d alone: got %q, want %q", d.Seeds[i], got, want[i])
			}
		})
	}
	wg.Wait()
}

// A prompt that was read is not read again: what the cache holds is what replies go on from.
func TestContinueGoesOnFromTheCache(t *testing.T) {
	e, _ := newTestEngine(t, Options{})
	d := drawOf(1)
	d.Sampling = temperature(0)
	first, _, _ := drawn(t, e, d)
	drawn(t, e, d)
	prompts := 0
	for _, k := range theLine(t, e).scheduler.cache.kept {
		if k.hidden != nil {
			clear(k.hidden)
			prompts++
		}
	}
	if prompts != 1 {
		t.Fatalf("%d prompts are kept", prompts)
	}
	second, _, _ := drawn(t, e, d)
	if *second[0].Logprob == *first[0].Logprob {
		t.Error("the prompt was read anew")
	}
}

// A reply drawn in blocks is the reply drawn in one: each block goes on from the text so far. Prefixes of different lengths
// go beside each other.
func TestContinueGoesOnFromPrefixes(t *testing.T) {
	e, _ := newTestEngine(t, Options{})
	d := drawOf(1)
	d.Sampling, d.MaxTokens = temperature(0), 40
	whole, _, _ := drawn(t, e, d)
	text := whole[0].Text
	if len(text) < 6 || strings.Contains(text, "ab") {
		t.Fatalf("the sketch says %q: no good for this test", text)
	}
	blocks := ""
	for len(blocks) < len(text) {
		d.Prefixes, d.MaxTokens = []string{blocks}, 3
		part, _, _ := drawn(t, e, d)
		blocks += part[0].Text
		if part[0].Finish == chat.FinishStop {
			break
		}
	}
	if !strings.HasPrefix(blocks, text) {
		t.Errorf("in blocks: %q\nin one: %q", blocks, text)
	}
	d.Prefixes, d.Seeds, d.MaxTokens = []string{"", text[:1], text[:5], text[:5], "zz"}, make([]int64, 5), 4
	parts, _, _ := drawn(t, e, d)
	for i, from := range []int{0, 1, 5, 5} {
		if want := text[from:min(len(text), from+4)]; parts[i].Text != want {
			t.Errorf("after %q: %q, want %q", d.Prefixes[i], parts[i].Text, want)
		}
	}
	if parts[2].PromptTokens != parts[0].PromptTokens+5 {
		t.Errorf("%d prompt tokens with a prefix of 5, %d without", parts[2].PromptTokens, parts[0].PromptTokens)
	}
}

func TestContinueStreams(t *testing.T) {
	e, _ := newTestEngine(t, Options{})
	d := drawOf(4)
	plain, quiet, _ := drawn(t, e, d)
	d.Stream = true
	done, streamed, _ := drawn(t, e, d)
	for i := range done {
		if streamed[i] != done[i].Text || done[i].Text != plain[i].Text || quiet[i] != "" {
			t.Errorf("continuation %d: streamed %q, done %q, without stream %q and pieces %q", i, streamed[i], done[i].Text, plain[i].Text, quiet[i])
		}
	}
}

func TestContinueEndsWithTheContext(t *testing.T) {
	e, _ := newTestEngine(t, Options{})
	d := drawOf(6)
	d.MaxTokens = 0
	done, _, _ := drawn(t, e, d)
	full := 0
	for i, c := range done {
		switch total := c.PromptTokens + c.CompletionTokens; {
		case c.Finish == chat.FinishLength && total == 64:
			full++
		case c.Finish == chat.FinishStop && total <= 64:
		default:
			t.Errorf("continuation %d: %s after %d tokens of a context of 64", i, c.Finish, total)
		}
	}
	if full == 0 {
		t.Error("none reached the end of the context: the test shows nothing")
	}
}

func TestContinueRefusesByName(t *testing.T) {
	e, s := newTestEngine(t, Options{})
	long := strings.Repeat("x", 70)
	for name, c := range map[string]struct {
		change func(d *chat.Draw)
		kind   chat.Kind
		param  string
		says   []string
	}{
		"tools":         {func(d *chat.Draw) { d.Sampling.Tools = []byte(`[{}]`) }, chat.Invalid, "tools", nil},
		"tool choice":   {func(d *chat.Draw) { d.Sampling.ToolChoice = []byte(`"auto"`) }, chat.Invalid, "tool_choice", nil},
		"format":        {func(d *chat.Draw) { d.Sampling.ResponseFormat = []byte(`{}`) }, chat.Invalid, "response_format", nil},
		"nothing":       {func(d *chat.Draw) { d.Prefixes, d.Seeds = nil, nil }, chat.Invalid, "n", []string{"0", "64"}},
		"too many":      {func(d *chat.Draw) { *d = drawOf(65) }, chat.Invalid, "n", []string{"65", "64"}},
		"seeds":         {func(d *chat.Draw) { d.Seeds = d.Seeds[:1] }, chat.Invalid, "seed", []string{"1 seeds for 2"}},
		"empty stop":    {func(d *chat.Draw) { d.Sampling.Stop = []string{"a", ""} }, chat.Invalid, "stop[1]", nil},
		"max tokens":    {func(d *chat.Draw) { d.MaxTokens = -1 }, chat.Invalid, "max_tokens", []string{"-1"}},
		"temperature":   {func(d *chat.Draw) { d.Sampling = temperature(-.5) }, chat.Invalid, "temperature", []string{"-0.5"}},
		"long prompt":   {func(d *chat.Draw) { d.Messages[0].Content = long }, chat.Invalid, "messages", []string{"73", "64"}},
		"unknown model": {func(d *chat.Draw) { d.Model = "nope" }, chat.NotFound, "", []string{"nope"}},
	} {
		d := drawOf(2)
		c.change(&d)
		err := e.Continue(context.Background(), d, func(chat.Piece) { t.Errorf("%s: a piece", name) })
		var failure *chat.Error
		if !errors.As(err, &failure) || failure.Kind != c.kind || failure.Param != c.param {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range c.says {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %s", name, err, want)
			}
		}
	}
	if s.count("nope") != 1 {
		t.Errorf("opened %d times", s.count("nope"))
	}
}

// A prefix that does not fit fails alone.
func TestContinueFailsOnePrefixAlone(t *testing.T) {
	e, _ := newTestEngine(t, Options{})
	d := drawOf(3)
	want, _, _ := drawn(t, e, d)
	d.Prefixes[1] = strings.Repeat("x", 60)
	done, _, failed := drawn(t, e, d)
	if chat.KindOf(failed[1]) != chat.Invalid || failed[0] != nil || failed[2] != nil {
		t.Errorf("errors %v", failed)
	}
	if done[0].Text != want[0].Text || done[2].Text != want[2].Text {
		t.Errorf("the others: %q and %q, want %q and %q", done[0].Text, done[2].Text, want[0].Text, want[2].Text)
	}
}

// theLine returns the line of the sketch once it rests.
func theLine(t testing.TB, e *Engine) *line {
	t.Helper()
	for m, l := range e.lines {
		for busy := true; busy; runtime.Gosched() {
			l.mu.Lock()
			busy = l.serving
			l.mu.Unlock()
		}
		if len(e.lines) == 1 {
			return l
		}
		_ = m
	}
	t.Fatalf("%d lines", len(e.lines))
	return nil
}

// Where there is no room for more, at most Queue requests wait; the next is turned away, and a waiting one can leave.
func TestEngineBoundsItsQueue(t *testing.T) {
	e, _ := newTestEngine(t, Options{Replies: 1, Queue: 1})
	drawn(t, e, drawOf(1))
	l := theLine(t, e)
	step := make(chan struct{})
	m, done, err := e.models.get(context.Background(), "sketch")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	results := make(chan error, 2)
	inside := make(chan struct{})
	var once sync.Once
	if err := l.join(m.newRequest(context.Background(), []int32{2, 3}, []Job{{}}, Settings{MaxTokens: 2}, 64, func(int, Token) bool {
		once.Do(func() { close(inside); <-step })
		return true
	}, func(err error) { results <- err })); err != nil {
		t.Fatal(err)
	}
	<-inside
	ctx, cancel := context.WithCancel(context.Background())
	go func() { results <- e.Continue(ctx, drawOf(1), func(chat.Piece) {}) }()
	for waits := 0; waits == 0; runtime.Gosched() {
		l.mu.Lock()
		waits = len(l.waiting)
		l.mu.Unlock()
	}
	err = e.Continue(context.Background(), drawOf(1), func(chat.Piece) { t.Error("a piece") })
	var failure *chat.Error
	if !errors.As(err, &failure) || failure.Kind != chat.RateLimited || failure.RetryAfter == 0 {
		t.Errorf("beyond the queue: %v", err)
	}
	cancel()
	if err := <-results; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while waiting: %v", err)
	}
	close(step)
	if err := <-results; err != nil {
		t.Error(err)
	}
	drawn(t, e, drawOf(1)) // there is room again
	if n := len(theLine(t, e).waiting); n != 0 {
		t.Errorf("%d still wait", n)
	}
}

func TestContinueStopsWhenCancelled(t *testing.T) {
	e, _ := newTestEngine(t, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	d := drawOf(2)
	d.Stream, d.MaxTokens = true, 0
	pieces := 0
	err := e.Continue(ctx, d, func(p chat.Piece) {
		pieces++
		cancel()
	})
	if !errors.Is(err, context.Canceled) || pieces > 4 {
		t.Errorf("%v after %d pieces", err, pieces)
	}
	if err := e.Continue(ctx, d, func(chat.Piece) { t.Error("a piece after the end") }); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

// Models are opened once, however many ask, and the one unused for longest is closed when there are too many.
func TestEngineHoldsFewModels(t *testing.T) {
	e, s := newTestEngine(t, Options{OpenModels: 2})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { drawn(t, e, drawOf(1)) })
	}
	wg.Wait()
	if s.count("sketch") != 1 {
		t.Errorf("opened %d times", s.count("sketch"))
	}
	use := func(name string) {
		t.Helper()
		if _, err := e.Abilities(context.Background(), name); err != nil {
			t.Fatal(err)
		}
	}
	m, done, err := e.models.get(context.Background(), "sketch")
	if err != nil {
		t.Fatal(err)
	}
	use("sketch-2")
	use("sketch-3") // closes sketch-2: sketch is in use, though for longer
	if _, held := e.models.held["sketch-2"]; held || len(e.models.held) != 2 || e.lines[m] == nil {
		t.Errorf("%d models held, %d lines", len(e.models.held), len(e.lines))
	}
	done()
	use("sketch-3") // now sketch is unused for longer
	use("sketch-4")
	if _, held := e.models.held["sketch"]; held {
		t.Error("the oldest is still held")
	}
	if e.lines[m] != nil {
		t.Error("what was read with a closed model is kept")
	}
	use("sketch")
	if s.count("sketch") != 2 {
		t.Errorf("opened %d times, want 2", s.count("sketch"))
	}
}

func TestEngineOpensAgainAfterAFailure(t *testing.T) {
	e, s := newTestEngine(t, Options{})
	s.fail = errors.New("disk away")
	if err := e.Continue(context.Background(), drawOf(1), nil); !errors.Is(err, s.fail) {
		t.Errorf("got %v", err)
	}
	s.fail = nil
	drawn(t, e, drawOf(1))
}

func TestEngineSaysWhatItCanDo(t *testing.T) {
	e, _ := newTestEngine(t, Options{})
	a, err := e.Abilities(context.Background(), "sketch")
	want := chat.Abilities{Prefix: true, Logprobs: true, Penalties: true, Seed: true, Slots: 64, Context: 64}
	if err != nil || a != want {
		t.Errorf("%+v, %v", a, err)
	}
	if list, err := e.Models(context.Background()); err != nil || len(list) != 1 || list[0].Name != "sketch" {
		t.Errorf("%v, %v", list, err)
	}
}

func TestContinueReportsLogprobs(t *testing.T) {
	e, _ := newTestEngine(t, Options{})
	d := drawOf(2)
	d.Sampling = chat.Sampling{Logprobs: true, TopLogprobs: 3}
	done, _, _ := drawn(t, e, d)
	for i, c := range done {
		text := ""
		for _, l := range c.Logprobs {
			text += l.Token
			if len(l.Top) != 3 || l.Top[0].Logprob < l.Top[2].Logprob || l.Logprob > l.Top[0].Logprob {
				t.Errorf("continuation %d: %+v", i, l)
			}
		}
		if text != c.Text {
			t.Errorf("continuation %d: tokens %q, text %q", i, text, c.Text)
		}
	}
}
