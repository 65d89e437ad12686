package balance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"plumb/chat"
	"plumb/offline/rows"
)

func replies(up, down int) (all []rows.Unpaired) {
	for i := range up + down {
		all = append(all, rows.Unpaired{Prompt: rows.Plain(fmt.Sprint("prompt ", i)), Completion: rows.Plain("reply"), Label: i < up})
	}
	return all
}

func TestSides(t *testing.T) {
	for _, c := range []struct {
		name             string
		up, down         int
		wantUp, wantDown float64
	}{
		{"nothing", 0, 0, 1, 1},
		{"only liked", 50, 0, 1, 1},
		{"only disliked", 0, 50, 1, 1},
		{"even", 40, 40, 1, 1},
		{"inside the range", 50, 40, 1, 1},
		{"at its upper end", 40, 30, 1, 1},
		{"few liked", 10, 40, 4, 1},
		{"few disliked", 80, 20, 1, 3},
		{"one disliked among hundreds", 500, 1, 1, 10},
		{"one liked among hundreds", 1, 500, 10, 1},
	} {
		up, down := Sides(replies(c.up, c.down))
		if math.Abs(up-c.wantUp) > 1e-12 || math.Abs(down-c.wantDown) > 1e-12 {
			t.Errorf("%s: λ %v and %v, want %v and %v", c.name, up, down, c.wantUp, c.wantDown)
		}
	}
	// Whatever the counts, the ratio ends in the range or one side is raised tenfold; and weights count, not rows.
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		all, sum := replies(1+r.IntN(100), 1+r.IntN(100)), [2]float64{}
		for i := range all {
			w := .1 + 3*r.Float64()
			all[i].Weight = &w
			sum[map[bool]int{true: 0, false: 1}[all[i].Label]] += w
		}
		up, down := Sides(all)
		if ratio := up * sum[0] / (down * sum[1]); max(up, down) < 10 && (ratio < 1-1e-9 || ratio > 4./3+1e-9) || min(up, down) != 1 {
			t.Fatalf("λ %v and %v leave a ratio of %v", up, down, ratio)
		}
	}
}

// topical is liked replies about tea and disliked ones mostly about code, with some of each among the other.
func topical(r *rand.Rand, n int) (all []rows.Unpaired, tea []bool) {
	for range n {
		about, label := r.Float64() < .5, false
		label = r.Float64() < map[bool]float64{true: .85, false: .15}[about]
		text := fmt.Sprintf("how do I brew green tea number %d", r.IntN(1000))
		if !about {
			text = fmt.Sprintf("why does my code not compile in line %d", r.IntN(1000))
		}
		prompt := rows.Text{Messages: []chat.Message{{Role: chat.System, Content: fmt.Sprint("operator ", r.IntN(1000))}, {Role: chat.User, Content: text}}}
		all, tea = append(all, rows.Unpaired{Prompt: prompt, Label: label}), append(tea, about)
	}
	return all, tea
}

func TestDensity(t *testing.T) {
	for seed := range uint64(5) {
		all, tea := topical(rand.New(rand.NewPCG(seed, 2)), 400)
		mean, n := [2]float64{}, [2]float64{}
		for i, w := range Density(all) {
			if all[i].Label && w != 1 || !(w >= .5 && w <= 10) {
				t.Fatalf("seed %d: weight %v of label %v", seed, w, all[i].Label)
			}
			if !all[i].Label {
				k := map[bool]int{true: 1, false: 0}[tea[i]]
				mean[k], n[k] = mean[k]+w, n[k]+1
			}
		}
		// The ratio of densities is .85/.15 for tea and .15/.85, clipped to .5, for code; the prior pulls it towards 1.
		if onTea, onCode := mean[1]/n[1], mean[0]/n[0]; onTea < 3 || onTea > 7 || onCode > .6 {
			t.Errorf("seed %d: disliked replies weigh %.2f on the liked topic, %.2f on the other", seed, onTea, onCode)
		}
	}
}

func TestDensityOfOneSide(t *testing.T) {
	for name, all := range map[string][]rows.Unpaired{"nothing": nil, "only liked": replies(30, 0), "only disliked": replies(0, 30)} {
		w := Density(all)
		if len(w) != len(all) {
			t.Fatalf("%s: %d weights", name, len(w))
		}
		for _, x := range w {
			if x != 1 {
				t.Errorf("%s: weight %v", name, x)
			}
		}
	}
	// Empty and equal prompts tell nothing, and weights of 0 are no side.
	zero := 0.
	same := []rows.Unpaired{{Label: true}, {}, {}, {}}
	for _, w := range Density(same) {
		if math.Abs(w-1) > 1e-3 {
			t.Errorf("equal prompts: weight %v", w)
		}
	}
	same[0].Weight = &zero
	if w := Density(same); w[1] != 1 {
		t.Errorf("a side without weight: %v", w)
	}
}

// The gradient that the fit follows is the loss's.
func TestDensityGradient(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	all, _ := topical(r, 40)
	c := newClassifier(all)
	w, grad, none := make([]float64, columns+1), make([]float64, columns+1), make([]float64, columns+1)
	for i := range w {
		w[i] = r.NormFloat64() / 2
	}
	c.loss(w, grad)
	for _, at := range []int{c.prompts[0][0].at, c.prompts[0][3].at, c.prompts[7][1].at, columns, 17} {
		const h = 1e-5
		x := w[at]
		w[at] = x + h
		above := c.loss(w, none)
		w[at] = x - h
		below := c.loss(w, none)
		w[at] = x
		if numeric := (above - below) / (2 * h); math.Abs(numeric-grad[at]) > 1e-6*(1+math.Abs(numeric)) {
			t.Errorf("weight %d: partial %v, by differences %v", at, grad[at], numeric)
		}
	}
}
