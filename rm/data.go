package rm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"plumb/chat"
)

// Pair is one comparison of two replies to one prompt.
type Pair struct {
	Prompt           []chat.Message
	Chosen, Rejected string
	Tie              bool    // neither is better; Chosen and Rejected are then just the two
	Margin           float64 // least wanted reward difference, in log-odds
	Weight           float64 // > 0; 0 means 1
	User             string  // "" if unknown
}

// Thumbed is one reply with a verdict of its own.
type Thumbed struct {
	Prompt []chat.Message
	Reply  string
	Target float64 // 1 up, 0 down; between for ratings
	Weight float64 // > 0; 0 means 1
	User   string
}

// Ranking is several replies to one prompt, best first.
type Ranking struct {
	Prompt  []chat.Message
	Replies []string
	Weight  float64 // > 0; 0 means 1
	User    string
}

// Demonstration is a reply that a person wished for, beside replies of the base model to the same prompt.
type Demonstration struct {
	Prompt     []chat.Message
	Reply      string
	Candidates []string // the base model's own, at least one
	// LogWeights is log π_ref − log q of each candidate, in nats, where they were drawn from some q that is not the reference
	// π_ref: at another temperature, or from another policy. An additive constant does not matter. nil where they are draws
	// from the reference.
	LogWeights []float64
	Weight     float64 // > 0; 0 means 1
	User       string
}

// Data is everything a reward model is fitted from, in one objective with shared weights. The zero value is empty.
type Data struct {
	Pairs          []Pair
	Thumbs         []Thumbed
	Rankings       []Ranking
	Demonstrations []Demonstration
	// Own is comparisons of two replies of the model itself that no person made: which is better was concluded from the
	// demonstrations, by [OwnPairs] or from the policy that drew them. They tell a reward for what is good from one for who
	// wrote it. Without ties and margins.
	Own []Pair
}

// corpus is [Data] as numbers: each different reply a row, each different prompt a group.
type corpus struct {
	groups      [][]chat.Message // by group
	replies     [][]string       // by group: its different replies
	first       []int32          // by group: row of its first reply
	comparisons []comparison     // rows are set by place
	judgements  []judgement
	choices     []choice

	sizes []listSize // of the demonstrations

	users  []string // of comparisons but own ones, judgements, choices, in that order
	byText map[string]int32
	byPair map[replyKey]int32
}

type replyKey struct {
	group int32
	reply string
}

// promptKey is the same for prompts that differ in case and white space only.
func promptKey(prompt []chat.Message) string {
	var b strings.Builder
	for _, m := range prompt {
		b.WriteString(m.Role)
		b.WriteByte(0)
		b.WriteString(strings.ToLower(strings.Join(strings.Fields(m.Content), " ")))
		b.WriteByte(0)
	}
	return b.String()
}

// newCorpus numbers the data. tau and most are of the demonstrations: see [Trainer].
func newCorpus(d Data, smoothing, tau, most float64) (*corpus, error) {
	c := &corpus{byText: map[string]int32{}, byPair: map[replyKey]int32{}}
	for i, p := range d.Pairs {
		w, err := weightOf("pairs", i, p.Weight)
		if err != nil {
			return nil, err
		}
		if math.IsNaN(p.Margin) || math.Abs(p.Margin) > 1e3 {
			return nil, fmt.Errorf("pairs[%d].margin: got %v, want -1000 … 1000", i, p.Margin)
		}
		g := c.group(p.Prompt)
		c.comparisons = append(c.comparisons, comparison{a: c.reply(g, p.Chosen), b: c.reply(g, p.Rejected), group: g,
			target: 1 - smoothing, tie: p.Tie, margin: p.Margin, weight: w})
		c.users = append(c.users, p.User)
	}
	for i, t := range d.Thumbs {
		w, err := weightOf("thumbs", i, t.Weight)
		if err != nil {
			return nil, err
		}
		if !(t.Target >= 0 && t.Target <= 1) {
			return nil, fmt.Errorf("thumbs[%d].target: got %v, want 0 … 1", i, t.Target)
		}
		g := c.group(t.Prompt)
		c.judgements = append(c.judgements, judgement{row: c.reply(g, t.Reply), group: g, target: t.Target*(1-2*smoothing) + smoothing, weight: w})
		c.users = append(c.users, t.User)
	}
	for i, r := range d.Rankings {
		w, err := weightOf("rankings", i, r.Weight)
		if err != nil {
			return nil, err
		}
		if len(r.Replies) < 2 {
			return nil, fmt.Errorf("rankings[%d]: got %d replies, want at least 2", i, len(r.Replies))
		}
		c.rank(r, w)
	}
	for i, r := range d.Demonstrations {
		w, err := weightOf("demonstrations", i, r.Weight)
		if err != nil {
			return nil, err
		}
		if err := c.demonstrate(r, tau, most, w); err != nil {
			return nil, fmt.Errorf("demonstrations[%d]: %w", i, err)
		}
	}
	if err := c.addOwn(d.Own); err != nil {
		return nil, err
	}
	c.number()
	return c, nil
}

func weightOf(kind string, i int, w float64) (float64, error) {
	switch {
	case w == 0:
		return 1, nil
	case w > 0 && w <= 1e6:
		return w, nil
	}
	return 0, fmt.Errorf("%s[%d].weight: got %v, want 0 … 1e6", kind, i, w)
}

// rank adds a ranking as Plackett and Luce see it: a choice of the best, then of the best of the rest, and so on.
func (c *corpus) rank(r Ranking, weight float64) {
	for k := range r.Replies[:len(r.Replies)-1] {
		c.list(r.Prompt, r.Replies[k:], choice{tau: 1, weight: weight}, r.User)
	}
}

// list adds a choice of the first of some replies, whose prompt and rows are not set yet.
func (c *corpus) list(prompt []chat.Message, replies []string, l choice, user string) {
	l.group, l.rows = c.group(prompt), make([]int32, len(replies))
	for k, reply := range replies {
		l.rows[k] = c.reply(l.group, reply)
	}
	c.choices = append(c.choices, l)
	c.users = append(c.users, user)
}

func (c *corpus) group(prompt []chat.Message) int32 {
	key := promptKey(prompt)
	g, ok := c.byText[key]
	if !ok {
		g = int32(len(c.groups))
		c.byText[key] = g
		c.groups = append(c.groups, prompt)
		c.replies = append(c.replies, nil)
	}
	return g
}

// reply returns the place of a reply within its group; number turns places into rows.
func (c *corpus) reply(g int32, reply string) int32 {
	key := replyKey{g, reply}
	place, ok := c.byPair[key]
	if !ok {
		place = int32(len(c.replies[g]))
		c.byPair[key] = place
		c.replies[g] = append(c.replies[g], reply)
	}
	return place
}

// number gives rows their numbers, the replies of a group one after the other.
func (c *corpus) number() {
	c.first = make([]int32, len(c.groups)+1)
	for g, replies := range c.replies {
		c.first[g+1] = c.first[g] + int32(len(replies))
	}
	for i := range c.comparisons {
		p := &c.comparisons[i]
		p.a, p.b = p.a+c.first[p.group], p.b+c.first[p.group]
	}
	for i := range c.judgements {
		c.judgements[i].row += c.first[c.judgements[i].group]
	}
	for _, l := range c.choices {
		for k := range l.rows {
			l.rows[k] += c.first[l.group]
		}
	}
}

func (c *corpus) rows() int { return int(c.first[len(c.groups)]) }

// terms counts what people said.
func (c *corpus) terms() int {
	n := 0
	c.each(func(int, int32, *float64) { n++ })
	return n
}

// each calls f for every term that comes of people's words, with its group and weight.
func (c *corpus) each(f func(i int, group int32, weight *float64)) {
	i := 0
	for k := range c.comparisons {
		if !c.comparisons[k].own {
			f(i, c.comparisons[k].group, &c.comparisons[k].weight)
			i++
		}
	}
	for k := range c.judgements {
		f(i, c.judgements[k].group, &c.judgements[k].weight)
		i++
	}
	for k := range c.choices {
		f(i, c.choices[k].group, &c.choices[k].weight)
		i++
	}
}

// equalise damps the influence of prompts and users with much feedback: each term is divided by the square root of the
// weight of its prompt and of its user, and all are scaled back so that their sum stays. Terms of unknown users are left
// alone in that respect.
func (c *corpus) equalise() {
	byPrompt, byUser, total := map[int32]float64{}, map[string]float64{}, 0.0
	c.each(func(i int, g int32, w *float64) {
		byPrompt[g] += *w
		byUser[c.users[i]] += *w
		total += *w
	})
	after := 0.0
	c.each(func(i int, g int32, w *float64) {
		*w /= math.Sqrt(byPrompt[g])
		if u := c.users[i]; u != "" {
			*w /= math.Sqrt(byUser[u])
		}
		after += *w
	})
	if after > 0 {
		c.each(func(_ int, _ int32, w *float64) { *w *= total / after })
	}
}

// root returns a hash over all terms and texts: equal data in equal order has an equal root.
func (c *corpus) root() string {
	h := sha256.New()
	for g, prompt := range c.groups {
		fmt.Fprintf(h, "%q", promptKey(prompt))
		for _, reply := range c.replies[g] {
			fmt.Fprintf(h, "%q", reply)
		}
	}
	for _, p := range c.comparisons {
		if p.own {
			fmt.Fprintln(h, "own", p.a, p.b, p.weight)
			continue
		}
		fmt.Fprintln(h, "pair", p.a, p.b, p.target, p.tie, p.margin, p.weight)
	}
	for _, j := range c.judgements {
		fmt.Fprintln(h, "thumb", j.row, j.target, j.weight)
	}
	for _, l := range c.choices {
		fmt.Fprintln(h, "list", l.rows, l.tau, l.weight)
		if l.shares != nil {
			fmt.Fprintln(h, "shares", l.shares)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
