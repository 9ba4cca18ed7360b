// Package statement says what an enterprise was owed over a period, out of the book
// alone: what it began with, what came in, what went out, and what it ended with. To
// the li, and the same in JSON, as a book and as a PDF.
package statement

import (
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
)

// Faults of statements.
var (
	// ErrMerchant says that the caller sells for no such enterprise.
	ErrMerchant = fault.New(fault.NotFound, "statement.merchant_not_found", "No such enterprise", "企业不存在")
	// ErrPeriod says that the period is none, too long, or not over the shop's time.
	ErrPeriod = fault.New(fault.Invalid, "statement.invalid_period", "There is no statement of such a period", "对账期间有误")
)

// MaxDays is how many days a period has at most.
const MaxDays = 366

// first is the year of the shop's first sales.
const first = 2020

// Period is whole days in the county (Asia/Shanghai, UTC+8), from the first through the last.
type Period struct {
	From, Until merchant.Date
}

// Month is a month, 1 to 12.
func Month(year, month int) Period { return months(year, month, 1) }

// Quarter is a quarter, 1 to 4.
func Quarter(year, quarter int) Period { return months(year, quarter*3-2, 3) }

func months(year, month, n int) Period {
	begin := time.Date(year, time.Month(month), 1, 0, 0, 0, 0, time.UTC)
	return Period{merchant.Date(begin.Format(time.DateOnly)), merchant.Date(begin.AddDate(0, n, -1).Format(time.DateOnly))}
}

// Check refuses what is no period: ErrPeriod.
func (p Period) Check() error {
	from, err := merchant.ParseDate(string(p.From))
	if err != nil || from.Time().Year() < first {
		return ErrPeriod.At("query:from", "format", "a day since 2020")
	}
	until, err := merchant.ParseDate(string(p.Until))
	if err != nil || until < from || until.Time().Sub(from.Time()) >= MaxDays*24*time.Hour {
		return ErrPeriod.At("query:until", "range", "a day from the first on, within 366 days")
	}
	return nil
}

// Bounds are the moment of its beginning and that of its end, which is no more in it.
func (p Period) Bounds() (from, until time.Time) {
	const east = 8 * time.Hour // since 1991 there is no summer time
	return p.From.Time().Add(-east), p.Until.Time().Add(24*time.Hour - east)
}

// The words of moves in the book that statements tell apart. Those that are not known
// here are Other, so that a statement always adds up.
const (
	shipping = "shipping"
	payout   = "payout"
	reversal = "payout_reversal"
	disputes = "dispute" // the beginning of the kinds of disputes
)

// Sums are what went into and out of what an enterprise is owed, in li, each as a
// number that is not negative where no sign is said.
type Sums struct {
	Orders, Refunds  int64    // how many sales and refunds
	Goods            money.Li // sold: the base of the tenth
	Shipping         money.Li // sold
	Tenth            money.Li // of the goods, to the education fund
	RefundedGoods    money.Li
	RefundedShipping money.Li
	ReturnedTenth    money.Li // by the fund, with goods that came back
	Disputes         money.Li // signed: what buyers' banks took back is below zero
	Payouts          money.Li
	Reversals        money.Li // payouts that came back
	Other            money.Li // signed
}

// Net is by how much the enterprise is owed more.
func (s Sums) Net() money.Li {
	return s.Goods + s.Shipping - s.Tenth - s.RefundedGoods - s.RefundedShipping + s.ReturnedTenth + s.Disputes - s.Payouts + s.Reversals + s.Other
}

// Gross is what was sold, with shipping.
func (s Sums) Gross() money.Li { return s.Goods + s.Shipping }

// add takes a sum of moves into account.
func (s *Sums) add(kind, what string, in bool, sum money.Li, count int64) {
	signed := sum
	if !in {
		signed = -sum
	}
	switch {
	case what == fund.Levy && !in:
		s.Tenth += sum
	case what == fund.Levy:
		s.ReturnedTenth += sum
	case kind == fund.Sale && what == fund.Goods && in:
		s.Goods, s.Orders = s.Goods+sum, s.Orders+count
	case kind == fund.Sale && what == shipping && in:
		s.Shipping += sum
	case kind == fund.Refund && what == fund.Goods && !in:
		s.RefundedGoods += sum
	case kind == fund.Refund && what == shipping && !in:
		s.RefundedShipping += sum
	case len(kind) >= len(disputes) && kind[:len(disputes)] == disputes:
		s.Disputes += signed
	case kind == payout && !in:
		s.Payouts += sum
	case kind == reversal && in:
		s.Reversals += sum
	default:
		s.Other += signed
	}
}

// plus is both.
func (s Sums) plus(t Sums) Sums {
	return Sums{
		s.Orders + t.Orders, s.Refunds + t.Refunds, s.Goods + t.Goods, s.Shipping + t.Shipping, s.Tenth + t.Tenth,
		s.RefundedGoods + t.RefundedGoods, s.RefundedShipping + t.RefundedShipping, s.ReturnedTenth + t.ReturnedTenth,
		s.Disputes + t.Disputes, s.Payouts + t.Payouts, s.Reversals + t.Reversals, s.Other + t.Other,
	}
}

// Enterprise is whose statement it is.
type Enterprise struct {
	ID        merchant.ID
	Code      string // "E01"
	Name      string // its short name
	LegalName string
	USCC      string // unified social credit code, GB 32100
}

// Statement is an enterprise's account of a period: Closing is Opening and Sums.Net.
type Statement struct {
	Enterprise Enterprise
	Period     Period
	Opening    money.Li // owed at its beginning; below zero: the enterprise owes
	Sums       Sums
	Closing    money.Li // owed at its end
}

// Line is one transfer of the period that moved what the enterprise is owed.
type Line struct {
	ID    uuid.UUID // of the transfer
	At    time.Time
	Kind  string    // "sale", "refund", "payout", …
	Ref   string    // the order's, the refund's, the payout's id
	Order uuid.UUID // that it belongs to; zero: to none, or it is not known
	Sums  Sums
}

// lineOf sorts the moves of a transfer.
func lineOf(e ledger.Entry) Line {
	owed := ledger.Payable(e.Home)
	l := Line{ID: e.ID.UUID(), At: e.At, Kind: e.Kind, Ref: e.Ref}
	for _, m := range e.Moves {
		if m.From == owed || m.To == owed {
			l.Sums.add(e.Kind, m.What, m.To == owed, m.Amount, 1)
		}
	}
	if e.Kind == fund.Refund {
		l.Sums.Refunds = 1
	}
	return l
}

// Overview is every enterprise's account of a period.
type Overview struct {
	Period     Period
	Statements []Statement
	Total      Statement // of all; its Enterprise is zero
	FundLevied money.Li  // by how much the fund grew by tenths: Tenth − ReturnedTenth of all
}

// Income is what an enterprise took in over a quarter, as the tax authority wants to be
// told within the month after it (State Council Decree 810 of 2025, Provisions on Reporting
// of Tax-Related Information by Internet Platform Enterprises, 2 and 4: identity and income
// of sellers).
type Income struct {
	Enterprise Enterprise
	Orders     int64
	Gross      money.Li // goods and shipping sold
	Refunded   money.Li // goods and shipping given back
}

// Net is what was kept.
func (i Income) Net() money.Li { return i.Gross - i.Refunded }
