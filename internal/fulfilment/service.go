package fulfilment

import (
	"context"
	"time"

	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Blocked says which of the orders must not be received by themselves now, because a
// case of after-sales is open: it is asked in the transaction that would receive them.
type Blocked func(ctx context.Context, tx *postgres.Tx, orders []order.Order) (map[order.ID]bool, error)

// Service brings orders to their buyers.
type Service struct {
	db      *postgres.DB
	blocked Blocked
}

// New makes the service. Where blocked is nil, nothing holds up an order.
func New(db *postgres.DB, blocked Blocked) *Service { return &Service{db, blocked} }

// Of says how far orders have come, read as part of tx; each of them has an entry.
// One that nothing has happened to is Unfulfilled.
func Of(ctx context.Context, tx *postgres.Tx, orders []order.Order) (map[order.ID]Fulfilment, error) {
	all, err := find(ctx, tx, orders, "")
	of := make(map[order.ID]Fulfilment, len(all))
	for _, f := range all {
		f.settle()
		of[f.Order] = f
	}
	return of, err
}

// Lock says how far an order has come and keeps it from others until tx ends, after
// order.Lock. ErrUnpaid for one that was never paid.
func Lock(ctx context.Context, tx *postgres.Tx, o order.Order) (Fulfilment, error) {
	all, err := lockAll(ctx, tx, []order.Order{o})
	if err != nil {
		return Fulfilment{}, err
	}
	return all[0], nil
}

// lockAll is Lock for many orders, which are locked by (merchant, id) before.
func lockAll(ctx context.Context, tx *postgres.Tx, orders []order.Order) ([]Fulfilment, error) {
	for _, o := range orders {
		if o.PaidAt.IsZero() {
			return nil, ErrUnpaid.With("order %s is %s", o.ID, o.State)
		}
	}
	if err := begin(ctx, tx, orders); err != nil {
		return nil, err
	}
	all, err := find(ctx, tx, orders, " FOR UPDATE OF f")
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].settle() {
			if err := save(ctx, tx, all[i]); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// Receive says that the services of a locked order ended at that time: its vouchers are
// used or void. An order of vouchers alone is received with that, and its window of
// returns ends at closesAt; one with goods as well is received when those are, too.
// ErrState if it was said before.
func Receive(ctx context.Context, tx *postgres.Tx, o order.Order, at, closesAt time.Time) error {
	f, err := Lock(ctx, tx, o)
	if err != nil {
		return err
	}
	if err := f.servicesEnded(at, closesAt); err != nil {
		return err
	}
	return save(ctx, tx, f)
}

// Due are up to limit orders that were received, whose window of returns has ended and
// that are not closed, the oldest first.
func Due(ctx context.Context, tx *postgres.Tx, limit int) ([]Key, error) {
	return due(ctx, tx, limit)
}

// Close ends a received order for good, now: its window of returns has ended, and
// nothing of it is open. ErrState if it is not due, or was closed before.
func Close(ctx context.Context, tx *postgres.Tx, k Key) error {
	closed, err := closeOne(ctx, tx, k)
	if err == nil && !closed {
		return ErrState.With("order %s is not to be closed", k.Order)
	}
	return err
}
