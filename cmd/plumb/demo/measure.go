package demo

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	client "plumb/clients/go"
	"plumb/cmd/plumb/people"
)

// Condition is what the held-out prompts showed under one way to answer.
type Condition struct {
	Name    string   `json:"name"`
	Share   float64  `json:"share"` // of replies to the taste
	Lo      float64  `json:"lo"`    // 95 % interval of Share, by resampling prompts
	Hi      float64  `json:"hi"`
	Reward  *float64 `json:"reward"` // mean reward of the replies shown, null if there is no reward model
	Words   float64  `json:"words"`  // mean length
	Replies int      `json:"replies"`
}

// measured is the raw form: replies[i][j] is the j-th reply to held-out prompt i.
type measured struct {
	name    string
	replies [][]reply
}

type reply struct {
	text   string
	holds  bool
	reward *float64
}

// way is how the replies of a condition are drawn.
type way struct {
	method  string
	n       int // candidates
	replies int // to each prompt
	same    int // the first of those, which are the same whenever they are asked for: Workers requests at once, the others Beside
}

// measure asks every held-out prompt in one way. Seeds depend on the prompt and the number of the reply alone, so that two conditions that answer
// alike give equal texts.
func (d *Demo) measure(ctx context.Context, name string, w way) (*measured, error) {
	m := &measured{name: name, replies: make([][]reply, len(d.HeldOut))}
	for i := range m.replies {
		m.replies[i] = make([]reply, w.replies)
	}
	if err := d.draw(ctx, m, w, 0, w.same, d.Workers); err != nil {
		return nil, err
	}
	if err := d.draw(ctx, m, w, w.same, w.replies, d.Beside); err != nil {
		return nil, err
	}
	c := m.summary()
	d.sayf("\r%-20s %3.0f %% of %d replies to the taste (%.0f–%.0f)\n", name, 100*c.Share, c.Replies, 100*c.Lo, 100*c.Hi)
	return m, nil
}

// draw fills the replies from one number to another, for all prompts.
func (d *Demo) draw(ctx context.Context, m *measured, w way, from, to, workers int) error {
	var done atomic.Int64
	done.Store(int64(from * len(d.HeldOut)))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i, prompt := range d.HeldOut {
		for j := from; j < to; j++ {
			g.Go(func() error {
				got, err := d.ask(ctx, prompt, w.method, w.n, d.seed("held out", i, j), "measure")
				if err != nil {
					return fmt.Errorf("ask %q: %w", prompt, err)
				}
				m.replies[i][j] = reply{got.Text(), d.Taste.Holds(prompt, got.Text()), got.Align.Reward}
				d.progress(m.name, int(done.Add(1)), len(d.HeldOut)*w.replies)
				return nil
			})
		}
	}
	return g.Wait()
}

func (d *Demo) ask(ctx context.Context, prompt, method string, n int, seed int64, user string) (*client.Completion, error) {
	return d.Client.Chat(ctx, client.Request{
		Model: d.Alias, User: user,
		Messages: []client.Message{{Role: "user", Content: prompt}},
		Align:    &client.Align{Method: method, N: n},
		Extra:    map[string]any{"seed": seed, "max_tokens": d.Tokens, "temperature": d.temperature()},
	})
}

func (d *Demo) temperature() float64 { return .8 }

// seed derives a seed from what is asked; positive, so that every upstream takes it.
func (d *Demo) seed(what string, i, j int) int64 {
	h := uint64(d.Seed)*0x9e3779b97f4a7c15 + uint64(len(what))
	for _, v := range []uint64{uint64(i), uint64(j)} {
		h = (h ^ v) * 0xbf58476d1ce4e5b9
		h ^= h >> 31
	}
	return int64(h >> 33)
}

func (d *Demo) progress(what string, done, all int) {
	if done%max(1, all/20) == 0 || done == all {
		d.sayf("\r%-20s %d/%d", what, done, all)
	}
}

// summary computes the condition's figures.
func (m *measured) summary() Condition {
	c := Condition{Name: m.name}
	shares := make([]float64, len(m.replies))
	var reward, rewarded, hits float64
	for i, replies := range m.replies {
		for _, r := range replies {
			c.Replies++
			c.Words += float64(len(strings.Fields(r.text)))
			if r.holds {
				hits++
				shares[i] += 1 / float64(len(replies))
			}
			if r.reward != nil {
				reward += *r.reward
				rewarded++
			}
		}
	}
	c.Share = hits / float64(max(1, c.Replies)) // every prompt has the same number of replies
	c.Words /= float64(max(1, c.Replies))
	if rewarded > 0 {
		mean := reward / rewarded
		c.Reward = &mean
	}
	c.Lo, c.Hi = people.Interval(shares, c.Share)
	return c
}

// begins says whether the replies of m are the first of another's, word for word.
func (m *measured) begins(other *measured) bool {
	for i := range m.replies {
		for j := range m.replies[i] {
			if m.replies[i][j].text != other.replies[i][j].text {
				return false
			}
		}
	}
	return true
}
