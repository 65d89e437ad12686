package kernel

import (
	"fmt"
	"testing"
)

// modelShapes are the outputs and inputs of the linear layers of SmolLM2-135M.
var modelShapes = [][2]int{{576, 576}, {192, 576}, {1536, 576}, {576, 1536}, {49152, 576}}

// BenchmarkModelShapes is the products of a prompt of so many tokens with the packed weights of SmolLM2-135M.
func BenchmarkModelShapes(b *testing.B) {
	for _, s := range available() {
		for _, shape := range modelShapes {
			for _, m := range []int{32, 128, 227, 512} {
				for _, threads := range threadCounts() {
					name := fmt.Sprintf("%s/%dx%dx%d/threads=%d", s.name, m, shape[0], shape[1], threads)
					b.Run(name, func(b *testing.B) { benchmarkGemm(b, s, m, shape[0], shape[1], "packed", threads) })
				}
			}
		}
	}
}
