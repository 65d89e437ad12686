// Package registry states what offline keeps beside the feedback: the manifests of its runs ([Run]), which model answers
// under which name ([Alias]), small artefacts by their hash, and a [Lease] so that one run at a time works on a store.
// It holds types and interfaces alone, so that the stores (clients/sqlite, clients/redis) can implement them without
// importing the trainers. Errors are of type [plumb/chat.Error] where the caller branches on their kind.
package registry

import (
	"context"
	"time"
)

// Registry keeps runs, aliases and small artefacts, in the same store as the feedback. Its conformance suite is
// registrytest.TestRegistry.
type Registry interface {
	Runs
	Aliases
	Blobs
}

// Runs keeps the manifests of offline runs.
type Runs interface {
	// PutRun stores r, replacing what is stored under r.ID. Where fence > 0 it must be the fence of the live holder of
	// the lease [AlignLease], else the error is of kind Conflict and nothing is stored: a stalled run cannot overwrite.
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
	// SetAlias stores a if the stored version is a.Version, and increments it; else the error is of kind Conflict. So it is
	// where fence > 0 and is not that of the live holder of the lease [AlignLease]: a stalled run cannot release.
	SetAlias(ctx context.Context, a Alias, fence int64) (Alias, error)
}

// Blobs keeps small files (reward models) by content.
type Blobs interface {
	// PutBlob stores data, at most [MaxBlob], and returns its hash: lower-case hex of SHA-256.
	PutBlob(ctx context.Context, data []byte) (hash string, err error)
	// Blob returns the data, verified against hash, or an error of kind NotFound; data that does not match its hash is
	// an error of kind Internal.
	Blob(ctx context.Context, hash string) ([]byte, error)
}

// Lease is mutual exclusion over a store, with a fencing token: every successful Acquire of a name returns a larger
// fence than the one before, also after the store was restarted. Its conformance suite is registrytest.TestLease.
type Lease interface {
	// Acquire takes the lease for ttl, at least a millisecond, or fails with kind Conflict naming the holder; so it does
	// for a holder that has it already.
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (fence int64, err error)
	// Renew prolongs it; kind Conflict if fence is no longer the live one.
	Renew(ctx context.Context, name string, fence int64, ttl time.Duration) error
	// Release gives it back; releasing what is no longer held is no error.
	Release(ctx context.Context, name string, fence int64) error
}
