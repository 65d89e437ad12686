package lm

// llama is Llama 1 to 3 (Touvron et al. 2023, https://arxiv.org/abs/2302.13971), Mistral up to 0.3 and Nemo, SmolLM2 and others
// of their shape. A file of the first Mistral may limit what all its layers see (Jiang et al. 2023,
// https://arxiv.org/abs/2310.06825).
func llama() family {
	return family{read: func(k *keyReader, c *Config) {
		c.Window = k.size("attention.sliding_window", 0, maxContext, absent)
	}}
}
