// Package payment takes money and gives it back. An intent is a sum that a buyer
// is to pay; a provider behind the Gateway takes it on a page of its own and
// tells of it by signed webhooks, which come late, often and in any order, and
// have one effect. It does not know what was bought.
package payment

import (
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
)

// Faults of a payment.
var (
	ErrRange       = fault.New(fault.Refused, "payment.amount_out_of_range", "The amount cannot be paid at once", "金额超出单笔支付范围")
	ErrNotFound    = fault.New(fault.NotFound, "payment.not_found", "There is no such payment", "没有这笔支付")
	ErrState       = fault.New(fault.Conflict, "payment.wrong_state", "The payment is not in a state that allows this", "支付当前状态不允许此操作")
	ErrAmount      = fault.New(fault.Conflict, "payment.wrong_amount", "Another amount was paid than was asked for", "实付金额与应付金额不符")
	ErrPaid        = fault.New(fault.Conflict, "payment.already_paid", "This payment was recorded before", "该支付已入账")
	ErrLate        = fault.New(fault.Conflict, "payment.late", "The payment came when nothing was to be paid any more", "付款时订单已关闭")
	ErrRefundLimit = fault.New(fault.Refused, "payment.refund_exceeds_paid", "More would be refunded than was paid", "退款超过实付")
)

// ID names an intent; it is the UUID of what is to be paid.
type ID = id.Of[Intent]

// RefundID names a refund.
type RefundID = id.Of[Refund]

// State is where an intent is in its life.
type State string

// The states.
const (
	StateNew       State = "new"       // nobody can pay it yet
	StateOpened    State = "opened"    // the provider shows a page
	StateSucceeded State = "succeeded" // paid, and it bought something
	StateCanceled  State = "canceled"  // nothing is to be paid any more
	StateRefunding State = "refunding" // paid after it was canceled: on its way back
	StateRefunded  State = "refunded"  // every fen went back
)

// Intent is a sum that a buyer is to pay.
type Intent struct {
	ID        ID
	Buyer     uuid.UUID
	Amount    money.Fen
	State     State
	Provider  string    // "" until a page is open
	Session   string    // the provider's name of the page; "" until it is open
	Payment   string    // the provider's name of what was paid; "" until then
	PayURL    string    // where the buyer pays; "" until it is open
	Promised  money.Fen // of refunds that were asked for, arrived or not
	CreatedAt time.Time
	ExpiresAt time.Time
	SettledAt time.Time // when it was paid or canceled; zero before
}

// Open reports whether the intent can be paid at the given time.
func (i Intent) Open(at time.Time) bool {
	return (i.State == StateNew || i.State == StateOpened) && at.Before(i.ExpiresAt)
}

// refused says why an event did not make the intent succeed.
func (i Intent) refused(e gateway.Event) error {
	switch {
	case i.Payment == e.Payment:
		return ErrPaid
	case e.Currency != gateway.Currency || e.Amount != i.Amount:
		return ErrAmount.With("%d %s were paid, %d %s were asked for", e.Amount, e.Currency, i.Amount, gateway.Currency)
	default: // it is canceled, or was paid twice
		return ErrLate.With("the payment is %s", i.State)
	}
}

// Refund gives a paid intent back, or a part of it.
type Refund struct {
	ID        RefundID
	Intent    ID
	Buyer     uuid.UUID
	Amount    money.Fen
	Reason    string
	State     gateway.RefundState
	Late      bool   // of a payment that bought nothing
	Provider  string // which took the payment
	Payment   string // the provider's name of what is given back
	Ref       string // the provider's name of the refund; "" until it has one
	Failure   string // why it failed; "" unless it has failed
	Attempt   int    // how often it was begun anew after a failure
	CreatedAt time.Time
	SettledAt time.Time // when it last changed its state; zero while pending
}
