package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// Each testdata/settings/*.bad.yaml begins with what is said of it, a line after "# want: "; FILE stands for its path.
func TestSettingsRefuse(t *testing.T) {
	files, err := filepath.Glob("testdata/settings/*.bad.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			for line := range strings.Lines(string(text)) {
				if rest, ok := strings.CutPrefix(line, "# want: "); ok {
					want += strings.ReplaceAll(rest, "FILE", file)
				}
			}
			status, stdout, stderr := runPlumb(t, "", "align", "status", "--config", file, "--data", t.TempDir())
			if status != 2 || stdout != "" || stderr != want {
				t.Errorf("status %d, %q;\ngot  %q\nwant %q", status, stdout, stderr, want)
			}
		})
	}
}

func TestSettingsFindTheFile(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		env  string
		want string
	}{
		{"none", []string{"serve"}, "", ""},
		{"a word", []string{"serve", "--config", "a.yaml"}, "b.yaml", "a.yaml"},
		{"with =", []string{"--config=a.yaml", "serve"}, "", "a.yaml"},
		{"the environment's", []string{"serve"}, "b.yaml", "b.yaml"},
		{"after --", []string{"align", "promote", "--", "--config", "a.yaml"}, "", ""},
		{"without a value", []string{"serve", "--config"}, "", ""},
	} {
		file := configFile(c.args)
		if file == "" {
			file = c.env
		}
		if file != c.want {
			t.Errorf("%s: got %q, want %q", c.name, file, c.want)
		}
	}
}

// What is written in the file is what the flag gets: no number, date or octal is made of it.
func TestSettingsKeepTexts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plumb.yaml")
	text := "salt: 0123456701234567\nkeys: [0777777777777777:chat, 1e3:admin]\nalign_every: 0 3 * * *\nlenient: yes\ntimeout: 90s\norigins: https://a.example\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := newSettings([]string{"--config", file}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	var got cli
	parser, err := kong.New(&got, readsModels(func(string) string { return "" }, io.Discard), kong.Resolvers(s), kong.Exit(func(int) { t.Error("exit") }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"serve"}); err != nil {
		t.Fatal(err)
	}
	v := got.Serve
	if v.Salt != "0123456701234567" || len(v.Keys) != 2 || v.Keys[0] != "0777777777777777:chat" || v.Keys[1] != "1e3:admin" ||
		v.AlignEvery != "0 3 * * *" || !v.Lenient || v.Timeout.Seconds() != 90 || len(v.Origins) != 1 {
		t.Errorf("got %+v", v.Serving)
	}
	if got.Align.Run.Lenient {
		t.Error("lenient towards requests is lenient towards models too")
	}
}

// commands that are run beside each other with the same settings; a key must mean the same to all of them.
var together = []string{"serve", "demo", "align", "data", "doctor"}

func TestSettingsMeanTheSameToAllCommands(t *testing.T) {
	flags := map[string]*kong.Flag{}
	var visit func(n *kong.Node)
	visit = func(n *kong.Node) {
		for _, f := range n.Flags {
			key := settingKey(f)
			if other := flags[key]; other != nil && other.Help != f.Help && differently(other.Help, f.Help) {
				t.Errorf("%s: %q and %q", key, other.Help, f.Help)
			}
			flags[key] = f
		}
		for _, child := range n.Children {
			visit(child)
		}
	}
	for _, n := range model(t).Children {
		for _, name := range together {
			if n.Name == name {
				visit(n)
			}
		}
	}
	if len(flags) < 40 {
		t.Errorf("only %d flags", len(flags))
	}
}

// differently says whether two helps begin with different sentences; a command may say more of a flag than another.
func differently(a, b string) bool {
	sentence := func(s string) string { s, _, _ = strings.Cut(s, "."); return s }
	return sentence(a) != sentence(b)
}

// model is the command line as kong sees it.
func model(t *testing.T) *kong.Application {
	t.Helper()
	parser, err := kong.New(&cli{}, readsModels(func(string) string { return "" }, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model
}
