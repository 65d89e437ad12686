package lm

import (
	"fmt"
	"math"

	"plumb/chat"
)

// Settings say how tokens are drawn. The zero value draws greedily, up to the end of the context.
type Settings struct {
	Temperature float64 // ≥ 0; 0 is greedy, of equals the lowest token
	TopK        int     // keep the k most likely tokens; 0 keeps all
	TopP        float64 // in [0, 1]: keep the fewest most likely tokens whose probabilities add up to this; 0 or 1 keeps all
	MinP        float64 // in [0, 1]: keep tokens at least MinP times as likely as the most likely one
	Presence    float64 // taken off the logit of each token drawn before
	Frequency   float64 // the same, times how often
	MaxTokens   int     // new tokens of each reply; 0 means up to the end of the context
	Top         int     // alternatives reported with each token, at most MaxTop
}

// MaxTop bounds Settings.Top.
const MaxTop = 20

// Check returns an error of kind Invalid that names the setting out of range, its value and what is allowed.
func (s Settings) Check() error {
	number := func(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
	for _, c := range []struct {
		ok      bool
		param   string
		value   any
		allowed string
	}{
		{number(s.Temperature) && s.Temperature >= 0, "temperature", s.Temperature, "0 or more"},
		{s.TopK >= 0, "top_k", s.TopK, "0 or more"},
		{s.TopP >= 0 && s.TopP <= 1, "top_p", s.TopP, "0 to 1"},
		{s.MinP >= 0 && s.MinP <= 1, "min_p", s.MinP, "0 to 1"},
		{number(s.Presence), "presence_penalty", s.Presence, "a finite number"},
		{number(s.Frequency), "frequency_penalty", s.Frequency, "a finite number"},
		{s.MaxTokens >= 0, "max_tokens", s.MaxTokens, "0 or more"},
		{s.Top >= 0 && s.Top <= MaxTop, "top_logprobs", s.Top, fmt.Sprintf("0 to %d", MaxTop)},
	} {
		if !c.ok {
			return &chat.Error{Kind: chat.Invalid, Param: c.param, Msg: fmt.Sprintf("draw: %s is %v; allowed is %s", c.param, c.value, c.allowed)}
		}
	}
	return nil
}

// filtered tells whether some tokens of n may be left out.
func (s Settings) filtered(n int) bool {
	return s.TopK > 0 && s.TopK < n || s.TopP > 0 && s.TopP < 1 || s.MinP > 0
}
