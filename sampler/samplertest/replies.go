package samplertest

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"

	"plumb/chat"
)

func wholeReplies(ctx context.Context, s *subject) error {
	got, err := s.replies(ctx, s.draw(8, 12))
	if err != nil {
		return err
	}
	for i := range got.last {
		if got.text(i) == "" {
			return fmt.Errorf("reply %d is empty", i)
		}
	}
	return nil
}

// emptyDraw: to draw nothing is nothing, or refused.
func emptyDraw(ctx context.Context, s *subject) error {
	_, err := s.collect(ctx, s.draw(0, 12))
	if chat.KindOf(err) == chat.Invalid {
		return nil
	}
	return err
}

func maxTokens(ctx context.Context, s *subject) error {
	for _, n := range []int{1, 5} {
		got, err := s.replies(ctx, s.draw(2, n))
		if err != nil {
			return err
		}
		for i, p := range got.last {
			if p.Done.Finish != chat.FinishLength || p.Done.CompletionTokens != n {
				return fmt.Errorf("reply %d at MaxTokens %d: %d tokens, finish %s", i, n, p.Done.CompletionTokens, p.Done.Finish)
			}
		}
	}
	return nil
}

func streaming(ctx context.Context, s *subject) error {
	d := s.draw(3, 14)
	d.Stream = true
	got, err := s.replies(ctx, d)
	if err != nil {
		return err
	}
	for i := range got.last {
		if got.streamed[i] != got.text(i) {
			return fmt.Errorf("reply %d: pieces make %q, the reply is %q", i, got.streamed[i], got.text(i))
		}
	}
	if !s.can.Seed {
		return nil
	}
	d.Stream = false
	unstreamed, err := s.replies(ctx, d)
	if err != nil {
		return err
	}
	return same(got, unstreamed, "streamed", "whole")
}

func stopSequence(ctx context.Context, s *subject) error {
	free, err := s.replies(ctx, s.greedyDraw("", 16))
	if err != nil {
		return err
	}
	text := []rune(free.text(0))
	if len(text) < 8 {
		return fmt.Errorf("the reply %q is too short to be stopped", string(text))
	}
	stop := string(text[len(text)/2 : len(text)/2+3])
	want, _, _ := strings.Cut(free.text(0), stop)
	for _, stream := range []bool{false, true} {
		d := s.greedyDraw("", 16)
		d.Sampling.Stop = []string{stop}
		d.Stream = stream
		got, err := s.replies(ctx, d)
		if err != nil {
			return err
		}
		if got.text(0) != want || got.last[0].Done.Finish != chat.FinishStop {
			return fmt.Errorf("stopped at %q: got %q, finish %s; want %q", stop, got.text(0), got.last[0].Done.Finish, want)
		}
		if stream && got.streamed[0] != want {
			return fmt.Errorf("stopped at %q: pieces make %q, want %q", stop, got.streamed[0], want)
		}
	}
	return nil
}

func seeds(ctx context.Context, s *subject) error {
	d := s.draw(6, 12)
	first, err := s.replies(ctx, d)
	if err != nil {
		return err
	}
	again, err := s.replies(ctx, d)
	if err != nil {
		return err
	}
	if err := same(first, again, "first", "again"); err != nil {
		return err
	}
	texts := map[string]bool{}
	for i := range first.last {
		texts[first.text(i)] = true
	}
	if len(texts) < 2 {
		return fmt.Errorf("six seeds at temperature 1 all give %q", first.text(0))
	}
	for _, i := range []int{0, 5} { // a seed means the same alone, and at another place
		one := s.draw(1, 12)
		one.Seeds[0] = d.Seeds[i]
		alone, err := s.replies(ctx, one)
		if err != nil {
			return err
		}
		if alone.text(0) != first.text(i) {
			return fmt.Errorf("seed %d: alone %q, among six %q", d.Seeds[i], alone.text(0), first.text(i))
		}
	}
	return largeSeeds(ctx, s)
}

// largeSeeds are seeds at the ends of their range, which must be taken as they are.
func largeSeeds(ctx context.Context, s *subject) error {
	d := s.draw(4, 6)
	d.Seeds = []int64{0, -1, math.MaxInt64, math.MinInt64}
	first, err := s.replies(ctx, d)
	if err != nil {
		return err
	}
	again, err := s.replies(ctx, d)
	if err != nil {
		return err
	}
	return same(first, again, "first", "again")
}

func greedy(ctx context.Context, s *subject) error {
	d := s.greedyDraw("", 10)
	d.Prefixes, d.Seeds = make([]string, 3), []int64{1, 2, 3}
	got, err := s.replies(ctx, d)
	if err != nil {
		return err
	}
	for i := range got.last {
		if got.text(i) != got.text(0) {
			return fmt.Errorf("temperature 0 gives %q and %q", got.text(0), got.text(i))
		}
	}
	return nil
}

// prefix: the first 6 tokens of a greedy reply, continued, give what follows them.
func prefix(ctx context.Context, s *subject) error {
	all, err := s.replies(ctx, s.greedyDraw("", 12))
	if err != nil {
		return err
	}
	begun, err := s.replies(ctx, s.greedyDraw("", 6))
	if err != nil {
		return err
	}
	head := begun.text(0)
	rest, err := s.replies(ctx, s.greedyDraw(head, 6))
	if err != nil {
		return err
	}
	if head+rest.text(0) != all.text(0) {
		return fmt.Errorf("%q is continued by %q, but in one piece the reply is %q", head, rest.text(0), all.text(0))
	}
	if p, q := rest.last[0].Done.PromptTokens, begun.last[0].Done.PromptTokens; p <= q {
		return fmt.Errorf("the prompt has %d tokens with the prefix, %d without", p, q)
	}
	return nil
}

// prefixes: continuations of one draw each go on from their own prefix.
func prefixes(ctx context.Context, s *subject) error {
	heads := []string{"", "The fox", "Once upon a time, in a village by the"}
	together := s.greedyDraw("", 6)
	together.Prefixes, together.Seeds = heads, []int64{1, 2, 3}
	got, err := s.replies(ctx, together)
	if err != nil {
		return err
	}
	for i, head := range heads {
		alone, err := s.replies(ctx, s.greedyDraw(head, 6))
		if err != nil {
			return err
		}
		if alone.text(0) != got.text(i) {
			return fmt.Errorf("prefix %q: alone %q, among three %q", head, alone.text(0), got.text(i))
		}
	}
	return nil
}

func logprobs(ctx context.Context, s *subject) error {
	for _, stream := range []bool{false, true} {
		d := s.draw(2, 6)
		d.Sampling.Logprobs, d.Sampling.TopLogprobs, d.Stream = true, 3, stream
		got, err := s.replies(ctx, d)
		if err != nil {
			return err
		}
		for i, p := range got.last {
			if err := checkLogprobs(p.Done); err != nil {
				return fmt.Errorf("reply %d: %w", i, err)
			}
			if stream && len(got.logprobs[i]) != len(p.Done.Logprobs) {
				return fmt.Errorf("reply %d: log-probs of %d tokens in pieces, %d in all", i, len(got.logprobs[i]), len(p.Done.Logprobs))
			}
		}
	}
	return nil
}

func checkLogprobs(c *chat.Completion) error {
	if c.Logprob == nil || len(c.Logprobs) == 0 {
		return fmt.Errorf("no log-probs")
	}
	text, sum := "", 0.
	for k, l := range c.Logprobs {
		if !(l.Logprob <= 1e-6) {
			return fmt.Errorf("token %d, %q: log-prob %v", k, l.Token, l.Logprob)
		}
		if len(l.Top) != 3 {
			return fmt.Errorf("token %d: %d alternatives, want 3", k, len(l.Top))
		}
		for j := 1; j < len(l.Top); j++ {
			if l.Top[j].Logprob > l.Top[j-1].Logprob {
				return fmt.Errorf("token %d: alternatives are not in order", k)
			}
		}
		text += spelled(l)
		sum += l.Logprob
	}
	if !(math.Abs(sum-*c.Logprob) <= 1e-3*float64(len(c.Logprobs))) { // NaN too
		return fmt.Errorf("log-prob of the reply is %v, its tokens have %v", *c.Logprob, sum)
	}
	if !strings.HasPrefix(whole(text), whole(c.Text)) {
		return fmt.Errorf("tokens make %q, the reply is %q", text, c.Text)
	}
	return nil
}

// whole is text less what is no whole character, which generators may show as they like.
func whole(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\uFFFD", "")
}

// spelled is the text of a token, exact where a token is no whole character.
func spelled(l chat.TokenLogprob) string {
	if len(l.Bytes) == 0 {
		return l.Token
	}
	b := make([]byte, len(l.Bytes))
	for i, x := range l.Bytes {
		b[i] = byte(x)
	}
	return string(b)
}

func sideBySide(ctx context.Context, s *subject) error {
	want, err := s.replies(ctx, s.draw(3, 8))
	if err != nil {
		return err
	}
	errs := make([]error, 4)
	var running sync.WaitGroup
	for k := range errs {
		running.Go(func() {
			got, err := s.replies(ctx, s.draw(3, 8))
			if err == nil {
				err = same(want, got, "alone", "side by side")
			}
			errs[k] = err
		})
	}
	running.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// same compares the texts of two draws.
func same(a, b drawn, nameA, nameB string) error {
	for i := range a.last {
		if a.text(i) != b.text(i) {
			return fmt.Errorf("reply %d: %s %q, %s %q", i, nameA, a.text(i), nameB, b.text(i))
		}
	}
	return nil
}
