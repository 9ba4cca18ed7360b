package returns

import (
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
)

// Whole is the refund of all that is left of an order.
func Whole(o *order.Order, reason string) order.Refunding {
	r := order.Refunding{Shipping: o.Shipping - o.ShippingRefunded, Restock: true, Reason: reason}
	for _, l := range o.Lines {
		if left := l.Total - l.Refunded; left > 0 {
			r.Lines = append(r.Lines, order.RefundLine{N: l.N, Quantity: l.Quantity - l.RefundedQty, Amount: left})
		}
	}
	return r
}

// Unused takes out of a refund the pieces of each line that were used up: they do not come
// back, and their money only where it is owed for what was wrong with them.
func Unused(r order.Refunding, o *order.Order, used map[int]int64, owed bool) order.Refunding {
	var lines []order.RefundLine
	for _, l := range r.Lines {
		of := o.Lines[l.N-1]
		if left := max(0, of.Quantity-of.RefundedQty-used[l.N]); used[l.N] > 0 && l.Quantity > left {
			l.Quantity = left
			if !owed {
				l.Amount = min(of.Price*money.Fen(left), of.Total-of.Refunded)
			}
		}
		if l.Amount > 0 {
			lines = append(lines, l)
		}
	}
	r.Lines = lines
	return r
}

// GoodsBack reports whether every piece of the goods of an order that is not wholly refunded
// was given back: its fulfilment may be over with that.
func GoodsBack(o *order.Order) bool {
	goods := false
	for _, l := range o.Lines {
		if l.VoucherDays > 0 {
			continue
		}
		if goods = true; l.RefundedQty < l.Quantity && l.Refunded < l.Total {
			return false
		}
	}
	return goods && o.State == order.Paid
}
