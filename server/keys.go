package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"plumb/chat"
)

// Scopes of a [Key].
const (
	ScopeChat     = "chat"     // ask, and list models
	ScopeFeedback = "feedback" // vote, read candidates, votes and the next reply
	ScopeAdmin    = "admin"    // everything, export, erasure, runs and releases included
)

// hardMaxN is the ceiling of candidates a request that no setting can lift.
const hardMaxN = 1024

// Key lets its holder in. Requests carry the secret as "Authorization: Bearer SECRET".
type Key struct {
	Name      string   // for logs and metrics; "key-1" and so on if empty
	Secret    string   // at least 16 characters
	Scopes    []string // what it opens; ScopeAdmin opens all
	MaxN      int      // candidates a request; 0 means Options.MaxN
	PerMinute int      // requests; 0 means no limit
}

// key is a [Key] ready for comparing.
type key struct {
	name   string
	digest [sha256.Size]byte
	scopes []string
	maxN   int
	bucket *bucket // nil: no limit
}

func (k *key) opens(scope string) bool {
	return slices.Contains(k.scopes, scope) || slices.Contains(k.scopes, ScopeAdmin)
}

func newKeys(keys []Key, maxN int) []key {
	ready := make([]key, len(keys))
	for i, k := range keys {
		ready[i] = key{name: k.Name, digest: sha256.Sum256([]byte(k.Secret)), scopes: k.Scopes, maxN: k.MaxN}
		if k.Name == "" {
			ready[i].name = fmt.Sprintf("key-%d", i+1)
		}
		if k.MaxN == 0 {
			ready[i].maxN = maxN
		}
		if k.PerMinute > 0 {
			ready[i].bucket = &bucket{perMinute: float64(k.PerMinute)}
		}
	}
	return ready
}

func validateKeys(keys []Key) []error {
	var problems []error
	secrets := map[string]bool{}
	for i, k := range keys {
		problem := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("Keys[%d]: "+format, append([]any{i}, args...)...))
		}
		if len(k.Secret) < 16 {
			problem("secret of %d characters, want at least 16", len(k.Secret))
		}
		if secrets[k.Secret] {
			problem("the same secret as another key")
		}
		secrets[k.Secret] = true
		if len(k.Scopes) == 0 {
			problem("no scope, want some of chat, feedback, admin")
		}
		for _, scope := range k.Scopes {
			if scope != ScopeChat && scope != ScopeFeedback && scope != ScopeAdmin {
				problem("scope %q, want chat, feedback or admin", scope)
			}
		}
		if k.MaxN < 0 || k.MaxN > hardMaxN {
			problem("MaxN %d, want 1 to %d", k.MaxN, hardMaxN)
		}
		if k.PerMinute < 0 {
			problem("PerMinute %d, want at least 1", k.PerMinute)
		}
	}
	return problems
}

// anybody is who calls where no keys are set.
func (s *Server) anybody() *key {
	return &key{name: "", scopes: []string{ScopeAdmin}, maxN: s.options.MaxN}
}

// keyOf finds the key of an Authorization header. It compares with every key, all bytes of it, whichever matches, so
// that the time taken tells nothing.
func (s *Server) keyOf(header string) (*key, error) {
	secret, bearer := strings.CutPrefix(header, "Bearer ")
	digest := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	found := -1
	for i := range s.keys {
		if subtle.ConstantTimeCompare(digest[:], s.keys[i].digest[:]) == 1 {
			found = i
		}
	}
	switch {
	case header == "":
		return nil, &chat.Error{Kind: chat.Unauthorized, Param: "Authorization", Msg: "Authorization: no API key, want Bearer KEY"}
	case !bearer || found < 0:
		return nil, &chat.Error{Kind: chat.Unauthorized, Param: "Authorization", Msg: "Authorization: this API key is not known"}
	}
	return &s.keys[found], nil
}

// bucket is a token bucket: perMinute requests a minute, and as many at once after a minute's rest. The zero time starts
// it full.
type bucket struct {
	perMinute float64

	mu   sync.Mutex
	left float64
	at   time.Time
}

// take takes one request. It returns how many are left, and if there was none how long until there is one.
func (b *bucket) take(now time.Time) (left int, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at.IsZero() {
		b.left = b.perMinute
	} else if passed := now.Sub(b.at); passed > 0 {
		b.left = min(b.perMinute, b.left+passed.Minutes()*b.perMinute)
	}
	b.at = now
	if b.left < 1 {
		return 0, time.Duration((1 - b.left) / b.perMinute * float64(time.Minute))
	}
	b.left--
	return int(b.left), 0
}
