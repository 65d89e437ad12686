package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"plumb/lm"
	"plumb/lm/kernel"
)

// LM measures the engine on a model.
type LM struct {
	Model       *lm.Model
	Repetitions int                           // of each figure; 5 if 0
	Tokens      int                           // of each reply; 64 if 0
	Prompts     []int                         // lengths of prompts; 64, 350 and 512 if nil
	Memory      int                           // bytes that are read to measure memory; 256 MiB if 0
	Size        int                           // of the matrices that measure the peak; 768 if 0
	Progress    func(done, all int, s string) // may be nil
}

// Figure is one thing that was measured.
type Figure struct {
	Name   string  `json:"name"`
	Tokens Spread  `json:"tokens_s"`
	GFLOP  float64 `json:"gflop_s"` // of products with weights, at the median: 2 operations a weight and token
	Read   float64 `json:"gb_s"`    // of float32 weights, at the median: each pass reads all once
	OfPeak float64 `json:"of_peak"` // share of the machine's highest
	OfRead float64 `json:"of_read"` // share of the most that memory gave
}

// LMResult is what LM measured.
type LMResult struct {
	Machine Machine  `json:"machine"`
	Model   string   `json:"model"`
	Weights int      `json:"weights"` // that a token is multiplied by
	Figures []Figure `json:"figures"`

	output int // weights of the output layer
}

// task is one thing to be measured: run returns how many tokens it computed.
type task struct {
	name   string
	tokens int // at most
	passes int // over the weights
	run    func(ctx context.Context, repetition int) (tokens int, err error)
	speeds []float64
}

// Run measures, and stops with an error when ctx ends. Prompts differ in each repetition, so that nothing is cached.
func (b LM) Run(ctx context.Context) (*LMResult, error) {
	b.defaults()
	for _, n := range append([]int{longest}, b.Prompts...) {
		if room := b.Model.Config().Context; n+b.Tokens > room {
			return nil, fmt.Errorf("measure model: a prompt of %d and %d tokens of reply; its context is %d", n, b.Tokens, room)
		}
	}
	tasks, memory, product := b.tasks(), newMemory(b.Memory), newProduct(b.Size)
	var read, peak []float64
	for r := -1; r < b.Repetitions; r++ { // the first round only warms up
		read, peak = append(read, memory.read()), append(peak, product.speed())
		for i := range tasks {
			t := &tasks[(i+r+1)%len(tasks)] // another order each time
			begun := time.Now()
			tokens, err := t.run(ctx, r+1)
			if err != nil {
				return nil, fmt.Errorf("measure %s: %w", t.name, err)
			}
			if r >= 0 {
				t.speeds = append(t.speeds, float64(tokens)/time.Since(begun).Seconds())
			}
			if b.Progress != nil {
				b.Progress((r+1)*len(tasks)+i+1, (b.Repetitions+1)*len(tasks), t.name)
			}
		}
	}
	result := &LMResult{Machine: Machine{kernel.Threads(), spreadOf(read[1:]), spreadOf(peak[1:])}, Model: b.Model.Config().Name, Weights: b.weights(), output: b.Model.Config().Vocab * b.Model.Config().Dim}
	for _, t := range tasks {
		result.Figures = append(result.Figures, result.figure(t))
	}
	return result, nil
}

func (b *LM) defaults() {
	if b.Repetitions == 0 {
		b.Repetitions = 5
	}
	if b.Tokens == 0 {
		b.Tokens = 64
	}
	if b.Prompts == nil {
		b.Prompts = []int{64, 350, 512}
	}
	if b.Memory == 0 {
		b.Memory = 256 << 20
	}
	if b.Size == 0 {
		b.Size = 768
	}
}

func (b LM) tasks() []task {
	var tasks []task
	for _, n := range b.Prompts {
		tasks = append(tasks, task{name: fmt.Sprintf("prompt of %d", n), tokens: n, passes: 1, run: func(ctx context.Context, r int) (int, error) {
			_, err := b.draw(ctx, b.prompt(n, r), 1, 1)
			return n, err
		}})
	}
	reply := func(name string, prompt, n int) {
		tasks = append(tasks, task{name: name, tokens: n * b.Tokens, passes: b.Tokens, run: func(ctx context.Context, r int) (int, error) {
			return b.draw(ctx, b.prompt(prompt, r), n, b.Tokens)
		}})
	}
	reply("1 reply", 16, 1)
	reply("8 replies", 16, 8)
	reply(fmt.Sprintf("8 replies, prompt of %d", longest), longest, 8)
	return tasks
}

// longest is the prompt that the best of 8 is drawn for.
const longest = 350

// prompt returns n tokens that differ from repetition to repetition.
func (b LM) prompt(n, repetition int) []int32 {
	r := rand.New(rand.NewPCG(uint64(n), uint64(repetition)))
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32(r.IntN(b.Model.Config().Vocab))
	}
	return tokens
}

// draw draws n replies and returns how many tokens they have: a reply may end before the last.
func (b LM) draw(ctx context.Context, prompt []int32, n, tokens int) (drawn int, err error) {
	jobs := make([]lm.Job, n)
	for i := range jobs {
		jobs[i].Seed = int64(i)
	}
	err = b.Model.Generate(ctx, nil, prompt, jobs, lm.Settings{Temperature: 1, MaxTokens: tokens}, func(int, lm.Token) bool {
		drawn++
		return true
	})
	return drawn, err
}

// weights returns how many weights a token is multiplied by: all matrices, the embedding only where it is the output too.
func (b LM) weights() int {
	n := 0
	for _, t := range b.Model.File().Tensors() {
		if len(t.Dims) == 2 && (t.Name != "token_embd.weight" || b.Model.Config().Tied) {
			n += t.Len()
		}
	}
	return n
}

// figure compares what a task got with what the machine gives.
func (r *LMResult) figure(t task) Figure {
	f := Figure{Name: t.name, Tokens: spreadOf(t.speeds)}
	multiplied := r.Weights
	if t.passes == 1 {
		multiplied -= r.output // only the last token of a prompt meets the output layer
	}
	f.GFLOP = 2 * float64(multiplied) * f.Tokens.Median / 1e9
	f.Read = 4 * float64(r.Weights) * f.Tokens.Median * float64(t.passes) / float64(t.tokens) / 1e9
	f.OfPeak, f.OfRead = f.GFLOP/r.Machine.Peak.High, f.Read/r.Machine.Read.High // a neighbour only ever lowers these
	return f
}
