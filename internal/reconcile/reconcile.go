// Package reconcile looks across: it holds what the payment provider says against what
// stands with us. What we have not heard of it follows; what differs it writes down as a
// break, with somebody who answers for it, until it is resolved.
package reconcile

import (
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/settlement"
)

// Faults of reconciliation.
var (
	ErrNotFound = fault.New(fault.NotFound, "reconcile.break_not_found", "There is no such break", "没有这条对账差异")
	ErrState    = fault.New(fault.Conflict, "reconcile.resolved", "The break is resolved already", "该差异已处理")
	ErrReason   = fault.New(fault.Refused, "reconcile.resolution_required", "Say how the break was resolved", "请填写处理结果")
	ErrDay      = fault.New(fault.Refused, "reconcile.day_not_over", "Only a day that is over can be reconciled", "只能核对已结束的日期")
)

// Thing is what an entry of the provider's, or a record of ours, is about.
type Thing string

// The things.
const (
	Payment       Thing = "payment"        // a buyer paid
	Refund        Thing = "refund"         // a buyer was paid back
	RefundFailure Thing = "refund_failure" // which the bank sent back
	Transfer      Thing = "transfer"       // an enterprise, or the fund, was paid
	Reversal      Thing = "reversal"       // which was taken back
	Disputed      Thing = "dispute"        // a bank took a payment back
	Returned      Thing = "dispute_won"    // and returned it
	Unexplained   Thing = "entry"          // something else
	Fees          Thing = "fee"            // what the provider kept on a day: only the book has a word to say
)

// The kinds of breaks are a thing and what is wrong with it: "refund_unknown".
const (
	Unknown = "_unknown" // the provider has it, and we do not
	Absent  = "_absent"  // we have it, and the provider does not
	Amount  = "_amount"  // both have it, of different amounts
	Book    = "_book"    // the book has something else than our record
)

// BreakState is whether somebody has to act.
type BreakState string

// The states of a break.
const (
	Open     BreakState = "open"
	Resolved BreakState = "resolved"
)

// ID names a break.
type ID = id.Of[Break]

// Break is a difference.
type Break struct {
	ID         ID
	Day        merchant.Date // of which it was found
	Kind       string        // see Unknown
	Object     string        // the provider's name of what is meant, or ours: "payment:pi_…"
	Expected   money.Li      // by our record, of what moved our balance: positive, what came
	Found      money.Li      // at the provider, or in the book
	State      BreakState
	Owner      identity.ID // who answers for it; zero: nobody yet
	Resolution string
	ResolvedBy identity.ID // zero: it went away by itself
	FoundAt    time.Time
	ResolvedAt time.Time
}

// Day is the comparison of one day, in Asia/Shanghai.
type Day struct {
	Day     merchant.Date
	RanAt   time.Time
	Entries int64
	Amount  money.Fen // that came to our balance at the provider, less what left it; fees apart
	Fees    money.Fen // that the provider kept
	Open    int64     // breaks
}

// Service reconciles.
type Service struct {
	db          *postgres.DB
	gateway     gateway.Gateway
	mark        string
	payments    *payment.Service
	orders      *order.Service
	aftersales  *aftersale.Service
	disputes    *dispute.Service
	settlements *settlement.Service
	log         *slog.Logger
}

// Deps are the provider and those who keep what it tells.
type Deps struct {
	Gateway     gateway.Gateway
	Mark        string // of this shop: see payment.Shop
	Payments    *payment.Service
	Orders      *order.Service
	Aftersales  *aftersale.Service
	Disputes    *dispute.Service
	Settlements *settlement.Service
	Log         *slog.Logger
}

// New makes the service.
func New(db *postgres.DB, d Deps) *Service {
	return &Service{db, d.Gateway, d.Mark, d.Payments, d.Orders, d.Aftersales, d.Disputes, d.Settlements, d.Log}
}

// thing says what an entry is about, and by which name our records know it.
func thing(e gateway.Entry) (Thing, string) {
	switch e.Type {
	case "charge", "payment":
		return Payment, e.Payment
	case "refund", "payment_refund":
		return Refund, e.Source
	case "refund_failure", "payment_failure_refund":
		return RefundFailure, e.Source
	case "transfer":
		return Transfer, e.Source
	case "transfer_refund", "transfer_cancel":
		return Reversal, e.Source
	case "adjustment":
		if e.Payment == "" {
			break
		}
		if e.Amount > 0 {
			return Returned, e.Source
		}
		return Disputed, e.Source
	}
	return Unexplained, e.Ref
}

// rowOf is nil for nobody's row.
func rowOf(row uuid.UUID) *uuid.UUID {
	if row == uuid.Nil {
		return nil
	}
	return &row
}
