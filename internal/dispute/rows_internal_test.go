package dispute

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/pgtest"
)

func TestRowsAreWhatTheirTablesHold(t *testing.T) {
	t.Parallel()
	pgtest.Columns(t, pgtest.New(t), disputeRow{}, partRow{})
}

// TestWhatIsDisputedIsSpreadToTheFen: the parts add up to the amount, none takes more
// than its order has left, and each part can be taken line by line.
func TestWhatIsDisputedIsSpreadToTheFen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var orders []order.Order
		var left money.Fen
		for range rapid.IntRange(1, 4).Draw(t, "orders") {
			o := order.Order{ID: id.New[order.Order](pgtest.Noon), State: order.Paid, Shipping: money.Fen(rapid.Int64Range(0, 900).Draw(t, "shipping"))}
			o.ShippingRefunded = money.Fen(rapid.Int64Range(0, int64(o.Shipping)).Draw(t, "shipping back"))
			for n := range rapid.IntRange(1, 3).Draw(t, "lines") {
				l := order.Line{N: n + 1, Quantity: 1, Price: money.Fen(rapid.Int64Range(1, 5000).Draw(t, "price"))}
				l.Total = l.Price
				l.Refunded = money.Fen(rapid.Int64Range(0, int64(l.Total)).Draw(t, "back"))
				o.Goods, o.Lines = o.Goods+l.Total, append(o.Lines, l)
			}
			goods, shipping := remains(&o)
			left, orders = left+goods+shipping, append(orders, o)
		}
		amount := money.Fen(rapid.Int64Range(0, int64(left)).Draw(t, "amount"))
		var sum money.Fen
		for _, p := range spread(id.New[Dispute](pgtest.Noon), amount, orders, nil) {
			for i := range orders {
				if orders[i].ID != p.Order {
					continue
				}
				back, err := orders[i].Refund(p.forfeit(&orders[i], "lost"), identity.ID{}, pgtest.Noon)
				if err != nil || back.Goods != p.Goods || back.Shipping != p.Shipping {
					t.Fatalf("part %+v is given up as %+v: %v", p, back, err)
				}
			}
			sum += p.Goods + p.Shipping
		}
		if sum != amount {
			t.Fatalf("%d fen of %d were spread as %d", amount, left, sum)
		}
	})
}
