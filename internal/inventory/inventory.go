// Package inventory knows how many pieces of each SKU there are: those free to
// sell and those reserved for checkouts that are not paid yet. It knows neither
// prices nor orders. Nothing is ever sold twice: each change is one statement
// whose condition is part of it, and the table refuses a number below zero.
package inventory

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
)

// MaxPieces bounds every quantity from outside, in pieces, so that sums cannot
// overflow.
const MaxPieces = 1_000_000_000

// Faults of stock.
var (
	// ErrOutOfStock names each line that asks for more than is free.
	ErrOutOfStock = fault.New(fault.Conflict, "inventory.out_of_stock", "Not enough pieces are available", "库存不足")
	// ErrUnknown says that no stock is kept of a SKU, or that it is another enterprise's.
	ErrUnknown = fault.New(fault.NotFound, "inventory.not_found", "No stock is kept of such a SKU", "没有该规格的库存记录")
	// ErrQuantity says that a number of pieces makes no sense.
	ErrQuantity = fault.New(fault.Invalid, "inventory.invalid_quantity", "The quantity is out of range", "数量超出范围")
	// ErrReason says that an adjustment gives no reason.
	ErrReason = fault.New(fault.Invalid, "inventory.invalid_reason", "The adjustment needs a reason", "库存调整须填写原因")
	// ErrOpened says that stock of the SKU is kept already.
	ErrOpened = fault.New(fault.Conflict, "inventory.already_opened", "Stock of the SKU is kept already", "该规格已建立库存")
)

// Line is a quantity of one SKU of one enterprise, in pieces.
type Line struct {
	Merchant uuid.UUID
	SKU      uuid.UUID
	Qty      int64
	Order    uuid.UUID // whom they are taken for or come back from: lots remember it. Zero for all else
}

// Level is what there is of one SKU, in pieces.
type Level struct {
	Merchant  uuid.UUID
	SKU       uuid.UUID
	Available int64 // free to sell
	Reserved  int64 // held for checkouts that are not paid yet
	UpdatedAt time.Time
}

// opening is the reason of the first count of a SKU.
const opening = "opening"

// Move is an adjustment as it was written down. The journal is append-only;
// sales are not in it, the orders tell them.
type Move struct {
	ID        id.Of[Move]
	Merchant  uuid.UUID
	SKU       uuid.UUID
	Delta     int64 // pieces, negative when stock shrank
	Available int64 // free afterwards
	Reason    string
	Actor     uuid.UUID // zero is the program itself
	At        time.Time
}

// Bounds of an adjustment: pieces at once, and characters of its reason.
const (
	maxDelta             = 1_000_000
	minReason, maxReason = 2, 200
)

// Adjustment is what a seller asks for.
type Adjustment struct {
	Actor     uuid.UUID   // who asks
	Merchants []uuid.UUID // the enterprises that the actor sells for
	SKU       uuid.UUID
	Delta     int64  // pieces to add, or to take away when negative; not 0, at most a million
	Reason    string // why, in the seller's words, 2 to 200 characters
}

func (a Adjustment) check() error {
	if a.Delta == 0 || a.Delta > maxDelta || a.Delta < -maxDelta {
		return ErrQuantity.With("an adjustment is 1 to %d pieces up or down", maxDelta).At("/delta", "range", "not 0, and at most 1000000 up or down")
	}
	if n := utf8.RuneCountInString(a.Reason); n < minReason || n > maxReason {
		return ErrReason.At("/reason", "length", "2 to 200 characters")
	}
	return nil
}

// merged adds up the lines of each SKU and sorts them by (merchant, SKU): the
// order in which every transaction locks stock. A quantity outside
// 1..MaxPieces is ErrQuantity and names its line.
func merged(lines []Line) ([]Line, error) {
	sorted := slices.Clone(lines)
	for i, l := range lines {
		if l.Qty < 1 || l.Qty > MaxPieces {
			return nil, ErrQuantity.With("%d pieces", l.Qty).At(pointer(i), "range", "between 1 and "+strconv.Itoa(MaxPieces))
		}
	}
	slices.SortFunc(sorted, Line.compare)
	out := sorted[:0]
	for _, l := range sorted {
		if n := len(out); n > 0 && out[n-1].compare(l) == 0 {
			if out[n-1].Order != l.Order {
				return nil, fmt.Errorf("inventory: %s is moved for two orders at once", l.SKU)
			}
			out[n-1].Qty += l.Qty
			continue
		}
		out = append(out, l)
	}
	return out, nil
}

// compare orders lines as PostgreSQL orders uuids: by their bytes.
func (l Line) compare(m Line) int {
	if c := bytes.Compare(l.Merchant[:], m.Merchant[:]); c != 0 {
		return c
	}
	return bytes.Compare(l.SKU[:], m.SKU[:])
}

// pointer is where the quantity of line i stands in a request.
func pointer(i int) string { return "/lines/" + strconv.Itoa(i) + "/quantity" }

// outOfStock is ErrOutOfStock for those of the lines whose SKU is short.
func outOfStock(lines, short []Line) error {
	err := ErrOutOfStock
	for i, l := range lines {
		for _, s := range short {
			if l.compare(s) == 0 {
				err = err.At(pointer(i), "stock", "only "+strconv.FormatInt(s.Qty, 10)+" available")
			}
		}
	}
	return err.With("%d of the goods are short", len(short))
}
