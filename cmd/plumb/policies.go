package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"plumb/chat"
	"plumb/offline/registry"
	"plumb/rm"
	"plumb/sampler"
	"plumb/server"
)

// policies resolves model names for the server: the alias to what is live, and the upstream's own names to the untouched
// base. It holds no state but caches: the alias for a second, so that replicas agree, and the last reward models. Safe for
// concurrent use.
type policies struct {
	alias    string
	base     string
	upstream *upstream
	registry registry.Registry
	log      *slog.Logger
	now      func() time.Time

	mu      sync.Mutex
	cached  registry.Alias
	read    time.Time // when cached was read; zero before the first time
	rewards map[string]*rm.Model
}

// aliasAge is how long an alias is taken as read.
const aliasAge = time.Second

// Policy implements [server.Policies].
func (p *policies) Policy(ctx context.Context, name, user string) (server.Policy, error) {
	release := registry.Release{Model: name}
	policy := server.Policy{}
	if name == p.alias {
		release = p.release(ctx, user)
		policy.Alias = p.alias
	}
	abilities, err := p.upstream.generator.Abilities(ctx, release.Model)
	if err != nil {
		return server.Policy{}, err
	}
	s := &sampler.Sampler{Generator: p.upstream.generator}
	if m, err := p.rewardModel(ctx, release.RM); err != nil {
		// A reply without rewards is better than none; the reply says that it was not scored.
		p.log.Error("read reward model", "rm", release.RM, "error", err)
	} else if m != nil {
		s.Scorer, s.Pairs = m, m.Evidence()
		policy.RM = release.RM
	}
	policy.Name, policy.Digest, policy.Run = release.Model, release.Digest, release.Run
	policy.Abilities, policy.Sampler = abilities, s
	if name == p.alias {
		policy.Shadow = p.shadow(ctx)
	}
	return policy, nil
}

// shadow is what answers unseen beside what people get; nil if nothing does or it cannot be asked now.
func (p *policies) shadow(ctx context.Context) *server.Policy {
	a := p.live(ctx)
	if a.Canary == nil || a.Shadow == nil {
		return nil
	}
	abilities, err := p.upstream.generator.Abilities(ctx, a.Canary.Model)
	if err != nil {
		p.log.Warn("answer unseen: the model cannot be asked", "model", a.Canary.Model, "error", err)
		return nil
	}
	policy := &server.Policy{Abilities: abilities, Sampler: &sampler.Sampler{Generator: p.upstream.generator}}
	policy.Alias, policy.Name, policy.Digest, policy.Run = p.alias, a.Canary.Model, a.Canary.Digest, a.Canary.Run
	return policy
}

// Models implements [server.Policies].
func (p *policies) Models(ctx context.Context) ([]chat.Model, error) {
	list, err := p.upstream.models(ctx)
	if err != nil {
		return nil, err
	}
	a := p.live(ctx)
	own := chat.Model{Name: p.alias}
	if a.Live != nil {
		own.Digest, own.Created = a.Live.Digest, a.Updated.Unix()
	}
	return append([]chat.Model{own}, list...), nil
}

// release is what answers under the alias for a user: the canary for a fixed share of users, else what is live, else the
// base.
func (p *policies) release(ctx context.Context, user string) registry.Release {
	a := p.live(ctx)
	if a.Canary != nil && a.Share > 0 && share(user) < a.Share {
		return *a.Canary
	}
	if a.Live != nil {
		return *a.Live
	}
	return registry.Release{Model: p.base}
}

// share maps a user to [0, 1), evenly however alike names are, and the same on every replica. All who have no name are one
// user.
func share(user string) float64 {
	sum := sha256.Sum256([]byte("canary\x00" + user))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}

// live returns the alias, at most a second old. While the registry is away the last known one stands.
func (p *policies) live(ctx context.Context) registry.Alias {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.read.IsZero() && p.now().Sub(p.read) < aliasAge {
		return p.cached
	}
	ctx, cancel := context.WithTimeout(ctx, aliasAge)
	defer cancel()
	a, err := p.registry.Alias(ctx, p.alias)
	p.read = p.now()
	if err != nil {
		p.log.Warn("read alias: the last known one stands", "alias", p.alias, "error", err)
		return p.cached
	}
	p.cached = a
	return a
}

// rewardModel returns a reward model by its hash, nil for "".
func (p *policies) rewardModel(ctx context.Context, hash string) (*rm.Model, error) {
	if hash == "" {
		return nil, nil
	}
	p.mu.Lock()
	m := p.rewards[hash]
	p.mu.Unlock()
	if m != nil {
		return m, nil
	}
	b, err := p.registry.Blob(ctx, hash)
	if err != nil {
		return nil, fmt.Errorf("read reward model %s: %w", hash, err)
	}
	if m, err = rm.Decode(b, nil); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.rewards) >= 4 || p.rewards == nil {
		p.rewards = map[string]*rm.Model{}
	}
	p.rewards[hash] = m
	return m, nil
}

var _ server.Policies = (*policies)(nil)
var _ sampler.Scorer = (*rm.Model)(nil)
var _ sampler.LengthScorer = (*rm.Model)(nil)
