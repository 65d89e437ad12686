package samplertest

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"plumb/chat"
)

// toy is a generator in memory whose next word hangs on all words before it and, above temperature 0, on the seed. Its
// faults break one part of the contract each.
type toy struct {
	running  atomic.Int64
	failNext atomic.Bool
	faults   faults
}

type faults struct {
	wrongIndex, twoEnds, noEnd, empty, tooLong, unasked, cutStream, ignoresStop, oneText, seedByPlace, drifts,
	ignoresPrefix, mixesPrefixes, noLogprobs, wrongLogprobs, anyModel, ignoresSeeds, leaks, ignoresCancel, failsAll, warm bool
}

func (g *toy) Abilities(_ context.Context, model string) (chat.Abilities, error) {
	if model != "toy" && !g.faults.anyModel {
		return chat.Abilities{}, &chat.Error{Kind: chat.NotFound, Msg: fmt.Sprintf("model %q does not exist", model)}
	}
	return chat.Abilities{Prefix: true, Logprobs: true, Seed: true, Slots: 4}, nil
}

func (g *toy) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	if _, err := g.Abilities(ctx, d.Model); err != nil {
		return err
	}
	if len(d.Seeds) != len(d.Prefixes) && !g.faults.ignoresSeeds {
		return &chat.Error{Kind: chat.Invalid, Msg: "want a seed for each prefix"}
	}
	if ctx.Err() != nil && !g.faults.ignoresCancel {
		return ctx.Err()
	}
	var mu sync.Mutex
	var running sync.WaitGroup
	fail := g.failNext.Swap(false)
	for i := range d.Prefixes {
		running.Go(func() {
			g.running.Add(1)
			deliver := func(p chat.Piece) {
				mu.Lock()
				defer mu.Unlock()
				p.Index = i
				if g.faults.wrongIndex {
					p.Index++
				}
				each(p)
			}
			last := chat.Piece{Err: &chat.Error{Kind: chat.Upstream, Msg: "lost"}}
			if !fail || i != 1 && !g.faults.failsAll {
				last = chat.Piece{Done: g.reply(ctx, d, i, deliver)}
			}
			if !g.faults.noEnd && (ctx.Err() == nil || g.faults.ignoresCancel) {
				deliver(last)
			}
			if g.faults.twoEnds {
				deliver(last)
			}
			if !g.faults.leaks {
				g.running.Add(-1)
			}
		})
	}
	running.Wait()
	if g.faults.ignoresCancel {
		return nil
	}
	return ctx.Err()
}

// reply draws one reply, word by word.
func (g *toy) reply(ctx context.Context, d chat.Draw, i int, deliver func(chat.Piece)) *chat.Completion {
	at, before := i, d.Prefixes[i]
	if g.faults.mixesPrefixes {
		before = d.Prefixes[0]
	}
	seed := int64(0)
	if *d.Sampling.Temperature > 0 && len(d.Seeds) > i && !g.faults.oneText {
		seed = d.Seeds[i]
	}
	if g.faults.seedByPlace {
		seed += int64(at)
	}
	if g.faults.warm {
		seed = d.Seeds[i]
	}
	if g.faults.drifts {
		seed += time.Now().UnixNano()
	}
	c := &chat.Completion{Finish: chat.FinishLength, PromptTokens: 5 + len(strings.Fields(before))}
	if g.faults.ignoresPrefix {
		before = ""
	}
	sum := 0.
	limit := d.MaxTokens
	if g.faults.tooLong {
		limit++
	}
	for range limit {
		if ctx.Err() != nil && !g.faults.ignoresCancel {
			return c
		}
		word := next(before+c.Text, seed)
		for _, stop := range d.Sampling.Stop {
			if cut, _, found := strings.Cut(c.Text+word, stop); found && !g.faults.ignoresStop {
				word, c.Finish = strings.TrimPrefix(cut, c.Text), chat.FinishStop
				if len(cut) < len(c.Text) {
					word, c.Text = "", cut
				}
			}
		}
		c.Text += word
		c.CompletionTokens++
		p := chat.Piece{Text: word}
		if d.Sampling.Logprobs && !g.faults.noLogprobs {
			l := chat.TokenLogprob{Token: word, Logprob: -1, Top: []chat.TokenLogprob{{Logprob: -1}, {Logprob: -2}, {Logprob: -3}}}
			p.Logprobs, c.Logprobs = []chat.TokenLogprob{l}, append(c.Logprobs, l)
			if sum--; g.faults.wrongLogprobs {
				sum = math.NaN()
			}
			c.Logprob = &sum
		}
		if d.Stream && !g.faults.cutStream || g.faults.unasked {
			deliver(p)
		}
		if c.Finish == chat.FinishStop {
			break
		}
	}
	if g.faults.empty {
		c.Text = ""
	}
	return c
}

// next is the word after text: five letters and a space, so that a stop of three lies in one word or two.
func next(text string, seed int64) string {
	h := fnv.New64a()
	fmt.Fprint(h, text, "|", seed)
	x := h.Sum64()
	word := make([]byte, 5)
	for i := range word {
		word[i] = 'a' + byte(x>>(8*i)%26)
	}
	return string(word) + " "
}
