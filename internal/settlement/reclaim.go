package settlement

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payee"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Reclaim reckons up to limit settled orders anew that were refunded afterwards: what
// their enterprises were paid too much is taken back from a payout, whole fen of it;
// what is less stays owed. It returns how many orders those were.
func (s *Service) Reclaim(ctx context.Context, limit int) (int, error) {
	rows, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]settledRow, error) { return unreckoned(ctx, tx, limit) })
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, r := range rows {
		oid := id.From[order.Order](r.OrderID)
		if err := postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return reclaim(ctx, tx, oid) }); err != nil {
			errs = append(errs, fmt.Errorf("reckon order %s anew: %w", oid, err))
		}
	}
	return len(rows) - len(errs), errors.Join(errs...)
}

// reclaim reckons one order anew.
func reclaim(ctx context.Context, tx *postgres.Tx, oid order.ID) error {
	o, err := order.Lock(ctx, tx, oid)
	if err != nil {
		return err
	}
	a, err := payee.Lock(ctx, tx, o.Merchant.UUID())
	if err != nil {
		return err
	}
	before, err := reckon(ctx, tx, o)
	if err != nil {
		return err
	}
	a.Owed += payout.Due(o) - before
	if need := payout.Lacking(a.Owed); need > 0 {
		p, ok, err := reversible(ctx, tx, o)
		if err != nil {
			return err
		}
		if ok {
			r := payout.Reversal{ID: id.New[payout.Reversal](tx.Now), Merchant: a.Owner, Payout: p.ID, Order: o.ID, Amount: min(need, p.Amount-p.Reversed), State: payout.Pending}
			p.Reversed += r.Amount
			a.Owed += r.Amount.Li()
			if err := errors.Join(insertReversal(ctx, tx, r), savePayout(ctx, tx, p), tx.Enqueue(ctx, TakeBack{r.Merchant, r.ID})); err != nil {
				return err
			}
		}
	}
	return payee.Save(ctx, tx, a)
}

// TakeBack makes a pending reversal at the provider and records what it says. One
// that is declined, because the enterprise has spent the money, makes its next
// payouts smaller.
func (s *Service) TakeBack(ctx context.Context, owner uuid.UUID, rid id.Of[payout.Reversal]) error {
	var p payout.Payout
	r, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (r payout.Reversal, err error) {
		if r, err = readReversal(ctx, tx, owner, rid); err == nil {
			p, err = readPayout(ctx, tx, r.Payout)
		}
		return r, err
	})
	if err != nil || r.State != payout.Pending {
		return err
	}
	ref, err := s.reverse(ctx, p, r)
	switch {
	case errors.Is(err, gateway.ErrDeclined):
		r.State = payout.Failed
		return s.endReversal(ctx, r, "", err.Error())
	case err != nil:
		return err
	}
	r.State = payout.Succeeded
	return s.endReversal(ctx, r, ref, "")
}

// reverse asks for the reversal, unless the provider has made it.
func (s *Service) reverse(ctx context.Context, p payout.Payout, r payout.Reversal) (string, error) {
	made, ok, err := s.made(ctx, p)
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(made.Reversals, func(b gateway.Reversal) bool { return b.Row == r.ID.UUID() }); ok && i >= 0 {
		return made.Reversals[i].Ref, nil
	}
	return s.gateway.Reverse(ctx, gateway.Reversing{Row: r.ID.UUID(), Transfer: p.Ref, Amount: r.Amount, Mark: s.options.Mark})
}

// endReversal records how a reversal ended, once.
func (s *Service) endReversal(ctx context.Context, r payout.Reversal, ref, failure string) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		a, err := payee.Lock(ctx, tx, r.Merchant)
		if err != nil {
			return err
		}
		p, err := lockPayout(ctx, tx, r.Payout)
		if err != nil {
			return err
		}
		if ended, err := endReversal(ctx, tx, r, ref, failure); err != nil || !ended {
			return err
		}
		if r.State == payout.Succeeded {
			return ledger.Book(ctx, tx, []ledger.Transfer{r.Booking()})
		}
		p.Reversed -= r.Amount
		a.Owed -= r.Amount.Li()
		return errors.Join(savePayout(ctx, tx, p), payee.Save(ctx, tx, a))
	})
}
