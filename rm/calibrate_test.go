package rm

import (
	"math"
	"testing"
)

func TestTemperatureAtTheEdges(t *testing.T) {
	if got := Temperature([]float64{1, 2, 3}, []float64{0, 0, 0}); got != maxTemperature && !(got > 100) {
		t.Errorf("scores that are always wrong: temperature %v", got)
	}
	if got := Temperature([]float64{1, 2, 3}, []float64{1, 1, 1}); !(got < .01) {
		t.Errorf("scores that are always right: temperature %v", got)
	}
	if got := Temperature([]float64{0, 0}, []float64{1, 0}); !(got > 0) || math.IsInf(got, 0) {
		t.Errorf("scores that say nothing: temperature %v", got)
	}
	a, b := Platt([]float64{-1, 1}, []float64{0, 1}) // told apart without error
	if math.IsNaN(a+b) || math.IsInf(a+b, 0) || a < 5 {
		t.Errorf("Platt %v, %v", a, b)
	}
	a, b = Platt([]float64{3, 3}, []float64{1, 1})
	if math.IsNaN(a+b) || math.IsInf(a+b, 0) {
		t.Errorf("Platt %v, %v", a, b)
	}
}

func TestIsotonic(t *testing.T) {
	f := FitIsotonic([]float64{3, 1, 2, 2}, []float64{1, 0, 1, 0}, nil) // 1: 0; 2: ½; 3: 1
	for _, c := range [][2]float64{{0, 0}, {1, 0}, {1.5, .25}, {2, .5}, {3, 1}, {9, 1}, {math.Inf(1), 1}, {math.Inf(-1), 0}, {math.NaN(), 0}} {
		if got := f.At(c[0]); got != c[1] {
			t.Errorf("at %v: %v, want %v", c[0], got, c[1])
		}
	}
	if got := (Isotonic{}).At(1); got != 0 {
		t.Errorf("the zero map gives %v", got)
	}
	if f := FitIsotonic(nil, nil, nil); len(f.X) != 0 {
		t.Errorf("nothing gives %v", f)
	}
}

func TestReliability(t *testing.T) {
	table := Reliability([]float64{0, .05, .95, 1}, []float64{0, 1, 1, 1}, 10)
	if len(table) != 10 || table[0].N != 2 || table[0].True != .5 || table[9].N != 2 || table[9].Said != .975 || table[4].N != 0 {
		t.Errorf("%+v", table)
	}
}

func TestAUC(t *testing.T) {
	if got := aucOf([]float64{3, 1, 2}, []float64{2, 0}); math.Abs(got-4.5/6) > 1e-12 { // 3 beats both, 1 one, 2 one and ties
		t.Errorf("AUC %v, want %v", got, 4.5/6)
	}
}

func TestTrendFollowsACurve(t *testing.T) {
	var x, y []float64
	for i := range 500 {
		xi := float64(i) / 100
		x, y = append(x, xi), append(y, 3*xi+1)
	}
	f := fitTrend(x, y)
	if d := f.at(4) - f.at(1); math.Abs(d-9) > 1e-6 {
		t.Errorf("a line that rises by 9 rises by %v", d)
	}
	if m := f.at(2.495); math.Abs(m) > 1e-6 {
		t.Errorf("the mean of the trend is %v", m)
	}
	if (trend{}).at(3) != 0 || len(fitTrend(x[:3], y[:3]).x) != 0 || len(fitTrend(make([]float64, 50), y[:50]).x) != 0 {
		t.Error("too little to see a trend in, but there is one")
	}
}
