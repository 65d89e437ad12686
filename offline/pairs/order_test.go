package pairs

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumb/chat"
	"plumb/feedback"
)

// renamed returns the same votes under fresh ids and at other times, one after the other as before, the log in another order.
func renamed(r Records, random *rand.Rand) Records {
	out := Records{Generations: map[string]feedback.Generation{}}
	ids := map[string]string{"": ""}
	fresh := func(prefix string) string { return fmt.Sprintf("%s-%016x", prefix, random.Uint64()) }
	for _, g := range r.Generations {
		id := fresh("chatcmpl")
		for k, c := range g.Candidates {
			ids[c.ID] = feedback.CandidateID(id, k)
		}
		ids[g.ID] = id
		g.ID, g.Time = id, g.Time.Add(77*time.Hour)
		g.Candidates = slices.Clone(g.Candidates)
		for k := range g.Candidates {
			g.Candidates[k].ID = ids[g.Candidates[k].ID]
		}
		out.Generations[id] = g
	}
	all := func(list []string) (named []string) {
		for _, id := range list {
			named = append(named, ids[id])
		}
		return named
	}
	for i, e := range r.Events {
		e.ID, e.Time = fresh("fb"), epoch.Add(9999*time.Hour+time.Duration(i)*time.Second)
		e.Generation, e.Candidate, e.Winner = ids[e.Generation], ids[e.Candidate], ids[e.Winner]
		e.Losers, e.Ranking = all(e.Losers), all(e.Ranking)
		out.Events = append(out.Events, e)
	}
	random.Shuffle(len(out.Events), func(i, j int) { out.Events[i], out.Events[j] = out.Events[j], out.Events[i] })
	return out
}

// mixed is a crowd with everything that could depend on an order: nameless voters, texts that are wished for and edited to, prompts that
// are one but for their white space, replies of several models, near-duplicates, somebody contradicted by all.
func mixed(seed uint64) *world {
	random := rand.New(rand.NewPCG(seed, 11))
	w := crowd(random)
	for i := range 60 {
		g := fmt.Sprint("m", i)
		w.asked(g, strings.Repeat(" ", random.IntN(3))+fmt.Sprintf("How do I  mend the %dth of my many old chairs%s", i%20, strings.Repeat("?", i/20%2)), "first "+fmt.Sprint(i%20), "second", "third")
		one := w.Generations[g]
		one.Policy.Name, one.Policy.Digest, one.RM = fmt.Sprint("model", i%3), "", fmt.Sprint("rm", i%2)
		w.Generations[g] = one
		for _, user := range []string{"", "", "u1", fmt.Sprint("u", random.IntN(12))} {
			switch random.IntN(6) {
			case 0:
				w.said(user, feedback.Event{Generation: g, Kind: feedback.Ranking, Ranking: []string{g + ".2", g + ".1", g + ".0"}})
			case 1:
				e := prefer(g, 1, 0)
				e.Source = feedback.Implicit
				w.said(user, e)
			case 2:
				w.said(user, feedback.Event{Generation: g, Kind: feedback.Edit, Candidate: g + ".0", Text: "wanted"})
			case 3:
				w.said(user, feedback.Event{Kind: feedback.Demonstration, Messages: []chat.Message{{Role: chat.User, Content: one.Messages[0].Content + " "}}, Text: "wanted"})
			case 4:
				w.said(user, prefer(g, random.IntN(2), 2))
			case 5:
				w.said(user, thumb(g, random.IntN(3), float64(2*random.IntN(2)-1)))
			}
		}
	}
	return w
}

// The same votes under other ids and at other times are the same rows in the same order: what is trained does not depend on either.
func TestIdsAndTimesDoNotMatter(t *testing.T) {
	for seed := range uint64(8) {
		w := mixed(seed)
		want := Build(w.Records, Options{})
		got := Build(renamed(w.Records, rand.New(rand.NewPCG(seed, 12))), Options{})
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Meta{}, "Events")); d != "" {
			t.Fatalf("seed %d: %s", seed, d)
		}
		if want.Root() != got.Root() || want.Len() < 100 || want.Voters.Noise == nil || want.Dropped[dropNearRow] == 0 {
			t.Fatalf("seed %d: roots %s and %s of %d rows, noise %v, dropped %v", seed, want.Root(), got.Root(), want.Len(), want.Voters.Noise, want.Dropped)
		}
		a, _, _ := want.Split(Split{})
		b, _, _ := got.Split(Split{})
		if d := cmp.Diff(a, b, cmpopts.IgnoreFields(Meta{}, "Events")); d != "" {
			t.Fatalf("seed %d: the split differs: %s", seed, d)
		}
	}
}

// Equal does not hide that rows differ: one vote the other way round is seen.
func TestAVoteMatters(t *testing.T) {
	w := mixed(3)
	want := Build(w.Records, Options{})
	i := slices.IndexFunc(w.Events, func(e feedback.Event) bool { return e.Kind == feedback.Preference && e.User == "u5" })
	w.Events[i].Winner, w.Events[i].Losers[0] = w.Events[i].Losers[0], w.Events[i].Winner
	if cmp.Equal(want, Build(w.Records, Options{})) {
		t.Error("a vote the other way round changes nothing")
	}
}
