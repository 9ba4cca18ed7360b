// Package shipment is a parcel: what it holds, who carries it under which number, and
// when it was handed over. What of an order may go into one is told by fulfilment.
package shipment

import (
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
	// ErrUnknown says that there is no such shipment, or that it is another enterprise's.
	ErrUnknown = fault.New(fault.NotFound, "shipment.not_found", "No such shipment", "包裹不存在")
	// ErrCarrier says that there is no such carrier.
	ErrCarrier = fault.New(fault.Invalid, "shipment.unknown_carrier", "No such carrier", "没有这个承运商")
	// ErrNumber says that a tracking number is none.
	ErrNumber = fault.New(fault.Invalid, "shipment.invalid_tracking_number", "A tracking number is 6 to 32 letters, digits and hyphens", "运单号应为 6 至 32 位字母、数字或连字符")
	// ErrColdCarrier says that chilled or frozen goods need a carrier with a cold chain.
	ErrColdCarrier = fault.New(fault.Refused, "shipment.cold_carrier_required", "Chilled and frozen goods need a carrier with a cold chain", "冷藏、冷冻商品须由具备冷链能力的承运商运输")
	// ErrTemperature says that it is not noted with what temperature cold goods were shipped.
	ErrTemperature = fault.New(fault.Invalid, "shipment.temperature_required", "Note the temperature with which chilled or frozen goods are shipped", "冷藏、冷冻商品须填写发货温度")
	// ErrReason says that a correction needs its reason.
	ErrReason = fault.New(fault.Invalid, "shipment.reason_required", "A correction needs a reason of 2 to 200 characters", "更正须填写 2 至 200 字的原因")
	// ErrState says that the parcel was delivered, or has that number already.
	ErrState = fault.New(fault.Conflict, "shipment.wrong_state", "The parcel was delivered, or has this number already", "包裹已签收，或已是该运单号")
)

// ID names a shipment.
type ID = id.Of[Shipment]

// Shipment is a parcel.
type Shipment struct {
	ID          ID
	Order       order.ID
	Lines       []Line
	Temperature string // with which cold goods were shipped, as the enterprise notes it
	Tracking    []Tracking
	ShippedAt   time.Time
	DeliveredAt time.Time // zero until the carrier has handed it over
	by          uuid.UUID
}

// Line is so many pieces of a line of the order in a parcel.
type Line struct {
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

// New is a parcel that leaves then, with who gave it away.
func New(o order.ID, lines []Line, temperature string, first Tracking, by uuid.UUID, at time.Time) Shipment {
	return Shipment{
		ID: id.New[Shipment](at), Order: o, Lines: lines, Temperature: strings.TrimSpace(temperature), Tracking: []Tracking{first}, ShippedAt: at, by: by,
	}
}

// KeepsCold refuses a parcel that lets cold goods grow warm (Food Safety Law, article 33
// (6): who carries food keeps it at the temperature that it needs). ErrColdCarrier or ErrTemperature.
func KeepsCold(cold bool, by, temperature string) error {
	note := utf8.RuneCountInString(strings.TrimSpace(temperature))
	if note > 60 {
		return ErrTemperature.At("/temperature", "maxLength", "at most 60 characters")
	}
	if !cold {
		return nil
	}
	if c, _ := carrier.Of(by); !c.Cold {
		return ErrColdCarrier.At("/carrier", "cold_chain", "the parcel holds chilled or frozen goods")
	}
	if note == 0 {
		return ErrTemperature.At("/temperature", "required", "such as -18 ℃")
	}
	return nil
}

// Track is who carries under which number, or ErrCarrier or ErrNumber.
func Track(code, number string, by uuid.UUID, at time.Time) (Tracking, error) {
	if _, ok := carrier.Of(code); !ok {
		return Tracking{}, ErrCarrier.At("/carrier", "enum", "GET /v1/carriers lists all of them")
	}
	normal, ok := carrier.Number(number)
	if !ok {
		return Tracking{}, ErrNumber.At("/tracking_number", "pattern", "6 to 32 letters, digits and hyphens")
	}
	return Tracking{Carrier: code, Number: normal, At: at, by: by}, nil
}

// Correct adds the tracking that the parcel should have had. ErrReason, ErrState or ErrColdCarrier.
func (s *Shipment) Correct(cold bool, t Tracking, reason string) error {
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

// Deliver says that the parcel was handed over. ErrState.
func (s *Shipment) Deliver(at time.Time) error {
	if !s.DeliveredAt.IsZero() {
		return ErrState.With("the parcel was delivered before")
	}
	s.DeliveredAt = at
	return nil
}
