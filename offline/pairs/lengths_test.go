package pairs

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// sized is pairs of so many chosen and rejected words.
func sized(sizes ...[2]int) (rows []Preference) {
	for _, s := range sizes {
		rows = append(rows, Preference{Meta: Meta{Class: Compared, Weight: 1}, Chosen: strings.Repeat("w ", s[0]), Rejected: strings.Repeat("w ", s[1])})
	}
	return rows
}

func TestLengths(t *testing.T) {
	if l := (Set{}).Lengths(); l != (Lengths{Ratio: 1}) || l.Longer() {
		t.Errorf("of nothing: %+v", l)
	}
	if l := (Set{Preferences: sized([2]int{8, 4}, [2]int{0, 4})}).Lengths(); l.Pairs != 1 || math.Abs(l.Ratio-2) > 1e-12 || l.Lo != 0 || l.Hi != 0 {
		t.Errorf("of one pair: %+v", l)
	}
	// Logs of 4 and 1 are 1.386 and 0: mean log 2, standard error log 2, and t₀.₉₇₅ with one degree of freedom 12.706.
	l := Set{Preferences: sized([2]int{16, 4}, [2]int{4, 4})}.Lengths()
	half := 12.7062 * math.Ln2
	if math.Abs(l.Ratio-2) > 1e-12 || math.Abs(math.Log(l.Hi)-math.Ln2-half) > 1e-3 || math.Abs(math.Log(l.Lo)-math.Ln2+half) > 1e-3 {
		t.Errorf("of two: %+v", l)
	}
	rows := sized([2]int{20, 10}, [2]int{22, 10}, [2]int{19, 10}, [2]int{21, 10}, [2]int{20, 11})
	if l := (Set{Preferences: rows}).Lengths(); !l.Longer() {
		t.Errorf("twice as long is not longer: %+v", l)
	}
	rows[0].Class = Next
	if l := (Set{Preferences: rows}).Lengths(); l.Pairs != 4 {
		t.Errorf("what behaviour implied counts: %+v", l)
	}
}

func TestBalanceLength(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var sizes [][2]int
	for range 200 {
		sizes = append(sizes, [2]int{12 + r.IntN(20), 5 + r.IntN(20)})
	}
	moment := func(rows []Preference) (mean, sum float64) {
		for _, p := range rows {
			x, _ := lengthRatio(p)
			mean += p.Weight * math.Max(-mostTilt, math.Min(mostTilt, x))
			sum += p.Weight
			if !(p.Weight > 0 && p.Weight <= weightMost) {
				t.Fatalf("weight %v", p.Weight)
			}
		}
		return mean / sum, sum
	}
	rows := sized(sizes...)
	before, _ := moment(rows)
	balanceLength(rows)
	after, sum := moment(rows)
	if before < .2 || math.Abs(after) > .06 || math.Abs(sum-200) > 20 {
		t.Errorf("mean log ratio %.3f before, %.3f after; weights sum to %.1f", before, after, sum)
	}
	for name, rows := range map[string][]Preference{
		"all longer": sized([2]int{9, 3}, [2]int{8, 3}), "all equal": sized([2]int{3, 3}), "nothing": nil, "no words": sized([2]int{0, 3}, [2]int{0, 0}),
	} {
		balanceLength(rows)
		for _, p := range rows {
			if p.Weight != 1 {
				t.Errorf("%s: weight %v", name, p.Weight)
			}
		}
	}
	lopsided := sized(append(make([][2]int, 0), [2]int{3, 30}, [2]int{30, 3}, [2]int{30, 3}, [2]int{30, 3}, [2]int{30, 3}, [2]int{30, 3}, [2]int{30, 3})...)
	balanceLength(lopsided)
	if m, _ := moment(lopsided); m < 0 {
		t.Errorf("one pair outweighs all others: mean log ratio %.3f", m)
	}
}
