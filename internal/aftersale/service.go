package aftersale

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service gives back.
type Service struct{ db *postgres.DB }

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db: db} }

// Refund gives back lines of a paid order, wholly or in part: the book at once,
// the money by the provider soon after. It is an operator's decision.
func (s *Service) Refund(ctx context.Context, caller identity.Caller, oid order.ID, r order.Refunding, claim request.Claim, render func(Case) (request.Answer, error)) (Case, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Case, error) {
		o, err := order.Lock(ctx, tx, oid)
		if err != nil {
			return Case{}, err
		}
		back, err := o.Refund(r, caller.Account, tx.Now)
		if err != nil {
			return Case{}, err
		}
		if err := order.SaveRefunded(ctx, tx, o); err != nil {
			return Case{}, err
		}
		if err := insert(ctx, tx, o, back); err != nil {
			return Case{}, err
		}
		if err := giveBack(ctx, tx, o, back, r.Restock); err != nil {
			return Case{}, err
		}
		refunds, err := read(ctx, tx, []order.Order{o})
		if err != nil {
			return Case{}, err
		}
		return Case{o, refunds}, trail.Note(ctx, tx, trail.Entry{
			Actor: caller.Account.UUID(), Operation: "order.refund", Object: "order:" + oid.String(),
			Detail: map[string]any{"refund": back.ID.String(), "goods_fen": back.Goods, "shipping_fen": back.Shipping, "reason": back.Reason},
		})
	})
}

// giveBack sends the money back, puts goods that can be sold again onto the
// shelf, and books the refund.
func giveBack(ctx context.Context, tx *postgres.Tx, o order.Order, back order.Refund, restock bool) error {
	_, err := payment.RequestRefund(ctx, tx, payment.Refund{
		ID: id.From[payment.Refund](back.ID.UUID()), Intent: id.From[payment.Intent](o.Checkout.UUID()),
		Buyer: o.Buyer.UUID(), Amount: back.Goods + back.Shipping, Reason: back.Reason,
	})
	if err != nil {
		return err
	}
	if lines := stock(&o, back); restock && len(lines) > 0 {
		if err := inventory.PutBack(ctx, tx, lines); err != nil {
			return err
		}
	}
	matured, err := fund.Matured(ctx, tx, o.Merchant.UUID(), o.ID.String())
	if err != nil {
		return err
	}
	return ledger.Book(ctx, tx, []ledger.Transfer{transfer(&o, back, matured)})
}

// Forfeit records as a refund what a bank took back of a locked order for good, under
// an id that makes it once. Its money and its place in the book are the dispute's.
func Forfeit(ctx context.Context, tx *postgres.Tx, o *order.Order, refund uuid.UUID, r order.Refunding) error {
	back, err := o.Refund(r, identity.ID{}, tx.Now)
	if err != nil {
		return err
	}
	back.ID = id.From[order.Refund](refund)
	if err := order.SaveRefunded(ctx, tx, *o); err != nil {
		return err
	}
	return insert(ctx, tx, *o, back)
}

// Order is the buyer's own order with its refunds; another's is
// order.ErrNotFound.
func (s *Service) Order(ctx context.Context, caller identity.Caller, oid order.ID) (Case, error) {
	return s.withRefunds(ctx, func(tx *postgres.Tx) (order.Order, error) { return order.OfBuyer(ctx, tx, caller, oid) })
}

// MerchantOrder is an order with its refunds, for who sells for its merchant, once
// it is paid; else order.ErrNotFound.
func (s *Service) MerchantOrder(ctx context.Context, caller identity.Caller, oid order.ID) (Case, error) {
	return s.withRefunds(ctx, func(tx *postgres.Tx) (order.Order, error) { return order.OfMerchant(ctx, tx, caller, oid) })
}

// AnyOrder is an order with its refunds, for an operator or an auditor.
func (s *Service) AnyOrder(ctx context.Context, oid order.ID) (Case, error) {
	return s.withRefunds(ctx, func(tx *postgres.Tx) (order.Order, error) { return order.Any(ctx, tx, oid) })
}

// withRefunds reads an order and its refunds as they are at one moment: the sums
// of its lines are those of the refunds.
func (s *Service) withRefunds(ctx context.Context, find func(*postgres.Tx) (order.Order, error)) (Case, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Case, error) {
		o, err := find(tx)
		if err != nil {
			return Case{}, err
		}
		refunds, err := read(ctx, tx, []order.Order{o})
		return Case{o, refunds}, err
	})
}

// Repayments are the refunds in a state, as far as the money has come, newest
// first: for an operator or an auditor.
func (s *Service) Repayments(ctx context.Context, state gateway.RefundState, p page.Request) (page.Of[Repayment], error) {
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

// Refunds are all refunds of these orders, oldest first, by order.
func Refunds(ctx context.Context, tx *postgres.Tx, orders []order.Order) (map[order.ID][]order.Refund, error) {
	refunds, err := read(ctx, tx, orders)
	all := make(map[order.ID][]order.Refund, len(orders))
	for _, r := range refunds {
		all[r.Order] = append(all[r.Order], r)
	}
	return all, err
}

// Since are an enterprise's refunds of this time and later, oldest first: for what
// tells the enterprise of them.
func (s *Service) Since(ctx context.Context, merchant uuid.UUID, at time.Time) ([]order.Refund, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]order.Refund, error) { return since(ctx, tx, merchant, at) })
}

// homes are the keys of orders, turned on their side as unnest wants them.
func homes(orders []order.Order) (merchants, ids []uuid.UUID) {
	for _, o := range orders {
		merchants, ids = append(merchants, o.Merchant.UUID()), append(ids, o.ID.UUID())
	}
	return merchants, ids
}
