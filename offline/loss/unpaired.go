package loss

// Example is one reply with a verdict of its own. Log-probs are sums over completion tokens, in nats.
type Example struct {
	Logp, Ref float64 // log π(y|x), log π_ref(y|x)
	Label     bool    // liked
}

func (e Example) ratio() float64 { return e.Logp - e.Ref }

// Unpaired is the loss of one reply with a thumb, safe for concurrent use.
type Unpaired interface {
	// Example returns the loss with its partial in e.Logp. The point is the batch's reference point, what a reply is measured
	// against: [KTO.Point], or the value of a [Delta] for [BCO]; no gradient flows through it.
	Example(e Example, point float64) (loss, dlogp float64)
}
