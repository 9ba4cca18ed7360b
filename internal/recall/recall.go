// Package recall calls lots back: what remains of a lot is withdrawn from sale at
// once, the orders that were served from it are known, and the public is told
// (食品召回管理办法, Measures for Food Recall; Food Safety Law, article 63).
package recall

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/inventory"
)

// Faults of recalls.
var (
	// ErrUnknown says that there is no such recall, or that it is another enterprise's.
	ErrUnknown = fault.New(fault.NotFound, "recall.not_found", "No such recall", "召回不存在")
	// ErrInvalid names what is wrong with a recall.
	ErrInvalid = fault.New(fault.Invalid, "recall.invalid", "The recall is not described rightly", "召回信息有误")
	// ErrRecalled says that the lot is recalled already.
	ErrRecalled = fault.New(fault.Conflict, "recall.already_recalled", "The lot is recalled already", "该批次已召回")
	// ErrState says that the recall is closed.
	ErrState = fault.New(fault.Conflict, "recall.wrong_state", "The recall's state does not allow this", "召回当前状态不允许此操作")
)

// ID names a recall.
type ID = id.Of[Recall]

// State says whether a recall is under way.
type State string

// The states of a recall.
const (
	Open   State = "open"
	Closed State = "closed"
)

// Level is how urgent a recall is: 1 where eating it has done or may do grave harm
// or kill (begun within 24 hours), 2 where it has done or may do some harm (48 hours), 3 where
// label or make are false and nobody is harmed (72 hours). Measures for Food Recall,
// article 13.
type Level int

// Recall is a lot that is called back.
type Recall struct {
	ID       ID
	Merchant uuid.UUID
	Lot      inventory.LotID
	SKU      uuid.UUID
	LotCode  string
	Level    Level
	Reason   string // for those who work on it
	Notice   string // for the public
	Stopped  int64  // pieces withdrawn at once; those that checkouts held follow
	State    State
	OpenedAt time.Time
	Result   string // "" until it is closed
	ClosedAt time.Time
}

// Opening is what somebody asks for who recalls a lot.
type Opening struct {
	Level  Level
	Reason string // 2 to 500 characters
	Notice string // 10 to 2,000 characters
}

func (o Opening) check() error {
	bad := ErrInvalid
	if o.Level < 1 || o.Level > 3 {
		bad = bad.At("/level", "range", "1 to 3")
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(o.Reason)); n < 2 || n > 500 {
		bad = bad.At("/reason", "length", "2 to 500 characters")
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(o.Notice)); n < 10 || n > 2000 {
		bad = bad.At("/notice", "length", "10 to 2000 characters")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// Close ends the recall with what came of it.
func (r *Recall) Close(result string, at time.Time) error {
	if r.State != Open {
		return ErrState.With("the recall is %s", r.State)
	}
	result = strings.TrimSpace(result)
	if n := utf8.RuneCountInString(result); n < 2 || n > 2000 {
		return ErrInvalid.At("/result", "length", "2 to 2000 characters")
	}
	r.State, r.Result, r.ClosedAt = Closed, result, at
	return nil
}
