package kernel

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// The assembly of every processor computes the same bits: testdata has the digest of what it computes here. The
// portable form does not fuse, unless the compiler does, and is left out.
func TestAssemblyGivesTheSameBitsOnEveryProcessor(t *testing.T) {
	want, err := os.ReadFile("testdata/fused.sha256")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range native() {
		if got := digest(s); got != strings.TrimSpace(string(want)) {
			t.Errorf("%s: %s; want %s", s.name, got, want)
		}
	}
}

// digest returns the SHA-256 of what the kernels make of fixed values.
func digest(s *isa) string {
	r, h := rand.New(rand.NewPCG(7, 7)), sha256.New()
	for range 20 {
		m, n, k := 1+r.IntN(20), 1+r.IntN(70), 1+r.IntN(1100)
		c := uniform(r, m*n, 1)
		s.gemm(product{m: m, n: n, k: k, alpha: 0.7, beta: 0.3, a: matrix{uniform(r, m*k, 1), k, false}, b: matrix{uniform(r, n*k, 1), k, true}, c: c, ldc: n})
		put(h, c)
	}
	for n := 1; n < 300; n += 7 {
		x, y, z := uniform(r, n, 20), uniform(r, n, 20), uniform(r, n, 1)
		put(h, s.dot(x, y), s.max(x))
		s.axpy(0.3, x, y)
		s.scale(-1.1, z)
		put(h, y, z, s.expSum(nil, x, 3), s.expSum(z, x, -2), z)
		s.siluMul(z, x, y)
		put(h, z)
		s.siluMulBackward(x, y, z, x, y)
		put(h, x, y)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// uniform returns n values between −size and size whose bits depend on no library's logarithm.
func uniform(r *rand.Rand, n int, size float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.IntN(1<<24)-1<<23) / (1 << 23) * size
	}
	return x
}

// put adds numbers to a digest.
func put(h hash.Hash, values ...any) {
	for _, v := range values {
		binary.Write(h, binary.LittleEndian, v)
	}
}
