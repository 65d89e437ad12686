//go:build unix

package trl

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// inGroup has cmd lead a process group: launchers start processes of their own, and all of them are to end with it. The session
// stays this process's, and so does the place that the system gives it among others.
func inGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup asks all of them to end.
func endGroup(cmd *exec.Cmd) error { return signalGroup(cmd, syscall.SIGTERM) }

// killGroup ends what is left of them once the leader is gone.
func killGroup(cmd *exec.Cmd) { _ = signalGroup(cmd, syscall.SIGKILL) }

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
