package lm

import (
	"math/rand/v2"
	"strings"
	"testing"

	"plumb/chat"
)

// write feeds a text to a writer, a token a character, and returns the pieces.
func write(m *Model, text string, finish string, d chat.Draw) (pieces []chat.Piece) {
	w := m.newWriter(0, d, 3, func(p chat.Piece) { pieces = append(pieces, p) })
	for i, r := range text {
		t := Token{ID: m.Tokenizer().Encode(string(r), false)[0], Logprob: -1}
		if i == len(text)-1 {
			t.Finish = finish
		}
		if !w.add(t) {
			break
		}
	}
	return pieces
}

func TestStopsAreCutBeforeTheMatch(t *testing.T) {
	m := sketch{}.open(t, 1)
	for name, c := range map[string]struct {
		text   string
		stops  []string
		want   string
		finish string
		tokens int // with log-probs
	}{
		"none":            {"abcd", nil, "abcd", chat.FinishLength, 4},
		"plain":           {"ab.cd", []string{"."}, "ab", chat.FinishStop, 2},
		"across tokens":   {"abENDcd", []string{"END"}, "ab", chat.FinishStop, 2},
		"false start":     {"abENcd", []string{"END"}, "abENcd", chat.FinishLength, 6},
		"starts twice":    {"aEENDx", []string{"END"}, "aE", chat.FinishStop, 2},
		"at the start":    {"ENDx", []string{"END"}, "", chat.FinishStop, 0},
		"at the end":      {"abEN", []string{"END"}, "abEN", chat.FinishLength, 4},
		"earliest wins":   {"a12b", []string{"2", "12"}, "a", chat.FinishStop, 1},
		"one in another":  {"aXYZ", []string{"XYZ", "Y"}, "aX", chat.FinishStop, 2},
		"overlap of both": {"abab!", []string{"abab!", "ba"}, "a", chat.FinishStop, 1},
	} {
		for _, stream := range []bool{false, true} {
			pieces := write(m, c.text, chat.FinishLength, chat.Draw{Stream: stream, Sampling: chat.Sampling{Stop: c.stops, Logprobs: true}})
			done := pieces[len(pieces)-1].Done
			if done == nil || done.Text != c.want || done.Finish != c.finish || len(done.Logprobs) != c.tokens {
				t.Errorf("%s: got %+v, want %q (%s) and %d tokens", name, done, c.want, c.finish, c.tokens)
				continue
			}
			if done.PromptTokens != 3 || *done.Logprob != -float64(done.CompletionTokens) {
				t.Errorf("%s: %d prompt tokens, log-prob %v of %d tokens", name, done.PromptTokens, *done.Logprob, done.CompletionTokens)
			}
			if !stream && len(pieces) != 1 {
				t.Errorf("%s: %d pieces without stream", name, len(pieces))
			}
		}
	}
}

// Whatever the text and the stops: what is streamed, joined, is the text before the first stop, and nothing that turns out
// to belong to a stop was ever passed on.
func TestStreamIsTheTextBeforeTheFirstStop(t *testing.T) {
	m := sketch{}.open(t, 1)
	r := rand.New(rand.NewPCG(7, 7))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "xyz"[r.IntN(3)]
		}
		return string(b)
	}
	for range 2000 {
		text, stops := word(1+r.IntN(20)), []string{word(1 + r.IntN(4)), word(1 + r.IntN(4))}
		want := text
		for end := range len(text) + 1 { // the first place at which a stop is complete
			cut := -1
			for _, stop := range stops {
				if at := strings.Index(text[:end], stop); at >= 0 && (cut < 0 || at < cut) {
					cut = at
				}
			}
			if cut >= 0 {
				want = text[:cut]
				break
			}
		}
		var got, spelled strings.Builder
		for _, p := range write(m, text, chat.FinishLength, chat.Draw{Stream: true, Sampling: chat.Sampling{Stop: stops, Logprobs: true}}) {
			got.WriteString(p.Text)
			for _, l := range p.Logprobs {
				spelled.WriteString(l.Token)
			}
			if p.Done != nil && p.Done.Text != want {
				t.Fatalf("%q with stops %q: done with %q, want %q", text, stops, p.Done.Text, want)
			}
		}
		if got.String() != want || spelled.String() != want {
			t.Fatalf("%q with stops %q: streamed %q, tokens %q, want %q", text, stops, got.String(), spelled.String(), want)
		}
	}
}

// Marks of the model's own are no text, and a character of several tokens comes whole.
func TestWriterHidesMarksAndJoinsCharacters(t *testing.T) {
	m := open(t, "tiny-llama.gguf")
	ids := m.Tokenizer().Encode("é", false)
	if len(ids) < 2 {
		t.Skip("the vocabulary has é as one token")
	}
	var texts []string
	w := m.newWriter(0, chat.Draw{Stream: true, Sampling: chat.Sampling{Logprobs: true}}, 0, func(p chat.Piece) { texts = append(texts, p.Text) })
	mark := m.Tokenizer().Encode("<|im_start|>", true)
	if len(mark) != 1 {
		t.Fatal("no mark")
	}
	for _, id := range append(mark, ids...) {
		w.add(Token{ID: id})
	}
	w.add(Token{ID: m.Tokenizer().EOS, Finish: chat.FinishStop})
	if w.done.Text != "é" || w.done.Finish != chat.FinishStop || w.done.CompletionTokens != len(ids)+2 {
		t.Errorf("got %+v, pieces %q", w.done, texts)
	}
	if strings.Join(texts, "") != "é" {
		t.Errorf("pieces %q", texts)
	}
}
