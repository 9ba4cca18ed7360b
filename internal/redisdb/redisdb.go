// Package redisdb is the door to Redis, which is here for speed alone: it may be
// slow, empty or gone at any moment, and nothing but speed is lost.
//
// Each command has a tenth of a second. After three failures in a row a breaker
// opens: commands then fail at once with ErrOpen, without touching the network,
// until a probe in the background finds that Redis answers again. With no address
// a Redis of the process's own is used.
package redisdb

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/shiyi-market/shiyi/internal/config"
)

// ErrOpen says that Redis has failed lately and was not asked.
var ErrOpen = errors.New("redis has failed lately and is not asked for now")

// tolerance is how many commands in a row may fail before the breaker opens.
const tolerance = 3

// silence switches off the library's own log, which goes to standard error past
// ours; the breaker says what is worth saying.
var silence = sync.OnceFunc(func() { redis.SetLogger(mute{}) }) //nolint:gochecknoglobals // the library has one logger for the whole process

type mute struct{}

// Printf drops the message.
func (mute) Printf(context.Context, string, ...any) {}

// Config says where Redis is and how long to wait for it.
type Config struct {
	// URL is redis://[user:password@]host:port/db, rediss:// for TLS, and with
	// ?addr=host:port for each further node of a cluster. Empty: a Redis inside the process.
	URL config.Secret `env:"REDIS_URL"`
	// Timeout bounds each command, its connection included.
	Timeout time.Duration `env:"REDIS_TIMEOUT, default=100ms"`
	// Probe is the time between two looks at a Redis that has failed.
	Probe time.Duration `env:"REDIS_PROBE, default=1s"`
}

// DB is Redis behind a breaker.
type DB struct {
	client redis.UniversalClient // with the breaker
	probe  redis.UniversalClient // without it
	inside *miniredis.Miniredis  // nil when Redis is elsewhere
	log    *slog.Logger

	open     atomic.Bool
	failures atomic.Int64
	sent     atomic.Int64
	refused  atomic.Int64

	opened chan struct{} // wakes the probe
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Open makes the client. A Redis that does not answer is no error: the breaker
// opens, and the program runs without. Only an address that cannot be read is.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*DB, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 100 * time.Millisecond
	}
	if cfg.Probe <= 0 {
		cfg.Probe = time.Second
	}
	silence()
	d := &DB{log: log, opened: make(chan struct{}, 1)}
	if cfg.URL == "" {
		if err := d.startInside(&cfg); err != nil {
			return nil, err
		}
	}
	client, err := connect(cfg, 0)
	if err != nil {
		d.closeInside()
		return nil, err
	}
	if d.probe, err = connect(cfg, 1); err != nil {
		d.closeInside()
		return nil, errors.Join(err, client.Close())
	}
	client.AddHook(hook{d})
	d.client = client

	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.cancel = cancel
	if err := d.probe.Ping(ctx).Err(); err != nil {
		d.trip(ctx, err)
	}
	d.wg.Go(func() { d.watch(life, cfg.Probe) })
	if d.inside != nil {
		d.wg.Go(func() { d.age(life) })
	}
	return d, nil
}

// startInside starts the Redis of our own. It needs a password, so that other
// users of the machine have no use of its port.
func (d *DB) startInside(cfg *Config) error {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	password := hex.EncodeToString(b[:])
	d.inside = miniredis.NewMiniRedis()
	d.inside.RequireAuth(password)
	if err := d.inside.Start(); err != nil {
		return fmt.Errorf("start the Redis inside the process: %w", err)
	}
	u := url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: d.inside.Addr()}
	cfg.URL = config.Secret(u.String())
	return nil
}

func (d *DB) closeInside() {
	if d.inside != nil {
		d.inside.Close()
	}
}

// connect makes a client that gives up early: the defaults of the library cost
// seconds for each command to a dead Redis. size 0 is the library's own.
func connect(cfg Config, size int) (redis.UniversalClient, error) {
	u, err := url.Parse(cfg.URL.Reveal())
	if err != nil {
		return nil, errors.New("REDIS_URL is not a URL")
	}
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if u.Query().Has("addr") {
		o, err := redis.ParseClusterURL(u.String())
		if err != nil {
			return nil, fmt.Errorf("REDIS_URL: %w", err)
		}
		o.MaxRetries, o.DialerRetries, o.MaxRedirects = -1, 1, 3
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = cfg.Timeout, cfg.Timeout, cfg.Timeout, cfg.Timeout
		o.ContextTimeoutEnabled, o.DisableIdentity, o.MaintNotificationsConfig, o.PoolSize = true, true, quiet, size
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	o.MaxRetries, o.DialerRetries = -1, 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = cfg.Timeout, cfg.Timeout, cfg.Timeout, cfg.Timeout
	o.ContextTimeoutEnabled, o.DisableIdentity, o.MaintNotificationsConfig, o.PoolSize = true, true, quiet, size
	return redis.NewClient(o), nil
}

// Client is the client whose commands pass the breaker. It is not the caller's to close.
func (d *DB) Client() redis.UniversalClient { return d.client }

// Ready reports whether commands are sent at all. A caller that can do without
// Redis may look before it does work for a command.
func (d *DB) Ready() bool { return !d.open.Load() }

// Inside reports whether this is the Redis inside the process.
func (d *DB) Inside() bool { return d.inside != nil }

// Sent is how many commands have been sent for callers; probes do not count.
func (d *DB) Sent() int64 { return d.sent.Load() }

// Refused is how many commands the breaker has kept back.
func (d *DB) Refused() int64 { return d.refused.Load() }

// Close ends the probe and all connections.
func (d *DB) Close() error {
	d.cancel()
	d.wg.Wait()
	err := errors.Join(d.client.Close(), d.probe.Close())
	d.closeInside()
	return err
}

// trip opens the breaker.
func (d *DB) trip(ctx context.Context, err error) {
	if d.open.Swap(true) {
		return
	}
	d.log.WarnContext(ctx, "redis fails; going on without it", slog.Any("error", err))
	select {
	case d.opened <- struct{}{}:
	default:
	}
}

// watch probes while the breaker is open, and closes it when Redis answers.
func (d *DB) watch(ctx context.Context, every time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.opened:
		}
		tick := time.NewTicker(every)
		for d.open.Load() {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
			if d.probe.Ping(ctx).Err() == nil {
				d.failures.Store(0)
				d.open.Store(false)
				d.log.InfoContext(ctx, "redis answers again")
			}
		}
		tick.Stop()
	}
}

// age lets keys of the Redis inside expire, which it never does on its own.
func (d *DB) age(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if !last.IsZero() {
				d.inside.FastForward(now.Sub(last))
			}
			last = now
		}
	}
}
