package lm

// mistral3 is Mistral Small 3 and Ministral 3: a llama whose context is stretched with YaRN, and whose queries may grow with
// their position beyond the context of the first training, so that attention over more keys stays as sharp:
// 1 + β·log(1 + ⌊position/original context⌋).
func mistral3() family {
	return family{read: func(k *keyReader, c *Config) {
		c.Window = k.size("attention.sliding_window", 0, maxContext, absent)
		c.Sharpen = k.number("attention.temperature_scale", 0)
		if c.Sharpen != 0 {
			c.SharpenEvery = k.size("rope.scaling.original_context_length", 1, maxContext, required)
		}
	}}
}
