package lm

import "math"

// gemma3 is the text part of Gemma 3 (Gemma Team 2025, https://arxiv.org/abs/2503.19786): every sixth layer sees all that is
// before it, the others a window, with a rotary base of their own. Files hold the weights of the norms with the 1 that Gemma
// adds to them.
func gemma3() family {
	return family{parts: parts{halves: true, headNorms: true, postNorms: true, gelu: true}, read: func(k *keyReader, c *Config) {
		readGemma(k, c, 6, absent) // files whose layers all see everything have no key for a window
		c.LogitCap = k.number("final_logit_softcapping", 0)
		c.LocalBase = k.number("rope.freq_base_swa", k.number("rope.local.freq_base", 10000))
		if _, ok := k.f.Float(k.arch + ".rope.freq_base"); !ok {
			c.RopeBase = k.number("rope.global.freq_base", 1e6)
		}
		// The width of a query is that of its head; the 27B alone divides the width of the model among the heads.
		if c.Layers == 62 {
			c.AttnScale = 1 / math.Sqrt(float64(c.Dim)/float64(c.Heads))
		}
	}}
}

// gemma2 is Gemma 2 (Gemma Team 2024, https://arxiv.org/abs/2408.00118): every second layer sees all, and scores and logits stay
// between soft caps.
func gemma2() family {
	return family{parts: parts{halves: true, postNorms: true, gelu: true}, read: func(k *keyReader, c *Config) {
		readGemma(k, c, 2, 4096)
		c.AttnCap = k.number("attn_logit_softcapping", 50)
		c.LogitCap = k.number("final_logit_softcapping", 30)
		if c.Layers == 46 { // the 27B
			c.AttnScale = 1 / math.Sqrt(float64(c.Dim)/float64(c.Heads))
		}
	}}
}

func readGemma(k *keyReader, c *Config, every, window int) {
	c.EmbedScale = float32(math.Sqrt(float64(c.Dim)))
	c.Window = k.size("attention.sliding_window", 0, maxContext, window)
	c.GlobalEvery = k.size("attention.sliding_window_pattern", 1, 1024, every)
}
