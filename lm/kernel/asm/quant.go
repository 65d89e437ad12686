package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// quantRows is how many rows of x one kernel takes: the sums of so many fit the registers.
const quantRows = 4

// quantised writes the kernels of Quant, for 1 to quantRows rows of x. Lane r of a register is row r of the panel, so
// that sums never cross lanes. Sums of codes are exact, and nothing else is fused: the form in Go rounds at the same places.
func quantised() {
	for _, set := range []integers{avx2, vnni} {
		for _, form := range []quantForm{
			{name: "Nibbles", codes: 128, parts: 1, minimum: true, products: set.nibbles},
			{name: "Bytes", codes: 256, parts: 1, products: set.bytes},
			{name: "Halves", codes: 256, parts: 2, minimum: true, products: set.halves},
		} {
			for rows := 1; rows <= quantRows; rows++ {
				quant(set, form, rows)
			}
		}
	}
}

// integers is how an instruction set multiplies codes. A function leaves the products of a part in the sums.
type integers struct {
	name                   string
	constant               func(b *quantBlock)
	nibbles, bytes, halves func(b *quantBlock, part int)
}

var (
	avx2 = integers{name: "AVX2", constant: ones, nibbles: nibbles, bytes: wholeBytes, halves: halves}
	vnni = integers{name: "VNNI", constant: offset128, nibbles: nibblesVNNI, bytes: signedVNNI(8), halves: signedVNNI(4)}
)

// quantForm is one form of codes.
type quantForm struct {
	name     string
	codes    int // bytes of a block of a panel
	parts    int // of a block, each with a scale
	minimum  bool
	products func(b *quantBlock, part int)
}

// quantBlock is what the kernels share: where the block's codes are, and x of every row.
type quantBlock struct {
	w        reg.Register
	x        []Mem
	constant reg.VecVirtual   // see integers
	mask     reg.VecVirtual   // 0x0f in every byte, for nibbles
	sums     []reg.VecVirtual // the products of the block, a sum in int32 for each row of the panel
}

func (b *quantBlock) column(t, column int) Mem {
	m := b.x[t]
	m.Disp += column
	return m
}

func (b *quantBlock) broadcast(t, column int, to reg.VecVirtual) {
	VPBROADCASTD(b.column(t, column), to)
}

func quant(set integers, form quantForm, rows int) {
	name := fmt.Sprintf("quant%s%d%s", form.name, rows, set.name)
	TEXT(name, NOSPLIT, "func(blocks int, w *byte, x *int8, ldx int, s *float32, lds int, y *float32, ldy int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s multiplies %d rows of x by a panel of 8 rows of w.", name, rows))
	blocks, w := Load(Param("blocks"), GP64()), Load(Param("w"), GP64())
	offset := GP64()
	XORQ(offset, offset)
	b := &quantBlock{w: w, constant: YMM(), mask: YMM()}
	var scales []Mem
	for _, x := range pointers("x", "ldx", rows, 1) {
		b.x = append(b.x, Mem{Base: x, Index: offset, Scale: 4})
		b.sums = append(b.sums, YMM())
	}
	for _, s := range pointers("s", "lds", rows, 4) {
		scales = append(scales, Mem{Base: s, Index: offset, Scale: 1})
	}
	totals := zeros(rows)
	set.constant(b)
	if form.name == "Nibbles" {
		VPCMPEQB(b.mask, b.mask, b.mask)
		VPSRLW(Imm(12), b.mask, b.mask) // 0x000f
		wide := YMM()
		VPSLLW(Imm(8), b.mask, wide)
		VPOR(wide, b.mask, b.mask)
	}
	Label("loop")
	floats := Mem{Base: w, Disp: form.codes}
	for part := range form.parts {
		form.products(b, part)
		for t, sum := range b.sums {
			d := YMM()
			VCVTDQ2PS(sum, sum)
			VBROADCASTSS(scales[t], d)
			VMULPS(floats, d, d)
			VMULPS(d, sum, sum)
			VADDPS(sum, totals[t], totals[t])
		}
		floats.Disp += 32
	}
	if form.minimum {
		for t := range totals {
			m, d := scales[t], YMM()
			m.Disp += 4
			VBROADCASTSS(m, d)
			VMULPS(floats, d, d)
			VADDPS(d, totals[t], totals[t])
		}
		floats.Disp += 32
	}
	size := floats.Disp
	ADDQ(U32(size), w)
	ADDQ(Imm(8), offset)
	DECQ(blocks)
	JNZ(LabelRef("loop"))
	for t, y := range pointers("y", "ldy", rows, 4) {
		VMOVUPS(totals[t], Mem{Base: y})
	}
	VZEROUPPER()
	RET()
}

// pointers returns the starts of so many rows that lie stride values of size bytes apart.
func pointers(base, stride string, rows, size int) []reg.Register {
	all := []reg.Register{Load(Param(base), GP64())}
	if rows == 1 {
		return all
	}
	step := Load(Param(stride), GP64())
	if size == 4 {
		SHLQ(Imm(2), step)
	}
	for t := 1; t < rows; t++ {
		p := GP64()
		LEAQ(Mem{Base: all[t-1], Index: step, Scale: 1}, p)
		all = append(all, p)
	}
	return all
}

// ones is 1 in every int16: what pairs of them are summed with.
func ones(b *quantBlock) {
	VPCMPEQW(b.constant, b.constant, b.constant)
	VPSRLW(Imm(15), b.constant, b.constant)
}

// halvesOf loads group g of nibbles: columns 4g to 4g + 3, and those 16 further on.
func (b *quantBlock) halvesOf(g int) (lo, hi reg.VecVirtual) {
	lo, hi = YMM(), YMM()
	VMOVDQU(Mem{Base: b.w, Disp: 32 * g}, lo)
	VPSRLW(Imm(4), lo, hi)
	VPAND(b.mask, lo, lo)
	VPAND(b.mask, hi, hi)
	return lo, hi
}

// nibbles sums eight products in int16: 8·15·127·2 = 30480 fits.
func nibbles(b *quantBlock, _ int) {
	for g := range 4 {
		lo, hi := b.halvesOf(g)
		for t, sum := range b.sums {
			for half, codes := range []reg.VecVirtual{lo, hi} {
				x := YMM()
				b.broadcast(t, 4*g+16*half, x)
				if g+half == 0 {
					VPMADDUBSW(x, codes, sum)
					continue
				}
				VPMADDUBSW(x, codes, x)
				VPADDW(x, sum, sum)
			}
		}
	}
	for _, sum := range b.sums {
		VPMADDWD(b.constant, sum, sum)
	}
}

// wholeBytes multiplies |w| by x with w's sign: |w| ≤ 128 fits an unsigned byte, |x| ≤ 127 has a sign to change, and
// 2·128·127 fits int16.
func wholeBytes(b *quantBlock, _ int) {
	for g := range 8 {
		codes, size := YMM(), YMM()
		VMOVDQU(Mem{Base: b.w, Disp: 32 * g}, codes)
		VPABSB(codes, size)
		for t, sum := range b.sums {
			x := YMM()
			b.broadcast(t, 4*g, x)
			VPSIGNB(codes, x, x)
			VPMADDUBSW(x, size, x)
			if g == 0 {
				VPMADDWD(b.constant, x, sum)
				continue
			}
			VPMADDWD(b.constant, x, x)
			VPADDD(x, sum, sum)
		}
	}
}

// halves is wholeBytes for 16 columns of codes so small that their products may be summed in int16: 4·2·32·127 = 32512 fits.
func halves(b *quantBlock, part int) {
	for g := range 4 {
		codes, size := YMM(), YMM()
		VMOVDQU(Mem{Base: b.w, Disp: 128*part + 32*g}, codes)
		VPABSB(codes, size)
		for t, sum := range b.sums {
			x := YMM()
			b.broadcast(t, 16*part+4*g, x)
			VPSIGNB(codes, x, x)
			if g == 0 {
				VPMADDUBSW(x, size, sum)
				continue
			}
			VPMADDUBSW(x, size, x)
			VPADDW(x, sum, sum)
		}
	}
	for _, sum := range b.sums {
		VPMADDWD(b.constant, sum, sum)
	}
}
