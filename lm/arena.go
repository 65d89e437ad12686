package lm

// arena hands out float32 scratch memory that lives as long as one pass, and keeps it for the next one.
type arena struct {
	chunks [][]float32
	chunk  int // in use
	at     int // first free value of it
}

const chunkSize = 1 << 20

// floats returns n values of unspecified content.
func (a *arena) floats(n int) []float32 {
	for a.chunk < len(a.chunks) && a.at+n > len(a.chunks[a.chunk]) {
		a.chunk, a.at = a.chunk+1, 0
	}
	if a.chunk == len(a.chunks) {
		a.chunks = append(a.chunks, make([]float32, max(n, chunkSize)))
	}
	s := a.chunks[a.chunk][a.at : a.at+n : a.at+n]
	a.at += n
	return s
}

// zeros returns n zeros.
func (a *arena) zeros(n int) []float32 {
	s := a.floats(n)
	clear(s)
	return s
}

// mark and reset free what was taken since the mark.
func (a *arena) mark() (chunk, at int) { return a.chunk, a.at }
func (a *arena) reset(chunk, at int)   { a.chunk, a.at = chunk, at }
