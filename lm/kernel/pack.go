package kernel

import "sync"

// layRows sets the rows of a product, in the buffer's memory unless they can be read where they are.
func (s *isa) layRows(p *product, buffer *[]float32) {
	if p.m == 1 && !p.a.trans {
		p.rows = p.a.data[:p.k] // a single row is its own panel
		return
	}
	p.rows = grow(buffer, p.m*p.k)
	s.packRows(p)
}

// packRows lays op(A) out in panels of up to mr rows: for each chain (k0, k) and the panel of the rows from i,
// element (i+r, k0+q) is at rows[m·k0 + i·k + q·height + r]. A kernel then reads it from front to back.
func (s *isa) packRows(p *product) {
	panels := (p.m + s.mr - 1) / s.mr
	tasks := min(panels, 2*Threads())
	if p.m*p.k <= smallPack || tasks <= 2 {
		s.packSomeRows(p, 0, p.m)
		return
	}
	w := packings.Get().(*packing)
	w.s, w.p, w.panels, w.tasks = s, *p, panels, tasks
	Parallel(tasks, w.one)
	w.p = product{}
	packings.Put(w)
}

// packing is the rows of a product, cut into tasks.
type packing struct {
	s             *isa
	p             product
	panels, tasks int
	one           func(t int) // does task t
}

// packings keeps the memory of one for the next.
var packings = sync.Pool{New: func() any {
	w := new(packing)
	w.one = func(t int) {
		w.s.packSomeRows(&w.p, t*w.panels/w.tasks*w.s.mr, min((t+1)*w.panels/w.tasks*w.s.mr, w.p.m))
	}
	return w
}}

// smallPack is how many values one goroutine lays out more quickly than two.
const smallPack = 1 << 14

func (s *isa) packSomeRows(p *product, i0, i1 int) {
	_, length := chains(p.k)
	for k0 := 0; k0 < p.k; k0 += length {
		k := min(length, p.k-k0)
		for i := i0; i < i1; i += s.mr {
			height := min(s.mr, p.m-i)
			s.pack(p.rows[p.m*k0+i*k:][:height*k], height, p.a, i, height, k0, k)
		}
	}
}

// packColumns lays out count columns of op(B) from j, over (k0, k), in a panel: element (k0+q, j+l) is at
// panel[q·width + l]. Columns beyond count are zero.
func (s *isa) packColumns(panel []float32, width int, b matrix, j, count, k0, k int) {
	if count < width {
		clear(panel[:k*width])
	}
	b.trans = !b.trans
	s.pack(panel, width, b, j, count, k0, k)
}

// pack writes count rows of op(M) from i, over (k0, k), as columns: element (i+r, k0+q) goes to dst[q·step + r].
func (s *isa) pack(dst []float32, step int, m matrix, i, count, k0, k int) {
	if m.trans { // the wanted columns are rows in memory
		for q := range k {
			copy(dst[q*step:q*step+count], m.data[(k0+q)*m.stride+i:])
		}
		return
	}
	s.transpose(dst, step, m.data[i*m.stride+k0:], m.stride, count, k)
}

// transposeGo writes element q of row r of src, whose rows lie stride apart, to dst[q·step + r].
func transposeGo(dst []float32, step int, src []float32, stride, rows, k int) {
	for r := range rows {
		row := src[r*stride:][:k]
		at := r
		for _, v := range row {
			dst[at] = v
			at += step
		}
	}
}
