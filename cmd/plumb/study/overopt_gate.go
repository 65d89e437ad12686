package study

import (
	"context"
	"fmt"
	"math"
	"strings"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/evaluate"
	"plumb/offline/gate"
	"plumb/offline/pairs"
	"plumb/rm"
)

// judged asks the gate about a model that PPO made, as a run does: on votes of people and questions that it was not trained on, with
// a judge that was fitted on those alone.
func (o *Overopt) judged(ctx context.Context, ad *lm.Adapter, s *steering) (OveroptVerdict, error) {
	v := OveroptVerdict{Guard: guardName(s.guarded)}
	base := evaluate.Policy{Model: o.Base}
	held := heldOut(o.votes[1])
	judge, err := rm.Trainer{Seed: o.Seed + 1, Canaries: -1}.Fit(ctx, held.RewardData())
	if err != nil {
		return v, fmt.Errorf("fit judge: %w", err)
	}
	e := evaluate.Evaluation{Candidate: evaluate.Policy{Model: o.Base, Adapter: ad}, Incumbent: base, Base: base, IncumbentIsBase: true,
		HeldOut: held, Neutral: evaluate.Sentences(), Judge: judge, Proxy: s.model, Harmless: evaluate.Harmless(), Claims: evaluate.Claims(), MaxTokens: mostTokens, Limit: 4096, Seed: o.Seed,
		Progress: func(done, all int) { o.Progress("gate, guard "+v.Guard, done, all) }}
	for _, p := range o.pools {
		e.Prompts = append(e.Prompts, p.messages())
	}
	m, err := e.Measure(ctx)
	if err != nil {
		return v, err
	}
	m.ByUser, m.OtherUsers, m.Maximised, m.PreferredLength = true, true, true, preferredLength(o.votes[0], o.votes[1])
	m.Judge, m.Proxy = known(judge), known(s.model)
	report := gate.Decide(m, gate.Limits{})
	v.Failed = against(report)
	reward := s.model.Meta().Metrics
	about := gate.DecideReward(gate.Reward{Accuracy: reward.Accuracy, HeldOut: reward.HeldOut, HackResistance: reward.HackResistance, HackPrompts: reward.HackPrompts}, gate.Limits{})
	v.RewardFailed = against(about)
	report.AddReward(about, m.Maximised, gate.Limits{})
	v.Pass, v.Why = report.Pass, report.Why
	return v, nil
}

// against names the checks that speak against a model, as against those that had too little to say anything.
func against(r gate.Report) []string {
	names := []string{}
	for _, c := range r.Checks {
		if !c.Pass && !c.Insufficient {
			names = append(names, c.Name)
		}
	}
	return names
}

// known says how well a reward model knows votes that it was not fitted on.
func known(m *rm.Model) gate.Judge {
	metrics := m.Meta().Metrics
	return gate.Judge{Votes: m.Evidence(), Accuracy: metrics.Accuracy, HeldOut: metrics.HeldOut}
}

// heldOut is votes as a run's rows.
func heldOut(votes []vote) (s pairs.Set) {
	for i, v := range votes {
		s.Preferences = append(s.Preferences, pairs.Preference{
			Meta:     pairs.Meta{ID: fmt.Sprint(i), Class: pairs.Compared, Source: "human", Weight: 1, Users: []string{v.user}},
			Messages: []chat.Message{{Role: chat.User, Content: v.question}}, Chosen: v.chosen, Rejected: v.rejected,
		})
	}
	return s
}

// preferredLength is the geometric mean of chosen over rejected length in words.
func preferredLength(halves ...[]vote) float64 {
	sum, n := 0., 0.
	for _, votes := range halves {
		for _, v := range votes {
			chosen, rejected := len(strings.Fields(v.chosen)), len(strings.Fields(v.rejected))
			if chosen > 0 && rejected > 0 {
				sum += math.Log(float64(chosen) / float64(rejected))
				n++
			}
		}
	}
	return math.Exp(sum / math.Max(1, n))
}
