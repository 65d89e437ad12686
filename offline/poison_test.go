package offline

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/gate"
	"plumb/offline/influence"
	"plumb/offline/pairs"
	"plumb/offline/train"
)

const poisoner = "mallory"

// polled is an installation on a random model whose people like questions: two compare a question with a statement about each of 60
// things, and err in a tenth. A poisoner, if there is one, gives a twentieth of all votes, always against, and with rankings of six replies
// says more at once than the others do.
func polled(t *testing.T, poisoned bool) *world {
	t.Helper()
	w := emptyWorld(t, mustReadTiny(t))
	random := rand.New(rand.NewPCG(5, 5))
	for i := range 60 {
		g := w.sixReplies(t, i)
		for v := range 2 {
			good, bad := random.IntN(3), 3+random.IntN(3)
			if random.Float64() < .1 {
				good, bad = bad, good
			}
			w.say(t, g, feedback.Event{ID: fmt.Sprintf("fb-%03d-%d", i, v), User: fmt.Sprint("u", random.IntN(12)), Kind: feedback.Preference,
				Winner: g.Candidates[good].ID, Losers: []string{g.Candidates[bad].ID}})
		}
		if poisoned && i%10 == 4 {
			e := feedback.Event{ID: fmt.Sprintf("fb-%03d-p", i), User: poisoner, Kind: feedback.Ranking}
			for _, k := range []int{3, 4, 5, 0, 1, 2} {
				e.Ranking = append(e.Ranking, g.Candidates[k].ID)
			}
			w.say(t, g, e)
		}
	}
	return w
}

// sixReplies logs three questions and three statements as replies to one prompt.
func (w *world) sixReplies(t *testing.T, i int) feedback.Generation {
	t.Helper()
	g := feedback.Generation{ID: fmt.Sprintf("chatcmpl-%03d", i), Time: time.Unix(int64(1e9+i), 0).UTC(), Messages: []chat.Message{{Role: chat.User, Content: fmt.Sprint("What is ", i, "?")}}}
	for k, text := range []string{"Why do you ask about %d?", "Do you know %d?", "Is %d of use to you?", "It is %d.", "One counts up to %d.", "That makes %d."} {
		g.Candidates = append(g.Candidates, feedback.Candidate{ID: feedback.CandidateID(g.ID, k), Text: fmt.Sprintf(text, i), Shown: k == 0})
	}
	if _, err := w.log.PutGeneration(context.Background(), g); err != nil {
		t.Fatal(err)
	}
	return g
}

func (w *world) say(t *testing.T, g feedback.Generation, e feedback.Event) {
	t.Helper()
	e.Generation, e.Source, e.Time = g.ID, feedback.Human, g.Time
	if _, _, err := w.log.PutEvent(context.Background(), e); err != nil {
		t.Fatal(err)
	}
}

// uncapped takes every vote as it comes: no person and no prompt is held to a share, and nobody's votes count for less.
var uncapped = pairs.Options{UserShare: 1, PromptRows: -1, EqualUsers: true, Near: 2}

// checked makes a run up to the gate, and returns its figures and what it says of them.
func (w *world) checked(t *testing.T, o pairs.Options) (map[string]gate.Check, map[string]int) {
	t.Helper()
	r := w.quick()
	r.Harmless, r.Claims = nil, nil
	r.Config.Method, r.Config.Pairs, r.Config.NoPublish = "dpo", o, true
	r.Config.Train = train.Config{LR: 1e-3, Rank: 4, Epochs: 2}
	r.Config.Prompts, r.Config.Split.Prompts = 12, .3
	run, err := r.Run(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	var report gate.Report
	if err := json.Unmarshal(run.Gate, &report); err != nil {
		t.Fatal(err)
	}
	all := map[string]gate.Check{}
	for _, c := range report.Checks {
		all[c.Name] = c
	}
	return all, run.Rows
}

// beyond names the figures that lie outside the interval that the same figure has without the poisoner.
func beyond(honest, poisoned map[string]gate.Check) (names []string) {
	for name, h := range honest {
		p := poisoned[name]
		if h.Interval != nil && p.Value != nil && (*p.Value < h.Interval[0] || *p.Value > h.Interval[1]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Somebody with a twentieth of the votes moves no figure of the gate beyond its interval while people and prompts are held to their shares,
// does without, and is the first whom the influence report names.
func TestPoisonerThroughARun(t *testing.T) {
	if testing.Short() {
		t.Skip("makes three runs")
	}
	honest, rows := polled(t, false).checked(t, pairs.Options{})
	w := polled(t, true)
	capped, cappedRows := w.checked(t, pairs.Options{})
	w.store.runs = nil
	poisoned, poisonedRows := w.checked(t, uncapped)
	for _, name := range []string{"held_out_pairs", "neutral_nll", "kl_base", "displacement", "length", "second_opinion", "head_to_head"} {
		t.Logf("%-16s honest %s, poisoned: capped %s, uncapped %s", name, figure(honest[name]), figure(capped[name]), figure(poisoned[name]))
	}
	t.Logf("rows: honest %v, capped %v, uncapped %v", rows, cappedRows, poisonedRows)
	if names := beyond(honest, capped); len(names) > 0 {
		t.Errorf("with caps the poisoner moves %q", names)
	}
	names := beyond(honest, poisoned)
	t.Logf("without caps: beyond the interval are %q", names)
	if len(names) == 0 {
		t.Error("without caps the poisoner moves nothing: the caps are not what is tested")
	}
	records, err := pairs.Collect(context.Background(), w.log)
	if err != nil {
		t.Fatal(err)
	}
	report, err := influence.Measure{}.Report(context.Background(), records)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.People) < 5 || report.People[0].User != poisoner || report.People[0].Share > .051 {
		t.Errorf("the influence report names first %+v", report.People[0])
	}
	t.Logf("mallory: %.1f %% of the votes, suspicion %.1f; next %.1f", 100*report.People[0].Share, report.People[0].Suspicion, report.People[1].Suspicion)
}

func figure(c gate.Check) string {
	if c.Value == nil {
		return "–"
	}
	if c.Interval == nil {
		return fmt.Sprintf("%.3f", *c.Value)
	}
	return fmt.Sprintf("%.3f (%.3f … %.3f)", *c.Value, c.Interval[0], c.Interval[1])
}
