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
func (l *linear) forward(y, x []float32, n int) {
	if l.w != nil {
		kernel.Gemm(false, true, n, l.out, l.in, 1, x, l.in, l.w, l.in, 0, y, l.out)
	} else {
		kernel.GemmPacked(false, n, 1, x, l.in, l.rearranged(), 0, y, l.out)
	}
	l.addBias(y, n)
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

// backward stores beta·dx + dy·W in dx; with grad set, a gradient of all weights, it adds dyᵀ·x and the sums of dy to it.
func (l *linear) backward(beta float32, dx, dy, x []float32, n int, grad *Params) {
	if l.w != nil {
		kernel.Gemm(false, false, n, l.in, l.out, 1, dy, l.out, l.w, l.in, beta, dx, l.in)
	} else {
		kernel.GemmPackedT(false, n, 1, dy, l.out, l.rearranged(), beta, dx, l.in)
	}
	if grad == nil {
		return
	}
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
func (p *pair) forward(l *linear, y, x []float32, n int, mem *arena) []float32 {
	xa := mem.floats(n * p.rank)
	kernel.Gemm(false, true, n, p.rank, l.in, 1, x, l.in, p.a, l.in, 0, xa, p.rank)
	kernel.Gemm(false, true, n, l.out, p.rank, p.scale, xa, p.rank, p.b, p.rank, 1, y, l.out)
	return xa
}

// backward adds to dx, and to the gradients of A and B in grad where it is set: with g = scale·dy,
//
//	dB += gᵀ·(x·Aᵀ),  d(x·Aᵀ) = g·B,  dA += d(x·Aᵀ)ᵀ·x,  dx += d(x·Aᵀ)·A
func (p *pair) backward(l *linear, dx, dy, x, xa []float32, n int, grad *Params, mem *arena) {
	chunk, at := mem.mark()
	defer mem.reset(chunk, at)
	dxa := mem.floats(n * p.rank)
	kernel.Gemm(false, false, n, p.rank, l.out, p.scale, dy, l.out, p.b, p.rank, 0, dxa, p.rank)
	if grad != nil {
		db := grad.Data[p.bAt : p.bAt+l.out*p.rank]
		kernel.Gemm(true, false, l.out, p.rank, n, p.scale, dy, l.out, xa, p.rank, 1, db, p.rank)
		da := grad.Data[p.aAt : p.aAt+p.rank*l.in]
		kernel.Gemm(true, false, p.rank, l.in, n, 1, dxa, p.rank, x, l.in, 1, da, l.in)
	}
	kernel.Gemm(false, false, n, l.in, p.rank, 1, dxa, p.rank, p.a, l.in, 1, dx, l.in)
}
