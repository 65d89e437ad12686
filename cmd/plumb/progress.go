package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress shows how far long work is: one line that is rewritten on a terminal, a plain line at each tenth elsewhere.
type progress struct {
	out      io.Writer
	what     string
	terminal bool
	begun    time.Time
	first    int // done at the first call
	shown    time.Time
	tenths   int
}

func newProgress(out io.Writer, what string) *progress {
	p := &progress{out: out, what: what, tenths: -1}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// at says that done of all are done; note is shown beside it.
func (p *progress) at(done, all int, note string) {
	now := time.Now()
	if p.begun.IsZero() {
		p.begun, p.first = now, done
	}
	end := done >= all
	if p.terminal && !end && now.Sub(p.shown) < 100*time.Millisecond || !p.terminal && done*10/max(all, 1) == p.tenths {
		return
	}
	p.shown, p.tenths = now, done*10/max(all, 1)
	speed := ""
	if spent := now.Sub(p.begun); spent > 0 && done > p.first { // nothing is known of the speed at first
		rate := float64(done-p.first) / spent.Seconds()
		left := time.Duration(float64(all-done) / rate * float64(time.Second)).Round(time.Second)
		speed = fmt.Sprintf("%.3g/s, %v left, ", rate, left)
	}
	if !p.terminal {
		fmt.Fprintf(p.out, "%s %d/%d, %s%s\n", p.what, done, all, speed, note)
		return
	}
	full := 30 * done / max(all, 1)
	fmt.Fprintf(p.out, "\r%s [%s%s] %d/%d, %s%s\x1b[K", p.what, strings.Repeat("=", full), strings.Repeat(" ", 30-full), done, all, speed, note)
	if end {
		fmt.Fprintln(p.out)
	}
}
