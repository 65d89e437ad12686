package main

import (
	"fmt"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/lm/kernel"
	"plumb/offline"
)

// AlignForgetCmd is "plumb align forget".
type AlignForgetCmd struct {
	Where
	User    string `arg:"" help:"Whom to forget: the name that clients send, or u-… as runs and records have it."`
	Salt    string `help:"Secret that user names are hashed with, at least 16 characters; replicas share it. Empty: the one kept in --data." placeholder:"TEXT"`
	Again   string `help:"Run to make again without what the user said; nothing is published, plumb align promote does that." placeholder:"RUN"`
	Threads int    `help:"Threads; 0 takes all processors." default:"0"`
}

// Validate implements kong's check of the parsed flags.
func (cmd *AlignForgetCmd) Validate() error {
	if cmd.Salt != "" && len(cmd.Salt) < 16 {
		return fmt.Errorf("--salt: %d characters, want at least 16", len(cmd.Salt))
	}
	return cmd.Where.check()
}

// forgotten is the last line of "plumb align forget".
type forgotten struct {
	Rows  int          `json:"rows"` // records erased: votes, and prompts with their replies
	Runs  []string     `json:"runs"` // that learned from the user, the newest first
	Again *alignResult `json:"again,omitempty"`
}

// Run implements the command.
func (cmd *AlignForgetCmd) Run(c *Context) error {
	kernel.SetThreads(cmd.Threads)
	r, s, err := offlineWork(c, &cmd.Where)
	if err != nil {
		return err
	}
	defer s.log.Close()
	user := cmd.User
	if !hashedUser.MatchString(user) {
		secret, err := salt(cmd.Salt, cmd.Data)
		if err != nil {
			return err
		}
		if user = feedback.HashUser(secret, user); user == "" {
			return usageError{&chat.Error{Kind: chat.Invalid, Param: "user", Msg: "forget user: no user is named"}}
		}
	}
	if cmd.Again != "" { // an unknown run is said before anything is gone
		if _, err := r.Registry.Run(c.Ctx, cmd.Again); err != nil {
			return err
		}
	}
	f, err := r.Forget(c.Ctx, s.log, user)
	if err != nil {
		return err
	}
	out := forgotten{Rows: f.Erased.Events + f.Erased.Generations, Runs: append([]string{}, f.Runs...)}
	fmt.Fprintf(c.Stderr, "%s: %d votes and %d prompts with their replies are gone; runs that learned from them: %d\n", user, f.Erased.Events, f.Erased.Generations, len(f.Runs))
	if cmd.Again != "" {
		if out.Again, err = makeAgain(c, r, cmd.Again); err != nil {
			return err
		}
	}
	return printJSON(c.Stdout, out)
}

// AlignAgainCmd is "plumb align again".
type AlignAgainCmd struct {
	Where
	ID      string `arg:"" name:"run" help:"Run to make again."`
	Threads int    `help:"Threads; 0 takes all processors." default:"0"`
}

// Validate implements kong's check of the parsed flags.
func (cmd *AlignAgainCmd) Validate() error { return cmd.Where.check() }

// Run implements the command.
func (cmd *AlignAgainCmd) Run(c *Context) error {
	kernel.SetThreads(cmd.Threads)
	return withRunner(c, &cmd.Where, func(r *offline.Runner) error {
		result, err := makeAgain(c, r, cmd.ID)
		if err != nil {
			return err
		}
		return printJSON(c.Stdout, result)
	})
}

// makeAgain makes a run again and says what would keep it from being the same.
func makeAgain(c *Context, r *offline.Runner, id string) (*alignResult, error) {
	old, err := r.Registry.Run(c.Ctx, id)
	if err != nil {
		return nil, err
	}
	if old.Code != r.Code {
		fmt.Fprintf(c.Stderr, "plumb: %s was made by version %s, this is %s: its weights may differ for that alone\n", id, old.Code, r.Code)
	}
	r.Progress = stateProgress(c.Stderr)
	begun := time.Now()
	run, err := r.Again(c.Ctx, id)
	if err != nil {
		return nil, err
	}
	result := resultOf(run, time.Since(begun).Seconds())
	return &result, nil
}
