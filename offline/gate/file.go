package gate

import (
	"fmt"
	"math"
)

// Answer is one greedy reply, from the published file through its server and from our own engine on the same file.
type Answer struct {
	Equal  bool      `json:"equal"`  // the texts
	Margin float64   `json:"margin"` // least difference of log-prob between the two likeliest tokens, over our reply
	Deltas []float64 `json:"deltas"` // |Δ log-prob| of each output token up to where the texts part; empty where the server tells none
}

// sureMargin is the margin, in nats, from which two right engines must choose the same token.
const sureMargin = .05

// File asks whether the published file answers as our engine says. Replies where our engine itself hesitates between two tokens do
// not count: rounding may turn them.
func File(answers []Answer, l Limits) Check {
	l = l.withDefaults()
	const name = "file_check"
	threshold := fmt.Sprintf("greedy replies equal on %.0f %% of prompts with a margin above %.2f, mean |Δ log-prob| ≤ %.2g", 100*l.FileEqual, sureMargin, l.FileDelta)
	equal, sure := 0, 0
	sum, tokens := 0., 0
	for _, a := range answers {
		if a.Margin > sureMargin {
			sure++
			if a.Equal {
				equal++
			}
		}
		for _, d := range a.Deltas {
			sum += math.Abs(d)
			tokens++
		}
	}
	if sure < 3 && tokens < 50 {
		return insufficient(name, threshold, "%d of %d replies with a clear margin and %d log-probs", sure, len(answers), tokens)
	}
	c := Check{Name: name, Threshold: threshold, Pass: true, Detail: fmt.Sprintf("%d of %d sure greedy replies are equal", equal, sure)}
	if sure > 0 {
		share := float64(equal) / float64(sure)
		lo, hi := Wilson(float64(equal), float64(sure), 1.96)
		c.Value, c.Interval, c.AtLeast, c.Pass = &share, &[2]float64{lo, hi}, &l.FileEqual, share >= l.FileEqual
	}
	if tokens > 0 {
		mean := sum / float64(tokens)
		c.Pass = c.Pass && mean <= l.FileDelta
		c.Detail += fmt.Sprintf("; mean |Δ log-prob| %.4f over %d tokens", mean, tokens)
	} else {
		c.Detail += "; the server gives no log-probs"
	}
	return c
}
