package pairs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plumb/chat"
	"plumb/feedback"
	"plumb/feedback/memory"
	"plumb/offline/rows"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// log is a small world: each generation g<i> asks prompts[i] and has the given replies.
type world struct{ Records }

func newWorld() *world { return &world{Records{Generations: map[string]feedback.Generation{}}} }

func (w *world) asked(id, prompt string, replies ...string) {
	g := feedback.Generation{ID: id, Time: epoch, Messages: []chat.Message{{Role: chat.User, Content: prompt}}, Policy: feedback.Policy{Name: "m", Digest: "sha256:1"}, RM: "rm1"}
	for k, text := range replies {
		g.Candidates = append(g.Candidates, feedback.Candidate{ID: feedback.CandidateID(id, k), Text: text, Shown: k == 0})
	}
	w.Generations[id] = g
}

func (w *world) said(user string, e feedback.Event) {
	e.User = user
	e.ID = fmt.Sprintf("fb-%04d", len(w.Events))
	e.Time = epoch.Add(time.Duration(len(w.Events)) * time.Minute)
	if e.Source == "" {
		e.Source = feedback.Human
	}
	w.Events = append(w.Events, e)
}

func prefer(g string, winner int, losers ...int) feedback.Event {
	e := feedback.Event{Generation: g, Kind: feedback.Preference, Winner: feedback.CandidateID(g, winner)}
	for _, l := range losers {
		e.Losers = append(e.Losers, feedback.CandidateID(g, l))
	}
	return e
}

func thumb(g string, k int, value float64) feedback.Event {
	return feedback.Event{Generation: g, Kind: feedback.Thumb, Candidate: feedback.CandidateID(g, k), Value: value}
}

// say writes rows as short lines for comparison.
func say(s Set) []string {
	var lines []string
	for _, r := range s.Preferences {
		lines = append(lines, fmt.Sprintf("%s: %s > %s, %.4g, %s by %s", r.Class, r.Chosen, r.Rejected, r.Weight, r.Source, strings.Join(r.Users, "+")))
	}
	for _, r := range s.Unpaired {
		lines = append(lines, fmt.Sprintf("%s: %s %v %.4g, %.4g", r.Class, r.Reply, r.Label, r.Target, r.Weight))
	}
	for _, r := range s.Demonstrations {
		lines = append(lines, fmt.Sprintf("demonstration of class %s: %s, not %s", r.Class, r.Reply, strings.Join(r.Candidates, "|")))
	}
	for _, r := range s.Rankings {
		lines = append(lines, "ranking: "+strings.Join(r.Replies, " > "))
	}
	slices.Sort(lines)
	return lines
}

func TestRules(t *testing.T) {
	long := strings.Repeat("word ", 100)
	for _, c := range []struct {
		name    string
		votes   func(w *world)
		want    []string
		dropped map[string]int
	}{
		{"a comparison of two", func(w *world) { w.said("u", prefer("g", 1, 0)) },
			[]string{"compared: B > A, 1, human by u"}, nil},
		{"the best of four", func(w *world) { w.said("u", prefer("g", 0, 1, 2, 3)) },
			[]string{"compared: A > B, 0.5, human by u", "compared: A > C, 0.5, human by u", "compared: A > D, 0.5, human by u"}, nil},
		{"a ranking", func(w *world) {
			w.said("u", feedback.Event{Generation: "g", Kind: feedback.Ranking, Ranking: []string{"g.2", "g.0", "g.1"}})
		}, []string{"ranked: A > B, 0.6667, human by u", "ranked: C > A, 0.6667, human by u", "ranked: C > B, 0.6667, human by u", "ranking: C > A > B"}, nil},
		{"an edit", func(w *world) {
			w.said("u", feedback.Event{Generation: "g", Kind: feedback.Edit, Candidate: "g.0", Text: "Z"})
		}, []string{"demonstration of class edited: Z, not A|B|C|D", "edited: Z > A, 1, human by u"}, nil},
		{"an edit of one word in a hundred", func(w *world) {
			w.asked("h", "q", long)
			w.said("u", feedback.Event{Generation: "h", Kind: feedback.Edit, Candidate: "h.0", Text: long + "more"})
		}, nil, map[string]int{dropTrivial: 1}},
		{"next", func(w *world) { e := prefer("g", 1, 0); e.Source = feedback.Implicit; w.said("u", e) },
			[]string{"next: B > A, 0.3, implicit by u"}, nil},
		{"next, and liked", func(w *world) {
			e := prefer("g", 1, 0)
			e.Source = feedback.Implicit
			w.said("u", e)
			w.said("v", thumb("g", 1, -1))
			w.said("u", thumb("g", 1, 1))
		}, []string{"next: B > A, 0.7, implicit by u"}, map[string]int{dropContradiction: 2}},
		{"next, and disliked", func(w *world) {
			e := prefer("g", 1, 0)
			e.Source = feedback.Implicit
			w.said("u", e)
			w.said("u", feedback.Event{Generation: "g", Kind: feedback.Rating, Candidate: "g.1", Value: 1})
		}, []string{"rated: B false 0, 1"}, map[string]int{dropNextRejected: 1}},
		{"behaviour does not undo a word", func(w *world) {
			w.said("u", prefer("g", 0, 1))
			e := prefer("g", 1, 0)
			e.Source = feedback.Implicit
			w.said("u", e)
		}, []string{"compared: A > B, 1, human by u"}, map[string]int{dropLater: 1}},
		{"up and down on one prompt, asked twice", func(w *world) {
			w.asked("h", " the  question ", "E")
			w.said("u", thumb("g", 0, 1))
			w.said("v", thumb("h", 0, -1))
		}, []string{"thumb: A true 1, 1", "thumb: E false 0, 1", "up-down: A > E, 0.8, human by u+v"}, nil},
		{"up and down with another system prompt", func(w *world) {
			w.asked("h", "the question", "E")
			g := w.Generations["h"]
			g.Messages = append([]chat.Message{{Role: chat.System, Content: "Be rude."}}, g.Messages...)
			w.Generations["h"] = g
			w.said("u", thumb("g", 0, 1))
			w.said("v", thumb("h", 0, -1))
		}, []string{"thumb: A true 1, 1", "thumb: E false 0, 1"}, nil},
		{"a compared pair is not made again from thumbs", func(w *world) {
			w.said("u", prefer("g", 1, 0))
			w.said("u", thumb("g", 1, 1))
			w.said("u", thumb("g", 0, -1))
		}, []string{"compared: B > A, 1, human by u", "thumb: A false 0, 1", "thumb: B true 1, 1"}, nil},
		{"a thumb without a candidate means the shown reply", func(w *world) {
			w.said("u", feedback.Event{Generation: "g", Kind: feedback.Thumb, Value: 1})
		}, []string{"thumb: A true 1, 1"}, nil},
		{"ratings", func(w *world) {
			w.said("u", feedback.Event{Generation: "g", Kind: feedback.Rating, Candidate: "g.0", Value: 4})
			w.said("u", feedback.Event{Generation: "g", Kind: feedback.Rating, Candidate: "g.1", Value: 3})
		}, []string{"rated: A true 0.75, 1"}, map[string]int{dropNeutral: 1}},
		{"agreement adds up to three", func(w *world) {
			for i := range 5 {
				w.said(fmt.Sprint("u", i), prefer("g", 1, 0))
			}
		}, []string{"compared: B > A, 3, human by u0+u1+u2+u3+u4"}, nil},
		{"a user's last word", func(w *world) { w.said("u", prefer("g", 1, 0)); w.said("u", prefer("g", 0, 1)) },
			[]string{"compared: A > B, 1, human by u"}, map[string]int{dropLater: 1}},
		{"nobody's words are several people's", func(w *world) { w.said("", prefer("g", 1, 0)); w.said("", prefer("g", 1, 0)) },
			[]string{"compared: B > A, 2, human by "}, nil},
		{"a tie of voters", func(w *world) { w.said("u", prefer("g", 1, 0)); w.said("v", prefer("g", 0, 1)) },
			nil, map[string]int{dropContradiction: 2}},
		{"two against one", func(w *world) {
			w.said("u", prefer("g", 1, 0))
			w.said("v", prefer("g", 0, 1))
			w.said("w", prefer("g", 1, 0))
		}, []string{"compared: B > A, 1, human by u+w"}, map[string]int{dropContradiction: 1}},
		{"a demonstration", func(w *world) {
			w.said("u", feedback.Event{Kind: feedback.Demonstration, Messages: []chat.Message{{Role: chat.User, Content: "the question"}}, Text: "ideal"})
		}, []string{"demonstration of class demonstration: ideal, not A|B|C|D"}, nil},
		{"what becomes no row", func(w *world) {
			w.asked("h", "x", "same", "same", "")
			w.said("u", feedback.Event{Generation: "g", Kind: feedback.Comment, Candidate: "g.0", Text: "hm"})
			w.said("u", prefer("gone", 0, 1))
			w.said("u", thumb("g", 9, 1))
			w.said("u", prefer("h", 0, 1))
			w.said("u", prefer("h", 0, 2))
			w.said("u", thumb("h", 2, 1))
			e := prefer("g", 0, 1)
			e.Source = feedback.Model
			w.said("u", e)
		}, nil, map[string]int{dropComment: 1, dropGone: 1, dropUnknown: 1, dropEqual: 1, dropNoText: 2, dropSource + "rm": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.asked("g", "the question", "A", "B", "C", "D")
			c.votes(w)
			s := Build(w.Records, Options{})
			if d := cmp.Diff(c.want, say(s)); d != "" {
				t.Error(d)
			}
			if c.dropped == nil {
				c.dropped = map[string]int{}
			}
			if d := cmp.Diff(c.dropped, s.Dropped); d != "" {
				t.Error(d)
			}
		})
	}
}

// crowd is a world of 12 users who vote on 100 prompts.
func crowd(random *rand.Rand) *world {
	w := newWorld()
	for i := range 100 {
		g := fmt.Sprint("g", i)
		w.asked(g, fmt.Sprintf("question %d?", i), "A"+g, "B"+g, "C"+g)
		for range 4 {
			user := fmt.Sprint("u", random.IntN(12))
			switch random.IntN(3) {
			case 0:
				w.said(user, prefer(g, random.IntN(2), 2))
			case 1:
				w.said(user, thumb(g, random.IntN(3), float64(2*random.IntN(2)-1)))
			case 2:
				w.said(user, feedback.Event{Generation: g, Kind: feedback.Ranking, Ranking: []string{g + ".1", g + ".0"}})
			}
		}
	}
	return w
}

func TestOrderDoesNotMatter(t *testing.T) {
	w := crowd(rand.New(rand.NewPCG(1, 1)))
	want := Build(w.Records, Options{})
	rand.New(rand.NewPCG(2, 2)).Shuffle(len(w.Events), func(i, j int) { w.Events[i], w.Events[j] = w.Events[j], w.Events[i] })
	got := Build(w.Records, Options{})
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if want.Root() != got.Root() || want.Len() < 100 {
		t.Errorf("roots %s and %s of %d rows", want.Root(), got.Root(), want.Len())
	}
	got.Preferences = got.Preferences[1:]
	if want.Root() == got.Root() {
		t.Error("a row less does not change the root")
	}
	if (Set{}).Root() != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Error("the root of nothing is not the hash of nothing")
	}
}

func TestSplit(t *testing.T) {
	w := crowd(rand.New(rand.NewPCG(3, 3)))
	s := Build(w.Records, Options{UserShare: 1})
	for _, c := range []struct {
		name   string
		split  Split
		byUser bool
	}{{"by prompt", Split{}, false}, {"strict", Split{Least: 3}, true}} {
		train, held, how := s.Split(c.split)
		if how.ByUser != c.byUser {
			t.Fatalf("%s: %+v", c.name, how)
		}
		if train.Len()+held.Len()+how.Between != s.Len() || held.Len() == 0 || train.Len() < s.Len()/3 {
			t.Errorf("%s: %d + %d + %d rows of %d", c.name, train.Len(), held.Len(), how.Between, s.Len())
		}
		topics := map[string]bool{}
		for _, m := range held.metas() {
			topics[m.Topic] = true
		}
		users := held.users()
		for _, m := range train.metas() {
			if topics[m.Topic] {
				t.Fatalf("%s: a topic is on both sides", c.name)
			}
			for _, u := range m.Users {
				if c.byUser && users[u] {
					t.Fatalf("%s: user %s is on both sides", c.name, u)
				}
			}
		}
		// More rows do not move a topic to the other side.
		again, _, _ := Set{Preferences: s.Preferences[:20]}.Split(Split{Least: 1e6})
		for _, m := range again.metas() {
			if !c.byUser && topics[m.Topic] {
				t.Errorf("%s: a topic changed sides", c.name)
			}
		}
	}
}

func TestCaps(t *testing.T) {
	w := newWorld()
	for i := range 60 {
		g := fmt.Sprint("g", i)
		w.asked(g, fmt.Sprint("q", i), "A", "B")
		user := "loud"
		if i%2 == 0 {
			user = fmt.Sprint("u", i%10)
		}
		w.said(user, prefer(g, 1, 0))
	}
	s := Build(w.Records, Options{})
	loud := 0
	for _, r := range s.Preferences {
		if r.Users[0] == "loud" {
			loud++
		}
	}
	if loud != 15 || s.Dropped[dropUserShare] != 15 {
		t.Errorf("the loud user has %d rows of %d, dropped %v; want 15, a quarter of 60", loud, s.Len(), s.Dropped)
	}
	if s := Build(w.Records, Options{UserShare: 1}); s.Len() != 60 {
		t.Errorf("without a limit %d rows", s.Len())
	}
	w = newWorld()
	for i := range 40 {
		g := fmt.Sprint("g", i)
		w.asked(g, strings.Repeat(" ", i)+"What now"+strings.Repeat("?", i%3), fmt.Sprint("A", i), fmt.Sprint("B", i))
		w.said("u", prefer(g, 1, 0))
	}
	if s := Build(w.Records, Options{}); s.Len() != 32 || s.Dropped[dropPromptShare] != 8 {
		t.Errorf("one topic has %d rows, dropped %v", s.Len(), s.Dropped)
	}
}

func TestKeys(t *testing.T) {
	key := func(s string) string { return PromptKey([]chat.Message{{Role: chat.User, Content: s}}) }
	topic := func(s string) string { return TopicKey([]chat.Message{{Role: chat.User, Content: s}}) }
	if key("caf\u00e9  au\nlait") != key("cafe\u0301 au lait") {
		t.Error("composed and decomposed forms differ")
	}
	if key("What?") == key("what") || topic("What, now?") != topic(" what now") || topic("?") == topic("!") || topic("a b") == topic("ab") {
		t.Error("topics are told apart wrongly")
	}
	if key("a") == PromptKey([]chat.Message{{Role: chat.System, Content: "a"}}) {
		t.Error("roles do not count")
	}
}

func TestChanged(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{
		{"", "", 0}, {"a", "", 1}, {"a b c d", "a x c d", .25}, {"a b c d", "b c d", .25}, {"a  b\n", "a b", 0}, {"a b c", "x y z", 1},
		{"kitten sat here now", "sat kitten here now", .5},
	} {
		if got := changed(c.a, c.b); got != c.want {
			t.Errorf("changed(%q, %q) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
	if got := changed(strings.Repeat("a ", 1e5), strings.Repeat("b ", 1e5)); got != 1 {
		t.Errorf("long texts: %v", got)
	}
}

func TestRewardData(t *testing.T) {
	w := newWorld()
	w.asked("g", "q", "A", "B", "C")
	w.said("u", prefer("g", 1, 0))
	w.said("u", feedback.Event{Generation: "g", Kind: feedback.Ranking, Ranking: []string{"g.2", "g.0"}})
	w.said("u", thumb("g", 1, 1))
	w.said("v", thumb("g", 2, -1))
	w.said("u", feedback.Event{Kind: feedback.Demonstration, Messages: []chat.Message{{Role: chat.User, Content: "q"}}, Text: "D"})
	w.said("u", feedback.Event{Kind: feedback.Demonstration, Messages: []chat.Message{{Role: chat.User, Content: "other"}}, Text: "D"})
	d := Build(w.Records, Options{}).RewardData()
	if len(d.Pairs) != 1 || len(d.Rankings) != 1 || len(d.Thumbs) != 2 || len(d.Demonstrations) != 1 || len(d.Demonstrations[0].Candidates) != 3 {
		t.Errorf("got %+v", d)
	}
}

func TestCollectAndExport(t *testing.T) {
	ctx := context.Background()
	w := crowd(rand.New(rand.NewPCG(4, 4)))
	var log memory.Log
	for _, g := range w.Generations {
		if _, err := log.PutGeneration(ctx, g); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range w.Events {
		if _, _, err := log.PutEvent(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	records, err := Collect(ctx, &log)
	if err != nil {
		t.Fatal(err)
	}
	set := Build(records, Options{UserShare: 1, PromptRows: -1, EqualUsers: true, Near: 2})
	x := Exporter{&log}
	n := 0
	if err := x.Export(ctx, "preference", nil, func(row any) error {
		n++
		b, err := json.Marshal(row)
		if err != nil {
			return err
		}
		var back rows.Preference
		if err := json.Unmarshal(b, &back); err != nil {
			return fmt.Errorf("%s: %w", b, err)
		}
		if back.Source != "human" || back.Prompt.Messages == nil || back.Weight == nil {
			return fmt.Errorf("%s", b)
		}
		return nil
	}); err != nil || n != len(set.Preferences) || n == 0 {
		t.Errorf("exported %d preferences of %d, %v", n, len(set.Preferences), err)
	}
	if err := x.Export(ctx, "unpaired", []string{"implicit"}, func(any) error { return errors.New("none is wanted") }); err != nil {
		t.Error(err)
	}
	stop := errors.New("stop")
	if err := x.Export(ctx, "unpaired", nil, func(any) error { return stop }); err != stop {
		t.Errorf("got %v", err)
	}
	if err := x.Export(ctx, "pairs", nil, nil); chat.KindOf(err) != chat.Invalid {
		t.Errorf("got %v", err)
	}
}

func FuzzBuild(f *testing.F) {
	f.Add([]byte(`{"events":[{"id":"a","kind":"thumb","generation":"g","value":1,"source":"human"}],"generations":{"g":{"id":"g","candidates":[{"id":"g.0","text":"x","shown":true}]}}}`))
	f.Add([]byte(`{"events":[{"id":"a","kind":"preference","generation":"g","winner":"g.0","losers":["g.0"],"source":"human"}],"generations":{"g":{"id":"g","candidates":[{"id":"g.0","text":"x"}]}}}`))
	f.Add([]byte(`{"events":[{"id":"a","kind":"ranking","generation":"g","source":"human"}],"generations":{"g":{}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Records
		if json.Unmarshal(b, &r) != nil {
			return
		}
		s := Build(r, Options{})
		train, held, how := s.Split(Split{})
		if train.Len()+held.Len()+how.Between != s.Len() {
			t.Error("the split loses rows")
		}
		for _, m := range s.metas() {
			if !(m.Weight > 0 && m.Weight <= 3) || m.ID == "" || len(m.Events) == 0 {
				t.Errorf("row %+v", m)
			}
		}
	})
}
