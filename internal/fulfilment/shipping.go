package fulfilment

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/shipment"
)

// Faults of shipping.
var (
	// ErrNothing says that nothing of the order is left to be shipped.
	ErrNothing = fault.New(fault.Conflict, "fulfilment.nothing_to_ship", "Nothing of the order is left to be shipped", "订单没有待发货的商品")
	// ErrLine says that a line is none of the order's, or is named twice with the same lot.
	ErrLine = fault.New(fault.Invalid, "fulfilment.unknown_line", "The order has no such line, or it is named twice", "订单没有该行，或重复填写")
	// ErrTooMany says that more of a line would be shipped than is left of it.
	ErrTooMany = fault.New(fault.Refused, "fulfilment.more_than_left", "More would be shipped than is left", "发货数量超过待发数量")
	// ErrLot says that goods of this lot are not shipped: there is no such lot of the SKU, it was recalled, or it is past its day.
	ErrLot = fault.New(fault.Refused, "fulfilment.lot_refused", "There is no such lot, or it was recalled or is past its day", "批次不存在、已召回或已过期")
)

// ReceivedAfter is how long after the last piece left an order counts as received, where
// its buyer does not say: ten days, as the large shops have it for goods that a carrier brings.
const ReceivedAfter = 10 * 24 * time.Hour

// maxShipped bounds how many lines, by lot, one shipment has.
const maxShipped = 500

// Shipping is what an enterprise says when it ships.
type Shipping struct {
	Carrier     string
	Number      string
	Lines       []shipment.Line // none: all that is left of the order
	Temperature string          // 1 to 60 characters where goods are chilled or frozen
	At          time.Time       // when it was; zero: now. ShipAll alone reads it
}

// Course is how far an order has come, with its parcels, the oldest first.
type Course struct {
	Fulfilment
	Shipments []shipment.Shipment
}

// pack says that the order is packed and waits for its carrier.
func (f *Fulfilment) pack(o order.Order, at time.Time) error {
	switch {
	case o.State != order.Paid:
		return ErrUnpaid.With("the order is %s", o.State)
	case f.State != Unfulfilled:
		return ErrState.With("the order is %s: it is packed before anything of it is shipped", f.State)
	case f.Left() == 0:
		return ErrNothing
	}
	f.State, f.PackedAt = Packed, at
	return nil
}

// ship takes a parcel's lines out of what is left, and says what the parcel is.
func (f *Fulfilment) ship(o order.Order, s Shipping, by uuid.UUID, at time.Time) (shipment.Shipment, error) {
	switch {
	case o.State != order.Paid:
		return shipment.Shipment{}, ErrUnpaid.With("the order is %s", o.State)
	case f.Left() == 0:
		return shipment.Shipment{}, ErrNothing
	}
	if len(s.Lines) == 0 {
		for _, l := range f.Lines {
			if l.Left > 0 {
				s.Lines = append(s.Lines, shipment.Line{N: l.N, Quantity: l.Left})
			}
		}
	}
	first, err := shipment.Track(s.Carrier, s.Number, by, at)
	if err != nil {
		return shipment.Shipment{}, err
	}
	cold, err := f.take(s.Lines)
	if err != nil {
		return shipment.Shipment{}, err
	}
	if err := shipment.KeepsCold(cold, s.Carrier, s.Temperature); err != nil {
		return shipment.Shipment{}, err
	}
	f.State, f.ShippedAt = PartlyShipped, at
	f.settle()
	return shipment.New(o.ID, s.Lines, s.Temperature, first, by, at), nil
}

// Check is nil if all that is left of an order can be shipped so, or why it cannot.
func (f Fulfilment) Check(o order.Order, s Shipping, at time.Time) error {
	f.Lines = slices.Clone(f.Lines)
	_, err := f.ship(o, s, uuid.Nil, at)
	return err
}

// take counts lines as shipped, and says whether any of them is kept cold.
func (f *Fulfilment) take(lines []shipment.Line) (cold bool, err error) {
	if len(lines) > maxShipped {
		return false, ErrTooMany.At("/lines", "maxItems", fmt.Sprintf("at most %d lines", maxShipped))
	}
	type part struct {
		n   int
		lot string
	}
	seen := make(map[part]bool, len(lines))
	for i, want := range lines {
		at := fmt.Sprintf("/lines/%d", i)
		if want.N < 1 || want.N > len(f.Lines) || seen[part{want.N, want.Lot}] {
			return false, ErrLine.At(at+"/line", "line", "the order has no such line, or it is named twice with this lot")
		}
		seen[part{want.N, want.Lot}] = true
		if utf8.RuneCountInString(want.Lot) > 64 {
			return false, ErrLot.At(at+"/lot", "length", "at most 64 characters")
		}
		l := &f.Lines[want.N-1]
		if want.Quantity < 1 || want.Quantity > l.Left {
			return false, ErrTooMany.At(at+"/quantity", "maximum", fmt.Sprintf("at least 1, and %d are left", l.Left))
		}
		l.Shipped, l.Left = l.Shipped+want.Quantity, l.Left-want.Quantity
		cold = cold || l.cold()
	}
	return cold, nil
}

// cold reports whether the line is kept cold on its way.
func (l Line) cold() bool { return l.ColdChain == "CHILLED" || l.ColdChain == "FROZEN" }

// cold reports whether a parcel holds goods that are kept cold.
func (f *Fulfilment) cold(s shipment.Shipment) bool {
	for _, l := range s.Lines {
		if f.Lines[l.N-1].cold() {
			return true
		}
	}
	return false
}

// deliver says that a parcel was handed over, and the order with the last of them.
func (c *Course) deliver(s *shipment.Shipment, at time.Time) error {
	if err := s.Deliver(at); err != nil {
		return err
	}
	for _, other := range c.Shipments {
		if other.ID != s.ID && other.DeliveredAt.IsZero() {
			return nil
		}
	}
	if c.State == Shipped {
		c.State, c.DeliveredAt = Delivered, at
	}
	return nil
}
