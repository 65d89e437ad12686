package rm

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"plumb/chat"
)

// surfaceOf returns the surface features of a reply by name.
func surfaceOf(t *testing.T, prompt, reply string) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	l := NewLexical(0)
	err := l.Extract(context.Background(), ask(prompt), []string{reply}, func(_ int, r Row) {
		for j, name := range l.Spec().Dense {
			out[name] = r.Dense[j]
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSurfaceFeatures(t *testing.T) {
	for _, c := range []struct {
		name, prompt, reply, feature string
		want                         float64
	}{
		{"words", "", "It's a well-known fact.", "log_words", math.Log1p(5)},
		{"apostrophe", "", "It’s fine", "word_length", 4}, // it's, fine
		{"ideographs", "", "你好世界", "log_words", math.Log1p(4)},
		{"sentences", "", "One. Two! Three? 3.5 is no end.", "log_sentences", math.Log1p(4)},
		{"no mark is one sentence", "", "just words", "log_sentences", math.Log1p(1)},
		{"bullets", "", "Here:\n- a\n* b\n1. c\n2) d\n-no", "list_items", math.Log1p(4)},
		{"numbers", "", "1. a\n2. b\n2024 was fine", "numbered_items", math.Log1p(2)},
		{"two items are a list", "", "- a\n- b", "has_list", 1},
		{"one is none", "", "- a", "has_list", 0},
		{"paragraphs", "", "a\n\nb\n\nc", "log_paragraphs", math.Log1p(2)},
		{"question at the end", "", "Fine. And you? ", "ends_with_question", 1},
		{"question in the middle", "", "And you? Fine.", "ends_with_question", 0},
		{"cut off", "", "This stops in the", "ends_complete", 0},
		{"capitals", "", "NASA flew a ROCKET", "all_caps", math.Log1p(2)},
		{"code", "", "```go\nx\n```", "code", math.Log1p(2)},
		{"links", "", "see https://a.b and http://c.d", "links", math.Log1p(2)},
		{"bold", "", "**a** b", "bold", math.Log1p(2)},
		{"repetition", "", "a b a b a b", "repetition", 3. / 6},
		{"variety", "", "a b a b", "variety", .5},
		{"overlap", "Name three rivers", "rivers and stones", "prompt_overlap", .5},
		{"coverage", "Name three rivers", "rivers and stones", "prompt_coverage", 1. / 3},
		{"copied", "Name three rivers", "name three rivers", "prompt_copied", 2. / 3},
		{"example", "", "Pets, for example, a cat", "examples", math.Log1p(2)}, // "example" and "for example"
		{"refusal", "", "I cannot do that", "refusals", math.Log1p(1)},
		{"obliging", "", "Of course, here it is", "opens_obliging", 1},
		{"empty", "x", " \n", "empty", 1},
	} {
		if got := surfaceOf(t, c.prompt, c.reply)[c.feature]; math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %s of %q is %v, want %v", c.name, c.feature, c.reply, got, c.want)
		}
	}
}

// A change of what the columns mean must come with a new version: models fitted before would be silently wrong.
func TestColumnsAreWhatTheVersionSays(t *testing.T) {
	const want = "1fc2"
	if got := fingerprint(t); got != want {
		t.Errorf("fingerprint %s, want %s: the features changed. Raise lexicalVersion, then put the new fingerprint here", got, want)
	}
}

func checkRow(t *testing.T, s Spec, r Row) {
	t.Helper()
	if len(r.Dense) != len(s.Dense) || len(r.Index) != len(r.Value) {
		t.Fatalf("%d dense values, %d indices, %d values", len(r.Dense), len(r.Index), len(r.Value))
	}
	for j, x := range r.Dense {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			t.Fatalf("%s is %v", s.Dense[j], x)
		}
	}
	seen := map[uint32]bool{}
	for i, column := range r.Index {
		if int(column) >= s.Sparse || seen[column] {
			t.Fatalf("column %d twice, or not below %d", column, s.Sparse)
		}
		seen[column] = true
		if math.IsNaN(float64(r.Value[i])) || math.IsInf(float64(r.Value[i]), 0) {
			t.Fatalf("value %v", r.Value[i])
		}
	}
}

func FuzzLexical(f *testing.F) {
	for _, s := range []string{"", "Hello, world!", "你好，世界", "\xff\xfe'’'", "1. a\n2. b\n\n```x```", strings.Repeat("🙂", 50), "a'b’c''d", "***\n---\n###"} {
		f.Add("What is this?", s)
	}
	l := NewLexical(10)
	f.Fuzz(func(t *testing.T, prompt, reply string) {
		var alone, beside []float64
		l.Extract(context.Background(), ask(prompt), []string{reply}, func(_ int, r Row) {
			checkRow(t, l.Spec(), r)
			alone = slices.Clone(r.Dense)
		})
		// What was read before leaves no trace.
		l.Extract(context.Background(), ask(prompt), []string{prompt + reply, reply}, func(i int, r Row) {
			if i == 1 {
				beside = slices.Clone(r.Dense)
			}
		})
		if !slices.Equal(alone, beside) {
			t.Fatalf("%q is read as %v alone and as %v after another reply", reply, alone, beside)
		}
	})
}

func TestHugeText(t *testing.T) {
	l := NewLexical(0)
	huge := strings.Repeat("word after word, and a line\n", 200_000)
	if !utf8.ValidString(huge) {
		t.Fatal()
	}
	l.Extract(context.Background(), ask(huge), []string{huge, strings.Repeat("x", 5_000_000)}, func(_ int, r Row) { checkRow(t, l.Spec(), r) })
}

func BenchmarkLexical(b *testing.B) {
	l := NewLexical(0)
	reply := strings.Repeat("Here are three tips, for example: go to bed early, don't drink coffee after noon, and keep the room dark.\n", 8)
	for i := range 60 {
		reply += " word" + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	prompt := []chat.Message{{Role: chat.User, Content: "How can I sleep better at night?"}}
	replies := []string{reply, reply, reply, reply, reply, reply, reply, reply}
	b.ReportAllocs()
	for b.Loop() {
		l.Extract(context.Background(), prompt, replies, func(int, Row) {})
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/8, "µs/reply")
}
