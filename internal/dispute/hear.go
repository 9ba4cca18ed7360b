package dispute

import (
	"context"
	"errors"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payment"
)

// Hear asks the provider about the disputes of a payment, because an event told of
// one, and follows each. A payment that is none of ours has no effect; an inquiry, by
// which no money has moved, has none either.
func (s *Service) Hear(ctx context.Context, payments *payment.Service, paid string) error {
	i, err := payments.ByPayment(ctx, paid)
	switch {
	case errors.Is(err, payment.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	all, err := payments.Disputes(ctx, paid)
	errs := []error{err}
	for _, d := range all {
		states := map[gateway.DisputeState]State{gateway.DisputeOpen: Open, gateway.DisputeWon: Won, gateway.DisputeLost: Lost}
		to, moved := states[d.State]
		if !moved {
			continue
		}
		errs = append(errs, s.Follow(ctx, id.From[order.Checkout](i.ID.UUID()), Said{
			Provider: i.Provider, Ref: d.Ref, Payment: paid, Amount: d.Amount, Currency: d.Currency, Reason: d.Reason, State: to,
			OpenedAt: d.CreatedAt, DueBy: d.DueBy,
		}))
	}
	return errors.Join(errs...)
}
