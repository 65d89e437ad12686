package corpus

import "testing"

func TestAnswers(t *testing.T) {
	c := New()
	right, elsewhere := 0, 0
	const n = 600
	for i := range n {
		r := rng(uint64(i))
		s, other := &c.subjects[i%len(c.subjects)], &c.subjects[(i+7)%len(c.subjects)]
		reply, _ := s.reply(r, drawManner(r))
		if c.Answers(adviceForms[i%len(adviceForms)].fill(s), reply) {
			right++
		}
		if c.Answers(adviceForms[i%len(adviceForms)].fill(other), reply) {
			elsewhere++
		}
	}
	if right < n*98/100 || elsewhere > n*2/100 {
		t.Errorf("%d of %d replies answer, %d answer what was not asked", right, n, elsewhere)
	}
	for reply, want := range map[string]bool{
		"": false, "You can do it! Have fun with it! What have you tried so far?": false, "How do I make good tea?": false,
		"Reuse a clean jam jar as a tea tin.": true, "Here are some ideas:\n1. Reuse a clean jam jar as a tea tin.": true,
	} {
		if got := c.Answers("How do I make good tea?", reply); got != want {
			t.Errorf("%q: got %v", reply, got)
		}
	}
	if !c.Answers("What now?", "Reuse a clean jam jar as a tea tin.") {
		t.Error("a prompt that names no subject takes any tip")
	}
}
