// Command bench measures the built shop over HTTP, on this machine and in one
// run: what it sells and shows in a second, what PostgreSQL alone would do for the
// same sale, and what a Redis that is gone costs. It asserts nothing.
//
//	go run ./internal/bench [search | verify [LEVIES]] [PROGRAM]
//
// With the word search it measures searches among 200,000 products instead, with the word
// verify how fast 1,000,000 levies are booked and numbered, and how fast `shiyi verify` checks
// them all.
// Without a program it builds the one of the repository that it is run in.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shiyi-market/shiyi/internal/drill"
)

// size is how large the shop is.
type size struct{ merchants, products, buyers int }

// Lengths of the measurements. Altogether they stay below three minutes.
const (
	warming = 2 * time.Second
	reads   = 4 * time.Second
	writes  = 5 * time.Second
	outage  = 4 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	part := (*bench).measure
	levies := wholeLog
	switch {
	case len(args) > 0 && args[0] == "search":
		part, args = (*bench).searching, args[1:]
	case len(args) > 0 && args[0] == "verify":
		part, args = func(b *bench, ctx context.Context) error { return b.verifying(ctx, levies) }, args[1:]
		if len(args) > 0 {
			if n, err := strconv.Atoi(args[0]); err == nil {
				levies, args = n, args[1:]
			}
		}
	}
	if len(args) > 1 {
		return errors.New("usage: bench [search | verify [LEVIES]] [PROGRAM]")
	}
	room, err := drill.Room("shiyi-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(room) }()
	if len(args) == 0 {
		args = []string{filepath.Join(room, "shiyi")}
		if err := drill.Build(ctx, room, "shiyi"); err != nil {
			return err
		}
	}
	b := &bench{out: out, room: room, wish: size{merchants: 4, products: 25, buyers: 32}}
	if err := b.openRedis(ctx); err != nil {
		return err
	}
	defer b.closeRedis()
	if err := b.openShop(ctx, args[0]); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.shop.Stop(context.WithoutCancel(ctx))) }()
	return part(b, ctx)
}

// bench is one run.
type bench struct {
	out   io.Writer
	room  string
	wish  size
	shop  *shop
	redis *drill.Redis // nil: none is installed
	wire  *drill.Wire  // before it
}

func (b *bench) openRedis(ctx context.Context) (err error) {
	b.redis, err = drill.NewRedis(ctx)
	if errors.Is(err, drill.ErrNoRedis) {
		b.redis = nil
		return nil
	}
	if err != nil {
		return err
	}
	if err := b.redis.Start(ctx); err != nil {
		return err
	}
	b.wire, err = drill.NewWire(ctx, b.redis.Addr)
	return err
}

func (b *bench) closeRedis() {
	if b.redis == nil {
		return
	}
	b.redis.Kill()
	if b.wire != nil {
		_ = b.wire.Close()
	}
}

// openShop furnishes and starts the program with the settings that it has by
// default; only the number of checkouts a minute is not limited, but counted.
func (b *bench) openShop(ctx context.Context, bin string) error {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	settings := map[string]string{"LIMIT_CHECKOUT": "1000000000"}
	if b.redis != nil {
		settings["REDIS_URL"] = drill.RedisURL(b.wire.Addr())
	}
	p, err := drill.New(ctx, bin, filepath.Join(b.room, "state"), settings)
	if err != nil {
		return err
	}
	stock, err := p.Furnish(ctx, drill.Wish{Merchants: b.wish.merchants, Products: b.wish.products, Pieces: 1_000_000, Buyers: b.wish.buyers})
	if err != nil {
		return err
	}
	if err := p.Start(ctx); err != nil {
		return err
	}
	b.shop = &shop{Program: p, Stock: stock, addr: strings.TrimPrefix(p.URL, "http://")}
	return nil
}

// measure measures one thing after the other. The order matters little: what was
// sold before makes the tables a little larger.
func (b *bench) measure(ctx context.Context) error {
	place, err := b.shop.Database()
	if err != nil {
		return err
	}
	watching, enough := context.WithCancel(ctx)
	if b.shop.watch, err = newWatch(watching, place.URL); err != nil {
		enough()
		return err
	}
	watched := make(chan error, 1)
	go func() { watched <- b.shop.watch.run(watching) }()
	b.say("shiyi on %d processors, %s/%s, PostgreSQL private and durable; %d enterprises, %d SKUs\n",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, b.wish.merchants, b.wish.merchants*b.wish.products)
	for _, part := range []func(context.Context) error{b.warm, b.showing, b.selling, b.outages} {
		if err := part(ctx); err != nil {
			enough()
			return errors.Join(err, <-watched)
		}
	}
	enough()
	return <-watched
}

func (b *bench) say(format string, args ...any) { _, _ = fmt.Fprintf(b.out, format, args...) }

// row prints what a load came to.
func (b *bench) row(name string, r result, more string) {
	b.say("%-34s %8d %10.0f %10s %10s%s\n", name, r.clients, r.rate, millis(r.p50), millis(r.p99), more)
	if r.failed > 0 {
		b.say("    %d of %d failed, the first: %v\n", r.failed, r.failed+r.done, r.failure)
	}
}

func (b *bench) head(name string) {
	b.say("\n%-34s %8s %10s %10s %10s\n", name, "clients", "per second", "p50 ms", "p99 ms")
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }

// warm lets caches and plans settle; nothing of it is shown. Sessions that began
// on empty tables are replaced as connections are.
func (b *bench) warm(ctx context.Context) error {
	_, err := load(ctx, 8, warming, b.shop.sales)
	return err
}

func (b *bench) showing(ctx context.Context) error {
	b.head("reads, over kept connections")
	var details []string
	for m := range b.wish.merchants {
		for p := range b.wish.products {
			details = append(details, "/v1/products/"+drill.ProductID(m, p).String())
		}
	}
	lists := []string{"/v1/products", "/v1/products?category=OIL&limit=50", "/v1/products?merchant_id=" + drill.MerchantID(1).String()}
	for _, part := range []struct {
		name  string
		paths []string
	}{{"lists of products", lists}, {"products", details}} {
		r, err := load(ctx, 32, reads, b.shop.reading(part.paths))
		if err != nil {
			return err
		}
		b.row(part.name, r, "")
	}
	return nil
}

// selling measures checkouts and whole sales, and pgbench with each.
func (b *bench) selling(ctx context.Context) error {
	y, err := newYardstick(ctx, b.shop, b.room, b.wish)
	if err != nil {
		return err
	}
	for _, part := range []struct {
		name, script string
		work         work
	}{
		{"checkouts of two lines", "checkout", b.shop.checkouts},
		{"sales: placed, paid, captured", "sale", b.shop.sales},
	} {
		b.head(part.name)
		for _, clients := range []int{1, 8, 32} {
			r, err := load(ctx, clients, writes, part.work)
			if err != nil {
				return err
			}
			rate, mean, err := y.run(ctx, part.script, clients, writes)
			if err != nil {
				return err
			}
			b.row("  over HTTP", r, "")
			b.say("%-34s %8d %10.0f %10s   ratio %.2f\n", "  the same SQL by pgbench", clients, rate, millis(mean)+" mean", r.rate/rate)
		}
	}
	return nil
}

// outages measures checkouts while Redis answers, is stopped, and is a black
// hole. The first second of each is left out: in it the breaker opens.
func (b *bench) outages(ctx context.Context) error {
	if b.redis == nil {
		b.say("\nredis-server is not installed: what its absence costs is not measured\n")
		return nil
	}
	b.head("checkouts while Redis…")
	base := time.Duration(0)
	for _, part := range []struct {
		name       string
		begin, end func() error
	}{
		{"  answers", func() error { return nil }, func() error { return nil }},
		{"  is stopped", func() error { b.redis.Kill(); return nil }, func() error { return b.redis.Start(ctx) }},
		{"  answers nothing (black hole)", func() error { b.wire.Swallow(true); return nil }, func() error { b.wire.Swallow(false); return nil }},
	} {
		if err := part.begin(); err != nil {
			return err
		}
		first, err := load(ctx, 8, time.Second, b.shop.checkouts)
		if err != nil {
			return err
		}
		r, err := load(ctx, 8, outage, b.shop.checkouts)
		if err != nil {
			return err
		}
		if base == 0 {
			base = r.p99
		}
		more := fmt.Sprintf("   p99 %+.1f ms; in the first second %s", float64(r.p99-base)/float64(time.Millisecond), millis(first.p99))
		r.failed, r.failure = r.failed+first.failed, errors.Join(first.failure, r.failure)
		b.row(part.name, r, more)
		if err := part.end(); err != nil {
			return err
		}
		if _, err := load(ctx, 8, warming, b.shop.checkouts); err != nil { // the breaker closes
			return err
		}
	}
	return nil
}
