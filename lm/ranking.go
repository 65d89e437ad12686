package lm

// ranking gives tokens in the order of their logits, the largest first and of equals the smallest id, as far as it is
// asked: a heap, O(V) to begin and O(log V) a token. NaN has no rank: the caller keeps it out. The memory is kept from one
// ranking to the next.
type ranking struct {
	logits []float32
	ids    []int32 // a heap, and behind it what was taken, the first token last
	left   int     // ids in the heap
}

// rank begins anew. logits must not change until the last call of at.
func (r *ranking) rank(logits []float32) {
	r.logits, r.ids = logits, r.ids[:0]
	for i := range logits {
		r.ids = append(r.ids, int32(i))
	}
	r.left = len(r.ids)
	for i := r.left/2 - 1; i >= 0; i-- {
		r.down(i)
	}
}

// at returns the token of rank i, from 0.
func (r *ranking) at(i int) int32 {
	for len(r.ids)-r.left <= i {
		r.left--
		r.ids[0], r.ids[r.left] = r.ids[r.left], r.ids[0]
		r.down(0)
	}
	return r.ids[len(r.ids)-1-i]
}

// down restores the heap below i.
func (r *ranking) down(i int) {
	for {
		child := 2*i + 1
		if child >= r.left {
			return
		}
		if child+1 < r.left && r.before(r.ids[child+1], r.ids[child]) {
			child++
		}
		if !r.before(r.ids[child], r.ids[i]) {
			return
		}
		r.ids[i], r.ids[child] = r.ids[child], r.ids[i]
		i = child
	}
}

func (r *ranking) before(a, b int32) bool {
	x, y := r.logits[a], r.logits[b]
	return x > y || x == y && a < b
}
