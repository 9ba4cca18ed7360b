package order_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

// model is the shop as a person with pencil and paper would keep it.
type model struct {
	stock  map[string]int64 // neither sold nor promised
	before money.Li         // what the fund held when the sequence began
	goods  money.Fen        // sold, less refunded
	open   []order.Checkout
	late   []order.Checkout // paid at the bank, of which we have not heard
	paid   []order.Order
}

var prices = map[string]money.Fen{"flour": 3300, "noodle": 1, "liquor": 12345, "stay": 29900}

// TestAnySequenceOfEventsLeavesTheBookRight is the model test: whatever buyers,
// the bank, the clock and operators do, in any order, the book balances, the fund
// holds exactly one tenth of net sales, and the shelves hold the rest.
func TestAnySequenceOfEventsLeavesTheBookRight(t *testing.T) {
	t.Parallel()
	shop := newShop(t, 1000)
	rapid.Check(t, func(r *rapid.T) {
		m := begin(t, shop)
		r.Repeat(map[string]func(*rapid.T){
			"place": func(r *rapid.T) {
				m.place(t, r, shop)
			},
			"pay": func(r *rapid.T) {
				if i, ok := pick(r, m.open); ok {
					c := m.open[i]
					m.open = without(m.open, i)
					shop.PayAtBank(t, c.PayURL)
					m.late = append(m.late, c)
					m.hear(t, shop)
				}
			},
			"pay, unheard of": func(r *rapid.T) {
				if i, ok := pick(r, m.open); ok {
					shop.PayAtBank(t, m.open[i].PayURL)
					m.late, m.open = append(m.late, m.open[i]), without(m.open, i)
				}
			},
			"hear": func(r *rapid.T) {
				m.hear(t, shop)
			},
			"time passes": func(r *rapid.T) {
				shop.Clock.Advance(time.Duration(rapid.IntRange(1, 31).Draw(r, "minutes")) * time.Minute)
				if _, err := shop.Orders.ExpireDue(t.Context(), 1000); err != nil {
					r.Fatalf("expire: %v", err)
				}
				m.forgetExpired(t, shop)
			},
			"cancel": func(r *rapid.T) {
				if i, ok := pick(r, m.open); ok {
					c := m.open[i]
					if _, err := shop.Orders.Cancel(t.Context(), identity.Caller{Account: c.Buyer}, c.ID, request.Claim{}, nil); err != nil {
						r.Fatalf("cancel: %v", err)
					}
					m.open = without(m.open, i)
					m.putBack(c)
				}
			},
			"refund": func(r *rapid.T) {
				if i, ok := pick(r, m.paid); ok {
					m.refund(t, r, shop, m.paid[i])
				}
			},
			"": func(r *rapid.T) { m.check(t, r, shop) },
		})
	})
}

// begin ends what an earlier sequence left open, leaves a few pieces on each
// shelf, and notes what there is.
func begin(t *testing.T, shop *shoptest.Shop) *model {
	t.Helper()
	shop.Perform(t)
	shop.Clock.Advance(31 * time.Minute)
	if _, err := shop.Orders.ExpireDue(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	shop.Perform(t)
	m := &model{stock: map[string]int64{}, before: shop.Held(t, fund.Pending)}
	for code := range prices {
		const few = 8
		m.stock[code] = few
		adjust(t, shop, code, few-shop.Pieces(t, code)[0])
	}
	return m
}

// adjust adds pieces to a shelf, or takes them away.
func adjust(t *testing.T, shop *shoptest.Shop, code string, delta int64) {
	t.Helper()
	if delta == 0 {
		return
	}
	_, err := shop.Inventory.Adjust(t.Context(), inventory.Adjustment{
		Merchants: []uuid.UUID{miller.UUID(), distiller.UUID()}, SKU: sku(code).UUID(), Delta: delta, Reason: "test",
	}, request.Claim{}, nil)
	if err != nil {
		t.Fatalf("adjust %s: %v", code, err)
	}
}

func (m *model) place(t *testing.T, r *rapid.T, shop *shoptest.Shop) {
	t.Helper()
	var pairs []any
	whole := true
	want := map[string]int64{}
	for _, code := range []string{"flour", "liquor", "noodle", "stay"} {
		if n := rapid.IntRange(0, 3).Draw(r, code); n > 0 {
			pairs = append(pairs, code, n)
			want[code] = int64(n)
			whole = whole && m.stock[code] >= int64(n)
		}
	}
	if len(pairs) == 0 {
		return
	}
	c, err := shop.Orders.Place(t.Context(), buyer("ann"), of(pairs...), request.Claim{}, nil)
	if whole != (err == nil) || (err != nil && fault.Of(err) == nil) {
		r.Fatalf("place %v of %v: %v", want, m.stock, err)
	}
	if err != nil {
		return
	}
	var sum money.Fen
	for code, n := range want {
		m.stock[code] -= n
		sum += prices[code] * money.Fen(n)
	}
	if c.Goods != sum {
		r.Fatalf("%v costs %d, want %d", want, c.Goods, sum)
	}
	m.open = append(m.open, c)
}

// hear performs all that waits: what was paid in time is sold.
func (m *model) hear(t *testing.T, shop *shoptest.Shop) {
	t.Helper()
	shop.Perform(t)
	for _, c := range m.late {
		if got := shop.Checkout(t, c); got.State == order.Paid {
			m.goods += c.Goods
			m.paid = append(m.paid, got.Orders...)
		}
	}
	m.late = nil
}

func (m *model) putBack(c order.Checkout) {
	for _, o := range c.Orders {
		for _, l := range o.Lines {
			m.stock[strings.ToLower(l.Code)] += l.Quantity
		}
	}
}

// forgetExpired takes what has expired out of what is open, or out of what the
// bank was paid for in vain.
func (m *model) forgetExpired(t *testing.T, shop *shoptest.Shop) {
	t.Helper()
	for _, list := range []*[]order.Checkout{&m.open, &m.late} {
		var kept []order.Checkout
		for _, c := range *list {
			if shop.Checkout(t, c).State == order.Expired {
				m.putBack(c)
				continue
			}
			kept = append(kept, c)
		}
		*list = kept
	}
}

func (m *model) refund(t *testing.T, r *rapid.T, shop *shoptest.Shop, o order.Order) {
	t.Helper()
	now, err := shop.Aftersales.AnyOrder(t.Context(), o.ID)
	if err != nil {
		r.Fatal(err)
	}
	asked := order.Refunding{Reason: "model", Restock: rapid.Bool().Draw(r, "restock")}
	asked.Lines = []order.RefundLine{{
		N:        rapid.IntRange(1, len(o.Lines)).Draw(r, "line"),
		Quantity: rapid.Int64Range(0, 3).Draw(r, "quantity"), Amount: money.Fen(rapid.Int64Range(0, 4000).Draw(r, "amount")),
	}}
	l := now.Lines[asked.Lines[0].N-1]
	got, err := shop.Aftersales.Refund(t.Context(), shoptest.Operator, o.ID, asked, request.Claim{}, nil)
	if err != nil {
		if fault.Of(err) == nil {
			r.Fatalf("refund: %v", err)
		}
		return
	}
	back := got.Returned() - now.Returned()
	if back <= 0 || back > l.Total-l.Refunded || asked.Lines[0].Quantity > l.Quantity-l.RefundedQty {
		r.Fatalf("refunded %d of %+v", back, l)
	}
	m.goods -= back
	if asked.Restock {
		m.stock[strings.ToLower(l.Code)] += asked.Lines[0].Quantity
	}
}

// check compares the shop with the model. Sales of which we have not heard are
// reserved stock and nothing else.
func (m *model) check(t *testing.T, r *rapid.T, shop *shoptest.Shop) {
	t.Helper()
	if got := shop.Held(t, fund.Pending); got-m.before != m.goods.Tenth() {
		r.Fatalf("the fund got %d li of %d fen sold: not one tenth", got-m.before, m.goods)
	}
	all, err := postgres.Read(t.Context(), shop.DB, func(tx *postgres.Tx) ([]ledger.Balance, error) { return ledger.Below(t.Context(), tx, "") })
	var sum money.Li
	for _, b := range all {
		sum += b.Li()
	}
	if err != nil || sum != 0 {
		r.Fatalf("all accounts together hold %d li, %v", sum, errors.Join(err))
	}
	for code, want := range m.stock {
		if got := shop.Pieces(t, code)[0]; got != want {
			r.Fatalf("%d pieces of %s are free, want %d", got, code, want)
		}
	}
}

func pick[T any](r *rapid.T, all []T) (int, bool) {
	if len(all) == 0 {
		return 0, false
	}
	return rapid.IntRange(0, len(all)-1).Draw(r, "which"), true
}

func without[T any](all []T, i int) []T {
	return append(append([]T(nil), all[:i]...), all[i+1:]...)
}
