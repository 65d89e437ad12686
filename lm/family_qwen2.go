package lm

// qwen2 is Qwen 1.5 to 2.5 (Yang et al. 2024, https://arxiv.org/abs/2407.10671): biases of q, k and v.
func qwen2() family { return family{parts: parts{halves: true, biases: true}} }
