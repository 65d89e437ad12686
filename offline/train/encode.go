package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/rows"
)

// Pair is a preference pair as tokens.
type Pair struct {
	Prompt, Chosen, Rejected []int32
	Weight                   float64 // > 0
}

// Reply is a reply as tokens: with a verdict, or to be imitated.
type Reply struct {
	Prompt, Completion []int32
	Label              bool
	Weight             float64 // > 0
}

// Encoder turns rows into tokens. A conversation goes through the model's chat template, and the reply ends with the token that
// ends a turn. A plain prompt is plain text, as in TRL; Chat takes it as what a user said.
type Encoder struct {
	Model     *lm.Model
	MaxLength int  // tokens of prompt and reply; a longer reply is cut at its end; 0 means 1024
	Chat      bool // a plain prompt is one user's message
}

// Reasons why a row is left out.
const (
	dropTie        = "a tie prefers nothing"
	dropWeightless = "its weight is 0"
	dropShape      = "a reply is not one assistant message"
	dropTokens     = "prompt and reply cannot be told apart in tokens"
	dropLong       = "the prompt alone is too long"
	dropAlike      = "both replies are the same when cut"
)

// Pairs encodes preference rows; rows that cannot be trained on are counted by reason.
func (e Encoder) Pairs(all []rows.Preference) (pairs []Pair, dropped map[string]int) {
	dropped = map[string]int{}
	for _, r := range all {
		if p, reason := e.pair(r); reason == "" {
			pairs = append(pairs, p)
		} else {
			dropped[reason]++
		}
	}
	return pairs, dropped
}

func (e Encoder) pair(r rows.Preference) (Pair, string) {
	if r.Tie {
		return Pair{}, dropTie
	}
	chosen, reason := e.sequence(r.Prompt, r.Chosen)
	if reason != "" {
		return Pair{}, reason
	}
	rejected, reason := e.sequence(r.Prompt, r.Rejected)
	if reason != "" {
		return Pair{}, reason
	}
	p := Pair{chosen.Tokens[:chosen.Start:chosen.Start], chosen.Tokens[chosen.Start:], rejected.Tokens[rejected.Start:], weight(r.Weight)}
	switch {
	case p.Weight == 0:
		return Pair{}, dropWeightless
	case string(key(p.Prompt, p.Chosen)) == string(key(p.Prompt, p.Rejected)):
		return Pair{}, dropAlike
	}
	return p, ""
}

// Unpaired encodes replies with verdicts.
func (e Encoder) Unpaired(all []rows.Unpaired) (replies []Reply, dropped map[string]int) {
	dropped = map[string]int{}
	for _, r := range all {
		e.reply(r.Prompt, r.Completion, r.Label, weight(r.Weight), &replies, dropped)
	}
	return replies, dropped
}

// Demonstrations encodes replies to be imitated.
func (e Encoder) Demonstrations(all []rows.Demonstration) (replies []Reply, dropped map[string]int) {
	dropped = map[string]int{}
	for _, r := range all {
		e.reply(r.Prompt, r.Completion, true, weight(r.Weight), &replies, dropped)
	}
	return replies, dropped
}

func (e Encoder) reply(prompt, completion rows.Text, label bool, weight float64, replies *[]Reply, dropped map[string]int) {
	s, reason := e.sequence(prompt, completion)
	if reason == "" && weight == 0 {
		reason = dropWeightless
	}
	if reason != "" {
		dropped[reason]++
		return
	}
	*replies = append(*replies, Reply{s.Tokens[:s.Start:s.Start], s.Tokens[s.Start:], label, weight})
}

// sequence encodes a prompt and a reply, cut to MaxLength; otherwise it says why not.
func (e Encoder) sequence(prompt, reply rows.Text) (lm.Sequence, string) {
	if m := reply.Messages; m != nil && (len(m) != 1 || m[0].Role != chat.Assistant || m[0].ToolCalls != nil) {
		return lm.Sequence{}, dropShape
	}
	var s lm.Sequence
	var err error
	if prompt.Messages != nil || e.Chat {
		s, err = e.Model.EncodeChat(prompt.Chat(chat.User), reply.String(), true)
	} else {
		s, err = e.Model.EncodeCompletion(prompt.Plain, reply.String(), true)
	}
	if err != nil {
		return lm.Sequence{}, dropTokens
	}
	most := e.MaxLength
	if most == 0 {
		most = 1024
	}
	if context := e.Model.Config().Context; context > 0 {
		most = min(most, context)
	}
	if s.Start >= most {
		return lm.Sequence{}, dropLong
	}
	s.Tokens = s.Tokens[:min(len(s.Tokens), most)]
	return s, ""
}

func weight(w *float64) float64 {
	if w == nil {
		return 1
	}
	return *w
}

// key identifies a reply to a prompt by their tokens.
func key(prompt, completion []int32) []byte {
	h := sha256.New()
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(len(prompt)))
	h.Write(b[:])
	for _, tokens := range [][]int32{prompt, completion} {
		for _, t := range tokens {
			binary.LittleEndian.PutUint32(b[:4], uint32(t))
			h.Write(b[:4])
		}
	}
	return h.Sum(nil)[:16]
}

// rowsHash identifies rows in their order.
func rowsHash[T any](all []T, each func(T) (prompt []int32, completions [][]int32, weight float64, label bool)) string {
	h := sha256.New()
	for _, r := range all {
		prompt, completions, w, label := each(r)
		for _, c := range completions {
			h.Write(key(prompt, c))
		}
		binary.Write(h, binary.LittleEndian, w)
		binary.Write(h, binary.LittleEndian, label)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func hashReplies(all []Reply) string {
	return rowsHash(all, func(r Reply) ([]int32, [][]int32, float64, bool) {
		return r.Prompt, [][]int32{r.Completion}, r.Weight, r.Label
	})
}
