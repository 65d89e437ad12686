package trl

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"plumb/chat"
)

// grace is how long a command has to end by itself once it is told to.
const grace = 30 * time.Second

// start runs the command to its end and returns the last step that it reported. What it says goes into train.log.
func (t Training) start(ctx context.Context, f folder, j job) (Step, error) {
	log, err := os.OpenFile(f.path(logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return Step{}, fmt.Errorf("start trainer: %w", err)
	}
	defer log.Close()
	words := t.Launch.command()
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	cmd := exec.CommandContext(running, words[0], append(words[1:len(words):len(words)], f.path(scriptFile), f.path(jobFile))...)
	inGroup(cmd)
	cmd.Cancel = func() error { return endGroup(cmd) }
	cmd.WaitDelay = grace
	l := &listener{log: log, each: t.Each, based: func() {
		if err := t.compareBase(f, j); err != nil {
			stop(err)
		}
	}}
	out, said := io.Pipe()
	cmd.Stdout, cmd.Stderr = said, said // one writer: their lines do not mix
	read := make(chan struct{})
	go func() {
		defer close(read)
		l.listen(out)
	}()
	err = cmd.Start()
	if err == nil {
		release := guardGroup(cmd)
		err = cmd.Wait()
		killGroup(cmd) // what it left running
		release()
	}
	said.Close()
	<-read
	switch cause := context.Cause(running); {
	case ctx.Err() != nil:
		return l.last, context.Cause(ctx)
	case cause != nil:
		return l.last, cause
	case err != nil:
		return l.last, failure(words[0], err, l.tail)
	}
	return l.last, nil
}

// failure is what is told of a command that failed.
func failure(name string, err error, tail []string) error {
	if errors.Is(err, exec.ErrNotFound) {
		return &chat.Error{Kind: chat.Unavailable, Param: "trainer_command", Msg: fmt.Sprintf("start trainer: there is no program %s here", name), Cause: err}
	}
	if len(tail) == 0 {
		return fmt.Errorf("train with %s: %w; it said nothing", name, err)
	}
	return fmt.Errorf("train with %s: %w; it said last:\n%s", name, err, strings.Join(tail, "\n"))
}

// listener reads what a command says.
type listener struct {
	log   io.Writer
	each  func(Step)
	based func() // the base's log-probs are in the folder

	once sync.Once
	last Step
	tail []string // the last lines that were no reports
}

// Bounds on what is kept of a command's lines.
const (
	longestLine = 64 << 10
	tailLines   = 20
	tailWidth   = 500
)

// listen reads lines until the end. Of a line longer than longestLine the rest is passed over.
func (l *listener) listen(r io.Reader) {
	lines := bufio.NewReaderSize(r, longestLine)
	for {
		line, cut, err := lines.ReadLine()
		if err != nil {
			return
		}
		text := string(line)
		for cut && err == nil {
			_, cut, err = lines.ReadLine()
		}
		fmt.Fprintln(l.log, text) // a full disk shows elsewhere
		l.hear(text)
	}
}

// hear takes one line. Reports of train.py are JSON objects with the key "plumb".
func (l *listener) hear(text string) {
	var report struct {
		Plumb string `json:"plumb"`
		Step
	}
	if !strings.HasPrefix(text, `{"plumb"`) || json.Unmarshal([]byte(text), &report) != nil {
		if text = strings.TrimSpace(text); text != "" {
			l.tail = append(l.tail, text[:min(len(text), tailWidth)])
			l.tail = l.tail[max(0, len(l.tail)-tailLines):]
		}
		return
	}
	switch report.Plumb {
	case "base":
		l.once.Do(l.based)
	case "step":
		l.last = report.Step
		if l.each != nil {
			l.each(l.last)
		}
	}
}
