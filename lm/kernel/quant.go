package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"
)

// QuantBlock is how many columns of a quantised matrix share a scale.
const QuantBlock = 32

// Codes is how the codes of a quantised matrix are held. A weight is scale·code + minimum.
type Codes int

const (
	Nibbles Codes = iota // 0 to 15, with a minimum
	Bytes                // −128 to 127, without one
	Halves               // −32 to 31, with a minimum, and a scale for each half of a block
)

const (
	quantPanel = 8 // rows of W side by side, one a lane of a register
	quantRows  = 4 // rows of x that a kernel takes at a time
)

// codeBytes is the size of the codes of one block of a panel.
func (c Codes) codeBytes() int {
	if c == Nibbles {
		return quantPanel * QuantBlock / 2
	}
	return quantPanel * QuantBlock
}

// scales is how many scales a block has.
func (c Codes) scales() int {
	if c == Halves {
		return 2
	}
	return 1
}

// blockBytes is the size of one block of a panel: codes, then 8 float32 for each of its scales, and 8 for its minimum, if it has one.
func (c Codes) blockBytes() int {
	floats := c.scales()
	if c != Bytes {
		floats++
	}
	return c.codeBytes() + 4*quantPanel*floats
}

// Bytes is what a matrix of out rows and in columns takes.
func (c Codes) Bytes(out, in int) int {
	return (out + quantPanel - 1) / quantPanel * (in / QuantBlock) * c.blockBytes()
}

// Quant is a weight matrix of out rows and in columns that stays quantised: an eighth to a quarter of what Packed takes.
// Products with it round x to 8 bits a value: see Activations. It is read-only: any number of goroutines may use it.
//
// A product is, for each row of W, a sum over blocks in their order of scale·scale·(sum of products of codes), for one
// half after the other with Halves, and minimum·(sum of x). The inner sum is exact, in integers, and nothing is fused: all instruction sets give the same
// bits, whatever the rows beside and the number of threads.
type Quant struct {
	codes   Codes
	out, in int
	isa     *isa
	// Panels of 8 rows, each of in/QuantBlock blocks. In a block of Bytes or Halves, 4 columns of 8 rows follow one another:
	// code (r, c) is at c/4·32 + r·4 + c%4. Nibbles hold column c < 16 in the low half of that byte, column c + 16 in the high.
	data []byte
}

// PackQuant rearranges a matrix. row stores the codes of row i, in of them, and its scales and minima, one a block and
// with Halves two scales, in its arguments; it is called concurrently, and the minima do not count with Bytes. It panics if in is not a
// positive multiple of QuantBlock.
func PackQuant(codes Codes, out, in int, row func(i int, code []int8, scale, min []float32)) *Quant {
	return active.packQuant(codes, out, in, row)
}

func (s *isa) packQuant(codes Codes, out, in int, row func(i int, code []int8, scale, min []float32)) *Quant {
	if in <= 0 || in%QuantBlock != 0 || out < 0 {
		panic(fmt.Sprintf("kernel: PackQuant: %d×%d; columns must be a positive multiple of %d", out, in, QuantBlock))
	}
	blocks := in / QuantBlock
	size := blocks * codes.blockBytes()
	w := &Quant{codes: codes, out: out, in: in, isa: s, data: newBytes(codes.Bytes(out, in))}
	Parallel(w.panels(), func(p int) {
		code, scale, min := make([]int8, in), make([]float32, blocks*codes.scales()), make([]float32, blocks)
		for r := range quantPanel {
			if i := p*quantPanel + r; i < out {
				row(i, code, scale, min)
				w.put(w.data[p*size:][:size], r, code, scale, min)
			}
		}
	})
	return w
}

// put writes row r of a panel.
func (w *Quant) put(panel []byte, r int, code []int8, scale, min []float32) {
	size, scales := w.codes.blockBytes(), w.codes.scales()
	for b := range min {
		block, code := panel[b*size:][:size], code[b*QuantBlock:][:QuantBlock]
		if w.codes == Nibbles {
			for c := range QuantBlock / 2 {
				block[c/4*32+r*4+c%4] = uint8(code[c])&15 | uint8(code[c+16])<<4
			}
		} else {
			for c, v := range code {
				block[c/4*32+r*4+c%4] = uint8(v)
			}
		}
		floats := block[w.codes.codeBytes():]
		for k, s := range scale[b*scales:][:scales] {
			putFloat32(floats, k*quantPanel+r, s)
		}
		if w.codes != Bytes {
			putFloat32(floats, scales*quantPanel+r, min[b])
		}
	}
}

// QuickQuantised tells whether Quantised is faster than GemmPacked on this processor. The portable form is not.
func QuickQuantised() bool { return active.quickQuant }

// Activations is rows of the left side of a product, quantised once for all the matrices that read them: in blocks of
// QuantBlock values, code = x·127/max|x| rounded to the nearest, ties to even. A block with a value that is infinite or
// not a number makes the products of its row NaN. Fine ones have a second row of codes for what the first leaves over:
// about 15 bits instead of 7, for twice the arithmetic on the same weights. The zero value is empty; it keeps its memory from one Set to the next.
type Activations struct {
	n, in int // rows of codes
	fine  bool
	codes []int8
	scale []float32 // of each block: the scale, and scale times the sum of the codes
	rest  []float32 // of a row: what its codes leave over
}

// Set quantises x, n rows of in values. It panics if in is not a positive multiple of QuantBlock.
func (a *Activations) Set(x []float32, n, in int, fine bool) {
	if in <= 0 || in%QuantBlock != 0 || n < 0 || len(x) < n*in {
		panic(fmt.Sprintf("kernel: Activations: %d×%d from %d values; columns must be a positive multiple of %d", n, in, len(x), QuantBlock))
	}
	a.in, a.fine = in, fine
	copies := a.copies()
	a.n = n * copies
	if size := a.n * in; cap(a.codes) < size {
		a.codes, a.scale = make([]int8, size), make([]float32, size/(QuantBlock/2))
	}
	a.codes, a.scale = a.codes[:a.n*in], a.scale[:a.n*in/(QuantBlock/2)]
	if len(a.rest) < in {
		a.rest = make([]float32, in)
	}
	blocks := in / QuantBlock
	for i := range n {
		row := i * copies
		active.quantise(a.codes[row*in:][:in], a.scale[2*row*blocks:][:2*blocks], a.rest[:in], x[i*in:][:in])
		if fine {
			row++
			active.quantise(a.codes[row*in:][:in], a.scale[2*row*blocks:][:2*blocks], a.rest[:in], a.rest[:in])
		}
	}
}

// copies is how many rows of codes stand for one of values.
func (a *Activations) copies() int {
	if a.fine {
		return 2
	}
	return 1
}

// quantiseGo stores codes, scales and what they leave over of the blocks of x. rest may be x.
func quantiseGo(codes []int8, scale, rest, x []float32) {
	for b := range len(x) / QuantBlock {
		code, block := (*[QuantBlock]int8)(codes[b*QuantBlock:]), (*[QuantBlock]float32)(x[b*QuantBlock:])
		scale[2*b], scale[2*b+1] = quantise(code, block)
		for k, v := range block {
			rest[b*QuantBlock+k] = v - float32(scale[2*b]*float32(code[k]))
		}
	}
}

// quantise returns the scale of a block and scale·sum of its codes.
func quantise(code *[QuantBlock]int8, x *[QuantBlock]float32) (scale, sum float32) {
	const exponent = 0x7f800000
	var top uint32 // the bits of |x| are in the order of its size, NaN last
	for _, v := range x {
		top = max(top, math.Float32bits(v)&^(1<<31))
	}
	if top >= exponent {
		*code = [QuantBlock]int8{}
		nan := float32(math.NaN())
		return nan, nan
	}
	size := math.Float32frombits(top)
	inverse := 127 / size
	if math.Float32bits(inverse) >= exponent { // all zero, or so small that the scale would be subnormal
		*code = [QuantBlock]int8{}
		return 0, 0
	}
	const round = 3 << 22 // added, it leaves the nearest integer in the low bits
	var total int32
	for i, v := range x {
		q := int32(math.Float32bits(float32(v*inverse)+round)) - 0x4b400000
		code[i] = int8(q)
		total += q
	}
	scale = size / 127
	return scale, scale * float32(total)
}

// QuantProduct is a matrix to multiply by, and where the product goes.
type QuantProduct struct {
	W *Quant
	Y []float32 // n×out
}

// Quantised stores x·Wᵀ in Y, n×out for the n rows of x, for each of the products: those that read the same x are better asked
// for at once, since goroutines then wait for one another once. It panics if the shapes do not fit.
func Quantised(x *Activations, products ...QuantProduct) {
	rows, panels := x.n/x.copies(), 0
	for _, p := range products {
		if x.in != p.W.in || len(p.Y) < rows*p.W.out {
			panic(fmt.Sprintf("kernel: Quantised: %d×%d times a matrix of %d×%d into %d values", rows, x.in, p.W.out, p.W.in, len(p.Y)))
		}
		panels += p.W.panels()
	}
	threads := Threads()
	if threads == 1 || x.n*x.in*panels*quantPanel < smallQuantWork {
		for _, p := range products {
			p.W.multiply(p.Y, x, 0, p.W.panels())
		}
		return
	}
	// A product that needs no other goroutine takes no memory, and one that does takes that of the one before.
	d := deals.Get().(*deal)
	d.products, d.x, d.panels, d.tasks = append(d.products, products...), x, panels, min(panels, 4*threads)
	Parallel(d.tasks, d.one)
	clear(d.products)
	d.products, d.x = d.products[:0], nil
	deals.Put(d)
}

// smallQuantWork is how many multiplications one goroutine does more quickly than two.
const smallQuantWork = 1 << 17

// deal is products whose panels, those of one after those of the other, are dealt out to tasks.
type deal struct {
	products      []QuantProduct
	x             *Activations
	panels, tasks int
	one           func(t int) // does task t
}

var deals = sync.Pool{New: func() any {
	d := new(deal)
	d.one = func(t int) { d.do(t*d.panels/d.tasks, (t+1)*d.panels/d.tasks) }
	return d
}}

// do multiplies by the panels from to to.
func (d *deal) do(from, to int) {
	for _, p := range d.products {
		n := p.W.panels()
		if from < min(n, to) {
			p.W.multiply(p.Y, d.x, from, min(n, to))
		}
		from, to = max(0, from-n), to-n
	}
}

func (w *Quant) panels() int { return (w.out + quantPanel - 1) / quantPanel }

// multiply computes the columns of y that belong to the panels from to to.
func (w *Quant) multiply(y []float32, x *Activations, from, to int) {
	blocks := w.in / QuantBlock
	size := blocks * w.codes.blockBytes()
	for p := from; p < to; p++ {
		panel, column := w.data[p*size:][:size], p*quantPanel
		if column+quantPanel > w.out || x.fine {
			w.aside(y, x, panel, column)
			continue
		}
		for i := 0; i < x.n; i += quantRows {
			w.isa.quant(w.codes, min(quantRows, x.n-i), blocks, panel, x.codes[i*w.in:], x.scale[2*i*blocks:], y[i*w.out+column:], w.out)
		}
	}
}

// aside computes what a kernel cannot store in y: a panel wider than what is left of it, and fine rows, which are sums.
func (w *Quant) aside(y []float32, x *Activations, panel []byte, column int) {
	buffer := panelBuffers.Get().(*[]float32)
	defer panelBuffers.Put(buffer)
	space := grow(buffer, quantRows*quantPanel)
	blocks, copies := w.in/QuantBlock, x.copies()
	for i := 0; i < x.n; i += quantRows {
		rows := min(quantRows, x.n-i)
		w.isa.quant(w.codes, rows, blocks, panel, x.codes[i*w.in:], x.scale[2*i*blocks:], space, quantPanel)
		for r := 0; r < rows; r += copies {
			at := (i + r) / copies * w.out
			to := y[at+column : at+min(column+quantPanel, w.out)]
			copy(to, space[r*quantPanel:])
			for k := range to[:len(to)*(copies-1)] {
				to[k] += space[(r+1)*quantPanel+k]
			}
		}
	}
}

// quantGo is the portable kernel: rows of x by one panel.
func quantGo(codes Codes, rows, blocks int, panel []byte, x []int8, s []float32, y []float32, ldy int) {
	size := codes.blockBytes()
	for t := range rows {
		var total [quantPanel]float32
		for b := range blocks {
			block := panel[b*size:][:size]
			code := (*[QuantBlock]int8)(x[(t*blocks+b)*QuantBlock:])
			scales := s[2*(t*blocks+b):][:2]
			switch codes {
			case Nibbles:
				nibbleBlock(&total, block, code, scales)
			case Bytes:
				byteBlock(&total, block, code, scales)
			case Halves:
				halfBlocks(&total, block, code, scales)
			}
		}
		copy(y[t*ldy:], total[:])
	}
}

// Below, every product is converted before it is added, which forbids a fused multiply-add.

func nibbleBlock(total *[quantPanel]float32, block []byte, x *[QuantBlock]int8, s []float32) {
	floats := block[Nibbles.codeBytes():]
	for r := range total {
		var sum int32
		for c := range QuantBlock / 2 {
			v := block[c/4*32+r*4+c%4]
			sum += int32(v&15)*int32(x[c]) + int32(v>>4)*int32(x[c+16])
		}
		d, m := float32At(floats, r), float32At(floats, quantPanel+r)
		total[r] += float32(float32(sum) * float32(d*s[0]))
		total[r] += float32(m * s[1])
	}
}

func byteBlock(total *[quantPanel]float32, block []byte, x *[QuantBlock]int8, s []float32) {
	floats := block[Bytes.codeBytes():]
	for r := range total {
		var sum int32
		for c, v := range x {
			sum += int32(int8(block[c/4*32+r*4+c%4])) * int32(v)
		}
		total[r] += float32(float32(sum) * float32(float32At(floats, r)*s[0]))
	}
}

func halfBlocks(total *[quantPanel]float32, block []byte, x *[QuantBlock]int8, s []float32) {
	floats := block[Halves.codeBytes():]
	for r := range total {
		for half := range 2 {
			var sum int32
			for c := half * 16; c < half*16+16; c++ {
				sum += int32(int8(block[c/4*32+r*4+c%4])) * int32(x[c])
			}
			total[r] += float32(float32(sum) * float32(float32At(floats, half*quantPanel+r)*s[0]))
		}
		total[r] += float32(float32At(floats, 2*quantPanel+r) * s[1])
	}
}

func float32At(b []byte, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
}

func putFloat32(b []byte, i int, v float32) {
	binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
}
