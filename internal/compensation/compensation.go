// Package compensation is goodwill: where the window of returns is over and a buyer has
// nevertheless been wronged, the platform pays out of its own purse. One operator proposes,
// another approves exactly what was proposed. It is booked; the fund has no part in it.
package compensation

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
)

// Faults of a compensation.
var (
	// ErrUnknown says that there is no such compensation.
	ErrUnknown = fault.New(fault.NotFound, "compensation.not_found", "There is no such compensation", "没有这笔补偿")
	// ErrState says that it is decided already.
	ErrState = fault.New(fault.Conflict, "compensation.wrong_state", "The compensation is decided already", "该补偿已有结论")
	// ErrOwn says that nobody decides on what he proposed himself, or on what he gets.
	ErrOwn = fault.New(fault.Refused, "compensation.four_eyes", "Somebody else decides: neither who proposed it nor who gets it", "须由提议人和受益人以外的人员复核")
	// ErrDigest says that what is approved is not what was proposed.
	ErrDigest = fault.New(fault.Conflict, "compensation.other_than_proposed", "What is approved is not what was proposed", "复核内容与提议内容不一致")
	// ErrOpen says that goods can still be returned: then there is a refund, and no goodwill.
	ErrOpen = fault.New(fault.Conflict, "compensation.window_open", "The order can still be refunded: no compensation", "订单仍可退款，不适用补偿")
	// ErrLimit says that the buyer would get more than he paid.
	ErrLimit = fault.New(fault.Refused, "compensation.exceeds_paid", "The buyer would get more than he paid for the order", "补偿与退款合计超过实付")
)

// Kind is the kind of its transfers, and what they move.
const Kind = "compensation"

// Goodwill is the platform's own purse; it is below zero by what was given.
const Goodwill ledger.Account = "platform:goodwill"

// ID names a compensation.
type ID = id.Of[Compensation]

// State is where a compensation is in its life: lifecycle.Compensation.
type State string

// The states.
const (
	Proposed  State = "proposed"
	Approved  State = "approved"
	Refused   State = "refused"
	Withdrawn State = "withdrawn"
)

// Compensation is so much for the buyer of an order, and why.
type Compensation struct {
	ID         ID
	Order      order.ID
	Merchant   merchant.ID
	Buyer      identity.ID
	Amount     money.Fen
	Reason     string
	Digest     [32]byte // of order, amount and reason: what an approval is bound to
	State      State
	ProposedBy identity.ID
	ProposedAt time.Time
	DecidedBy  identity.ID // zero while Proposed
	DecidedAt  time.Time
	Note       string // why it was refused
}

// digest is SHA-256 over what is paid: a line each for the order, the fen and the reason.
func (c *Compensation) digest() [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "shiyi.compensation/v1\n%s\n%d\n%s\n", c.Order, c.Amount, c.Reason))
}

// decide ends a proposal. Who proposed it may only withdraw it, and nobody else may.
func (c *Compensation) decide(to State, by identity.ID, note string, at time.Time) error {
	switch {
	case !lifecycle.Compensation().Allowed(string(c.State), string(to)):
		return ErrState.With("it is %s", c.State)
	case (by == c.ProposedBy) != (to == Withdrawn), by == c.Buyer:
		return ErrOwn
	}
	c.State, c.DecidedBy, c.DecidedAt, c.Note = to, by, at, note
	return nil
}

// Next are the actions that an operator may take.
func (c *Compensation) Next(who uuid.UUID) []string {
	return slices.DeleteFunc(lifecycle.Compensation().Next(string(c.State), lifecycle.Operator), func(a string) bool {
		return (a == "withdraw") != (who == c.ProposedBy.UUID()) || who == c.Buyer.UUID()
	})
}

// left is how much of what was paid for an order has not come back, nor is about to.
func left(o *order.Order, granted money.Fen) money.Fen {
	return o.Goods + o.Shipping - o.Returned() - o.ShippingRefunded - granted
}

// transfer is how it stands in the book, sealed: it tells of one buyer, and not of the fund.
func (c *Compensation) transfer() ledger.Transfer {
	return ledger.Transfer{Home: c.Merchant.UUID(), Kind: Kind, Ref: c.ID.String(), Moves: []ledger.Move{
		{What: Kind, From: Goodwill, To: ledger.World("bank"), Amount: c.Amount.Li()},
	}}
}
