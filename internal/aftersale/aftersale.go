// Package aftersale is what happens to a sale that does not last: goods are given
// back in whole or in part, the money goes back the way it came, and the fund
// returns exactly one tenth of the goods refunded.
package aftersale

import (
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payment"
)

// Case is an order with what was given back of it, oldest first.
type Case struct {
	order.Order
	Refunds []order.Refund
}

// Repayment is the money of a refund on its way back to the buyer.
type Repayment struct {
	payment.Refund
	Order order.ID // zero when what was paid bought nothing
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
