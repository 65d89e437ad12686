package gguf

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestCodesAreTheValues(t *testing.T) {
	for _, typ := range []Type{Q4_0, Q4_1, Q4_K, Q5_0, Q8_0} {
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
			for at := 0; at < size; at += typ.BlockBytes() { // finite scales
				src[at+1] &= 0x3f
				if typ == Q4_1 || typ == Q4_K {
					src[at+3] &= 0x3f
				}
			}
			want, code, d, m := make([]float32, n), make([]int8, n), make([]float32, n/CodeBlock), make([]float32, n/CodeBlock)
			if err := Dequantize(want, typ, src); err != nil {
				t.Fatal(err)
			}
			if err := Codes(code, d, m, typ, src); err != nil {
				t.Fatal(err)
			}
			for i, w := range want {
				if got := float32(d[i/32]*float32(code[i])) + m[i/32]; math.Abs(float64(got-w)) > 1e-6*math.Abs(float64(m[i/32])) {
					t.Fatalf("value %d is %v; want %v", i, got, w)
				}
				if typ.CodeBits() == 4 && (code[i] < 0 || code[i] > 15) || typ.CodeBits() == 8 && m[i/32] != 0 {
					t.Fatalf("value %d: code %d with minimum %v", i, code[i], m[i/32])
				}
			}
		})
	}
}

func TestCodesRefuses(t *testing.T) {
	code, d := make([]int8, 32), make([]float32, 1)
	for name, err := range map[string]error{
		"type":   Codes(code, d, d, Q6_K, make([]byte, 210)),
		"bytes":  Codes(code, d, d, Q8_0, make([]byte, 33)),
		"values": Codes(code[:31], d, d, Q8_0, make([]byte, 34)),
		"scales": Codes(code, nil, d, Q8_0, make([]byte, 34)),
		"minima": Codes(code, d, nil, Q8_0, make([]byte, 34)),
	} {
		if err == nil {
			t.Errorf("wrong %s are taken", name)
		}
	}
}
