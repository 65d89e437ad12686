package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The command line from votes to a model, to one made again without somebody's votes: its weights are those of a model that never had
// them.
func TestForgetOnTheCommandLine(t *testing.T) {
	if testing.Short() {
		t.Skip("trains the built-in model three times")
	}
	var everybody, others []any
	for i := range 60 {
		user := fmt.Sprint("person ", i%5)
		good, bad := thanks(i)
		row := jsonRow{"prompt": fmt.Sprint("What about ", i/2, "?"), "chosen": good, "rejected": bad, "user": user}
		if everybody = append(everybody, row); user != "person 3" {
			others = append(others, row)
		}
	}
	last := func(into any, args ...string) (stderr string) {
		t.Helper()
		status, stdout, stderr := runPlumb(t, "", args...)
		lines := strings.Split(strings.TrimSpace(stdout), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), into); status != 0 || err != nil {
			t.Fatalf("plumb %s: %d, %v: %s", strings.Join(args, " "), status, err, stderr)
		}
		return stderr
	}
	install := func(rows []any) (dir string, run alignResult) {
		t.Helper()
		dir = t.TempDir()
		last(&imported{}, "data", "import", "--data", dir, "--salt", "the same salt for both", "--kind", "preference", writeRows(t, "votes.jsonl", rows...))
		last(&run, "align", "run", "--data", dir, "--method", "dpo", "--seed", "3", "--no-publish", "--lr", "1e-3", "--epochs", "1", "--rank", "4",
			"--prompts", "2", "--max-tokens", "8", "--lenient")
		if run.Weights == "" || run.Model != "" || run.Decision != "passed" && run.Decision != "rejected" {
			t.Fatalf("%+v", run)
		}
		return dir, run
	}
	dir, saw := install(everybody)
	neverDir, never := install(others)
	var f forgotten
	said := last(&f, "align", "forget", "person 3", "--data", dir, "--salt", "the same salt for both", "--again", saw.Run)
	if f.Rows != 24 || !slices.Equal(f.Runs, []string{saw.Run}) || f.Again == nil || !strings.Contains(said, "12 votes and 12 prompts") {
		t.Fatalf("%+v: %s", f, said)
	}
	if f.Again.Weights != never.Weights || f.Again.Weights == saw.Weights {
		t.Errorf("weights %.8s made again, %.8s of one that never saw, %.8s before", f.Again.Weights, never.Weights, saw.Weights)
	}
	var a, b lineage
	said = last(&a, "align", "lineage", f.Again.Run, "--data", dir)
	last(&b, "align", "lineage", never.Run, "--data", neverDir)
	if a.Weights != never.Weights || a.DataRoot != b.DataRoot || a.Pairs != b.Pairs || a.Users != 4 || a.Base != b.Base || a.Run != f.Again.Run || a.Parent != "" {
		t.Errorf("%+v, never saw %+v", a, b)
	}
	for _, want := range []string{"again    of " + saw.Run, "method   dpo (asked for)", "gate     ", "before it the untouched base plumb-tiny"} {
		if !strings.Contains(said, want) {
			t.Errorf("lineage does not say %q: %s", want, said)
		}
	}
	if said = last(&a, "align", "lineage", saw.Run, "--data", dir); !strings.Contains(said, "erased   of its users since: 1,") {
		t.Errorf("lineage of what learned from the user: %s", said)
	}
}
