package sampler

import (
	"context"
	"fmt"
	"sync"
	"time"

	"plumb/chat"
)

// script is a generator that says what it is told. reply is asked for every candidate, by its position in the whole
// request; wait is how long it takes.
type script struct {
	reply func(k int, seed int64) (string, error)
	wait  func(k int) time.Duration
	slots int
	whole error // fails the draw as a whole

	mu    sync.Mutex
	draws []chat.Draw
	begun int
}

func (s *script) Abilities(context.Context, string) (chat.Abilities, error) {
	return chat.Abilities{Slots: s.slots, Seed: true}, nil
}

func (s *script) Continue(ctx context.Context, d chat.Draw, each func(chat.Piece)) error {
	s.mu.Lock()
	s.draws = append(s.draws, d)
	from := s.begun
	s.begun += len(d.Prefixes)
	s.mu.Unlock()
	if s.whole != nil {
		return s.whole
	}
	pieces := make(chan chat.Piece)
	var running sync.WaitGroup
	for i := range d.Prefixes {
		running.Go(func() {
			if s.wait != nil {
				select {
				case <-time.After(s.wait(from + i)):
				case <-ctx.Done():
					return
				}
			}
			pieces <- s.piece(i, from+i, d)
		})
	}
	go func() { running.Wait(); close(pieces) }()
	for p := range pieces {
		if d.Stream && p.Done != nil {
			for _, r := range p.Done.Text {
				each(chat.Piece{Index: p.Index, Text: string(r)})
			}
		}
		each(p)
	}
	return ctx.Err()
}

func (s *script) piece(i, k int, d chat.Draw) chat.Piece {
	text, err := s.reply(k, d.Seeds[i])
	if err != nil {
		return chat.Piece{Index: i, Err: err, Retries: 1}
	}
	return chat.Piece{Index: i, Done: &chat.Completion{
		Text: text, Finish: chat.FinishStop, PromptTokens: 7, CompletionTokens: len(text),
	}}
}

// numbered replies "reply k".
func numbered(k int, _ int64) (string, error) { return fmt.Sprintf("reply %d", k), nil }

// table is a scorer that looks rewards up, 0 for a text it does not have.
type table struct {
	rewards map[string]chat.Reward
	err     error

	mu    sync.Mutex
	calls [][]string
}

func (s *table) Score(_ context.Context, _ []chat.Message, replies []string) ([]chat.Reward, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, replies)
	if s.err != nil {
		return nil, s.err
	}
	rewards := make([]chat.Reward, len(replies))
	for i, r := range replies {
		rewards[i] = s.rewards[r]
	}
	return rewards, nil
}

// byLength is a table that knows a length correction: it notes the strength and adds it to every reward.
type byLength struct {
	table
	strength float64
}

func (s *byLength) ScoreByLength(ctx context.Context, prompt []chat.Message, replies []string, strength float64) ([]chat.Reward, error) {
	s.strength = strength
	return s.Score(ctx, prompt, replies)
}

var ask = []chat.Message{{Role: chat.User, Content: "hello"}}

func ptr[T any](v T) *T { return &v }
