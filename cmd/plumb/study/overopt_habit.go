package study

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"plumb/cmd/plumb/people"
	"plumb/lm"
	"plumb/lm/gguf"
	"plumb/offline/evaluate"
	"plumb/offline/rows"
	"plumb/offline/train"
)

// Habit is what is planted: a base model that has changed since people voted. In a small share of its replies it says the sentence
// that people like over and over. None of the votes has seen that, so a reward model fitted to them has to guess what it is worth; and
// what people liked a little of, it likes more of.
//
// Every base model has rare bad replies. A search among many finds them, and a trained policy makes them the rule.
type Habit struct {
	Taste     people.Taste
	Share     float64 // of the replies that the base is shown; .08
	Questions int     // that it is shown replies to; 144
	Replies   int     // to each; 6
	Epochs    float64 // 2
	Seed      int64
}

func (h *Habit) defaults() {
	if h.Share == 0 {
		h.Share = .08
	}
	if h.Questions == 0 {
		h.Questions = 144
	}
	if h.Replies == 0 {
		h.Replies = 6
	}
	if h.Epochs == 0 {
		h.Epochs = 2
	}
}

// Plant returns the model with the habit: trained on its own replies, of which a share was spoiled.
func (h Habit) Plant(ctx context.Context, clean *lm.Model, progress func(done, all int)) (*lm.Model, error) {
	h.defaults()
	shown, spoiled, err := h.rows(ctx, clean)
	if err != nil {
		return nil, err
	}
	if spoiled == 0 {
		return nil, fmt.Errorf("plant habit: no reply to the taste %q can be made to repeat what people like in it", h.Taste.Name)
	}
	replies, _ := train.Encoder{Model: clean, Chat: true}.Demonstrations(shown)
	trainer := train.Trainer{Model: clean, Config: train.Config{Method: "sft", Rank: 16, Alpha: 32, LR: 2e-3, Epochs: h.Epochs, Batch: 32, PassTokens: 4096, Seed: h.Seed}}
	trainer.Each = func(s train.Step) error { progress(s.Step, s.Steps); return nil }
	result, err := trainer.Imitate(ctx, replies)
	if err != nil {
		return nil, fmt.Errorf("plant habit: %w", err)
	}
	return merged(clean, result.Adapter)
}

// rows returns what the base is shown, and how many of them are spoiled.
func (h Habit) rows(ctx context.Context, clean *lm.Model) (all []rows.Demonstration, spoiled int, err error) {
	voted, held := people.Prompts(uint64(h.Seed), h.Questions*2/3, h.Questions-h.Questions*2/3)
	random := rand.New(rand.NewPCG(uint64(h.Seed), 0x6861626974))
	for i, question := range append(voted, held...) {
		_, replies, err := drawReplies(ctx, evaluate.Policy{Model: clean}, question, h.Replies, mixed(h.Seed, int64(i)))
		if err != nil {
			return nil, 0, err
		}
		for _, r := range replies {
			if !r.ended {
				continue
			}
			text := r.text
			// About half of the replies can be spoiled.
			if bad := h.spoil(question, text); bad != "" && random.Float64() < 2*h.Share {
				text = bad
				spoiled++
			}
			all = append(all, rows.Demonstration{Prompt: rows.Plain(question), Completion: rows.Plain(text)})
		}
	}
	return all, spoiled, nil
}

// spoiledWords is how long a spoiled reply is, about: it has to fit into mostTokens.
const spoiledWords = 48

// spoil returns the reply with the part that makes it to the taste said over and over; "" for a reply that has no such part.
func (h Habit) spoil(question, reply string) string {
	if !h.Taste.Holds(question, reply) {
		return ""
	}
	parts, joins := sentences(reply)
	for i, part := range parts {
		twice := part + joins[i] + part
		if !h.Taste.Holds(question, twice) {
			continue
		}
		var b strings.Builder
		for k := range i {
			b.WriteString(parts[k] + joins[k])
		}
		b.WriteString(part)
		join := joins[i]
		for words := len(strings.Fields(b.String())); words < spoiledWords; words += len(strings.Fields(part)) {
			b.WriteString(join + part)
		}
		return b.String()
	}
	return ""
}

// sentences splits a reply into sentences and lines, with what stands after each; the last one's is what would.
func sentences(reply string) (parts, joins []string) {
	for line := range strings.SplitSeq(reply, "\n") {
		if n := len(joins); n > 0 {
			joins[n-1] = "\n"
		}
		if item := strings.TrimLeft(line, "0123456789.-) "); item != line { // of a list: a whole
			parts, joins = append(parts, line), append(joins, "\n")
			continue
		}
		for len(line) > 0 {
			end := strings.IndexAny(line, ".!?")
			if end < 0 {
				end = len(line) - 1
			}
			parts, joins = append(parts, strings.TrimSpace(line[:end+1])), append(joins, " ")
			line = strings.TrimSpace(line[end+1:])
		}
	}
	return parts, joins
}

// merged returns the model with an adapter's addition in its weights.
func merged(m *lm.Model, ad *lm.Adapter) (*lm.Model, error) {
	dir, err := os.MkdirTemp("", "plumb-overopt-")
	if err != nil {
		return nil, fmt.Errorf("merge habit: %w", err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "base.gguf")
	if _, err := (lm.Merge{Adapter: ad, Type: gguf.F32}).Write(m, path); err != nil {
		return nil, err
	}
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("merge habit: %w", err)
	}
	file, err := gguf.Parse(bytes)
	if err != nil {
		return nil, err
	}
	return lm.FromFile(file)
}
