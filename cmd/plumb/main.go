// Command plumb serves an OpenAI-compatible chat API in front of a base model, chooses replies by a reward model trained
// from people's votes, and trains the base model itself from them. One file a subcommand; this one parses the command
// line and maps errors to exit statuses: 0 done, 1 failed, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"plumb/chat"
)

// Context is what a subcommand works with. Results that scripts read go to Stdout, everything said to people to Stderr.
type Context struct {
	Ctx    context.Context
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	Config string // settings file in use, "" if none
}

// cli is the whole command line.
type cli struct {
	Config string `help:"YAML file with settings: the flags below with _ for -, one a line." placeholder:"FILE"`

	Serve   ServeCmd   `cmd:"" help:"Serve the chat API."`
	Demo    DemoCmd    `cmd:"" help:"Show the whole loop with simulated people: chat, votes, training, release, rollback."`
	Align   AlignCmd   `cmd:"" help:"Turn votes into a better model."`
	RM      RMCmd      `cmd:"" name:"rm" help:"Fit, use and measure reward models on files."`
	LM      LMCmd      `cmd:"" name:"lm" help:"Use, train and convert language models on files."`
	Eval    EvalCmd    `cmd:"" help:"Measure ways of choosing a reply."`
	Data    DataCmd    `cmd:"" help:"Move feedback in and out as rows of training data."`
	Doctor  DoctorCmd  `cmd:"" help:"Check the upstream, the store, the disk and training beside chat, and say what to do."`
	Bench   BenchCmd   `cmd:"" help:"Measure how fast this machine, and a model on it, are."`
	Version VersionCmd `cmd:"" help:"Print the version."`
}

const about = `plumb makes a language model you already run answer the way your people like, and keeps learning.

"plumb demo" shows the whole loop in about a minute, with nothing installed; "plumb serve" is the chat API on
127.0.0.1:8080, with the built-in model until --upstream names a better one.

Every flag can also be set as PLUMB_<FLAG> in the environment or in a YAML file (--config).`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}

// run is the program without the process: it returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	exited := -1
	settings, err := newSettings(args, getenv)
	if err != nil {
		fmt.Fprintln(stderr, "plumb:", err)
		return 2
	}
	parser, err := kong.New(&cli{}, kong.Resolvers(settings),
		readsModels(getenv, stderr),
		kong.Name("plumb"), kong.Description(about),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}), kong.ValueFormatter(describe))
	if err != nil {
		fmt.Fprintln(stderr, "plumb:", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "plumb: %v\nRun \"plumb --help\" or \"plumb <command> --help\".\n", err)
		return 2
	}
	err = command.Run(&Context{Ctx: ctx, Stdin: stdin, Stdout: stdout, Stderr: stderr, Getenv: getenv, Config: settings.file})
	return status(err, stderr)
}

// describe is a flag's help with its default and what it may be, where its place holder and its text do not say so.
func describe(v *kong.Value) string {
	text := v.Help
	if v.Enum != "" && !strings.Contains(text, v.EnumSlice()[0]) {
		text += " One of " + strings.Join(v.EnumSlice(), ", ") + "."
	}
	if v.Flag != nil && v.HasDefault && v.Default != "" && v.Flag.PlaceHolder != "" {
		text += " Default: " + v.Default + "."
	}
	return text
}

// usageError marks an error that is the caller's: exit status 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func status(err error, stderr io.Writer) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "plumb: interrupted")
		return 1
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "plumb:", err)
		return 2
	}
	var e *chat.Error
	if errors.As(err, &e) && e.Param != "" {
		fmt.Fprintf(stderr, "plumb: %v (%s)\n", err, e.Param)
	} else {
		fmt.Fprintln(stderr, "plumb:", err)
	}
	return 1
}
