package kernel

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fence hands out memory whose end is the start of a page that may not be touched: assembly that reads or writes a
// byte too many dies there.
type fence struct{ memory []byte }

const fencePages = 64

func newFence(t *testing.T) *fence {
	t.Helper()
	page := unix.Getpagesize()
	memory, err := unix.Mmap(-1, 0, (fencePages+1)*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Skipf("no memory to fence: %v", err)
	}
	if err := unix.Mprotect(memory[fencePages*page:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(memory) })
	return &fence{memory[:fencePages*page]}
}

// floats returns the last n values before the fence.
func (f *fence) floats(n int) []float32 {
	end := f.memory[len(f.memory)-4*n:]
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(end))), n)
}

// halves returns the last n halves before the fence.
func (f *fence) halves(n int) []uint16 {
	end := f.memory[len(f.memory)-2*n:]
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(end))), n)
}

func TestKernelsStayWithinTheirSlices(t *testing.T) {
	a, b, c, d, e, f := newFence(t), newFence(t), newFence(t), newFence(t), newFence(t), newFence(t)
	forEach(t, func(t *testing.T, s *isa) {
		for rows := 1; rows <= s.mr; rows++ {
			for _, k := range []int{1, 2, 3, 4, 5, 8, 13, 200} {
				for _, add := range []bool{true, false} {
					s.micro(rows, k, 1, a.floats(rows*k), b.floats(k*s.nr), c.floats(rows*s.nr), s.nr, add)
					if s.narrow != nil {
						s.narrow(rows, k, 1, a.floats(rows*k), b.floats(k*s.nr/2), c.floats(rows*s.nr/2), s.nr/2, add)
					}
				}
			}
		}
		for rows := 1; rows <= 9; rows++ {
			for k := 1; k <= 33; k++ {
				s.transpose(a.floats((k-1)*rows+rows), rows, b.floats(rows*k), k, rows, k)
			}
		}
		for n := 1; n < 70; n++ {
			x, y, z := a.floats(n), b.floats(n), c.floats(n)
			s.dot(x, y)
			s.axpy(2, x, y)
			s.scale(0.5, x)
			s.max(x)
			s.expSum(nil, x, 0)
			s.expSum(z, x, 0)
			s.siluMul(z, x, y)
			s.toHalf(f.halves(n), x)
			s.fromHalf(y, f.halves(n))
			s.siluMulBackward(d.floats(n), e.floats(n), z, x, y)
		}
		r := rand.New(rand.NewPCG(8, 1))
		for range 100 {
			m, n, k := 1+r.IntN(30), 1+r.IntN(40), 1+r.IntN(50)
			transA, transB := r.IntN(2) == 0, r.IntN(2) == 0
			strideA, strideB := k, n
			if transA {
				strideA = m
			}
			if transB {
				strideB = k
			}
			s.gemm(product{m: m, n: n, k: k, alpha: 1, a: matrix{a.floats(m * k), strideA, transA}, b: matrix{b.floats(k * n), strideB, transB}, c: c.floats(m * n), ldc: n})
		}
	})
}
