package token

import (
	"slices"
	"strings"
	"testing"
)

func TestTrainMergesTheMostFrequentPairFirst(t *testing.T) {
	// "aa" occurs 6 times (3 in each aaaa, overlaps counted), "ab" twice; then "ab" and "aaaa" twice each: a tie.
	trained, err := Train(slices.Values([]string{"aaaa", "aaaa", "ab", "ab"}), "gpt-2", 2+256+3, []string{"<|end|>", "<|start|>"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a a", "a b", "aa aa"}; !slices.Equal(trained.Merges, want) {
		t.Errorf("merges %q, want %q", trained.Merges, want)
	}
	if trained.Types[0] != Control || trained.Types[2] != Normal || len(trained.Tokens) != len(trained.Types) {
		t.Errorf("types %v", trained.Types[:4])
	}
}

func TestTrainIsDeterministicAndStopsEarly(t *testing.T) {
	texts := slices.Values(strings.Fields("one two three one two one"))
	a, errA := Train(texts, "smollm", 1000, nil)
	b, errB := Train(texts, "smollm", 1000, nil)
	if errA != nil || errB != nil || !slices.Equal(a.Merges, b.Merges) {
		t.Fatal(errA, errB, a.Merges, b.Merges)
	}
	if len(a.Tokens) >= 1000 {
		t.Errorf("%d tokens from six words", len(a.Tokens))
	}
}

func TestTrainRefuses(t *testing.T) {
	if _, err := Train(slices.Values([]string{"x"}), "nope", 1000, nil); err == nil || !strings.Contains(err.Error(), `"nope"`) {
		t.Error(err)
	}
	if _, err := Train(slices.Values([]string{"x"}), "gpt-2", 100, nil); err == nil || !strings.Contains(err.Error(), "256") {
		t.Error(err)
	}
}
