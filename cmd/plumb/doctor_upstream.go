package main

import (
	"context"
	"fmt"
	"time"

	"plumb/chat"
)

// examineUpstream sees whether the base model answers, and what it can do.
func (d *doctor) examineUpstream(ctx context.Context) {
	later := []string{"model", "continuation", "log-probs", "slots"}
	skip := func(checks []string) {
		for _, check := range checks {
			d.add(check, skipped, "not asked", "see to what failed first")
		}
	}
	u, err := openUpstream(ctx, d.where)
	if err != nil {
		d.add("upstream", failed, saying(err), "start the server, or see that --upstream has its address")
		skip(later)
		return
	}
	d.upstream = u
	d.add("upstream", fine, d.kind(), "any OpenAI-compatible server will do; Ollama and the built-in engine can be trained too")
	model := d.where.baseName()
	can, err := u.generator.Abilities(ctx, model)
	if err != nil {
		advice := "name a model that the server has with --model"
		if u.ollama != nil {
			advice = "ollama pull " + model + ", or name another with --model"
		}
		d.add("model", failed, saying(err), advice)
		skip(later[1:])
		return
	}
	took, _, err := d.tryOne(ctx, model, false)
	if err != nil {
		d.add("model", failed, saying(err), "see the server's own log: it has the model, but it does not answer")
		skip(later[1:])
		return
	}
	found := fmt.Sprintf("%s answers in %v", model, took.Round(time.Millisecond))
	if can.Context > 0 {
		found += fmt.Sprintf(", context %d tokens", can.Context)
	}
	d.add("model", fine, found, "the first answer includes loading it")
	_, told, err := d.tryOne(ctx, model, true)
	d.examineAbilities(can, told, err)
	d.examineSlots(ctx, model, can)
}

func (d *doctor) kind() string {
	switch {
	case d.upstream.ollama != nil:
		return "Ollama at " + d.where.Upstream
	case d.upstream.engine != nil:
		return "the built-in engine"
	}
	return "an OpenAI-compatible server at " + d.where.Upstream
}

func (d *doctor) examineAbilities(can chat.Abilities, logprobs bool, err error) {
	if can.Prefix {
		d.add("continuation", fine, "replies can be continued from any prefix", "guided methods (blocks, guide, specrej) work")
	} else {
		d.add("continuation", warning, "replies cannot be continued", "guided methods fall back to whole replies; best-of-n and top_m work")
	}
	const without = "clients that ask for log-probs get an error, and none are kept; choosing by rewards works"
	switch {
	case err != nil:
		d.add("log-probs", warning, saying(err), without)
	case !logprobs:
		d.add("log-probs", warning, "not told", without)
	default:
		d.add("log-probs", fine, "told for every token", "they are kept beside each reply")
	}
}

// probe is a conversation whose reply is long enough for draws to overlap.
func probe(model string, n, tokens int, seed int64) chat.Draw {
	zero := 0.0
	d := chat.Draw{Model: model, MaxTokens: tokens, Prefixes: make([]string, n), Stream: n > 1, Sampling: chat.Sampling{Temperature: &zero},
		Messages: []chat.Message{{Role: chat.User, Content: "Count from one to one hundred in words, and say nothing else."}}}
	for i := range n {
		d.Seeds = append(d.Seeds, seed+int64(i))
	}
	return d
}

// tryOne draws one token, with its log-prob where asked to, and says how long that took and whether the log-prob came.
func (d *doctor) tryOne(ctx context.Context, model string, ask bool) (took time.Duration, logprobs bool, err error) {
	draw := probe(model, 1, 1, 0)
	draw.Sampling.Logprobs = ask
	begun := time.Now()
	var one error
	err = d.upstream.generator.Continue(ctx, draw, func(p chat.Piece) {
		if p.Err != nil {
			one = p.Err
		}
		if p.Done != nil {
			logprobs = len(p.Done.Logprobs) > 0 || p.Done.Logprob != nil
		}
	})
	if err == nil {
		err = one
	}
	return time.Since(begun), logprobs, err
}

// examineSlots draws several replies at once and sees how many are under way at the same time: a reply is from its first piece
// to its last. That shows a queue for what it is, however fast the machine.
func (d *doctor) examineSlots(ctx context.Context, model string, can chat.Abilities) {
	o := overlap{open: map[int]bool{}}
	err := d.upstream.generator.Continue(ctx, probe(model, d.draws, 16, 1), o.piece)
	if err == nil {
		err = o.failed
	}
	declared := ""
	if can.Slots > 0 {
		declared = fmt.Sprintf(", declared %d", can.Slots)
	}
	found := fmt.Sprintf("%d of %d replies ran at once%s", o.most, d.draws, declared)
	switch {
	case err != nil:
		d.add("slots", warning, saying(err), fmt.Sprintf("%d replies at once are too many for it: ask for fewer with align.n, or give it more memory", d.draws))
	case o.most == 0:
		d.add("slots", warning, "cannot be told: replies come whole", "see the server's own settings for how many requests it runs at once")
	case o.most < d.draws && d.upstream.ollama != nil:
		d.add("slots", warning, found, fmt.Sprintf("the others wait: start Ollama with OLLAMA_NUM_PARALLEL=%d, or ask for fewer candidates", d.draws))
	case o.most < d.draws:
		d.add("slots", warning, found, "the others wait: raise the server's number of parallel requests, or ask for fewer candidates")
	default:
		d.add("slots", fine, found, "best-of-n costs about the time of its longest reply")
	}
}

// overlap counts replies that are under way at the same time.
type overlap struct {
	open   map[int]bool
	most   int
	failed error
}

func (o *overlap) piece(p chat.Piece) {
	switch {
	case p.Err != nil:
		o.failed = p.Err
		delete(o.open, p.Index)
	case p.Done != nil:
		delete(o.open, p.Index)
	case p.Text != "":
		o.open[p.Index] = true
		o.most = max(o.most, len(o.open))
	}
}
