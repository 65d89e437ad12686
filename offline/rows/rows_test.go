package rows

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumb/chat"
)

func readAll[T Row](t *testing.T, text string) ([]T, error) {
	t.Helper()
	var all []T
	for row, err := range Read[T]("f.jsonl", strings.NewReader(text)) {
		if err != nil {
			return all, err
		}
		all = append(all, row)
	}
	return all, nil
}

func number(x float64) *float64 { return &x }

func TestPreferenceShapes(t *testing.T) {
	user := []chat.Message{{Role: "user", Content: "hi"}}
	for _, c := range []struct {
		name, line string
		want       Preference
	}{
		{"plain", `{"prompt":"hi","chosen":"a","rejected":"b","category":7}`, Preference{Prompt: Plain("hi"), Chosen: Plain("a"), Rejected: Plain("b")}},
		{"messages", `{"prompt":[{"role":"user","content":"hi"}],"chosen":[{"role":"assistant","content":"a"}],"rejected":"b","weight":0.5,"margin":1,"user":"u","source":"human"}`,
			Preference{Prompt: Text{Messages: user}, Chosen: Text{Messages: []chat.Message{{Role: "assistant", Content: "a"}}}, Rejected: Plain("b"), Weight: number(.5), Margin: 1, User: "u", Source: "human"}},
		{"implicit prompt", `{"chosen":[{"role":"user","content":"hi"},{"role":"assistant","content":"a"}],"rejected":[{"role":"user","content":"hi"},{"role":"assistant","content":"b"}]}`,
			Preference{Prompt: Text{Messages: user}, Chosen: Text{Messages: []chat.Message{{Role: "assistant", Content: "a"}}}, Rejected: Text{Messages: []chat.Message{{Role: "assistant", Content: "b"}}}}},
		{"vote", `{"prompt":"hi","a":"x","b":"y","winner":"b","worker":12}`, Preference{Prompt: Plain("hi"), Chosen: Plain("y"), Rejected: Plain("x"), User: "12"}},
		{"tied vote", `{"prompt":"hi","a":"x","b":"y","winner":"tie"}`, Preference{Prompt: Plain("hi"), Chosen: Plain("x"), Rejected: Plain("y"), Tie: true}},
		{"empty reply", `{"prompt":"","chosen":"","rejected":"b"}`, Preference{Rejected: Plain("b")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readAll[Preference](t, c.line+"\n\n")
			if err != nil || len(got) != 1 {
				t.Fatalf("got %d rows, %v", len(got), err)
			}
			if d := cmp.Diff(c.want, got[0]); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestUnpairedLabels(t *testing.T) {
	for _, c := range []struct {
		line   string
		label  bool
		target float64
	}{
		{`"label":true`, true, 1}, {`"label":false`, false, 0}, {`"label":1`, true, 1}, {`"label":-1`, false, 0},
		{`"rating":"Excellent"`, true, 1}, {`"rating":"Not Good"`, false, .25}, {`"rating":3`, false, .5}, {`"rating":4,"label":true`, true, .75},
	} {
		got, err := readAll[Unpaired](t, `{"prompt":"p","completion":"c",`+c.line+`}`)
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Label != c.label || got[0].Target() != c.target {
			t.Errorf("%s: label %v, target %v", c.line, got[0].Label, got[0].Target())
		}
	}
}

func TestErrorsNameFileLineAndField(t *testing.T) {
	good := `{"prompt":"p","chosen":"a","rejected":"b"}` + "\n"
	for _, c := range []struct{ line, want string }{
		{`{"prompt":"p","chosen":"a"}`, "f.jsonl:2: rejected: missing"},
		{`{"chosen":"a","rejected":"b"}`, "prompt: missing"},
		{`{"prompt":3,"chosen":"a","rejected":"b"}`, "got 3, want a string or a list of messages"},
		{`{"prompt":[{"role":"robot","content":"x"}],"chosen":"a","rejected":"b"}`, `role: got "robot"`},
		{`{"prompt":[],"chosen":"a","rejected":"b"}`, "empty list"},
		{`{"prompt":"p","chosen":"a","rejected":"b","weight":-1}`, "weight: got -1"},
		{`{"prompt":"p","a":"x","b":"y","winner":"c"}`, `winner: got "c"`},
		{`["prompt"]`, "want a JSON object"},
		{`{"prompt":`, "f.jsonl:2"},
		{`null`, "want a JSON object"},
	} {
		got, err := readAll[Preference](t, good+c.line)
		if err == nil || !strings.Contains(err.Error(), c.want) || chat.KindOf(err) != chat.Invalid {
			t.Errorf("%s: got %v, want %q", c.line, err, c.want)
		}
		if len(got) != 1 {
			t.Errorf("%s: %d rows before the error, want 1", c.line, len(got))
		}
	}
	for _, c := range []struct{ line, want string }{
		{`{"prompt":"p","completion":"c"}`, "label: missing"},
		{`{"prompt":"p","completion":"c","label":"yes"}`, "label: got yes"},
		{`{"prompt":"p","completion":"c","rating":"Meh"}`, "rating: got Meh"},
		{`{"prompt":"p","completion":"c","rating":6}`, "rating: got 6"},
	} {
		if _, err := readAll[Unpaired](t, c.line); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.line, err, c.want)
		}
	}
	if _, err := readAll[Candidates](t, `{"prompt":"p","candidates":[{"score":1}]}`); err == nil || !strings.Contains(err.Error(), "candidates[0].text: missing") {
		t.Errorf("got %v", err)
	}
}

func TestDemonstrationsWithCandidates(t *testing.T) {
	got, err := readAll[Demonstration](t, `{"prompt":"p","completion":"c","candidates":["x",{"text":"y","log_weight":-0.5},{"text":""}],"weight":2}
{"prompt":"p","completion":"c"}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Demonstration{{Prompt: Plain("p"), Completion: Plain("c"), Candidates: []Candidate{{Text: "x"}, {Text: "y", LogWeight: number(-.5)}, {}}, Weight: number(2)},
		{Prompt: Plain("p"), Completion: Plain("c")}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, c := range []struct{ candidates, want string }{
		{`[{"score":1}]`, "candidates[0].text: missing"}, {`["x",3]`, "candidates[1]"}, {`"x"`, "candidates"}, {`[null]`, "candidates[0].text: missing"},
	} {
		if _, err := readAll[Demonstration](t, `{"prompt":"p","completion":"c","candidates":`+c.candidates+`}`); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.candidates, err, c.want)
		}
	}
}

func TestLongLine(t *testing.T) {
	_, err := readAll[Demonstration](t, `{"prompt":"p","completion":"`+strings.Repeat("x", MaxLine)+`"}`)
	if err == nil || !strings.Contains(err.Error(), "longer than 16 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestFilesAndRoundTrip(t *testing.T) {
	want := []Candidates{{Prompt: Plain("p"), Candidates: []Candidate{{Text: "<a> & b", Score: number(0)}, {Text: ""}}}, {Prompt: Plain("q"), Candidates: []Candidate{{Text: "é"}}}}
	var plain, zipped bytes.Buffer
	if err := Write(&plain, slices.Values(want)); err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(&zipped)
	z.Write(plain.Bytes())
	z.Close()
	dir := t.TempDir()
	a, b, empty := filepath.Join(dir, "a.jsonl"), filepath.Join(dir, "b.jsonl.gz"), filepath.Join(dir, "empty")
	os.WriteFile(a, plain.Bytes(), 0o600)
	os.WriteFile(b, zipped.Bytes(), 0o600)
	os.WriteFile(empty, nil, 0o600)
	got, err := ReadFiles[Candidates](a, b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(append(slices.Clone(want), want...), got); d != "" {
		t.Error(d)
	}
	if _, err := ReadFiles[Candidates](empty); err == nil {
		t.Error("an empty file was read without error")
	}
	if _, err := ReadFiles[Candidates](filepath.Join(dir, "none")); err == nil {
		t.Error("a missing file was read without error")
	}
	os.WriteFile(b, zipped.Bytes()[:zipped.Len()-12], 0o600)
	if _, err := ReadFiles[Candidates](b); err == nil {
		t.Error("a truncated gzip file was read without error")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"prompt":"hi","chosen":"a","rejected":"b","tie":true}`))
	f.Add([]byte(`{"chosen":[{"role":"user","content":"hi"},{"role":"assistant","content":"a"}],"rejected":[{"role":"user","content":"hi"},{"role":"assistant","content":"b"}]}`))
	f.Add([]byte(`{"prompt":"p","completion":"c","rating":"Poor","label":true}`))
	f.Add([]byte(`{"prompt":"p","candidates":[{"text":"x","score":1e400}]}`))
	f.Add([]byte(`{"prompt":"p","completion":"c","candidates":["x",{"text":"y","log_weight":-1}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		roundTrip[Preference](t, b)
		roundTrip[Unpaired](t, b)
		roundTrip[Demonstration](t, b)
		roundTrip[Candidates](t, b)
	})
}

// roundTrip checks that what can be read is read again the same after it is written.
func roundTrip[T Row](t *testing.T, b []byte) {
	for row, err := range Read[T]("f", bytes.NewReader(b)) {
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := Write(&out, slices.Values([]T{row})); err != nil {
			t.Fatal(err)
		}
		for again, err := range Read[T]("f", &out) {
			if err != nil {
				t.Fatalf("%s: %v", out.Bytes(), err)
			}
			if d := cmp.Diff(row, again); d != "" {
				t.Fatal(d)
			}
		}
	}
}
