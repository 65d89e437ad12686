package lm

import (
	"context"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"plumb/chat"
)

// heap is the memory in use after a collection, and what the system counts for this process, in bytes; 0 where it does not tell.
func heap() (used, resident uint64) {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		pages, _ := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
		resident = pages * uint64(os.Getpagesize())
	}
	return s.HeapAlloc, resident
}

// Memory does not grow with the number of requests, many of which leave early. PLUMB_TEST_SOAK=10000 says how many.
func TestSoak(t *testing.T) {
	requests, _ := strconv.Atoi(os.Getenv("PLUMB_TEST_SOAK"))
	short := requests == 0
	if short {
		requests = 400
	}
	e, _ := newTestEngine(t, Options{KVBytes: 1 << 20, PromptBytes: 1 << 19, Queue: 64})
	run := func(from, to int) {
		var all sync.WaitGroup
		for worker := range 8 {
			all.Go(func() {
				for i := from + worker; i < to; i += 8 {
					r := rand.New(rand.NewPCG(uint64(i), 5))
					d := drawOf(1 + r.IntN(4))
					d.Messages[0].Content = strings.Repeat("x", r.IntN(20)) + strconv.Itoa(r.IntN(50))
					d.Stream, d.MaxTokens = r.IntN(2) == 0, 1+r.IntN(30)
					ctx, cancel := context.WithCancel(context.Background())
					leave := time.AfterFunc(time.Hour, cancel)
					if r.IntN(4) == 0 {
						leave.Reset(time.Duration(r.IntN(3000)) * time.Microsecond)
					}
					if err := e.Continue(ctx, d, func(chat.Piece) {}); err != nil && ctx.Err() == nil {
						t.Error(err)
					}
					leave.Stop()
					cancel()
				}
			})
		}
		all.Wait()
	}
	run(0, requests/4)
	warm, warmResident := heap()
	run(requests/4, requests)
	after, resident := heap()
	t.Logf("%d requests: heap %d → %d KiB, resident %d → %d KiB", requests, warm>>10, after>>10, warmResident>>10, resident>>10)
	if after > warm+warm/20+1<<20 {
		t.Errorf("heap grew from %d to %d bytes", warm, after)
	}
	if !short && resident > warmResident+warmResident/20+1<<20 {
		t.Errorf("resident memory grew from %d to %d bytes", warmResident, resident)
	}
	if l := theLine(t, e); l.scheduler.pages.live != 0 || len(l.waiting) != 0 {
		t.Errorf("%d pages are held and %d requests wait", l.scheduler.pages.live, len(l.waiting))
	}
}
