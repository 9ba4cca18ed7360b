package tidings_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/compensation"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/quote"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/returns"
	"github.com/shiyi-market/shiyi/internal/shipment"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/tidings"
)

const day = 24 * time.Hour

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a shop whose people have accounts, and what they were told.
type world struct {
	*shoptest.Shop
	people map[string]identity.Caller
	seen   map[notice.ID]bool
}

var (
	ann    = shoptest.Buyer("ann")
	miller = shoptest.Seller(shoptest.Miller)
)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Shop: shoptest.New(t, shoptest.Options{}), people: map[string]identity.Caller{}, seen: map[notice.ID]bool{}}
	w.StockUp(t, 100)
	root, err := w.Root(t.Context())
	must(t, err)
	w.people["root"] = root
	for name, c := range map[string]identity.Caller{"ann": ann, "miller": miller, "distiller": shoptest.Seller(shoptest.Distiller)} {
		must(t, w.Identity.Record(t.Context(), identity.Account{ID: c.Account, Email: name + "@example.org", Name: name}))
		for _, g := range c.Roles {
			_, err := w.Identity.Grant(t.Context(), root, c.Account, g)
			must(t, err)
		}
		w.people[name] = c
	}
	return w
}

// sweep does what the worker does again and again, and hears the provider out.
func (w *world) sweep(t *testing.T) {
	t.Helper()
	w.Perform(t)
	told := tidings.New(w.DB)
	_, err := told.Tell(t.Context(), 2)
	must(t, err)
	_, err = told.Remind(t.Context(), 2)
	must(t, err)
	_, err = w.Disputes.Remind(t.Context())
	must(t, err)
}

// told are the kinds of what each was told since it was last asked, by name.
func (w *world) told(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for name, who := range w.people {
		p, err := w.Notices.Notices(t.Context(), who, false, page.Request{Limit: 100})
		must(t, err)
		for _, n := range p.Data {
			if !w.seen[n.ID] {
				out[name] = append(out[name], string(n.Kind))
			}
			w.seen[n.ID] = true
		}
		slices.Sort(out[name])
	}
	return out
}

func (w *world) buy(t *testing.T, pairs ...any) order.Order {
	t.Helper()
	return w.paid(t, shoptest.Choose(pairs...))
}

func (w *world) paid(t *testing.T, p quote.Placing) order.Order {
	t.Helper()
	c := w.Place(t, "ann", p)
	w.Pay(t, c.PayURL)
	return w.Checkout(t, c).Orders[0]
}

// stayed is a night of ann's at a farm, which is over.
func (w *world) stayed(t *testing.T) order.Order {
	t.Helper()
	o := w.buy(t, "stay", 1)
	must(t, postgres.Do(t.Context(), w.DB, func(tx *postgres.Tx) error {
		locked, err := order.Lock(t.Context(), tx, o.ID)
		if err == nil {
			err = fulfilment.Receive(t.Context(), tx, locked, tx.Now, tx.Now)
		}
		return err
	}))
	return o
}

func (w *world) refund(t *testing.T, o order.Order, amount money.Fen) error {
	t.Helper()
	_, err := w.Aftersales.Refund(t.Context(), w.people["root"], o.ID,
		order.Refunding{Lines: []order.RefundLine{{N: 1, Amount: amount}}, Reason: "damaged"}, request.Claim{}, nil)
	return err
}

// event is something that happens, of which people are told.
type event struct {
	name    string
	prepare func() // what comes before it; of that it is not asked who was told
	happen  func() error
	want    map[string][]string
}

// once is what does not happen a second time.
func once(f func() error) func() error {
	done := false
	return func() error {
		if done {
			return nil
		}
		done = true
		return f()
	}
}

// play lets everything happen in turn, twice: what cannot happen again is refused, and
// nobody is told anything again.
func (w *world) play(t *testing.T, story []event) {
	t.Helper()
	for _, e := range story {
		if e.prepare != nil {
			e.prepare()
			w.sweep(t)
			w.told(t)
		}
		w.Clock.Advance(time.Second)
		if e.happen != nil {
			if err := e.happen(); err != nil {
				t.Fatalf("%s: %v", e.name, err)
			}
		}
		w.sweep(t)
		if diff := cmp.Diff(e.want, w.told(t)); diff != "" {
			t.Errorf("%s: told (-want +got):\n%s", e.name, diff)
		}
		if e.happen != nil {
			_ = e.happen() // refused, or the same
		}
		w.sweep(t)
		if again := w.told(t); len(again) > 0 {
			t.Errorf("%s, again: told %v", e.name, again)
		}
	}
}

func TestEachStepOfADeliveryAndItsReturnTellsWhomItMustOnce(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	var placed order.Checkout
	var o order.Order
	var c returns.Case
	var parcel shipment.ID
	claim := request.Claim{}
	asking := returns.Asking{Kind: returns.ReturnRefund, Reason: returns.NoReason, Text: "买多了", Lines: []order.RefundLine{{N: 1, Quantity: 1}}}
	ask := func() (err error) {
		asked, err := w.Aftersales.Ask(ctx, ann, o.ID, asking)
		if err == nil {
			c = asked
		}
		return err
	}
	approve := func() error { _, err := w.Aftersales.Approve(ctx, miller, c.ID, claim, nil); return err }
	sweep := func() error { _, err := w.Aftersales.Sweep(ctx, 10); return err }
	w.play(t, []event{
		{
			"paid", func() { placed = w.Place(t, "ann", shoptest.Choose("flour", 3)); o = placed.Orders[0] },
			once(func() error { w.PayAtBank(t, placed.PayURL); return nil }),
			map[string][]string{"ann": {"order.paid"}},
		},
		{"to be shipped by the end of the day", func() { w.Clock.Advance(day) }, once(func() error { w.Clock.Advance(day - 2*time.Hour); return nil }), map[string][]string{"miller": {"order.to_ship"}}},
		{"shipped", nil, func() error {
			course, err := w.Fulfilment.Ship(ctx, miller, o.ID, fulfilment.Shipping{Carrier: "SF", Number: "SF1234567890"}, claim, nil)
			if err == nil {
				parcel = course.Shipments[0].ID
			}
			return err
		}, map[string][]string{"ann": {"order.shipped"}}},
		{"delivered", nil, func() error { _, err := w.Fulfilment.Deliver(ctx, miller, parcel); return err }, map[string][]string{"ann": {"order.delivered"}}},
		{"received soon", nil, once(func() error { w.Clock.Advance(7*day + time.Hour); return nil }), map[string][]string{"ann": {"order.received_soon"}}},
		{"received, because the time is over", func() { w.Clock.Advance(3 * day) }, func() error { _, err := w.Fulfilment.ReceiveDue(ctx, 10); return err }, map[string][]string{"ann": {"order.received"}}},
		{"a case is opened", nil, ask, map[string][]string{"miller": {"case.opened"}}},
		{"accepted", nil, approve, map[string][]string{"ann": {"case.accepted"}}},
		{"withdrawn", nil, func() error { _, err := w.Aftersales.Withdraw(ctx, ann, c.ID); return err }, map[string][]string{"miller": {"case.closed"}}},
		{"declined", func() { must(t, ask()) }, func() error { _, err := w.Aftersales.Refuse(ctx, miller, c.ID, "包装已拆"); return err }, map[string][]string{"ann": {"case.declined"}}},
		{"escalated", nil, func() error { _, err := w.Aftersales.Escalate(ctx, ann, c.ID, "并未拆封"); return err }, map[string][]string{"miller": {"case.escalated"}, "root": {"case.escalated"}}},
		{"decided", nil, func() error {
			_, err := w.Aftersales.Decide(ctx, w.people["root"], c.ID, true, "照片可见未拆封", claim, nil)
			return err
		}, map[string][]string{"ann": {"case.decided"}, "miller": {"case.decided"}}},
		{"sent back", nil, func() error { _, err := w.Aftersales.SendBack(ctx, ann, c.ID, "顺丰", "SF1"); return err }, map[string][]string{"miller": {"case.returned"}}},
		{
			"back, and the money too", nil,
			func() error { _, err := w.Aftersales.GoodsReceived(ctx, miller, c.ID, true, claim, nil); return err },
			map[string][]string{"ann": {"case.closed", "refund.succeeded"}},
		},
		{"not answered in time", func() { must(t, ask()); w.Clock.Advance(returns.AnswerWithin) }, sweep, map[string][]string{"ann": {"case.accepted"}, "miller": {"case.overdue"}}},
		{"not followed up", func() { w.Clock.Advance(returns.SendBackWithin) }, sweep, map[string][]string{"ann": {"case.closed"}, "miller": {"case.closed"}}},
	})
}

func TestEachMovementOfMoneyTellsWhomItMustOnce(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	claim, still := request.Claim{}, shoptest.Distiller.UUID()
	var o order.Order
	var good compensation.Compensation
	said := dispute.Said{Provider: "sandbox", Ref: "dp_1", Payment: "pi_1", Amount: 29900, Currency: "cny", Reason: "fraudulent", OpenedAt: pgtest.Noon}
	follow := func(to dispute.State) func() error {
		return func() error { said.State = to; return w.Disputes.Follow(ctx, o.Checkout, said) }
	}
	reclaim := func(amount money.Fen) func() error {
		return func() error {
			if err := w.refund(t, o, amount); err != nil {
				return err
			}
			_, err := w.Settlements.Reclaim(ctx, 10)
			return err
		}
	}
	w.play(t, []event{
		{"vouchers", func() { o = w.buy(t, "stay", 2) }, func() error { _, err := w.Vouchers.IssueDue(ctx, 10); return err }, map[string][]string{"ann": {"voucher.issued"}}},
		{"canceled by its buyer", func() { o = w.buy(t, "flour", 1) }, func() error { _, err := w.Aftersales.Cancel(ctx, ann, o.ID, claim, nil); return err }, map[string][]string{
			"ann": {"order.canceled", "refund.succeeded"}, "miller": {"order.called_off"},
		}},
		{"canceled by its enterprise, and the money does not come", func() {
			o = w.buy(t, "flour", 1)
			w.ReturnPast(t, o.Checkout.UUID())
		}, func() error {
			_, err := w.Aftersales.CancelForMerchant(ctx, miller, o.ID, "今年歉收", claim, nil)
			return err
		}, map[string][]string{
			"ann": {"order.canceled", "refund.failed"},
		}},
		{"a payout fails", func() { o = w.stayed(t) }, once(func() error { w.Decline(t, still); return nil }), map[string][]string{"distiller": {"payout.failed"}}},
		{"a day's payouts", func() {
			w.Clock.Advance(2 * time.Hour)
			_, err := w.Settlements.PayArrears(ctx, 10)
			must(t, err)
			w.Perform(t)
		}, once(func() error { w.Clock.Advance(day); return nil }), map[string][]string{"distiller": {"payout.paid"}}},
		{"a refund that is taken back", nil, once(reclaim(1000)), map[string][]string{"ann": {"refund.succeeded"}, "distiller": {"order.given_back", "payout.reversed"}}},
		{
			"one that cannot be taken back", func() { must(t, w.Bank.Withdraw(w.Enable(t, still))) }, once(reclaim(1000)),
			map[string][]string{"ann": {"refund.succeeded"}, "distiller": {"order.given_back", "payout.deducted"}},
		},
		{"goodwill", func() {
			var err error
			good, err = w.Goodwill.Propose(ctx, shoptest.Operator, o.ID, 500, "隔音太差")
			must(t, err)
		}, func() error {
			_, err := w.Goodwill.Approve(ctx, w.people["root"], good.ID, good.Digest, claim, nil)
			return err
		}, map[string][]string{"ann": {"compensation.paid"}}},
		{"a dispute", func() {
			o = w.buy(t, "stay", 1)
			said.DueBy = w.Clock.Now().Add(10 * day)
		}, follow(dispute.Open), map[string][]string{"distiller": {"dispute.opened"}, "root": {"dispute.opened"}}},
		{"three days before its deadline", func() { w.Clock.Advance(6 * day) }, once(func() error { w.Clock.Advance(day + time.Hour); return nil }), map[string][]string{
			"distiller": {"dispute.due"}, "root": {"dispute.due"},
		}},
		{"the dispute is won", nil, follow(dispute.Won), map[string][]string{"distiller": {"dispute.closed"}, "root": {"dispute.closed"}}},
		{"vouchers that expire", nil, once(func() error { w.Clock.Set(pgtest.Noon.Add(175 * day)); return nil }), map[string][]string{"ann": {"voucher.expiring"}}},
	})
}

func TestNobodyIsToldOfWhatIsLongAgoAndManyAreToldInFewStatements(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	told := tidings.New(w.DB)
	ship := func(n int) {
		t.Helper()
		for range n {
			o := w.buy(t, "flour", 1)
			_, err := w.Fulfilment.Ship(t.Context(), miller, o.ID, fulfilment.Shipping{Carrier: "SF", Number: "SF1234567890"}, request.Claim{}, nil)
			must(t, err)
		}
		w.told(t) // that they are paid
	}
	ship(1)
	w.Clock.Advance(8 * day)
	var cost []int64
	for _, n := range []int{1, 5} {
		ship(n)
		before := w.DB.Statements()
		if got, err := told.Tell(t.Context(), 100); got != n || err != nil {
			t.Errorf("%d are told of, %v, want the %d that left lately", got, err, n)
		}
		cost = append(cost, w.DB.Statements()-before)
		w.told(t)
	}
	if cost[0] != cost[1] {
		t.Errorf("to tell of one and of five parcels took %d statements, want no more for five", cost)
	}
	ship(5)
	pgtest.AtOnce(t, 3, func(int) error { _, err := told.Tell(t.Context(), 2); return err })
	if diff := cmp.Diff(map[string][]string{"ann": slices.Repeat([]string{"order.shipped"}, 5)}, w.told(t)); diff != "" {
		t.Errorf("told by three at once (-want +got):\n%s", diff)
	}
}
