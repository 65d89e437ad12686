package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"plumb/chat"
	"plumb/lm"
	"plumb/lm/gguf"
	"plumb/lm/kernel"
)

// LMCmd is the language model's part of the command line.
type LMCmd struct {
	Generate LMGenerateCmd `cmd:"" help:"Draw replies: a line {\"messages\"} in, a line {\"candidates\"} out."`
	Logprob  LMLogprobCmd  `cmd:"" help:"Log-probs of given replies, exact: a line {\"messages\"|\"prompt\", \"completion\", \"end\"} or {\"tokens\", \"completion_start\"} in."`
	Tokenize LMTokenizeCmd `cmd:"" help:"Tokens of a text, or of a conversation with the reply opened."`
	Train    LMTrainCmd    `cmd:"" help:"Train an adapter, or all weights, from files of rows."`
	Merge    LMMergeCmd    `cmd:"" help:"Write a model with an adapter merged into it."`
	Quantize LMQuantizeCmd `cmd:"" help:"Write a model in another type."`
	New      LMNewCmd      `cmd:"" help:"Write an untrained model, as the built-in one began."`
	Corpus   LMCorpusCmd   `cmd:"" help:"Write the chats that the built-in model is trained on."`

	ConvertAdapter LMConvertAdapterCmd `cmd:"" help:"Write an adapter as a GGUF file, or as a folder that Hugging Face's PEFT reads."`
}

// eachLine decodes the JSON Lines of standard input into values of type T, strictly, and calls f for each.
func eachLine[T any](c *Context, f func(T) error) error {
	lines := bufio.NewScanner(c.Stdin)
	lines.Buffer(make([]byte, 0, 64<<10), 16<<20)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		d := json.NewDecoder(strings.NewReader(lines.Text()))
		d.DisallowUnknownFields()
		var v T
		if err := d.Decode(&v); err != nil {
			return fmt.Errorf("read standard input: line %d: %w", n, err)
		}
		if _, err := d.Token(); err != io.EOF {
			return fmt.Errorf("read standard input: line %d: more than one JSON value", n)
		}
		if err := f(v); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if c.Ctx.Err() != nil {
			return c.Ctx.Err()
		}
	}
	return lines.Err()
}

// LMTokenizeCmd is "plumb lm tokenize".
type LMTokenizeCmd struct {
	Model ModelFile `help:"GGUF file, or ollama:NAME in Ollama's store." required:"" placeholder:"FILE"`
}

// Run implements the command.
func (cmd *LMTokenizeCmd) Run(c *Context) error {
	m, err := cmd.Model.Open()
	if err != nil {
		return err
	}
	defer m.Close()
	type input struct {
		Text     *string        `json:"text"`
		Special  bool           `json:"special"`
		Messages []chat.Message `json:"messages"`
	}
	return eachLine(c, func(in input) error {
		switch {
		case in.Text != nil && in.Messages == nil:
			return printJSON(c.Stdout, map[string]any{"tokens": notNil(m.Tokenizer().Encode(*in.Text, in.Special))})
		case in.Messages != nil && in.Text == nil:
			text, err := m.Render(in.Messages)
			if err != nil {
				return err
			}
			return printJSON(c.Stdout, struct {
				Text   string  `json:"text"`
				Tokens []int32 `json:"tokens"`
			}{text, notNil(m.Tokenizer().Encode(text, true))})
		}
		return errors.New(`want one of "text" and "messages"`)
	})
}

func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// LMLogprobCmd is "plumb lm logprob".
type LMLogprobCmd struct {
	Model   ModelFile `help:"GGUF file, or ollama:NAME in Ollama's store." required:"" placeholder:"FILE"`
	Adapter string    `help:"Adapter to add: a GGUF file, or a PEFT folder." placeholder:"PATH" type:"path"`
	Threads int       `help:"Threads; 0 takes all processors." default:"0"`
}

// logprobInput is one line of its input.
type logprobInput struct {
	Messages   []chat.Message `json:"messages"`
	Prompt     *string        `json:"prompt"`
	Completion string         `json:"completion"`
	End        bool           `json:"end"`
	Tokens     []int32        `json:"tokens"`
	Start      int            `json:"completion_start"`
}

func (in logprobInput) sequence(m *lm.Model) (lm.Sequence, error) {
	switch {
	case in.Tokens != nil && in.Messages == nil && in.Prompt == nil:
		if in.Start < 1 || in.Start > len(in.Tokens) {
			return lm.Sequence{}, fmt.Errorf("completion_start: got %d, want 1 to %d", in.Start, len(in.Tokens))
		}
		return lm.Sequence{Tokens: in.Tokens, Start: in.Start}, nil
	case in.Messages != nil && in.Prompt == nil && in.Tokens == nil:
		return m.EncodeChat(in.Messages, in.Completion, in.End)
	case in.Prompt != nil && in.Messages == nil && in.Tokens == nil:
		return m.EncodeCompletion(*in.Prompt, in.Completion, in.End)
	}
	return lm.Sequence{}, errors.New(`want one of "messages", "prompt" and "tokens"`)
}

// Run implements the command.
func (cmd *LMLogprobCmd) Run(c *Context) error {
	m, ad, err := openAdapted(cmd.Model, cmd.Adapter, cmd.Threads)
	if err != nil {
		return err
	}
	defer m.Close()
	return eachLine(c, func(in logprobInput) error {
		s, err := in.sequence(m)
		if err != nil {
			return err
		}
		p, err := m.Forward(ad, []lm.Tree{{Prompt: s.Tokens[:s.Start], Branches: [][]int32{s.Tokens[s.Start:]}}}, false)
		if err != nil {
			return err
		}
		defer p.Release()
		sum := 0.
		for _, l := range p.Logprobs[0][0] {
			sum += l
		}
		return printJSON(c.Stdout, struct {
			Tokens   []int32   `json:"tokens"`
			Logprobs []float64 `json:"logprobs"`
			Sum      float64   `json:"sum"`
		}{notNil(s.Tokens[s.Start:]), notNil(p.Logprobs[0][0]), sum})
	})
}

// openAdapted opens a model and, unless its name is empty, an adapter for it.
func openAdapted(model ModelFile, adapter string, threads int) (*lm.Model, *lm.Adapter, error) {
	if threads < 0 {
		return nil, nil, usageError{fmt.Errorf("--threads: got %d, want 0 or more", threads)}
	}
	kernel.SetThreads(threads)
	m, err := model.Open()
	if err != nil || adapter == "" {
		return m, nil, err
	}
	ad, err := m.ReadAdapter(adapter)
	if err != nil {
		m.Close()
		return nil, nil, err
	}
	return m, ad, nil
}

// LMGenerateCmd is "plumb lm generate".
type LMGenerateCmd struct {
	Model       ModelFile `help:"GGUF file, or ollama:NAME in Ollama's store." required:"" placeholder:"FILE"`
	Adapter     string    `help:"Adapter to add: a GGUF file, or a PEFT folder." placeholder:"PATH" type:"path"`
	N           int       `help:"Replies for each line." default:"1"`
	MaxTokens   int       `help:"Longest reply; 0 goes on to the end of the context." default:"256"`
	Temperature float64   `help:"0 is greedy." default:"1"`
	TopK        int       `help:"Keep the k most likely tokens; 0 keeps all." default:"0"`
	TopP        float64   `help:"Keep the most likely tokens that make up this probability; 1 keeps all." default:"1"`
	MinP        float64   `help:"Keep tokens at least this much as likely as the most likely." default:"0"`
	Seed        int64     `help:"Reply i of a line has seed + i." default:"0"`
	Threads     int       `help:"Threads; 0 takes all processors." default:"0"`
}

// Validate implements kong's check of the parsed flags.
func (cmd *LMGenerateCmd) Validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(cmd.N >= 1 && cmd.N <= 1024, "--n: got %d, want 1 to 1024", cmd.N)
	check(cmd.MaxTokens >= 0, "--max-tokens: got %d, want 0 or more", cmd.MaxTokens)
	check(cmd.Temperature >= 0 && cmd.Temperature <= 100, "--temperature: got %g, want 0 to 100", cmd.Temperature)
	check(cmd.TopK >= 0, "--top-k: got %d, want 0 or more", cmd.TopK)
	check(cmd.TopP > 0 && cmd.TopP <= 1, "--top-p: got %g, want more than 0, at most 1", cmd.TopP)
	check(cmd.MinP >= 0 && cmd.MinP <= 1, "--min-p: got %g, want 0 to 1", cmd.MinP)
	return errors.Join(problems...)
}

// generated is one reply of its output.
type generated struct {
	Text    string  `json:"text"`
	Tokens  int     `json:"tokens"`
	IDs     []int32 `json:"ids"`
	Logprob float64 `json:"logprob"`
	Finish  string  `json:"finish"`
}

// Run implements the command.
func (cmd *LMGenerateCmd) Run(c *Context) error {
	m, ad, err := openAdapted(cmd.Model, cmd.Adapter, cmd.Threads)
	if err != nil {
		return err
	}
	defer m.Close()
	type input struct {
		Messages []chat.Message `json:"messages"`
		Prompt   *string        `json:"prompt"`
	}
	return eachLine(c, func(in input) error {
		prompt, err := promptTokens(m, in.Messages, in.Prompt)
		if err != nil {
			return err
		}
		replies, err := cmd.generate(c, m, ad, prompt)
		if err != nil {
			return err
		}
		return printJSON(c.Stdout, map[string]any{"candidates": replies})
	})
}

func promptTokens(m *lm.Model, messages []chat.Message, prompt *string) ([]int32, error) {
	switch {
	case len(messages) > 0 && prompt == nil:
		return m.EncodePrompt(messages, "")
	case prompt != nil && messages == nil:
		return m.EncodeText(*prompt), nil
	}
	return nil, errors.New(`want one of "messages" and "prompt"`)
}

func (cmd *LMGenerateCmd) generate(c *Context, m *lm.Model, ad *lm.Adapter, prompt []int32) ([]generated, error) {
	jobs, replies := make([]lm.Job, cmd.N), make([]generated, cmd.N)
	for i := range jobs {
		jobs[i].Seed = cmd.Seed + int64(i)
	}
	s := lm.Settings{Temperature: cmd.Temperature, TopK: cmd.TopK, TopP: cmd.TopP, MinP: cmd.MinP, MaxTokens: cmd.MaxTokens}
	err := m.Generate(c.Ctx, ad, prompt, jobs, s, func(i int, t lm.Token) bool {
		r := &replies[i]
		r.Tokens++
		r.IDs = append(r.IDs, t.ID)
		r.Logprob += t.Logprob
		r.Finish = t.Finish
		return true
	})
	for i := range replies {
		r := &replies[i]
		text := r.IDs
		if r.Finish == chat.FinishStop {
			text = text[:len(text)-1] // the token that ended it
		}
		r.Text = string(m.Tokenizer().Bytes(text))
	}
	return replies, err
}

// LMMergeCmd is "plumb lm merge".
type LMMergeCmd struct {
	Model   ModelFile `help:"GGUF file of the base, or ollama:NAME in Ollama's store." required:"" placeholder:"FILE"`
	Adapter string    `help:"Adapter: a GGUF file, or a PEFT folder." required:"" placeholder:"PATH" type:"path"`
	Out     string    `help:"Where to write the merged model." required:"" placeholder:"FILE"`
	Type    string    `help:"Type of the matrices: keep leaves untouched ones as they are and writes the others as f16." default:"f16" enum:"f16,bf16,f32,q8_0,q5_1,q5_0,q4_1,q4_0,keep"`
}

// Run implements the command.
func (cmd *LMMergeCmd) Run(c *Context) error {
	m, ad, err := openAdapted(cmd.Model, cmd.Adapter, 0)
	if err != nil {
		return err
	}
	defer m.Close()
	return writeModel(c, m, ad, cmd.Type, cmd.Out)
}

// LMQuantizeCmd is "plumb lm quantize".
type LMQuantizeCmd struct {
	Model ModelFile `help:"GGUF file, or ollama:NAME in Ollama's store." required:"" placeholder:"FILE"`
	Out   string    `help:"Where to write the model." required:"" placeholder:"FILE"`
	Type  string    `help:"Type of the matrices." default:"q8_0" enum:"f16,bf16,f32,q8_0,q5_1,q5_0,q4_1,q4_0"`
}

// Run implements the command.
func (cmd *LMQuantizeCmd) Run(c *Context) error {
	m, err := cmd.Model.Open()
	if err != nil {
		return err
	}
	defer m.Close()
	return writeModel(c, m, nil, cmd.Type, cmd.Out)
}

func writeModel(c *Context, m *lm.Model, ad *lm.Adapter, typ, out string) error {
	g := lm.Merge{Adapter: ad, Keep: typ == "keep"}
	if !g.Keep {
		t, err := gguf.ParseType(typ)
		if err != nil {
			return usageError{err}
		}
		g.Type = t
	}
	digest, err := g.Write(m, out)
	if err != nil {
		return err
	}
	return printJSON(c.Stdout, map[string]any{"out": out, "digest": digest, "type": typ})
}
