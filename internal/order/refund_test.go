package order_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/quote"
)

var operator = id.FromName[identity.Account]("test", "operator")

// paid is an order of the given lines, each (price, quantity), and shipping.
func paid(shipping money.Fen, lines ...[2]int64) order.Order {
	o := order.Order{ID: id.New[order.Order](pgtest.Noon), State: order.Paid, Shipping: shipping}
	for i, l := range lines {
		total := money.Fen(l[0] * l[1])
		o.Lines = append(o.Lines, order.Line{N: i + 1, Price: money.Fen(l[0]), Quantity: l[1], Total: total})
		o.Goods += total
	}
	return o
}

func back(o *order.Order, r order.Refunding) (order.Refund, error) {
	r.Reason = "damaged"
	return o.Refund(r, operator, pgtest.Noon)
}

func TestARefundNeverGivesBackMoreThanWasPaid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := paid(money.Fen(rapid.Int64Range(0, 2000).Draw(t, "shipping")), [2]int64{rapid.Int64Range(1, 9999).Draw(t, "p1"), rapid.Int64Range(1, 9).Draw(t, "q1")}, [2]int64{33, 3})
		var goods, shipping money.Fen
		for range rapid.IntRange(1, 12).Draw(t, "times") {
			r := order.Refunding{Shipping: money.Fen(rapid.Int64Range(0, 1500).Draw(t, "s"))}
			for n := range rapid.IntRange(0, 2).Draw(t, "lines") {
				r.Lines = append(r.Lines, order.RefundLine{
					N: n + 1, Quantity: rapid.Int64Range(-1, 4).Draw(t, "q"), Amount: money.Fen(rapid.Int64Range(-5, 20000).Draw(t, "a")),
				})
			}
			before := o
			before.Lines = append([]order.Line(nil), o.Lines...)
			done, err := back(&o, r)
			if err != nil {
				o = before
				continue
			}
			goods, shipping = goods+done.Goods, shipping+done.Shipping
			if done.Goods < 0 || done.Shipping < 0 || done.Goods+done.Shipping <= 0 {
				t.Fatalf("a refund of %d and %d", done.Goods, done.Shipping)
			}
		}
		if goods > o.Goods || shipping > o.Shipping || goods != o.Returned() {
			t.Fatalf("%d of %d goods and %d of %d shipping were given back; the lines say %d", goods, o.Goods, shipping, o.Shipping, o.Returned())
		}
		if all := goods == o.Goods && shipping == o.Shipping; all != (o.State == order.Refunded) {
			t.Fatalf("everything back: %v, and the order is %s", all, o.State)
		}
	})
}

func TestARefundTakesWhatIsLeftOfALine(t *testing.T) {
	t.Parallel()
	o := paid(0, [2]int64{100, 3})
	if done, err := back(&o, order.Refunding{Lines: []order.RefundLine{{N: 1, Amount: 50}}}); err != nil || done.Goods != 50 {
		t.Fatalf("a reduction: %+v, %v", done, err)
	}
	done, err := back(&o, order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 3}}})
	if err != nil || done.Goods != 250 || o.State != order.Refunded {
		t.Errorf("the rest: %+v, %v, %s; want 250 and refunded", done, err, o.State)
	}
	if _, err := back(&o, order.Refunding{Lines: []order.RefundLine{{N: 1, Amount: 1}}}); !errors.Is(err, order.ErrState) {
		t.Errorf("after everything: %v, want %v", err, order.ErrState)
	}
}

func TestARefundIsRefusedWithAWordOnWhere(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		r    order.Refunding
		want error
	}{
		"nothing":          {order.Refunding{}, quote.ErrEmpty},
		"an unknown line":  {order.Refunding{Lines: []order.RefundLine{{N: 3, Quantity: 1}}}, order.ErrNotFound},
		"a line twice":     {order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}, {N: 1, Quantity: 1}}}, order.ErrNotFound},
		"too many":         {order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 4}}}, order.ErrRefundLimit},
		"too much":         {order.Refunding{Lines: []order.RefundLine{{N: 1, Amount: 301}}}, order.ErrRefundLimit},
		"below zero":       {order.Refunding{Lines: []order.RefundLine{{N: 1, Amount: -1}}}, order.ErrRefundLimit},
		"nothing of it":    {order.Refunding{Lines: []order.RefundLine{{N: 1}}}, order.ErrRefundLimit},
		"shipping":         {order.Refunding{Shipping: 1}, order.ErrRefundLimit},
		"shipping below 0": {order.Refunding{Shipping: -1}, order.ErrRefundLimit},
	} {
		o := paid(0, [2]int64{100, 3}, [2]int64{5, 1})
		if _, err := back(&o, tt.r); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	o := paid(0, [2]int64{100, 3})
	if _, err := o.Refund(order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: " "}, operator, pgtest.Noon); !errors.Is(err, order.ErrReason) {
		t.Errorf("no reason: %v", err)
	}
}

// TestAnAmountIsSpreadToTheFen: the shares add up to the amount, none takes more
// than its order has left, and each share can be taken line by line.
func TestAnAmountIsSpreadToTheFen(t *testing.T) {
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
			goods, shipping := o.Left()
			left, orders = left+goods+shipping, append(orders, o)
		}
		amount := money.Fen(rapid.Int64Range(0, int64(left)).Draw(t, "amount"))
		var sum money.Fen
		for _, s := range order.Spread(amount, orders, nil) {
			o := &orders[s.N]
			back, err := o.Refund(o.Take(s, "lost"), identity.ID{}, pgtest.Noon)
			if err != nil || back.Goods != s.Goods || back.Shipping != s.Shipping {
				t.Fatalf("share %+v is taken as %+v: %v", s, back, err)
			}
			sum += s.Goods + s.Shipping
		}
		if sum != amount {
			t.Fatalf("%d fen of %d were spread as %d", amount, left, sum)
		}
	})
}
