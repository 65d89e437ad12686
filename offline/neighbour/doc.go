// Package neighbour makes a process leave the processor to others: training runs beside a server whose threads spin while they
// wait for each other, and loses it most of its speed if it competes for a core (measured: two hundred times).
//
// Nice values and idle scheduling of a process do not help on their own: with autogroups, Linux weighs sessions against each other
// first, and processes only within theirs. So the work gets a session of its own ([Detach]), and there [Settle] nices the
// session's autogroup and sets every thread to SCHED_IDLE. In a container or under systemd the CPU weight of the cgroup does the
// same from outside. Elsewhere than on Linux both do nothing, and say so.
package neighbour

// Report says what was applied.
type Report struct {
	Session   bool     `json:"session"`          // the process leads a session of its own
	Autogroup bool     `json:"autogroup"`        // whose autogroup is niced to 19
	Idle      bool     `json:"idle"`             // all threads are SCHED_IDLE
	Failed    []string `json:"failed,omitempty"` // what could not be applied, and why
}
