package kernel

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// The shapes are those of SmolLM2-135M, for one token, a batch of candidates and a batch of training, and of a model
// a few million parameters small; 16 columns are a LoRA of rank 16.
var benchmarkShapes = [][3]int{
	{1, 576, 576}, {8, 576, 576}, {32, 576, 576}, {256, 576, 576}, {256, 1536, 576}, {256, 576, 1536},
	{1, 49152, 576}, {8, 49152, 576}, {32, 49152, 576}, {1, 128, 128}, {8, 128, 128}, {64, 256, 256}, {256, 16, 576}, {576, 576, 256},
}

func threadCounts() []int {
	if runtime.GOMAXPROCS(0) == 1 {
		return []int{1}
	}
	return []int{1, 2}
}

func BenchmarkGemm(b *testing.B) {
	for _, s := range available() {
		for _, shape := range benchmarkShapes {
			for _, form := range []string{"plain", "packed", "packedT"} {
				for _, threads := range threadCounts() {
					name := fmt.Sprintf("%s/%dx%dx%d/%s/threads=%d", s.name, shape[0], shape[1], shape[2], form, threads)
					b.Run(name, func(b *testing.B) { benchmarkGemm(b, s, shape[0], shape[1], shape[2], form, threads) })
				}
			}
		}
	}
}

func benchmarkGemm(b *testing.B, s *isa, m, n, k int, form string, threads int) {
	SetThreads(threads)
	defer SetThreads(0)
	r := rand.New(rand.NewPCG(1, 1))
	p := product{m: m, n: n, k: k, alpha: 1, a: matrix{random(r, m*k), k, false}, b: matrix{random(r, n*k), k, true}, c: make([]float32, m*n), ldc: n}
	switch form {
	case "packed":
		p.packed = s.packMatrix(n, k, p.b)
	case "packedT":
		p.packed, p.transposed = s.packMatrix(k, n, matrix{p.b.data, k, false}), true
	}
	b.ReportAllocs()
	for b.Loop() {
		s.gemm(p)
	}
	reportSpeed(b, m, n, k)
}

func reportSpeed(b *testing.B, m, n, k int) {
	b.ReportMetric(2*float64(m)*float64(n)*float64(k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

// BenchmarkGonum is the same with gonum's BLAS, on all processors, to compare.
func BenchmarkGonum(b *testing.B) {
	for _, shape := range benchmarkShapes {
		m, n, k := shape[0], shape[1], shape[2]
		b.Run(fmt.Sprintf("%dx%dx%d", m, n, k), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			x := blas32.General{Rows: m, Cols: k, Stride: k, Data: random(r, m*k)}
			w := blas32.General{Rows: n, Cols: k, Stride: k, Data: random(r, n*k)}
			y := blas32.General{Rows: m, Cols: n, Stride: n, Data: make([]float32, m*n)}
			for b.Loop() {
				blas32.Gemm(blas.NoTrans, blas.Trans, 1, x, w, 0, y)
			}
			reportSpeed(b, m, n, k)
		})
	}
}
