package irl

import (
	"fmt"
	"math"

	"plumb/rm"
)

// Report is what a [Learner] did and how far its reward can be trusted. Accuracies are on prompts that the fit had not seen;
// what could not be measured is nil.
type Report struct {
	Demonstrations int            `json:"demonstrations"`
	Edits          int            `json:"edits"`
	Prompts        int            `json:"prompts"` // of the demonstrations
	Dropped        map[string]int `json:"dropped"` // demonstrations left out, by reason
	Own            string         `json:"own"`     // what own positives are: nearest or sft
	Cut            float64        `json:"cut"`     // share of candidates that the most tokens cut short

	AuthorAccuracy *float64 `json:"author_accuracy"` // a demonstration outscores a candidate of the model
	OwnAccuracy    *float64 `json:"own_accuracy"`    // an own positive outscores an own negative
	OwnPairs       int      `json:"own_pairs"`       // that own accuracy was measured on
	ESSMean        *float64 `json:"ess_mean"`        // draws from the reference that the candidates to a prompt are worth
	ESSLeast       *float64 `json:"ess_least"`

	Rounds   []Round  `json:"rounds"`
	Warnings []string `json:"warnings"`
}

// Round is one round: what its reward says of what was drawn. Rewards are in log-odds.
type Round struct {
	Candidates   int      `json:"candidates"`    // of this round and all before
	ListAccuracy *float64 `json:"list_accuracy"` // held out: demonstrations over candidates
	OwnAccuracy  *float64 `json:"own_accuracy"`  // held out
	ESSMean      *float64 `json:"ess_mean"`
	ESSLeast     *float64 `json:"ess_least"`
	// Gap is the mean reward of the demonstrations less that of the reference, by the weighted candidates; FreshGap less that of the
	// policy that this round drew from, which goes to 0 as the policy comes to the demonstrations.
	Gap      float64 `json:"gap"`
	FreshGap float64 `json:"fresh_gap"`
	// LogZ is the mean over the prompts of [LogZ]; LogZSE the standard error of that mean. Rewards have no zero, so it compares with
	// rewards of the same round only.
	LogZ   float64 `json:"log_z"`
	LogZSE float64 `json:"log_z_se"`
	// Gain is what the round maximised: by how many nats a demonstration is likelier under π_ref·e^r/Z than under π_ref, on average.
	Gain float64 `json:"gain"`
	RM   string  `json:"rm"` // version of the reward model
}

// mostCut is the share of cut candidates from which on a reward may learn that demonstrations end.
const mostCut = .1

// finish takes the last fit's metrics into the report.
func (r *Report) finish(m rm.Metrics, maxTokens int) {
	r.AuthorAccuracy, r.OwnAccuracy, r.OwnPairs = m.AuthorAccuracy, m.OwnAccuracy, m.OwnPairs
	r.ESSMean, r.ESSLeast = m.ESSMean, m.ESSLeast
	r.Warnings = m.Warnings()
	if r.Cut > mostCut {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%.0f %% of the candidates were cut at %d tokens: the reward may have learned that demonstrations end; raise the most tokens",
			100*r.Cut, maxTokens))
	}
}

// mean returns the mean of x, 0 of nothing.
func mean(x []float64) float64 {
	sum := 0.
	for _, v := range x {
		sum += v
	}
	return sum / math.Max(1, float64(len(x)))
}
