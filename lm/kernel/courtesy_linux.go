package kernel

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// threadWaits reads what Linux keeps of each thread: /proc/self/task/ID/schedstat holds its nanoseconds on a processor, those of
// waiting for one, and how often it got one. The files stay open, so that a look is one read a thread and allocates nothing.
type threadWaits struct {
	threads map[string]*threadWait
	listed  time.Time
	buffer  [64]byte
}

type threadWait struct {
	file        *os.File
	ran, waited time.Duration
}

const (
	// relist is how old the list of threads may get. A new thread's first wait is missed for as long.
	relist = time.Second
	// most is how many times as long as it ran a thread is taken to have waited. One of the runtime's own that looks in for
	// microseconds, and waits its turn behind others of this process, loses nobody a processor.
	most = 10
)

// since implements waits. A process that the system runs only when nobody else wants to says nothing: it waits for whoever comes, and
// takes what they leave.
func (w *threadWaits) since() (sum time.Duration, known bool) {
	if time.Since(w.listed) > relist {
		if a, err := unix.SchedGetAttr(0, 0); err == nil && a.Policy == unix.SCHED_IDLE {
			return 0, false
		}
		w.list()
	}
	for id, t := range w.threads {
		ran, waited, ok := w.read(t.file)
		if !ok { // it has ended
			t.file.Close()
			delete(w.threads, id)
			continue
		}
		sum += min(waited-t.waited, most*(ran-t.ran))
		t.ran, t.waited = ran, waited
	}
	return sum, len(w.threads) > 0
}

// list opens the files of threads that are new. One that cannot be opened has ended, or the system keeps no such file.
func (w *threadWaits) list() {
	w.listed = time.Now()
	if w.threads == nil {
		w.threads = map[string]*threadWait{}
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, task := range tasks {
		id := task.Name()
		if w.threads[id] != nil {
			continue
		}
		file, err := os.Open("/proc/self/task/" + id + "/schedstat")
		if err != nil {
			continue
		}
		if ran, waited, ok := w.read(file); ok {
			w.threads[id] = &threadWait{file, ran, waited}
		} else {
			file.Close()
		}
	}
}

// read returns the first two numbers of a file.
func (w *threadWaits) read(file *os.File) (ran, waited time.Duration, ok bool) {
	n, _ := file.ReadAt(w.buffer[:], 0) // its end is an error too, and one without text is seen next
	first, rest, _ := bytes.Cut(w.buffer[:n], []byte(" "))
	second, _, ok := bytes.Cut(rest, []byte(" "))
	if !ok {
		return 0, 0, false
	}
	a, errA := strconv.ParseInt(string(first), 10, 64)
	b, errB := strconv.ParseInt(string(second), 10, 64)
	return time.Duration(a), time.Duration(b), errA == nil && errB == nil
}
