package rm

import (
	"context"
	"fmt"
	"math"
	"sync"

	"plumb/chat"
)

// Model scores replies. It does not change once made and is safe for concurrent use.
type Model struct {
	features Features
	meta     Meta
	space    *space
	heads    int
	dense    []float64 // heads × dense columns
	sparse   []float32 // vocabulary × heads: one cache line a word
	outlier  *outlier
	trend    trend
	version  string
	bytes    []byte
	pool     sync.Pool // of *scoring
}

// Meta is what the header of a model's file says of it.
type Meta struct {
	Format         int     `json:"format"`
	Features       Spec    `json:"features"`
	FeaturesHash   string  `json:"features_hash"`
	DataRoot       string  `json:"data_root"` // hash over the feedback it was fitted from
	Run            string  `json:"run,omitempty"`
	Created        string  `json:"created,omitempty"`
	Seed           int64   `json:"seed"`
	Heads          int     `json:"heads"`
	Pairs          int     `json:"pairs"` // ties included
	Thumbs         int     `json:"thumbs"`
	Rankings       int     `json:"rankings"`
	Demonstrations int     `json:"demonstrations"`
	Prompts        int     `json:"prompts"`
	DensePrior     float64 `json:"dense_prior"`
	SparsePrior    float64 `json:"sparse_prior"`
	Smoothing      float64 `json:"smoothing"`
	Centre         float64 `json:"centre"`
	Temperature    float64 `json:"temperature"` // already applied to the weights
	TieEta         float64 `json:"tie_eta"`     // log ν of Davidson's model, see Ties
	Ties           bool    `json:"ties"`
	Up             *Up     `json:"up,omitempty"` // nil if there were no thumbs
	RewardMean     float64 `json:"reward_mean"`  // over the training replies
	RewardSD       float64 `json:"reward_sd"`
	TypicalDist    float64 `json:"typical_distance"`
	TypicalUnseen  float64 `json:"typical_unseen"`
	Metrics        Metrics `json:"metrics"`
}

// Up gives the probability that a reply gets a thumb up: σ(Slope·reward + Intercept).
type Up struct {
	Slope     float64 `json:"slope"` // ≥ 0; 0 if held-out thumbs contradict the reward
	Intercept float64 `json:"intercept"`
}

// At returns the probability for one reward.
func (u Up) At(reward float64) float64 { return sigmoid(u.Slope*reward + u.Intercept) }

// Outside returns the outside option: the reward at which a reply is as often liked as not. ok is false where the reward does
// not decide that.
func (u Up) Outside() (reward float64, ok bool) {
	if u.Slope <= 0 {
		return 0, false
	}
	return -u.Intercept / u.Slope, true
}

// Meta returns what the file's header says.
func (m *Model) Meta() Meta { return m.meta }

// Version returns the model's identity: the lower-case hex SHA-256 of its file.
func (m *Model) Version() string { return m.version }

// Evidence returns how many pieces of feedback the model was fitted from: what bounds the pressure that may be put on it.
func (m *Model) Evidence() int {
	return m.meta.Pairs + m.meta.Thumbs + m.meta.Rankings + m.meta.Demonstrations
}

// scoring is the memory of one call of Score.
type scoring struct {
	dense, rewards []float64
}

// Score returns the rewards of replies to one prompt: rewards[i] belongs to replies[i]. Rewards are log-odds, compare only
// within one prompt and one version, and do not depend on which other replies are scored with them. SD is the spread over
// the heads. Cost with [Lexical]: tens of microseconds a reply.
func (m *Model) Score(ctx context.Context, prompt []chat.Message, replies []string) ([]chat.Reward, error) {
	return m.ScoreByLength(ctx, prompt, replies, 0)
}

// ScoreByLength is [Model.Score] with the part of the reward that goes with length taken off: reward − strength·trend(length).
// Strength 1 takes off all of it, 0 nothing; below 0 length counts for more. It must be in [−1, 1].
func (m *Model) ScoreByLength(ctx context.Context, prompt []chat.Message, replies []string, strength float64) ([]chat.Reward, error) {
	if !(strength >= -1 && strength <= 1) {
		return nil, &chat.Error{Kind: chat.Invalid, Param: "length", Msg: fmt.Sprintf("score replies: length: got %v, want -1 … 1", strength)}
	}
	s, ok := m.pool.Get().(*scoring)
	if !ok {
		s = &scoring{dense: make([]float64, len(m.space.mean)), rewards: make([]float64, m.heads)}
	}
	defer m.pool.Put(s)
	rewards := make([]chat.Reward, len(replies))
	err := m.features.Extract(ctx, prompt, replies, func(i int, r Row) { rewards[i] = m.score(s, r) })
	if err != nil {
		return nil, fmt.Errorf("score replies: %w", err)
	}
	if strength != 0 {
		for i, reply := range replies {
			rewards[i].Reward -= strength * m.trend.at(logLength(reply))
		}
	}
	return rewards, nil
}

func (m *Model) score(s *scoring, r Row) chat.Reward {
	columns, unseen := m.headRewards(s, r)
	var out chat.Reward
	for _, x := range s.rewards {
		out.Reward += x / float64(m.heads)
	}
	if m.heads > 1 {
		sum := 0.0
		for _, x := range s.rewards {
			sum += (x - out.Reward) * (x - out.Reward)
		}
		out.SD = math.Sqrt(sum / float64(m.heads-1))
	}
	out.OOD = m.outlier.at(s.dense, columns, unseen)
	return out
}

// headRewards fills s.rewards with what each head says, and s.dense with the standardised features, unclipped.
func (m *Model) headRewards(s *scoring, r Row) (columns, unseen int) {
	clear(s.rewards)
	norm := 0.0
	for i, column := range r.Index {
		p := m.space.place[column]
		if p < 0 {
			unseen++
			continue
		}
		v := float64(r.Value[i] * m.space.idf[p])
		norm += v * v
		for k, w := range m.sparse[int(p)*m.heads : (int(p)+1)*m.heads] {
			s.rewards[k] += v * float64(w)
		}
	}
	if norm > 0 {
		norm = 1 / math.Sqrt(norm)
	}
	m.space.dense(s.dense, r)
	nd := len(s.dense)
	for k := range s.rewards {
		sum := norm * s.rewards[k]
		weights := m.dense[k*nd : (k+1)*nd]
		for j, z := range s.dense {
			sum += weights[j] * max(-clip, min(clip, z))
		}
		s.rewards[k] = sum
	}
	return len(r.Index), unseen
}

// PTie returns the probability that a person would call two replies equally good, given the difference of their rewards. It is 0
// for a model that saw no ties.
func (m *Model) PTie(difference float64) float64 {
	if !m.meta.Ties {
		return 0
	}
	_, _, tie := Davidson(difference*m.meta.Temperature, m.meta.TieEta, Outcome{})
	return tie
}

// Weight is a dense feature with its weight: the mean over the heads, in log-odds a standard deviation of the feature.
type Weight struct {
	Name   string  `json:"name"`
	Weight float64 `json:"weight"`
	SD     float64 `json:"sd"`
}

// Weights returns the weights of the dense features, in the order of the spec: what the model likes, for people to read.
func (m *Model) Weights() []Weight {
	nd := len(m.space.mean)
	out := make([]Weight, nd)
	for j, name := range m.meta.Features.Dense {
		values := make([]float64, m.heads)
		for k := range values {
			values[k] = m.dense[k*nd+j]
		}
		out[j] = Weight{Name: name, Weight: mean(values), SD: deviation(values)}
	}
	return out
}

// deviation returns the sample standard deviation, 0 of fewer than two values.
func deviation(x []float64) float64 {
	if len(x) < 2 {
		return 0
	}
	m, sum := mean(x), 0.0
	for _, v := range x {
		sum += (v - m) * (v - m)
	}
	return math.Sqrt(sum / float64(len(x)-1))
}

// model puts the result of a fit together.
func (f *fitting) model(x *extracted, heads [][]float64, r report) (*Model, error) {
	nd, ns := x.m.nd, x.m.ns
	m := &Model{features: f.Features, space: x.space, heads: len(heads), dense: make([]float64, 0, len(heads)*nd), sparse: make([]float32, ns*len(heads))}
	average := make([]float64, len(heads[0]))
	for k, h := range heads {
		m.dense = append(m.dense, h[:nd]...)
		for p, w := range h[nd : nd+ns] {
			m.sparse[p*len(heads)+k] = float32(w)
		}
		for i, w := range h {
			average[i] += w / float64(len(heads))
		}
	}
	spec := f.Features.Spec()
	m.meta = Meta{Format: format, Features: spec, FeaturesHash: spec.Hash(), Run: f.Run, Created: f.Created, Seed: f.Seed, Heads: len(heads),
		DensePrior: r.Prior.Dense, SparsePrior: r.Prior.Sparse, Smoothing: f.Smoothing, Centre: f.Centre, Temperature: r.Temperature, Metrics: r.Metrics}
	for _, c := range f.corpus.comparisons {
		m.meta.Ties = m.meta.Ties || c.tie
	}
	if m.meta.Ties {
		m.meta.TieEta = average[nd+ns+1]
	}
	if r.Up != nil {
		m.meta.Up = &Up{Slope: r.Up[0], Intercept: r.Up[1] - r.Up[0]*average[nd+ns]}
	}
	rewards := make([]float64, f.corpus.rows()) // canaries come after them
	x.m.mul(rewards, average)
	m.meta.RewardMean, m.meta.RewardSD = mean(rewards), deviation(rewards)
	m.trend = fitTrend(x.length, rewards)
	var err error
	if m.outlier, err = fitOutlier(x.raw, nd, x.unseen); err != nil {
		return nil, err
	}
	m.meta.TypicalDist, m.meta.TypicalUnseen = m.outlier.distance, m.outlier.unseen
	return m, nil
}
