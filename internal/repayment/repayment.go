// Package repayment shows how far the money of refunds has come, and orders anew what the
// provider could not send.
package repayment

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Repayment is the money of a refund on its way back to the buyer.
type Repayment struct {
	payment.Refund
	Order order.ID // zero when what was paid bought nothing
}

// Service looks after repayments.
type Service struct{ db *postgres.DB }

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db} }

// In are those in a state, newest first: for an operator or an auditor.
func (s *Service) In(ctx context.Context, state gateway.RefundState, p page.Request) (page.Of[Repayment], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Repayment], error) {
		refunds, err := payment.RefundsIn(ctx, tx, state, p)
		if err != nil {
			return page.Of[Repayment]{}, err
		}
		data, err := withOrders(ctx, tx, refunds.Data)
		return page.Of[Repayment]{Data: data, Next: refunds.Next}, err
	})
}

// Retry orders a failed refund anew at the provider, once somebody has seen to
// what it failed for. payment.ErrState if it has not failed, payment.ErrNotFound.
func (s *Service) Retry(ctx context.Context, caller identity.Caller, rid payment.RefundID, claim request.Claim, render func(Repayment) (request.Answer, error)) (Repayment, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Repayment, error) {
		failed, again, err := payment.RetryRefund(ctx, tx, rid)
		if err != nil {
			return Repayment{}, err
		}
		data, err := withOrders(ctx, tx, []payment.Refund{again})
		if err != nil {
			return Repayment{}, err
		}
		return data[0], trail.Note(ctx, tx, trail.Entry{
			Actor: caller.Account.UUID(), Operation: "refund.retry", Object: "refund:" + rid.String(),
			Detail: map[string]any{"attempt": again.Attempt, "amount_fen": again.Amount, "failure": failed.Failure},
		})
	})
}

// ofRow is a refund of an order.
type ofRow struct{ ID, OrderID uuid.UUID }

// withOrders says of each refund of money which order it is of: the order's refund
// has the same id.
func withOrders(ctx context.Context, tx *postgres.Tx, refunds []payment.Refund) ([]Repayment, error) {
	ids := make([]uuid.UUID, len(refunds))
	for i, r := range refunds {
		ids[i] = r.ID.UUID()
	}
	rows, err := postgres.Rows[ofRow](ctx, tx, `SELECT id, order_id FROM order_refund WHERE id = ANY(?::uuid[])`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("find the orders of refunds: %w", err)
	}
	of := make(map[uuid.UUID]order.ID, len(rows))
	for _, r := range rows {
		of[r.ID] = id.From[order.Order](r.OrderID)
	}
	all := make([]Repayment, len(refunds))
	for i, r := range refunds {
		all[i] = Repayment{r, of[r.ID.UUID()]}
	}
	return all, nil
}
