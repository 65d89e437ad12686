package lm

import (
	"plumb/lm/gguf"
	"plumb/lm/kernel"
)

// quantised returns W as it is in the file, in integers, rearranged for products at the first use; nil where it has to be
// float32: its type has none, its rows are no whole blocks, the weights may change, or the
// processor is no quicker that way.
func (l *linear) quantised() *kernel.Quant {
	bits := l.info.Type.CodeBits()
	if bits == 0 || !kernel.QuickQuantised() || l.w != nil || l.in%kernel.QuantBlock != 0 {
		return nil
	}
	l.quantOnce.Do(func() {
		codes := map[int]kernel.Codes{4: kernel.Nibbles, 6: kernel.Halves, 8: kernel.Bytes}[bits]
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

// input is what several maps read, n×in: as it is and, once one of them wants it so, in 8 bits.
type input struct {
	x     []float32
	n     int
	ready bool
	codes *kernel.Activations
}

// serve is forward with the weights in integers where the file has them so.
func (l *linear) serve(y []float32, in *input) {
	w := l.quantised()
	if w == nil {
		l.forward(y, in.x, in.n)
		return
	}
	if !in.ready {
		in.codes.Set(in.x, in.n, l.in, l.fine)
		in.ready = true
	}
	kernel.Quantised(y, in.codes, w)
	l.addBias(y, in.n)
}
