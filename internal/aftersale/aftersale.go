// Package aftersale is what happens to a sale that does not last: goods are given
// back in whole or in part, the money goes back the way it came, and the fund
// returns exactly one tenth of the goods refunded.
package aftersale

import (
	"slices"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/order"
)

// Faults of what follows a sale.
var (
	// ErrShipped says that something of the order was shipped: a case is opened instead.
	ErrShipped = fault.New(fault.Conflict, "aftersale.shipped", "Something of the order was shipped: open an after-sales case instead", "订单已发货，请申请售后")
	// ErrOwn says that nobody decides on a case of his own, or of an enterprise that he sells for.
	ErrOwn = fault.New(fault.Refused, "aftersale.own_case", "Nobody decides on a case of his own or of his own enterprise", "不能裁决本人或本企业的售后单")
	// ErrDisputed says that the buyer's bank has taken the payment back: it decides first.
	ErrDisputed = fault.New(fault.Conflict, "aftersale.disputed", "The payment is disputed at the buyer's bank, nothing is refunded meanwhile", "付款处于银行争议中，暂不能退款")
)

// Sale is an order with what was given back of it, oldest first.
type Sale struct {
	order.Order
	Refunds []order.Refund
	Way     fulfilment.Fulfilment // how far its goods have come
	Late    bool                  // the window of returns is over
	Asked   bool                  // a case of it is open
}

// transfer is how the refund stands in the book: the mirror image of the sale,
// with exactly one tenth of the refunded goods, out of where it is by now.
func transfer(o *order.Order, r order.Refund, matured bool) ledger.Transfer {
	var moves []ledger.Move
	if r.Goods > 0 {
		moves = append(moves, ledger.Move{What: fund.Goods, From: o.Payable(), To: order.Provider, Amount: r.Goods.Li()})
	}
	if r.Shipping > 0 {
		moves = append(moves, ledger.Move{What: order.ShippingFee, From: o.Payable(), To: order.Provider, Amount: r.Shipping.Li()})
	}
	if r.Goods > 0 {
		moves = append(moves, fund.Return(o.Payable(), r.Goods, matured))
	}
	return ledger.Transfer{Home: o.Merchant.UUID(), Kind: fund.Refund, Ref: r.ID.String(), Public: true, Moves: moves}
}

// stock is what comes back onto the shelf.
func stock(o *order.Order, r order.Refund) []inventory.Line {
	var lines []inventory.Line
	for _, back := range r.Lines {
		if back.Quantity > 0 {
			lines = append(lines, inventory.Line{Merchant: o.Merchant.UUID(), SKU: o.Lines[back.N-1].SKU.UUID(), Qty: back.Quantity, Order: o.ID.UUID()})
		}
	}
	return lines
}

// Next are the actions that somebody may take on a sale now: those of the order, and of how
// far its goods have come. Canceling is allowed where both allow it; a return within its
// window, while no case is open.
func (s *Sale) Next(who lifecycle.Role) []string {
	if s.PaidAt.IsZero() || s.State == order.Refunded {
		return []string{}
	}
	way, of := lifecycle.Fulfilment(), lifecycle.Order()
	next := slices.DeleteFunc(of.Next(string(s.State), who), func(a string) bool {
		return way.Knows(a) && !way.May(string(s.Way.State), a, who)
	})
	for _, a := range way.Next(string(s.Way.State), who) {
		if !of.Knows(a) && (a != "request_return" || !s.Late && !s.Asked) {
			next = append(next, a)
		}
	}
	return next
}
