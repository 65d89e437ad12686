package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"plumb/cmd/plumb/bench"
	"plumb/lm/kernel"
)

// BenchTrainCmd is "plumb bench train".
type BenchTrainCmd struct {
	Base        ModelFile `help:"GGUF file, or ollama:NAME in Ollama's store. Empty: the built-in model." placeholder:"FILE" aliases:"model"`
	Repetitions int       `help:"Steps of each of the two epochs; the median is shown with the lowest and highest." default:"5"`
	Pairs       int       `help:"Pairs a step." default:"4"`
	Tokens      int       `help:"Tokens of each side; half of them are the prompt, which both sides share." default:"227"`
	Rank        int       `help:"Rank of the adapter." default:"16"`
	Threads     int       `help:"Threads; 0 takes all processors." default:"0"`
	JSON        bool      `name:"json" help:"End with all figures as a line of JSON."`
}

// Help implements kong's HelpProvider.
func (BenchTrainCmd) Help() string {
	return `Trains a LoRA adapter on all linear maps by DPO, with the defaults of "plumb align run", and throws it away. The pairs are random tokens: the speed does not depend on what they say. Let nothing else run.

The first epoch also computes the log-probs of both replies under the untouched model; later epochs, and the next run over the same pairs, have them cached. Tokens/s count both sides in full, as other trainers do, though the prompt is computed once. GFLOP/s are of what is computed: 2 operations a weight and token forward, as many back, and as many again for the reference. The peak is that of the matrix kernel alone, measured between the steps.

To know how long a training will take: pairs × epochs / pairs a second.`
}

// Validate implements kong's check of the parsed flags.
func (cmd *BenchTrainCmd) Validate() error {
	if cmd.Repetitions < 1 || cmd.Pairs < 1 || cmd.Tokens < 4 || cmd.Rank < 1 || cmd.Threads < 0 {
		return fmt.Errorf("--repetitions, --pairs, --tokens, --rank, --threads: got %d, %d, %d, %d, %d; want at least 1, 1, 4, 1, 0",
			cmd.Repetitions, cmd.Pairs, cmd.Tokens, cmd.Rank, cmd.Threads)
	}
	return nil
}

// Run implements the command.
func (cmd *BenchTrainCmd) Run(c *Context) error {
	collectEarly()
	kernel.SetThreads(cmd.Threads)
	m, err := openOrTiny(cmd.Base)
	if err != nil {
		return err
	}
	defer m.Close()
	bar := newProgress(c.Stderr, "train")
	result, err := bench.Train{Model: m, Repetitions: cmd.Repetitions, Pairs: cmd.Pairs, Tokens: cmd.Tokens, Rank: cmd.Rank, Progress: bar.at}.Run(c.Ctx)
	if err != nil {
		return err
	}
	if err := benchTrainTable(c.Stdout, result); err != nil || !cmd.JSON {
		return err
	}
	return printJSON(c.Stdout, result)
}

func benchTrainTable(w io.Writer, r *bench.TrainResult) error {
	fmt.Fprintf(w, "%d threads multiply at %.0f GFLOP/s; %d pairs a step, %d tokens a side, %d of them prompt; %.3g million parameters of %s\n",
		r.Threads, r.Peak.Median, r.Pairs, r.Tokens, r.Prompt, float64(r.Parameters)/1e6, r.Model)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tpairs/s\tlowest\thighest\ttokens/s\tGFLOP/s\tof peak\t")
	for _, f := range []struct {
		name string
		bench.TrainFigure
	}{{"first epoch", r.First}, {"reference cached", r.Cached}} {
		fmt.Fprintf(t, "%s\t%.3g\t%.3g\t%.3g\t%.0f\t%.1f\t%.0f %%\t\n", f.name, f.Pairs.Median, f.Pairs.Low, f.Pairs.High, f.Tokens, f.GFLOP, 100*f.OfPeak)
	}
	if err := t.Flush(); err != nil || r.RSS == 0 {
		return err
	}
	_, err := fmt.Fprintf(w, "at most %.3g GB in memory\n", float64(r.RSS)/1e9)
	return err
}
