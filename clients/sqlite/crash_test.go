package sqlite_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"plumb/clients/sqlite"
	"plumb/feedback"
	"plumb/feedback/feedbacktest"
)

var rounds = flag.Int("rounds", 3, "how often TestKill9 kills the writer")

// crashFile names, for the child of TestKill9, the file to write.
const crashFile = "PLUMB_TEST_CRASH_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		hammer(path, os.Args[1])
		return
	}
	os.Exit(m.Run())
}

// hammer writes votes and generations until it is killed, and prints the id of each once it is acknowledged.
func hammer(path, round string) {
	s, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	for worker := range 8 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%d", round, worker, i)
				g := feedbacktest.NewGeneration("chatcmpl-"+id, "u-1", 4)
				if _, err := s.PutGeneration(context.Background(), g); err != nil {
					panic(err)
				}
				e := feedback.Event{ID: "fb-" + id, Generation: g.ID, Candidate: g.Candidates[0].ID, User: "u-1", Kind: feedback.Thumb, Value: 1,
					Source: feedback.Human, Time: time.Now()}
				if _, _, err := s.PutEvent(context.Background(), e); err != nil {
					panic(err)
				}
				mu.Lock()
				fmt.Printf("%s %s\n", g.ID, e.ID)
				mu.Unlock()
			}
		}()
	}
	select {}
}

// TestKill9 kills a process that writes, again and again, and looks for everything it had acknowledged.
func TestKill9(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plumb.db")
	var acknowledged []string
	for round := range *rounds {
		acknowledged = append(acknowledged, killed(t, path, round)...)
		s := openFile(t, path)
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for e, err := range feedback.AllEvents(t.Context(), s, feedback.Query{Limit: 1000}) {
			if err != nil {
				t.Fatal(err)
			}
			count[e.ID]++
		}
		for g, err := range feedback.AllGenerations(t.Context(), s, feedback.Query{Limit: 1000}) {
			if err != nil {
				t.Fatal(err)
			}
			count[g.ID]++
		}
		for _, line := range acknowledged {
			for _, id := range strings.Fields(line) {
				if count[id] != 1 {
					t.Fatalf("round %d: acknowledged %s is there %d times", round, id, count[id])
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d rounds, %d acknowledged", *rounds, len(acknowledged))
}

// killed runs a writer for a while, kills it and returns the lines that it printed.
func killed(t *testing.T, path string, round int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0], fmt.Sprint(round))
	cmd.Env = append(os.Environ(), crashFile+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	least := 20 + rand.IntN(400)
	for scan := bufio.NewScanner(out); scan.Scan(); {
		if len(strings.Fields(scan.Text())) == 2 {
			lines = append(lines, scan.Text())
		}
		if len(lines) == least {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if len(lines) < least {
		t.Fatalf("the writer ended by itself after %d", len(lines))
	}
	return lines
}
