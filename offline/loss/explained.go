package loss

import "gonum.org/v1/gonum/stat"

// ExplainedVariance returns the share of the returns' variance that the values foretold, 1 − Var(R − V)/Var(R): 1 is perfect, 0 as good as
// their mean, below 0 worse. It is 0 where the returns do not vary. It panics if the lengths differ.
func ExplainedVariance(values, returns []float64) float64 {
	if len(values) != len(returns) {
		panic("loss: ExplainedVariance: values and returns differ in length")
	}
	if len(returns) < 2 {
		return 0
	}
	all := stat.PopVariance(returns, nil)
	if all == 0 {
		return 0
	}
	left := make([]float64, len(returns))
	for i, r := range returns {
		left[i] = r - values[i]
	}
	return 1 - stat.PopVariance(left, nil)/all
}
