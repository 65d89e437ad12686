package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plumb runs the program and returns its exit status, its standard output and its standard error.
func runPlumb(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(context.Background(), args, strings.NewReader(stdin), &out, &errs, func(string) string { return "" })
	return status, out.String(), errs.String()
}

// lastLine decodes the last line of standard output.
func lastLine(t *testing.T, stdout string) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var v map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil {
		t.Fatalf("%v in %q", err, stdout)
	}
	return v
}

// writeRows puts rows into a file, gzip'd if its name says so.
func writeRows(t *testing.T, name string, rows ...any) string {
	t.Helper()
	var b bytes.Buffer
	for _, row := range rows {
		if err := json.NewEncoder(&b).Encode(row); err != nil {
			t.Fatal(err)
		}
	}
	if strings.HasSuffix(name, ".gz") {
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		z.Write(b.Bytes())
		z.Close()
		b = zipped
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

type jsonRow map[string]any

// thanks are replies of which those with thanks are the liked ones.
func thanks(i int) (good, bad string) {
	return fmt.Sprintf("Thank you for asking. The number is %d.", i%7), fmt.Sprintf("The number that you want is %d.", i%7)
}

func TestRewardModelCommands(t *testing.T) {
	var pairs, thumbs, pools, demos, held []any
	for i := range 60 {
		good, bad := thanks(i)
		prompt := fmt.Sprintf("Which number is number %d?", i)
		pairs = append(pairs, jsonRow{"prompt": prompt, "chosen": good, "rejected": bad})
		held = append(held, jsonRow{"prompt": []jsonRow{{"role": "user", "content": "Another " + prompt}}, "chosen": []jsonRow{{"role": "assistant", "content": good}}, "rejected": bad})
		thumbs = append(thumbs, jsonRow{"prompt": prompt, "completion": good, "label": true}, jsonRow{"prompt": prompt, "completion": bad, "label": false})
		pools = append(pools, jsonRow{"prompt": "More: " + prompt, "candidates": []jsonRow{{"text": good, "score": .9}, {"text": bad, "score": .2}, {"text": bad + " Yes.", "score": .1}}})
		demos = append(demos, jsonRow{"prompt": "More: " + prompt, "completion": good})
	}
	pairsFile, poolsFile := writeRows(t, "pairs.jsonl.gz", pairs...), writeRows(t, "pools.jsonl", pools...)
	heldFile := writeRows(t, "held.jsonl", held...)
	for _, c := range []struct {
		name string
		args []string
		want jsonRow // of the last line
	}{
		{"pairs, twice", []string{"--pairs", pairsFile, "--pairs", heldFile}, jsonRow{"pairs": 120., "prompts": 120.}},
		{"thumbs", []string{"--thumbs", writeRows(t, "thumbs.jsonl", thumbs...)}, jsonRow{"thumbs": 120., "pairs": 0.}},
		{"scores", []string{"--candidates", poolsFile}, jsonRow{"prompts": 60.}},
		{"demonstrations beside candidates", []string{"--demos", writeRows(t, "demos.jsonl", demos...), "--candidates", poolsFile}, jsonRow{"demonstrations": 60.}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "r.safetensors")
			status, stdout, stderr := runPlumb(t, "", append([]string{"rm", "train", "--out", out}, c.args...)...)
			if status != 0 {
				t.Fatalf("status %d: %s", status, stderr)
			}
			got := lastLine(t, stdout)
			for key, want := range c.want {
				if got[key] != want {
					t.Errorf("%s: got %v, want %v", key, got[key], want)
				}
			}
			if accuracy, ok := got["accuracy"].(float64); !ok || accuracy < .95 {
				t.Errorf("accuracy %v", got["accuracy"])
			}
			rewardModelIsUsable(t, out, heldFile, poolsFile)
		})
	}
}

// Demonstrations may bring the model's own replies along, and how likely each was where it was drawn.
func TestRewardModelFromDemonstrationsWithCandidates(t *testing.T) {
	var plain, weighted, signed []any
	for i := range 60 {
		good, bad := thanks(i)
		prompt := fmt.Sprintf("Which number is number %d?", i)
		other, _ := thanks(i + 1)
		own := []any{bad, bad + " Yes.", jsonRow{"text": other}, bad + " No."}
		plain = append(plain, jsonRow{"prompt": prompt, "completion": good, "candidates": own})
		skewed := append([]any{jsonRow{"text": bad, "log_weight": 6}}, own[1:]...)
		weighted = append(weighted, jsonRow{"prompt": prompt, "completion": good, "candidates": skewed})
		signed = append(signed, jsonRow{"prompt": prompt, "completion": bad + " Yours, Ada.", "candidates": []string{bad, bad + " Yes.", good, bad + " Well."}})
	}
	for _, c := range []struct {
		name             string
		rows             []any
		args             []string
		essMean          float64
		author, own      float64 // at least
		warning, nothing string
	}{
		{"plain", plain, nil, 4, .8, .9, "", "worth less"},
		{"own text in the fit", plain, []string{"--own-text", "0.5"}, 4, .8, .9, "", "worth less"},
		{"weighted", weighted, nil, 1.01, .8, 0, "60 demonstrations are worth less than half", ""},
		{"a signature", signed, nil, 4, .95, 0, "", "worth less"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"rm", "train", "--demos", writeRows(t, "demos.jsonl", c.rows...), "--out", filepath.Join(t.TempDir(), "r")}, c.args...)
			status, stdout, stderr := runPlumb(t, "", args...)
			if status != 0 {
				t.Fatalf("status %d: %s", status, stderr)
			}
			got := lastLine(t, stdout)
			number := func(key string) float64 {
				v, ok := got[key].(float64)
				if !ok {
					t.Fatalf("%s: got %v in %v", key, got[key], got)
				}
				return v
			}
			if math.Abs(number("ess_mean")-c.essMean) > .01 || number("ess_least") > c.essMean+.01 || number("demonstrations") != 60 {
				t.Errorf("got %v", got)
			}
			if number("author_accuracy") < c.author || number("own_accuracy") < c.own || number("own_pairs") != 60 {
				t.Errorf("author %v, own %v of %v", got["author_accuracy"], got["own_accuracy"], got["own_pairs"])
			}
			said := fmt.Sprint(got["warnings"])
			if !strings.Contains(said, c.warning) || !strings.Contains(stderr, c.warning) || c.nothing != "" && strings.Contains(said, c.nothing) {
				t.Errorf("warnings %v", got["warnings"])
			}
		})
	}
	// What is held against other people's text says nothing of the model's.
	strangers := []any{}
	for _, row := range plain {
		strangers = append(strangers, jsonRow{"prompt": row.(jsonRow)["prompt"], "completion": row.(jsonRow)["completion"]})
	}
	status, stdout, stderr := runPlumb(t, "", "rm", "train", "--demos", writeRows(t, "s.jsonl", strangers...), "--out", filepath.Join(t.TempDir(), "r"))
	if got := lastLine(t, stdout); status != 0 || got["author_accuracy"] != nil || got["own_accuracy"] != nil || !strings.Contains(stderr, "60 demonstrations have no candidates") {
		t.Errorf("status %d, %v: %s", status, got, stderr)
	}
	bad := writeRows(t, "bad.jsonl", jsonRow{"prompt": "x", "completion": "y", "candidates": []any{jsonRow{"score": 1}}})
	if status, _, stderr := runPlumb(t, "", "rm", "train", "--demos", bad, "--out", "x"); status != 1 || !strings.Contains(stderr, "bad.jsonl:1: candidates[0].text: missing") {
		t.Errorf("status %d: %s", status, stderr)
	}
}

func rewardModelIsUsable(t *testing.T, file, held, pools string) {
	t.Helper()
	good, bad := thanks(3)
	in := ""
	for _, reply := range []string{good, bad} {
		line, _ := json.Marshal(jsonRow{"prompt": "Which?", "response": reply})
		in += string(line) + "\n"
	}
	status, stdout, stderr := runPlumb(t, in, "rm", "score", "--rm", file)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if status != 0 || len(lines) != 2 {
		t.Fatalf("status %d, %q: %s", status, stdout, stderr)
	}
	a, b := lastLine(t, lines[0]), lastLine(t, lines[1])
	if !(a["reward"].(float64) > b["reward"].(float64)) || a["sd"] == nil || a["ood"] == nil {
		t.Errorf("scores %v and %v", a, b)
	}
	status, stdout, stderr = runPlumb(t, "", "rm", "eval", "--rm", file, "--pairs", held)
	e := lastLine(t, stdout)
	if status != 0 || e["n"] != 60. || e["accuracy"] != 1. || e["ece"] == nil || e["log_loss"] == nil {
		t.Errorf("status %d, evaluation %v: %s", status, e, stderr)
	}
	if _, ok := e["accuracy_equal_length"]; !ok {
		t.Errorf("no accuracy_equal_length in %v", e)
	}
	for _, rule := range []string{"max", "top_m", "auto", "soft", "bop", "chi2", "none"} {
		status, stdout, stderr = runPlumb(t, "", "eval", "bestofn", "--rm", file, "--candidates", pools, "--rule", rule, "--n", "1,3,8", "--subsets", "8")
		if status != 0 {
			t.Fatalf("status %d: %s", status, stderr)
		}
		got := lastLine(t, stdout)
		byN := got["by_n"].([]any)
		gold := func(i int) float64 { return byN[i].(map[string]any)["gold"].(float64) }
		if math.Abs(got["random"].(float64)-.4) > 1e-9 || math.Abs(got["oracle"].(float64)-.9) > 1e-9 || len(byN) != 3 {
			t.Errorf("%s: %v", rule, got)
		}
		if rule == "max" && (math.Abs(gold(0)-.4) > 1e-9 || math.Abs(gold(1)-.9) > 1e-9 || gold(2) != gold(1)) {
			t.Errorf("%s: gold %v, %v, %v; want .4, .9, .9", rule, gold(0), gold(1), gold(2))
		}
		if byN[2].(map[string]any)["capped"] != 60. || !strings.Contains(stderr, "fewer candidates") {
			t.Errorf("%s: n = 8 of 3 is not said to be capped: %q", rule, stderr)
		}
	}
}

func TestRewardModelCommandsRefuse(t *testing.T) {
	good, bad := thanks(1)
	pairs := writeRows(t, "p.jsonl", jsonRow{"prompt": "x", "chosen": good, "rejected": bad})
	model := filepath.Join(t.TempDir(), "r")
	if status, _, stderr := runPlumb(t, "", "rm", "train", "--pairs", pairs, "--out", model); status != 0 {
		t.Fatal(stderr)
	}
	broken := filepath.Join(t.TempDir(), "broken")
	os.WriteFile(broken, []byte("not a model"), 0o600)
	for _, c := range []struct {
		name   string
		stdin  string
		args   []string
		status int
		want   string
	}{
		{"nothing to learn from", "", []string{"rm", "train", "--out", model}, 2, "no feedback"},
		{"nowhere to write", "", []string{"rm", "train", "--pairs", pairs}, 2, "--out"},
		{"a file that is not there", "", []string{"rm", "train", "--pairs", "/nowhere", "--out", model}, 1, "/nowhere"},
		{"a row of another shape", "", []string{"rm", "train", "--pairs", writeRows(t, "q.jsonl", jsonRow{"prompt": "x", "label": true}), "--out", model}, 1, "q.jsonl:1: chosen: missing"},
		{"candidates without scores", "", []string{"rm", "train", "--candidates", writeRows(t, "c.jsonl", jsonRow{"prompt": "x", "candidates": []jsonRow{{"text": "a"}}}), "--out", model}, 1, "nothing can be learned"},
		{"no model", "", []string{"rm", "score", "--rm", broken}, 1, "safetensors"},
		{"a line without response", `{"prompt":"x"}`, []string{"rm", "score", "--rm", model}, 1, "line 1"},
		{"a bad line after a good one", "{\"prompt\":\"x\",\"response\":\"y\"}\n{", []string{"rm", "score", "--rm", model}, 1, "line 2"},
		{"an unknown rule", "", []string{"eval", "bestofn", "--rm", model, "--candidates", pairs, "--rule", "best"}, 2, "--rule"},
		{"n of 0", "", []string{"eval", "bestofn", "--rm", model, "--candidates", pairs, "--n", "0"}, 2, "--n: got 0"},
		{"no gold", "", []string{"eval", "bestofn", "--rm", model, "--candidates", writeRows(t, "g.jsonl", jsonRow{"prompt": "x", "candidates": []jsonRow{{"text": "a"}}})}, 1, "no gold"},
	} {
		status, _, stderr := runPlumb(t, c.stdin, c.args...)
		if status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: status %d, %q; want %d, %q", c.name, status, stderr, c.status, c.want)
		}
	}
}
