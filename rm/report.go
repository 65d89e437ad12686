package rm

import (
	"math"
	"slices"
)

// Metrics is how a model did on prompts it was not fitted on: across the folds of a cross-validation, or on one prompt
// in ten with much data. Accuracies count a difference of 0 as half right and leave ties out. NaN-free: what could not be
// measured is nil.
type Metrics struct {
	HeldOut       int      `json:"held_out"`                 // votes measured on: pairs without ties, else pairs implied by lists, else thumbs
	MeasuredOn    string   `json:"measured_on,omitempty"`    // what HeldOut counts: pairs, lists or thumbs
	Accuracy      *float64 `json:"accuracy,omitempty"`       // of pairs
	LogLoss       *float64 `json:"log_loss,omitempty"`       // after the temperature, which is fitted across folds
	Brier         *float64 `json:"brier,omitempty"`          // the same
	ECE           *float64 `json:"ece,omitempty"`            // the same; 15 bins of the predicted class
	ECERaw        *float64 `json:"ece_raw,omitempty"`        // before the temperature
	LogLossRaw    *float64 `json:"log_loss_raw,omitempty"`   // before the temperature
	ListAccuracy  *float64 `json:"list_accuracy,omitempty"`  // of the pairs that rankings and demonstrations imply
	ThumbAccuracy *float64 `json:"thumb_accuracy,omitempty"` // of thumbs, against the outside option
	ThumbAUC      *float64 `json:"thumb_auc,omitempty"`      // probability that a liked reply outscores a disliked one

	// Of demonstrations: how well they are told from the model's own candidates, which may be by who wrote them, and how well
	// better is told from worse among the model's own replies (Data.Own), which cannot; see [Metrics.Warnings].
	AuthorAccuracy *float64 `json:"author_accuracy,omitempty"`
	OwnAccuracy    *float64 `json:"own_accuracy,omitempty"`
	OwnPairs       int      `json:"own_pairs,omitempty"` // that own_accuracy was measured on
	OwnZ           *float64 `json:"own_z,omitempty"`     // own_accuracy over ½ in standard errors by prompt

	// How many draws from the reference the candidates of a demonstration are worth, [EffectiveSize] before any weight is cut;
	// and for how many demonstrations that is less than half of the candidates (Liu & Chen 1995 would draw again there).
	ESSMean  *float64 `json:"ess_mean,omitempty"`
	ESSLeast *float64 `json:"ess_least,omitempty"`
	ESSLow   int      `json:"ess_low,omitempty"`

	// Share of training prompts where no canary outranks an honest reply, and where none does once spread and distance are
	// taken off; see [HackTest]. The worse of the fixed and the mutated bank.
	HackResistance         *float64           `json:"hack_resistance,omitempty"`
	HackResistanceCautious *float64           `json:"hack_resistance_cautious,omitempty"`
	ByHack                 map[string]float64 `json:"by_hack,omitempty"`
	HackPrompts            int                `json:"hack_prompts,omitempty"` // it was tested on
}

// MeasuredAccuracy is the accuracy on the HeldOut votes: of pairs, of lists or of thumbs, whichever HeldOut counts. nil without any. A
// model of an earlier version, which does not say how many pairs there were, gives the accuracy of pairs where it has one.
func (m Metrics) MeasuredAccuracy() *float64 {
	if m.MeasuredOn == "" {
		for _, v := range []*float64{m.Accuracy, m.ListAccuracy, m.ThumbAccuracy} {
			if v != nil {
				return v
			}
		}
	}
	return map[string]*float64{OnPairs: m.Accuracy, OnLists: m.ListAccuracy, OnThumbs: m.ThumbAccuracy}[m.MeasuredOn]
}

// What Metrics.HeldOut counts.
const (
	OnPairs  = "pairs"
	OnLists  = "lists"
	OnThumbs = "thumbs"
)

// report is what a fit learned beside the weights.
type report struct {
	Metrics
	Prior       prior
	Temperature float64
	Up          *[2]float64 // P(thumb up) = σ(Up[0]·reward + Up[1]), in final units
}

// fewest is how many held-out votes a temperature is worth fitting to.
const fewest = 20

// report fits the temperature on held-out predictions and measures them.
func (f *fitting) report(held outcome) report {
	r := report{Temperature: 1}
	pairs, lists, thumbs := held.only(isPair), held.only(isList, isDemonstration), held.only(isThumb)
	votes, on := pairs, OnPairs
	if len(votes.scores) < fewest {
		votes, on = lists, OnLists
	}
	if len(votes.scores) < fewest {
		votes, on = thumbs, OnThumbs
	}
	if len(votes.scores) > 0 {
		r.MeasuredOn = on
	}
	r.HeldOut = len(votes.scores)
	r.Accuracy, r.ListAccuracy, r.ThumbAccuracy = pairs.accuracy(), lists.accuracy(), thumbs.accuracy()
	r.ThumbAUC = thumbs.auc()
	own := held.only(isOwn)
	r.AuthorAccuracy, r.OwnAccuracy, r.OwnPairs = held.only(isDemonstration).accuracy(), own.accuracy(), len(own.scores)
	r.OwnZ = own.overChance()
	if len(votes.scores) >= fewest {
		r.Temperature = votes.temperature(func(int32) bool { return true })
		r.calibration(votes)
	}
	if len(thumbs.scores) > 0 {
		r.Up = upFrom(thumbs, r.Temperature)
	}
	return r
}

// mostTemperature bounds how far rewards are shrunk when held-out votes contradict them.
const mostTemperature = 50

// temperature is fitted on the votes of some groups, by importance: what stands for more draws of the reference counts for more.
func (o outcome) temperature(use func(group int32) bool) float64 {
	var scores, labels, ratios []float64
	for i, g := range o.group {
		if use(g) {
			scores, labels, ratios = append(scores, o.scores[i]), append(labels, o.labels[i]), append(ratios, o.ratios[i])
		}
	}
	return max(1./mostTemperature, min(mostTemperature, weightedTemperature(scores, labels, ratios)))
}

// calibration measures votes at temperatures fitted on the other folds.
func (m *Metrics) calibration(votes outcome) {
	const parts = 5
	scaled := make([]float64, len(votes.scores))
	for part := range parts {
		t := votes.temperature(func(g int32) bool { return int(g)%parts != part })
		for i, g := range votes.group {
			if int(g)%parts == part {
				scaled[i] = votes.scores[i] / t
			}
		}
	}
	raw, cooked := votes, votes
	cooked.scores = scaled
	m.LogLossRaw, m.LogLoss = number(LogLoss(raw.scores, raw.labels)), number(LogLoss(scaled, votes.labels))
	m.ECERaw, m.ECE = number(raw.ece()), number(cooked.ece())
	m.Brier = number(Brier(cooked.probabilities(), votes.labels))
}

// upFrom maps raw held-out thumbs to P(up) as a function of the final reward, which is the raw one over temperature. The
// scores of thumbs are raw rewards over the outside option; that one is put back by the model.
func upFrom(thumbs outcome, temperature float64) *[2]float64 {
	if len(thumbs.scores) < fewest {
		return &[2]float64{temperature, 0}
	}
	a, b := Platt(thumbs.scores, thumbs.labels)
	if !(a > 0) { // held-out thumbs contradict the reward: only the base rate is known
		a, b = 0, logit(mean(thumbs.labels))
	}
	return &[2]float64{a * temperature, b}
}

func logit(p float64) float64 {
	p = max(1e-6, min(1-1e-6, p))
	return math.Log(p / (1 - p))
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

func number(x float64) *float64 { return &x }

func (o outcome) only(kinds ...termKind) outcome {
	var out outcome
	for i, k := range o.kind {
		if slices.Contains(kinds, k) {
			out.kind, out.group = append(out.kind, k), append(out.group, o.group[i])
			out.scores, out.labels, out.weights = append(out.scores, o.scores[i]), append(out.labels, o.labels[i]), append(out.weights, o.weights[i])
			out.ratios = append(out.ratios, o.ratios[i])
		}
	}
	return out
}

func (o outcome) probabilities() []float64 {
	p := make([]float64, len(o.scores))
	for i, s := range o.scores {
		p[i] = sigmoid(s)
	}
	return p
}

func (o outcome) ece() float64 {
	confidence, correct := Confidence(o.probabilities(), o.labels)
	return ECE(confidence, correct, 15)
}

// accuracy is the share of labels on the score's side of ½; nil if there are none.
func (o outcome) accuracy() *float64 {
	right, n := 0.0, 0
	for i, s := range o.scores {
		if o.labels[i] == .5 {
			continue
		}
		n++
		switch {
		case s == 0:
			right += .5
		case (s > 0) == (o.labels[i] > .5):
			right++
		}
	}
	if n == 0 {
		return nil
	}
	return number(right / float64(n))
}

// auc is the probability that a reply labelled over ½ has a higher score than one labelled under it; nil without both.
func (o outcome) auc() *float64 {
	var up, down []float64
	for i, s := range o.scores {
		switch {
		case o.labels[i] > .5:
			up = append(up, s)
		case o.labels[i] < .5:
			down = append(down, s)
		}
	}
	if len(up) == 0 || len(down) == 0 {
		return nil
	}
	return number(aucOf(up, down))
}
