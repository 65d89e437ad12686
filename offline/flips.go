package offline

import (
	"fmt"

	"plumb/offline/loss"
	"plumb/offline/train"
)

// mostFlips is the largest share of flipped votes that a loss is told: beyond it what robust learns of a vote, 1/(1 − 2ε), is mostly noise.
const mostFlips = .4

// assuming returns c with the share of flipped votes that its loss makes up for: what c says or, where it says nothing, what the votes of
// the run say of themselves (see [pairs.Noise]). Where those are too few to tell it stays 0, the loss's own.
func assuming(c train.Config, s split) train.Config {
	if c.Epsilon == 0 && loss.AssumesFlips(c.Method) && s.Noise != nil {
		c.Epsilon = min(mostFlips, s.Noise.Epsilon)
	}
	return c
}

// noteFlips notes in the manifest what share of flipped votes the method makes up for, and who says so.
func (w *work) noteFlips(s split) {
	c := w.config.Train
	if c.Method = w.run.Method; !loss.AssumesFlips(c.Method) {
		return
	}
	source := "asked for"
	if c.Epsilon == 0 {
		if c = assuming(c, s); c.Epsilon == 0 {
			w.run.Reason += "; too few things were judged twice to tell how many votes are wrong: the loss's own guess is assumed"
			return
		}
		source = fmt.Sprintf("estimated from %d votes on things that were judged twice", s.Noise.Votes)
		if s.Noise.Epsilon > mostFlips {
			source += fmt.Sprintf(" (%.3f, of which no more is believed)", s.Noise.Epsilon)
		}
	}
	w.metric("train/epsilon", &c.Epsilon)
	w.run.Reason += fmt.Sprintf("; %.3f of the votes are assumed to be wrong, %s", c.Epsilon, source)
}
