package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payment"
)

// Follow brings our side of a payment to what the provider says of it now: that it was
// paid, what was given back of it, by us or on the provider's own pages, and what the
// buyer's bank disputes. What it is told of, in which order and how often, does not
// matter: it asks. A payment that is not for anything of this shop's is left alone.
func (s *Service) Follow(ctx context.Context, payment string) error {
	_, err := s.follow(ctx, payment)
	return err
}

// follow is Follow; it reports whether the payment is this shop's.
func (s *Service) follow(ctx context.Context, payment string) (ours bool, err error) {
	i, ours, err := s.paid(ctx, payment)
	if err != nil || i.Payment == "" {
		return ours, err
	}
	if err := s.payments.Follow(ctx, i.Buyer, i.ID); err != nil {
		return true, err
	}
	if err := s.adopt(ctx, i); err != nil {
		return true, err
	}
	return true, s.disputed(ctx, i)
}

// paid is the intent that the payment paid, captured if we had not heard of it. It has
// no payment when that bought nothing, or is not this shop's.
func (s *Service) paid(ctx context.Context, name string) (i payment.Intent, ours bool, err error) {
	i, err = s.payments.ByPayment(ctx, name)
	if !errors.Is(err, payment.ErrNotFound) {
		return i, true, err
	}
	event, err := s.payments.Look(ctx, name)
	if err != nil || event == "" {
		return payment.Intent{}, false, err
	}
	switch err := s.orders.Capture(ctx, event); {
	case errors.Is(err, order.ErrNotFound): // it bears our mark, and was for nothing that we know: a break will say so
		return payment.Intent{}, true, nil
	case err != nil:
		return payment.Intent{}, true, err
	}
	i, err = s.payments.ByPayment(ctx, name)
	if errors.Is(err, payment.ErrNotFound) {
		return payment.Intent{}, true, nil // it goes back
	}
	return i, true, err
}

// adopt takes the refunds that were not ordered by us, the oldest first.
func (s *Service) adopt(ctx context.Context, i payment.Intent) error {
	refunds, err := s.gateway.Refunds(ctx, i.Payment)
	if err != nil {
		return err
	}
	for _, r := range slices.Backward(refunds) {
		if r.Row != uuid.Nil {
			continue
		}
		err := s.aftersales.Adopt(ctx, id.From[order.Checkout](i.ID.UUID()), payment.Refund{
			Amount: r.Amount, State: r.State, Provider: i.Provider, Payment: i.Payment, Ref: r.Ref,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// disputed follows the disputes, the oldest first.
func (s *Service) disputed(ctx context.Context, i payment.Intent) error {
	all, err := s.gateway.Disputes(ctx, i.Payment)
	if err != nil {
		return err
	}
	for _, d := range slices.Backward(all) {
		if d.State == gateway.DisputeInquiry { // no money has moved
			continue
		}
		err := s.disputes.Follow(ctx, id.From[order.Checkout](i.ID.UUID()), dispute.Said{
			Provider: i.Provider, Ref: d.Ref, Payment: d.Payment, Amount: d.Amount, Currency: d.Currency, Reason: d.Reason,
			State: dispute.State(d.State), OpenedAt: d.CreatedAt, DueBy: d.DueBy,
		})
		if errors.Is(err, dispute.ErrUnpaid) { // what is disputed bought nothing: somebody must look
			s.log.LogAttrs(ctx, slog.LevelWarn, "a payment that bought nothing is disputed", slog.String("payment", i.Payment))
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}
