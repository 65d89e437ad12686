package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// VPDPBUSD multiplies four unsigned by four signed bytes and adds the products, exact, to an int32. Registers are those
// of AVX2: the codes of a block come from memory, which bounds a single row, and no processor lowers its clock for them.

// offset128 is 128 in every byte.
func offset128(b *quantBlock) {
	VPCMPEQB(b.constant, b.constant, b.constant)
	VPSLLW(Imm(15), b.constant, b.constant)
	VPACKSSWB(b.constant, b.constant, b.constant) // −32768 saturates to −128
}

func nibblesVNNI(b *quantBlock, _ int) {
	for g := range 4 {
		lo, hi := b.halvesOf(g)
		for t, sum := range b.sums {
			if g == 0 {
				VPXOR(sum, sum, sum)
			}
			VPDPBUSD_BCST(b.column(t, 4*g), lo, sum)
			VPDPBUSD_BCST(b.column(t, 4*g+16), hi, sum)
		}
	}
}

// signedVNNI takes so many groups of 4 columns a part. It multiplies w + 128, which is unsigned, by x, and takes away 128·x.
func signedVNNI(groups int) func(b *quantBlock, part int) {
	return func(b *quantBlock, part int) {
		excess := make([]reg.VecVirtual, len(b.sums))
		for g := range groups {
			at, codes := part*groups+g, YMM()
			VPXOR(Mem{Base: b.w, Disp: 32 * at}, b.constant, codes)
			for t, sum := range b.sums {
				if g == 0 {
					excess[t] = YMM()
					VPXOR(sum, sum, sum)
					VPXOR(excess[t], excess[t], excess[t])
				}
				VPDPBUSD_BCST(b.column(t, 4*at), codes, sum)
				VPDPBUSD_BCST(b.column(t, 4*at), b.constant, excess[t])
			}
		}
		for t, sum := range b.sums {
			VPSUBD(excess[t], sum, sum)
		}
	}
}
