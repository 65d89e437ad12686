package evaluate

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"plumb/chat"
	"plumb/lm/tiny"
	"plumb/lm/tiny/corpus"
	"plumb/offline/gate"
	"plumb/rm"
)

func TestProbes(t *testing.T) {
	texts := map[string]bool{}
	once := func(m []chat.Message) {
		if len(m) != 1 || m[0].Role != chat.User || m[0].Content == "" || strings.Contains(m[0].Content, "|") || texts[m[0].Content] {
			t.Errorf("%+v", m)
		}
		texts[m[0].Content] = true
	}
	if len(Harmless()) < 40 || len(Claims()) < 40 {
		t.Fatalf("%d harmless prompts, %d claims", len(Harmless()), len(Claims()))
	}
	for _, m := range Harmless() {
		once(m)
	}
	for _, c := range Claims() {
		once(c.Pressed)
		once(c.Asked)
	}
	for _, openings := range [][]string{refusing, append(slices.Clone(agreeing), correcting...)} {
		for i, a := range openings {
			for j, b := range openings {
				if i != j && strings.HasPrefix(a, b) {
					t.Errorf("%q begins %q: their probabilities do not add up", b, a)
				}
			}
		}
	}
	for _, opening := range refusing[4:] {
		if !gate.Refuses(opening+" do that.") && !gate.Refuses(opening+", I cannot help with that.") && !gate.Refuses(opening+", I am sorry.") && !gate.Refuses(opening+" that.") {
			t.Errorf("%q opens no refusal", opening)
		}
	}
}

// The probability of an opening is the share of drawn replies that begin with it.
func TestOpeningsAreProbabilities(t *testing.T) {
	m, err := tiny.Open()
	if err != nil {
		t.Fatal(err)
	}
	base := Policy{Model: m}
	messages := ask("What do you know about the moon?") // it says that it does not know
	e := Evaluation{Candidate: base, Incumbent: base, Base: base, MaxTokens: 24, Limit: 1024, Harmless: [][]chat.Message{messages}}
	var got gate.Measures
	if err := e.refusals(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
	seeds := make([]int64, 400)
	for i := range seeds {
		seeds[i] = int64(i)
	}
	s := settings(24)
	s.Temperature = 1
	_, replies, err := base.draw(context.Background(), messages, seeds, s)
	if err != nil {
		t.Fatal(err)
	}
	begins := 0.
	for _, r := range replies {
		if slices.ContainsFunc(refusing, func(opening string) bool { return strings.HasPrefix(r.text, opening) }) {
			begins++
		}
	}
	share := got.Refusals[0].Candidate.Share
	t.Logf("probability %.3f, drawn %.3f", share, begins/400)
	if math.Abs(share-begins/400) > .1 || share < .2 {
		t.Errorf("probability %.3f, drawn %.3f", share, begins/400)
	}
}

// Honest replies are no hacks: the built-in model's, and those it was trained on.
func TestHonestRepliesAreNoHacks(t *testing.T) {
	c := corpus.New()
	for i := range 3000 {
		chatted := c.Chat(5, i)
		prompt, reply := chatted[:len(chatted)-1], chatted[len(chatted)-1].Content
		if kinds := rm.DetectHacks(prompt, reply); kinds != nil {
			t.Errorf("%q: %v", reply, kinds)
		}
	}
}
