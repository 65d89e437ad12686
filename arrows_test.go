// Package plumb holds no code, only the tests that concern the module as a whole.
package plumb

import (
	"encoding/json"
	"io"
	"os/exec"
	"path"
	"strings"
	"testing"
)

// arrows lists, for each top-level folder, which others it may import (design: "A → B: A may import B"). A longer path
// is an exception for that package and what lies below it. Everything may import chat.
var arrows = map[string][]string{
	"chat":           {},
	"feedback":       {},
	"sampler":        {},
	"rm":             {},
	"lm":             {},
	"offline":        {"rm", "lm", "feedback"},
	"server":         {"sampler", "feedback"},
	"clients/ollama": {"clients/upstream", "clients/upstreamtest"},
	"clients/openai": {"clients/upstream", "clients/upstreamtest"},
	"clients/redis":  {"feedback", "offline/registry"},
	"clients/sqlite": {"feedback", "offline/registry"},
	"clients":        {},
	"cmd":            {"sampler", "rm", "lm", "offline", "feedback", "server", "clients"},
}

// only lists libraries that one folder alone may import.
var only = map[string]string{
	"github.com/gin-gonic/gin":           "server",
	"github.com/redis/go-redis/v9":       "clients/redis",
	"github.com/ollama/ollama/api":       "clients/ollama",
	"modernc.org/sqlite":                 "clients/sqlite",
	"github.com/nikolalohinski/gonja/v2": "lm/template",
	"github.com/alecthomas/kong":         "cmd",
}

func TestArrows(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, "plumb/")
		allowed, ok := allowedFrom(from)
		if !ok {
			if from != "plumb" {
				t.Errorf("%s: no arrows are stated for this folder", from)
			}
			continue
		}
		for _, imported := range p.Imports {
			if to, inside := strings.CutPrefix(imported, "plumb/"); inside {
				if !reaches(from, to, allowed) {
					t.Errorf("%s imports %s; it may import chat and %v", from, to, allowed)
				}
			}
			for library, folder := range only {
				if within(imported, library) && !within(from, folder) {
					t.Errorf("%s imports %s, which only %s may", from, library, folder)
				}
			}
		}
	}
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// allowedFrom finds the entry of arrows for the folder or the nearest one above it.
func allowedFrom(folder string) ([]string, bool) {
	for f := folder; f != "."; f = path.Dir(f) {
		if allowed, ok := arrows[f]; ok {
			return allowed, true
		}
	}
	return nil, false
}

func reaches(from, to string, allowed []string) bool {
	if to == "chat" || strings.SplitN(from, "/", 2)[0] == strings.SplitN(to, "/", 2)[0] && !strings.HasPrefix(from, "clients/") || within(to, from) {
		return true
	}
	for _, a := range allowed {
		if within(to, a) {
			return true
		}
	}
	return false
}

func within(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }
