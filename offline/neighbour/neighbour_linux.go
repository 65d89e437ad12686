package neighbour

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Detach has cmd run in a session of its own once it is started. The terminal's signals then do not reach it: whoever starts it
// passes them on.
func Detach(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
}

// Settle makes this process a good neighbour. It is to be called early, before heavy work; threads that start later inherit.
func Settle() Report {
	var r Report
	fail := func(what string, err error) {
		r.Failed = append(r.Failed, fmt.Sprintf("%s: %v", what, err))
	}
	session, err := unix.Getsid(0)
	r.Session = err == nil && session == os.Getpid()
	switch err := os.WriteFile("/proc/self/autogroup", []byte("19"), 0); {
	case err == nil:
		r.Autogroup = r.Session // in a shared session the others are niced too
	case errors.Is(err, fs.ErrNotExist):
		fail("autogroup", errors.New("the kernel has none, or it is off"))
	default:
		fail("autogroup", err)
	}
	if err := idle(); err != nil {
		fail("SCHED_IDLE", err)
	} else {
		r.Idle = true
	}
	return r
}

// idle sets every thread to SCHED_IDLE: the policy belongs to a thread, and a new one inherits it from the one that made it. It looks
// until it finds no thread that it has not set.
func idle() error {
	set := map[int]bool{}
	for {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		fresh := false
		for _, task := range tasks {
			id, err := strconv.Atoi(task.Name())
			if err != nil || set[id] {
				continue
			}
			fresh, set[id] = true, true
			err = unix.SchedSetAttr(id, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
			if err != nil && !errors.Is(err, unix.ESRCH) { // the thread has ended
				return err
			}
		}
		if !fresh {
			return nil
		}
	}
}
