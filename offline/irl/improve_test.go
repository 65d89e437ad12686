package irl

import (
	"context"
	"testing"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/rows"
	"plumb/offline/train"
)

// preferring improves a policy by DPO: of each prompt's draws the one of most reward over the one of least.
type preferring struct{ t *testing.T }

func (p preferring) Improve(ctx context.Context, reward Rewarder, prompts [][]chat.Message) (*lm.Adapter, error) {
	from, l := policy{base(), nil, 1, 64, 2048}, Learner{}
	var all []rows.Preference
	for i, prompt := range prompts {
		drawn, err := from.draw(ctx, prompt, l.seeds(6, "improve", 0, i))
		if err != nil {
			return nil, err
		}
		var texts []string
		for _, c := range drawn {
			texts = append(texts, c.text)
		}
		rewards, err := reward.Score(ctx, prompt, texts)
		if err != nil {
			return nil, err
		}
		best, worst := 0, 0
		for k, r := range rewards {
			if r.Reward > rewards[best].Reward {
				best = k
			}
			if r.Reward < rewards[worst].Reward {
				worst = k
			}
		}
		all = append(all, rows.Preference{Prompt: rows.Text{Messages: prompt}, Chosen: rows.Plain(texts[best]), Rejected: rows.Plain(texts[worst])})
	}
	encoded, _ := train.Encoder{Model: base()}.Pairs(all)
	result, err := train.Trainer{Model: base(), Config: train.Config{Method: "dpo", LR: 2e-3, Beta: .2, Epochs: 2}}.Preferences(ctx, encoded)
	if err != nil {
		return nil, err
	}
	return result.Adapter, nil
}

// Rounds of reward and policy on the built-in model: the policy itself comes to the taste, and demonstrations lead it by less
// than they lead the base.
func TestRoundsImproveAPolicy(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	taste := named("question")
	result, err := Learner{Model: base(), Improver: preferring{t}, Rounds: 2, Candidates: 4, MaxTokens: 64}.Learn(context.Background(), Data{Demonstrations: demonstrations(24, taste.Holds)})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range result.Report.Rounds {
		t.Logf("round %d: author %.3f, own %.3f, gap %.2f, fresh %.2f, gain %.2f, ESS %.1f", i, *r.ListAccuracy, *r.OwnAccuracy, r.Gap, r.FreshGap, r.Gain, *r.ESSMean)
	}
	before, after := share(t, policy{base(), nil, .8, 64, 2048}, taste.Holds), share(t, policy{base(), result.Adapter, .8, 64, 2048}, taste.Holds)
	t.Logf("%.2f of replies are to the taste, %.2f before; warnings %q", after, before, result.Report.Warnings)
	if rounds := result.Report.Rounds; after < before+.15 || rounds[1].FreshGap > .9*rounds[1].Gap {
		t.Errorf("%.2f of replies are to the taste, %.2f before; demonstrations lead the policy by %.2f, the base by %.2f", after, before, rounds[1].FreshGap, rounds[1].Gap)
	}
}
