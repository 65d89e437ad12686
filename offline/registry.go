package offline

import (
	"context"
	"time"
)

// Registry keeps runs, aliases and small artefacts, in the same store as the feedback. Its conformance suite is
// offlinetest.TestRegistry.
type Registry interface {
	Runs
	Aliases
	Blobs
}

// Runs keeps the manifests of offline runs.
type Runs interface {
	// PutRun stores r, replacing what is stored under r.ID. Where fence > 0 it must be the fence of the live holder of
	// the lease "align", else the error is of kind Conflict and nothing is stored: a stalled run cannot overwrite.
	PutRun(ctx context.Context, r Run, fence int64) error
	// Run returns one run, or an error of kind NotFound.
	Run(ctx context.Context, id string) (Run, error)
	// Runs returns up to limit runs, the newest first.
	Runs(ctx context.Context, limit int) ([]Run, error)
}

// Aliases keeps which model answers under which name.
type Aliases interface {
	// Alias returns the alias, or one with nothing but the name and Version 0 if it was never set.
	Alias(ctx context.Context, name string) (Alias, error)
	// SetAlias stores a if the stored version is a.Version, and increments it; else the error is of kind Conflict.
	SetAlias(ctx context.Context, a Alias) (Alias, error)
}

// Blobs keeps small files (reward models) by content.
type Blobs interface {
	// PutBlob stores data, at most 64 MiB, and returns its hash: lower-case hex of SHA-256.
	PutBlob(ctx context.Context, data []byte) (hash string, err error)
	// Blob returns the data, verified against hash, or an error of kind NotFound.
	Blob(ctx context.Context, hash string) ([]byte, error)
}

// Lease is mutual exclusion over a store, with a fencing token: every successful Acquire of a name returns a larger
// fence than the one before.
type Lease interface {
	// Acquire takes the lease for ttl, or fails with kind Conflict naming the holder.
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (fence int64, err error)
	// Renew prolongs it; kind Conflict if fence is no longer the live one.
	Renew(ctx context.Context, name string, fence int64, ttl time.Duration) error
	// Release gives it back; releasing what is no longer held is no error.
	Release(ctx context.Context, name string, fence int64) error
}

// Release is what can be live: a policy and the reward model that goes with it.
type Release struct {
	Model  string `json:"model"`            // the upstream's name for it
	Digest string `json:"digest,omitempty"` // content digest of the model
	RM     string `json:"rm,omitempty"`     // blob hash of the reward model, "" for none
	Run    string `json:"run,omitempty"`    // the run that made it, "" for the untouched base
}

// Alias is a name under which a release answers ("plumb").
type Alias struct {
	Name     string    `json:"name"`
	Live     *Release  `json:"live"`
	Previous *Release  `json:"previous"`
	Canary   *Release  `json:"canary"`
	Share    float64   `json:"share"` // of users who get the canary, [0, 1]
	Version  int64     `json:"version"`
	Updated  time.Time `json:"updated"`
}
