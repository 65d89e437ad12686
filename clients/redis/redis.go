// Package redis keeps feedback, runs, aliases, small artefacts and leases in Redis, for servers that are more than one.
// [Store] is a [feedback.Log], a [registry.Registry] and a [registry.Lease].
//
// # What stored means
//
// A write returns after Redis answered it. What that is worth is set in Redis, and for replicas in [Options]:
//
//	appendonly yes, appendfsync always     fsync'd: survives kill -9 and a power cut
//	appendonly yes, appendfsync everysec   mostly written to the file before the answer, but not while an fsync is going
//	                                       on: kill -9 can take what came meanwhile, a power cut the last two seconds
//	appendonly no                          a restart takes all since the last snapshot
//	Options.Replicas = n                   n replicas have it in memory, too (WAIT)
//	Options.FsyncReplicas, Redis ≥ 7.2     fsync'd here and on n replicas (WAITAOF)
//
// [Store.Durability] tells what the server says of itself; Options.RequireAOF refuses one without an append-only file.
// A Store is spool.Forgetful: behind a spool.Log, which puts again what was acknowledged shortly before a restart, nothing
// is lost with everysec either, as long as this process lives.
// maxmemory-policy has to be noeviction: any other can throw records away.
//
// # Keys, version 1
//
// P is Options.Prefix ("plumb"). Events, their order and their uniqueness are one transaction, so all of their keys
// share the hash tag {log} and lie on one node of a cluster; so do the keys of the registry, {registry}. Generations and
// blobs, which are the bulk, are spread over the cluster. Transactions are Lua scripts. The scripts build names from
// their first key, all with its hash tag.
//
//	P:{log}:version            string  "1"; a later version is refused
//	P:{log}:seq                string  how many events were ever stored
//	P:{log}:events             stream  every event in the order of storing, revokes included; entry "<seq>-0" with the
//	                                   fields id, kind, generation, so that others can follow it with XREAD
//	P:{log}:event:<id>         hash    seq, key (feedback.Event.Key), state (live, replaced, yielded, revoked, revoke),
//	                                   other (the event that replaced, outranked or revoked it), kind, source, generation,
//	                                   user, content (feedback.Event.Content), body (the JSON of feedback.Event)
//	P:{log}:name:<id>          string  another id of an event (it said the same) → the event's id
//	P:{log}:live               hash    key → id of the one live event
//	P:{log}:of:<generation>    zset    ids of its live events by seq
//	P:{log}:by:<user>          zset    ids of all events of the user by seq; other names of them at 0
//	P:{log}:generations        zset    all generation ids at 0, so in the order of ids
//	P:{log}:asked:<user>       zset    those of the user
//	P:gen:{<id>}               string  the JSON of feedback.Generation
//	P:{registry}:run:<id>      string  the JSON of registry.Run
//	P:{registry}:runs          zset    run ids by time of creation (Unix ms)
//	P:{registry}:alias:<name>  hash    version, body (the JSON of registry.Alias)
//	P:{registry}:fences        hash    lease → the last fence given; never deleted
//	P:{registry}:lease:<name>  hash    fence, holder; expires with the lease
//	P:blob:{<hash>}            string  the data
package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"plumb/chat"
	"plumb/feedback"
	"plumb/offline/registry"
)

// version of the keys above.
const version = 1

// Options says which Redis and how safe an acknowledged write has to be.
type Options struct {
	// URL is redis://user:password@host:port/db, or rediss:// for TLS, or unix://. More nodes of a cluster are added as
	// ?addr=host:port&addr=…; with &master_name=NAME they are sentinels. go-redis documents the other parameters, such
	// as dial_timeout and pool_size.
	URL    string
	Prefix string // of every key; "" means "plumb"
	// RequireAOF refuses a server that keeps no append-only file, or does not say whether it does.
	RequireAOF bool
	// Replicas is how many replicas must have a write before it is acknowledged; 0 does not wait.
	Replicas int
	// FsyncReplicas also waits until the write is fsync'd, here and on Replicas replicas. It needs Redis 7.2.
	FsyncReplicas bool
	// ReplicaTimeout is how long to wait for them; 0 means 1 s. After it the write fails with kind Unavailable; it may
	// have reached some, and can be put again.
	ReplicaTimeout time.Duration
}

// Store is a connection pool to one Redis. It is safe for concurrent use, and is made without Redis being there.
type Store struct {
	client  redis.UniversalClient
	cluster *redis.ClusterClient // nil for one node
	o       Options
	checked atomic.Bool // the server was found fit
	guard   guard
}

var (
	_ feedback.Log      = (*Store)(nil)
	_ registry.Registry = (*Store)(nil)
	_ registry.Lease    = (*Store)(nil)
)

// Open makes a store. It does not wait for Redis: the first use checks that the server is what o asks for and that the
// keys are of a known version. A wrong URL is an error of kind Invalid.
func Open(o Options) (*Store, error) {
	o.Prefix = cmp.Or(o.Prefix, "plumb")
	o.ReplicaTimeout = cmp.Or(o.ReplicaTimeout, time.Second)
	if strings.ContainsAny(o.Prefix, "{}") || o.Replicas < 0 || o.ReplicaTimeout < time.Millisecond {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: fmt.Sprintf("open redis: prefix %q, replicas %d, timeout %v: "+
			"want no braces, at least 0, at least 1ms", o.Prefix, o.Replicas, o.ReplicaTimeout)}
	}
	u, err := url.Parse(o.URL)
	if err != nil {
		err = errors.Unwrap(err) // without the URL, which holds a password
	}
	s := &Store{o: o}
	switch {
	case err != nil:
	case u.Query().Has("master_name"):
		err = s.dialSentinel()
	case u.Query().Has("addr"):
		err = s.dialCluster()
	default:
		err = s.dialNode()
	}
	if err != nil {
		return nil, &chat.Error{Kind: chat.Invalid, Param: "url", Msg: "open redis: want redis://host:port/db", Cause: err}
	}
	return s, nil
}

// Defaults of a connection: a Redis that is away has to be noticed soon.
const (
	dialTimeout = time.Second
	ioTimeout   = 2 * time.Second
	retries     = 1
)

func quiet() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// patience is the read timeout: longer than any WAIT.
func (s *Store) patience() time.Duration { return ioTimeout + s.o.ReplicaTimeout }

func (s *Store) dialNode() error {
	o, err := redis.ParseURL(s.o.URL)
	if err != nil {
		return err
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = cmp.Or(o.DialTimeout, dialTimeout), cmp.Or(o.ReadTimeout, s.patience()), cmp.Or(o.WriteTimeout, ioTimeout)
	o.MaxRetries, o.DialerRetries = cmp.Or(o.MaxRetries, retries), 1
	o.ContextTimeoutEnabled, o.MaintNotificationsConfig, o.OnConnect = true, quiet(), s.guard.onConnect
	s.client = redis.NewClient(o)
	return nil
}

func (s *Store) dialCluster() error {
	o, err := redis.ParseClusterURL(s.o.URL)
	if err != nil {
		return err
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = cmp.Or(o.DialTimeout, dialTimeout), cmp.Or(o.ReadTimeout, s.patience()), cmp.Or(o.WriteTimeout, ioTimeout)
	o.MaxRetries, o.DialerRetries = cmp.Or(o.MaxRetries, retries), 1
	o.ContextTimeoutEnabled, o.MaintNotificationsConfig, o.OnConnect = true, quiet(), s.guard.onConnect
	s.cluster = redis.NewClusterClient(o)
	s.client = s.cluster
	return nil
}

func (s *Store) dialSentinel() error {
	o, err := redis.ParseFailoverURL(s.o.URL)
	if err != nil {
		return err
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = cmp.Or(o.DialTimeout, dialTimeout), cmp.Or(o.ReadTimeout, s.patience()), cmp.Or(o.WriteTimeout, ioTimeout)
	o.MaxRetries, o.DialerRetries = cmp.Or(o.MaxRetries, retries), 1
	o.ContextTimeoutEnabled, o.OnConnect = true, s.guard.onConnect
	s.client = redis.NewFailoverClient(o)
	return nil
}

// log names a key of the feedback log, registry one of the registry.
func (s *Store) log(parts ...string) string {
	return s.o.Prefix + ":{log}:" + strings.Join(parts, ":")
}

func (s *Store) registry(parts ...string) string {
	return s.o.Prefix + ":{registry}:" + strings.Join(parts, ":")
}

// ready checks, once, that the server and what it keeps are fit for us.
func (s *Store) ready(ctx context.Context) error {
	if s.checked.Load() {
		return nil
	}
	return s.check(ctx)
}

func (s *Store) check(ctx context.Context) error {
	if err := s.client.SetNX(ctx, s.log("version"), version, 0).Err(); err != nil {
		return fail("check redis", err)
	}
	v, err := s.client.Get(ctx, s.log("version")).Int()
	if err != nil {
		return fail("check redis", err)
	}
	if v > version {
		return &chat.Error{Kind: chat.Internal, Msg: fmt.Sprintf("check redis: its keys have version %d, this program knows %d: use a newer plumb", v, version)}
	}
	if s.o.RequireAOF {
		d, err := s.Durability(ctx)
		if err != nil {
			return err
		}
		if d.AOF != Yes {
			return &chat.Error{Kind: chat.Unavailable, Msg: fmt.Sprintf("check redis: an append-only file is required and the server says %q: set appendonly yes", d.AOF)}
		}
	}
	s.checked.Store(true)
	return nil
}

// Ping says whether Redis can be written now, by writing to it, and checks again that the server is fit: it may have
// come back as another.
func (s *Store) Ping(ctx context.Context) error {
	s.checked.Store(false)
	if err := s.ready(ctx); err != nil {
		return err
	}
	return fail("ping redis", s.client.Set(ctx, s.log("ping"), 1, time.Minute).Err())
}

// Close closes the connections.
func (s *Store) Close() error {
	if err := s.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fail("close redis", err)
	}
	return nil
}
