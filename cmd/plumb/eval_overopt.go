package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"plumb/cmd/plumb/people"
	"plumb/cmd/plumb/study"
	"plumb/lm"
	"plumb/lm/kernel"
	"plumb/lm/tiny"
	"plumb/sampler"
)

// EvalOveroptCmd is "plumb eval overopt".
type EvalOveroptCmd struct {
	Taste   string  `help:"What the simulated people like: list, question, example, warm or thrifty." default:"example" placeholder:"NAME"`
	Pairs   int     `help:"Votes that the reward model is fitted to." default:"60"`
	Noise   float64 `help:"Share of wrong votes." default:"0.25"`
	N       []int   `help:"Numbers of candidates of best-of-n, rising." default:"1,2,4,8,16,32,64"`
	Sampler string  `help:"${enum}." enum:"bon,ppo,all" default:"all"`
	Guard   string  `help:"Play with the guards, without them, or both: ${enum}." enum:"on,off,both" default:"both"`
	Seed    int64   `help:"Of everything that is drawn." default:"1"`
	Seeds   int     `help:"Plays, each under the next seed; figures are means over them." default:"1"`
	Small   bool    `help:"A fraction of the work: to see that all parts play together, not how well."`
	Picture string  `help:"Where to save a picture: .png, .svg or .pdf." placeholder:"FILE" type:"path"`
}

// Validate implements kong's check of the parsed flags.
func (cmd *EvalOveroptCmd) Validate() error {
	var problems []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	_, err := cmd.taste()
	want(err == nil, "%w", err)
	want(cmd.Pairs >= 10 && cmd.Pairs <= 2000, "--pairs: got %d, want 10 … 2000", cmd.Pairs)
	want(cmd.Noise >= 0 && cmd.Noise < .5, "--noise: got %g, want 0 to less than 0.5", cmd.Noise)
	want(cmd.Seeds >= 1 && cmd.Seeds <= 1000, "--seeds: got %d, want 1 … 1000", cmd.Seeds)
	want(len(cmd.N) > 0 && slices.IsSorted(cmd.N) && cmd.N[0] >= 1 && cmd.N[len(cmd.N)-1] <= sampler.DefaultMaxN,
		"--n: got %v, want rising numbers of 1 … %d", cmd.N, sampler.DefaultMaxN)
	if cmd.Picture != "" {
		dot := strings.LastIndexByte(cmd.Picture, '.')
		want(dot >= 0 && slices.Contains([]string{".png", ".svg", ".pdf"}, strings.ToLower(cmd.Picture[dot:])), "--picture: got %q, want a name that ends in .png, .svg or .pdf", cmd.Picture)
	}
	return errors.Join(problems...)
}

// taste finds the taste. There is nothing to say over and over in a brief reply, so the habit cannot be planted for that.
func (cmd *EvalOveroptCmd) taste() (people.Taste, error) {
	found, err := people.Find([]string{cmd.Taste}, true)
	if err != nil {
		return people.Taste{}, err
	}
	if len(found) != 1 || found[0].Name == "brief" {
		return people.Taste{}, fmt.Errorf("--taste: got %q, want one of list, question, example, warm, thrifty", cmd.Taste)
	}
	return found[0], nil
}

// Run plays.
func (cmd *EvalOveroptCmd) Run(c *Context) error {
	begun := time.Now()
	taste, err := cmd.taste()
	if err != nil {
		return usageError{err}
	}
	clean, err := tiny.Open()
	if err != nil {
		return err
	}
	defer clean.Close()
	base, err := cmd.plant(c, clean, taste)
	if err != nil {
		return err
	}
	defer base.Close()
	plays, err := cmd.plays(c, clean, base, taste)
	if err != nil {
		return err
	}
	result := study.OveroptMean(plays)
	result.Taste, result.Pairs, result.Noise, result.Seconds = cmd.Taste, cmd.Pairs, cmd.Noise, time.Since(begun).Seconds()
	if err := result.Table(c.Stderr); err != nil {
		return err
	}
	if cmd.Picture != "" {
		if err := result.Plot(cmd.Picture); err != nil {
			return err
		}
		result.Picture = cmd.Picture
		fmt.Fprintln(c.Stderr, "picture:", cmd.Picture)
	}
	return printJSON(c.Stdout, result)
}

// plant makes the base: the built-in model with a habit that no vote has seen. It is the same for all seeds from one --seed on.
func (cmd *EvalOveroptCmd) plant(c *Context, clean *lm.Model, taste people.Taste) (*lm.Model, error) {
	habit := study.Habit{Taste: taste, Seed: cmd.Seed}
	if cmd.Small {
		habit.Questions, habit.Replies, habit.Share, habit.Epochs = 12, 6, .2, 1
	}
	bar := newProgress(c.Stderr, "plant a habit")
	return habit.Plant(c.Ctx, clean, func(done, all int) { bar.at(done, all, "steps") })
}

// plays makes the plays of all seeds. Many keep the processors busier side by side than one after the other on all of them; what comes
// out does not depend on it.
func (cmd *EvalOveroptCmd) plays(c *Context, clean, base *lm.Model, taste people.Taste) ([]*study.OveroptPlay, error) {
	if cmd.Seeds == 1 {
		var bar *progress
		what := ""
		play, err := cmd.play(c.Ctx, clean, base, taste, cmd.Seed, func(now string, done, all int) {
			if now != what {
				bar, what = newProgress(c.Stderr, now), now
			}
			bar.at(done, all, "")
		})
		return []*study.OveroptPlay{play}, err
	}
	plays := make([]*study.OveroptPlay, cmd.Seeds)
	group, ctx := errgroup.WithContext(c.Ctx)
	group.SetLimit(kernel.Threads())
	kernel.SetThreads(1)
	defer kernel.SetThreads(0)
	var mu sync.Mutex // of bar and done
	bar, done := newProgress(c.Stderr, "plays"), 0
	for k := range plays {
		group.Go(func() (err error) {
			if plays[k], err = cmd.play(ctx, clean, base, taste, cmd.Seed+int64(k), func(string, int, int) {}); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			fmt.Fprintf(c.Stderr, "seed %d: %s\n", plays[k].Seed, plays[k])
			bar.at(done, cmd.Seeds, "")
			return nil
		})
	}
	return plays, group.Wait()
}

// play makes the play of one seed.
func (cmd *EvalOveroptCmd) play(ctx context.Context, clean, base *lm.Model, taste people.Taste, seed int64, progress func(string, int, int)) (*study.OveroptPlay, error) {
	o := study.Overopt{
		Clean: clean, Base: base, Taste: taste, Pairs: cmd.Pairs, Noise: cmd.Noise, Seed: seed, N: cmd.N, Progress: progress,
		BestOfN: cmd.Sampler != "ppo", PPO: cmd.Sampler != "bon", Off: cmd.Guard != "on", On: cmd.Guard != "off",
	}
	if cmd.Small {
		o.Budget = study.Budget{Questions: 6, Pool: max(8, cmd.N[len(cmd.N)-1]), Subsets: 2, Prompts: 8, Steps: 2, Rollouts: 8}
	}
	return o.Play(ctx)
}
