package fulfilment

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/carrier"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/order"
)

// Faults of shipments.
var (
	// ErrShipment says that there is no such shipment, or that it is another enterprise's.
	ErrShipment = fault.New(fault.NotFound, "fulfilment.shipment_not_found", "No such shipment", "包裹不存在")
	// ErrNothing says that nothing of the order is left to be shipped.
	ErrNothing = fault.New(fault.Conflict, "fulfilment.nothing_to_ship", "Nothing of the order is left to be shipped", "订单没有待发货的商品")
	// ErrLine says that a line is none of the order's, or is named twice with the same lot.
	ErrLine = fault.New(fault.Invalid, "fulfilment.unknown_line", "The order has no such line, or it is named twice", "订单没有该行，或重复填写")
	// ErrTooMany says that more of a line would be shipped than is left of it.
	ErrTooMany = fault.New(fault.Refused, "fulfilment.more_than_left", "More would be shipped than is left", "发货数量超过待发数量")
	// ErrCarrier says that there is no such carrier.
	ErrCarrier = fault.New(fault.Invalid, "fulfilment.unknown_carrier", "No such carrier", "没有这个承运商")
	// ErrNumber says that a tracking number is none.
	ErrNumber = fault.New(fault.Invalid, "fulfilment.invalid_tracking_number", "A tracking number is 6 to 32 letters, digits and hyphens", "运单号应为 6 至 32 位字母、数字或连字符")
	// ErrColdCarrier says that chilled or frozen goods need a carrier with a cold chain.
	ErrColdCarrier = fault.New(fault.Refused, "fulfilment.cold_carrier_required", "Chilled and frozen goods need a carrier with a cold chain", "冷藏、冷冻商品须由具备冷链能力的承运商运输")
	// ErrTemperature says that it is not noted with what temperature cold goods were shipped.
	ErrTemperature = fault.New(fault.Invalid, "fulfilment.temperature_required", "Note the temperature with which chilled or frozen goods are shipped", "冷藏、冷冻商品须填写发货温度")
	// ErrLot says that goods of this lot are not shipped: there is no such lot of the SKU, it was recalled, or it is past its day.
	ErrLot = fault.New(fault.Refused, "fulfilment.lot_refused", "There is no such lot, or it was recalled or is past its day", "批次不存在、已召回或已过期")
	// ErrReason says that a correction needs its reason.
	ErrReason = fault.New(fault.Invalid, "fulfilment.reason_required", "A correction needs a reason of 2 to 200 characters", "更正须填写 2 至 200 字的原因")
)

// ReceivedAfter is how long after the last piece left an order counts as received, where
// its buyer does not say: ten days, as the large shops have it for goods that a carrier brings.
const ReceivedAfter = 10 * 24 * time.Hour

// maxShipped bounds how many lines, by lot, one shipment has.
const maxShipped = 500

// ShipmentID names a shipment.
type ShipmentID = id.Of[Shipment]

// Shipment is a parcel.
type Shipment struct {
	ID          ShipmentID
	Order       order.ID
	Lines       []ShippedLine
	Temperature string // with which cold goods were shipped, as the enterprise notes it
	Tracking    []Tracking
	ShippedAt   time.Time
	DeliveredAt time.Time // zero until the carrier has handed it over
	by          uuid.UUID
}

// ShippedLine is so many pieces of a line of the order in a parcel.
type ShippedLine struct {
	N        int
	Quantity int64
	Lot      string // its code, as printed on the goods; "" is not said
}

// Tracking is who carries a parcel under which number. The last one counts; those
// before it were wrong.
type Tracking struct {
	Carrier string
	Number  string
	Reason  string // of the correction; "" for the first
	At      time.Time
	by      uuid.UUID
}

// Now is the tracking that counts.
func (s Shipment) Now() Tracking { return s.Tracking[len(s.Tracking)-1] }

// Shipping is what an enterprise says when it ships.
type Shipping struct {
	Carrier     string
	Number      string
	Lines       []ShippedLine // none: all that is left of the order
	Temperature string        // 1 to 60 characters where goods are chilled or frozen
	At          time.Time     // when it was; zero: now. ShipAll alone reads it
}

// Course is how far an order has come, with its parcels, the oldest first.
type Course struct {
	Fulfilment
	Shipments []Shipment
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
func (f *Fulfilment) ship(o order.Order, s Shipping, by uuid.UUID, at time.Time) (Shipment, error) {
	switch {
	case o.State != order.Paid:
		return Shipment{}, ErrUnpaid.With("the order is %s", o.State)
	case f.Left() == 0:
		return Shipment{}, ErrNothing
	}
	if len(s.Lines) == 0 {
		for _, l := range f.Lines {
			if l.Left > 0 {
				s.Lines = append(s.Lines, ShippedLine{N: l.N, Quantity: l.Left})
			}
		}
	}
	first, err := tracking(s.Carrier, s.Number, by, at)
	if err != nil {
		return Shipment{}, err
	}
	cold, err := f.take(s.Lines)
	if err != nil {
		return Shipment{}, err
	}
	if err := s.keepsCold(cold); err != nil {
		return Shipment{}, err
	}
	f.State, f.ShippedAt = PartlyShipped, at
	f.settle()
	return Shipment{
		ID: id.New[Shipment](at), Order: o.ID, Lines: s.Lines, Temperature: strings.TrimSpace(s.Temperature), Tracking: []Tracking{first}, ShippedAt: at, by: by,
	}, nil
}

// Check is nil if all that is left of an order can be shipped so, or why it cannot.
func (f Fulfilment) Check(o order.Order, s Shipping, at time.Time) error {
	f.Lines = slices.Clone(f.Lines)
	_, err := f.ship(o, s, uuid.Nil, at)
	return err
}

// take counts lines as shipped, and says whether any of them is kept cold.
func (f *Fulfilment) take(lines []ShippedLine) (cold bool, err error) {
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

// keepsCold refuses a shipment that lets cold goods grow warm (Food Safety Law, article 33
// (6): who carries food keeps it at the temperature that it needs).
func (s Shipping) keepsCold(cold bool) error {
	note := utf8.RuneCountInString(strings.TrimSpace(s.Temperature))
	if note > 60 {
		return ErrTemperature.At("/temperature", "maxLength", "at most 60 characters")
	}
	if !cold {
		return nil
	}
	if c, _ := carrier.Of(s.Carrier); !c.Cold {
		return ErrColdCarrier.At("/carrier", "cold_chain", "the parcel holds chilled or frozen goods")
	}
	if note == 0 {
		return ErrTemperature.At("/temperature", "required", "such as -18 ℃")
	}
	return nil
}

// tracking is who carries under which number, or ErrCarrier or ErrNumber.
func tracking(code, number string, by uuid.UUID, at time.Time) (Tracking, error) {
	if _, ok := carrier.Of(code); !ok {
		return Tracking{}, ErrCarrier.At("/carrier", "enum", "GET /v1/carriers lists all of them")
	}
	normal, ok := carrier.Number(number)
	if !ok {
		return Tracking{}, ErrNumber.At("/tracking_number", "pattern", "6 to 32 letters, digits and hyphens")
	}
	return Tracking{Carrier: code, Number: normal, At: at, by: by}, nil
}

// correct adds the tracking that the parcel should have had.
func (s *Shipment) correct(cold bool, t Tracking, reason string) error {
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n < 2 || n > 200 {
		return ErrReason.At("/reason", "length", "2 to 200 characters")
	}
	if !s.DeliveredAt.IsZero() {
		return ErrState.With("the parcel was delivered")
	}
	if c, _ := carrier.Of(t.Carrier); cold && !c.Cold {
		return ErrColdCarrier.At("/carrier", "cold_chain", "the parcel holds chilled or frozen goods")
	}
	if now := s.Now(); now.Carrier == t.Carrier && now.Number == t.Number {
		return ErrState.With("the parcel has this number already")
	}
	t.Reason = reason
	s.Tracking = append(s.Tracking, t)
	return nil
}

// cold reports whether a parcel holds goods that are kept cold.
func (f *Fulfilment) cold(s Shipment) bool {
	for _, l := range s.Lines {
		if f.Lines[l.N-1].cold() {
			return true
		}
	}
	return false
}

// deliver says that a parcel was handed over, and the order with the last of them.
func (c *Course) deliver(s *Shipment, at time.Time) error {
	if !s.DeliveredAt.IsZero() {
		return ErrState.With("the parcel was delivered before")
	}
	s.DeliveredAt = at
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
