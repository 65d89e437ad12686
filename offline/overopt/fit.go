package overopt

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Form is how gold depends on d = √KL. Both forms are 0 at d = 0: gold is counted from that of the base.
type Form int

const (
	BestOfN Form = iota // R(d) = d·(α − β·d): best-of-n and its kin
	RL                  // R(d) = d·(α − β·log d): a trained policy
)

// Point is one measurement.
type Point struct {
	KL   float64 // from the policy that answers to the base, nats a reply; ≥ 0
	Gold float64 // mean gold of its replies less that of the base's
}

// Curve is a fitted form. α is how fast gold rises at first, β how soon that ends.
type Curve struct {
	Form        Form
	Alpha, Beta float64
	// AlphaSE and BetaSE are the standard errors of least squares, from the residuals; NaN for two points, which leave none.
	AlphaSE, BetaSE float64
}

// worstCondition of the normal equations is that from which α and β cannot be told apart.
const worstCondition = 1e10

// Fit fits a form to points by least squares; it is linear in α and β. Points at KL = 0 say nothing and are allowed. It is an error
// if a number is not finite, a KL is negative, or the others do not lie at two different distances at least.
func Fit(form Form, points []Point) (Curve, error) {
	c := Curve{Form: form, AlphaSE: math.NaN(), BetaSE: math.NaN()}
	normal, right := mat.NewSymDense(2, nil), mat.NewVecDense(2, nil)
	n := 0
	for i, p := range points {
		if !(p.KL >= 0) || math.IsInf(p.KL, 0) || math.IsNaN(p.Gold) || math.IsInf(p.Gold, 0) {
			return c, fmt.Errorf("fit over-optimisation: point %d: got KL %v and gold %v, want finite numbers and KL ≥ 0", i, p.KL, p.Gold)
		}
		if p.KL > 0 {
			n++
		}
		row := mat.NewVecDense(2, form.row(math.Sqrt(p.KL)))
		normal.SymRankOne(normal, 1, row)
		right.AddScaledVec(right, p.Gold, row)
	}
	var chol mat.Cholesky
	if n < 2 || !chol.Factorize(normal) || chol.Cond() > worstCondition {
		return c, fmt.Errorf("fit over-optimisation: %d points with KL > 0 that do not lie at two different distances", n)
	}
	var solution mat.VecDense
	if err := chol.SolveVecTo(&solution, right); err != nil {
		return c, fmt.Errorf("fit over-optimisation: %w", err)
	}
	c.Alpha, c.Beta = solution.AtVec(0), solution.AtVec(1)
	if n > 2 {
		c.errors(points, n-2, &chol)
	}
	return c, nil
}

// errors fills in the standard errors, √(σ²·(XᵀX)⁻¹) with σ² the sum of squared residuals over the degrees of freedom.
func (c *Curve) errors(points []Point, freedom int, normal *mat.Cholesky) {
	squares := 0.
	for _, p := range points {
		if p.KL == 0 { // there the form is 0 whatever α and β are
			continue
		}
		residual := p.Gold - c.At(math.Sqrt(p.KL))
		squares += residual * residual
	}
	var inverse mat.SymDense
	if err := normal.InverseTo(&inverse); err != nil {
		return
	}
	variance := squares / float64(freedom)
	c.AlphaSE, c.BetaSE = math.Sqrt(variance*inverse.At(0, 0)), math.Sqrt(variance*inverse.At(1, 1))
}

// row returns what α and β are multiplied with at distance d.
func (f Form) row(d float64) []float64 {
	if f == RL {
		return []float64{d, -xLogX(d)}
	}
	return []float64{d, -d * d}
}

// xLogX is x·log x, 0 at 0.
func xLogX(x float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log(x)
}

// At returns the gold at distance d = √KL ≥ 0, above that of the base.
func (c Curve) At(d float64) float64 {
	row := c.Form.row(d)
	return c.Alpha*row[0] + c.Beta*row[1]
}

// Peak returns the distance d = √KL and the gold of the highest point: (α/2β, α²/4β) for best-of-n, (e^(α/β−1), β·e^(α/β−1)) for
// RL. There is none, and ok is false, where gold rises without end (β ≤ 0) or, with best-of-n, only falls (α ≤ 0).
func (c Curve) Peak() (d, gold float64, ok bool) {
	if !(c.Beta > 0) || c.Form == BestOfN && !(c.Alpha > 0) {
		return 0, 0, false
	}
	d = c.Alpha / (2 * c.Beta)
	if c.Form == RL {
		d = math.Exp(c.Alpha/c.Beta - 1)
	}
	gold = c.At(d)
	return d, gold, !math.IsInf(d, 0) && !math.IsInf(gold, 0) && !math.IsNaN(gold)
}

// Drop returns where measured values, in the order of rising pressure, are highest, and how far the last one lies below: what the
// pressure after the peak has cost. It needs no form, and panics if there are no values. The highest of noisy values is too high on
// average, so the drop errs upwards.
func Drop(values []float64) (peak int, drop float64) {
	for i, v := range values {
		if v > values[peak] {
			peak = i
		}
	}
	return peak, values[peak] - values[len(values)-1]
}
