package study

import (
	"context"
	"fmt"
	"strings"

	"plumb/chat"
	"plumb/lm"
	"plumb/offline/evaluate"
)

// mostTokens bounds every reply of the play; those of the built-in model have some forty.
const mostTokens = 96

// drawn is one reply of a policy at temperature 1, so that its log-prob is that of the policy that drew it.
type drawn struct {
	text    string
	ids     []int32 // the ending token included
	logprob float64
	ended   bool // by itself
}

// drawReplies draws n replies to a question. The same policy, question and seed give the same replies, and reply k does not depend on n.
func drawReplies(ctx context.Context, p evaluate.Policy, question string, n int, seed int64) (prompt []int32, replies []drawn, err error) {
	if prompt, err = p.Model.EncodePrompt(ask(question), ""); err != nil {
		return nil, nil, err
	}
	jobs := make([]lm.Job, n)
	for k := range jobs {
		jobs[k].Seed = mixed(seed, int64(k))
	}
	replies = make([]drawn, n)
	s := lm.Settings{Temperature: 1, MaxTokens: mostTokens}
	err = p.Model.Generate(ctx, p.Adapter, prompt, jobs, s, func(job int, t lm.Token) bool {
		r := &replies[job]
		r.ids, r.logprob = append(r.ids, t.ID), r.logprob+t.Logprob
		r.ended = t.Finish == chat.FinishStop
		return true
	})
	if err != nil {
		return nil, nil, fmt.Errorf("draw replies: %w", err)
	}
	for k := range replies {
		replies[k].text = replies[k].decode(p.Model)
	}
	return prompt, replies, nil
}

// decode returns the text of the reply as servers send it.
func (r drawn) decode(m *lm.Model) string {
	said := r.ids
	if r.ended {
		said = said[:len(said)-1]
	}
	var b strings.Builder
	stream := m.Tokenizer().Stream()
	for _, id := range said {
		b.WriteString(stream.Push(id))
	}
	b.WriteString(stream.Flush())
	return b.String()
}

func ask(question string) []chat.Message {
	return []chat.Message{{Role: chat.User, Content: question}}
}

func texts(replies []drawn) []string {
	out := make([]string, len(replies))
	for i, r := range replies {
		out[i] = r.text
	}
	return out
}

// mixed derives a seed from others, so that streams of draws do not meet.
func mixed(parts ...int64) int64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, p := range parts {
		h = (h ^ uint64(p)) * 0xbf58476d1ce4e5b9
		h ^= h >> 29
	}
	return int64(h >> 1)
}
