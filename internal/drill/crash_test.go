package drill_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/shiyi-market/shiyi/internal/drill"
	"github.com/shiyi-market/shiyi/pkg/client"
)

// crowd is buyers who buy without end, and put up with a shop that dies under
// them: what was promised to them they insist on.
type crowd struct {
	p     *drill.Program
	stock drill.Stock

	mu   sync.Mutex
	told map[uuid.UUID]client.Checkout // that the shop has said are paid
	errs []error                       // what a shop that dies may not say
	news chan struct{}                 // somebody was told
}

// patience is how long one buyer tries to get done what he has begun, deaths of
// the shop included.
const patience = 60 * time.Second

// gather lets the buyers begin; wait waits until all have ended what they had
// begun when enough ended.
func gather(t *testing.T, enough context.Context, p *drill.Program, stock drill.Stock) (c *crowd, wait func()) {
	t.Helper()
	c = &crowd{p: p, stock: stock, told: map[uuid.UUID]client.Checkout{}, news: make(chan struct{}, 1)}
	over := transport(t)
	over.Timeout = 5 * time.Second
	var all sync.WaitGroup
	for i, token := range stock.Tokens {
		b := newBuyer(t, p.URL, token, over, 1)
		all.Go(func() {
			for n := i; enough.Err() == nil; n++ {
				sku := n % len(stock.SKUs[0])
				if err := c.insist(t.Context(), enough, b, placing(1, stock.SKUs[0][sku], stock.SKUs[1][sku])); err != nil {
					c.mu.Lock()
					c.errs = append(c.errs, err)
					c.mu.Unlock()
				}
			}
		})
	}
	return c, all.Wait
}

// insist buys. Once the checkout is promised, it tries until that is paid.
func (c *crowd) insist(ctx, enough context.Context, b buyer, p client.Placing) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key := client.NewKey()
	placed, err := b.place(ctx, key, p)
	for ; err != nil; placed, err = b.place(ctx, key, p) {
		if refusal := new(client.Error); errors.As(err, &refusal) {
			// A checkout whose answer died with the shop can be asked for again after half a minute.
			if refusal.Code == "request.running" || enough.Err() != nil {
				return nil
			}
			if refusal.Status < 500 {
				return fmt.Errorf("place: %w", err)
			}
		}
		if enough.Err() != nil {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("place: %w", err)
		}
	}
	for placed.PayUrl == nil { // the shop died before it had a page
		if placed, err = b.state(ctx, placed.Id); err != nil || placed.PayUrl == nil {
			return nil // its worker opens one later
		}
	}
	for {
		_ = b.pay(ctx, placed) // whether it was, the shop says
		now, err := b.state(ctx, placed.Id)
		switch {
		case err == nil && now.State == client.CheckoutStatePaid:
			c.tell(now)
			return nil
		case err == nil && now.State != client.CheckoutStatePlaced:
			return fmt.Errorf("the checkout is %s", now.State)
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("the checkout %s is paid, and the shop does not know it: %w", placed.Id, err)
		}
	}
}

// pause lets a little time pass between two attempts.
func pause(ctx context.Context) error {
	timer := time.NewTimer(20 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *crowd) tell(paid client.Checkout) {
	c.mu.Lock()
	c.told[paid.Id] = paid
	c.mu.Unlock()
	select {
	case c.news <- struct{}{}:
	default:
	}
}

func (c *crowd) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.told)
}

// more waits until so many more buyers were told that they have paid.
func (c *crowd) more(ctx context.Context, n int) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	for want := c.count() + n; c.count() < want; {
		select {
		case <-c.news:
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("only %d of %d sales within %s: %s", c.count()-(want-n), n, patience, c.p.Log())
		}
	}
	return nil
}

// TestNoSaleIsLostOrDoubled kills the program five times, and its PostgreSQL five
// times, while buyers buy. Whatever a buyer was told is paid must be so, once,
// in every table that knows of it; and nothing else may be.
func TestNoSaleIsLostOrDoubled(t *testing.T) {
	t.Parallel()
	const pieces, deaths, between = 100_000, 5, 10
	p, stock := program(t, drill.Wish{Merchants: 2, Products: 4, Pieces: pieces, Buyers: 6}, map[string]string{"LIMIT_CHECKOUT": "0"})
	start(t, p)
	enough, stop := context.WithCancel(t.Context())
	defer stop()
	c, wait := gather(t, enough, p, stock)
	for range deaths {
		if err := c.more(t.Context(), between); err != nil {
			t.Fatal(err)
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.more(t.Context(), between); err != nil {
			t.Fatal(err)
		}
		if err := p.Crash(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.more(t.Context(), between); err != nil {
		t.Fatal(err)
	}
	stop()
	wait()
	for _, err := range c.errs {
		t.Error(err)
	}
	t.Logf("%d sales through %d deaths of the program and %d of PostgreSQL", len(c.told), deaths, deaths)
	if diff := cmp.Diff(c.owed(pieces), found(t, p)); diff != "" {
		t.Errorf("the shop's memory (-what buyers were told +what is there):\n%s", diff)
	}
	if lost := c.lost(t); len(lost) > 0 {
		t.Errorf("lost: %v", lost)
	}
	if out, err := p.Run(t.Context(), "verify"); err != nil || !strings.Contains(out, "all agrees") {
		t.Errorf("shiyi verify: %v\n%s", err, out)
	}
}

// TestALossIsNoticed is the canary: PostgreSQL that answers before it has written
// loses sales when it is killed, and the test above would say so.
func TestALossIsNoticed(t *testing.T) {
	t.Parallel()
	p, stock := program(t, drill.Wish{Merchants: 2, Products: 1, Pieces: 1000, Buyers: 1}, map[string]string{
		"LIMIT_CHECKOUT": "0", "WORKER_SEQUENCE": "1h", "WORKER_SWEEP": "1h", // they write to disk what is written before
	})
	start(t, p)
	place, err := p.Database()
	if err != nil {
		t.Fatal(err)
	}
	super, err := pgx.Connect(t.Context(), place.SuperURL)
	if err != nil {
		t.Fatal(err)
	}
	for _, lax := range []string{"ALTER SYSTEM SET synchronous_commit = off", "ALTER SYSTEM SET wal_writer_delay = '10s'", "SELECT pg_reload_conf()"} {
		if _, err := super.Exec(t.Context(), lax); err != nil {
			t.Fatal(err)
		}
	}
	if err := super.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := &crowd{p: p, stock: stock, told: map[uuid.UUID]client.Checkout{}, news: make(chan struct{}, 1)}
	b := newBuyer(t, p.URL, stock.Tokens[0], transport(t), 1)
	const attempts = 3
	for range attempts {
		for range 3 {
			if err := c.insist(t.Context(), t.Context(), b, placing(1, stock.SKUs[0][0], stock.SKUs[1][0])); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Crash(t.Context()); err != nil {
			t.Fatal(err)
		}
		if lost := c.lost(t); len(lost) > 0 {
			if diff := cmp.Diff(c.owed(1000), found(t, p)); diff == "" {
				t.Errorf("%d of %d sales are lost, and the tables are as if they were not", len(lost), len(c.told))
			}
			return
		}
	}
	t.Errorf("PostgreSQL was killed %d times without having written, and no loss was noticed", attempts)
}

// lost are the checkouts that somebody was told are paid and that are not.
func (c *crowd) lost(t *testing.T) (lost []uuid.UUID) {
	t.Helper()
	conn := database(t, c.p)
	for id := range c.told {
		var n int
		const whole = `SELECT count(*) FROM checkout c JOIN payment_intent i ON i.buyer_id = c.buyer_id AND i.id = c.id AND i.state = 'succeeded'
			WHERE c.id = $1 AND c.state = 'paid' AND 2 = (SELECT count(*) FROM orders o
				JOIN transfer t ON t.home = o.merchant_id AND t.kind = 'sale' AND t.ref = o.id::text
				JOIN move m ON m.home = t.home AND m.transfer_id = t.id AND m.what = 'tenth' AND m.amount_li = o.goods_fen
				WHERE o.checkout_id = c.id AND o.state = 'paid')`
		if err := conn.QueryRow(t.Context(), whole, id).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n != 1 {
			lost = append(lost, id)
		}
	}
	return lost
}

// sums are what the tables of a shop come to.
type sums struct {
	Checkouts, Orders, Payments, Transfers, Events int64 // paid, or of sales
	GoodsFen, LevyLi                               int64
	Taken, Free                                    int64 // pieces; what is reserved is neither
}

// owed is what the tables must come to after what the buyers were told.
func (c *crowd) owed(pieces int64) sums {
	s := sums{Free: pieces * int64(len(c.stock.SKUs[0])+len(c.stock.SKUs[1]))}
	for _, paid := range c.told {
		s.Checkouts++
		s.Payments++
		s.Events++
		s.Orders += int64(len(paid.Orders))
		s.Transfers += int64(len(paid.Orders))
		s.GoodsFen += paid.GoodsFen
		s.LevyLi += paid.LevyLi
		for _, o := range paid.Orders {
			for _, l := range o.Lines {
				s.Taken += l.Quantity
				s.Free -= l.Quantity
			}
		}
	}
	return s
}

// found is what the tables come to. What is promised and not paid yet is counted
// as free: it comes back to the shelf.
func found(t *testing.T, p *drill.Program) sums {
	t.Helper()
	const query = `SELECT
		(SELECT count(*) FROM checkout WHERE state = 'paid'),
		(SELECT count(*) FROM orders WHERE state = 'paid'),
		(SELECT count(*) FROM payment_intent WHERE state = 'succeeded'),
		(SELECT count(*) FROM transfer),
		(SELECT count(*) FROM payment_event WHERE kind = 'paid' AND processed_at IS NOT NULL),
		(SELECT coalesce(sum(goods_fen), 0)::bigint FROM orders WHERE state = 'paid'),
		(SELECT coalesce(sum(amount_li), 0)::bigint FROM move WHERE what = 'tenth'),
		(SELECT coalesce(sum(l.quantity), 0)::bigint FROM order_line l JOIN orders o ON o.merchant_id = l.merchant_id AND o.id = l.order_id WHERE o.state = 'paid'),
		(SELECT sum(available + reserved)::bigint FROM stock)`
	var s sums
	err := database(t, p).QueryRow(t.Context(), query).Scan(
		&s.Checkouts, &s.Orders, &s.Payments, &s.Transfers, &s.Events, &s.GoodsFen, &s.LevyLi, &s.Taken, &s.Free)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// database is a look into the shop's tables, as soon as PostgreSQL is there.
func database(t *testing.T, p *drill.Program) *pgx.Conn {
	t.Helper()
	var conn *pgx.Conn
	err := drill.Until(t.Context(), "PostgreSQL is there", func() bool {
		place, err := p.Database()
		if err != nil {
			return false
		}
		conn, err = pgx.Connect(t.Context(), place.OwnerURL)
		return err == nil
	})
	if err != nil {
		t.Fatal(err, p.Log())
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
