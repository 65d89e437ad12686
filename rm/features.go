package rm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"plumb/chat"
)

// Features turns replies to a prompt into numbers. Implementations are safe for concurrent use and give the same rows
// for the same texts, for ever, under the same [Spec].
type Features interface {
	Spec() Spec
	// Extract calls row once for each reply, in order. The row's slices are only valid during the call.
	Extract(ctx context.Context, prompt []chat.Message, replies []string, row func(i int, r Row)) error
}

// Spec names and fixes a set of features. Two sets with the same [Spec.Hash] mean the same by each column.
type Spec struct {
	Name    string   `json:"name"`
	Version int      `json:"version"`
	Dense   []string `json:"dense"`           // names of the dense columns, in order
	Sparse  int      `json:"sparse"`          // size of the hashed space; 0 if there are no sparse columns
	Model   string   `json:"model,omitempty"` // of an embedding back end
}

// Hash returns the lower-case hex SHA-256 of the spec.
func (s Spec) Hash() string {
	b, err := json.Marshal(s)
	if err != nil { // strings and ints always marshal
		panic(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Row is the features of one reply: len(Dense) = len(Spec.Dense); Index has no duplicates, each < Spec.Sparse, and
// goes with Value.
type Row struct {
	Dense []float64
	Index []uint32
	Value []float32
}

// lastUser returns the content of the last message of the user, or of the last message if there is none.
func lastUser(prompt []chat.Message) string {
	for i := len(prompt) - 1; i >= 0; i-- {
		if prompt[i].Role == chat.User {
			return prompt[i].Content
		}
	}
	if len(prompt) > 0 {
		return prompt[len(prompt)-1].Content
	}
	return ""
}
