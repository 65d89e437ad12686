package lm

// selection finds the most likely tokens without putting them in order.
type selection struct{ logits []float32 }

// most returns the fewest of ids, the most likely first taken, whose weights add up to at least mass; all of them if that
// is never reached. Equal tokens are taken in the order of their ids. It reorders ids, and is linear in their number on
// average: quickselect with weights (Hoare 1961), the pivot the median of three.
func (s *selection) most(ids []int32, weight func(id int32) float64, mass float64) []int32 {
	lo, hi := 0, len(ids) // ids[:lo] are taken, ids[hi:] are not
	for hi-lo > 1 {
		cut := lo + s.partition(ids[lo:hi])
		sum := 0.
		for _, id := range ids[lo:cut] {
			sum += weight(id)
		}
		if sum >= mass {
			hi = cut
			continue
		}
		mass -= sum
		lo = cut
	}
	if lo < hi && mass > 0 {
		lo++
	}
	return ids[:max(lo, min(1, len(ids)))]
}

// partition reorders at least two ids so that those before the returned index, at least one and not all, come before the
// others.
func (s *selection) partition(ids []int32) int {
	last := len(ids) - 1
	order := func(i, j int) {
		if s.before(ids[j], ids[i]) {
			ids[i], ids[j] = ids[j], ids[i]
		}
	}
	order(0, last/2)
	order(last/2, last)
	order(0, last/2)
	if last < 2 {
		return 1
	}
	pivot := ids[last/2]
	ids[last/2], ids[last-1] = ids[last-1], pivot
	at := 1 // ids[:at] come before the pivot
	for i := 1; i < last-1; i++ {
		if s.before(ids[i], pivot) {
			ids[i], ids[at] = ids[at], ids[i]
			at++
		}
	}
	ids[at], ids[last-1] = ids[last-1], ids[at]
	return at
}

func (s *selection) before(a, b int32) bool {
	x, y := s.logits[a], s.logits[b]
	return x > y || x == y && a < b
}
