package aftersale_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/returns"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

const day = 24 * time.Hour

// want is an asking for so many of the first line.
func want(k returns.Kind, r returns.Reason, pieces int64) returns.Asking {
	return returns.Asking{Kind: k, Reason: r, Text: "袋子破了", Lines: []order.RefundLine{{N: 1, Quantity: pieces}}}
}

// open opens a case of ann's that must be opened.
func open(t testing.TB, s *shoptest.Shop, oid order.ID, a returns.Asking) returns.Case {
	t.Helper()
	c, err := s.Aftersales.Ask(t.Context(), ann, oid, a)
	if err != nil {
		t.Fatalf("open a case: %v", err)
	}
	return c
}

var (
	ann    = shoptest.Buyer("ann")
	miller = shoptest.Seller(shoptest.Miller)
	plain  = want(returns.ReturnRefund, returns.NoReason, 1)
)

// done is a case after an act that must succeed.
func done(t testing.TB) func(returns.Case, error) returns.Case {
	t.Helper()
	return func(c returns.Case, err error) returns.Case {
		t.Helper()
		if err != nil {
			t.Fatalf("act on the case: %v", err)
		}
		return c
	}
}

func TestGoodsComeBackAndTheMoneyFollows(t *testing.T) {
	t.Parallel()
	s, ctx := newShop(t), t.Context()
	o := of(sell(t, s, "flour", 3), shoptest.Miller)
	s.Arrive(t, o.ID)
	before := stand(t, s, o.ID)

	c := open(t, s, o.ID, want(returns.ReturnRefund, returns.NoReason, 2))
	if got := c.Next(lifecycle.Merchant); !cmp.Equal(got, []string{"approve", "refuse"}) || c.DueAt != pgtest.Noon.Add(3*day) {
		t.Errorf("asked: the merchant may %v until %s", got, c.DueAt)
	}
	if _, err := s.Aftersales.Ask(ctx, ann, o.ID, plain); !errors.Is(err, returns.ErrOpen) {
		t.Errorf("a second case: %v, want %v", err, returns.ErrOpen)
	}
	c = done(t)(s.Aftersales.Approve(ctx, miller, c.ID, request.Claim{}, nil))
	c = done(t)(s.Aftersales.SendBack(ctx, ann, c.ID, "顺丰", "SF1"))
	stands(t, s, o.ID, "before the goods are back nothing moves", before)
	c = done(t)(s.Aftersales.GoodsReceived(ctx, miller, c.ID, true, request.Claim{}, nil))

	after := before
	after.Goods, after.Quantities, after.Refunds, after.Asked = 6600, []int64{2}, 1, 6600
	after.Fund, after.Provider = before.Fund-6600, before.Provider+66000
	after.Payable, after.Shelf, after.Leaves = before.Payable-66000+6600, before.Shelf+2, before.Leaves+1
	stands(t, s, o.ID, "the goods are back", after)
	if c.State != returns.Refunded || c.Repayment.State != gateway.RefundPending {
		t.Errorf("the case is %s, its money %q", c.State, c.Repayment.State)
	}
	s.Perform(t)
	if c = done(t)(s.Aftersales.Case(ctx, ann, c.ID)); c.Repayment.State != gateway.RefundSucceeded || c.Repayment.Amount != 6600 {
		t.Errorf("the money is %s of %d, want it to have come", c.Repayment.State, c.Repayment.Amount)
	}
	var done []string
	for _, e := range c.Events {
		done = append(done, fmt.Sprintf("%s:%s>%s", e.Role, e.Action, e.State))
	}
	story := strings.Join(done, " ")
	if want := "merchant:approve>approved buyer:send_back>sent_back merchant:goods_received>refunded"; story != want {
		t.Errorf("what was done: %s, want %s", story, want)
	}
}

func TestWhatIsRefusedIsDecidedByAnOperator(t *testing.T) {
	t.Parallel()
	s, ctx := newShop(t), t.Context()
	for _, tt := range []struct {
		kind returns.Kind
		yes  bool
		want returns.State
	}{
		{returns.RefundOnly, true, returns.Refunded},
		{returns.ReturnRefund, true, returns.Approved},
		{returns.RefundOnly, false, returns.Rejected},
	} {
		o := of(sell(t, s, "flour", 1), shoptest.Miller)
		s.Arrive(t, o.ID)
		c := open(t, s, o.ID, want(tt.kind, returns.Damaged, 1))
		c = done(t)(s.Aftersales.Refuse(ctx, miller, c.ID, "看不出破损"))
		if _, err := s.Aftersales.Decide(ctx, shoptest.Operator, c.ID, true, "为时过早", request.Claim{}, nil); !errors.Is(err, returns.ErrState) {
			t.Errorf("decided before it was escalated: %v", err)
		}
		c = done(t)(s.Aftersales.Escalate(ctx, ann, c.ID, "照片里看得清"))
		if _, err := s.Aftersales.Decide(ctx, miller, c.ID, false, "我们没错", request.Claim{}, nil); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("the merchant decided: %v", err)
		}
		both := identity.Caller{Account: miller.Account, Roles: append(slices.Clone(miller.Roles), shoptest.Operator.Roles...)}
		if _, err := s.Aftersales.Decide(ctx, both, c.ID, false, "我们没错", request.Claim{}, nil); !errors.Is(err, aftersale.ErrOwn) {
			t.Errorf("an operator of the enterprise decided: %v", err)
		}
		if c = done(t)(s.Aftersales.Decide(ctx, shoptest.Operator, c.ID, tt.yes, "证据充分", request.Claim{}, nil)); c.State != tt.want {
			t.Errorf("%s decided %t: the case is %s, want %s", tt.kind, tt.yes, c.State, tt.want)
		}
	}
}

func TestACaseIsItsOwnPartiesAlone(t *testing.T) {
	t.Parallel()
	s, ctx := newShop(t), t.Context()
	o := of(sell(t, s, "flour", 1), shoptest.Miller)
	s.Arrive(t, o.ID)
	bob, distiller := shoptest.Buyer("bob"), shoptest.Seller(shoptest.Distiller)
	if _, err := s.Aftersales.Ask(ctx, bob, o.ID, plain); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("bob asks: %v", err)
	}
	c := open(t, s, o.ID, plain)
	for name, act := range map[string]func() (returns.Case, error){
		"bob reads":              func() (returns.Case, error) { return s.Aftersales.Case(ctx, bob, c.ID) },
		"bob withdraws":          func() (returns.Case, error) { return s.Aftersales.Withdraw(ctx, bob, c.ID) },
		"the merchant withdraws": func() (returns.Case, error) { return s.Aftersales.Withdraw(ctx, miller, c.ID) },
		"ann approves":           func() (returns.Case, error) { return s.Aftersales.Approve(ctx, ann, c.ID, request.Claim{}, nil) },
		"another approves": func() (returns.Case, error) {
			return s.Aftersales.Approve(ctx, distiller, c.ID, request.Claim{}, nil)
		},
	} {
		if _, err := act(); !errors.Is(err, returns.ErrUnknown) {
			t.Errorf("%s: %v, want %v", name, err, returns.ErrUnknown)
		}
	}
	if _, err := s.Aftersales.Cancel(ctx, bob, o.ID, request.Claim{}, nil); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("bob cancels: %v", err)
	}
	if _, err := s.Aftersales.CancelForMerchant(ctx, distiller, o.ID, "没有货了", request.Claim{}, nil); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("another merchant cancels: %v", err)
	}
}

func TestAnOrderIsCanceledUntilItShips(t *testing.T) {
	t.Parallel()
	s, ctx := newShop(t), t.Context()
	o := of(sell(t, s, "flour", 2), shoptest.Miller)
	if _, err := s.Aftersales.Ask(ctx, ann, o.ID, plain); !errors.Is(err, returns.ErrNotShipped) {
		t.Errorf("a case of what was not shipped: %v", err)
	}
	give(t, s, o, order.Refunding{Lines: []order.RefundLine{{N: 1, Amount: 100}}})
	n := pgtest.AtOnce(t, 4, func(int) error {
		_, err := s.Aftersales.Cancel(ctx, ann, o.ID, request.Claim{}, nil)
		return err
	}, order.ErrState)
	if got := stand(t, s, o.ID); n != 1 || got.State != order.Refunded || got.Goods != 6600 || got.Fund != 0 || got.Shelf != pieces {
		t.Errorf("canceled %d times: %+v", n, got)
	}
	o = of(sell(t, s, "flour", 1), shoptest.Miller)
	if _, err := s.Aftersales.CancelForMerchant(ctx, miller, o.ID, " ", request.Claim{}, nil); !errors.Is(err, identity.ErrReason) {
		t.Errorf("without a reason: %v", err)
	}
	if c, err := s.Aftersales.CancelForMerchant(ctx, miller, o.ID, "没有货了", request.Claim{}, nil); err != nil || c.State != order.Refunded {
		t.Errorf("the merchant cannot deliver: %s, %v", c.State, err)
	}
	o = of(sell(t, s, "flour", 1), shoptest.Miller)
	s.Arrive(t, o.ID)
	if _, err := s.Aftersales.Cancel(ctx, ann, o.ID, request.Claim{}, nil); !errors.Is(err, aftersale.ErrShipped) {
		t.Errorf("canceled what has come: %v", err)
	}
	stay := of(sell(t, s, "stay", 1), shoptest.Distiller)
	if _, err := s.Aftersales.Cancel(ctx, ann, stay.ID, request.Claim{}, nil); !errors.Is(err, returns.ErrNoReason) {
		t.Errorf("canceled what she confirmed not to return: %v", err)
	}
}

func TestWhoDoesNotActIsActedFor(t *testing.T) {
	t.Parallel()
	s, ctx := newShop(t), t.Context()
	fresh := func(k returns.Kind) returns.Case {
		o := of(sell(t, s, "flour", 1), shoptest.Miller)
		s.Arrive(t, o.ID)
		return open(t, s, o.ID, want(k, returns.Quality, 1))
	}
	silent, only, unsent, unseen, meek := fresh(returns.ReturnRefund), fresh(returns.RefundOnly), fresh(returns.ReturnRefund), fresh(returns.ReturnRefund), fresh(returns.RefundOnly)
	for _, c := range []returns.Case{unsent, unseen} {
		done(t)(s.Aftersales.Approve(ctx, miller, c.ID, request.Claim{}, nil))
	}
	done(t)(s.Aftersales.SendBack(ctx, ann, unseen.ID, "顺丰", "SF1"))
	done(t)(s.Aftersales.Refuse(ctx, miller, meek.ID, "不是质量问题"))
	states := func() []returns.State {
		var out []returns.State
		for _, c := range []returns.Case{silent, only, unsent, unseen, meek} {
			out = append(out, done(t)(s.Aftersales.Case(ctx, ann, c.ID)).State)
		}
		return out
	}
	sweep := func(after time.Duration, n int, want ...returns.State) {
		t.Helper()
		s.Clock.Set(pgtest.Noon.Add(after))
		if got, err := s.Aftersales.Sweep(ctx, 10); err != nil || got != n {
			t.Errorf("after %s: %d, %v, want %d", after, got, err, n)
		}
		if diff := cmp.Diff(want, states()); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", after, diff)
		}
	}
	sweep(3*day-time.Microsecond, 0, returns.Requested, returns.Requested, returns.Approved, returns.SentBack, returns.Refused)
	sweep(3*day, 2, returns.Approved, returns.Refunded, returns.Approved, returns.SentBack, returns.Refused)
	sweep(7*day-time.Microsecond, 0, returns.Approved, returns.Refunded, returns.Approved, returns.SentBack, returns.Refused)
	sweep(7*day, 3, returns.Approved, returns.Refunded, returns.Lapsed, returns.Refunded, returns.Lapsed)
	sweep(10*day, 1, returns.Lapsed, returns.Refunded, returns.Lapsed, returns.Refunded, returns.Lapsed)
}

// The rule of the goods, the buyer's confirmation, the window and the reason say together
// whether a case may be opened (Consumer Protection Law 25).
func TestACaseThatWaitsForTheBankHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10)
	var cases []returns.Case
	for range 2 {
		c := s.Place(t, "ann", shoptest.Choose("flour", 1))
		s.Pay(t, c.PayURL)
		s.Arrive(t, c.Orders[0].ID)
		cases = append(cases, open(t, s, c.Orders[0].ID, want(returns.RefundOnly, returns.Quality, 1)))
		if len(cases) == 1 {
			said := dispute.Said{Provider: "sandbox", Ref: "dp_1", Payment: s.PaidAs(t, c.ID), Amount: 3300, Currency: "cny", State: dispute.Open, OpenedAt: pgtest.Noon}
			if err := s.Disputes.Follow(t.Context(), c.ID, said); err != nil {
				t.Fatal(err)
			}
		}
		s.Clock.Advance(time.Minute)
	}
	s.Clock.Advance(4 * day)
	if n, err := s.Aftersales.Sweep(t.Context(), 1); n != 1 || err != nil {
		t.Errorf("acted in %d, %v, want 1", n, err)
	}
	for i, state := range []returns.State{returns.Requested, returns.Refunded} {
		if got := done(t)(s.Aftersales.Case(t.Context(), ann, cases[i].ID)).State; got != state {
			t.Errorf("case %d is %s, want %s", i, got, state)
		}
	}
}

func TestTheRuleOfTheGoodsTheWaiverTheWindowAndTheReason(t *testing.T) {
	t.Parallel()
	for _, rule := range []catalog.ReturnRule{catalog.NoReason, catalog.NoReasonUnopened, catalog.ExemptFresh, catalog.VoucherRule} {
		for _, reason := range []returns.Reason{returns.NoReason, returns.Quality, returns.WrongGoods, returns.Damaged, returns.Missing, returns.NotReceived} {
			for _, waived := range []bool{false, true} {
				for _, late := range []bool{false, true} {
					o := order.Order{State: order.Paid, Goods: 100, Lines: []order.Line{{N: 1, Quantity: 1, Price: 100, Total: 100, ReturnRule: string(rule)}}}
					f := fulfilment.Fulfilment{State: fulfilment.Received, ClosesAt: pgtest.Noon.Add(time.Second)}
					if late {
						f.ClosesAt = pgtest.Noon
					}
					a := want(returns.ReturnRefund, reason, 1)
					if reason == returns.Missing || reason == returns.NotReceived {
						a.Kind = returns.RefundOnly
					}
					var expected error
					switch {
					case late:
						expected = returns.ErrWindow
					case reason == returns.NoReason && rule == catalog.ExemptFresh, reason == returns.NoReason && rule == catalog.VoucherRule && waived:
						expected = returns.ErrNoReason
					}
					err := a.Allowed(&o, &f, waived, pgtest.Noon)
					if expected == nil && err != nil || expected != nil && !errors.Is(err, expected) {
						t.Errorf("%s, %s, waived %t, late %t: %v, want %v", rule, reason, waived, late, err, expected)
					}
					if err == nil && (a.Lines[0].Amount != 100 || o.Lines[0].Refunded != 0) {
						t.Errorf("%s: the amount is %d, and the order was touched: %+v", rule, a.Lines[0].Amount, o.Lines[0])
					}
				}
			}
		}
	}
	a := want(returns.RefundOnly, returns.NoReason, 1)
	o := order.Order{State: order.Paid, Goods: 100, Lines: []order.Line{{N: 1, Quantity: 1, Price: 100, Total: 100, ReturnRule: string(catalog.NoReason)}}}
	if err := a.Allowed(&o, &fulfilment.Fulfilment{State: fulfilment.Shipped}, false, pgtest.Noon); !errors.Is(err, returns.ErrNoReason) {
		t.Errorf("money without goods and without a reason: %v", err)
	}
}

// Whatever is asked, refused, refunded and swept, in any order: no more goes back than was
// paid, and the fund gives back one tenth of the goods.
func TestNoSequenceOfCasesGivesBackMoreThanWasPaid(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10_000)
	ctx := t.Context()
	const bags = 3
	rapid.Check(t, func(r *rapid.T) {
		o := of(sell(t, s, "flour", bags), shoptest.Miller)
		s.Arrive(t, o.ID)
		before := s.Held(t, fund.Pending)
		var c returns.Case
		act := func(f func() (returns.Case, error)) {
			if got, err := f(); err == nil {
				c = got
			} else if fault.Of(err) == nil {
				r.Fatalf("%v", err)
			}
		}
		for range rapid.IntRange(1, 8).Draw(r, "steps") {
			a := want(rapid.SampledFrom([]returns.Kind{returns.ReturnRefund, returns.RefundOnly}).Draw(r, "kind"), returns.Quality, rapid.Int64Range(0, bags).Draw(r, "pieces"))
			a.Lines[0].Amount = money.Fen(rapid.SampledFrom([]int64{0, 1, 3300, 5000, 9900}).Draw(r, "amount"))
			switch rapid.IntRange(0, 6).Draw(r, "act") {
			case 0, 1:
				act(func() (returns.Case, error) { return s.Aftersales.Ask(ctx, ann, o.ID, a) })
			case 2:
				act(func() (returns.Case, error) { return s.Aftersales.Approve(ctx, miller, c.ID, request.Claim{}, nil) })
			case 3:
				act(func() (returns.Case, error) { return s.Aftersales.SendBack(ctx, ann, c.ID, "顺丰", "1") })
				act(func() (returns.Case, error) {
					return s.Aftersales.GoodsReceived(ctx, miller, c.ID, true, request.Claim{}, nil)
				})
			case 4:
				act(func() (returns.Case, error) { return s.Aftersales.Refuse(ctx, miller, c.ID, "不同意") })
				act(func() (returns.Case, error) { return s.Aftersales.Escalate(ctx, ann, c.ID, "不服") })
			case 5:
				act(func() (returns.Case, error) {
					return s.Aftersales.Decide(ctx, shoptest.Operator, c.ID, true, "支持", request.Claim{}, nil)
				})
			case 6:
				if _, err := ask(ctx, s, o, order.Refunding{Lines: a.Lines, Reason: "operator"}); err != nil && fault.Of(err) == nil {
					r.Fatalf("%v", err)
				}
			}
		}
		now, err := s.Aftersales.AnyOrder(ctx, o.ID)
		if err != nil {
			r.Fatal(err)
		}
		var asked money.Fen
		for _, p := range now.Refunds {
			asked += p.Goods + p.Shipping
		}
		if asked > o.Goods+o.Shipping || asked != now.Returned()+now.ShippingRefunded {
			r.Fatalf("%d were given back of %d", asked, o.Goods+o.Shipping)
		}
		if got := before - s.Held(t, fund.Pending); got != now.Returned().Tenth() {
			r.Fatalf("the fund gave back %d of %d", got, now.Returned())
		}
	})
}

func TestAMaturedTenthComesOutOfWhatIsFree(t *testing.T) {
	t.Parallel()
	s, ctx := newShop(t), t.Context()
	o := of(sell(t, s, "flour", 2), shoptest.Miller)
	s.Arrive(t, o.ID)
	c := open(t, s, o.ID, want(returns.RefundOnly, returns.Quality, 1))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(postgres.Do(ctx, s.DB, func(tx *postgres.Tx) error {
		return bookOne(ctx, tx, fund.Mature(o.Merchant.UUID(), o.ID.String(), o.Goods))
	}))
	done(t)(s.Aftersales.Approve(ctx, miller, c.ID, request.Claim{}, nil))
	if free, pending := s.Held(t, fund.Free), s.Held(t, fund.Pending); free != 3300 || pending != 0 {
		t.Errorf("free %d, pending %d, want 3300 and 0", free, pending)
	}
}

func bookOne(ctx context.Context, tx *postgres.Tx, t ledger.Transfer) error {
	return ledger.Book(ctx, tx, []ledger.Transfer{t})
}
