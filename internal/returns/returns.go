// Package returns is what a buyer may ask for after a sale, and the way of such a case to
// its end: what the law and the goods allow, who acts next and until when. It is pure:
// aftersale keeps the cases and moves the money.
package returns

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payment"
)

// Faults of cases.
var (
	// ErrUnknown says that there is no such case, or that it is not the caller's.
	ErrUnknown = fault.New(fault.NotFound, "returns.not_found", "There is no such after-sales case", "没有这个售后单")
	// ErrState says that the case is not where this can be done.
	ErrState = fault.New(fault.Conflict, "returns.wrong_state", "The case is not in a state that allows this", "售后单当前状态不允许此操作")
	// ErrOpen says that a case of the order is open: it comes to its end first.
	ErrOpen = fault.New(fault.Conflict, "returns.case_open", "A case of this order is open already", "该订单已有进行中的售后单")
	// ErrNotShipped says that nothing of the order was shipped: it is canceled instead.
	ErrNotShipped = fault.New(fault.Refused, "returns.not_shipped", "Nothing of the order was shipped yet: cancel it instead", "订单尚未发货，请直接取消订单")
	// ErrWindow says that the time for returns is over; an operator may still compensate.
	ErrWindow = fault.New(fault.Refused, "returns.window_closed_compensation_only", "The time for returns is over: only a compensation by the platform is possible", "退货期已过，仅可由平台酌情补偿")
	// ErrNoReason says that these goods do not come back without a reason (Consumer Protection Law 25).
	ErrNoReason = fault.New(fault.Refused, "returns.reason_needed", "These goods are not returned without a reason", "该商品不适用七日无理由退货")
	// ErrInvalid names what is wrong with what was asked for.
	ErrInvalid = fault.New(fault.Invalid, "returns.invalid", "The case is not asked for properly", "售后申请内容有误")
)

// Deadlines. Who lets one pass is taken to have agreed with the other side.
const (
	// AnswerWithin is the merchant's time to approve or refuse; then the case counts as
	// approved. The law wants requests handled without delay and names no days (E-Commerce Law 59, 60).
	AnswerWithin = 3 * 24 * time.Hour
	// SendBackWithin is the buyer's time to send approved goods back; then the case lapses.
	SendBackWithin = 7 * 24 * time.Hour
	// ConfirmWithin is the merchant's time to look at what came back; then it is refunded: the money goes
	// back within seven days of the goods' return (Consumer Protection Law 25).
	ConfirmWithin = 7 * 24 * time.Hour
	// EscalateWithin is the buyer's time to bring a refusal before an operator; then the case lapses.
	EscalateWithin = 7 * 24 * time.Hour
)

// MaxPictures is how many pictures a case may have.
const MaxPictures = 9

// maxText is how long a text may be, in characters.
const maxText = 500

// ID names a case.
type ID = id.Of[Case]

// Kind says what a buyer wants.
type Kind string

// The kinds.
const (
	ReturnRefund Kind = "return_refund" // goods back, money back
	RefundOnly   Kind = "refund_only"   // money back
)

// Reason is why.
type Reason string

// The reasons.
const (
	NoReason    Reason = "no_reason" // within seven days, where the goods allow it
	Quality     Reason = "quality"
	WrongGoods  Reason = "wrong_goods"
	Damaged     Reason = "damaged"
	Missing     Reason = "missing"
	NotReceived Reason = "not_received"
)

// State is where a case is in its life: lifecycle.Case.
type State string

// The states.
const (
	Requested State = "requested"
	Approved  State = "approved"
	Refused   State = "refused"
	SentBack  State = "sent_back"
	Escalated State = "escalated"
	Refunded  State = "refunded"
	Rejected  State = "rejected"
	Withdrawn State = "withdrawn"
	Lapsed    State = "lapsed"
)

// Asking is what a buyer asks for.
type Asking struct {
	Kind     Kind
	Reason   Reason
	Text     string    // at most 500 characters, may be empty
	Pictures []file.ID // his own, for everybody to see
	Lines    []order.RefundLine
}

// Event is what was done about a case. Its note is for the parties: it may be personal.
type Event struct {
	N      int
	Action string
	State  State // that it came to
	Role   lifecycle.Role
	Actor  identity.ID
	Note   string
	At     time.Time
}

// Case is a request of a buyer after the sale, and what became of it.
type Case struct {
	ID       ID
	Merchant merchant.ID
	Order    order.ID
	Buyer    identity.ID
	Asking
	State     State
	OpenedAt  time.Time
	DueAt     time.Time // when the program acts in place of who has not; zero when nobody is waited for
	Carrier   string    // of the goods that were sent back
	Tracking  string
	Refund    order.RefundID // zero unless money was given back
	ClosedAt  time.Time      // zero while it is open
	Events    []Event        // oldest first
	Repayment payment.Refund // the money on its way; zero without Refund
}

// Next are the actions that somebody may take.
func (c *Case) Next(who lifecycle.Role) []string { return lifecycle.Case().Next(string(c.State), who) }

// Check refuses what is no proper asking, whatever the order.
func (a *Asking) Check() error {
	switch {
	case a.Kind != ReturnRefund && a.Kind != RefundOnly:
		return ErrInvalid.At("/kind", "enum", "return_refund or refund_only")
	case !slices.Contains([]Reason{NoReason, Quality, WrongGoods, Damaged, Missing, NotReceived}, a.Reason):
		return ErrInvalid.At("/reason", "enum", "no such reason")
	case a.Kind == ReturnRefund && (a.Reason == Missing || a.Reason == NotReceived):
		return ErrInvalid.At("/kind", "enum", "what did not arrive cannot be sent back: refund_only")
	case utf8.RuneCountInString(a.Text) > maxText || !utf8.ValidString(a.Text) || strings.ContainsRune(a.Text, 0):
		return ErrInvalid.At("/text", "maxLength", "at most 500 characters")
	case len(a.Lines) == 0:
		return ErrInvalid.At("/lines", "minItems", "which goods?")
	}
	for i, p := range a.Pictures {
		if len(a.Pictures) > MaxPictures || slices.Contains(a.Pictures[:i], p) {
			return ErrInvalid.At("/picture_ids", "length", "at most 9 pictures, each once")
		}
	}
	return nil
}

// Allowed names the amounts, and refuses what the order, its way to the buyer and the rules of its goods do not
// allow. waived is that the buyer confirmed, on this purchase, that some goods cannot come back.
func (a *Asking) Allowed(o *order.Order, f *fulfilment.Fulfilment, waived bool, now time.Time) error {
	if !lifecycle.Fulfilment().May(string(f.State), "request_return", lifecycle.Buyer) {
		return ErrNotShipped
	}
	if !f.ClosesAt.IsZero() && !now.Before(f.ClosesAt) {
		return ErrWindow.With("it ended at %s", f.ClosesAt.Format(time.RFC3339))
	}
	for i, l := range a.Lines {
		if l.N < 1 || l.N > len(o.Lines) {
			return order.ErrNotFound.At(fmt.Sprintf("/lines/%d/line", i), "line", "the order has no such line")
		}
		if a.Reason != NoReason {
			continue
		}
		rule := catalog.ReturnRule(o.Lines[l.N-1].ReturnRule)
		if rule == catalog.ExemptFresh || rule.NeedsWaiver() && waived {
			return ErrNoReason.At(fmt.Sprintf("/lines/%d/line", i), "return_rule", "it is not returned without a reason")
		}
		if a.Kind == RefundOnly && !rule.NeedsWaiver() {
			return ErrNoReason.At("/kind", "return_rule", "without a reason the goods come back: return_refund")
		}
	}
	// Tried on a copy, so that more than was paid is refused here and not at the end.
	tried := *o
	tried.Lines = slices.Clone(o.Lines)
	back, err := tried.Refund(order.Refunding{Lines: a.Lines, Reason: string(a.Reason)}, o.Buyer, now)
	a.Lines = back.Lines
	return err
}

// Take brings a case to another state by somebody's action, with what that starts: the
// clock of who must act next, or the end.
func (c *Case) Take(action string, to State, who lifecycle.Role, actor identity.ID, note string, at time.Time) error {
	if !lifecycle.Case().May(string(c.State), action, who) || !lifecycle.Case().Allowed(string(c.State), string(to)) {
		return ErrState.With("the case is %s: no %s", c.State, action)
	}
	c.State, c.DueAt = to, time.Time{}
	switch to {
	case Approved:
		c.DueAt = at.Add(SendBackWithin)
	case SentBack:
		c.DueAt = at.Add(ConfirmWithin)
	case Refused:
		c.DueAt = at.Add(EscalateWithin)
	case Refunded, Rejected, Withdrawn, Lapsed:
		c.ClosedAt = at
	case Requested, Escalated: // an operator has no deadline
	}
	c.Events = append(c.Events, Event{N: len(c.Events) + 1, Action: action, State: to, Role: who, Actor: actor, Note: note, At: at})
	return nil
}

// Granted is what an approval leads to: goods that must come back first, or the money.
func (c *Case) Granted() State {
	if c.Kind == ReturnRefund && c.Tracking == "" {
		return Approved
	}
	return Refunded
}

// Refunding is what a case gives back of an order: no more than is left of it, for an
// operator may have given something back meanwhile. Where it is the merchant's fault and
// nothing is left of the goods, the shipping fee goes back, too. What the buyer says he has
// had was shipped; what he misses may be what has not left yet.
func (c *Case) Refunding(o *order.Order, restock bool) order.Refunding {
	r := order.Refunding{Restock: restock, Shipped: c.Reason != Missing && c.Reason != NotReceived, Reason: "售后退款 " + string(c.Reason)}
	goods := o.Returned()
	for _, want := range c.Lines {
		l := o.Lines[want.N-1]
		want.Quantity = min(want.Quantity, l.Quantity-l.RefundedQty)
		want.Amount = min(want.Amount, l.Total-l.Refunded)
		if want.Amount > 0 {
			r.Lines, goods = append(r.Lines, want), goods+want.Amount
		}
	}
	if c.Reason != NoReason && goods == o.Goods {
		r.Shipping = o.Shipping - o.ShippingRefunded
	}
	return r
}
