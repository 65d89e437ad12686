//go:build !linux

package neighbour

import "os/exec"

// Detach does nothing on this system.
func Detach(*exec.Cmd) {}

// Settle does nothing on this system, and says so.
func Settle() Report {
	return Report{Failed: []string{"only Linux has what this needs; use the system's own means, such as nice"}}
}
