package offline

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/evaluate"
	"plumb/offline/pairs"
	"plumb/offline/registry"
	"plumb/offline/rl"
	"plumb/offline/train"
	"plumb/rm"
)

// reinforced trains the policy to raise the reward of a model fitted on the training votes, on the prompts of those votes, while a second
// one, of other users' votes, watches. With head it begins with an imitation of what people showed or liked, if that reward likes its
// replies better than the base's: RLHF as Ouyang et al. 2022 have it (https://arxiv.org/abs/2203.02155, §3.1).
type reinforced struct {
	algorithm string
	head      bool
}

func (m reinforced) rows(s pairs.Set) int { return rewardRows(s) }

// prepare has nothing to do: what is looked up of the reference depends on what the policy draws.
func (m reinforced) prepare(context.Context, *work) error { return nil }

func (m reinforced) train(ctx context.Context, w *work) (fitted, error) {
	s, err := w.rows()
	if err != nil {
		return fitted{}, err
	}
	training, _, _ := opinions(s)
	reward, watch, err := w.rewards(ctx, training)
	if err != nil {
		return fitted{}, err
	}
	var start *lm.Adapter
	if m.head {
		if start, err = w.headStart(ctx, s.Train, reward); err != nil {
			return fitted{}, err
		}
	}
	return w.reinforce(ctx, m.algorithm, "train", reward, watch, start, promptsOf(s.Train))
}

// reinforce raises a reward, and keeps a checkpoint in a subfolder of the run's.
func (w *work) reinforce(ctx context.Context, algorithm, dir string, reward, watch rl.Rewarder, start *lm.Adapter, prompts [][]chat.Message) (fitted, error) {
	m, err := w.openBase(ctx)
	if err != nil {
		return fitted{}, err
	}
	t := rl.Trainer{Model: m, Config: w.config.reinforcement(algorithm), Start: start, Reward: reward, Watch: watch, Dir: w.folder.path(dir),
		Each: func(s rl.Step) error {
			w.progress(registry.Train, s.Step, s.Steps, fmt.Sprintf("reward %.3f, KL %.2f", s.Reward, s.KL))
			return w.folder.addStep(s)
		}}
	r, err := t.Train(ctx, prompts)
	if err != nil {
		return fitted{}, err
	}
	best := r.Best
	for name, v := range map[string]*float64{
		"train/reward": &best.Reward, "train/reward_watch": best.RewardWatch, "train/score": &best.Score, "train/kl": &best.KL, "train/kl_coef": &best.KLCoef,
		"train/entropy": &best.Entropy, "train/length": &best.Length, "train/ended": &best.Ended,
	} {
		w.metric(name, v)
	}
	w.count("train/steps", r.Steps)
	w.count("train/best_step", best.Step)
	w.count("train/prompts", r.Prompts)
	w.dropped("prompts: ", map[string]int{"too long for a reply": r.Dropped})
	if r.Stopped != "" {
		w.run.Reason += "; stopped: " + r.Stopped
	}
	return fitted{r.Adapter, r.Weights}, nil
}

// reinforcement is the configuration of reinforcement learning. What it shares with other methods comes from theirs.
func (config Config) reinforcement(algorithm string) rl.Config {
	c, t := config.RL, config.Train
	c.Algorithm, c.Seed = algorithm, config.Seed
	c.Rank, c.Alpha, c.Targets, c.LR = t.Rank, t.Alpha, t.Targets, t.LR
	c.MaxLength, c.PassTokens = t.MaxLength, t.PassTokens
	if c.MaxTokens == 0 {
		c.MaxTokens = config.MaxTokens
	}
	return c
}

// Votes of a third of the users make the watcher, where they are enough for one.
const (
	watchShare   = 3
	fewestWatch  = 30
	fewestReward = 60
)

// watched parts the votes into those that make the reward and those, of other users, that make its watcher. The latter are none where the
// votes are too few for two.
func watched(s pairs.Set) (reward, watch pairs.Set) {
	watches := func(users []string) bool {
		return len(users) > 0 && !slices.ContainsFunc(users, func(u string) bool { return sha256.Sum256([]byte("watch\x00" + u))[0]%watchShare != 0 })
	}
	reward, watch = s.By(func(users []string) bool { return !watches(users) }), s.By(watches)
	if rewardRows(watch) < fewestWatch || rewardRows(reward) < fewestReward {
		return s, pairs.Set{}
	}
	return reward, watch
}

// rewards fits the reward that is maximised, and one that watches; nil where there are too few votes.
func (w *work) rewards(ctx context.Context, s pairs.Set) (reward *rm.Model, watch rl.Rewarder, err error) {
	ours, theirs := watched(s)
	if reward, err = w.fitReward(ctx, ours, 0); err != nil || theirs.Len() == 0 {
		return reward, nil, err
	}
	second, err := w.fitReward(ctx, theirs, 2)
	if err != nil {
		return nil, nil, err
	}
	return reward, second, nil
}

// fitReward fits a reward model on a part of the rows. The seed is the run's, moved by salt.
func (w *work) fitReward(ctx context.Context, s pairs.Set, salt int64) (*rm.Model, error) {
	m, err := rm.Trainer{Seed: w.config.Seed + salt}.Fit(ctx, s.RewardData())
	if err != nil {
		return nil, fmt.Errorf("fit training reward: %w", err)
	}
	return m, nil
}

// rewardRows is how many votes a reward model learns from.
func rewardRows(s pairs.Set) int { return len(s.Preferences) + len(s.Unpaired) + len(s.Demonstrations) }

func promptsOf(s pairs.Set) [][]chat.Message {
	var all [][]chat.Message
	for _, p := range s.Prompts() {
		all = append(all, p.Messages)
	}
	return all
}

// headStart imitates what people showed or liked, and returns that if the reward likes its replies to voted prompts better than the base's
// own by more than two standard errors: then the base had not learned yet what is wanted. Otherwise nil.
func (w *work) headStart(ctx context.Context, s pairs.Set, reward *rm.Model) (*lm.Adapter, error) {
	t, e, err := w.trainer(ctx, "sft", registry.Train)
	if err != nil {
		return nil, err
	}
	t.Dir = w.folder.path("head")
	t.Each = func(s train.Step) error { // the curve is that of the reward
		w.progress(registry.Train, s.Step, s.Steps, fmt.Sprintf("imitating, loss %.4f", s.Loss))
		return nil
	}
	replies, _ := e.Demonstrations(likedRows(s))
	if len(replies) < w.config.LeastRows {
		return nil, nil
	}
	imitated, err := t.Imitate(ctx, replies)
	if err != nil {
		return nil, fmt.Errorf("imitate: %w", err)
	}
	w.notePasses("head", imitated.Passes, imitated.Rows)
	gain, err := evaluate.Gain{Before: evaluate.Policy{Model: t.Model}, After: evaluate.Policy{Model: t.Model, Adapter: imitated.Adapter},
		Judge: reward, MaxTokens: w.config.MaxTokens, Seed: w.config.Seed}.Measure(ctx, promptsOf(s))
	if err != nil {
		return nil, fmt.Errorf("compare the imitation with the base: %w", err)
	}
	w.metric("head/gain", &gain.Mean)
	w.metric("head/gain_se", &gain.SE)
	if gain.Mean > 2*gain.SE {
		return imitated.Adapter, nil
	}
	return nil, nil
}
