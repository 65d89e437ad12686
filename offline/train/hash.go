package train

import "plumb/lm"

// Hash returns what [Result.Weights] is, for an adapter that was trained elsewhere.
func Hash(p *lm.Params) string { return hashOf(p) }
