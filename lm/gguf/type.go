package gguf

import (
	"fmt"
	"strconv"
	"strings"
)

// Type says how the numbers of a tensor are stored. The values are the format's own.
type Type uint32

// The types that Dequantize knows. Those that Quantize knows too: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1.
const (
	F32    Type = 0
	F16    Type = 1
	Q4_0   Type = 2
	Q4_1   Type = 3
	Q5_0   Type = 6
	Q5_1   Type = 7
	Q8_0   Type = 8
	Q2_K   Type = 10
	Q3_K   Type = 11
	Q4_K   Type = 12
	Q5_K   Type = 13
	Q6_K   Type = 14
	IQ4_NL Type = 20
	IQ4_XS Type = 23
	BF16   Type = 30
	MXFP4  Type = 39
)

// layout is the shape of a block: a number of values and the bytes they take.
type layout struct {
	name          string
	values, bytes int
}

// layouts lists every type of ggml whose size is known, so that a file which holds one we cannot decode can still be
// listed, copied and refused by name.
var layouts = map[Type]layout{
	F32: {"F32", 1, 4}, F16: {"F16", 1, 2}, BF16: {"BF16", 1, 2},
	Q4_0: {"Q4_0", 32, 18}, Q4_1: {"Q4_1", 32, 20}, Q5_0: {"Q5_0", 32, 22}, Q5_1: {"Q5_1", 32, 24}, Q8_0: {"Q8_0", 32, 34},
	Q2_K: {"Q2_K", 256, 84}, Q3_K: {"Q3_K", 256, 110}, Q4_K: {"Q4_K", 256, 144}, Q5_K: {"Q5_K", 256, 176}, Q6_K: {"Q6_K", 256, 210},
	9: {"Q8_1", 32, 36}, 15: {"Q8_K", 256, 292},
	16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74}, 18: {"IQ3_XXS", 256, 98}, 19: {"IQ1_S", 256, 50},
	IQ4_NL: {"IQ4_NL", 32, 18}, 21: {"IQ3_S", 256, 110}, 22: {"IQ2_S", 256, 82}, IQ4_XS: {"IQ4_XS", 256, 136}, 29: {"IQ1_M", 256, 56},
	24: {"I8", 1, 1}, 25: {"I16", 1, 2}, 26: {"I32", 1, 4}, 27: {"I64", 1, 8}, 28: {"F64", 1, 8},
	34: {"TQ1_0", 256, 54}, 35: {"TQ2_0", 256, 66}, MXFP4: {"MXFP4", 32, 17},
}

// BlockSize returns how many values one block holds, and 0 for an unknown type.
func (t Type) BlockSize() int { return layouts[t].values }

// BlockBytes returns how many bytes one block takes, and 0 for an unknown type.
func (t Type) BlockBytes() int { return layouts[t].bytes }

// String returns the name ggml uses: F32, Q8_0, Q4_K.
func (t Type) String() string {
	if l, ok := layouts[t]; ok {
		return l.name
	}
	return "type " + strconv.FormatUint(uint64(t), 10)
}

// Size returns the bytes that n values take. n must be a multiple of the block's size.
func (t Type) Size(n int) (int, error) {
	l, ok := layouts[t]
	switch {
	case !ok:
		return 0, fmt.Errorf("size of %v: unknown type", t)
	case n < 0 || n%l.values != 0:
		return 0, fmt.Errorf("size of %d values of %v: not a multiple of the block size %d", n, t, l.values)
	}
	return n / l.values * l.bytes, nil
}

// ParseType finds a type by its name; upper and lower case are the same. The error lists the types that can be decoded.
func ParseType(s string) (Type, error) {
	for t, l := range layouts {
		if strings.EqualFold(l.name, s) {
			return t, nil
		}
	}
	return 0, fmt.Errorf("parse tensor type %q: want one of F32, F16, BF16, Q8_0, Q5_0, Q5_1, Q4_0, Q4_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4", s)
}
