package neighbour

import (
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain runs as the process under test, too.
func TestMain(m *testing.M) {
	if os.Getenv("PLUMB_TEST_NEIGHBOUR") == "" {
		os.Exit(m.Run())
	}
	r := Settle()
	// Threads that start afterwards inherit.
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { runtime.LockOSThread(); runtime.Gosched() })
	}
	wg.Wait()
	tasks, _ := os.ReadDir("/proc/self/task")
	idle := 0
	for _, t := range tasks {
		id, _ := strconv.Atoi(t.Name())
		if a, err := unix.SchedGetAttr(id, 0); err == nil && a.Policy == unix.SCHED_IDLE || err == unix.ESRCH {
			idle++
		}
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"report": r, "threads": len(tasks), "idle": idle})
	os.Exit(0)
}

func TestSettle(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PLUMB_TEST_NEIGHBOUR=1")
	Detach(cmd)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Report        Report
		Threads, Idle int
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if !got.Report.Session {
		t.Error("the child does not lead a session")
	}
	// A sandbox may refuse the rest; then the report must say so.
	if !got.Report.Idle && len(got.Report.Failed) == 0 || got.Report.Idle && got.Idle != got.Threads {
		t.Errorf("%s", out)
	}
	t.Logf("%s", out)
}
