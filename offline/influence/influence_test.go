package influence

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/lm/tiny/corpus"
	"plumb/offline/pairs"
	"plumb/rm"
)

const (
	people   = 20
	prompts  = 150
	drawn    = 6 // replies to each prompt
	poisoner = "mallory"
)

// crowd is people who like replies that end with a question. Each prompt has six replies, two of which two people compare; they err in
// 15 %. A poisoner gives 5 % of the votes, always against, and with rankings of all six says more at once than the others do.
type crowd struct {
	pairs.Records
	random *rand.Rand
	taste  corpus.Taste
}

func newCrowd(seed uint64) *crowd {
	c := corpus.New()
	tastes := c.Tastes()
	w := &crowd{Records: pairs.Records{Generations: map[string]feedback.Generation{}}, random: rand.New(rand.NewPCG(seed, 1)),
		taste: tastes[slices.IndexFunc(tastes, func(t corpus.Taste) bool { return t.Name == "question" })]}
	asked := c.Voted(seed, prompts)
	for i, text := range asked {
		id := fmt.Sprintf("g%03d", i)
		g := feedback.Generation{ID: id, Messages: []chat.Message{{Role: chat.User, Content: text}}}
		for k := range drawn {
			m := c.Chat(seed, i*drawn+k)
			g.Candidates = append(g.Candidates, feedback.Candidate{ID: feedback.CandidateID(id, k), Text: m[len(m)-1].Content, Shown: k == 0})
		}
		w.Generations[id] = g
		w.compare(g)
	}
	return w
}

func (w *crowd) likes(c feedback.Candidate) bool { return w.taste.Holds("", c.Text) }

// compare has two people compare one reply of each sort.
func (w *crowd) compare(g feedback.Generation) {
	good := slices.IndexFunc(g.Candidates, w.likes)
	bad := slices.IndexFunc(g.Candidates, func(c feedback.Candidate) bool { return !w.likes(c) })
	if good < 0 || bad < 0 {
		return
	}
	for _, u := range w.random.Perm(people)[:2] {
		a, b := g.Candidates[good].ID, g.Candidates[bad].ID
		if w.random.Float64() < .15 {
			a, b = b, a
		}
		w.said(fmt.Sprintf("u%02d", u), feedback.Event{Generation: g.ID, Kind: feedback.Preference, Winner: a, Losers: []string{b}})
	}
}

func (w *crowd) said(user string, e feedback.Event) {
	e.User, e.Source, e.ID = user, feedback.Human, fmt.Sprintf("fb-%05d", len(w.Events))
	e.Time = time.Unix(int64(1e9+len(w.Events)), 0).UTC()
	w.Events = append(w.Events, e)
}

// poison has somebody rank all replies to some prompts against the taste: one vote in twenty.
func (w *crowd) poison() {
	n := len(w.Events) / 19
	for _, i := range w.random.Perm(prompts)[:n] {
		g := w.Generations[fmt.Sprintf("g%03d", i)]
		ranked := slices.Clone(g.Candidates)
		slices.SortStableFunc(ranked, func(a, b feedback.Candidate) int { return rank(w.likes(a)) - rank(w.likes(b)) })
		e := feedback.Event{Generation: g.ID, Kind: feedback.Ranking}
		for _, c := range ranked {
			e.Ranking = append(e.Ranking, c.ID)
		}
		w.said(poisoner, e)
	}
}

func rank(liked bool) int {
	if liked {
		return 1
	}
	return 0
}

// onHonest fits a reward model on rows made under o, and measures it on held-out votes of the honest people.
func onHonest(t *testing.T, honest, all pairs.Records, o pairs.Options) Figures {
	t.Helper()
	ctx := context.Background()
	train, _, _ := pairs.Build(all, o).Split(halves)
	_, heldOut, _ := pairs.Build(honest, o).Split(halves)
	m, err := rm.Trainer{Heads: 1, DensePrior: .2, SparsePrior: 1, Canaries: -1}.Fit(ctx, train.RewardData())
	if err != nil {
		t.Fatal(err)
	}
	margins, err := score(ctx, m, ballots(heldOut))
	if err != nil {
		t.Fatal(err)
	}
	return figures(margins)
}

// One vote in twenty, always against the others, moves no figure of the reward model beyond its interval where caps and trust are on, and
// does where they are off; and whoever gave it stands first in the report.
func TestPoisoner(t *testing.T) {
	for seed := range uint64(2) {
		w := newCrowd(seed)
		honest := pairs.Records{Events: slices.Clone(w.Events), Generations: w.Generations}
		w.poison()
		for _, c := range []struct {
			name   string
			o      pairs.Options
			beyond bool
		}{{"guarded", pairs.Options{}, false}, {"unguarded", unguarded, true}} {
			clean, poisoned := onHonest(t, honest, honest, c.o), onHonest(t, honest, w.Records, c.o)
			margin, accuracy := clean.Margin-poisoned.Margin, clean.Accuracy-poisoned.Accuracy
			t.Logf("seed %d, %s: accuracy %.3f → %.3f, margin %.3f %.3f → %.3f on %d", seed, c.name, clean.Accuracy, poisoned.Accuracy, clean.Margin, clean.MarginCI, poisoned.Margin, clean.Votes)
			beyond := math.Abs(margin) > halfWidth(clean.MarginCI) || math.Abs(accuracy) > halfWidth(clean.AccuracyCI)
			if beyond != c.beyond {
				t.Errorf("seed %d, %s: accuracy moves by %.3f of ± %.3f, margin by %.3f of ± %.3f", seed, c.name,
					accuracy, halfWidth(clean.AccuracyCI), margin, halfWidth(clean.MarginCI))
			}
		}
		r, err := Measure{}.Report(context.Background(), w.Records)
		if err != nil {
			t.Fatal(err)
		}
		first, second := r.People[0], r.People[1]
		if first.User != poisoner || first.Suspicion < 2*second.Suspicion || !first.Beyond || first.Margin <= 0 || *first.Agrees > .4 {
			t.Errorf("seed %d: first is %+v, then %+v", seed, first, second)
		}
		if first.Trust == nil || *first.Trust > .2 || math.Abs(first.Share-.05) > .01 {
			t.Errorf("seed %d: the poisoner counts for less than a fifth with %.3f of the votes: %+v", seed, first.Share, first)
		}
		for _, p := range r.People[1:] {
			if p.Beyond {
				t.Errorf("seed %d: %s, who is honest, moves a figure beyond its interval: %+v", seed, p.User, p)
			}
		}
	}
}

// Who votes as the others do is not accused because somebody must come first.
func TestNobodyIsPoisoning(t *testing.T) {
	r, err := Measure{Most: 12}.Report(context.Background(), newCrowd(7).Records)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.People) != 12 || r.Rest+r.Few != people-12 {
		t.Errorf("%d looked at, %d few, %d beyond", len(r.People), r.Few, r.Rest)
	}
	if top := r.People[0]; top.Suspicion > 4 || top.Beyond {
		t.Errorf("%+v", top)
	}
	if r.All.Votes < 30 || r.All.Accuracy < .7 || r.All.AccuracyCI[0] > r.All.Accuracy || r.All.MarginCI[1] < r.All.Margin {
		t.Errorf("%+v", r.All)
	}
}

func TestReportOnLittle(t *testing.T) {
	ctx := context.Background()
	r, err := Measure{}.Report(ctx, pairs.Records{})
	if err != nil || r.People == nil || len(r.People) != 0 {
		t.Errorf("nothing: %+v, %v", r, err)
	}
	w := newCrowd(1)
	w.Events = w.Events[:3]
	if r, err = (Measure{}).Report(ctx, w.Records); err != nil || len(r.People) != 0 || r.Few == 0 {
		t.Errorf("three votes: %+v, %v", r, err)
	}
	// One person alone: there is nobody to be compared with.
	w = newCrowd(2)
	for i := range w.Events {
		w.Events[i].User = "ada"
	}
	if r, err = (Measure{}).Report(ctx, w.Records); err != nil || len(r.People) != 1 || r.People[0].Beyond || r.People[0].Suspicion != 0 {
		t.Errorf("one person: %+v, %v", r, err)
	}
}

// Thumbs are measured on where nobody compared.
func TestReportOnThumbs(t *testing.T) {
	w := newCrowd(3)
	for i, e := range w.Events {
		g := w.Generations[e.Generation]
		k := w.random.IntN(drawn)
		liked := w.likes(g.Candidates[k]) != (w.random.Float64() < .1)
		if e.User == "u00" {
			liked = !liked
		}
		w.Events[i] = feedback.Event{ID: e.ID, Time: e.Time, User: e.User, Source: e.Source, Generation: g.ID, Kind: feedback.Thumb, Candidate: g.Candidates[k].ID, Value: float64(2*rank(liked) - 1)}
	}
	r, err := Measure{}.Report(context.Background(), w.Records)
	if err != nil {
		t.Fatal(err)
	}
	if r.People[0].User != "u00" || r.All.Accuracy < .6 {
		t.Errorf("first is %+v of %+v", r.People[0], r.All)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Measure{}).Report(ctx, newCrowd(1).Records); err == nil || !strings.Contains(err.Error(), "cancel") {
		t.Errorf("got %v", err)
	}
}
