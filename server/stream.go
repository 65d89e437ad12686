package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"plumb/chat"
	"plumb/sampler"
)

// Modes of a stream.
const (
	modePass     = "pass"     // nothing is chosen: text goes out as it is drawn
	modeBuffered = "buffered" // the reply is chosen first; heartbeats until then
)

// opening is how long a stream waits before it opens with a comment: what fails at once still has its own status.
const opening = 20 * time.Millisecond

// stream answers with events. A stream of which the reply is yet to be chosen opens almost at once, for drawing takes
// long and what stands between client and server cuts silent connections. One that passes text on opens with the first
// text, or with the first heartbeat.
func (s *Server) stream(ctx context.Context, c *gin.Context, j *job, seat *seat) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first := opening
	j.trace.mode = modeBuffered
	if j.passes() {
		first, j.trace.mode = s.options.Heartbeat, modePass
	}
	e := &events{c: c, j: j, cancel: cancel}
	stop := e.keepAlive(first, s.options.Heartbeat)
	defer stop()
	j.request.Stream = e.piece
	o, err := s.sample(ctx, j, seat)
	if err == nil {
		stored := s.keep(ctx, j, o)
		stop()
		e.finish(o, stored)
		return e.err
	}
	stop()
	if e.begun {
		return e.fail(err, traceOf(c).id)
	}
	return err
}

// passes says whether one candidate alone will be drawn, so that its text can go out as it comes.
func (j *job) passes() bool {
	r := j.request
	return r.Return == 1 && (r.N == 1 || r.N == 0 && j.weight() == 1)
}

// events writes one stream of chat.completion.chunks. Its methods may be called concurrently until the keep-alive is
// stopped; the first write that fails cancels the request and silences the rest.
type events struct {
	c      *gin.Context
	j      *job
	cancel context.CancelFunc

	mu    sync.Mutex
	begun bool
	last  time.Time  // of the last write
	sent  []sentText // by choice
	err   error
	line  bytes.Buffer
}

// sentText is what a choice has had so far.
type sentText struct {
	role, text bool
}

// keepAlive sends a comment after first, and then whenever nothing was sent for a while. The function that it returns ends
// that, and returns when it has.
func (e *events) keepAlive(first, every time.Duration) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		timer := time.NewTimer(first)
		defer timer.Stop()
		for {
			select {
			case <-quit:
				return
			case <-timer.C:
			}
			e.mu.Lock()
			if !e.begun || time.Since(e.last) >= every {
				e.write([]byte(": drawing\n\n"))
			}
			timer.Reset(every - time.Since(e.last))
			e.mu.Unlock()
		}
	}()
	return sync.OnceFunc(func() { close(quit); <-done })
}

// piece passes on text as it is drawn.
func (e *events) piece(p chat.Piece) {
	if p.Text == "" && len(p.Logprobs) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.text(p.Index, p.Text, p.Logprobs)
}

// text sends a part of a choice's text, and before the first one the role.
func (e *events) text(choice int, text string, tokens []chat.TokenLogprob) {
	e.role(choice)
	e.sent[choice].text = true
	e.send(e.chunk(wireChunkChoice{Index: choice, Delta: wireDelta{Content: &text}, Logprobs: toLogprobs(e.j.q.sampling, tokens)}))
}

func (e *events) role(choice int) {
	for len(e.sent) <= choice {
		e.sent = append(e.sent, sentText{})
	}
	if e.sent[choice].role {
		return
	}
	e.sent[choice].role = true
	var empty string
	e.send(e.chunk(wireChunkChoice{Index: choice, Delta: wireDelta{Role: chat.Assistant, Content: &empty}}))
}

// finish sends what of the choices has not been sent, how they ended, how they were chosen, and the end. After the
// keep-alive has stopped nobody else writes.
func (e *events) finish(o outcome, stored *string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, k := range o.Chosen {
		c := o.Candidates[k]
		e.role(i)
		if !e.sent[i].text {
			e.whole(i, c)
		}
		last := e.chunk(wireChunkChoice{Index: i, FinishReason: &c.Finish})
		if i == len(o.Chosen)-1 && !e.j.q.includeUsage {
			last.Align = toAlign(e.j, o, stored)
		}
		e.send(last)
	}
	if e.j.q.includeUsage {
		used := toUsage(o)
		last := e.chunk()
		last.Usage, last.Align = &used, toAlign(e.j, o, stored)
		e.send(last)
	}
	e.write([]byte("data: [DONE]\n\n"))
}

// whole sends a finished reply in parts.
func (e *events) whole(choice int, c sampler.Candidate) {
	if len(c.ToolCalls) > 0 {
		e.send(e.chunk(wireChunkChoice{Index: choice, Delta: wireDelta{ToolCalls: numbered(c.ToolCalls)}}))
	}
	if e.j.q.sampling.Logprobs {
		e.text(choice, c.Text, c.Logprobs)
		return
	}
	for part := range parts(c.Text) {
		e.text(choice, part, nil)
	}
}

// fail ends a stream that has begun with an error, and without [DONE].
func (e *events) fail(err error, requestID string) error {
	_, body := envelopeOf(err, requestID)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.send(body)
	return err
}

func (e *events) chunk(choices ...wireChunkChoice) wireChunk {
	if choices == nil {
		choices = []wireChunkChoice{}
	}
	return wireChunk{ID: e.j.id, Object: "chat.completion.chunk", Created: e.j.begun.Unix(), Model: e.j.named(), Choices: choices,
		ServiceTier: tier(e.j.q.tier), SystemFingerprint: fingerprint(e.j.policy.Digest)}
}

// send writes one event.
func (e *events) send(v any) {
	e.line.Reset()
	e.line.WriteString("data: ")
	if err := encode(&e.line, v); err != nil {
		panic(err)
	}
	e.line.WriteByte('\n')
	e.write(e.line.Bytes())
}

func (e *events) write(b []byte) {
	if e.err != nil {
		return
	}
	w := e.c.Writer
	if !e.begun {
		e.begun = true
		h := w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // nginx would collect the events
		w.WriteHeader(http.StatusOK)
	}
	e.last = time.Now()
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(e.last.Add(slowest))
	if _, e.err = w.Write(b); e.err == nil {
		e.err = control.Flush()
	}
	if e.err != nil {
		e.cancel()
	}
}

// parts cuts text into parts of some words each.
func parts(text string) func(yield func(string) bool) {
	const least = 24 // bytes
	return func(yield func(string) bool) {
		for len(text) > 0 {
			end := len(text)
			if least < end {
				if space := strings.IndexAny(text[least:], " \n"); space >= 0 {
					end = least + space
				} else {
					for end = least; !utf8.RuneStart(text[end]); end++ { // no space: as in Chinese
					}
				}
			}
			if !yield(text[:end]) {
				return
			}
			text = text[end:]
		}
	}
}

// numbered adds to each tool call its index, as streams have it.
func numbered(calls json.RawMessage) json.RawMessage {
	var all []map[string]json.RawMessage
	if json.Unmarshal(calls, &all) != nil {
		return calls
	}
	for i, call := range all {
		call["index"] = json.RawMessage(itoa(i))
	}
	text, err := json.Marshal(all)
	if err != nil {
		return calls
	}
	return text
}
