// Package fund is the education fund: one tenth of every sale, which may be
// spent only on the county's schools. A levy is pending from the sale on, until
// the goods can no longer come back; then it is free. While a buyer's bank disputes
// the payment, it is held.
package fund

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// The fund's accounts.
const (
	All     ledger.Account = "fund:"                  // the prefix of every account of the fund
	Pending ledger.Account = "fund:education:pending" // levied, but the goods may still come back
	Free    ledger.Account = "fund:education:free"    // may be granted
	Held    ledger.Account = "fund:education:held"    // of payments that a bank has taken back for the time being

	committed ledger.Account = "fund:committed:" // and a grant's id: promised, not paid yet
)

// The kinds of transfers that the fund takes part in, and what they move.
const (
	Sale        = "sale"         // kind
	Refund      = "refund"       // kind
	Maturing    = "mature"       // kind: the goods can come back no more
	Dispute     = "dispute"      // kind: the buyer's bank takes a payment back, for the time being
	DisputeWon  = "dispute_won"  // kind: the bank gives it back to us
	DisputeLost = "dispute_lost" // kind: the bank keeps it
	Goods       = "goods"        // what: the base of the levy
	Levy        = "tenth"        // what: the levy itself

	Granting       = "grant"         // kind: free money is promised to a programme
	GrantReleasing = "grant_release" // kind: what was promised and is not needed is free again
	GrantPaying    = "grant_payment" // kind: what was promised is paid
	GrantReturning = "grant_return"  // kind: what was paid and not used comes back
	Granted        = "grant"         // what: money of a grant
)

// Tenth is the move that takes the fund's share of a sale out of what the seller
// is owed: n fen give n li, exactly one tenth. The base is what the buyer paid
// for goods, tax included, after the seller's own discounts and without shipping.
func Tenth(from ledger.Account, goods money.Fen) ledger.Move {
	return ledger.Move{What: Levy, From: from, To: Pending, Amount: goods.Tenth()}
}

// holds is the account that an order's levy is in: it is free once it has matured.
func holds(matured bool) ledger.Account {
	if matured {
		return Free
	}
	return Pending
}

// Return is the move that gives the fund's share of refunded goods back to the
// seller: from what is pending, or from what is free once the levy has matured.
func Return(to ledger.Account, goods money.Fen, matured bool) ledger.Move {
	return ledger.Move{What: Levy, From: holds(matured), To: to, Amount: goods.Tenth()}
}

// Mature is the transfer that makes what is left of an order's levy free: the time
// in which the goods could come back is over. The order's reference makes it happen
// once. There is none for an order of which nothing is left.
func Mature(merchant uuid.UUID, order string, left money.Fen) ledger.Transfer {
	return ledger.Transfer{Home: merchant, Kind: Maturing, Ref: order, Public: true, Moves: []ledger.Move{
		{What: Levy, From: Pending, To: Free, Amount: left.Tenth()},
	}}
}

// Matured reports whether an order's levy has matured. The book is the record of it:
// who holds the order's lock knows that it stays so.
func Matured(ctx context.Context, tx *postgres.Tx, merchant uuid.UUID, order string) (bool, error) {
	entries, err := ledger.Entries(ctx, tx, []ledger.Reference{{Home: merchant, Kind: Maturing, Ref: order}})
	return len(entries) > 0, err
}

// Hold is the move that sets the tenth of disputed goods aside.
func Hold(goods money.Fen, matured bool) ledger.Move {
	return ledger.Move{What: Levy, From: holds(matured), To: Held, Amount: goods.Tenth()}
}

// LetGo is the move that puts the tenth of goods back which were disputed in vain.
func LetGo(goods money.Fen, matured bool) ledger.Move {
	return ledger.Move{What: Levy, From: Held, To: holds(matured), Amount: goods.Tenth()}
}

// GiveUp is the move that returns the tenth of goods whose payment a bank took back
// for good.
func GiveUp(to ledger.Account, goods money.Fen) ledger.Move {
	return ledger.Move{What: Levy, From: Held, To: to, Amount: goods.Tenth()}
}

// Committed is the account of what a grant has promised and not paid yet.
func Committed(grant uuid.UUID) ledger.Account { return committed + ledger.Account(grant.String()) }

// Programme is the outside that a programme's payments go to: it holds what it was paid.
func Programme(programme uuid.UUID) ledger.Account {
	return ledger.World("programme:" + programme.String())
}

// Grant is the transfer that promises free money: its reference is the grant's id.
func Grant(grant uuid.UUID, amount money.Fen) ledger.Transfer {
	return granting(Granting, grant, Free, Committed(grant), amount)
}

// ReleaseGrant is the transfer that makes promised money free again; ref says which release.
func ReleaseGrant(grant, ref uuid.UUID, amount money.Fen) ledger.Transfer {
	return granting(GrantReleasing, ref, Committed(grant), Free, amount)
}

// PayGrant is the transfer that pays promised money to a programme; ref says which payment.
func PayGrant(grant, programme, ref uuid.UUID, amount money.Fen) ledger.Transfer {
	return granting(GrantPaying, ref, Committed(grant), Programme(programme), amount)
}

// ReturnGrant is the transfer of what a programme was paid and did not use; ref says which.
func ReturnGrant(programme, ref uuid.UUID, amount money.Fen) ledger.Transfer {
	return granting(GrantReturning, ref, Programme(programme), Free, amount)
}

func granting(kind string, ref uuid.UUID, from, to ledger.Account, amount money.Fen) ledger.Transfer {
	return ledger.Transfer{Home: ledger.FundHome, Kind: kind, Ref: ref.String(), Public: true, Moves: []ledger.Move{
		{What: Granted, From: from, To: to, Amount: amount.Li()},
	}}
}

// Statement is the fund at one moment, as anybody may see it.
type Statement struct {
	Orders     int64     // orders sold
	SoldFen    money.Fen // goods sold, less goods refunded
	RefundFen  money.Fen // goods refunded, or whose payment a bank took back for good
	LeviedLi   money.Li  // tenths taken, less tenths returned: one tenth of SoldFen
	ReturnedLi money.Li  // tenths returned with refunds
	PendingLi  money.Li  // of the levied: goods may still come back
	FreeLi     money.Li  // of the levied: may be granted
	HeldLi     money.Li  // of the levied: a bank is asked whether the buyer has to pay

	CommittedLi money.Li // of the levied: promised by grants, not paid yet
	SpentLi     money.Li // of the levied: paid to programmes, less what came back
}

// Service answers for the fund.
type Service struct{ db *postgres.DB }

// New makes the fund's service.
func New(db *postgres.DB) *Service { return &Service{db} }

// Statement is the fund at this moment, in figures that belong together.
func (s *Service) Statement(ctx context.Context) (Statement, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Statement, error) { return Stand(ctx, tx) })
}

// Stand is how the fund stands, as part of tx: figures that belong together where tx is a View.
func Stand(ctx context.Context, tx *postgres.Tx) (Statement, error) {
	var st Statement
	flows, err := ledger.Flows(ctx, tx)
	if err != nil {
		return st, err
	}
	st.add(flows)
	balances, err := ledger.Below(ctx, tx, All)
	st.hold(balances)
	return st, err
}

// Logged is the statement of what the log has numbered, and how many leaves that are: whoever adds
// those up has the same figures.
func (s *Service) Logged(ctx context.Context) (st Statement, leaves int64, err error) {
	st, err = postgres.View(ctx, s.db, func(tx *postgres.Tx) (st Statement, err error) {
		flows, balances, size, err := ledger.Logged(ctx, tx, All)
		st.add(flows)
		st.hold(balances)
		leaves = size
		return st, err
	})
	return st, leaves, err
}

// hold takes the balances of the fund's accounts.
func (s *Statement) hold(balances []ledger.Balance) {
	for _, b := range balances {
		switch b.Account {
		case Pending:
			s.PendingLi = b.Li()
		case Free:
			s.FreeLi = b.Li()
		case Held:
			s.HeldLi = b.Li()
		default:
			s.CommittedLi += b.Li()
		}
	}
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
		case Refund + "/" + Goods, DisputeLost + "/" + Goods:
			whole, _ := f.Sum.Fen()
			s.SoldFen -= whole
			s.RefundFen += whole
		case Refund + "/" + Levy, DisputeLost + "/" + Levy:
			s.LeviedLi -= f.Sum
			s.ReturnedLi += f.Sum
		case GrantPaying + "/" + Granted:
			s.SpentLi += f.Sum
		case GrantReturning + "/" + Granted:
			s.SpentLi -= f.Sum
		}
	}
}

// Accounts are the balances of every account of the fund, by name.
func (s *Service) Accounts(ctx context.Context) ([]ledger.Balance, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]ledger.Balance, error) {
		return ledger.Below(ctx, tx, All)
	})
}
