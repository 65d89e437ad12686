package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "write the table of settings into docs/operations.md")

// Marks in docs/operations.md between which the table of settings stands.
const (
	tableBegins = "<!-- settings: go test ./cmd/plumb -run TestSettingsTable -update -->\n"
	tableEnds   = "<!-- end of settings -->\n"
)

// The manual's table of settings is made from the flags, so that it cannot tell anything else.
func TestSettingsTable(t *testing.T) {
	const file = "../../docs/operations.md"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), tableBegins)
	got, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		t.Fatalf("%s has no marks", file)
	}
	want := settingsTable(t)
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("%s is behind the flags: run %q", file, "go test ./cmd/plumb -run TestSettingsTable -update")
	}
	if err := os.WriteFile(file, []byte(before+tableBegins+want+tableEnds+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// settingsTable has every setting of serve and of align run: those that both have, then each one's own.
func settingsTable(t *testing.T) string {
	t.Helper()
	serve, run := flagsOf(t, "serve"), flagsOf(t, "align", "run")
	var b strings.Builder
	table := func(heading string, flags []*kong.Flag, where func(*kong.Flag) bool) {
		fmt.Fprintf(&b, "\n%s\n\n| setting | default | meaning |\n|---|---|---|\n", heading)
		for _, f := range flags {
			if where(f) {
				value := ""
				if f.HasDefault && f.Default != "" {
					value = "`" + f.Default + "`"
				} else if f.IsBool() {
					value = "`false`"
				}
				help := f.Help
				if f.Enum != "" {
					help += " One of " + strings.Join(f.EnumSlice(), ", ") + "."
				}
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", settingKey(f), value, strings.ReplaceAll(help, "|", `\|`))
			}
		}
	}
	has := func(flags []*kong.Flag, f *kong.Flag) bool {
		for _, other := range flags {
			if settingKey(other) == settingKey(f) {
				return true
			}
		}
		return false
	}
	table("Where things are (`serve`, `demo`, `align`, `doctor`):", serve, func(f *kong.Flag) bool { return has(run, f) })
	table("How the server behaves (`serve`, `demo`):", serve, func(f *kong.Flag) bool { return !has(run, f) })
	table("How models are trained and judged (`align run`):", run, func(f *kong.Flag) bool { return !has(serve, f) })
	b.WriteString("\n")
	return b.String()
}

// flagsOf returns the flags of a command that are settings.
func flagsOf(t *testing.T, path ...string) (flags []*kong.Flag) {
	t.Helper()
	n := model(t).Node
	for _, name := range path {
		var next *kong.Node
		for _, child := range n.Children {
			if child.Name == name {
				next = child
			}
		}
		if next == nil {
			t.Fatalf("no command %v", path)
		}
		n = next
	}
	for _, f := range n.Flags {
		if f.Name != "help" && !f.Hidden {
			flags = append(flags, f)
		}
	}
	return flags
}
