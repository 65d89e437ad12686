package lm

import (
	"plumb/chat"
	"plumb/lm/token"
)

// writer turns the tokens of one reply into pieces.
type writer struct {
	m            *Model
	index        int
	stream       bool
	wantLogprobs bool
	each         func(chat.Piece)
	decode       *token.Stream
	stop         stopper
	logprob      float64
	seen, passed int       // bytes of text decoded, and passed on
	pending      []spelled // tokens whose text has not begun to be passed on
	done         chat.Completion
}

// spelled is a token and where its text begins.
type spelled struct {
	logprob chat.TokenLogprob
	at      int
}

func (m *Model) newWriter(index int, d chat.Draw, promptTokens int, each func(chat.Piece)) *writer {
	return &writer{
		m: m, index: index, stream: d.Stream, each: each, wantLogprobs: d.Sampling.Logprobs,
		stop: stopper{stops: d.Sampling.Stop}, decode: m.tokenizer.Stream(),
		done: chat.Completion{PromptTokens: promptTokens},
	}
}

// add takes the next token and says whether the reply goes on.
func (w *writer) add(t Token) bool {
	w.done.CompletionTokens++
	w.logprob += t.Logprob
	ends := t.Finish
	text := w.text(t)
	pass, found := w.stop.push(text)
	switch {
	case found:
		ends = chat.FinishStop
	case ends != "":
		pass += w.stop.flush()
	}
	w.pass(pass, ends != "" && !found)
	if ends == "" {
		return true
	}
	w.done.Finish, w.done.Logprob = ends, &w.logprob
	w.each(chat.Piece{Index: w.index, Done: &w.done})
	return false
}

// text returns what a token adds to the text. The ending token adds nothing, and no other mark of the model's does: they are
// no text.
func (w *writer) text(t Token) string {
	text := ""
	if t.Finish != chat.FinishStop {
		if w.wantLogprobs {
			w.pending = append(w.pending, spelled{w.m.logprobOf(t), w.seen})
		}
		if w.m.tokenizer.Type(t.ID) != token.Control {
			text = w.decode.Push(t.ID)
		}
	}
	if t.Finish != "" {
		text += w.decode.Flush()
	}
	w.seen += len(text)
	return text
}

// pass passes text on, with the tokens whose text begins in it: those of a stop sequence never are. With all set it passes
// every token.
func (w *writer) pass(text string, all bool) {
	w.passed += len(text)
	w.done.Text += text
	n := 0
	for n < len(w.pending) && (all || w.pending[n].at < w.passed) {
		n++
	}
	before := len(w.done.Logprobs)
	for _, p := range w.pending[:n] {
		w.done.Logprobs = append(w.done.Logprobs, p.logprob)
	}
	w.pending = w.pending[n:]
	if w.stream && (text != "" || n > 0) {
		w.each(chat.Piece{Index: w.index, Text: text, Logprobs: w.done.Logprobs[before:len(w.done.Logprobs):len(w.done.Logprobs)]})
	}
}

// logprobOf is a token as the API reports it.
func (m *Model) logprobOf(t Token) chat.TokenLogprob {
	l := m.reported(t.ID, t.Logprob)
	for _, a := range t.Top {
		l.Top = append(l.Top, m.reported(a.ID, a.Logprob))
	}
	return l
}

func (m *Model) reported(id int32, logprob float64) chat.TokenLogprob {
	piece := m.tokenizer.Piece(id)
	bytes := make([]int, len(piece))
	for i, b := range piece {
		bytes[i] = int(b)
	}
	return chat.TokenLogprob{Token: string(piece), Logprob: logprob, Bytes: bytes}
}
