package kernel

import (
	"os"
	"strings"
	"testing"
)

func TestChosenByName(t *testing.T) {
	all := available()
	for _, s := range all {
		if got := chosen(s.name); got.name != s.name {
			t.Errorf("asked for %s: %s", s.name, got.name)
		}
	}
	if got, best := chosen("").name, all[len(all)-1].name; got != best {
		t.Errorf("not asked: %s; want %s", got, best)
	}
	if name := os.Getenv("PLUMB_KERNEL"); name != "" && InstructionSet() != name {
		t.Errorf("PLUMB_KERNEL is %s; in use is %s", name, InstructionSet())
	}
	defer func() {
		text, _ := recover().(string)
		for _, want := range []string{"PLUMB_KERNEL", `"sse9"`, "portable"} {
			if !strings.Contains(text, want) {
				t.Errorf("an unknown name: %q; want it to mention %s", text, want)
			}
		}
	}()
	chosen("sse9")
	t.Error("an unknown name is taken")
}
