// Package payout is what is due to enterprises and the fund, and what was paid of it:
// the arithmetic, the states and the bookings of settlement, without its doing.
package payout

import (
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
)

// Faults of a payout.
var (
	ErrNotFound  = fault.New(fault.NotFound, "settlement.payout_not_found", "There is no such payout", "没有这笔结算付款")
	ErrNoAccount = fault.New(fault.NotFound, "settlement.no_account", "The enterprise has no payout account yet", "企业尚未开通收款账户")
	ErrState     = fault.New(fault.Conflict, "settlement.wrong_state", "The payout is not in a state that allows this", "结算付款当前状态不允许此操作")
	ErrDisabled  = fault.New(fault.Conflict, "settlement.account_disabled", "Nothing can be paid to the account until the provider has what it asks for", "收款账户资料未完成，暂不能付款")
)

// The kinds of transfers in the book, and what they move.
const (
	KindPayout   = "payout"          // kind: to an enterprise's account
	KindReversal = "payout_reversal" // kind: back from it
	KindFund     = "fund_payout"     // kind: the fund's money from the provider to its bank
	KindFee      = "provider_fee"    // kind: what the provider kept on a day
	whatPayout   = "payout"
	whatFee      = "fee" // what
)

// The accounts of the book that only settlement moves.
const (
	FundBank ledger.Account = "world:fund-bank" // where the fund's money lies
	Fees     ledger.Account = "platform:fees"   // below zero: what the provider has kept so far
)

// World is where an enterprise's money goes.
func World(merchant uuid.UUID) ledger.Account { return ledger.World("merchant:" + merchant.String()) }

// State is where a payout or a reversal is in its life.
type State string

// The states. A payout ends as Paid; a reversal as Succeeded or Failed.
const (
	Pending   State = "pending"   // asked of the provider, or about to be
	Paid      State = "paid"      // a payout's: the money is in the account
	Succeeded State = "succeeded" // a reversal's: the money is back
	Failed    State = "failed"    // the provider declined
)

// ID names a payout.
type ID = id.Of[Payout]

// Account is where the provider pays to, and what is due.
type Account struct {
	Owner     uuid.UUID // a merchant, or ledger.FundHome
	Ref       string    // the provider's name of it; "" until it is opened
	Submitted bool      // its holder has said all that the provider asked
	Enabled   bool      // it can be paid to
	Owed      money.Li  // due, and not on its way; below zero: paid too much
	Failures  int       // payouts that were declined since the last that was not
	RetryAt   time.Time // before which nothing new is paid; zero: at once
	CheckedAt time.Time // when the provider was last asked
}

// Payout is money that goes to an account.
type Payout struct {
	ID        ID
	Merchant  uuid.UUID // or ledger.FundHome
	Order     order.ID  // zero: it pays what had stayed owed
	Month     string    // of the fund's: "2020-12"
	Group     uuid.UUID // of the provider's: the checkout, or the payout's own id
	Amount    money.Fen
	Reversed  money.Fen // taken back, or about to be
	State     State
	Account   string // the provider's name of where it goes
	Ref       string // the provider's name of it; "" unless Paid
	Failure   string // why it was declined; "" unless Failed
	Attempt   int    // how often it was begun anew
	CreatedAt time.Time
	TriedAt   time.Time // when this attempt was begun
	SettledAt time.Time // zero while Pending
}

// Reversal takes a part of a payout back.
type Reversal struct {
	ID       id.Of[Reversal]
	Merchant uuid.UUID
	Payout   ID
	Order    order.ID // whose refund is the reason
	Amount   money.Fen
	State    State
}

// Left is what an order sold and did not give back.
func Left(o order.Order) money.Fen { return o.Goods - o.Returned() }

// Due is what is the enterprise's of an order: goods that were kept, less their
// tenth, and shipping.
func Due(o order.Order) money.Li {
	return Left(o).Li() - Left(o).Tenth() + (o.Shipping - o.ShippingRefunded).Li()
}

// Whole are the fen that can be paid of what is owed.
func Whole(owed money.Li) money.Fen {
	if owed < 0 {
		return 0
	}
	fen, _ := owed.Fen()
	return fen
}

// Lacking are the fen that have to come back so that nothing is owed to us.
func Lacking(owed money.Li) money.Fen {
	if owed >= 0 {
		return 0
	}
	fen, rest := (-owed).Fen()
	if rest > 0 {
		fen++
	}
	return fen
}

// Ready reports whether something can be paid to the account now.
func (a Account) Ready(now time.Time) bool { return a.Enabled && !now.Before(a.RetryAt) }

// Pays makes the next payout of what is owed, but not more than room, and reduces
// what is owed by it; false: there is not a whole fen.
func (a *Account) Pays(now time.Time, room money.Fen) (Payout, bool) {
	amount := min(Whole(a.Owed), room)
	if amount < 1 || !a.Ready(now) {
		return Payout{}, false
	}
	a.Owed -= amount.Li()
	p := Payout{ID: id.New[Payout](now), Merchant: a.Owner, Amount: amount, State: Pending, Account: a.Ref, CreatedAt: now, TriedAt: now}
	p.Group = p.ID.UUID()
	return p, true
}

// Decline gives back what a payout did not pay, and waits longer each time.
func (a *Account) Decline(p Payout, now time.Time) {
	const most = 5 // 32 hours
	a.RetryAt = now.Add(time.Hour << min(a.Failures, most))
	a.Failures++
	if p.Month == "" {
		a.Owed += p.Amount.Li()
	}
}

// Booking is how a payout stands in the book once it is paid.
func (p Payout) Booking() ledger.Transfer {
	if p.Month != "" {
		return ledger.Transfer{Home: ledger.FundHome, Kind: KindFund, Ref: p.Month, Public: true, Moves: []ledger.Move{
			{What: whatPayout, From: order.Provider, To: FundBank, Amount: p.Amount.Li()},
		}}
	}
	return ledger.Transfer{Home: p.Merchant, Kind: KindPayout, Ref: p.ID.String(), Moves: []ledger.Move{
		{What: whatPayout, From: ledger.Payable(p.Merchant), To: World(p.Merchant), Amount: p.Amount.Li()},
	}}
}

// Booking is how a reversal stands in the book once the money is back.
func (r Reversal) Booking() ledger.Transfer {
	return ledger.Transfer{Home: r.Merchant, Kind: KindReversal, Ref: r.ID.String(), Moves: []ledger.Move{
		{What: whatPayout, From: World(r.Merchant), To: ledger.Payable(r.Merchant), Amount: r.Amount.Li()},
	}}
}

// Fee is how what the provider kept on a day stands in the book; below zero: it gave
// back more than it kept.
func Fee(day string, kept money.Fen) ledger.Transfer {
	m := ledger.Move{What: whatFee, From: Fees, To: order.Provider, Amount: kept.Li()}
	if kept < 0 {
		m = ledger.Move{What: whatFee, From: order.Provider, To: Fees, Amount: -kept.Li()}
	}
	return ledger.Transfer{Home: ledger.FundHome, Kind: KindFee, Ref: day, Moves: []ledger.Move{m}}
}

// Says takes over what the provider says of the account.
func (a *Account) Says(now gateway.Account, at time.Time) {
	if now.Enabled && !a.Enabled {
		a.Failures, a.RetryAt = 0, time.Time{}
	}
	a.Ref, a.Submitted, a.Enabled, a.CheckedAt = now.Ref, now.Submitted, now.Enabled, at
}

// Again makes a failed payout pending, as another attempt.
func (a *Account) Again(p *Payout, now time.Time) error {
	switch {
	case p.State != Failed:
		return ErrState.With("the payout is %s: only a failed one is tried anew", p.State)
	case p.Merchant == ledger.FundHome: // its account is a setting
	case !a.Enabled:
		return ErrDisabled
	case a.Owed < p.Amount.Li():
		return ErrState.With("%s yuan are owed: what the payout was for was paid or taken back since", a.Owed)
	default:
		a.Owed -= p.Amount.Li()
		p.Account = a.Ref
	}
	p.State, p.Failure, p.SettledAt, p.TriedAt, p.Attempt = Pending, "", time.Time{}, now, p.Attempt+1
	return nil
}
