package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"plumb/cmd/plumb/bench"
	"plumb/lm"
	"plumb/lm/kernel"
	"plumb/lm/tiny"
)

// BenchCmd is "plumb bench".
type BenchCmd struct {
	LM    BenchLMCmd    `cmd:"" name:"lm" help:"Prompts and decoding as plumb serve does them, in tokens/s and as shares of what this machine's memory and processors give."`
	Train BenchTrainCmd `cmd:"" help:"DPO of an adapter, in pairs/s and as a share of what this machine's processors give."`
}

// openOrTiny opens the model that a flag names, the built-in one where it names none.
func openOrTiny(f ModelFile) (*lm.Model, error) {
	if f.Path == "" {
		return tiny.Open()
	}
	return f.Open()
}

// BenchLMCmd is "plumb bench lm".
type BenchLMCmd struct {
	Base        ModelFile `help:"GGUF file, or ollama:NAME in Ollama's store. Empty: the built-in model." placeholder:"FILE" aliases:"model"`
	Repetitions int       `help:"Of each figure, in alternation; the median is shown with the lowest and highest." default:"5"`
	Tokens      int       `help:"Most tokens of each reply." default:"64"`
	Exact       bool      `help:"Float32, as training computes, instead of the file's own quantised weights." setting:"bench_exact"`
	Threads     int       `help:"Threads; 0 takes all processors." default:"0"`
	JSON        bool      `name:"json" help:"End with all figures as a line of JSON."`
}

// Help implements kong's HelpProvider.
func (BenchLMCmd) Help() string {
	return `Reads prompts and draws replies as "plumb serve" does: weights that the file has in 4 or 8 bits stay integers (--exact: float32), and replies that are drawn at once share each pass over the weights. Every prompt is new, so that no cache helps. Let nothing else run.

One reply is as fast as memory is read, whose share is "of memory"; a prompt as fast as the kernel multiplies, "of peak", which is measured in float32: integers may be above it. Eight replies at once lie between.`
}

// Validate implements kong's check of the parsed flags.
func (cmd *BenchLMCmd) Validate() error {
	if cmd.Repetitions < 1 || cmd.Tokens < 1 || cmd.Threads < 0 {
		return fmt.Errorf("--repetitions, --tokens, --threads: got %d, %d, %d; want at least 1, 1, 0", cmd.Repetitions, cmd.Tokens, cmd.Threads)
	}
	return nil
}

// Run implements the command.
func (cmd *BenchLMCmd) Run(c *Context) error {
	kernel.SetThreads(cmd.Threads)
	m, err := openOrTiny(cmd.Base)
	if err != nil {
		return err
	}
	defer m.Close()
	bar := newProgress(c.Stderr, "measure")
	result, err := bench.LM{Model: m, Exact: cmd.Exact, Repetitions: cmd.Repetitions, Tokens: cmd.Tokens, Progress: bar.at}.Run(c.Ctx)
	if err != nil {
		return err
	}
	if err := benchTable(c.Stdout, result); err != nil || !cmd.JSON {
		return err
	}
	return printJSON(c.Stdout, result)
}

func benchTable(w io.Writer, r *bench.LMResult) error {
	fmt.Fprintf(w, "%d threads read %.1f GB/s from memory and multiply at %.0f GFLOP/s; %s multiplies a token by %.3g million weights of %.3g MB\n",
		r.Machine.Threads, r.Machine.Read.Median, r.Machine.Peak.Median, r.Model, float64(r.Weights)/1e6, float64(r.Bytes)/1e6)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\ttokens/s\tlowest\thighest\tGFLOP/s\tof peak\tGB/s\tof memory\t")
	for _, f := range r.Figures {
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.0f %%\t%.1f\t%.0f %%\t\n", f.Name, f.Tokens.Median, f.Tokens.Low, f.Tokens.High,
			f.GFLOP, 100*f.OfPeak, f.Read, 100*f.OfRead)
	}
	return t.Flush()
}
