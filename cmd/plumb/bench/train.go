package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"plumb/lm"
	"plumb/lm/kernel"
	"plumb/offline/train"
)

// Train measures DPO (Rafailov et al. 2023, https://arxiv.org/abs/2305.18290) of a LoRA adapter on all linear maps, by the
// trainer that "plumb align run" uses with its defaults, on pairs of random tokens: what is computed does not depend on which they are.
type Train struct {
	Model       *lm.Model
	Repetitions int                           // steps of each epoch; 5 if 0
	Pairs       int                           // a step; 4 if 0
	Tokens      int                           // of a side, prompt and reply; the prompt is half of them; 227 if 0
	Rank        int                           // of the adapter; 16 if 0
	Size        int                           // of the matrices that measure the peak; 768 if 0
	Progress    func(done, all int, s string) // may be nil
}

// TrainResult is what Train measured.
type TrainResult struct {
	Threads    int         `json:"threads"`
	Peak       Spread      `json:"gflop_s"` // as Machine's
	Model      string      `json:"model"`
	Pairs      int         `json:"pairs"`         // a step
	Tokens     int         `json:"tokens"`        // a side
	Prompt     int         `json:"prompt_tokens"` // of those, which both sides share
	Parameters int         `json:"parameters"`    // that are trained
	First      TrainFigure `json:"first_epoch"`   // with the reference's log-probs
	Cached     TrainFigure `json:"cached"`        // once they are known
	RSS        int64       `json:"peak_rss"`      // most bytes that this process had in memory; 0 where the system does not tell
}

// TrainFigure is the speed of steps.
type TrainFigure struct {
	Pairs  Spread  `json:"pairs_s"`
	Tokens float64 `json:"tokens_s"` // of both sides, each with its prompt, at the median
	GFLOP  float64 `json:"gflop_s"`  // of products with the base's weights, at the median
	OfPeak float64 `json:"of_peak"`  // share of the machine's highest
}

// Run measures two epochs over the same pairs, after a step that only warms up. It stops with an error when ctx ends.
func (b Train) Run(ctx context.Context) (*TrainResult, error) {
	b.defaults()
	if context := b.Model.Config().Context; b.Tokens < 4 || b.Tokens > context {
		return nil, fmt.Errorf("measure training: sides of %d tokens; want 4 to the model's context, %d", b.Tokens, context)
	}
	if _, err := (&epochs{Train: b, steps: 1}).train(ctx, 0); err != nil {
		return nil, fmt.Errorf("warm up: %w", err)
	}
	e := &epochs{Train: b, steps: b.Repetitions, product: newProduct(b.Size)}
	parameters, err := e.train(ctx, 1)
	if err != nil {
		return nil, fmt.Errorf("measure training: %w", err)
	}
	r := &TrainResult{Threads: kernel.Threads(), Peak: spreadOf(e.peak), Model: b.Model.Config().Name, Pairs: b.Pairs, Tokens: b.Tokens,
		Prompt: b.prompt(), Parameters: parameters, RSS: peakRSS()}
	first, cached := e.seconds[:e.steps], e.seconds[e.steps:]
	r.First = r.figure(first, e.reference/float64(e.steps), 3*b.forward())
	r.Cached = r.figure(cached, 0, 2*b.forward())
	return r, nil
}

func (b *Train) defaults() {
	for _, d := range []struct {
		field *int
		value int
	}{{&b.Repetitions, 5}, {&b.Pairs, 4}, {&b.Tokens, 227}, {&b.Rank, 16}, {&b.Size, 768}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
}

func (b Train) prompt() int { return b.Tokens / 2 }

// forward returns the operations of a step's forward pass: 2 a weight and token, of the prompt, which both replies share,
// and the replies; only tokens of replies meet the output layer. The way back has as many, since no weight of
// the base has a gradient; the reference has as many again.
func (b Train) forward() float64 {
	all, _ := b.Model.Multiplied(true)
	output := b.Model.Config().Vocab * b.Model.Config().Dim
	replies := 2 * (b.Tokens - b.prompt())
	return 2 * float64(b.Pairs) * (float64(all-output)*float64(b.prompt()+replies) + float64(output)*float64(replies))
}

// figure is the speed of steps that took so many seconds and extra ones each.
func (r *TrainResult) figure(seconds []float64, extra, operations float64) TrainFigure {
	var pairs []float64
	for _, s := range seconds {
		pairs = append(pairs, float64(r.Pairs)/(s+extra))
	}
	f := TrainFigure{Pairs: spreadOf(pairs)}
	f.Tokens = 2 * float64(r.Tokens) * f.Pairs.Median
	f.GFLOP = operations * f.Pairs.Median / float64(r.Pairs) / 1e9
	f.OfPeak = f.GFLOP / r.Peak.High
	return f
}

// epochs is two epochs that are timed.
type epochs struct {
	Train
	steps     int // of each
	product   product
	reference float64   // seconds for the log-probs of all pairs
	seconds   []float64 // of each step
	peak      []float64
}

// train returns how many parameters were trained.
func (e *epochs) train(ctx context.Context, seed uint64) (int, error) {
	adapter, err := e.Model.NewAdapter(lm.LoRA{Rank: e.Rank})
	if err != nil {
		return 0, err
	}
	pairs := e.pairs(seed)
	t := train.Trainer{Model: e.Model, Config: train.Config{Method: "dpo", Batch: e.Pairs, Epochs: 2, MaxLength: e.Tokens}, Start: adapter}
	clock := time.Now()
	t.Referenced = func(done, all int) {
		if done == all {
			e.reference, clock = time.Since(clock).Seconds(), time.Now()
		}
	}
	t.Each = func(s train.Step) error {
		e.seconds = append(e.seconds, time.Since(clock).Seconds())
		if e.product.n > 0 { // between the steps, so that a neighbour spoils both
			e.peak = append(e.peak, e.product.speed())
		}
		if e.Progress != nil && e.product.n > 0 {
			e.Progress(s.Step, s.Steps, "steps")
		}
		clock = time.Now()
		return nil
	}
	_, err = t.Preferences(ctx, pairs)
	if err == nil && len(e.seconds) != 2*e.steps {
		err = errors.New("the trainer took another number of steps")
	}
	return len(adapter.Data), err
}

// pairs returns the rows of an epoch.
func (e *epochs) pairs(seed uint64) []train.Pair {
	r := rand.New(rand.NewPCG(seed, 0x62656e6368))
	tokens := func(n int) []int32 {
		all := make([]int32, n)
		for i := range all {
			all[i] = int32(r.IntN(e.Model.Config().Vocab))
		}
		return all
	}
	all := make([]train.Pair, e.steps*e.Pairs)
	for i := range all {
		reply := e.Tokens - e.prompt()
		all[i] = train.Pair{Prompt: tokens(e.prompt()), Chosen: tokens(reply), Rejected: tokens(reply), Weight: 1}
	}
	return all
}
