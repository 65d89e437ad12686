// Package offline turns feedback into a better model: pairs from the log, a new reward model, a trained policy, the gate, the
// release, and the schedule on which all that happens. A [Runner] makes runs; the parts are packages of their own:
//
//	pairs      votes → training rows        loss   objectives          gate      what a model must show
//	rows       files of rows                optim  AdamW, schedules    evaluate  measuring it
//	train      rows → adapter or weights    registry  what is kept     neighbour leaving the processor to others
//	rl         reward → adapter             checkpoint, durable  files that survive an interruption
//
// A run walks through the states of package registry: collect → build-pairs → refit-rm → choose-method → reference → train →
// evaluate → gate → write → publish → canary → live, or rejected. One run at a time works on a store, under a lease with a fencing
// token. Each step leaves its result in the run's folder or in the store before the state moves on, and does nothing that cannot be
// done again; a run that was killed in any state goes on from there and ends with the same decision and the same bytes.
//
// Every run trains the untouched base on all feedback so far, not the last result on what is new: errors do not pile up, a
// withdrawn vote loses its effect with the next run, and the reference is what the KL budget is about.
package offline
