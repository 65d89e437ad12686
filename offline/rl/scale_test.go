package rl

import (
	"math"
	"testing"

	"plumb/chat"
)

// Two prompts, replies 1 apart around 10 and around −4: the deviation within a prompt is √½, whatever lies between the prompts.
func TestScale(t *testing.T) {
	rewards := []chat.Reward{{Reward: 9.5}, {Reward: 10.5}, {Reward: -4.5}, {Reward: -3.5}}
	s := newScale(rewards, 2, Config{Conservatism: 1})
	if s.RawMean != 3 || math.Abs(s.RawSD-math.Sqrt(.5)) > 1e-12 || s.Mean != 3 || s.SD != s.RawSD {
		t.Errorf("%+v", s)
	}
	c := Config{Conservatism: 2, RewardClip: 5, EndPenalty: 1.5}
	s = scale{RawMean: 1, RawSD: 2, Mean: -1, SD: 4}
	for _, x := range []struct {
		name  string
		r     chat.Reward
		ended bool
		want  float64
	}{
		{"plain", chat.Reward{Reward: 3}, true, 1},
		{"spread", chat.Reward{Reward: 3, SD: .5}, true, .75},   // 2·.5/4 less
		{"unknown", chat.Reward{Reward: 3, OOD: 3}, true, -.5},  // 2/2·3·2/4 less
		{"cut", chat.Reward{Reward: 3}, false, -.5},             // 1.5 less
		{"high", chat.Reward{Reward: 1e6}, true, 5},             // clipped
		{"low and cut", chat.Reward{Reward: -1e6}, false, -6.5}, // clipped, then 1.5 less
	} {
		if got := s.score(x.r, x.ended, c); math.Abs(got-x.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", x.name, got, x.want)
		}
	}
	off := Config{Conservatism: -1, RewardClip: -1, EndPenalty: -1}
	if got := s.score(chat.Reward{Reward: 399, SD: 9, OOD: 9}, false, off); got != 100 {
		t.Errorf("all switched off: %v, want 100", got)
	}
	for name, equal := range map[string][]chat.Reward{"equal": {{Reward: .1}, {Reward: .1}, {Reward: .1}, {Reward: .1}}, "one": {{Reward: 7}}} {
		if s := newScale(equal, 2, off); s.SD != 1 || s.RawSD != 1 {
			t.Errorf("%s rewards: %+v, want deviations of 1", name, s)
		}
	}
	// In groups of one the deviation is taken over all.
	if s := newScale(rewards[:2], 1, off); math.Abs(s.SD-math.Sqrt(.5)) > 1e-12 {
		t.Errorf("groups of one: %+v", s)
	}
}
