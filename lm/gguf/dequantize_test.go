package gguf

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"
)

// oracle is testdata/quant.json.gz, blocks and values as gguf-py and ggml decode and encode them, with the types of
// testdata/iq.json, which iq.py beside it makes with gguf-py.
type oracle struct {
	Dequantise map[string]struct {
		Block, Bytes int
		Blocks       []oracleBlock
	}
	Quantise map[string][]oracleBlock
}

type oracleBlock struct {
	What   string
	Hex    string
	Values []float32
}

func (b oracleBlock) bytes(t *testing.T) []byte {
	t.Helper()
	raw, err := hex.DecodeString(b.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func readOracle(t *testing.T) oracle {
	t.Helper()
	file, err := os.Open("testdata/quant.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var o oracle
	if err := json.NewDecoder(z).Decode(&o); err != nil {
		t.Fatal(err)
	}
	more, err := os.ReadFile("testdata/iq.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(more, &o); err != nil { // adds to the map
		t.Fatal(err)
	}
	return o
}

func TestDequantizeGivesTheValuesOfGGML(t *testing.T) {
	o := readOracle(t)
	if want := len(decoders) + 2; len(o.Dequantise) != want {
		t.Fatalf("the oracle has %d types; want %d", len(o.Dequantise), want)
	}
	for name, sample := range o.Dequantise {
		typ, err := ParseType(name)
		if err != nil {
			t.Fatal(err)
		}
		if typ.BlockSize() != sample.Block || typ.BlockBytes() != sample.Bytes {
			t.Errorf("%s: block of %d values in %d bytes; want %d in %d", name, typ.BlockSize(), typ.BlockBytes(), sample.Block, sample.Bytes)
		}
		for i, block := range sample.Blocks {
			t.Run(fmt.Sprintf("%s/%d %s", name, i, block.What), func(t *testing.T) {
				got := make([]float32, len(block.Values))
				if err := Dequantize(got, typ, block.bytes(t)); err != nil {
					t.Fatal(err)
				}
				for i, want := range block.Values {
					if got[i] != want {
						t.Fatalf("value %d is %v; want %v", i, got[i], want)
					}
				}
			})
		}
	}
}

func TestHalfAgreesWithItsDefinition(t *testing.T) {
	for h := range 1 << 16 {
		sign, exp, frac := 1-2*float64(h>>15), h>>10&31, float64(h&1023)
		want := sign * math.Ldexp(1+frac/1024, exp-15)
		switch {
		case exp == 0:
			want = sign * math.Ldexp(frac/1024, -14)
		case exp == 31 && frac == 0:
			want = math.Inf(int(sign))
		case exp == 31:
			want = math.NaN()
		}
		got := half(uint16(h))
		if float64(got) != want && !(math.IsNaN(want) && got != got) {
			t.Fatalf("half %#04x is %v; want %v", h, got, want)
		}
	}
}
