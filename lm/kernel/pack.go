package kernel

// packRows lays op(A) out in panels of up to mr rows: for each chain (k0, k) and the panel of the rows from i, element (i+r, k0+q)
// is at rows[m·k0 + i·k + q·height + r]. A kernel then reads it from front to back.
func (s *isa) packRows(p *product) {
	_, length := chains(p.k)
	const group = 8 // panels a task
	tasks := (p.m + group*s.mr - 1) / (group * s.mr)
	parallelIf(p.m*p.k > smallWork, tasks, func(t int) {
		for k0 := 0; k0 < p.k; k0 += length {
			k := min(length, p.k-k0)
			for i := t * group * s.mr; i < min((t+1)*group*s.mr, p.m); i += s.mr {
				height := min(s.mr, p.m-i)
				s.pack(p.rows[p.m*k0+i*k:][:height*k], height, p.a, i, height, k0, k)
			}
		}
	})
}

// packColumns lays out width columns of op(B) from j, over (k0, k), in a panel: element (k0+q, j+l) is at panel[q·nr + l]. Columns
// beyond width are zero.
func (s *isa) packColumns(panel []float32, b matrix, j, width, k0, k int) {
	if width < s.nr {
		clear(panel[:k*s.nr])
	}
	b.trans = !b.trans
	s.pack(panel, s.nr, b, j, width, k0, k)
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
