// Package offline turns feedback into a better model: pairs from the log, losses, trainers, the gate, the release and
// the schedule, as one sequence of idempotent, resumable steps under a lease. What it keeps is declared in
// offline/registry.
package offline
