package feedback

import (
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// Prefixes of the ids that this package mints; a ULID (26 characters, sorted by time to the millisecond) follows.
const (
	generationPrefix = "chatcmpl-"
	eventPrefix      = "fb-"
)

// NewGenerationID mints an id for a generation begun at t. Ids sort by t; within a millisecond their order is random.
// The 80 random bits come from the system's secure source, so that an id cannot be guessed.
func NewGenerationID(t time.Time) string { return generationPrefix + newULID(t) }

// NewEventID mints an id for an event at t, as [NewGenerationID] does.
func NewEventID(t time.Time) string { return eventPrefix + newULID(t) }

func newULID(t time.Time) string { return ulid.MustNew(ulid.Timestamp(t), rand.Reader).String() }

// CandidateID returns the id of candidate k, counted from 0, of a generation.
func CandidateID(generation string, k int) string { return generation + "." + strconv.Itoa(k) }

// SplitCandidateID is the inverse of [CandidateID]; ok is false for an id that CandidateID did not make.
func SplitCandidateID(id string) (generation string, k int, ok bool) {
	dot := strings.LastIndexByte(id, '.')
	if dot <= 0 {
		return "", 0, false
	}
	k, err := strconv.Atoi(id[dot+1:])
	if err != nil || k < 0 || strconv.Itoa(k) != id[dot+1:] {
		return "", 0, false
	}
	return id[:dot], k, true
}

// IsEventID says whether id has the form of an event's id, as against a generation's or a candidate's.
func IsEventID(id string) bool { return strings.HasPrefix(id, eventPrefix) }

// maxID bounds the length of an id in bytes: ids of other systems can be imported, so they need not be ULIDs.
const maxID = 128

// validID says whether id is 1 to 128 of [A-Za-z0-9._:-]: what every store can use in a key as it is.
func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return true
}
