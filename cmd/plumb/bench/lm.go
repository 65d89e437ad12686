package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"plumb/chat"
	"plumb/lm"
	"plumb/lm/kernel"
)

// LM measures the engine on a model, as a server uses it: by draws that share their steps, with quantised weights
// multiplied as they are in the file. Nothing is left over from one draw for the next.
type LM struct {
	Model       *lm.Model
	Exact       bool                          // float32 instead, as training computes
	Repetitions int                           // of each figure; 5 if 0
	Tokens      int                           // most of each reply; 64 if 0
	Prompts     []int                         // lengths of prompts; of 64, 350 and 512 those that fit if nil
	Memory      int                           // bytes that are read to measure memory; 256 MiB if 0
	Size        int                           // of the matrices that measure the peak; 768 if 0
	Progress    func(done, all int, s string) // may be nil
}

// Figure is one thing that was measured.
type Figure struct {
	Name   string  `json:"name"`
	Tokens Spread  `json:"tokens_s"` // of the prompt or, where replies are drawn, of all replies
	GFLOP  float64 `json:"gflop_s"`  // of products with weights, at the median: 2 operations a weight and token
	Read   float64 `json:"gb_s"`     // of weights, at the median: each pass reads all once; of a prompt, at least this
	OfPeak float64 `json:"of_peak"`  // share of the machine's highest in float32; products of integers may be above it
	OfRead float64 `json:"of_read"`  // share of the most that memory gave
}

// LMResult is what LM measured.
type LMResult struct {
	Machine Machine  `json:"machine"`
	Model   string   `json:"model"`
	Exact   bool     `json:"exact"`
	Weights int      `json:"weights"` // that a token is multiplied by
	Bytes   int      `json:"bytes"`   // that they take in memory
	Figures []Figure `json:"figures"`

	output int // weights of the output layer
}

// task is one thing to be measured: draws that begin at once.
type task struct {
	name   string
	prompt bool // its tokens are what is counted, not those of the replies
	draws  func(repetition int) ([]chat.Draw, error)
	speeds []float64 // tokens a second
	passes []float64 // over the weights a second
}

// Run measures, and stops with an error when ctx ends. Prompts differ in each repetition. It fails for a model without a
// chat template.
func (b LM) Run(ctx context.Context) (*LMResult, error) {
	b.defaults()
	for _, n := range append([]int{longest}, b.Prompts...) {
		if room := b.Model.Config().Context; n+b.Tokens > room {
			return nil, fmt.Errorf("measure model: a prompt of %d and %d tokens of reply; its context is %d", n, b.Tokens, room)
		}
	}
	tasks, memory, product := b.tasks(), newMemory(b.Memory), newProduct(b.Size)
	engine := lm.NewEngine(func(context.Context, string) (*lm.Model, error) { return b.Model, nil }, nil, lm.Options{Exact: b.Exact, PromptBytes: 1})
	var read, peak []float64
	for r := -1; r < b.Repetitions; r++ { // the first round only warms up
		read, peak = append(read, memory.read()), append(peak, product.speed())
		for i := range tasks {
			t := &tasks[(i+r+1)%len(tasks)] // another order each time
			if err := t.measure(ctx, engine, r); err != nil {
				return nil, fmt.Errorf("measure %s: %w", t.name, err)
			}
			if b.Progress != nil {
				b.Progress((r+1)*len(tasks)+i+1, (b.Repetitions+1)*len(tasks), t.name)
			}
		}
	}
	config := b.Model.Config()
	result := &LMResult{Machine: Machine{kernel.Threads(), spreadOf(read[1:]), spreadOf(peak[1:])}, Model: config.Name, Exact: b.Exact, output: config.Vocab * config.Dim}
	result.Weights, result.Bytes = b.Model.Multiplied(b.Exact)
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
		b.Prompts = slices.DeleteFunc([]int{64, 350, 512}, func(n int) bool { return n+b.Tokens > b.Model.Config().Context })
	}
	if b.Memory == 0 {
		b.Memory = 256 << 20
	}
	if b.Size == 0 {
		b.Size = 768
	}
}

// longest is the prompt that the best of 8 is drawn for.
const longest = 350

func (b LM) tasks() []task {
	var tasks []task
	add := func(name string, prompt bool, draws, tokens, replies, most int) {
		tasks = append(tasks, task{name: name, prompt: prompt, draws: func(r int) ([]chat.Draw, error) {
			all := make([]chat.Draw, draws)
			for i := range all {
				text, err := textOf(b.Model, tokens, draws*(r+1)+i)
				if err != nil {
					return nil, err
				}
				all[i] = chat.Draw{Messages: []chat.Message{{Role: chat.User, Content: text}}, Prefixes: make([]string, replies), MaxTokens: most}
				for k := range replies {
					all[i].Seeds = append(all[i].Seeds, int64(k))
				}
			}
			return all, nil
		}})
	}
	for _, n := range b.Prompts {
		add(fmt.Sprintf("prompt of %d", n), true, 1, n, 1, 1)
	}
	add("1 reply", false, 1, short, 1, b.Tokens)
	add("8 replies", false, 1, short, 8, b.Tokens)
	add(fmt.Sprintf("8 replies, prompt of %d", longest), false, 1, longest, 8, b.Tokens)
	add("8 replies to 8 prompts", false, 8, short, 1, b.Tokens)
	return tasks
}

// measure makes the draws of a repetition; those of repetition -1 do not count.
func (t *task) measure(ctx context.Context, engine *lm.Engine, repetition int) error {
	draws, err := t.draws(repetition)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var wait sync.WaitGroup
	tokens, passes := 0, 0
	begun := time.Now()
	for _, d := range draws {
		wait.Go(func() {
			e := engine.Continue(ctx, d, func(p chat.Piece) {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case p.Err != nil:
					err = errors.Join(err, p.Err)
				case p.Done != nil && t.prompt:
					tokens, passes = p.Done.PromptTokens, 1
				case p.Done != nil: // replies end sooner or later: the longest has as many passes as tokens
					tokens, passes = tokens+p.Done.CompletionTokens, max(passes, p.Done.CompletionTokens)
				}
			})
			mu.Lock()
			defer mu.Unlock()
			err = errors.Join(err, e)
		})
	}
	wait.Wait()
	if spent := time.Since(begun).Seconds(); err == nil && repetition >= 0 {
		t.speeds, t.passes = append(t.speeds, float64(tokens)/spent), append(t.passes, float64(passes)/spent)
	}
	return err
}

// figure compares what a task got with what the machine gives.
func (r *LMResult) figure(t task) Figure {
	f := Figure{Name: t.name, Tokens: spreadOf(t.speeds)}
	multiplied := r.Weights
	if t.prompt {
		multiplied -= r.output // only the last token of a prompt meets the output layer
	}
	f.GFLOP = 2 * float64(multiplied) * f.Tokens.Median / 1e9
	f.Read = float64(r.Bytes) * spreadOf(t.passes).Median / 1e9
	f.OfPeak, f.OfRead = f.GFLOP/r.Machine.Peak.High, f.Read/r.Machine.Read.High // a neighbour only ever lowers these
	return f
}
