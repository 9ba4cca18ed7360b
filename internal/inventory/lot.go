package inventory

import (
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
)

// Faults of lots.
var (
	// ErrLot says that there is no such lot, or that it is another enterprise's.
	ErrLot = fault.New(fault.NotFound, "inventory.lot_not_found", "No such lot", "批次不存在")
	// ErrLotInvalid names what is wrong with a receipt.
	ErrLotInvalid = fault.New(fault.Invalid, "inventory.invalid_lot", "The lot is not described rightly", "批次信息有误")
	// ErrLotKnown says that a lot of this code was received for the SKU before.
	ErrLotKnown = fault.New(fault.Conflict, "inventory.lot_received", "The lot was received before", "该批次已入库")
)

// LotID names a lot.
type LotID = id.Of[Lot]

// Lot is what was received of one SKU at once. Its pieces remain (and count in
// Available and Reserved), are withdrawn (recalled, or past their day), drawn (sold) or
// lost (adjusted away); the four add up to what was received.
//
// The seller of food keeps whence it came and to whom it went (Food Safety Law,
// articles 50 to 53 and 60).
type Lot struct {
	ID          LotID
	Merchant    uuid.UUID
	SKU         uuid.UUID
	Code        string    // as printed on the goods, 1 to 64 characters; one of its kind for the SKU
	MadeOn      time.Time // a day; zero is not said
	BestBefore  time.Time // the last day on which it is sold; zero is none
	Certificate Certificate
	Received    int64 // pieces
	Remaining   int64
	Withdrawn   int64
	Drawn       int64
	Lost        int64
	ReceivedAt  time.Time
	StoppedAt   time.Time // when it was recalled; zero: never
}

// Certificate is the paper that came with a lot. Its kinds: "conformity"
// (食用农产品承诺达标合格证), "inspection" (检验报告), "quarantine" (动物检疫合格证明), "import";
// "" is none.
type Certificate struct {
	Kind  string
	No    string // at most 64 characters
	Files []file.ID
}

// Receipt is a lot that arrives.
type Receipt struct {
	Actor       uuid.UUID   // who receives it
	Merchants   []uuid.UUID // the enterprises that the actor sells for
	SKU         uuid.UUID
	Code        string
	MadeOn      time.Time
	BestBefore  time.Time
	Certificate Certificate
	Qty         int64 // pieces, at most a million
}

// Day is the calendar day in the county (UTC+8) on which t falls, as midnight UTC.
func Day(t time.Time) time.Time {
	y, m, d := t.In(time.FixedZone("Asia/Shanghai", 8*60*60)).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func (r Receipt) check(today time.Time) error {
	bad := ErrLotInvalid
	if n := utf8.RuneCountInString(r.Code); n < 1 || n > 64 {
		bad = bad.At("/code", "length", "1 to 64 characters")
	}
	if r.Qty < 1 || r.Qty > maxDelta {
		bad = bad.At("/quantity", "range", "1 to 1000000 pieces")
	}
	if r.MadeOn.After(today) {
		bad = bad.At("/made_on", "maximum", "it is not made yet")
	}
	if !r.BestBefore.IsZero() && (r.BestBefore.Before(today) || r.BestBefore.Before(r.MadeOn)) {
		bad = bad.At("/best_before", "minimum", "it is past its day already")
	}
	if c := r.Certificate; (c.Kind == "") != (c.No == "") || utf8.RuneCountInString(c.No) > 64 || c.Kind == "" && len(c.Files) > 0 {
		bad = bad.At("/certificate", "whole", "kind and number go together")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// Draw is what one order took of a lot, in pieces.
type Draw struct {
	Order    uuid.UUID
	SKU      uuid.UUID
	Qty      int64
	Returned int64 // came back and is here
	At       time.Time
}
