package gate

import (
	"fmt"
	"math"
)

// Answer is one greedy reply, from the published file through its server and from our own engine on the same file.
type Answer struct {
	Sure   int       `json:"sure"`   // leading tokens of our reply before the first on which our engine hesitates between two
	Equal  bool      `json:"equal"`  // the server's reply begins with those; is those, if our reply has no others
	Deltas []float64 `json:"deltas"` // |Δ log-prob| of each output token up to where the texts part; empty where the server tells none
}

// SureMargin is the margin, in nats, between the two likeliest tokens from which two right engines must choose the same one. Below it
// rounding may turn them, and what follows is another text.
const SureMargin = .05

// leastSure is from how many sure tokens on an answer counts: fewer would be equal by chance.
const leastSure = 4

// File asks whether the published file answers as our engine says, up to where our engine itself hesitates.
func File(answers []Answer, l Limits) Check {
	l = l.withDefaults()
	const name = "file_check"
	threshold := fmt.Sprintf("greedy replies equal up to the first margin below %.2f on %.0f %% of prompts, mean |Δ log-prob| ≤ %.2g", SureMargin, 100*l.FileEqual, l.FileDelta)
	equal, sure, sureTokens := 0, 0, 0
	sum, tokens := 0., 0
	for _, a := range answers {
		if a.Sure >= leastSure {
			sure++
			sureTokens += a.Sure
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
		return insufficient(name, threshold, "%d of %d replies with a clear beginning and %d log-probs", sure, len(answers), tokens)
	}
	c := Check{Name: name, Threshold: threshold, Pass: true, Detail: fmt.Sprintf("%d of %d greedy replies are equal as far as they are sure, %d tokens", equal, sure, sureTokens)}
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
