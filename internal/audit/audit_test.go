package audit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/audit"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/statement"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func day(from, until merchant.Date) audit.Period { return audit.Period{From: from, Until: until} }

// trade sells over two days: two orders of the miller's and one of the other enterprise's on
// the first, and on the second one more of the miller's and a refund of a piece of the first.
func trade(t *testing.T) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 100)
	at := func(clock string) {
		t.Helper()
		when, err := time.Parse(time.RFC3339, clock)
		must(t, err)
		s.Clock.Set(when)
	}
	sell := func(n int) order.Checkout {
		t.Helper()
		c := s.Place(t, "ann", shoptest.Choose("flour", n, "liquor", 1))
		s.Pay(t, c.PayURL)
		s.Clock.Advance(time.Millisecond)
		return s.Checkout(t, c)
	}
	at("2026-11-29T23:59:59+08:00")
	c := sell(2)
	sell(1)
	at("2026-11-30T00:00:00+08:00")
	sell(3)
	for _, o := range c.Orders {
		if o.Merchant == shoptest.Miller {
			_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, o.ID,
				order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: "damaged"}, request.Claim{}, nil)
			must(t, err)
		}
	}
	s.Perform(t)
	s.Sequence(t)
	return s
}

// tamper changes what nobody may change.
func tamper(t *testing.T, db *postgres.DB, statement string) {
	t.Helper()
	var unguarded strings.Builder
	for _, table := range []string{"transfer", "move", "order_refund", "orders", "period_seal", "publication"} {
		unguarded.WriteString("ALTER TABLE " + table + " DISABLE TRIGGER USER; ")
	}
	_, err := pgtest.Tamper(t, db).ExecContext(t.Context(), unguarded.String()+statement)
	must(t, err)
}

func TestOrdersTimesOneTenthIsTheBookIsTheProvider(t *testing.T) {
	t.Parallel()
	s := trade(t)
	desk := audit.New(s.DB)
	sum, err := desk.Summary(t.Context(), day("2026-11-01", "2026-11-30"))
	must(t, err)
	if !sum.Agrees() || sum.Differences != 0 || sum.OpenBreaks != 0 || sum.Paid != sum.Provider || sum.Checkouts != 3 || sum.Transfers != sum.Orders+1 || sum.Refunded == 0 {
		t.Errorf("%+v", sum)
	}
	var lines []audit.Line
	for cursor := ""; ; {
		some, err := desk.Lines(t.Context(), day("2026-11-01", "2026-11-30"), page.Request{Cursor: cursor, Limit: 1})
		must(t, err)
		lines = append(lines, some.Data...)
		if cursor = some.Next; cursor == "" {
			break
		}
	}
	var total audit.Levy
	byMiller := map[merchant.Date]audit.Levy{}
	for _, l := range lines {
		if !l.Agrees() || l.Code == "" {
			t.Errorf("%+v", l)
		}
		total.Orders, total.Goods, total.Refunded = total.Orders+l.Orders, total.Goods+l.Goods, total.Refunded+l.Refunded
		total.Transfers, total.BookGoods, total.BookTenth = total.Transfers+l.Transfers, total.BookGoods+l.BookGoods, total.BookTenth+l.BookTenth
		if l.Merchant == shoptest.Miller {
			byMiller[l.Day] = l.Levy
		}
	}
	if diff := cmp.Diff(sum.Levy, total); diff != "" || len(lines) < 4 {
		t.Errorf("%d lines (-summary +lines):\n%s", len(lines), diff)
	}
	const flour money.Fen = 3300
	if got := byMiller["2026-11-30"]; got.Orders != 1 || got.Goods != 3*flour || got.Refunded != flour || got.BookTenth != (2*flour).Tenth() {
		t.Errorf("the miller's second day: %+v", got)
	}
	events, err := desk.Events(t.Context(), "2026-11-30", shoptest.Miller, page.Request{})
	must(t, err)
	if len(events.Data) != 2 || events.Data[1].Kind != "return" || events.Data[1].Goods != -flour || events.Data[1].BookTenth != -flour.Tenth() || events.Data[1].Index < 0 {
		t.Errorf("%+v", events.Data)
	}
}

// Whatever is changed behind the book's back or the orders' is listed, with what it is about.
func TestEveryDifferenceIsListed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		statement string
		want      []string
	}{
		"an order that cost more": {`UPDATE orders SET goods_fen = goods_fen + 10 WHERE id = (SELECT min(id::text)::uuid FROM orders)`, []string{"goods", "provider"}},
		"a tenth that is less":    {`UPDATE move SET amount_li = amount_li - 1 WHERE what = 'tenth' AND transfer_id = (SELECT min(id::text)::uuid FROM transfer WHERE kind = 'sale')`, []string{"tenth"}},
		"a sale that is gone":     {`DELETE FROM transfer WHERE id = (SELECT min(id::text)::uuid FROM transfer WHERE kind = 'sale')`, []string{"unbooked"}},
		"a refund that is none":   {`DELETE FROM order_refund`, []string{"provider", "unordered"}},
		"a sale of another day":   {`UPDATE transfer SET at = at + interval '1 day' WHERE id = (SELECT min(id::text)::uuid FROM transfer WHERE kind = 'sale')`, []string{"day"}},
		"a tenth of a payout":     {`UPDATE transfer SET kind = 'payout' WHERE id = (SELECT min(id::text)::uuid FROM transfer WHERE kind = 'sale')`, []string{"stray", "unbooked"}},
		"a payment of more":       {`UPDATE payment_intent SET amount_fen = amount_fen + 1 WHERE id = (SELECT min(id::text)::uuid FROM payment_intent)`, []string{"provider"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := trade(t)
			tamper(t, s.DB, tt.statement)
			desk := audit.New(s.DB)
			got := map[string]bool{}
			for cursor := ""; ; {
				some, err := desk.Differences(t.Context(), day("2026-11-01", "2026-11-30"), page.Request{Cursor: cursor, Limit: 1})
				must(t, err)
				for _, d := range some.Data {
					got[d.Kind] = true
					if d.Object == "" || d.Expected == d.Found && d.Kind != audit.Day {
						t.Errorf("%+v", d)
					}
				}
				if cursor = some.Next; cursor == "" {
					break
				}
			}
			want := map[string]bool{}
			for _, k := range tt.want {
				want[k] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheTrialBalanceLeadsToTheMovesOfAnAccount(t *testing.T) {
	t.Parallel()
	s := trade(t)
	desk := audit.New(s.DB)
	b, err := desk.Trial(t.Context(), day("2026-11-30", "2026-11-30"))
	must(t, err)
	var opening, closing money.Li
	for _, a := range b.Accounts {
		opening, closing = opening+a.Opening, closing+a.Closing()
		var in, out money.Li
		for cursor := ""; ; {
			some, err := desk.Transfers(t.Context(), b.Period, a.Account, page.Request{Cursor: cursor, Limit: 1})
			must(t, err)
			for _, n := range some.Data {
				for _, m := range n.Moves {
					switch a.Account {
					case m.To:
						in += m.Amount
					case m.From:
						out += m.Amount
					}
				}
			}
			if cursor = some.Next; cursor == "" {
				break
			}
		}
		if in != a.In || out != a.Out || a.Closing() != s.Held(t, a.Account) {
			t.Errorf("%+v: its moves are %d in, %d out", a, in, out)
		}
	}
	if opening != 0 || closing != 0 || len(b.Accounts) != 4 {
		t.Errorf("opening %d, closing %d of %+v", opening, closing, b.Accounts)
	}
}

func TestPeriodsAndCursorsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	desk := audit.New(pgtest.New(t))
	if _, err := desk.Summary(t.Context(), day("2026-11-02", "2026-11-01")); !errors.Is(err, statement.ErrPeriod) {
		t.Errorf("%v", err)
	}
	forged, in := page.Request{Cursor: page.Encode("x'y", [16]byte{})}, day("2026-11-01", "2026-11-02")
	_, lines := desk.Lines(t.Context(), in, forged)
	_, events := desk.Events(t.Context(), "2026-11-01", shoptest.Miller, forged)
	_, transfers := desk.Transfers(t.Context(), in, ledger.Account("a"), forged)
	_, before := desk.Lines(t.Context(), in, page.Request{Cursor: page.Encode("0000-01-01", [16]byte{})})
	_, never := desk.Events(t.Context(), "2026-11-01", shoptest.Miller, page.Request{Cursor: page.Encode("0000-01-01T00:00:00.000000Z", [16]byte{})})
	for _, err := range []error{lines, events, transfers, before, never} {
		if !errors.Is(err, page.ErrCursor) {
			t.Errorf("%v", err)
		}
	}
}
