// Package optim moves parameters along gradients: AdamW, clipping by the global norm, and learning-rate schedules, over one
// flat slice of float32 that holds all tensors. Results do not depend on the number of threads: elements are updated one by
// one, and sums run over tiles of fixed size, in order.
package optim

// tile is how many elements one task takes.
const tile = 1 << 14

// tiles returns how many tasks n elements make.
func tiles(n int) int { return (n + tile - 1) / tile }

// span returns the elements of task i.
func span(i, n int) (from, to int) { return i * tile, min((i+1)*tile, n) }
