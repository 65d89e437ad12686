package upstreamtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"plumb/chat"
)

// dialect is what differs between the two APIs in how a reply is written.
type dialect interface {
	// token writes one token of a streamed reply.
	token(text string, logprob *chat.TokenLogprob)
	// end writes what ends a reply: all of it where it is not streamed.
	end(d drawn, calls []Call)
	// fail writes an error in mid-stream.
	fail(message string)
	// refuse answers with an error status.
	refuse(status int, message string)
}

// play answers a request as the script says and in the words of d.
func (s *Server) play(w http.ResponseWriter, req *http.Request, r Request, own Model, d dialect) {
	reply, r := s.begin(r)
	left := true
	defer func() { s.end(left) }()
	if reply.Status != 0 {
		left = false
		if reply.RetryIn != "" {
			w.Header().Set("Retry-After", reply.RetryIn)
		}
		if reply.Body == "" {
			d.refuse(reply.Status, http.StatusText(reply.Status))
			return
		}
		w.WriteHeader(reply.Status)
		w.Write([]byte(reply.Body))
		return
	}
	text := speak(r.Prompt, r, own)
	if reply.Tokens != nil {
		text = drawn{tokens: reply.Tokens, finish: chat.FinishStop}.stopped(r.Sampling.Stop)
	}
	if reply.Finish != "" {
		text.finish = reply.Finish
	}
	left = s.tokens(w, req, r, reply, text, d)
}

// tokens writes the tokens and the end or the fault, and says whether the client went away meanwhile.
func (s *Server) tokens(w http.ResponseWriter, req *http.Request, r Request, reply Reply, text drawn, d dialect) (left bool) {
	for i := 0; i < len(text.tokens) || reply.Fault == Endless || reply.Fault != None && i <= reply.After; i++ {
		if reply.Fault != None && reply.Fault != Endless && i == reply.After {
			return s.fault(w, req, r, reply, d)
		}
		if !s.pause(req, max(reply.Delay, endlessPause(reply))) {
			return true
		}
		if r.Stream {
			d.token(text.tokens[i%max(1, len(text.tokens))], logprobAt(text, r, i))
		}
	}
	d.end(text, reply.ToolCalls)
	return req.Context().Err() != nil
}

// endlessPause keeps an endless reply from filling memory.
func endlessPause(reply Reply) time.Duration {
	if reply.Fault == Endless {
		return time.Millisecond
	}
	return 0
}

func logprobAt(text drawn, r Request, i int) *chat.TokenLogprob {
	if !r.Sampling.Logprobs || i >= len(text.logprobs) {
		return nil
	}
	return &text.logprobs[i]
}

func (s *Server) fault(w http.ResponseWriter, req *http.Request, r Request, reply Reply, d dialect) (left bool) {
	if !r.Stream && reply.After > 0 && reply.Fault != Error {
		w.Write([]byte(`{"object": "chat.completion", "message": {"content": "half a re`))
	}
	switch reply.Fault {
	case Cut:
		if reply.After > 0 {
			flush(w)
		}
		panic(http.ErrAbortHandler) // the server closes the connection and logs nothing
	case Garbage:
		w.Write([]byte("<html>this is not a model\n\n"))
	case Error:
		d.fail("the runner died")
	case Hang:
		if reply.After > 0 {
			flush(w)
		}
		return !s.pause(req, time.Hour)
	}
	return false
}

// pause waits and says whether the client is still there. Closing the server counts as leaving.
func (s *Server) pause(req *http.Request, d time.Duration) bool {
	if d == 0 {
		return req.Context().Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-req.Context().Done():
		return false
	case <-s.closed:
		return false
	case <-timer.C:
		return true
	}
}

func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// absent says that an optional JSON field is missing or null.
func absent(raw json.RawMessage) bool { return len(raw) == 0 || slices.Equal(raw, []byte("null")) }
