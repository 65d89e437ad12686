// Package feedback is what plumb keeps: every reply that was drawn, with all its candidates and scores (a [Generation]),
// and everything people said about one (an [Event]). It holds the types, the [Log] interface that stores implement
// (clients/sqlite, clients/redis) and, in feedbacktest, the conformance suite that they all pass.
package feedback

import (
	"context"
	"encoding/json"
	"time"

	"plumb/chat"
)

// Generation is the record of one request: prompt, all candidates, what they scored and which was shown.
type Generation struct {
	ID         string          `json:"id"` // "chatcmpl-" + ULID
	Time       time.Time       `json:"time"`
	User       string          `json:"user,omitempty"` // salted hash, never the name
	Session    string          `json:"session,omitempty"`
	Messages   []chat.Message  `json:"messages"`
	Policy     Policy          `json:"policy"`
	RM         string          `json:"rm,omitempty"` // version (content hash) of the reward model, "" if none
	Sampler    Sampler         `json:"sampler"`
	Seed       int64           `json:"seed"`
	Candidates []Candidate     `json:"candidates"`
	Usage      Usage           `json:"usage"`
	LatencyMS  float64         `json:"latency_ms"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
	// Shadow is the generation that this one answers a second time, unseen by anybody: no vote is on it and no row comes of it. It
	// has no candidate where drawing failed.
	Shadow string `json:"shadow,omitempty"`
}

// Policy names the model that drew the candidates.
type Policy struct {
	Alias  string `json:"alias,omitempty"` // "plumb", or "" when the model was asked for by its own name
	Name   string `json:"name"`
	Digest string `json:"digest,omitempty"`
	Run    string `json:"run,omitempty"` // the offline run that made it, "" for an untouched base
}

// Sampler is the specification that really ran.
type Sampler struct {
	Method         string        `json:"method"`
	N              int           `json:"n"`
	Pressure       float64       `json:"pressure"`
	Conservatism   float64       `json:"conservatism"`
	Length         float64       `json:"length"`
	Sampling       chat.Sampling `json:"sampling"`
	MaxTokens      int           `json:"max_tokens,omitempty"`
	DowngradedFrom string        `json:"downgraded_from,omitempty"`
}

// Candidate is one drawn reply. Its ID is the generation's with ".k" appended, k counting from 0.
type Candidate struct {
	ID         string   `json:"id"`
	Text       string   `json:"text"`
	Finish     string   `json:"finish"`
	Tokens     int      `json:"tokens"`
	Logprob    *float64 `json:"logprob"` // Σ log-prob in nats, nil if unknown
	Reward     *float64 `json:"reward"`  // nil if unscored
	SD         *float64 `json:"sd"`
	OOD        *float64 `json:"ood"`
	Propensity *float64 `json:"propensity"` // probability with which the rule would have chosen it, nil if unscored
	Shown      bool     `json:"shown"`      // returned to the client, by the request or by /next
	Seed       int64    `json:"seed"`

	ToolCalls json.RawMessage `json:"tool_calls,omitempty"` // OpenAI's array, where the model called tools
}

// Usage counts tokens; Discarded are those of candidates that were drawn and not returned.
type Usage struct {
	Prompt     int `json:"prompt"`
	Completion int `json:"completion"`
	Discarded  int `json:"discarded"`
}

// Kinds of [Event].
const (
	Thumb         = "thumb"         // Value +1 or −1
	Rating        = "rating"        // Value 1..5
	Comment       = "comment"       // Text
	Preference    = "preference"    // Winner over Losers
	Ranking       = "ranking"       // Ranking, best first
	Edit          = "edit"          // Text: the reply the user wanted instead
	Demonstration = "demonstration" // Messages and Text: prompt and ideal reply, no generation
	Revoke        = "revoke"        // withdraws Target
)

// Sources of an [Event]; by default human and implicit are exported, and only human enters a gate.
const (
	Human    = "human"
	Implicit = "implicit" // from behaviour, as asking for the next reply
	Import   = "import"
	Model    = "rm" // made by a reward model; never mixed silently with the others
)

// Event is one thing somebody said about a generation or a candidate of it. At most one event is live for each
// (user, candidate or generation, kind): the last one wins and the history is kept.
type Event struct {
	ID         string         `json:"id"` // "fb-" + ULID
	Generation string         `json:"generation,omitempty"`
	Candidate  string         `json:"candidate,omitempty"` // for thumb, rating, comment, edit: the candidate meant
	User       string         `json:"user,omitempty"`      // salted hash
	Kind       string         `json:"kind"`
	Value      float64        `json:"value,omitempty"`
	Winner     string         `json:"winner,omitempty"`
	Losers     []string       `json:"losers,omitempty"`
	Ranking    []string       `json:"ranking,omitempty"`
	Text       string         `json:"text,omitempty"`
	Messages   []chat.Message `json:"messages,omitempty"`
	Target     string         `json:"target,omitempty"` // revoke: id of the event withdrawn
	Source     string         `json:"source"`
	Time       time.Time      `json:"time"`
}

// Durability tells how safe an acknowledged record is.
type Durability string

const (
	Durable Durability = "durable" // fsync'd in the store, or replicated as configured
	Spooled Durability = "spooled" // fsync'd in the local spool, to be replayed into the store
)

// Writer stores records. A nil error means stored as safely as Durability says, whatever happens next.
type Writer interface {
	// PutGeneration stores g; storing the same ID again replaces it (as /next does when it marks a candidate shown).
	PutGeneration(ctx context.Context, g Generation) (Durability, error)
	// PutEvent stores e and returns the event that is live afterwards. It is idempotent: if an event of the same user,
	// object, kind and content is live ([Event.Key], [Event.Content]), that one is returned and nothing changes but that
	// e.ID becomes another name for it. A different content for the same (user, object, kind) replaces it, unless a
	// person's own word is live and e is not one: then e goes into history at once ([Meet]).
	//
	// An e.ID that was put before changes nothing, so that a record may be put again whenever it is not known whether
	// it arrived; what is live under its key is returned, or the stored event where nothing is.
	//
	// A revoke removes its Target from the live events and takes over its Generation, Candidate and, where it has none
	// of its own, its User. It is an error of kind NotFound if Target is unknown, of kind Invalid if Target is a revoke,
	// and returns the earlier revoke if it was already withdrawn. Revoking what was replaced changes nothing that is
	// live. PutEvent does not check that Generation exists; it refuses what [Event.Validate] refuses.
	PutEvent(ctx context.Context, e Event) (Event, Durability, error)
}

// Reader reads records back; it sees everything that this process has written before (read-your-write).
type Reader interface {
	// Generation returns one record, or an error of kind NotFound.
	Generation(ctx context.Context, id string) (Generation, error)
	// Event returns one event, live or not, or an error of kind NotFound. The id of a repeated event finds the one that
	// it repeated.
	Event(ctx context.Context, id string) (Event, error)
	// Events returns up to q.Limit live events in the order of their storing, and the cursor for the next page ("" at
	// the end).
	Events(ctx context.Context, q Query) (events []Event, next string, err error)
	// Generations returns generations in the order of their IDs, like Events; q.User, q.After and q.Limit apply.
	Generations(ctx context.Context, q Query) (generations []Generation, next string, err error)
}

// Query selects records. Zero fields select everything; Limit 0 means 100, at most 1,000.
type Query struct {
	Generation string
	User       string
	Kind       string
	After      string // cursor of the page before
	Limit      int
}

// Erased says what EraseUser removed.
type Erased struct {
	Generations int      `json:"generations"`
	Events      int      `json:"events"`
	IDs         []string `json:"-"` // ids of both, to mark the runs that used them
}

// Log is a store of feedback, safe for concurrent use. What it depends on being away is an error of kind Unavailable;
// bad input one of kind Invalid.
type Log interface {
	Writer
	Reader
	// EraseUser removes everything of user: events, and the generations they asked for with their text. The empty user is
	// an error of kind Invalid. Broken off in the middle it can be called again.
	EraseUser(ctx context.Context, user string) (Erased, error)
	// Ping says whether the store can be written now.
	Ping(ctx context.Context) error
	Close() error
}
