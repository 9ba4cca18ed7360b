// Package audit is the auditor's desk: it holds orders, one tenth of them, the book and the
// provider against each other, balances the book, and seals months that are over. It reads the
// tables of those whom it checks.
package audit

import (
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/statement"
)

// Faults of seals.
var (
	// ErrMonth says that this month is not the next one to be sealed.
	ErrMonth = fault.New(fault.Conflict, "audit.not_the_next_month", "Months are sealed one after the other, from the first with an entry on", "须按月依次封账")
	// ErrNotOver says that a month has not ended.
	ErrNotOver = fault.New(fault.Conflict, "audit.month_not_over", "The month is not over", "该月尚未结束")
	// ErrUnreconciled says that a day of the month was not compared with the provider, or has an open break.
	ErrUnreconciled = fault.New(fault.Conflict, "audit.not_reconciled", "A day of the month is not reconciled, or has an open break", "该月存在未核对的日期或未处理的对账差异")
	// ErrUnnumbered says that entries of the month wait for their place in the log.
	ErrUnnumbered = fault.New(fault.Conflict, "audit.log_behind", "Entries of the month are not in the log yet", "该月部分分录尚未写入公开日志").After(time.Second)
	// ErrDifferent says that the levy audit of the month has differences.
	ErrDifferent = fault.New(fault.Conflict, "audit.levy_differs", "The levy audit of the month has differences", "该月什一审计存在差异")
)

// Period is whole days in the county, at most statement.MaxDays.
type Period = statement.Period

// Service is the desk. All of it is for auditors; the edge and the contract say who else reads.
type Service struct{ db *postgres.DB }

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db} }

// Line is what the orders and the book say of an enterprise's day.
type Line struct {
	Day      merchant.Date
	Merchant merchant.ID
	Code     string
	Name     string
	Levy
}

// Levy are sums of sales and of what came back of them, when it was given back: refunds and
// lost disputes.
type Levy struct {
	Orders   int64
	Goods    money.Fen // by the orders: paid for goods
	Refunded money.Fen // by the orders: given back for goods

	Transfers int64    // in the book
	BookGoods money.Li // moved for goods, less what was moved back
	BookTenth money.Li // moved to the fund, less what it returned
}

// Tenth is one tenth of the goods, net of what came back: what the book must have moved.
func (l Levy) Tenth() money.Li { return (l.Goods - l.Refunded).Tenth() }

// Agrees reports whether orders × one tenth is what the book says.
func (l Levy) Agrees() bool {
	return l.BookGoods == (l.Goods-l.Refunded).Li() && l.BookTenth == l.Tenth()
}

// Summary is the levy audit of a period.
type Summary struct {
	Period Period
	Levy
	// Of the checkouts that were paid, or of which something was given back, in the period, until now:
	Checkouts   int64
	Paid        money.Fen // by the orders, shipping included, less what was given back
	Provider    money.Fen // by the provider: payments, less refunds and lost disputes
	Differences int64     // of all kinds: see Difference
	OpenBreaks  int64     // that the reconciliation found of the days of the period
}

// Event is a sale, or what was given back of one, as the orders have it, with what the book has.
type Event struct {
	Kind     string // "sale" or "return"
	Ref      uuid.UUID
	Order    uuid.UUID
	Merchant merchant.ID
	At       time.Time
	Goods    money.Fen // below zero for what was given back
	// What the book has; zero where it has nothing.
	Transfer  uuid.UUID
	Index     int64 // of the leaf; −1: none
	BookedAt  time.Time
	BookGoods money.Li
	BookTenth money.Li
}

// The kinds of differences.
const (
	Unbooked  = "unbooked"  // the orders have it, the book does not
	Unordered = "unordered" // the book has it, the orders do not
	Goods     = "goods"     // the goods differ
	Tenth     = "tenth"     // the goods agree, and the tenth is not one
	Day       = "day"       // booked on another day
	Stray     = "stray"     // a tenth that moves in a transfer in which none may
	Provider  = "provider"  // what the orders of a checkout had paid for them is not what the provider says
)

// Difference is one thing on which two sides do not agree, in li.
type Difference struct {
	Kind     string
	Object   string // "order:…", "refund:…", "transfer:…", "checkout:…"
	Merchant merchant.ID
	At       time.Time
	Expected money.Li // by the orders
	Found    money.Li // by the book, or by the provider
	Transfer uuid.UUID
	Index    int64 // −1: none
}

// Balance is a trial balance.
type Balance struct {
	Period   Period
	Accounts []ledger.Turnover // by name
}
