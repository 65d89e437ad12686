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

// measure asks every held-out prompt count times by a method that draws n, workers requests at once. Seeds depend on the prompt and the count
// alone, so that two conditions that answer alike give equal texts.
func (d *Demo) measure(ctx context.Context, name, method string, n, count, workers int) (*measured, error) {
	m := &measured{name: name, replies: make([][]reply, len(d.HeldOut))}
	var done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i, prompt := range d.HeldOut {
		m.replies[i] = make([]reply, count)
		for j := range count {
			g.Go(func() error {
				got, err := d.ask(ctx, prompt, method, n, d.seed("held out", i, j), "measure")
				if err != nil {
					return fmt.Errorf("ask %q: %w", prompt, err)
				}
				m.replies[i][j] = reply{got.Text(), d.Taste.Holds(prompt, got.Text()), got.Align.Reward}
				d.progress(name, int(done.Add(1)), len(d.HeldOut)*count)
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	c := m.summary()
	d.sayf("\r%-20s %3.0f %% of %d replies to the taste (%.0f–%.0f)\n", name, 100*c.Share, c.Replies, 100*c.Lo, 100*c.Hi)
	return m, nil
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

// equal says whether two conditions gave the same texts.
func (m *measured) equal(other *measured) bool {
	for i := range m.replies {
		for j := range m.replies[i] {
			if m.replies[i][j].text != other.replies[i][j].text {
				return false
			}
		}
	}
	return true
}
