package lm

// qwen3 is the dense models of Qwen 3 (Yang et al. 2025, https://arxiv.org/abs/2505.09388): norms of the heads in place of
// biases, and heads whose size has nothing to do with D/H.
func qwen3() family { return family{parts: parts{halves: true, headNorms: true}} }
