//go:build unix

package trl

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// inGroup has cmd lead a process group: launchers start processes of their own, and all of them are to end with it. The session
// stays this process's, and so does the place that the system gives it among others.
func inGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup asks all of them to end.
func endGroup(cmd *exec.Cmd) error { return signalGroup(cmd, syscall.SIGTERM) }

// killGroup ends what is left of them once the leader is gone.
func killGroup(cmd *exec.Cmd) { _ = signalGroup(cmd, syscall.SIGKILL) }

// guard waits for the end of its input, which is that of the process that holds the other end, however that ends, and then ends the group.
const guard = `read -r line; kill -s TERM -- "-$0"; sleep 10; kill -s KILL -- "-$0"`

// guardGroup has the group of a started cmd end if this process is gone without having ended it: killed hard it can ask nobody to end. The
// guard is a shell in a group of its own; where it cannot be started there is none. release sends it home, once the group has ended.
func guardGroup(cmd *exec.Cmd) (release func()) {
	watcher := exec.Command("sh", "-c", guard, strconv.Itoa(cmd.Process.Pid))
	inGroup(watcher)
	held, err := watcher.StdinPipe()
	if err != nil || watcher.Start() != nil {
		return func() {}
	}
	return func() {
		killGroup(watcher)
		_ = watcher.Wait()
		held.Close()
	}
}

func signalGroup(cmd *exec.Cmd, s syscall.Signal) error {
	if cmd.Process == nil {
		return nil
	}
	err := syscall.Kill(-cmd.Process.Pid, s)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
