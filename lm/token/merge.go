package token

// symbol is a stretch of text while it is merged: text[start:end], a link in a doubly linked list.
type symbol struct {
	id         int32 // its token, −1 if the vocabulary has none
	start, end int32
	prev, next int32 // −1 at the ends
}

// candidate is a possible merge of two neighbours.
type candidate struct {
	priority    float64 // the lowest merges first
	left, right int32   // symbols
	size        int32   // bytes of both when the candidate was made: if they differ now, it is stale
	id          int32   // token of the merged symbol
}

func (c candidate) before(d candidate) bool {
	return c.priority < d.priority || c.priority == d.priority && c.left < d.left
}

// merge joins neighbours, the lowest priority first and of equal ones the leftmost, until join knows no pair. A merged
// symbol has size 0. Cost: O(n log n) calls and comparisons for n symbols.
func merge(symbols []symbol, join func(left, right symbol) (id int32, priority float64, ok bool)) {
	var queue candidates
	push := func(left, right int32) {
		if left < 0 || right < 0 {
			return
		}
		l, r := symbols[left], symbols[right]
		if id, priority, ok := join(l, r); ok {
			queue.push(candidate{priority, left, right, r.end - l.start, id})
		}
	}
	for i := 1; i < len(symbols); i++ {
		push(int32(i-1), int32(i))
	}
	for len(queue) > 0 {
		c := queue.pop()
		l, r := &symbols[c.left], &symbols[c.right]
		if l.start == l.end || r.start == r.end || r.end-l.start != c.size {
			continue
		}
		l.end, l.id, l.next = r.end, c.id, r.next
		r.start = r.end
		if l.next >= 0 {
			symbols[l.next].prev = c.left
		}
		push(l.prev, c.left)
		push(c.left, l.next)
	}
}

// candidates is a binary heap, the first to merge on top.
type candidates []candidate

func (q *candidates) push(c candidate) {
	h := append(*q, c)
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !h[i].before(h[parent]) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
	*q = h
}

func (q *candidates) pop() candidate {
	h := *q
	top := h[0]
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(h[i]) {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	*q = h
	return top
}
