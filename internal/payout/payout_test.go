package payout_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/pgtest"
)

// TestNoLiIsLostBetweenDueAndPaid: whatever orders are due and whichever payouts are
// declined, what was paid and what is owed is what is due; and after a payout less
// than a fen is owed.
func TestNoLiIsLostBetweenDueAndPaid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, now := payout.Account{Enabled: true, Ref: "acct_1"}, pgtest.Noon
		var dues, paid money.Li
		for range rapid.IntRange(1, 30).Draw(t, "orders") {
			goods := money.Fen(rapid.Int64Range(1, 1_000_000).Draw(t, "goods"))
			o := order.Order{Goods: goods, Shipping: money.Fen(rapid.Int64Range(0, 5000).Draw(t, "shipping"))}
			o.ShippingRefunded = money.Fen(rapid.Int64Range(0, int64(o.Shipping)).Draw(t, "shipping back"))
			o.Lines = []order.Line{{Total: goods, Refunded: money.Fen(rapid.Int64Range(0, int64(goods)).Draw(t, "back"))}}
			if payout.Due(o) != (goods-o.Lines[0].Refunded).Li()*9/10+(o.Shipping-o.ShippingRefunded).Li() {
				t.Fatalf("%+v is due %d li", o, payout.Due(o))
			}
			a.Owed, dues = a.Owed+payout.Due(o), dues+payout.Due(o)
			if p, ok := a.Pays(now, money.Max); ok {
				if a.Owed < 0 || a.Owed >= 10 {
					t.Fatalf("%d li stay owed after a payout", a.Owed)
				}
				if rapid.Bool().Draw(t, "declined") {
					a.Decline(p, now)
					now = a.RetryAt
				} else {
					paid += p.Amount.Li()
				}
			}
			if paid+a.Owed != dues {
				t.Fatalf("paid %d and owed %d li of %d", paid, a.Owed, dues)
			}
		}
		late := money.Li(rapid.Int64Range(0, int64(dues)).Draw(t, "refunded late"))
		a.Owed -= late
		if back := payout.Lacking(a.Owed); a.Owed+back.Li() < 0 || (back > 0 && a.Owed+back.Li() >= 10) {
			t.Fatalf("%d fen come back of %d li", back, -a.Owed)
		}
	})
}
