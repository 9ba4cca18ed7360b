// Package fulfilment is how a paid order comes to its buyer: it is packed, shipped in
// one parcel or several, delivered and received; from the receipt runs the window of
// returns. Vouchers are not shipped; what becomes of them is told by Receive.
package fulfilment

import (
	"slices"
	"time"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
)

// Faults of fulfilment.
var (
	// ErrState says that the order has not come to where this can be done, or is past it.
	ErrState = fault.New(fault.Conflict, "fulfilment.wrong_state", "The order is not where this can be done", "订单履约状态不允许此操作")
	// ErrUnpaid says that the order is not paid, or that all of it was refunded.
	ErrUnpaid = fault.New(fault.Conflict, "fulfilment.not_paid", "Only an order that is paid and not wholly refunded is fulfilled", "仅已付款且未全额退款的订单可以履约")
)

// ShipWithin is how long after the payment ordinary goods are to be shipped. 48 hours
// is what the trade has agreed on: where a shop and its buyer agree on no day, goods go
// without delay (Civil Code 509 and 512; Regulation on the Implementation of the
// Consumer Protection Law, article 24, forbids to put it off), and the large shops and
// their guarantees all measure by these 48 hours.
const ShipWithin = 48 * time.Hour

// ReturnDays is how many days after the receipt goods may be sent back without a reason
// (Consumer Protection Law 25); the day of the receipt is not counted (Civil Code 201).
const ReturnDays = 7

// State says how far an order has come.
type State string

// The states.
const (
	Unfulfilled   State = "unfulfilled"    // paid, and nothing has happened to it
	Packed        State = "packed"         //
	PartlyShipped State = "partly_shipped" // something is still to leave
	Shipped       State = "shipped"        // all that is to leave has left
	Delivered     State = "delivered"      // the carrier has handed all of it over
	Received      State = "received"       // the buyer has all that was not refunded, and vouchers are used or void
)

// Key names the fulfilment of an order.
type Key struct {
	Merchant merchant.ID
	Order    order.ID
}

// Fulfilment is how far an order has come. Times that have not come are zero; all are UTC.
type Fulfilment struct {
	Key
	State       State
	Lines       []Line // in the order of the order's lines
	PackedAt    time.Time
	ShippedAt   time.Time // when the last piece so far left
	DeliveredAt time.Time
	GoodsAt     time.Time // when the goods were received; the order may wait for vouchers
	ServicesAt  time.Time // when the last of the vouchers was used or became void
	ReceivedAt  time.Time
	ClosesAt    time.Time // when the window of returns ends
	ClosedAt    time.Time // when it was settled
}

// Line is how far a line of an order has come, in pieces.
type Line struct {
	N         int
	Quantity  int64 // bought
	Shipped   int64
	Left      int64  // still to be shipped: bought, not shipped, not refunded before that
	ColdChain string // "N", "CHILLED", "FROZEN" or "VOUCHER"
	Voucher   bool
	ShipBy    time.Time // zero for vouchers
}

// Ships reports whether anything of the order is goods that are shipped.
func (f *Fulfilment) Ships() bool {
	return slices.ContainsFunc(f.Lines, func(l Line) bool { return !l.Voucher })
}

// Serves reports whether the order has vouchers.
func (f *Fulfilment) Serves() bool {
	return slices.ContainsFunc(f.Lines, func(l Line) bool { return l.Voucher })
}

// Left is how many pieces are still to be shipped.
func (f *Fulfilment) Left() int64 {
	var n int64
	for _, l := range f.Lines {
		n += l.Left
	}
	return n
}

// ShipBy is when the next of what is left is to be shipped, or was to be; zero when
// nothing is left.
func (f *Fulfilment) ShipBy() time.Time {
	var first time.Time
	for _, l := range f.Lines {
		if l.Left > 0 && (first.IsZero() || l.ShipBy.Before(first)) {
			first = l.ShipBy
		}
	}
	return first
}

// settle moves on an order of which something was shipped and the rest refunded: all
// that is to leave has left. It says whether that changed anything.
func (f *Fulfilment) settle() bool {
	if f.State != PartlyShipped || f.Left() > 0 {
		return false
	}
	f.State = Shipped
	return true
}

// goodsReceived says that the buyer has the goods. The order is received with that,
// unless vouchers of it are still good.
func (f *Fulfilment) goodsReceived(at time.Time) error {
	if !f.GoodsAt.IsZero() || f.State != Shipped && f.State != Delivered {
		return ErrState.With("the order is %s: what was shipped whole is received once", f.State)
	}
	f.GoodsAt, f.ClosesAt = at, later(f.ClosesAt, Closes(at))
	f.receive(at)
	return nil
}

// servicesEnded says that the vouchers of the order are used or void.
func (f *Fulfilment) servicesEnded(at, closes time.Time) error {
	if !f.ServicesAt.IsZero() || f.State == Received {
		return ErrState.With("the order is %s, and its vouchers ended before", f.State)
	}
	f.ServicesAt, f.ClosesAt = at, later(f.ClosesAt, closes)
	f.receive(at)
	return nil
}

// receive ends the order's way when both goods and services have come. Goods of which
// nothing left and nothing will, all of them refunded, hold nobody up.
func (f *Fulfilment) receive(at time.Time) {
	goods := !f.Ships() || !f.GoodsAt.IsZero() || f.Left() == 0 && f.ShippedAt.IsZero()
	services := !f.Serves() || !f.ServicesAt.IsZero()
	if goods && services {
		f.State, f.ReceivedAt, f.ClosesAt = Received, at, later(f.ClosesAt, at)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Closes is when the window of returns ends for what is received then: at the end of
// the seventh day after it, in the county (UTC+8).
func Closes(received time.Time) time.Time {
	county := time.FixedZone("Asia/Shanghai", 8*60*60)
	y, m, d := received.In(county).Date()
	return time.Date(y, m, d+ReturnDays+1, 0, 0, 0, 0, county).UTC()
}
