package train

// Step is what one step of a training measured, before it moved the parameters. Absent fields do not apply: rewards are of methods
// with replies to compare, and a batch without liked replies has nothing to say of them.
type Step struct {
	Step       int      `json:"step"` // from 1
	Steps      int      `json:"steps"`
	Epoch      float64  `json:"epoch"`
	Loss       float64  `json:"loss"`
	GradNorm   float64  `json:"grad_norm"` // before clipping
	Chosen     *float64 `json:"rewards/chosen,omitempty"`
	Rejected   *float64 `json:"rewards/rejected,omitempty"`
	Margins    *float64 `json:"rewards/margins,omitempty"`
	Accuracies *float64 `json:"rewards/accuracies,omitempty"` // share of pairs with chosen above rejected; a tie is not
	LogpsC     *float64 `json:"logps/chosen,omitempty"`       // mean over replies of Σ log-prob, nats
	LogpsR     *float64 `json:"logps/rejected,omitempty"`
	KL         *float64 `json:"kl,omitempty"`         // KTO's reference point
	Anchor     *float64 `json:"anchor_nll,omitempty"` // nats a token
	Tokens     int      `json:"tokens"`               // whose log-probs the loss is of
	LR         float64  `json:"lr"`
}

// mean is a running mean.
type mean struct{ sum, n float64 }

func (m *mean) add(x float64) { m.sum += x; m.n++ }

// get returns the mean, nil of nothing.
func (m *mean) get() *float64 {
	if m.n == 0 {
		return nil
	}
	v := m.sum / m.n
	return &v
}

// sides gathers what is said of liked and disliked replies.
type sides struct{ rewards, logps [2]mean } // 0 liked, 1 disliked

func (s *sides) add(side int, reward, logp float64) {
	s.rewards[side].add(reward)
	s.logps[side].add(logp)
}

func (s *sides) report(step *Step) {
	step.Chosen, step.Rejected = s.rewards[0].get(), s.rewards[1].get()
	step.LogpsC, step.LogpsR = s.logps[0].get(), s.logps[1].get()
	if step.Chosen != nil && step.Rejected != nil {
		margin := *step.Chosen - *step.Rejected
		step.Margins = &margin
	}
}
