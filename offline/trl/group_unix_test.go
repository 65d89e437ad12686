//go:build unix

package trl

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// A trainer does not outlive the process that started it, even if that is killed and can end nothing itself.
func TestTrainerEndsWithItsParent(t *testing.T) {
	if os.Getenv("PLUMB_TEST_PARENT") != "" {
		// A launcher that starts a process of its own; both hold our output.
		cmd := exec.Command("sh", "-c", "sleep 300 & echo started; wait")
		cmd.Stdout = os.Stdout
		inGroup(cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer guardGroup(cmd)()
		_ = cmd.Wait()
		return
	}
	parent := exec.Command(os.Args[0], "-test.run=^TestTrainerEndsWithItsParent$")
	parent.Env = append(os.Environ(), "PLUMB_TEST_PARENT=1")
	out, said, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	parent.Stdout = said
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	said.Close()
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "started\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	time.Sleep(200 * time.Millisecond) // for the guard to stand
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	if err := out.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := lines.ReadString('\n'); err != io.EOF { // the end comes once nobody holds our end any more
		t.Errorf("the trainer runs on: %v", err)
	}
}

// Where all ends as it should the guard goes too.
func TestGuardGoesHome(t *testing.T) {
	cmd := exec.Command("true")
	inGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	release := guardGroup(cmd)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	killGroup(cmd)
	done := make(chan struct{})
	go func() { release(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("the guard stays")
	}
}
