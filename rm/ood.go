package rm

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// outlier tells how far a reply is from the replies a model was trained on: the root mean square of two ratios, each to
// what is typical of a reply that was *not* in the training set but came from the same place,
//   - the Mahalanobis distance of the standardised dense features, and
//   - the share of the reply's hashed columns that are outside the vocabulary (where there are any).
type outlier struct {
	precision []float64 // nd × nd, symmetric; or its nd diagonal entries alone, see precisionWidth
	distance  float64   // typical squared distance
	unseen    float64   // typical share; 0 where there are no hashed columns
}

// precisionWidth is how many columns the precision of nd features has: all of them, or, from many features on, one: the
// diagonal, which needs neither the data nor the space that a full matrix would.
func precisionWidth(nd int) int {
	if nd > 512 {
		return 1
	}
	return nd
}

const (
	outlierRows  = 20000
	outlierFolds = 5
	leastUnseen  = .05
)

// fitOutlier fits the dense part on rows of standardised, unclipped features, n × nd; unseen is the typical share of
// columns outside the vocabulary.
func fitOutlier(rows []float64, nd int, unseen float64) (*outlier, error) {
	n := len(rows) / max(nd, 1)
	if n > outlierRows {
		step, kept := n/outlierRows, []float64(nil)
		for i := 0; i < n; i += step {
			kept = append(kept, rows[i*nd:(i+1)*nd]...)
		}
		rows, n = kept, len(kept)/nd
	}
	o := &outlier{distance: 1, unseen: unseen}
	// The typical distance is taken across folds: a covariance is always too close to its own data.
	var distances, diff []float64
	diff = make([]float64, nd)
	for fold := range min(outlierFolds, n) {
		precision, err := shrunkPrecision(rows, nd, func(i int) bool { return i%outlierFolds != fold })
		if err != nil {
			return nil, err
		}
		for i := fold; i < n; i += outlierFolds {
			copy(diff, rows[i*nd:])
			distances = append(distances, quadratic(precision, diff))
		}
	}
	if len(distances) > 0 {
		slices.Sort(distances)
		o.distance = max(distances[len(distances)/2], 1e-6)
	}
	var err error
	o.precision, err = shrunkPrecision(rows, nd, func(int) bool { return true })
	return o, err
}

// shrunkPrecision inverts the covariance of the rows that are used, shrunk to the identity by nd/(nd + rows) or 5 %.
func shrunkPrecision(rows []float64, nd int, use func(i int) bool) ([]float64, error) {
	if precisionWidth(nd) <= 1 {
		return diagonalPrecision(rows, nd, use), nil
	}
	cov := mat.NewSymDense(nd, nil)
	n := 0
	for i := range len(rows) / nd {
		if use(i) {
			n++
			cov.SymRankOne(cov, 1, mat.NewVecDense(nd, rows[i*nd:(i+1)*nd]))
		}
	}
	alpha := max(.05, float64(nd)/float64(nd+n))
	cov.ScaleSym((1-alpha)/float64(max(n, 1)), cov)
	for j := range nd {
		cov.SetSym(j, j, cov.At(j, j)+alpha)
	}
	var chol mat.Cholesky
	if !chol.Factorize(cov) {
		return nil, errNotPositive
	}
	var inverse mat.SymDense
	if err := chol.InverseTo(&inverse); err != nil {
		return nil, err
	}
	precision := make([]float64, 0, nd*nd)
	for i := range nd {
		for j := range nd {
			precision = append(precision, inverse.At(i, j))
		}
	}
	return precision, nil
}

func diagonalPrecision(rows []float64, nd int, use func(i int) bool) []float64 {
	precision := make([]float64, nd)
	n := 0
	for i := range len(rows) / max(nd, 1) {
		if use(i) {
			n++
			for j, x := range rows[i*nd : (i+1)*nd] {
				precision[j] += x * x
			}
		}
	}
	for j, sum := range precision { // one imagined row at distance 1 keeps a constant column finite
		precision[j] = float64(n+1) / (sum + 1)
	}
	return precision
}

// quadratic returns xᵀPx for a symmetric or diagonal P.
func quadratic(p, x []float64) float64 {
	sum := 0.0
	n := len(x)
	if precisionWidth(n) == 1 {
		for i, xi := range x {
			sum += p[i] * xi * xi
		}
		return sum
	}
	for i, xi := range x {
		row := p[i*n : (i+1)*n]
		dot := row[i] * xi / 2
		for j, xj := range x[:i] {
			dot += row[j] * xj
		}
		sum += 2 * xi * dot
	}
	return sum
}

// at returns the distance of a reply: its standardised dense features and how many of its columns are unseen.
func (o *outlier) at(dense []float64, columns, unseen int) float64 {
	d := quadratic(o.precision, dense) / o.distance
	if o.unseen == 0 {
		return math.Sqrt(max(d, 0))
	}
	u := share(unseen, columns) / o.unseen
	return math.Sqrt(max(d, 0)/2 + u*u/2)
}
