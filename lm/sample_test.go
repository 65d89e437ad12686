package lm

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"plumb/chat"
)

// distribution is what the settings ask for, computed plainly: probabilities of all tokens.
func distribution(s Settings, logits []float64) []float64 {
	type entry struct {
		id int
		p  float64
	}
	var all []entry
	for id, l := range logits {
		all = append(all, entry{id, math.Exp(l)})
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].p > all[j].p })
	if s.TopK > 0 && s.TopK < len(all) {
		all = all[:s.TopK]
	}
	if s.TopP > 0 && s.TopP < 1 {
		total, mass := 0., 0.
		for _, e := range all {
			total += e.p
		}
		for i, e := range all {
			if mass += e.p / total; mass >= s.TopP {
				all = all[:i+1]
				break
			}
		}
	}
	probabilities, sum := make([]float64, len(logits)), 0.
	for _, e := range all {
		if e.p >= s.MinP*all[0].p {
			w := math.Exp(math.Log(e.p/all[0].p) / s.Temperature)
			probabilities[e.id] = w
			sum += w
		}
	}
	for i := range probabilities {
		probabilities[i] /= sum
	}
	return probabilities
}

// What is drawn has the distribution that the settings ask for: a chi-square test of 20,000 draws each, with fixed seeds.
func TestDrawsHaveTheirDistribution(t *testing.T) {
	logits32 := []float32{1.5, -.25, .75, 1.25, -3, .5, -1, 2, -.5, float32(math.Inf(-1)), 0, -8}
	logits := make([]float64, len(logits32))
	for i, v := range logits32 {
		logits[i] = float64(v)
	}
	for name, s := range map[string]Settings{
		"plain":              {Temperature: 1},
		"cold":               {Temperature: .4},
		"hot":                {Temperature: 1.8},
		"top-k":              {Temperature: 1, TopK: 4},
		"top-k of one":       {Temperature: 1, TopK: 1},
		"top-k of all":       {Temperature: 1, TopK: 500},
		"top-p":              {Temperature: 1, TopP: .7},
		"tiny top-p":         {Temperature: 1, TopP: 1e-9},
		"min-p":              {Temperature: 1, MinP: .2},
		"min-p of one":       {Temperature: 1, MinP: 1},
		"top-p of top-k":     {Temperature: .8, TopK: 6, TopP: .8},
		"everything":         {Temperature: 1.3, TopK: 8, TopP: .95, MinP: .1},
		"cold, then filters": {Temperature: .3, TopP: .6},
	} {
		want := distribution(s, logits)
		counts := make([]float64, len(logits))
		c := newChooser(s, 17)
		const n = 20000
		for range n {
			id, _, err := c.draw(logits32)
			if err != nil {
				t.Fatal(err)
			}
			counts[id]++
		}
		chi, cells := 0., 0
		for i, p := range want {
			if p == 0 {
				if counts[i] > 0 {
					t.Errorf("%s: token %d was drawn %v times, its probability is 0", name, i, counts[i])
				}
				continue
			}
			chi += math.Pow(counts[i]-n*p, 2) / (n * p)
			cells++
		}
		if limit := float64(cells) + 5*math.Sqrt(2*float64(cells)); chi > limit {
			t.Errorf("%s: chi-square %v over %d cells, counts %v, want %v", name, chi, cells, counts, want)
		}
	}
}

func TestDrawReportsTheUnscaledLogprob(t *testing.T) {
	logits := []float32{1, 3, 2}
	lse := math.Log(math.Exp(1) + math.Exp(3) + math.Exp(2))
	c := newChooser(Settings{Temperature: .1, TopK: 1, Presence: 2, Top: 2}, 1)
	id, logprob, err := c.draw(logits)
	if err != nil || id != 1 || math.Abs(logprob-(3-lse)) > 1e-6 {
		t.Errorf("drew %d with %v, %v; want 1 with %v", id, logprob, err, 3-lse)
	}
	want := []Alternative{{1, 3 - lse}, {2, 2 - lse}}
	for i, a := range c.top(logits) {
		if a.ID != want[i].ID || math.Abs(a.Logprob-want[i].Logprob) > 1e-6 {
			t.Errorf("alternative %d is %v, want %v", i, a, want[i])
		}
	}
	if !slices.Equal(logits, []float32{1, 3, 2}) {
		t.Errorf("the logits were changed: %v", logits)
	}
}

// Presence is taken off once, frequency for each time.
func TestPenalties(t *testing.T) {
	logits := []float32{0, 1, .9, -50}
	draws := func(s Settings, n int) (ids []int32) {
		c := newChooser(s, 1)
		for range n {
			id, _, err := c.draw(logits)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		return ids
	}
	for name, c := range map[string]struct {
		s    Settings
		want []int32
	}{
		"none":      {Settings{}, []int32{1, 1, 1, 1, 1}},
		"presence":  {Settings{Presence: .5}, []int32{1, 2, 1, 1, 1}},
		"frequency": {Settings{Frequency: .4}, []int32{1, 2, 1, 2, 1}},
		"reward":    {Settings{Frequency: -1}, []int32{1, 1, 1, 1, 1}},
	} {
		if got := draws(c.s, 5); !slices.Equal(got, c.want) {
			t.Errorf("%s: drew %v, want %v", name, got, c.want)
		}
	}
}

func TestDrawAtTheExtremes(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for name, c := range map[string]struct {
		s      Settings
		logits []float32
		want   int32 // −1 for an error
	}{
		"greedy tie":           {Settings{}, []float32{1, 2, 2}, 1},
		"smallest temperature": {Settings{Temperature: 5e-324}, []float32{1, 2, 1.9999}, 1},
		"tiny temperature":     {Settings{Temperature: 1e-29}, []float32{1, 2, 1.9999}, 1},
		"tiny and filtered":    {Settings{Temperature: 1e-29, TopP: .99}, []float32{1, 2, 1.9999}, 1},
		"large logits":         {Settings{Temperature: 1}, []float32{-3e38, 3e38, 0}, 1},
		"large and filtered":   {Settings{Temperature: 1, MinP: .5}, []float32{-3e38, 3e38, 0}, 1},
		"one token":            {Settings{Temperature: 1, TopP: .5}, []float32{-7}, 0},
		"minus infinity":       {Settings{Temperature: 2}, []float32{-inf, -inf, 5}, 2},
		"NaN":                  {Settings{Temperature: 1}, []float32{1, nan, 2}, -1},
		"infinity":             {Settings{}, []float32{1, inf, 2}, -1},
		"nothing possible":     {Settings{Temperature: 1}, []float32{-inf, -inf}, -1},
	} {
		id, logprob, err := newChooser(c.s, 1).draw(c.logits)
		if (err != nil) != (c.want < 0) || err == nil && (id != c.want || math.IsNaN(logprob)) {
			t.Errorf("%s: drew %d with %v, %v; want %d", name, id, logprob, err, c.want)
		}
	}
}

func TestSettingsAreCheckedByName(t *testing.T) {
	for param, list := range map[string][]Settings{
		"temperature":       {{Temperature: -1}, {Temperature: math.NaN()}, {Temperature: math.Inf(1)}},
		"top_k":             {{TopK: -1}},
		"top_p":             {{TopP: -.1}, {TopP: 1.1}, {TopP: math.NaN()}},
		"min_p":             {{MinP: -.1}, {MinP: 1.1}},
		"presence_penalty":  {{Presence: math.NaN()}},
		"frequency_penalty": {{Frequency: math.Inf(-1)}},
		"max_tokens":        {{MaxTokens: -1}},
		"top_logprobs":      {{Top: -1}, {Top: 21}},
	} {
		for _, s := range list {
			var e *chat.Error
			if err := s.Check(); !errors.As(err, &e) || e.Kind != chat.Invalid || e.Param != param {
				t.Errorf("%s: %+v: %v", param, s, err)
			}
		}
	}
	if err := (Settings{}).Check(); err != nil {
		t.Error(err)
	}
}

func TestRankingIsSorted(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var order ranking
	for _, n := range []int{1, 2, 3, 7, 100, 1000} {
		logits, ids := make([]float32, n), make([]int32, n)
		for i := range logits {
			logits[i], ids[i] = float32(r.IntN(n)), int32(i) // with ties
		}
		slices.SortStableFunc(ids, func(a, b int32) int {
			return int(logits[b] - logits[a])
		})
		order.rank(logits)
		for i := range ids {
			if got := order.at(i); got != ids[i] {
				t.Fatalf("%d logits: rank %d is %d, want %d", n, i, got, ids[i])
			}
		}
		if order.at(0) != ids[0] {
			t.Errorf("%d logits: the first one is another when asked again", n)
		}
	}
}

// A selection takes what comes first in sorted order, whatever the order it is given and however many are equal.
func TestSelectionTakesTheMostLikely(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 3000 {
		n := 1 + r.IntN(60)
		s := selection{logits: make([]float32, n)}
		ids, weights := make([]int32, n), make([]float64, n)
		for i := range ids {
			s.logits[i], ids[i] = float32(r.IntN(1+r.IntN(n))), int32(i)
			weights[i] = float64(1 + r.IntN(4)) // whole numbers: sums are exact in any order
		}
		sorted := slices.Clone(ids)
		slices.SortStableFunc(sorted, func(a, b int32) int { return int(s.logits[b] - s.logits[a]) })
		r.Shuffle(n, func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		mass, sum, want := float64(1+r.IntN(4*n)), 0., n
		for i, id := range sorted {
			if sum += weights[id]; sum >= mass {
				want = i + 1
				break
			}
		}
		got := slices.Clone(s.most(ids, func(id int32) float64 { return weights[id] }, mass))
		slices.Sort(got)
		slices.Sort(sorted[:want])
		if !slices.Equal(got, sorted[:want]) {
			t.Fatalf("logits %v, weights %v, mass %v: took %v, want %v", s.logits, weights, mass, got, sorted[:want])
		}
		if all := slices.Sorted(slices.Values(ids)); all[0] != 0 || all[n-1] != int32(n-1) || len(slices.Compact(all)) != n {
			t.Fatalf("ids were lost: %v", ids)
		}
	}
	if got := (&selection{}).most(nil, nil, 1); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
