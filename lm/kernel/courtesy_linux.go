package kernel

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// threadWaits reads what Linux keeps of each thread: /proc/self/task/ID/schedstat holds its nanoseconds on a processor, those of
// waiting for one, and how often it got one. The files stay open, so that a look is one read a thread and allocates nothing.
type threadWaits struct {
	threads map[string]*threadWait
	listed  time.Time
	buffer  [64]byte
}

type threadWait struct {
	file   *os.File
	waited time.Duration
}

// relist is how old the list of threads may get. A new thread's first wait is missed for as long.
const relist = time.Second

// since implements waits.
func (w *threadWaits) since() (sum time.Duration, known bool) {
	if time.Since(w.listed) > relist {
		w.list()
	}
	for id, t := range w.threads {
		waited, ok := w.read(t.file)
		if !ok { // it has ended
			t.file.Close()
			delete(w.threads, id)
			continue
		}
		sum += waited - t.waited
		t.waited = waited
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
		if waited, ok := w.read(file); ok {
			w.threads[id] = &threadWait{file, waited}
		} else {
			file.Close()
		}
	}
}

// read returns the second number of a file.
func (w *threadWaits) read(file *os.File) (time.Duration, bool) {
	n, _ := file.ReadAt(w.buffer[:], 0) // its end is an error too, and one without text is seen next
	_, rest, _ := bytes.Cut(w.buffer[:n], []byte(" "))
	field, _, ok := bytes.Cut(rest, []byte(" "))
	if !ok {
		return 0, false
	}
	waited, err := strconv.ParseInt(string(field), 10, 64)
	return time.Duration(waited), err == nil
}
