package corpus

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"plumb/chat"
)

func TestChatIsDeterministicAndWellFormed(t *testing.T) {
	c, again := New(), New()
	for i := range 2000 {
		m := c.Chat(1, i)
		if fmt.Sprint(m) != fmt.Sprint(again.Chat(1, i)) {
			t.Fatalf("chat %d differs between two makings", i)
		}
		if m[len(m)-1].Role != chat.Assistant {
			t.Fatalf("chat %d ends with %s", i, m[len(m)-1].Role)
		}
		for j, message := range m {
			if message.Content == "" || strings.ContainsAny(message.Content, "%|") || strings.Contains(message.Content, "  ") || !ascii(message.Content) {
				t.Fatalf("chat %d message %d: %q", i, j, message.Content)
			}
		}
	}
}

func ascii(s string) bool {
	for _, r := range s {
		if r > 126 && r != 'é' {
			return false
		}
	}
	return true
}

// Each taste must be there to be voted up or down, whatever was asked.
func TestTastesHoldForAThirdToTwoThirds(t *testing.T) {
	c := New()
	const n = 4000
	replies := make([][2]string, n)
	words := 0
	for i := range replies {
		s := &c.subjects[i%len(c.subjects)]
		r := rng(uint64(i))
		var m manner = drawManner(r)
		reply, _ := s.reply(r, m)
		replies[i] = [2]string{"", reply}
		words += len(strings.Fields(reply))
	}
	for _, taste := range c.Tastes() {
		held := 0
		for _, r := range replies {
			if taste.Holds(r[0], r[1]) {
				held++
			}
		}
		share := float64(held) / n
		t.Logf("%-9s %.2f", taste.Name, share)
		if share < .3 || share > .6 {
			t.Errorf("%s holds for %.2f of replies", taste.Name, share)
		}
	}
	t.Logf("words a reply: %.1f", float64(words)/n)
}

func TestThriftyJudgesTheAdviceAndNotTheWords(t *testing.T) {
	c := New()
	right := 0
	const n = 1000
	for i := range n {
		r := rng(uint64(i))
		m := drawManner(r)
		reply, _ := c.subjects[i%len(c.subjects)].reply(r, m)
		if c.thrifty("", reply) == m.thrifty {
			right++
		}
	}
	if right < n*99/100 {
		t.Errorf("%d of %d judged right", right, n)
	}
	for reply, want := range map[string]bool{
		"": false, "Hello!": false, "You could reuse an old clean jam jar as tea tin.": true, "Hire a personal running coach.": false,
	} {
		if c.thrifty("", reply) != want {
			t.Errorf("thrifty(%q) = %v", reply, !want)
		}
	}
}

func TestPromptsDoNotOverlap(t *testing.T) {
	c := New()
	voted, held := c.Voted(3, 90), c.HeldOut(3, 54)
	if len(voted) != 90 || len(held) != 54 {
		t.Fatal(len(voted), len(held))
	}
	seen := map[string]bool{}
	for _, p := range append(voted, held...) {
		if seen[p] {
			t.Errorf("%q twice", p)
		}
		seen[p] = true
	}
	for i := range c.subjects {
		for _, p := range held {
			if i%3 != 2 && (strings.Contains(p, " "+c.subjects[i].do+"?") || strings.Contains(p, " "+c.subjects[i].doing+"?")) {
				t.Errorf("%q is about a voted subject", p)
			}
		}
	}
}

func rng(i uint64) *rand.Rand { return rand.New(rand.NewPCG(9, i)) }

func TestSamples(t *testing.T) {
	if !testing.Verbose() {
		return
	}
	c := New()
	for i := range 25 {
		for _, m := range c.Chat(5, i) {
			t.Logf("%s: %s", m.Role, m.Content)
		}
		t.Log("--")
	}
}
