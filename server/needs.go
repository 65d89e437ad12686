package server

import (
	"context"
	"encoding/json"
	"time"

	"plumb/chat"
	"plumb/feedback"
	"plumb/sampler"
)

// Policies resolves the names that clients give for models. It is asked once or twice a request, so implementations
// cache. Safe for concurrent use.
type Policies interface {
	// Policy returns what answers under name for user: name is an alias ("plumb") or a model of the upstream's, without
	// any suffix; user is the salted hash, "" if unknown, by which a canary is shared out. The error is of kind NotFound
	// for a name that nothing answers to.
	Policy(ctx context.Context, name, user string) (Policy, error)
	// Models lists every name that Policy takes, aliases first.
	Models(ctx context.Context) ([]chat.Model, error)
}

// Policy is a model that answers, with the sampler bound to its generator and to the reward model that goes with it. A
// request keeps the one that it got, so that a release in between does not touch it.
type Policy struct {
	feedback.Policy
	RM        string // version of the reward model, "" if none
	Abilities chat.Abilities
	Sampler   Sampler
	Shadow    *Policy // answers the same request unseen, so that it can be judged before anybody gets it; nil for none
}

// Sampler draws, scores and chooses.
type Sampler interface {
	Sample(ctx context.Context, r sampler.Request) (*sampler.Result, error)
}

// Log is what the server needs of a [feedback.Log].
type Log interface {
	feedback.Writer
	feedback.Reader
	EraseUser(ctx context.Context, user string) (feedback.Erased, error)
	Ping(ctx context.Context) error
}

// Exporter turns the log into training rows.
type Exporter interface {
	// Export calls each with every row of kind "preference", "unpaired" or "demonstration" whose source is one of
	// sources. A row is encoded as JSON: one of TRL's shapes, and its "source". Export stops at the first error of each
	// and returns it.
	Export(ctx context.Context, kind string, sources []string, each func(row any) error) error
}

// Runs is the offline work as operators see it.
type Runs interface {
	// Start begins a run in the background and returns its manifest, or an error of kind Conflict if one runs already.
	Start(ctx context.Context, r RunRequest) (Run, error)
	// Runs returns up to limit runs, the newest first.
	Runs(ctx context.Context, limit int) ([]Run, error)
	// Run returns one, or an error of kind NotFound.
	Run(ctx context.Context, id string) (Run, error)
}

// Releases says what is live and moves it.
type Releases interface {
	Alias(ctx context.Context) (Alias, error)
	// Promote makes the result of a run live; "" means the newest that was published. One that passed the gate unpublished is
	// published first, which takes as long as its file is large. Errors are of kind NotFound for an unknown run, Conflict for one
	// without a result.
	Promote(ctx context.Context, run string) (Alias, error)
	// Rollback makes the previous release live again, model and reward model together; kind Conflict if there is none.
	Rollback(ctx context.Context) (Alias, error)
}

// RunRequest asks for a run. Zero fields mean the program's settings.
type RunRequest struct {
	Method string // "auto", or a trainer's name
	Seed   *int64
}

// Run is the manifest of an offline run.
type Run struct {
	ID       string             `json:"id"`
	Alias    string             `json:"alias"`
	Parent   string             `json:"parent,omitempty"`
	State    string             `json:"state"`
	Created  time.Time          `json:"created"`
	Updated  time.Time          `json:"updated"`
	Base     Release            `json:"base"`
	DataRoot string             `json:"data_root,omitempty"`
	Rows     map[string]int     `json:"rows,omitempty"`
	Dropped  map[string]int     `json:"dropped,omitempty"`
	Method   string             `json:"method,omitempty"`
	Reason   string             `json:"reason,omitempty"`
	Until    time.Time          `json:"until,omitzero"`
	Config   json.RawMessage    `json:"config,omitempty"`
	Seed     int64              `json:"seed"`
	Code     string             `json:"code,omitempty"`
	Metrics  map[string]float64 `json:"metrics,omitempty"`
	Gate     json.RawMessage    `json:"gate,omitempty"`
	Decision string             `json:"decision,omitempty"`
	Result   Release            `json:"result"`
	Weights  string             `json:"weights,omitempty"`
	Error    string             `json:"error,omitempty"`
	Tainted  []string           `json:"tainted,omitempty"`
}

// Release is what can be live: a model and the reward model that goes with it.
type Release struct {
	Model  string `json:"model"`
	Digest string `json:"digest,omitempty"`
	RM     string `json:"rm,omitempty"`
	Run    string `json:"run,omitempty"`
}

// Alias is a name under which a release answers.
type Alias struct {
	Name     string    `json:"name"`
	Live     *Release  `json:"live"`
	Previous *Release  `json:"previous"`
	Canary   *Release  `json:"canary"`
	Share    float64   `json:"share"`
	Shadow   *Shadow   `json:"shadow,omitempty"`
	Version  int64     `json:"version"`
	Updated  time.Time `json:"updated"`
}

// Shadow says that the canary answers nobody yet, but so many requests unseen.
type Shadow struct {
	Replies int     `json:"replies"`
	Share   float64 `json:"share"` // of users who get it then; 0 is all
}

// Check is one thing that must work for the server to be ready.
type Check struct {
	Name string
	// Ready returns nil, or why not; a [chat.Error]'s Msg is shown to whoever asks, any other text goes to the log alone.
	Ready func(ctx context.Context) error
}
