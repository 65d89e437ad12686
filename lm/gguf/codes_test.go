package gguf

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestCodesAreTheValues(t *testing.T) {
	// Where the scales of a block are: random bytes must not make them infinite.
	for typ, scales := range map[Type][]int{Q4_0: {0}, Q4_1: {0, 2}, Q4_K: {0, 2}, Q5_0: {0}, Q5_1: {0, 2}, Q5_K: {0, 2}, Q3_K: {108}, Q6_K: {208},
		Q8_0: {0}, IQ4_NL: {0}, IQ4_XS: {0}, MXFP4: nil} {
		t.Run(typ.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(typ)))
			const n = 1024
			size, err := typ.Size(n)
			if err != nil {
				t.Fatal(err)
			}
			src := make([]byte, size)
			for i := range src {
				src[i] = byte(r.UintN(256))
			}
			for at := 0; at < size; at += typ.BlockBytes() {
				for _, s := range scales {
					src[at+s+1] &= 0x3f
				}
				if typ == MXFP4 {
					src[at] = 100 + src[at]%56
				}
			}
			want, code, d, m := make([]float32, n), make([]int8, n), make([]float32, n/CodeBlock*typ.CodeScales()), make([]float32, n/CodeBlock)
			if err := Dequantize(want, typ, src); err != nil {
				t.Fatal(err)
			}
			if err := Codes(code, d, m, typ, src); err != nil {
				t.Fatal(err)
			}
			bits := typ.CodeBits()
			least, most := int8(-1)<<(bits-1), int8(1<<(bits-1)-1)
			if bits == 4 {
				least, most = 0, 15
			}
			for i, w := range want {
				got := float32(d[i*typ.CodeScales()/32]*float32(code[i])) + m[i/32]
				if math.Abs(float64(got-w)) > 1e-6*math.Abs(float64(m[i/32])) {
					t.Fatalf("value %d is %v; want %v", i, got, w)
				}
				if code[i] < least || code[i] > most || bits == 8 && m[i/32] != 0 {
					t.Fatalf("value %d: code %d with minimum %v", i, code[i], m[i/32])
				}
			}
		})
	}
}

func TestCodesRefuses(t *testing.T) {
	code, d := make([]int8, 32), make([]float32, 1)
	for name, err := range map[string]error{
		"type":   Codes(code, d, d, F16, make([]byte, 64)),
		"bytes":  Codes(code, d, d, Q8_0, make([]byte, 33)),
		"values": Codes(code[:31], d, d, Q8_0, make([]byte, 34)),
		"scales": Codes(code, nil, d, Q8_0, make([]byte, 34)),
		"halves": Codes(code, d, d, Q5_1, make([]byte, 24)),
		"minima": Codes(code, d, nil, Q8_0, make([]byte, 34)),
	} {
		if err == nil {
			t.Errorf("wrong %s are taken", name)
		}
	}
}
