package redisdb_test

import (
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/shiyi-market/shiyi/internal/config"
	"github.com/shiyi-market/shiyi/internal/redisdb"
)

func TestMain(m *testing.M) {
	// The client's own redial looks once a second whether its pool was closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(t *testing.T, cfg redisdb.Config) *redisdb.DB {
	t.Helper()
	d, err := redisdb.Open(t.Context(), cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// each runs a test against the Redis inside, and against that of TEST_REDIS_URL
// if there is one.
func each(t *testing.T, test func(t *testing.T, cfg redisdb.Config)) {
	t.Helper()
	t.Run("inside", func(t *testing.T) {
		t.Parallel()
		test(t, redisdb.Config{})
	})
	if server := os.Getenv("TEST_REDIS_URL"); server != "" {
		t.Run("server", func(t *testing.T) {
			t.Parallel()
			test(t, redisdb.Config{URL: config.Secret(server)})
		})
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	late := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func TestKeysAreKeptAndExpire(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg redisdb.Config) {
		t.Helper()
		d := open(t, cfg)
		key := "test:" + t.Name()
		if err := d.Client().Set(t.Context(), key, "v", 300*time.Millisecond).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Client().Get(t.Context(), key).Result(); err != nil || got != "v" {
			t.Fatalf("got %q, %v", got, err)
		}
		eventually(t, "the key expires", func() bool {
			return errors.Is(d.Client().Get(t.Context(), key).Err(), redis.Nil)
		})
		if !d.Ready() {
			t.Error("a missing key opened the breaker")
		}
	})
}

func TestRefusalsOfRedisDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg redisdb.Config) {
		t.Helper()
		d := open(t, cfg)
		for range 10 {
			if err := d.Client().Do(t.Context(), "NOSUCHCOMMAND").Err(); err == nil {
				t.Fatal("an unknown command was taken")
			}
		}
		if !d.Ready() {
			t.Error("the breaker is open")
		}
	})
}

func TestTheInsideNeedsAPassword(t *testing.T) {
	t.Parallel()
	d := open(t, redisdb.Config{})
	c, ok := d.Client().(*redis.Client)
	if !ok {
		t.Fatalf("got %T", d.Client())
	}
	stranger := redis.NewClient(&redis.Options{Addr: c.Options().Addr, MaxRetries: -1})
	defer func() { _ = stranger.Close() }()
	if err := stranger.Ping(t.Context()).Err(); err == nil {
		t.Error("a stranger got in")
	}
}

// wire is a proxy before a Redis that can be cut or can swallow everything.
type wire struct {
	ln net.Listener
	to string

	mu    sync.Mutex
	hole  bool // swallow
	conns []net.Conn
	wg    sync.WaitGroup
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{ln: ln, to: to}
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		w.cut()
		w.wg.Wait()
	})
	return w
}

func (w *wire) accept() {
	for {
		in, err := w.ln.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", w.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, in, out)
		w.mu.Unlock()
		w.wg.Go(func() { w.copy(out, in) })
		w.wg.Go(func() { w.copy(in, out) })
	}
}

func (w *wire) copy(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		w.mu.Lock()
		hole := w.hole
		w.mu.Unlock()
		if hole {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (w *wire) swallow(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hole = on
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// far is a Redis behind a wire.
func far(t *testing.T, cfg redisdb.Config) (*wire, *redisdb.DB) {
	t.Helper()
	near := open(t, cfg)
	c, ok := near.Client().(*redis.Client)
	if !ok {
		t.Fatalf("got %T", near.Client())
	}
	w := newWire(t, c.Options().Addr)
	u := url.URL{Scheme: "redis", User: url.UserPassword(c.Options().Username, c.Options().Password), Host: w.ln.Addr().String()}
	if c.Options().Password == "" {
		u.User = nil
	}
	return w, open(t, redisdb.Config{URL: config.Secret(u.String()), Timeout: 300 * time.Millisecond, Probe: 10 * time.Millisecond})
}

func TestBreakerKeepsRequestsAwayFromARedisThatSwallows(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg redisdb.Config) {
		t.Helper()
		w, d := far(t, cfg)
		if err := d.Client().Set(t.Context(), "test:"+t.Name(), 1, time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		w.swallow(true)
		for range 3 {
			if err := d.Client().Get(t.Context(), "x").Err(); err == nil {
				t.Fatal("a swallowed command was answered")
			}
		}
		if d.Ready() {
			t.Fatal("the breaker is closed after three failures")
		}
		sent := d.Sent()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := d.Client().Get(t.Context(), "x").Err(); !errors.Is(err, redisdb.ErrOpen) {
					t.Errorf("got %v, want %v", err, redisdb.ErrOpen)
				}
				_, err := d.Client().Pipelined(t.Context(), func(p redis.Pipeliner) error { return p.Incr(t.Context(), "y").Err() })
				if !errors.Is(err, redisdb.ErrOpen) {
					t.Errorf("pipeline: got %v, want %v", err, redisdb.ErrOpen)
				}
			})
		}
		wg.Wait()
		if got := d.Sent(); got != sent {
			t.Errorf("commands sent while open: got %d, want 0", got-sent)
		}
		if d.Refused() < 100 {
			t.Errorf("refused: got %d, want 100 at least", d.Refused())
		}
		w.swallow(false)
		eventually(t, "the breaker closes", d.Ready)
		if err := d.Client().Get(t.Context(), "test:"+t.Name()).Err(); err != nil {
			t.Errorf("after it closed: %v", err)
		}
	})
}

func TestCutConnectionsAreMadeAnew(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cfg redisdb.Config) {
		t.Helper()
		w, d := far(t, cfg)
		w.cut()
		eventually(t, "Redis answers", func() bool {
			return d.Client().Ping(t.Context()).Err() == nil
		})
	})
}

func TestProgramStartsWithoutRedis(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	d := open(t, redisdb.Config{URL: config.Secret("redis://" + addr)})
	if d.Ready() {
		t.Error("ready without a Redis")
	}
	if err := d.Client().Ping(t.Context()).Err(); !errors.Is(err, redisdb.ErrOpen) {
		t.Errorf("got %v, want %v", err, redisdb.ErrOpen)
	}
}

func TestAddressThatCannotBeReadIsRefusedWithoutShowingIt(t *testing.T) {
	t.Parallel()
	_, err := redisdb.Open(t.Context(), redisdb.Config{URL: "redis://u:hunter2@h:port"}, quiet())
	if err == nil {
		t.Fatal("taken")
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows the password: %v", err)
	}
}
