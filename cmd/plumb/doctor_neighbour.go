package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"plumb/offline/neighbour"
)

// examineNeighbour starts a child as runs are started, has it settle, and says whether chat would keep the processor.
func (d *doctor) examineNeighbour(ctx context.Context) {
	const elsewhere = "train while nobody chats, give the training container a low CPU weight, or set --ollama-threads to one less than the cores"
	r, err := settleChild(ctx)
	if err != nil {
		d.add("neighbour", warning, err.Error(), elsewhere)
		return
	}
	applied := []string{}
	for _, a := range []struct {
		name string
		done bool
	}{{"a session of its own", r.Session}, {"its autogroup niced", r.Autogroup}, {"idle scheduling", r.Idle}} {
		if a.done {
			applied = append(applied, a.name)
		}
	}
	found := "a training process gets " + strings.Join(applied, ", ")
	if len(applied) == 0 {
		found = "a training process gets no lower priority"
	}
	if len(r.Failed) > 0 {
		found += "; not: " + strings.Join(r.Failed, "; ")
	}
	switch {
	case r.Session && r.Autogroup && r.Idle:
		d.add("neighbour", fine, found, "chat keeps about half its speed while a run trains; --ollama-threads of one less than the cores keeps more")
	case r.Idle && autogroups() == "0":
		d.add("neighbour", warning, found, "autogroups are off: idle scheduling alone holds back little; "+elsewhere)
	default:
		d.add("neighbour", warning, found, elsewhere)
	}
}

// settleChild runs this program as a child that only settles.
func settleChild(ctx context.Context) (r neighbour.Report, err error) {
	program, err := os.Executable()
	if err != nil {
		return r, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Args = []string{"plumb", "doctor", "--settle"}
	// The child reads no settings: it opens nothing.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	neighbour.Detach(cmd)
	if err := cmd.Run(); err != nil {
		return r, fmt.Errorf("start a training process: %w: %s", err, finalLine(said.String()))
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return r, fmt.Errorf("start a training process: read its report: %w", err)
	}
	return r, nil
}

// autogroups returns the kernel's setting: "1" if sessions are weighed against each other, "0" if not, "" if it has none.
func autogroups() string {
	b, _ := os.ReadFile("/proc/sys/kernel/sched_autogroup_enabled") // absent is an answer
	return strings.TrimSpace(string(b))
}
