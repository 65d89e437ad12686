package upstreamtest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"plumb/chat"
)

// words is the vocabulary of the made-up language. Each token is a word with the space before it.
var words = strings.Fields(`a the an old new river bridge fox stone road small long grey green quiet and or but so then
	there here it was is had ran sat saw went came over under near far into out all one two some no yes who where when`)

const (
	defaultContext = 4096
	shortest       = 24 // tokens of a reply that nothing cuts
	spread         = 16 // by how much it may be longer
)

// drawn is a reply of the language.
type drawn struct {
	tokens   []string
	logprobs []chat.TokenLogprob
	finish   string
}

// speak draws the reply to a prompt. Each token is a function of the text before it and, unless the temperature is 0,
// of the seed, as with a real model: so a reply that is cut and continued is the same reply.
func speak(prompt string, r Request, own Model) drawn {
	limit := own.size() - tokensIn(prompt)
	if r.MaxTokens > 0 {
		limit = min(limit, r.MaxTokens)
	}
	d := drawn{finish: chat.FinishStop}
	reply := prompt[strings.LastIndex(prompt, assistantTurn)+len(assistantTurn):]
	said, text := tokensIn(reply), ""
	end := shortest + int(score(prompt[:len(prompt)-len(reply)], r.noise())%spread)
	for ; said < end; said++ {
		if len(d.tokens) >= limit {
			d.finish = chat.FinishLength
			break
		}
		next := score(prompt+text, r.noise())
		word := words[next%uint64(len(words))]
		if prompt+text != "" && !strings.HasSuffix(prompt+text, "\n") && !strings.HasSuffix(prompt+text, " ") {
			word = " " + word
		}
		text += word
		d.tokens = append(d.tokens, word)
		d.logprobs = append(d.logprobs, logprobOf(word, next, r.Sampling.TopLogprobs))
	}
	return d.stopped(r.Sampling.Stop)
}

// noise is what makes one seed's reply differ from another's.
func (r Request) noise() int64 {
	if t := r.Sampling.Temperature; t != nil && *t == 0 {
		return 0
	}
	return r.Seed
}

func (m Model) size() int {
	if m.Context > 0 {
		return m.Context
	}
	return defaultContext
}

// stopped cuts the reply before the first of the stop texts.
func (d drawn) stopped(stops []string) drawn {
	text := strings.Join(d.tokens, "")
	at := -1
	for _, stop := range stops {
		if i := strings.Index(text, stop); stop != "" && i >= 0 && (at < 0 || i < at) {
			at = i
		}
	}
	if at < 0 {
		return d
	}
	for i, token := range d.tokens {
		if at > len(token) {
			at -= len(token)
			continue
		}
		d.tokens = append(slices.Clone(d.tokens[:i]), token[:at])
		d.logprobs = d.logprobs[:min(i+1, len(d.logprobs))]
		break
	}
	d.finish = chat.FinishStop
	return d
}

// logprobOf makes up the log-prob of a token and of the alternatives, likeliest first.
func logprobOf(token string, noise uint64, top int) chat.TokenLogprob {
	l := chat.TokenLogprob{Token: token, Logprob: -0.1 - float64(noise%1000)/500, Bytes: bytesOf(token)}
	for k := range top {
		word := " " + words[(noise+uint64(k))%uint64(len(words))]
		if k == 0 {
			word = token
		}
		l.Top = append(l.Top, chat.TokenLogprob{Token: word, Logprob: l.Logprob - float64(k)/4, Bytes: bytesOf(word)})
	}
	return l
}

func bytesOf(s string) []int {
	out := make([]int, len(s))
	for i := range len(s) {
		out[i] = int(s[i])
	}
	return out
}

// score hashes a text and a seed.
func score(text string, seed int64) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	binary.Write(h, binary.LittleEndian, seed)
	z := h.Sum64() // its low bits alone are weak
	z = (z ^ z>>33) * 0xff51afd7ed558ccd
	return (z ^ z>>33) & math.MaxInt64
}

// tokensIn counts words.
func tokensIn(text string) int { return len(strings.Fields(text)) }

const assistantTurn = "<|im_start|>assistant\n"

// render writes a conversation in ChatML, the last assistant message left open if open is set.
func render(messages []chat.Message, system string, open bool) string {
	var b strings.Builder
	if system != "" && (len(messages) == 0 || messages[0].Role != chat.System) {
		messages = append([]chat.Message{{Role: chat.System, Content: system}}, messages...)
	}
	for i, m := range messages {
		b.WriteString("<|im_start|>" + m.Role + "\n" + m.Content)
		if open && i == len(messages)-1 && m.Role == chat.Assistant {
			return b.String()
		}
		b.WriteString("<|im_end|>\n")
	}
	return b.String() + assistantTurn
}

func digestOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}
