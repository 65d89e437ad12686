package pairs

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"plumb/chat"
	"plumb/feedback"
)

// prose returns n words out of a vocabulary.
func prose(r *rand.Rand, n, vocabulary int) []string {
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprint("w", r.IntN(vocabulary))
	}
	return words
}

func TestSignaturesEstimateSimilarity(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		n, common := 20+r.IntN(200), r.Float64()
		var a, b []uint64
		for range n {
			x := r.Uint64()
			if r.Float64() < common {
				a, b = append(a, x), append(b, x)
			} else {
				a, b = append(a, x), append(b, r.Uint64())
			}
		}
		both := 0
		for _, x := range a {
			if slices.Contains(b, x) {
				both++
			}
		}
		j := float64(both) / float64(2*n-both)
		x, y := sign(a), sign(b)
		if got := x.similarity(&y); math.Abs(got-j) > 4.5*math.Sqrt(j*(1-j)/signed+1e-4) {
			t.Errorf("similarity %.2f of sets of %d with true %.2f", got, n, j)
		}
	}
}

func TestShingles(t *testing.T) {
	of := func(s string) []uint64 { return shingles(nil, plainWords(s), 0) }
	if len(of("")) != 0 || len(of("one")) != 1 || len(of("one two")) != 1 || len(of("a b c d e")) != 3 {
		t.Error("wrong number of shingles")
	}
	if !slices.Equal(of("Hello, World!"), of("hello world")) || slices.Equal(of("ab c"), of("a bc")) || slices.Equal(of("a b"), shingles(nil, []string{"a", "b"}, 1)) {
		t.Error("shingles tell the wrong texts apart")
	}
}

// askedFor returns the topics of a log whose prompts somebody voted on, in the order of the prompts.
func askedFor(t *testing.T, o Options, prompts ...[]chat.Message) []string {
	t.Helper()
	o.PromptRows = -1
	w := newWorld()
	for i, p := range prompts {
		g := fmt.Sprint("g", i)
		w.asked(g, "", fmt.Sprint("A", i), fmt.Sprint("B", i))
		one := w.Generations[g]
		one.Messages = p
		w.Generations[g] = one
		w.said(fmt.Sprint("u", i), prefer(g, 0, 1))
	}
	s := Build(w.Records, o)
	topics := make([]string, len(prompts))
	for _, r := range s.Preferences {
		var i int
		if _, err := fmt.Sscanf(r.Chosen, "A%d", &i); err != nil {
			t.Fatal(err)
		}
		topics[i] = r.Topic
	}
	return topics
}

func user(text string) []chat.Message { return []chat.Message{{Role: chat.User, Content: text}} }

func different(topics []string) int {
	return len(slices.Compact(slices.Sorted(slices.Values(topics))))
}

func TestPromptClusters(t *testing.T) {
	var variants, filled, chats, operated [][]chat.Message
	long := "You get a description of a product that somebody wants to sell on our market place. Write a friendly text of two paragraphs about it " +
		"which names its best sides without exaggeration and ends with an invitation to write to the seller. The product is "
	r := rand.New(rand.NewPCG(3, 3))
	for i := range 40 {
		variants = append(variants, user(fmt.Sprintf("Please tell me what the refund policy for orders from your online shop is number%d", i)))
		filled = append(filled, user(long+strings.Join(prose(r, 8, 1000), " ")))
		chats = append(chats, append([]chat.Message{{Role: chat.System, Content: long}}, user(strings.Join(prose(r, 6, 1000), " "))...))
		operated = append(operated, append([]chat.Message{{Role: chat.System, Content: fmt.Sprint("Version ", i, " of what the operator says")}}, user("What is the refund policy for online orders?")...))
	}
	for _, c := range []struct {
		name    string
		prompts [][]chat.Message
		want    int
	}{
		{"one question in forty variants", variants, 1},
		{"forty fillings of one template", filled, 40},
		{"forty questions under one system prompt", chats, 40},
		{"one question under forty system prompts", operated, 1},
		{"short questions of one form", [][]chat.Message{user("What is 7?"), user("What is 8?"), user("How do I make tea?"), user("How do I make bread?")}, 4},
		{"signs alone", [][]chat.Message{user("?"), user("!"), user("")}, 3},
		{"a conversation that goes on", [][]chat.Message{
			append(user(long), chat.Message{Role: chat.Assistant, Content: "Gladly, here it is."}),
			append(append(user(long), chat.Message{Role: chat.Assistant, Content: "Gladly, here it is."}), user("Shorter, please.")...)}, 1},
	} {
		if got := different(askedFor(t, Options{}, c.prompts...)); got != c.want {
			t.Errorf("%s: %d topics, want %d", c.name, got, c.want)
		}
		if got := different(askedFor(t, Options{Near: 2}, c.prompts...)); got != len(c.prompts) {
			t.Errorf("%s: %d topics, though nothing is to count as near", c.name, got)
		}
	}
}

// One topic supplies no more rows than one prompt does, however it is worded.
func TestClusterCap(t *testing.T) {
	w := newWorld()
	for i := range 60 {
		g := fmt.Sprint("g", i)
		w.asked(g, fmt.Sprintf("Please tell me what the refund policy for orders from your online shop is number%d", i), fmt.Sprint("A", i), fmt.Sprint("B", i))
		w.said(fmt.Sprint("u", i), prefer(g, 0, 1))
	}
	s := Build(w.Records, Options{})
	if len(s.Preferences) != 32 || s.Dropped[dropPromptShare] != 28 {
		t.Errorf("%d rows, dropped %v", len(s.Preferences), s.Dropped)
	}
}

func TestBoundedIsLevenshtein(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 5000 {
		x := prose(r, 1+r.IntN(12), 4)
		y := slices.Clone(x)
		for range r.IntN(4) { // a few edits
			at := r.IntN(len(y) + 1)
			switch {
			case r.IntN(2) == 0:
				y = slices.Insert(y, at, "w9")
			case at < len(y):
				y = slices.Delete(y, at, at+1)
			}
		}
		if r.IntN(3) == 0 {
			y = prose(r, 1+r.IntN(12), 4)
		}
		want, most := distance(x, y), r.IntN(6)
		if len(y) == 0 || max(len(x), len(y))-min(len(x), len(y)) > most {
			continue
		}
		if got := bounded(x, y, most); (got <= most) != (want <= most) || want <= most && got != want {
			t.Fatalf("bounded(%v, %v, %d) = %d, want %d", x, y, most, got, want)
		}
		share := float64(most) / float64(max(len(x), len(y)))
		if got := sameWords(strings.Join(x, " "), strings.Join(y, "\n"), share+1e-9); got != (want <= most) {
			t.Fatalf("sameWords(%v, %v, %d/%d) = %v at distance %d", x, y, most, max(len(x), len(y)), got, want)
		}
	}
}

func TestNearReplies(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	words := prose(r, 60, 500)
	text := strings.Join(words, " ")
	other := slices.Clone(words)
	other[30] = "else"
	near, far := strings.Join(other, " "), strings.Join(prose(r, 60, 500), " ")
	w := newWorld()
	w.asked("g", "q", text, near, far, text+"\n")
	w.said("u", prefer("g", 0, 1))
	w.said("u", prefer("g", 0, 3))
	w.said("v", feedback.Event{Generation: "g", Kind: feedback.Ranking, Ranking: []string{"g.0", "g.2", "g.1"}})
	w.said("a", thumb("g", 0, 1))
	w.said("b", thumb("g", 1, -1))
	s := Build(w.Records, Options{})
	if len(s.Preferences) != 2 || s.Dropped[dropNear] != 4 { // two comparisons, one pair of the ranking, one of the thumbs
		t.Errorf("%d pairs, dropped %v", len(s.Preferences), s.Dropped)
	}
	if len(s.Unpaired) != 2 {
		t.Errorf("%d verdicts: a liked and a disliked reply are two, however alike", len(s.Unpaired))
	}
}

func TestNearRows(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	good, bad := prose(r, 400, 5000), prose(r, 400, 5000)
	tell := func(words []string, i int) string {
		words = slices.Clone(words)
		words[i] = fmt.Sprint("x", i)
		return strings.Join(words, " ")
	}
	w := newWorld()
	for i := range 10 { // the same comparison ten times, a word changed here and there, by five people
		g := fmt.Sprint("g", i)
		w.asked(g, "What is the refund policy for orders from your shop"+strings.Repeat("!", i), tell(good, 5*i), tell(bad, 5*i))
		w.said(fmt.Sprint("u", i%5), prefer(g, 0, 1))
		w.said(fmt.Sprint("u", i%5), feedback.Event{Kind: feedback.Demonstration, Messages: w.Generations[g].Messages, Text: tell(good, 5*i)})
	}
	s := Build(w.Records, Options{})
	if len(s.Preferences) != 1 || len(s.Demonstrations) != 1 || s.Dropped[dropNearRow] != 18 {
		t.Fatalf("%d pairs and %d demonstrations, dropped %v", len(s.Preferences), len(s.Demonstrations), s.Dropped)
	}
	if p := s.Preferences[0]; p.Weight != 3 || len(p.Users) != 5 || len(p.Events) != 5 {
		t.Errorf("five people say it, but the row has weight %v, users %v", p.Weight, p.Users)
	}
	if s := Build(w.Records, Options{Near: 2}); len(s.Preferences) != 10 {
		t.Errorf("%d pairs, though nothing is to count as near", len(s.Preferences))
	}
}

// many is a log of n comparisons of replies of about 60 words by 500 people.
func many(n int) Records {
	r := rand.New(rand.NewPCG(7, 7))
	w := newWorld()
	for i := range n {
		g := fmt.Sprint("g", i)
		w.asked(g, strings.Join(prose(r, 12, 5000), " "), strings.Join(prose(r, 60, 5000), " "), strings.Join(prose(r, 60, 5000), " "))
		w.said(fmt.Sprint("u", r.IntN(500)), prefer(g, r.IntN(2), 1-r.IntN(2)))
	}
	return w.Records
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{1e4, 1e5} {
		records := many(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				Build(records, Options{})
			}
		})
	}
}
