package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain runs the tests; called as "plumb" it is the program, and as "status" a command of scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"plumb": main, "status": statusCommand})
}

// statusCommand is "status N command…": it succeeds if the command exits with status N.
func statusCommand() {
	want, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "status:", err)
		os.Exit(1)
	}
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "status:", err)
		os.Exit(1)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		fmt.Fprintf(os.Stderr, "status: got %d, want %d\n", got, want)
		os.Exit(1)
	}
}

// TestScripts runs testdata/script: the command line as scripts use it.
func TestScripts(t *testing.T) {
	models, err := filepath.Abs("../../lm/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("MODELS", models)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"lines": lines, "keys": keys, "value": value, "only": only, "cut": cut, "poke": poke,
		},
	})
}

// lines N: standard output is N lines, each one JSON value.
func lines(ts *testscript.TestScript, neg bool, args []string) {
	got := strings.Split(strings.TrimSuffix(ts.ReadFile("stdout"), "\n"), "\n")
	if want, _ := strconv.Atoi(args[0]); len(got) != want || neg {
		ts.Fatalf("%d lines, want %s: %q", len(got), args[0], got)
	}
	for _, line := range got {
		if !json.Valid([]byte(line)) {
			ts.Fatalf("not JSON: %q", line)
		}
	}
}

// last decodes the last line of standard output, which must be one JSON object.
func last(ts *testscript.TestScript) map[string]any {
	all := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	var v map[string]any
	if err := json.Unmarshal([]byte(all[len(all)-1]), &v); err != nil {
		ts.Fatalf("last line: %v in %q", err, all[len(all)-1])
	}
	return v
}

// at finds a value by its path: keys and indices with dots between.
func at(v any, path string) (any, bool) {
	if path == "" || path == "." {
		return v, true
	}
	step, rest, _ := strings.Cut(path, ".")
	switch v := v.(type) {
	case map[string]any:
		if one, ok := v[step]; ok {
			return at(one, rest)
		}
	case []any:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(v) {
			return at(v[i], rest)
		}
	}
	return nil, false
}

// keys PATH KEY…: the object at PATH of the last line has exactly these keys.
func keys(ts *testscript.TestScript, neg bool, args []string) {
	v, _ := at(last(ts), args[0])
	object, ok := v.(map[string]any)
	if !ok || neg {
		ts.Fatalf("%s is no object: %v", args[0], v)
	}
	var got []string
	for key := range object {
		got = append(got, key)
	}
	want := args[1:]
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		ts.Fatalf("keys %q, want %q", got, want)
	}
}

// value PATH JSON: what is at PATH of the last line.
func value(ts *testscript.TestScript, neg bool, args []string) {
	var want any
	if err := json.Unmarshal([]byte(args[1]), &want); err != nil {
		ts.Fatalf("%s: %v", args[1], err)
	}
	got, ok := at(last(ts), args[0])
	if same := ok && reflect.DeepEqual(got, want); same == neg {
		ts.Fatalf("%s: got %v, want %v (not: %v)", args[0], got, want, neg)
	}
}

// only DIR FILE…: the folder has exactly these files, hidden ones included.
func only(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	want := args[1:]
	slices.Sort(want)
	if !slices.Equal(got, want) || neg {
		ts.Fatalf("%s has %q, want %q", args[0], got, want)
	}
}

// cut FILE N: keeps the first N bytes.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// poke FILE OFFSET HEX: overwrites bytes.
func poke(ts *testscript.TestScript, _ bool, args []string) {
	offset, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	b, err := hex.DecodeString(args[2])
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY|os.O_CREATE, 0o600)
	ts.Check(err)
	_, err = f.WriteAt(b, offset)
	ts.Check(errors.Join(err, f.Close()))
}
