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
	if a.at > 0 && a.at+n > len(a.chunks[a.chunk]) {
		a.chunk, a.at = a.chunk+1, 0
	}
	if a.chunk < len(a.chunks) && len(a.chunks[a.chunk]) < n {
		// Nothing of it is in use. It makes way: who asks for a little more each time must not leave a chunk behind each time.
		a.chunks[a.chunk] = make([]float32, n+n/4)
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
