package lm

import (
	"plumb/lm/kernel"
)

// rowBlock is how many rows one goroutine takes of an operation that goes row by row.
const rowBlock = 16

// eachRow calls f for blocks of rows that cover [0, n), concurrently.
func eachRow(n int, f func(from, to int)) {
	kernel.Parallel((n+rowBlock-1)/rowBlock, func(b int) { f(b*rowBlock, min(n, (b+1)*rowBlock)) })
}

// forward stores x·Wᵀ + bias in y. x is n×in, y is n×out.
func (l *linear) forward(y []float32, x *kernel.Rows, n int) {
	if l.w != nil {
		x.Gemm(true, l.out, 1, l.w, l.in, 0, y, l.out)
	} else {
		x.GemmPacked(1, l.rearranged(), 0, y, l.out)
	}
	l.addBias(y, n)
}

// forwardAlone is forward of an x that nothing else reads.
func (l *linear) forwardAlone(y, x []float32, n int) {
	rows := kernel.PackRows(n, l.in, x, l.in)
	defer rows.Release()
	l.forward(y, &rows, n)
}

func (l *linear) addBias(y []float32, n int) {
	if l.bias != nil {
		for i := range n {
			kernel.Axpy(1, l.bias, y[i*l.out:(i+1)*l.out])
		}
	}
}

// rearranged returns W as products read it, made at the first use.
func (l *linear) rearranged() *kernel.Packed {
	l.once.Do(func() {
		w, err := l.m.values(l.name)
		if err != nil {
			panic("lm: " + err.Error()) // a row was decoded when the model was read
		}
		l.packed = kernel.Pack(true, l.out, l.in, w, l.in)
	})
	return l.packed
}

// backward stores beta·dx + dy·W in dx, where rows is dy, n×out.
func (l *linear) backward(beta float32, dx []float32, rows *kernel.Rows) {
	if l.w != nil {
		rows.Gemm(false, l.in, 1, l.w, l.in, beta, dx, l.in)
	} else {
		rows.GemmPackedT(1, l.rearranged(), beta, dx, l.in)
	}
}

// backwardAlone stores dy·W in dx, for a dy that nothing else reads.
func (l *linear) backwardAlone(dx, dy []float32, n int) {
	rows := kernel.PackRows(n, l.out, dy, l.out)
	defer rows.Release()
	l.backward(0, dx, &rows)
}

// gradient adds dyᵀ·x, and the sums of dy, to grad, a gradient of all weights.
func (l *linear) gradient(dy, x []float32, n int, grad *Params) {
	dw := grad.Data[l.at : l.at+l.out*l.in]
	kernel.Gemm(true, false, l.out, l.in, n, 1, dy, l.out, x, l.in, 1, dw, l.in)
	if l.bias != nil {
		db := grad.Data[l.biasAt : l.biasAt+l.out]
		for i := range n {
			kernel.Axpy(1, dy[i*l.out:(i+1)*l.out], db)
		}
	}
}

// pair is the low-rank addition to one linear map: W + scale·B·A.
type pair struct {
	a, b     []float32 // r×in, out×r
	aAt, bAt int       // offsets in the adapter's Params
	rank     int
	scale    float32
}

// forward adds scale·(x·Aᵀ)·Bᵀ to y and returns x·Aᵀ, n×r, for the backward pass.
func (p *pair) forward(l *linear, y []float32, x *kernel.Rows, n int, mem *arena) []float32 {
	xa := mem.floats(n * p.rank)
	x.Gemm(true, p.rank, 1, p.a, l.in, 0, xa, p.rank)
	kernel.Gemm(false, true, n, l.out, p.rank, p.scale, xa, p.rank, p.b, p.rank, 1, y, l.out)
	return xa
}

// backward adds to dx, and to the gradients of A and B in grad where it is set: with g = scale·dy,
//
//	dB += gᵀ·(x·Aᵀ),  d(x·Aᵀ) = g·B,  dA += d(x·Aᵀ)ᵀ·x,  dx += d(x·Aᵀ)·A
//
// rows is dy.
func (p *pair) backward(l *linear, dx, dy []float32, rows *kernel.Rows, x, xa []float32, n int, grad *Params, mem *arena) {
	chunk, at := mem.mark()
	defer mem.reset(chunk, at)
	dxa := mem.floats(n * p.rank)
	rows.Gemm(false, p.rank, p.scale, p.b, p.rank, 0, dxa, p.rank)
	if grad != nil {
		db := grad.Data[p.bAt : p.bAt+l.out*p.rank]
		kernel.Gemm(true, false, l.out, p.rank, n, p.scale, dy, l.out, xa, p.rank, 1, db, p.rank)
		da := grad.Data[p.aAt : p.aAt+p.rank*l.in]
		kernel.Gemm(true, false, p.rank, l.in, n, 1, dxa, p.rank, x, l.in, 1, da, l.in)
	}
	kernel.Gemm(false, false, n, l.in, p.rank, 1, dxa, p.rank, p.a, l.in, 1, dx, l.in)
}
