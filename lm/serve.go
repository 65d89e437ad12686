package lm

import (
	"plumb/lm/gguf"
	"plumb/lm/kernel"
)

// codes tells how W is held while it serves: in integers as they are in the file, or, if not, in float32: its type has none, its
// rows are no whole blocks, the weights may change, or the processor is no quicker that way.
func (l *linear) codes() (kernel.Codes, bool) {
	codes, ok := map[int]kernel.Codes{4: kernel.Nibbles, 6: kernel.Halves, 8: kernel.Bytes}[l.info.Type.CodeBits()]
	return codes, ok && kernel.QuickQuantised() && l.w == nil && l.in%kernel.QuantBlock == 0
}

// quantised returns W in integers, rearranged for products at the first use; nil where it is held in float32.
func (l *linear) quantised() *kernel.Quant {
	codes, ok := l.codes()
	if !ok {
		return nil
	}
	l.quantOnce.Do(func() {
		data := l.m.file.Bytes(l.info)
		row := len(data) / l.out
		l.quant = kernel.PackQuant(codes, l.out, l.in, func(i int, code []int8, scale, min []float32) {
			if err := gguf.Codes(code, scale, min, l.info.Type, data[i*row:][:row]); err != nil {
				panic("lm: " + err.Error()) // the type and the length were looked at before
			}
		})
	})
	return l.quant
}

// Multiplied returns how many weights a token is multiplied by, and the bytes that are read for it while the model serves, or, if
// exact, while it computes in float32.
func (m *Model) Multiplied(exact bool) (weights, bytes int) {
	add := func(l *linear) {
		weights += l.out * l.in
		if codes, ok := l.codes(); ok && !exact {
			bytes += codes.Bytes(l.out, l.in)
		} else {
			bytes += 4 * l.out * l.in
		}
	}
	for i := range m.layers {
		for _, l := range m.layers[i].maps() {
			add(l)
		}
	}
	add(m.output)
	return weights, bytes
}

// input is what maps read, n×in, and room for it in 8 bits.
type input struct {
	x     []float32
	n     int
	codes *kernel.Activations
}

// serve is forward for up to three maps that read the same input, with the weights in integers where the file has them so.
func serve(in input, maps []*linear, ys [][]float32) {
	var all [3]kernel.QuantProduct
	products := all[:0]
	for i, l := range maps {
		w := l.quantised()
		if w == nil {
			l.forwardAlone(ys[i], in.x, in.n)
			continue
		}
		if len(products) == 0 {
			in.codes.Set(in.x, in.n, l.in, l.fine)
		}
		products = append(products, kernel.QuantProduct{W: w, Y: ys[i]})
	}
	if len(products) == 0 {
		return
	}
	kernel.Quantised(in.codes, products...)
	for i, l := range maps {
		if l.quantised() != nil {
			l.addBias(ys[i], in.n)
		}
	}
}
