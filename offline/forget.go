package offline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/registry"
)

// Eraser removes everything of a user; a [feedback.Log] is one.
type Eraser interface {
	EraseUser(ctx context.Context, user string) (feedback.Erased, error)
}

// Forgotten says what [Runner.Forget] did.
type Forgotten struct {
	Erased feedback.Erased
	Runs   []string // that learned from the user, the newest first
}

// Forget erases a user, named by the hash, from the log, marks the runs that learned from the user, and removes what is left of it in
// the data folder: copies of the feedback that interrupted runs hold, which are abandoned, and log-probs by which somebody who has a
// text could tell that it had been there. A run that is under way removes its copy when it ends. What models have learned stays in them
// until they are made again ([Runner.Again]). Broken off in the middle it can be called again.
func (r *Runner) Forget(ctx context.Context, log Eraser, user string) (f Forgotten, err error) {
	if f.Erased, err = log.EraseUser(ctx, user); err != nil {
		return f, fmt.Errorf("forget user: %w", err)
	}
	if _, err := Taint(ctx, r.Registry, user); err != nil {
		return f, err
	}
	runs, err := r.Registry.Runs(ctx, 1000)
	if err != nil {
		return f, fmt.Errorf("forget user: %w", err)
	}
	for _, m := range runs {
		if slices.Contains(m.Tainted, user) {
			f.Runs = append(f.Runs, m.ID)
		}
	}
	return f, r.forgetFiles(ctx, runs, user)
}

func (r *Runner) forgetFiles(ctx context.Context, runs []registry.Run, user string) error {
	held, fence, release, err := r.hold(ctx)
	if err != nil && chat.KindOf(err) == chat.Conflict {
		return nil // a run is under way
	}
	if err != nil {
		return fmt.Errorf("forget user: %w", err)
	}
	defer release()
	for _, m := range runs {
		if finished(m) || !slices.Contains(m.Tainted, user) || !r.folder(m).has("records.json.gz") {
			continue
		}
		m.Error = "abandoned: somebody whose feedback it had was erased"
		if err := r.abandon(held, m, fence); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(r.Dir, "reference")); err != nil {
		return fmt.Errorf("forget user: %w", err)
	}
	return nil
}

// Taint marks every run whose rows had a part of user's, after that user was erased: they are to be made again. A run that has only
// begun is marked too, and loses the mark if the user turns out to have no part in it. It returns how many were marked.
func Taint(ctx context.Context, runs registry.Runs, user string) (int, error) {
	all, err := runs.Runs(ctx, 1000)
	if err != nil {
		return 0, fmt.Errorf("mark runs: %w", err)
	}
	n := 0
	for _, m := range all {
		if slices.Contains(m.Tainted, user) || !slices.Contains(m.Users, user) && !rowless(m) {
			continue
		}
		m.Tainted = append(m.Tainted, user)
		if err := runs.PutRun(ctx, m, 0); err != nil {
			return n, fmt.Errorf("mark run %s: %w", m.ID, err)
		}
		n++
	}
	return n, nil
}

// rowless says whether a run is under way and has no rows yet, so that nobody knows whose they will be.
func rowless(m registry.Run) bool {
	return !finished(m) && (m.State == registry.Collect || m.State == registry.Build)
}

// marks returns the marks of a run together with those that were stored meanwhile; once its rows are known, those of its users alone.
func marks(run registry.Run, stored []string) []string {
	all := slices.Concat(run.Tainted, stored)
	if !rowless(run) {
		all = slices.DeleteFunc(all, func(user string) bool { return !slices.Contains(run.Users, user) })
	}
	slices.Sort(all)
	return slices.Compact(all)
}
