package trace_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

// house is a shop whose orders mature when they are told to, with a grant.
type house struct {
	*shoptest.Shop
	grant, programme, other uuid.UUID
}

func newHouse(t *testing.T) house {
	t.Helper()
	h := house{shoptest.New(t, shoptest.Options{}), uuid.New(), uuid.New(), uuid.New()}
	h.StockUp(t, 1000)
	return h
}

// sold is a paid checkout, as who bought it sees it.
func (h house) sold(t *testing.T, who string, pairs ...any) order.Checkout {
	t.Helper()
	c := h.Place(t, who, shoptest.Choose(pairs...))
	c, err := h.Orders.Checkout(t.Context(), shoptest.Buyer(who), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	h.Pay(t, c.PayURL)
	if c, err = h.Orders.Checkout(t.Context(), shoptest.Buyer(who), c.ID); err != nil || c.State != order.Paid {
		t.Fatalf("the checkout is %s: %v", c.State, err)
	}
	return c
}

// book books transfers, and lets the log number them.
func (h house) book(t *testing.T, all ...ledger.Transfer) {
	t.Helper()
	if err := postgres.Do(t.Context(), h.DB, func(tx *postgres.Tx) error { return ledger.Book(t.Context(), tx, all) }); err != nil {
		t.Fatal(err)
	}
	h.drain(t)
}

func (h house) drain(t *testing.T) {
	t.Helper()
	if _, err := h.Transparency.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// mature makes all orders of a checkout mature.
func (h house) mature(t *testing.T, c order.Checkout) {
	t.Helper()
	for _, o := range c.Orders {
		h.book(t, fund.Mature(o.Merchant.UUID(), o.ID.String(), o.Goods))
	}
}

// late returns money of an order whose tenth has matured.
func (h house) late(t *testing.T, o order.Order, goods money.Fen) {
	t.Helper()
	refund := uuid.Must(uuid.NewV7())
	_, err := h.DB.SQL().ExecContext(t.Context(), `INSERT INTO order_refund (merchant_id, id, order_id, goods_fen, shipping_fen, reason, actor_id, at, lines)
		VALUES ($1, $2, $3, $4, 0, 'damaged', $1, $5, '[]')`, o.Merchant.UUID(), refund, o.ID.UUID(), int64(goods), h.DB.Now())
	if err != nil {
		t.Fatal(err)
	}
	h.book(t, ledger.Transfer{Home: o.Merchant.UUID(), Kind: fund.Refund, Ref: refund.String(), Public: true, Moves: []ledger.Move{
		{What: fund.Goods, From: o.Payable(), To: order.Provider, Amount: goods.Li()}, fund.Return(o.Payable(), goods, true),
	}})
}

func (h house) trace(t *testing.T, who string, c order.Checkout) trace.Traced {
	t.Helper()
	traced, err := h.Traces.Checkout(t.Context(), shoptest.Buyer(who), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	whole(t, traced.Tenth)
	for _, o := range traced.Orders {
		whole(t, o.Tenth)
	}
	return traced
}

// whole checks that a tenth is the sum of its parts.
func whole(t *testing.T, x trace.Tenth) {
	t.Helper()
	if x.Net() != x.Pending+x.Held+x.Matured+x.Late || x.Matured != x.Granted+x.Covered+x.Committed+x.Free+x.Waiting {
		t.Errorf("it is not the sum of its parts: %+v", x)
	}
}

func TestATenthIsFollowedToItsProject(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	one, two := h.sold(t, "li", "flour", 3), h.sold(t, "wang", "liquor", 1) // 9,900 and 12,345 fen
	h.drain(t)
	if got := h.trace(t, "li", one).Tenth; got != (trace.Tenth{Levied: 9900, Pending: 9900}) {
		t.Errorf("before it matures: %+v", got)
	}
	err := postgres.Do(t.Context(), h.DB, func(tx *postgres.Tx) error {
		o := one.Orders[0]
		return ledger.Book(t.Context(), tx, []ledger.Transfer{fund.Mature(o.Merchant.UUID(), o.ID.String(), o.Goods)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := h.trace(t, "li", one).Tenth; got != (trace.Tenth{Levied: 9900, Matured: 9900, Waiting: 9900}) {
		t.Errorf("before the log has numbered it: %+v", got)
	}
	h.drain(t)
	h.mature(t, two)
	h.book(t, fund.Grant(h.grant, 1500))
	h.book(t, fund.PayGrant(h.grant, h.programme, h.other, 1000))
	if got := h.trace(t, "li", one).Tenth; got != (trace.Tenth{Levied: 9900, Matured: 9900, Granted: 9900}) {
		t.Errorf("wholly in a project: %+v", got)
	}
	if p := h.trace(t, "li", one).Orders[0].Inflows[0].Parts[0].Of; p.Name() != h.programme.String() || p.Payment != h.other {
		t.Errorf("a programme without a record is %q: %+v", p.Name(), p)
	}
	h.late(t, two.Orders[0], 345)
	traced := h.trace(t, "wang", two)
	if got, want := traced.Tenth, (trace.Tenth{
		Levied: 12345, Returned: -345, Matured: 12345, Late: -345, Granted: 100, Covered: 345, Committed: 5000, Free: 6900,
	}); got != want {
		t.Errorf("across a project, a late return and the balance:\n got %+v\nwant %+v", got, want)
	}
	o := traced.Orders[0]
	if len(o.Returns) != 1 || o.Returns[0].From != 10000 || len(o.Inflows) != 1 || len(o.Inflows[0].Parts) != 2 || o.Inflows[0].Parts[0].Of.Programme() != h.programme {
		t.Errorf("the order is %+v", o)
	}
	h.right(t, 4)
	h.public(t)
}

// public checks what everybody sees: the parts of each outflow sum to it.
func (h house) public(t *testing.T) {
	t.Helper()
	sum, err := h.Traces.Summary(t.Context())
	if err != nil || sum.Payments != 1 || sum.Granted != 10000 || sum.Covered != 345 || sum.Queue.BalanceLi() != 9900+12345-10345 || sum.Queue.CommittedLi != 5000 {
		t.Errorf("the queue is %+v, %v", sum, err)
	}
	var seen int64
	for next, more := "", true; more; seen++ {
		p, err := h.Traces.Outflows(t.Context(), page.Request{Limit: 1, Cursor: next})
		if err != nil || len(p.Data) != 1 {
			t.Fatalf("%+v, %v", p, err)
		}
		next, more = p.Next, p.Next != ""
		o := p.Data[0]
		if (o.Payment == h.other) != (o.N == 0) || o.Late() != (o.N == 1) {
			t.Errorf("outflow %d is %+v", o.N, o)
		}
		var li, n int64
		for next, more := "", true; more; {
			parts, err := h.Traces.Levies(t.Context(), o.N, page.Request{Limit: 1, Cursor: next})
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range parts.Data {
				li, n = li+x.Li(), n+1
			}
			next, more = parts.Next, parts.Next != ""
		}
		if li != o.Li() || n != o.Levies || o.Last.N-o.First.N+1 != n {
			t.Errorf("outflow %+v is made of %d li of %d levies", o, li, n)
		}
	}
	if seen != 2 {
		t.Errorf("%d outflows", seen)
	}
	if _, err := h.Traces.Levies(t.Context(), 2, page.Request{}); !errors.Is(err, trace.ErrNoFlow) {
		t.Errorf("of what has not left: %v", err)
	}
	for _, cursor := range []string{"x", page.Encode("x", uuid.Nil), page.Encode("-1", uuid.Nil)} {
		if _, err := h.Traces.Outflows(t.Context(), page.Request{Cursor: cursor}); !errors.Is(err, page.ErrCursor) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}

// right checks the positions, of which there are so many.
func (h house) right(t *testing.T, positions int64) {
	t.Helper()
	r, err := trace.Check(t.Context(), h.DB)
	if err != nil || len(r.Differences) > 0 || r.Queue.In.Count+r.Queue.Out.Count != positions {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestEverybodyHasOnlyHisOwnTenth(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 3 {
		h.mature(t, h.sold(t, "li", "flour", 1, "liquor", 1))
	}
	h.mature(t, h.sold(t, "wang", "flour", 1))
	unpaid := h.Place(t, "li", shoptest.Choose("flour", 1))
	if _, err := h.Traces.Checkout(t.Context(), shoptest.Buyer("li"), unpaid.ID); !errors.Is(err, trace.ErrNotPaid) {
		t.Errorf("of what was not paid: %v", err)
	}
	if _, err := h.Traces.Checkout(t.Context(), shoptest.Buyer("wang"), unpaid.ID); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("of another's checkout: %v", err)
	}
	var seen int
	var sum trace.Tenth
	for next, more := "", true; more; {
		mine, err := h.Traces.Mine(t.Context(), shoptest.Buyer("li"), page.Request{Limit: 4, Cursor: next})
		if err != nil {
			t.Fatal(err)
		}
		if want := money.Li(3 * (3300 + 12345)); mine.Count != 6 || mine.Levied != want || mine.Free != want {
			t.Errorf("all of it is %+v of %d orders", mine.Tenth, mine.Count)
		}
		for _, o := range mine.Orders {
			seen++
			sum = sum.Plus(o.Tenth)
		}
		next, more = mine.Next, mine.Next != ""
		if !more && sum != mine.Tenth {
			t.Errorf("the pages sum to %+v, all is %+v", sum, mine.Tenth)
		}
	}
	if seen != 6 {
		t.Errorf("%d orders on the pages", seen)
	}
	none, err := h.Traces.Mine(t.Context(), shoptest.Buyer("nobody"), page.Request{})
	if err != nil || none.Count != 0 || none.Tenth != (trace.Tenth{}) {
		t.Errorf("of nobody: %+v, %v", none, err)
	}
}

func TestALogOlderThanItsPositionsIsCaughtUpWith(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	old, err := transparency.New(h.DB, transparency.Config{Origin: "shop.test/log", Folder: t.TempDir()}, ledger.Roller{})
	if err != nil {
		t.Fatal(err)
	}
	c := h.sold(t, "li", "flour", 1)
	o := c.Orders[0]
	for _, x := range []ledger.Transfer{fund.Mature(o.Merchant.UUID(), o.ID.String(), o.Goods), fund.Grant(h.grant, 100)} {
		if err := postgres.Do(t.Context(), h.DB, func(tx *postgres.Tx) error { return ledger.Book(t.Context(), tx, []ledger.Transfer{x}) }); err != nil {
			t.Fatal(err)
		}
		// Without the follower, as a release before it numbered them; what it signs is another's.
		if _, err := old.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.trace(t, "li", c).Tenth; got != (trace.Tenth{Levied: 3300, Matured: 3300, Waiting: 3300}) {
		t.Errorf("before the next leaf: %+v", got)
	}
	h.right(t, 0)
	h.book(t, fund.PayGrant(h.grant, h.programme, h.other, 100))
	if got := h.trace(t, "li", c).Tenth; got != (trace.Tenth{Levied: 3300, Matured: 3300, Granted: 1000, Free: 2300}) {
		t.Errorf("after it: %+v", got)
	}
	h.right(t, 2)
}

func TestPositionsThatWereTamperedWithAreNamed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c := h.sold(t, "li", "flour", 1, "liquor", 1)
	h.mature(t, c)
	h.book(t, fund.Grant(h.grant, 100))
	h.book(t, fund.PayGrant(h.grant, h.programme, h.other, 100))
	h.right(t, 3)
	super := pgtest.Tamper(t, h.DB)
	if _, err := super.ExecContext(t.Context(), `ALTER TABLE fund_position DISABLE TRIGGER USER; ALTER TABLE fund_queue DISABLE TRIGGER USER`); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ does, undoes, says string }{
		{`UPDATE fund_position SET account = 'world:programme:x' WHERE way = 'out'`, `UPDATE fund_position SET account = 'world:programme:` + h.programme.String() + `' WHERE way = 'out'`, "is written down as"},
		{`UPDATE fund_position SET n = 7 WHERE way = 'in' AND n = 1`, `UPDATE fund_position SET n = 1 WHERE way = 'in' AND n = 7`, "is written down as"},
		{`INSERT INTO fund_position VALUES ('in', 99999, 99998, 9, 9, 0, gen_random_uuid(), gen_random_uuid(), 'mature', 'x')`, `DELETE FROM fund_position WHERE to_li = 99999`, "is of no leaf"},
		{`UPDATE fund_queue SET committed_li = 1`, `UPDATE fund_queue SET committed_li = 0`, "the fund's queue is"},
		{
			`CREATE TABLE kept AS TABLE fund_position; CREATE TABLE stood AS TABLE fund_queue; DELETE FROM fund_position WHERE way = 'out';
			UPDATE fund_queue SET leaves = leaves - 1, out_li = 0, out_count = 0, committed_li = 1000`,
			`INSERT INTO fund_position SELECT * FROM kept WHERE way = 'out';
			UPDATE fund_queue q SET (leaves, out_li, out_count, committed_li) = (SELECT leaves, out_li, out_count, committed_li FROM stood)`, "the log has",
		},
		{`DELETE FROM fund_position WHERE way = 'out'`, ``, "is not written down"},
	} {
		if _, err := super.ExecContext(t.Context(), x.does); err != nil {
			t.Fatalf("%s: %v", x.does, err)
		}
		r, err := trace.Check(t.Context(), h.DB)
		if err != nil || len(r.Differences) != 1 || !strings.Contains(r.Differences[0], x.says) {
			t.Errorf("%s: %+v, %v", x.does, r.Differences, err)
		}
		if _, err := super.ExecContext(t.Context(), x.undoes); err != nil {
			t.Fatalf("%s: %v", x.undoes, err)
		}
	}
}

func TestTheShopMayNotWritePositions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, statement := range []string{
		`INSERT INTO fund_position VALUES ('in', 1, 0, 0, 0, 0, gen_random_uuid(), gen_random_uuid(), 'mature', 'x')`,
		`UPDATE fund_queue SET leaves = leaves + 1`,
	} {
		if _, err := h.DB.SQL().ExecContext(t.Context(), statement); err == nil {
			t.Errorf("the shop may %s", statement)
		}
	}
}
