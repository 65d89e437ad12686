package token

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSmolLM2(t *testing.T) {
	tokenizer := smollm2(t)
	for _, r := range load(t, "smollm2-ids").Rows {
		plain := r.Plain
		if plain == nil {
			plain = r.IDs
		}
		if got := tokenizer.Encode(r.Text, true); !slices.Equal(got, r.IDs) {
			t.Errorf("Encode(%q, special) = %v, want %v", r.Text, got, r.IDs)
		}
		if got := tokenizer.Encode(r.Text, false); !slices.Equal(got, plain) {
			t.Errorf("Encode(%q, plain) = %v, want %v", r.Text, got, plain)
		}
		if got := tokenizer.Decode(plain); got != r.Text && !lost(tokenizer, r.Text) {
			t.Errorf("Decode(Encode(%q)) = %q", r.Text, got)
		}
	}
	if tokenizer.Size() != 49152 || tokenizer.EOT != 2 || tokenizer.BOS != 1 || tokenizer.AddBOS || !tokenizer.IsEnd(0) || tokenizer.IsEnd(1) {
		t.Errorf("size %d, EOT %d, BOS %d, AddBOS %v", tokenizer.Size(), tokenizer.EOT, tokenizer.BOS, tokenizer.AddBOS)
	}
}

// lost reports whether text has a byte that the vocabulary lacks.
func lost(t *Tokenizer, text string) bool {
	b := t.kind.(*bpe)
	for i := range len(text) {
		if b.bytes[text[i]] < 0 {
			return true
		}
	}
	return false
}

func TestTiny(t *testing.T) {
	f := load(t, "tiny")
	tokenizer := newTokenizer(t, f.Keys)
	for _, r := range f.Rows {
		if got := tokenizer.Encode(r.Text, true); !slices.Equal(got, r.IDs) {
			t.Errorf("Encode(%q) = %v, want %v", r.Text, got, r.IDs)
		}
		if got := tokenizer.Decode(r.IDs); got != r.Text {
			t.Errorf("Decode(Encode(%q)) = %q", r.Text, got)
		}
	}
}

func TestStories260K(t *testing.T) {
	f := load(t, "stories260k")
	tokenizer := newTokenizer(t, f.Keys)
	for _, r := range f.Rows {
		want := r.IDs[1:] // BOS
		if r.Llama != nil {
			want = r.Llama // a literal ▁ is a space for SentencePiece
		}
		if got := tokenizer.Encode(r.Text, false); !slices.Equal(got, want) {
			t.Errorf("Encode(%q) = %v, want %v", r.Text, got, want)
		}
		if got := tokenizer.Decode(want); got != strings.ReplaceAll(r.Text, mark, " ") {
			t.Errorf("Decode(Encode(%q)) = %q", r.Text, got)
		}
		if got := string(tokenizer.Bytes(r.Greedy)); got != r.GreedyText {
			t.Errorf("Bytes = %q, want %q", got, r.GreedyText)
		}
	}
	if !tokenizer.AddBOS || tokenizer.BOS != 1 || tokenizer.EOS != 2 || tokenizer.EOT != -1 || !tokenizer.IsEnd(2) {
		t.Errorf("BOS %d, EOS %d, EOT %d, AddBOS %v", tokenizer.BOS, tokenizer.EOS, tokenizer.EOT, tokenizer.AddBOS)
	}
}

func TestSpecialTokensInSentencePiece(t *testing.T) {
	tokenizer := newTokenizer(t, load(t, "stories260k").Keys)
	got := tokenizer.Encode("<s>a</s>a", true)
	want := slices.Concat([]int32{1}, tokenizer.Encode("a", false), []int32{2}, tokenizer.Encode("a", false))
	if !slices.Equal(got, want) {
		t.Errorf("Encode = %v, want %v: after a special token a text begins anew", got, want)
	}
}

// Texts that make a naive tokenizer quadratic or worse: each must pass within the test's own time.
func TestLongTexts(t *testing.T) {
	spm := newTokenizer(t, load(t, "stories260k").Keys)
	for name, unit := range map[string]string{
		"one letter": "a", "spaces": " ", "lines": "\n", "spaces and lines": " \n", "digits": "7", "marks": "!", "open specials": "<|im_", "quotes": "'",
		"emoji": "🙂", "half a character": "\xf0\x9f", "accents": "e\u0301",
	} {
		text := strings.Repeat(unit, 1<<18/len(unit))
		t.Run(name, func(t *testing.T) {
			for pre := range pretokenizers {
				n := 0
				for word := range pretokenizers[pre].words(text) {
					n += len(word)
				}
				if n != len(text) {
					t.Errorf("%q: words of %d bytes, want %d", pre, n, len(text))
				}
			}
			b := smollm2(t)
			if got := b.Decode(b.Encode(text, true)); got != text && !lost(b, text) {
				t.Error("byte-level BPE: decoded text differs")
			}
			if got := spm.Decode(spm.Encode(text, true)); got != text {
				t.Error("SentencePiece: decoded text differs")
			}
		})
	}
}

func TestPretokenizers(t *testing.T) {
	for _, test := range []struct{ pre, text, want string }{
		{"gpt-2", "Hello world's  3 cats, 12345!\n\n x", "Hello| world|'s| | 3| cats|,| 12345|!|\n\n| x"},
		{"gpt-2", "I'LL we'll\t\tx ", "I|'|LL| we|'ll|\t|\t|x| "},
		{"smollm", "in 2024 x²", "in| |2|0|2|4| x|²"},
		{"smollm", "a  5", "a|  |5"},
		{"llama-bpe", "I'LL say 12345\n\n  (hi)...\r\n\tx  ", "I|'LL| say| |123|45|\n\n| | (|hi|)...\r\n|\tx|  "},
		{"llama-bpe", "'re're 'S _a \n \nb", "'re|'re| '|S| _|a| \n \n|b"},
		{"qwen2", "in 2024\n", "in| |2|0|2|4|\n"},
		{"default", "a+b 12345, 1٣234 x", "a|+|b| |123|45|,| |1٣|234| x"},
	} {
		var got []string
		for word := range pretokenizers[test.pre].words(test.text) {
			got = append(got, word)
		}
		if s := strings.Join(got, "|"); s != test.want {
			t.Errorf("%s: %q, want %q", test.pre, s, test.want)
		}
	}
}

func TestMergeHeapEqualsScan(t *testing.T) {
	b := smollm2(t).kind.(*bpe)
	for _, r := range load(t, "smollm2-ids").Rows {
		var ids []int32
		for i := 0; i < len(r.Text) && len(ids) < maxScan; i++ {
			if id := b.bytes[r.Text[i]]; id >= 0 {
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			continue
		}
		heap := slices.Clone(ids)
		ids, heap = ids[:b.mergeScan(ids)], heap[:b.mergeHeap(heap)]
		if !slices.Equal(ids, heap) {
			t.Errorf("%.48q: scan %v, heap %v", r.Text, ids, heap)
		}
	}
}

func TestWholeWords(t *testing.T) {
	keys := load(t, "tiny").Keys
	tokens := append(slices.Clone(keys["tokens"].([]any)), "zebra")
	types := append(slices.Clone(keys["token_type"].([]any)), 1.0)
	keys = keys.with("tokens", tokens).with("token_type", types)
	last := int32(len(tokens) - 1)
	if got := newTokenizer(t, keys.with("pre", "llama-bpe")).Encode("zebra", false); !slices.Equal(got, []int32{last}) {
		t.Errorf("llama-bpe: %v, want the whole word %d", got, last)
	}
	if got := newTokenizer(t, keys).Encode("zebra", false); slices.Contains(got, last) {
		t.Errorf("smollm: %v holds %d, which no merge makes", got, last)
	}
}

func TestUserDefinedTokens(t *testing.T) {
	keys := load(t, "tiny").Keys
	tokens := append(slices.Clone(keys["tokens"].([]any)), "<<", "<<x")
	types := append(slices.Clone(keys["token_type"].([]any)), 4.0, 4.0)
	tokenizer := newTokenizer(t, keys.with("tokens", tokens).with("token_type", types))
	got := tokenizer.Encode("<<x<<<<|im_end|>", false)
	n := int32(len(tokens))
	want := append([]int32{n - 1, n - 2, n - 2}, tokenizer.Encode("|im_end|>", false)...)
	if !slices.Equal(got, want) {
		t.Errorf("Encode = %v, want %v", got, want)
	}
}

func TestStream(t *testing.T) {
	tokenizer := smollm2(t)
	for _, r := range load(t, "smollm2-ids").Rows {
		s := tokenizer.Stream()
		var out strings.Builder
		for _, id := range r.IDs {
			text := s.Push(id)
			if !utf8.ValidString(text) {
				t.Fatalf("%q: half a character %q", r.Text, text)
			}
			out.WriteString(text)
		}
		out.WriteString(s.Flush())
		if want := tokenizer.Decode(r.IDs); out.String() != want {
			t.Errorf("streamed %q, want %q", out.String(), want)
		}
	}
	s := tokenizer.Stream()
	ids := tokenizer.Encode("🙂", false)
	if len(ids) < 2 {
		t.Skip("one token")
	}
	if got := s.Push(ids[0]) + s.Flush(); got == "" || strings.Trim(got, "\ufffd") != "" {
		t.Errorf("a character cut short gives %q, want U+FFFD", got)
	}
}

func TestUnknownIDs(t *testing.T) {
	tokenizer := smollm2(t)
	for _, id := range []int32{-1, 49152, 1 << 30} {
		if p := tokenizer.Piece(id); p != nil {
			t.Errorf("Piece(%d) = %q", id, p)
		}
		if tokenizer.IsEnd(id) || tokenizer.Type(id) != 0 {
			t.Errorf("id %d is known", id)
		}
	}
	if got := tokenizer.Decode([]int32{-5, 1 << 30}); got != "" {
		t.Errorf("Decode = %q", got)
	}
}

func TestBadKeys(t *testing.T) {
	bpe, spm := load(t, "tiny").Keys, load(t, "stories260k").Keys
	for _, test := range []struct {
		name  string
		keys  keyMap
		words string
	}{
		{"nothing", keyMap{}, "tokens is missing"},
		{"no model", bpe.with("model", nil), `model is ""`},
		{"other model", bpe.with("model", "bert"), `"bert"; gpt2 and llama are supported`},
		{"other pre", bpe.with("pre", "gpt-9"), `pre is "gpt-9"; supported are codeshell`},
		{"no tokens", bpe.with("tokens", []any{}), "tokens is empty"},
		{"tokens of numbers", bpe.with("tokens", []any{1.0}), "tokens is missing"},
		{"few types", bpe.with("token_type", []any{1.0}), "token_type has 1 entries for 600 tokens"},
		{"odd type", spm.with("token_type", changed(spm["token_type"], 7, 9.0)), "token 7 has type 9"},
		{"no merges", bpe.with("merges", nil), "merges is missing"},
		{"merge of one", bpe.with("merges", []any{"abc"}), `entry 0 is "abc"`},
		{"merge of nothing", bpe.with("merges", []any{"a "}), `entry 0 is "a "`},
		{"merge of strangers", bpe.with("merges", []any{"a qqq"}), `"qqq" is no token`},
		{"eos outside", bpe.with("eos_token_id", 600.0), "eos_token_id is 600; want less than the 600 tokens"},
		{"no scores", spm.with("scores", nil), "scores has 0 numbers"},
		{"byte that is none", spm.with("tokens", changed(spm["tokens"], 3, "<0xZZ>")), "byte token 3"},
		{"long special", bpe.with("tokens", changed(bpe["tokens"], 0, strings.Repeat("x", 1025))), "special token 0 has 1025 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := New(test.keys); err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("error %v, want one with %q", err, test.words)
			}
		})
	}
}

func changed(values any, at int, value any) []any {
	out := slices.Clone(values.([]any))
	out[at] = value
	return out
}

func FuzzEncode(f *testing.F) {
	for _, r := range load(f, "smollm2-ids").Rows[:80] {
		f.Add(r.Text)
	}
	tiny, stories := newTokenizer(f, load(f, "tiny").Keys), newTokenizer(f, load(f, "stories260k").Keys)
	f.Fuzz(func(t *testing.T, text string) {
		for _, special := range []bool{false, true} {
			if got := tiny.Decode(tiny.Encode(text, special)); got != text {
				t.Errorf("byte-level BPE: %q became %q", text, got)
			}
			if got := stories.Decode(stories.Encode(text, special)); got != strings.ReplaceAll(text, mark, " ") && !special {
				t.Errorf("SentencePiece: %q became %q", text, got)
			}
		}
		s := tiny.Stream()
		streamed := ""
		for _, id := range tiny.Encode(text, true) {
			streamed += s.Push(id)
		}
		if streamed += s.Flush(); streamed != strings.ToValidUTF8(text, "\ufffd") && utf8.ValidString(text) || !utf8.ValidString(streamed) {
			t.Errorf("%q streamed as %q", text, streamed)
		}
		for name, pre := range pretokenizers {
			var joined strings.Builder
			for word := range pre.words(text) {
				joined.WriteString(word)
			}
			if joined.String() != text {
				t.Errorf("%q: the words of %q join to %q", name, text, joined.String())
			}
		}
	})
}

// FuzzNew builds tokenizers from hostile keys: an error or a tokenizer that works, never a panic.
func FuzzNew(f *testing.F) {
	f.Add("gpt2", "smollm", "a\nb\nab", "a b", []byte{1, 1, 1}, uint64(2), "abab")
	f.Add("llama", "", "<0x41>\n▁\nb", "", []byte{6, 1, 4}, uint64(1), "A b")
	f.Fuzz(func(t *testing.T, model, pre, tokens, merges string, types []byte, eos uint64, text string) {
		keys := keyMap{"model": model, "pre": pre, "eos_token_id": float64(eos)}
		var ts, ms, ty, scores []any
		for s := range strings.SplitSeq(tokens, "\n") {
			ts, scores = append(ts, s), append(scores, float64(len(s)))
		}
		for s := range strings.SplitSeq(merges, "\n") {
			ms = append(ms, s)
		}
		for _, b := range types {
			ty = append(ty, float64(b))
		}
		keys["tokens"], keys["merges"], keys["token_type"], keys["scores"] = ts, ms, ty, scores
		tokenizer, err := New(keys)
		if err != nil {
			return
		}
		for _, id := range tokenizer.Encode(text, true) {
			if id < 0 || int(id) >= tokenizer.Size() {
				t.Errorf("Encode gave id %d of %d", id, tokenizer.Size())
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	tokenizer := smollm2(b)
	text := strings.Repeat("The quick brown fox jumps over the lazy dog, doesn't it? ", 100)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		tokenizer.Encode(text, true)
	}
}

func BenchmarkNew(b *testing.B) {
	keys := load(b, "tiny").Keys
	for b.Loop() {
		if _, err := New(keys); err != nil {
			b.Fatal(err)
		}
	}
}
