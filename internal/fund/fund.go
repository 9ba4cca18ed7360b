// Package fund is the education fund: one tenth of every sale, which may be
// spent only on the county's schools. A levy is pending from the sale on, until
// the goods can no longer come back; then it is free.
package fund

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// The fund's accounts.
const (
	All     ledger.Account = "fund:"                  // the prefix of every account of the fund
	Pending ledger.Account = "fund:education:pending" // levied, but the goods may still come back
	Free    ledger.Account = "fund:education:free"    // may be granted
)

// The kinds of transfers that the fund takes part in, and what they move.
const (
	Sale   = "sale"   // kind
	Refund = "refund" // kind
	Goods  = "goods"  // what: the base of the levy
	Levy   = "tenth"  // what: the levy itself
)

// Tenth is the move that takes the fund's share of a sale out of what the seller
// is owed: n fen give n li, exactly one tenth. The base is what the buyer paid
// for goods, tax included, after the seller's own discounts and without shipping.
func Tenth(from ledger.Account, goods money.Fen) ledger.Move {
	return ledger.Move{What: Levy, From: from, To: Pending, Amount: goods.Tenth()}
}

// Return is the move that gives the fund's share of refunded goods back to the
// seller, while the levy is still pending.
func Return(to ledger.Account, goods money.Fen) ledger.Move {
	return ledger.Move{What: Levy, From: Pending, To: to, Amount: goods.Tenth()}
}

// Statement is the fund at one moment, as anybody may see it.
type Statement struct {
	Orders     int64     // orders sold
	SoldFen    money.Fen // goods sold, less goods refunded
	RefundFen  money.Fen // goods refunded
	LeviedLi   money.Li  // tenths taken, less tenths returned: one tenth of SoldFen
	ReturnedLi money.Li  // tenths returned with refunds
	PendingLi  money.Li  // of the levied: goods may still come back
	FreeLi     money.Li  // of the levied: may be granted
}

// Service answers for the fund.
type Service struct{ db *postgres.DB }

// New makes the fund's service.
func New(db *postgres.DB) *Service { return &Service{db} }

// Statement is the fund at this moment, in figures that belong together.
func (s *Service) Statement(ctx context.Context) (Statement, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Statement, error) {
		var st Statement
		flows, err := ledger.Flows(ctx, tx)
		if err != nil {
			return st, err
		}
		st.add(flows)
		balances, err := ledger.Below(ctx, tx, All)
		if err != nil {
			return st, err
		}
		for _, b := range balances {
			switch b.Account {
			case Pending:
				st.PendingLi = b.Li()
			case Free:
				st.FreeLi = b.Li()
			}
		}
		return st, nil
	})
}

// add sums the flows of sales and refunds.
func (s *Statement) add(flows []ledger.Flow) {
	for _, f := range flows {
		switch f.Kind + "/" + f.What {
		case Sale + "/" + Goods:
			whole, _ := f.Sum.Fen()
			s.SoldFen += whole
			s.Orders += f.Count
		case Sale + "/" + Levy:
			s.LeviedLi += f.Sum
		case Refund + "/" + Goods:
			whole, _ := f.Sum.Fen()
			s.SoldFen -= whole
			s.RefundFen += whole
		case Refund + "/" + Levy:
			s.LeviedLi -= f.Sum
			s.ReturnedLi += f.Sum
		}
	}
}

// Accounts are the balances of every account of the fund, by name.
func (s *Service) Accounts(ctx context.Context) ([]ledger.Balance, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]ledger.Balance, error) {
		return ledger.Below(ctx, tx, All)
	})
}
