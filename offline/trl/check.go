package trl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"

	"plumb/chat"
	"plumb/lm"
)

// report is a line of check.jsonl: what the trainer makes of one of the job's few rows.
type report struct {
	Row    int      `json:"row"`
	Tokens []int32  `json:"tokens"` // prompt and completion
	Start  int      `json:"start"`  // of the completion
	Base   *float64 `json:"base"`   // log-prob of the completion by the base, summed over its tokens, in nats
	After  *float64 `json:"after"`  // the same with the adapter; null before there is one
}

// largestCheck bounds check.jsonl.
const largestCheck = 16 << 20

// compareBase compares tokens and the base's log-probs, before the training.
func (t Training) compareBase(f folder, j job) error {
	all, err := readReports(f.path(checkFile), len(j.Check))
	if err == nil {
		_, err = t.compareAll(all, j, nil, func(r report) *float64 { return r.Base }, "base model")
	}
	if err != nil {
		return fmt.Errorf("check the trainer's base model: %w", err)
	}
	return nil
}

// compare compares tokens and log-probs, of the base and with the adapter, and returns the largest difference a token.
func (t Training) compare(f folder, j job, ad *lm.Adapter) (float64, error) {
	all, err := readReports(f.path(checkFile), len(j.Check))
	if err != nil {
		return 0, err
	}
	base, err := t.compareAll(all, j, nil, func(r report) *float64 { return r.Base }, "base model")
	if err != nil {
		return base, err
	}
	after, err := t.compareAll(all, j, ad, func(r report) *float64 { return r.After }, "model with the adapter")
	return math.Max(base, after), err
}

// readReports reads check.jsonl, which must have n lines in their order.
func readReports(path string, n int) ([]report, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > largestCheck {
		err = fmt.Errorf("%d bytes, want at most %d", info.Size(), largestCheck)
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read its log-probs: %w", err)
	}
	var all []report
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, largestCheck)
	for lines.Scan() {
		var r report
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil || r.Row != len(all) {
			return nil, fmt.Errorf("read its log-probs: %s line %d: it is no report on row %d", path, len(all)+1, len(all))
		}
		all = append(all, r)
	}
	if len(all) != n {
		return nil, fmt.Errorf("read its log-probs: %s has %d rows, want %d", path, len(all), n)
	}
	return all, nil
}

// compareAll compares one kind of log-probs with ours on the same tokens. what names the model in errors, which are of kind
// Conflict.
func (t Training) compareAll(all []report, j job, ad *lm.Adapter, theirs func(report) *float64, what string) (worst float64, err error) {
	limit := t.Config.WithDefaults().Tolerance
	var problems []error
	for i, r := range all {
		if err := t.sameTokens(r, j.Check[i]); err != nil {
			return worst, differs("row %d: %v", i, err)
		}
		p, err := t.Model.Forward(ad, []lm.Tree{{Prompt: r.Tokens[:r.Start], Branches: [][]int32{r.Tokens[r.Start:]}}}, false)
		if err != nil {
			return worst, err
		}
		ours := 0.
		for _, l := range p.Logprobs[0][0] {
			ours += l
		}
		p.Release()
		value := theirs(r)
		if value == nil {
			return worst, differs("row %d: the trainer has not told the log-prob of its %s", i, what)
		}
		difference := math.Abs(*value-ours) / float64(len(r.Tokens)-r.Start)
		if !(difference <= limit) {
			problems = append(problems, fmt.Errorf("row %d: %.4f there, %.4f here over %d tokens", i, *value, ours, len(r.Tokens)-r.Start))
		}
		worst = math.Max(worst, difference)
	}
	if len(problems) > 0 {
		return worst, differs("the trainer's %s is not the one that is served: log-probs differ by up to %.3g nats a token, allowed are %g (trainer_tolerance): %v",
			what, worst, limit, errors.Join(problems...))
	}
	return worst, nil
}

func differs(format string, args ...any) error {
	return &chat.Error{Kind: chat.Conflict, Param: "trainer_model", Msg: fmt.Sprintf(format, args...)}
}

// sameTokens checks that the trainer's tokens are ours. Theirs may go on behind the end of the turn with what the template puts
// between turns.
func (t Training) sameTokens(r report, x exchange) error {
	ours, err := t.encode(x)
	if err != nil {
		return err
	}
	if r.Start < 1 || r.Start >= len(r.Tokens) || len(r.Tokens) > len(ours.Tokens)+16 {
		return fmt.Errorf("the trainer's tokenizer or chat template is another's: %d tokens with the reply from %d; here they are %d from %d", len(r.Tokens), r.Start, len(ours.Tokens), ours.Start)
	}
	for i, want := range ours.Tokens {
		if i >= len(r.Tokens) || r.Tokens[i] != want {
			return fmt.Errorf("the trainer's tokenizer or chat template is another's: token %d differs from ours", i)
		}
	}
	if r.Start != ours.Start {
		return fmt.Errorf("the trainer's chat template is another's: the reply begins at token %d there, at %d here", r.Start, ours.Start)
	}
	return nil
}

// encode returns an exchange as our own training sees it.
func (t Training) encode(x exchange) (lm.Sequence, error) {
	return t.Model.EncodeChat(x.Prompt, x.Completion[len(x.Completion)-1].Content, true)
}

// maxLength is the most tokens of a row.
func (t Training) maxLength() int {
	most := t.Train.WithDefaults().MaxLength
	if context := t.Model.Config().Context; context > 0 {
		most = min(most, context)
	}
	return most
}
