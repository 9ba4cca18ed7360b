package order

import (
	"fmt"
	"strings"
	"time"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/quote"
)

// Refunding is what somebody asks to give back of a paid order.
type Refunding struct {
	Lines    []RefundLine
	Shipping money.Fen
	Restock  bool // the goods came back and can be sold again
	Shipped  bool // its pieces are such as were shipped: those that were not are still owed
	Reason   string
}

// Refund gives back what is asked, never more than was paid: by line, by
// quantity, by amount. An order whose every fen was given back is Refunded.
func (o *Order) Refund(r Refunding, actor identity.ID, at time.Time) (Refund, error) {
	if !lifecycle.Order().Allowed(string(o.State), string(Refunded)) {
		return Refund{}, ErrState.With("the order is %s: only a paid order can be refunded", o.State)
	}
	if strings.TrimSpace(r.Reason) == "" {
		return Refund{}, ErrReason.At("/reason", "required", "say why")
	}
	out := Refund{ID: id.New[Refund](at), Order: o.ID, Shipping: r.Shipping, Reason: strings.TrimSpace(r.Reason), Actor: actor, At: at}
	if r.Shipping < 0 || r.Shipping > o.Shipping-o.ShippingRefunded {
		return Refund{}, ErrRefundLimit.At("/shipping_fen", "maximum", fmt.Sprintf("at most %d", o.Shipping-o.ShippingRefunded))
	}
	seen := map[int]bool{}
	for i, want := range r.Lines {
		pointer := fmt.Sprintf("/lines/%d", i)
		if want.N < 1 || want.N > len(o.Lines) || seen[want.N] {
			return Refund{}, ErrNotFound.At(pointer+"/line", "line", "the order has no such line, or it is named twice")
		}
		seen[want.N] = true
		done, err := o.Lines[want.N-1].refund(want, pointer)
		if err != nil {
			return Refund{}, err
		}
		out.Lines, out.Goods = append(out.Lines, done), out.Goods+done.Amount
	}
	if out.Goods+out.Shipping == 0 {
		return Refund{}, quote.ErrEmpty.With("nothing is refunded")
	}
	o.ShippingRefunded += r.Shipping
	if o.Returned() == o.Goods && o.ShippingRefunded == o.Shipping {
		o.State = Refunded
	}
	return out, nil
}

// refund takes quantity and amount out of what is left of the line.
func (l *Line) refund(want RefundLine, pointer string) (RefundLine, error) {
	left := l.Total - l.Refunded
	if want.Quantity < 0 || want.Quantity > l.Quantity-l.RefundedQty {
		return want, ErrRefundLimit.At(pointer+"/quantity", "maximum", fmt.Sprintf("at most %d are left", l.Quantity-l.RefundedQty))
	}
	if want.Amount == 0 {
		// What an earlier reduction gave back is not given twice.
		want.Amount = min(l.Price*money.Fen(want.Quantity), left)
	}
	if want.Amount <= 0 || want.Amount > left {
		return want, ErrRefundLimit.At(pointer+"/amount_fen", "maximum", fmt.Sprintf("at most %d fen are left", left))
	}
	l.RefundedQty += want.Quantity
	l.Refunded += want.Amount
	return want, nil
}

// Share is what of an amount that goes back on a whole checkout falls on one order.
type Share struct {
	N        int // of the order in the checkout, from 0
	Goods    money.Fen
	Shipping money.Fen
}

// Spread shares an amount out among the orders of a checkout, in proportion to what
// each has left beside what is set aside of it already; of an order, goods come before
// shipping. The amount is at most what is left of all.
func Spread(amount money.Fen, orders []Order, aside map[ID]Share) []Share {
	left, goods := make([]int64, len(orders)), make([]money.Fen, len(orders))
	for i := range orders {
		ofGoods, ofShipping := orders[i].Left()
		held := aside[orders[i].ID]
		goods[i] = ofGoods - held.Goods
		left[i] = int64(goods[i] + ofShipping - held.Shipping)
	}
	var shares []Share
	for i, share := range money.Split(amount, left) {
		if share > 0 {
			of := min(share, goods[i])
			shares = append(shares, Share{i, of, share - of})
		}
	}
	return shares
}

// Left is what has not been given back of the order.
func (o *Order) Left() (goods, shipping money.Fen) {
	return o.Goods - o.Returned(), o.Shipping - o.ShippingRefunded
}

// Take is the refund of a share that nobody asked for by line: line by line, from the
// first on, and no pieces come back.
func (o *Order) Take(s Share, reason string) Refunding {
	r := Refunding{Shipping: s.Shipping, Reason: reason}
	for _, l := range o.Lines {
		if amount := min(s.Goods, l.Total-l.Refunded); amount > 0 {
			r.Lines = append(r.Lines, RefundLine{N: l.N, Amount: amount})
			s.Goods -= amount
		}
	}
	return r
}
