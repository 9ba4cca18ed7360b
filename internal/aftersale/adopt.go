package aftersale

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Adopt takes into the book a refund of a checkout that somebody made on the provider's
// own pages: what the provider has given back is given back. It is spread over the
// orders (see order.Spread), once, however often it is heard of. Its payment is one of
// ours (payment.Refund names it).
func (s *Service) Adopt(ctx context.Context, checkout order.CheckoutID, r payment.Refund) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		c, err := order.LockCheckout(ctx, tx, checkout)
		if err != nil {
			return err
		}
		if c.State != order.Paid {
			return nil // what it gives back bought nothing
		}
		r.ID = id.FromName[payment.Refund](r.Provider, r.Ref)
		r.Buyer, r.Intent, r.Reason = c.Buyer.UUID(), c.Intent().ID, "made on the provider's own pages"
		amount, err := payment.Adopt(ctx, tx, r)
		if err != nil || amount == 0 {
			return err
		}
		var aside map[order.ID]order.Share
		if s.hooks.Aside != nil {
			if aside, err = s.hooks.Aside(ctx, tx, c.ID); err != nil {
				return err
			}
		}
		for _, share := range order.Spread(amount, c.Orders, aside) {
			if err := s.adopt(ctx, tx, &c.Orders[share.N], r, share); err != nil {
				return err
			}
		}
		return trail.Note(ctx, tx, trail.Entry{
			Operation: "refund.adopt", Object: "refund:" + r.ID.String(), Detail: map[string]any{"ref": r.Ref, "amount_fen": amount},
		})
	})
}

// adopt records what one order has of an adopted refund.
func (s *Service) adopt(ctx context.Context, tx *postgres.Tx, o *order.Order, r payment.Refund, share order.Share) error {
	back, err := o.Refund(o.Take(share, r.Reason), identity.ID{}, tx.Now)
	if err != nil {
		return err
	}
	back.ID = id.FromName[order.Refund](r.ID.String(), o.ID.String())
	if err := order.SaveRefunded(ctx, tx, *o); err != nil {
		return err
	}
	if err := insert(ctx, tx, *o, back); err != nil {
		return err
	}
	if s.hooks.Void != nil {
		if err := s.hooks.Void(ctx, tx, *o, back); err != nil {
			return err
		}
	}
	matured, err := fund.Matured(ctx, tx, o.Merchant.UUID(), o.ID.String())
	if err != nil {
		return err
	}
	if err := ledger.Book(ctx, tx, []ledger.Transfer{transfer(o, back, matured)}); err != nil {
		return err
	}
	return tellGivenBack(ctx, tx, *o, back)
}
