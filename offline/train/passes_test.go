package train

import "testing"

func TestPasses(t *testing.T) {
	for _, c := range []struct {
		name        string
		epochs      float64
		rows, batch int
		want        float64
	}{
		{"none to speak of", 0, 0, 4, 8},
		{"the fewest that make a model", 0, 20, 4, 8},
		{"where eight passes just do", 0, 40, 4, 8},
		{"one more", 0, 41, 4, 8},
		{"tens of thumbs", 0, 70, 4, 5},
		{"tens of thumbs in large batches", 0, 70, 16, 8},
		{"steps enough in three", 0, 120, 4, 3},
		{"just too few in two", 0, 156, 4, 3},
		{"enough in two", 0, 157, 4, 2},
		{"many", 0, 1e6, 4, 2},
		{"the batch of the default", 0, 70, 0, 5},
		{"asked for", 1.5, 20, 4, 1.5},
		{"asked for more than the most", 20, 20, 4, 20},
	} {
		if got := (Config{Epochs: c.epochs, Batch: c.batch}).Passes(c.rows); got != c.want {
			t.Errorf("%s: %v passes over %d rows, want %v", c.name, got, c.rows, c.want)
		}
	}
}

// Between the bounds the steps are never too few, and never a pass more than they have to be.
func TestPassesMakeSteps(t *testing.T) {
	for _, method := range []string{"dpo", "kto", "sft"} {
		for rows := 40; rows < 1000; rows++ {
			c := Config{Method: method}
			passes, o := c.Passes(rows), c.order(rows)
			if steps := o.steps(passes); steps < LeastSteps || passes > fewestPasses && o.steps(passes-1) >= LeastSteps {
				t.Fatalf("%s: %v passes over %d rows make %d steps", method, passes, rows, steps)
			}
		}
	}
}
