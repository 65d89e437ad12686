package lm

import (
	"sync/atomic"

	"plumb/lm/kernel"
)

// arena hands out float32 scratch memory that lives as long as one pass, and keeps it for the next one.
type arena struct {
	chunks [][]float32
	chunk  int // in use
	at     int // first free value of it
}

// Chunks are as large as all before them together, between these bounds: what is left over at the end of one, where the next
// matrix did not fit, is then a small part of the whole.
const (
	chunkSize    = 1 << 20
	largestChunk = 1 << 24
)

// floats returns n values of unspecified content.
func (a *arena) floats(n int) []float32 {
	if a.at > 0 && a.at+n > len(a.chunks[a.chunk]) {
		a.chunk, a.at = a.chunk+1, 0
	}
	if a.chunk < len(a.chunks) && len(a.chunks[a.chunk]) < n {
		// Nothing of it is in use. It makes way: who asks for a little more each time must not leave a chunk behind each time.
		a.chunks[a.chunk] = kernel.Floats(n + n/4)
	}
	if a.chunk == len(a.chunks) {
		a.chunks = append(a.chunks, kernel.Floats(max(n, chunkSize, min(a.held(), largestChunk))))
	}
	s := a.chunks[a.chunk][a.at : a.at+n : a.at+n]
	a.at += n
	return s
}

func (a *arena) held() (n int) {
	for _, c := range a.chunks {
		n += len(c)
	}
	return n
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

// spare keeps one arena that nobody uses for whoever needs one next. (A sync.Pool keeps one for each processor, and may not find
// that of another: as many gigabytes more in a training.)
type spare struct{ free atomic.Pointer[arena] }

func (s *spare) take() *arena {
	if a := s.free.Swap(nil); a != nil {
		return a
	}
	return new(arena)
}

func (s *spare) put(a *arena) { s.free.Store(a) }
