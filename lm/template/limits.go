package template

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nikolalohinski/gonja/v2/exec"

	"plumb/chat"
)

// What one rendering may use. Known templates stay far below: they loop over messages, tools and a tool's parameters.
const (
	maxSteps    = 100_000         // loop rounds, statements and macro calls
	maxDepth    = 200             // statements inside statements
	maxCalls    = 32              // macros inside macros
	maxItems    = 100_000         // items of one loop
	maxRange    = 10_000          // numbers of one range()
	maxNesting  = 32              // lists inside lists
	spareValue  = 256 << 10       // bytes of one value, besides 4 × the input
	spareOutput = 1 << 20         // bytes of the text, besides 4 × the input
	maxTime     = 5 * time.Second // a last guard, where single steps are slow
)

// budgetKey holds the budget among the variables. No template can write this name.
const budgetKey = "\x00budget"

// budget is what one rendering has used and may use, and how it failed.
type budget struct {
	steps, depth, calls int
	value, output       int // bytes allowed
	end                 time.Time
	raised              error // by the template itself
	err                 error // a limit that was passed
}

func newBudget(input int) *budget {
	return &budget{value: spareValue + 4*input, output: spareOutput + 4*input, end: time.Now().Add(maxTime)}
}

func budgetOf(r *exec.Renderer) *budget {
	v, _ := r.Environment.Context.Get(budgetKey)
	return v.(*budget)
}

// raise is the function raise_exception.
func (b *budget) raise(message string) (string, error) {
	b.raised = &chat.Error{Kind: chat.Invalid, Param: "messages", Msg: "render chat template: " + message}
	return "", errors.New(message)
}

// fail keeps the first limit that was passed: the library wraps errors in long stories.
func (b *budget) fail(format string, args ...any) error {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
	return b.err
}

// step counts one loop round, statement or call.
func (b *budget) step() error {
	if b.steps++; b.steps > maxSteps {
		return b.fail("more than %d steps", maxSteps)
	}
	if b.steps%64 == 0 && time.Now().After(b.end) {
		return b.fail("more than %v", maxTime)
	}
	return nil
}

// allow fails for a value that is too large, or holds itself.
func (b *budget) allow(value any) error {
	size := sizer{left: b.value}
	if err := size.add(value, 0); err != nil {
		return b.fail("a value %w", err)
	}
	return nil
}

// writer passes on at most limit bytes.
func (b *budget) writer(w io.Writer, limit int) io.Writer { return &limitedWriter{b, w, limit, limit} }

type limitedWriter struct {
	budget      *budget
	w           io.Writer
	left, limit int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, l.budget.fail("more than %d bytes of text", l.limit)
	}
	l.left -= len(p)
	if err := l.budget.step(); err != nil {
		return 0, err
	}
	return l.w.Write(p)
}

func (l *limitedWriter) WriteString(s string) (int, error) {
	if len(s) > l.left {
		return 0, l.budget.fail("more than %d bytes of text", l.limit)
	}
	l.left -= len(s)
	if err := l.budget.step(); err != nil {
		return 0, err
	}
	return io.WriteString(l.w, s)
}
