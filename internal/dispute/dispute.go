// Package dispute is what happens when a buyer has the bank take a payment back (a
// chargeback). While it is open, what is disputed is set aside: no longer the
// enterprise's, and its tenth no longer the fund's to give. Won, all goes back to
// where it was; lost, the payment is gone and the enterprise has its tenth back.
// Evidence is given on the provider's own pages: here is what follows from its word.
package dispute

import (
	"time"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
)

// Faults of a dispute.
var (
	ErrNotFound = fault.New(fault.NotFound, "dispute.not_found", "There is no such dispute", "没有这笔拒付")
	// ErrUnpaid is not for people: the provider disputes a payment that we have not heard of yet.
	ErrUnpaid = fault.New(fault.Conflict, "dispute.unpaid", "What is disputed has not been paid, as far as we know", "该支付尚未入账")
)

// State is where a dispute is in its life.
type State string

// The states. Won and Lost are ends.
const (
	Open State = "open" // the bank has taken the money back and asks
	Won  State = "won"  // the bank has returned it
	Lost State = "lost" // the bank keeps it
)

type (
	// ID names a dispute.
	ID = id.Of[Dispute]
	// PartID names the part of a dispute that one order has, and the refund that it becomes when it is lost.
	PartID = id.Of[Part]
)

// Said is what the provider says of a dispute.
type Said struct {
	Provider string
	Ref      string // the provider's name of it
	Payment  string // the provider's name of what is disputed
	Amount   money.Fen
	Currency string
	Reason   string // the provider's word: "fraudulent", "product_not_received", …
	State    State
	OpenedAt time.Time // by the provider's clock
	DueBy    time.Time // until when evidence is taken; zero when none is
}

// Dispute is a payment that a bank has taken back, or a part of it.
type Dispute struct {
	ID       ID
	Checkout order.CheckoutID
	Said
	// Beyond is what was taken of the amount though it was on its way back to the buyer already: nobody's but ours.
	Beyond   money.Fen
	Parts    []Part
	HeardAt  time.Time
	ClosedAt time.Time // zero while Open
}

// Part is what is disputed of one order.
type Part struct {
	ID       PartID
	Merchant merchant.ID
	Order    order.ID
	Goods    money.Fen
	Shipping money.Fen
	Matured  bool // whether the tenth was free when the dispute was opened
}

// aside holds what is disputed.
func (d *Dispute) aside() ledger.Account { return ledger.Account("disputed:" + d.ID.String()) }

// Losses is what the platform loses without any enterprise's fault.
const Losses ledger.Account = "platform:losses"

// parts is what is disputed of each order of a checkout, beside what others have set aside.
// The ids follow from the dispute's, so that they are the same however often it is done.
func parts(d ID, amount money.Fen, orders []order.Order, aside map[order.ID]order.Share, matured map[order.ID]bool) []Part {
	var all []Part
	for _, s := range order.Spread(amount, orders, aside) {
		o := &orders[s.N]
		all = append(all, Part{
			ID: id.FromName[Part]("dispute", d.String()+o.ID.String()), Merchant: o.Merchant, Order: o.ID,
			Goods: s.Goods, Shipping: s.Shipping, Matured: matured[o.ID],
		})
	}
	return all
}

// opened is how the dispute stands in the book, a transfer for each part, and one for
// what is beyond them.
func (d *Dispute) opened() []ledger.Transfer {
	return d.transfers(fund.Dispute, func(p Part) (from, to ledger.Account, tenth ledger.Move) {
		return ledger.Payable(p.Merchant.UUID()), d.aside(), fund.Hold(p.Goods, p.Matured)
	}, Losses, d.aside())
}

// closed is how its end stands there.
func (d *Dispute) closed() []ledger.Transfer {
	if d.State == Won {
		return d.transfers(fund.DisputeWon, func(p Part) (from, to ledger.Account, tenth ledger.Move) {
			return d.aside(), ledger.Payable(p.Merchant.UUID()), fund.LetGo(p.Goods, p.Matured)
		}, d.aside(), Losses)
	}
	return d.transfers(fund.DisputeLost, func(p Part) (from, to ledger.Account, tenth ledger.Move) {
		return d.aside(), order.Provider, fund.GiveUp(ledger.Payable(p.Merchant.UUID()), p.Goods)
	}, d.aside(), order.Provider)
}

func (d *Dispute) transfers(kind string, ways func(Part) (from, to ledger.Account, tenth ledger.Move), from, to ledger.Account) []ledger.Transfer {
	all := make([]ledger.Transfer, 0, len(d.Parts)+1)
	for _, p := range d.Parts {
		t := ledger.Transfer{Home: p.Merchant.UUID(), Kind: kind, Ref: p.ID.String(), Public: true}
		payer, payee, tenth := ways(p)
		if p.Goods > 0 {
			t.Moves = append(t.Moves, ledger.Move{What: fund.Goods, From: payer, To: payee, Amount: p.Goods.Li()})
		}
		if p.Shipping > 0 {
			t.Moves = append(t.Moves, ledger.Move{What: order.ShippingFee, From: payer, To: payee, Amount: p.Shipping.Li()})
		}
		if p.Goods > 0 {
			t.Moves = append(t.Moves, tenth)
		}
		all = append(all, t)
	}
	if d.Beyond > 0 {
		all = append(all, ledger.Transfer{Home: ledger.FundHome, Kind: kind + "_beyond", Ref: d.ID.String(), Moves: []ledger.Move{
			{What: "beyond", From: from, To: to, Amount: d.Beyond.Li()},
		}})
	}
	return all
}
