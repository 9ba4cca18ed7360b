package aftersale

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/returns"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Rendering is how a case is answered to who asked with a key.
type Rendering = func(returns.Case) (request.Answer, error)

// Ask opens a case of the buyer's own order. Another's is order.ErrNotFound; what is wrong
// with it is returns.ErrInvalid, returns.ErrNotShipped, returns.ErrWindow, returns.ErrNoReason, returns.ErrOpen or what order.Order.Refund refuses.
func (s *Service) Ask(ctx context.Context, caller identity.Caller, oid order.ID, a returns.Asking) (returns.Case, error) {
	a.Text = strings.TrimSpace(a.Text)
	if err := a.Check(); err != nil {
		return returns.Case{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (returns.Case, error) {
		o, err := order.Lock(ctx, tx, oid)
		if err != nil {
			return returns.Case{}, err
		}
		if o.Buyer != caller.Account {
			return returns.Case{}, order.ErrNotFound
		}
		if err := file.CheckShown(ctx, tx, caller.Account.UUID(), a.Pictures...); err != nil {
			return returns.Case{}, err
		}
		if o.PaidAt.IsZero() {
			return returns.Case{}, order.ErrState.With("the order is %s", o.State)
		}
		f, err := fulfilment.Lock(ctx, tx, o)
		if err != nil {
			return returns.Case{}, err
		}
		waived, err := order.Waived(ctx, tx, o)
		if err != nil {
			return returns.Case{}, err
		}
		if err := a.Allowed(&o, &f, waived, tx.Now); err != nil {
			return returns.Case{}, err
		}
		c := returns.Case{
			ID: id.New[returns.Case](tx.Now), Merchant: o.Merchant, Order: o.ID, Buyer: o.Buyer, Asking: a,
			State: returns.Requested, OpenedAt: tx.Now, DueAt: tx.Now.Add(returns.AnswerWithin),
		}
		if err := insertCase(ctx, tx, c); err != nil {
			return returns.Case{}, err
		}
		return c, tellStep(ctx, tx, c)
	})
}

// SendBack says by which carrier the buyer sends the goods of his own case.
func (s *Service) SendBack(ctx context.Context, caller identity.Caller, cid returns.ID, carrier, tracking string) (returns.Case, error) {
	carrier, tracking = strings.TrimSpace(carrier), strings.TrimSpace(tracking)
	switch {
	case carrier == "" || utf8.RuneCountInString(carrier) > 64:
		return returns.Case{}, returns.ErrInvalid.At("/carrier", "length", "1 to 64 characters")
	case tracking == "" || utf8.RuneCountInString(tracking) > 64:
		return returns.Case{}, returns.ErrInvalid.At("/tracking_no", "length", "1 to 64 characters")
	}
	return s.act(ctx, byBuyer(caller), cid, request.Claim{}, nil, func(_ *postgres.Tx, _ *order.Order, c *returns.Case, by actor) error {
		c.Carrier, c.Tracking = carrier, tracking
		return by.take(c, "send_back", returns.SentBack, "")
	})
}

// Withdraw ends the buyer's own case.
func (s *Service) Withdraw(ctx context.Context, caller identity.Caller, cid returns.ID) (returns.Case, error) {
	return s.act(ctx, byBuyer(caller), cid, request.Claim{}, nil, func(_ *postgres.Tx, _ *order.Order, c *returns.Case, by actor) error {
		return by.take(c, "withdraw", returns.Withdrawn, "")
	})
}

// Escalate brings the refusal of the buyer's own case before an operator, with a text.
func (s *Service) Escalate(ctx context.Context, caller identity.Caller, cid returns.ID, text string) (returns.Case, error) {
	if err := identity.CheckReason(text); err != nil {
		return returns.Case{}, err
	}
	return s.act(ctx, byBuyer(caller), cid, request.Claim{}, nil, func(_ *postgres.Tx, _ *order.Order, c *returns.Case, by actor) error {
		return by.take(c, "escalate", returns.Escalated, text)
	})
}

// Approve is the merchant's yes: the goods are sent back, or the money goes back at once.
func (s *Service) Approve(ctx context.Context, caller identity.Caller, cid returns.ID, claim request.Claim, render Rendering) (returns.Case, error) {
	return s.act(ctx, bySeller(caller), cid, claim, render, func(tx *postgres.Tx, o *order.Order, c *returns.Case, by actor) error {
		return s.conclude(ctx, tx, o, c, by, "approve", c.Granted(), "", false)
	})
}

// Refuse is the merchant's no, with a reason: to what was asked for, or to goods that came
// back other than they left. The buyer may bring it before an operator.
func (s *Service) Refuse(ctx context.Context, caller identity.Caller, cid returns.ID, reason string) (returns.Case, error) {
	if err := identity.CheckReason(reason); err != nil {
		return returns.Case{}, err
	}
	return s.act(ctx, bySeller(caller), cid, request.Claim{}, nil, func(_ *postgres.Tx, _ *order.Order, c *returns.Case, by actor) error {
		return by.take(c, "refuse", returns.Refused, reason)
	})
}

// GoodsReceived says that the goods came back to the merchant, and whether they can be sold
// again: the money goes back.
func (s *Service) GoodsReceived(ctx context.Context, caller identity.Caller, cid returns.ID, restock bool, claim request.Claim, render Rendering) (returns.Case, error) {
	return s.act(ctx, bySeller(caller), cid, claim, render, func(tx *postgres.Tx, o *order.Order, c *returns.Case, by actor) error {
		return s.conclude(ctx, tx, o, c, by, "goods_received", returns.Refunded, "", restock)
	})
}

// Decide ends an escalated case, with a reason, for the buyer (the goods are sent back first
// where they have to be) or for the merchant. An operator does; ErrOwn for who
// is a side of it.
func (s *Service) Decide(ctx context.Context, caller identity.Caller, cid returns.ID, forBuyer bool, reason string, claim request.Claim, render Rendering) (returns.Case, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return returns.Case{}, err
	}
	if err := identity.CheckReason(reason); err != nil {
		return returns.Case{}, err
	}
	return s.act(ctx, byOperator(caller), cid, claim, render, func(tx *postgres.Tx, o *order.Order, c *returns.Case, by actor) error {
		if caller.SellsFor(c.Merchant.UUID()) || caller.Account == c.Buyer {
			return ErrOwn
		}
		to := returns.Rejected
		if forBuyer {
			to = c.Granted()
		}
		return s.conclude(ctx, tx, o, c, by, "decide", to, reason, false)
	})
}

// conclude takes a case to a state, and gives the money back where that is returns.Refunded.
func (s *Service) conclude(ctx context.Context, tx *postgres.Tx, o *order.Order, c *returns.Case, by actor, action string, to returns.State, note string, restock bool) error {
	if err := by.take(c, action, to, note); err != nil || to != returns.Refunded {
		return err
	}
	r, err := s.unused(ctx, tx, o, c.Refunding(o, restock), c.Reason != returns.NoReason)
	if err != nil {
		return err
	}
	if len(r.Lines) == 0 && r.Shipping == 0 {
		return nil // an operator gave it back meanwhile
	}
	back, err := s.giveBack(ctx, tx, o, r, by.account)
	c.Refund = back.ID
	return err
}

// actor is who acts on a case, in which role, and on which ones he may.
type actor struct {
	role    lifecycle.Role
	account identity.ID
	may     func(*returns.Case) bool
	tx      *postgres.Tx
}

func byBuyer(c identity.Caller) actor {
	return actor{role: lifecycle.Buyer, account: c.Account, may: func(k *returns.Case) bool { return k.Buyer == c.Account }}
}

func bySeller(c identity.Caller) actor {
	return actor{role: lifecycle.Merchant, account: c.Account, may: func(k *returns.Case) bool { return c.SellsFor(k.Merchant.UUID()) }}
}

func byOperator(c identity.Caller) actor {
	return actor{role: lifecycle.Operator, account: c.Account, may: func(*returns.Case) bool { return true }}
}

func (a actor) take(c *returns.Case, action string, to returns.State, note string) error {
	return c.Take(action, to, a.role, a.account, note, a.tx.Now)
}

// act locks a case after its order, lets somebody act on it, and writes what came of it.
// What is not his is returns.ErrUnknown.
func (s *Service) act(ctx context.Context, by actor, cid returns.ID, claim request.Claim, render Rendering, f func(*postgres.Tx, *order.Order, *returns.Case, actor) error) (returns.Case, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (returns.Case, error) {
		by.tx = tx
		c, err := caseByID(ctx, tx, cid, "")
		if err != nil {
			return returns.Case{}, err
		}
		if !by.may(&c) {
			return returns.Case{}, returns.ErrUnknown
		}
		o, err := order.Lock(ctx, tx, c.Order)
		if err != nil {
			return returns.Case{}, err
		}
		if c, err = caseByID(ctx, tx, cid, " FOR UPDATE"); err != nil {
			return returns.Case{}, err
		}
		done := len(c.Events)
		if err := f(tx, &o, &c, by); err != nil {
			return returns.Case{}, err
		}
		if err := saveCase(ctx, tx, c, c.Events[done:]); err != nil {
			return returns.Case{}, err
		}
		if err := errors.Join(by.note(ctx, c), tellStep(ctx, tx, c)); err != nil {
			return returns.Case{}, err
		}
		one := []returns.Case{c}
		err = withRepayments(ctx, tx, one)
		return one[0], err
	})
}

// note writes the newest event of a case into the trail, without its text. What buyers do
// themselves is told by the case.
func (a actor) note(ctx context.Context, c returns.Case) error {
	if a.role == lifecycle.Buyer {
		return nil
	}
	last := c.Events[len(c.Events)-1]
	detail := map[string]any{"action": last.Action, "state": string(c.State)}
	if !c.Refund.IsZero() {
		detail["refund"] = c.Refund.String()
	}
	return trail.Note(ctx, a.tx, trail.Entry{Actor: a.account.UUID(), Operation: "aftersale." + last.Action, Object: "case:" + c.ID.String(), Detail: detail})
}

// Sweep acts in all cases whose deadline has passed, in place of who has not: it approves
// what the merchant did not answer, gives back for goods that he did not look at, and ends
// what the buyer did not follow up; it reads batch of them at once. It returns in how many,
// and what went wrong with others: one that waits for the bank, or fails, holds up none.
func (s *Service) Sweep(ctx context.Context, batch int) (int, error) {
	n := 0
	var errs []error
	for after := (caseRow{}); ; {
		due, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]caseRow, error) { return dueCases(ctx, tx, after, batch) })
		if err != nil {
			return n, errors.Join(append(errs, err)...)
		}
		for _, r := range due {
			switch err := s.overdue(ctx, id.From[returns.Case](r.ID)); {
			case errors.Is(err, returns.ErrState), errors.Is(err, ErrDisputed):
			case err != nil:
				errs = append(errs, fmt.Errorf("case %s: %w", r.ID, err))
			default:
				n++
			}
		}
		if len(due) < batch {
			return n, errors.Join(errs...)
		}
		after = due[len(due)-1]
	}
}

// overdue acts in one case whose deadline has passed. returns.ErrState when somebody has.
func (s *Service) overdue(ctx context.Context, cid returns.ID) error {
	program := actor{role: lifecycle.System, may: func(*returns.Case) bool { return true }}
	_, err := s.act(ctx, program, cid, request.Claim{}, nil, func(tx *postgres.Tx, o *order.Order, c *returns.Case, by actor) error {
		if c.DueAt.IsZero() || tx.Now.Before(c.DueAt) {
			return returns.ErrState.With("somebody has acted")
		}
		switch c.State {
		case returns.Requested:
			return s.conclude(ctx, tx, o, c, by, "approve", c.Granted(), "", false)
		case returns.SentBack:
			return s.conclude(ctx, tx, o, c, by, "goods_received", returns.Refunded, "", false)
		case returns.Approved, returns.Refused, returns.Escalated, returns.Refunded, returns.Rejected, returns.Withdrawn, returns.Lapsed:
		}
		return by.take(c, "lapse", returns.Lapsed, "")
	})
	return err
}

// Open reports of which of these orders a case is open: they are not closed.
func Open(ctx context.Context, tx *postgres.Tx, orders []order.Order) (map[order.ID]bool, error) {
	return openOf(ctx, tx, orders)
}

// Case is the buyer's own; another's is returns.ErrUnknown.
func (s *Service) Case(ctx context.Context, caller identity.Caller, cid returns.ID) (returns.Case, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (returns.Case, error) {
		c, err := caseByID(ctx, tx, cid, "")
		if err == nil && c.Buyer != caller.Account {
			err = returns.ErrUnknown
		}
		if err != nil {
			return returns.Case{}, err
		}
		one := []returns.Case{c}
		err = withRepayments(ctx, tx, one)
		return one[0], err
	})
}

// Cases are the buyer's own, newest first.
func (s *Service) Cases(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[returns.Case], error) {
	return s.list(ctx, p, `buyer_id = ?`, caller.Account)
}

// MerchantCases are those of the merchants that the caller sells for, newest first.
func (s *Service) MerchantCases(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[returns.Case], error) {
	return s.list(ctx, p, `merchant_id = ANY(?::uuid[])`, postgres.Array(caller.Merchants()))
}

// CasesIn are the cases in a state, newest first: for an operator or an auditor.
func (s *Service) CasesIn(ctx context.Context, state returns.State, p page.Request) (page.Of[returns.Case], error) {
	return s.list(ctx, p, `state = ?`, string(state))
}

func (s *Service) list(ctx context.Context, p page.Request, where string, arg any) (page.Of[returns.Case], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[returns.Case], error) {
		found, err := listCases(ctx, tx, p, where, arg)
		if err != nil {
			return found, err
		}
		return found, withRepayments(ctx, tx, found.Data)
	})
}

// withRepayments says of cases that were refunded how far the money has come.
func withRepayments(ctx context.Context, tx *postgres.Tx, cases []returns.Case) error {
	var ids []payment.RefundID
	for _, c := range cases {
		if !c.Refund.IsZero() {
			ids = append(ids, id.From[payment.Refund](c.Refund.UUID()))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := payment.Refunds(ctx, tx, slices.Compact(ids))
	for i := range cases {
		cases[i].Repayment = found[id.From[payment.Refund](cases[i].Refund.UUID())]
	}
	return err
}
