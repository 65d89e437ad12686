// Package bench measures what this machine can do, and how much of it a model's prompts, decoding and training get.
//
// Every figure is taken several times in alternation with the others, so that a neighbour on the machine spoils all of
// them alike; the median is reported, with the lowest and highest beside it.
package bench

import (
	"slices"
	"sync"
	"time"

	"plumb/lm/kernel"
)

// Spread is what several measurements of one thing gave.
type Spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// spreadOf summarises at least one value.
func spreadOf(values []float64) Spread {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return Spread{(s[(n-1)/2] + s[n/2]) / 2, s[0], s[n-1]}
}

// Machine is what bounds any model here.
type Machine struct {
	Threads int    `json:"threads"`
	Read    Spread `json:"read_gb_s"` // 10⁹ bytes read from memory a second, all threads
	Peak    Spread `json:"gflop_s"`   // of the float32 product of matrices that fit the caches, all threads
}

// memory measures reading: every thread sums its part of a vector far larger than the caches.
type memory struct{ data []float32 }

func newMemory(bytes int) memory {
	m := memory{make([]float32, bytes/4)}
	for i := range m.data {
		m.data[i] = 1
	}
	return m
}

// read returns 10⁹ bytes a second.
func (m memory) read() float64 {
	const piece = 1 << 12 // values; the other factor stays in the nearest cache
	ones := m.data[:piece]
	threads := kernel.Threads()
	part := len(m.data) / threads / piece * piece
	var wait sync.WaitGroup
	begun := time.Now()
	for t := range threads {
		wait.Go(func() {
			for at := t * part; at < (t+1)*part; at += piece {
				kernel.Dot(m.data[at:at+piece], ones)
			}
		})
	}
	wait.Wait()
	return float64(part*threads*4) / time.Since(begun).Seconds() / 1e9
}

// product measures the kernel on matrices of size n.
type product struct {
	n       int
	a, c    []float32
	weights *kernel.Packed
}

func newProduct(n int) product {
	p := product{n: n, a: make([]float32, n*n), c: make([]float32, n*n)}
	for i := range p.a {
		p.a[i] = float32(i%7) - 3
	}
	p.weights = kernel.Pack(true, n, n, p.a, n)
	return p
}

// speed returns 10⁹ operations a second.
func (p product) speed() float64 {
	begun := time.Now()
	kernel.GemmPacked(false, p.n, 1, p.a, p.n, p.weights, 0, p.c, p.n)
	return 2 * float64(p.n) * float64(p.n) * float64(p.n) / time.Since(begun).Seconds() / 1e9
}
