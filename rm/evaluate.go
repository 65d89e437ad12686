package rm

import (
	"context"
	"fmt"
	"math"
	"unicode/utf8"
)

// Evaluation is how well rewards agree with votes. What there is nothing to measure on is nil.
type Evaluation struct {
	N                   int      `json:"n"`    // votes, ties left out
	Ties                int      `json:"ties"` // left out
	Accuracy            *float64 `json:"accuracy"`
	AccuracySE          *float64 `json:"accuracy_se"`           // binomial standard error
	AccuracyEqualLength *float64 `json:"accuracy_equal_length"` // over votes on replies of equal length, |log ratio of characters| < .1
	NEqualLength        int      `json:"n_equal_length"`
	Longest             *float64 `json:"longest"` // accuracy of "the longer reply wins"
	LogLoss             *float64 `json:"log_loss"`
	Brier               *float64 `json:"brier"`
	ECE                 *float64 `json:"ece"` // 15 bins of the predicted class
	Bins                []Bin    `json:"-"`
}

// equalLength is the largest |log ratio| of lengths that counts as equal.
const equalLength = .1

// Evaluate measures rewards against pairs that the model was not fitted on. An equal reward counts as half right.
func Evaluate(ctx context.Context, s Scorer, pairs []Pair) (Evaluation, error) {
	var e Evaluation
	var all, equal, longest outcome
	for i, p := range pairs {
		if p.Tie {
			e.Ties++
			continue
		}
		r, err := s.Score(ctx, p.Prompt, []string{p.Chosen, p.Rejected})
		if err != nil {
			return Evaluation{}, fmt.Errorf("evaluate pairs[%d]: %w", i, err)
		}
		difference := r[0].Reward - r[1].Reward
		all.scores, all.labels = append(all.scores, difference), append(all.labels, 1)
		ratio := math.Log(float64(1+utf8.RuneCountInString(p.Chosen)) / float64(1+utf8.RuneCountInString(p.Rejected)))
		longest.scores, longest.labels = append(longest.scores, ratio), append(longest.labels, 1)
		if math.Abs(ratio) < equalLength {
			equal.scores, equal.labels = append(equal.scores, difference), append(equal.labels, 1)
		}
	}
	e.N, e.NEqualLength = len(all.scores), len(equal.scores)
	e.Accuracy, e.AccuracyEqualLength, e.Longest = all.accuracy(), equal.accuracy(), longest.accuracy()
	if e.N > 0 {
		e.AccuracySE = number(math.Sqrt(*e.Accuracy * (1 - *e.Accuracy) / float64(e.N)))
		p := all.probabilities()
		e.LogLoss, e.Brier, e.ECE = number(LogLoss(all.scores, all.labels)), number(Brier(p, all.labels)), number(all.ece())
		confidence, correct := Confidence(p, all.labels)
		e.Bins = Reliability(confidence, correct, 15)
	}
	return e, nil
}
