package bench

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"

	"plumb/chat"
	"plumb/lm"
)

// short is a length that leaves room for little more than a template and a few words.
const short = 16

// textOf returns what a user says in a prompt of n tokens, the template's included, or of a few less: a request for a long
// reply that differs with the seed from its beginning on. It has one word at least, however long the template is.
func textOf(m *lm.Model, n, seed int) (string, error) {
	r := rand.New(rand.NewPCG(uint64(n), uint64(seed)))
	all := make([]string, n+1)
	for i := range all {
		all[i] = words[r.IntN(len(words))]
	}
	text := func(k int) string {
		return strings.Join(all[:k], " ") + fmt.Sprintf(" %d: tell a long story of all these.", seed)
	}
	var failed error
	k := sort.Search(n, func(k int) bool {
		tokens, err := m.EncodePrompt([]chat.Message{{Role: chat.User, Content: text(k + 1)}}, "")
		if err != nil {
			failed = err
		}
		return err != nil || len(tokens) > n
	})
	return text(max(k, 1)), failed
}

// words are the most common things, so that tokenizers have few tokens for each.
var words = strings.Fields("house water tree road night day dog bird hand door king child stone river fire wind book city " +
	"ship friend garden mother winter summer morning mountain field horse star cloud")
