package drill_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/app"
	"github.com/shiyi-market/shiyi/internal/drill"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/pkg/client"
)

// serve runs the whole program in this process until the test ends; then it must
// have stopped in order.
func serve(t *testing.T, vars map[string]string) (a *app.App, base string) {
	t.Helper()
	place := pgtest.Create(t)
	all := map[string]string{
		"STATE_DIR": t.TempDir(), "DATABASE_URL": place.URL, "DATABASE_OWNER_URL": place.OwnerURL,
		"LISTEN_ADDR": "127.0.0.1:0", "PASSWORD_MEMORY_KIB": "64", "PASSWORD_ITERATIONS": "1",
	}
	for name, value := range vars {
		all[name] = value
	}
	cfg, err := app.Load(t.Context(), settings(all))
	if err != nil {
		t.Fatal(err)
	}
	a, err = app.Open(t.Context(), cfg, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	said := make(greeting, 1)
	go func() { ended <- a.Serve(ctx, said) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, a.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	select {
	case base = <-said:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	return a, base
}

// greeting takes the address out of what the program says when it is open.
type greeting chan string

// Write looks for the address.
func (g greeting) Write(b []byte) (int, error) {
	if _, rest, ok := strings.Cut(string(b), "http://"); ok {
		select {
		case g <- "http://" + strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]):
		default:
		}
	}
	return len(b), nil
}

// TestNothingFailsWithoutRedis takes a real Redis away while buyers buy and look
// at goods: once it is stopped, and once it swallows everything and says nothing.
func TestNothingFailsWithoutRedis(t *testing.T) {
	t.Parallel()
	redis, err := drill.NewRedis(t.Context())
	if errors.Is(err, drill.ErrNoRedis) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Kill)
	wire, err := drill.NewWire(t.Context(), redis.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = wire.Close() })
	const limit = "1000000" // a minute: counted in Redis and never reached
	a, base := serve(t, map[string]string{
		"REDIS_URL": drill.RedisURL(wire.Addr()), "REDIS_PROBE": "50ms", "LIMIT_CHECKOUT": limit, "LIMIT_SIGN_IN": limit, "HTTP_PUBLIC_AGE": "0s",
	})
	stock, err := drill.Fill(t.Context(), a.Services(), drill.Wish{Merchants: 2, Products: 2, Pieces: 1_000_000, Buyers: 4})
	if err != nil {
		t.Fatal(err)
	}
	l := press(t, base, stock)
	for _, outage := range []struct {
		name       string
		begin, end func() error
	}{
		{"stopped", func() error { redis.Kill(); return nil }, func() error { return redis.Start(t.Context()) }},
		{"a black hole", func() error { wire.Swallow(true); return nil }, func() error { wire.Swallow(false); return nil }},
	} {
		before := a.Redis().Sent()
		l.more(t, 20)
		if a.Redis().Sent() == before {
			t.Fatalf("before it is %s: no request asks Redis", outage.name)
		}
		if err := outage.begin(); err != nil {
			t.Fatal(err)
		}
		if err := drill.Until(t.Context(), "the breaker opens", func() bool { return !a.Redis().Ready() }); err != nil {
			t.Fatal(err)
		}
		l.more(t, 2*len(stock.Tokens)) // those under way when it opened
		sent := a.Redis().Sent()
		l.more(t, 100)
		if n := a.Redis().Sent() - sent; n != 0 {
			t.Errorf("while it is %s: %d commands of 100 requests", outage.name, n)
		}
		if a.Redis().Ready() {
			t.Errorf("while it is %s: the breaker is closed", outage.name)
		}
		if err := outage.end(); err != nil {
			t.Fatal(err)
		}
		if err := drill.Until(t.Context(), "the breaker closes", a.Redis().Ready); err != nil {
			t.Fatal(err)
		}
	}
	l.more(t, 20)
}

// pressing is a load that goes on until the test ends.
type pressing struct {
	done atomic.Int64
	news chan struct{}
}

// press lets each buyer place checkouts, look at goods and sign in, one after
// the other. Whatever fails fails the test.
func press(t *testing.T, base string, stock drill.Stock) *pressing {
	t.Helper()
	l := &pressing{news: make(chan struct{}, 1)}
	over := transport(t)
	enough, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i, token := range stock.Tokens {
		b := newBuyer(t, base, token, over, 1)
		all.Go(func() {
			for n := 0; enough.Err() == nil; n++ {
				if err := b.something(context.WithoutCancel(t.Context()), n, i, stock); err != nil {
					t.Errorf("request %d of buyer %d: %v", n, i, err)
				}
				l.done.Add(1)
				select {
				case l.news <- struct{}{}:
				default:
				}
			}
		})
	}
	t.Cleanup(func() {
		stop()
		all.Wait()
	})
	return l
}

// something is the n-th thing that the i-th buyer does.
func (b buyer) something(ctx context.Context, n, i int, stock drill.Stock) error {
	switch n % 3 {
	case 0:
		_, err := b.place(ctx, client.NewKey(), placing(1, stock.SKUs[0][n%2], stock.SKUs[1][n%2]))
		return err
	case 1:
		limit := 1 + n%100 // many different lists, so that few are remembered
		_, err := b.shop.API.ListProductsWithResponse(ctx, &client.ListProductsParams{Limit: &limit})
		return err
	default:
		answer, err := b.shop.API.SignInWithResponse(ctx, client.Credentials{Login: drill.Login(i), Password: drill.Password(i)})
		if err == nil && answer.StatusCode() != http.StatusCreated {
			err = fmt.Errorf("sign in: %s", answer.Status())
		}
		return err
	}
}

// more waits for so many more requests.
func (l *pressing) more(t *testing.T, n int) {
	t.Helper()
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	for want := l.done.Load() + int64(n); l.done.Load() < want; {
		select {
		case <-l.news:
		case <-late.C:
			t.Fatalf("%d of %d requests within 30 s", int64(n)-(want-l.done.Load()), n)
		}
	}
}

// TestASaleLeavesNothingRunning sells once in this process. TestMain looks whether
// anything still runs after all programs of this process have stopped.
func TestASaleLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	a, base := serve(t, nil)
	stock, err := drill.Fill(t.Context(), a.Services(), drill.Wish{Merchants: 2, Products: 1, Pieces: 1, Buyers: 1})
	if err != nil {
		t.Fatal(err)
	}
	b := newBuyer(t, base, stock.Tokens[0], transport(t), 1)
	if _, err := b.buy(t.Context(), client.NewKey(), placing(1, stock.SKUs[0][0], stock.SKUs[1][0])); err != nil {
		t.Fatal(err)
	}
}
