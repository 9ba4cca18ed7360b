package payment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

const (
	// shownFor is how far back the provider lists its events.
	shownFor = 30 * 24 * time.Hour
	// overlap is how much of what was listed before is listed again: clocks differ, and an event may be listed late.
	overlap = 10 * time.Minute
	// window is how much of the list is held at once: after each, it is known how far it was read.
	window = 24 * time.Hour
)

// CatchUp receives the events that the provider lists since the last time and that
// its webhooks did not bring, the oldest first, and returns how many those were.
func (s *Service) CatchUp(ctx context.Context) (int, error) {
	now := s.db.Now()
	since, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (time.Time, error) { return toldUntil(ctx, tx, s.gateway.Name()) })
	if err != nil {
		return 0, err
	}
	if oldest := now.Add(-shownFor); since.Before(oldest) {
		since = oldest
	}
	missed := 0
	for from := since.Add(-overlap); !from.After(now); from = from.Add(window) {
		n, err := s.receiveAll(ctx, from, from.Add(window))
		if missed += n; err != nil {
			return missed, err
		}
		until := from.Add(window)
		if until.After(now) {
			until = now
		}
		if err := postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return setToldUntil(ctx, tx, s.gateway.Name(), until) }); err != nil {
			return missed, err
		}
	}
	return missed, nil
}

// receiveAll receives the events that the provider lists from one time to before another,
// the oldest first, and returns how many it had not received before.
func (s *Service) receiveAll(ctx context.Context, from, to time.Time) (missed int, err error) {
	var all []gateway.Told
	for told, err := range s.gateway.Events(ctx, from, to) {
		if err != nil {
			return 0, err
		}
		all = append(all, told)
	}
	for _, told := range slices.Backward(all) {
		fresh, err := s.receive(ctx, told.Event, told.Body)
		if err != nil {
			return missed, err
		}
		if fresh {
			missed++
		}
	}
	return missed, nil
}

// Follow asks the provider for the refunds of an intent, and brings those of ours to
// where it says that they are: so an event that never came is not missed, nor an answer
// that was lost.
func (s *Service) Follow(ctx context.Context, buyer uuid.UUID, intent ID) error {
	i, err := s.Intent(ctx, buyer, intent)
	if err != nil {
		return err
	}
	return s.follow(ctx, buyer, i.Payment)
}

// follow brings the refunds of a payment of the buyer's to where the provider says.
func (s *Service) follow(ctx context.Context, buyer uuid.UUID, payment string) error {
	if payment == "" {
		return nil
	}
	refunds, err := s.gateway.Refunds(ctx, payment)
	if err != nil {
		return err
	}
	for _, r := range refunds {
		if r.Row == uuid.Nil || r.Mark != s.shop.Mark {
			continue
		}
		err := postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
			return settle(ctx, tx, buyer, id.From[Refund](r.Row), r.Attempt, gateway.Refunded{Ref: r.Ref, State: r.State})
		})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// FollowPending looks after up to limit refunds that have been pending for longer
// than age, the oldest first: it asks the provider, and orders those that it does
// not know. It returns how many it could look after, and what went wrong with others.
func (s *Service) FollowPending(ctx context.Context, age time.Duration, limit int) (int, error) {
	all, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]Refund, error) { return pending(ctx, tx, tx.Now.Add(-age), limit) })
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, r := range all {
		var err error
		if r.Provider == s.gateway.Name() {
			err = s.follow(ctx, r.Buyer, r.Payment)
		}
		if err == nil {
			err = s.perform(ctx, r.Buyer, r.ID)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("refund %s: %w", r.ID, err))
		}
	}
	return len(all) - len(errs), errors.Join(errs...)
}

// ByPayment is the intent that a payment of the provider's paid, or ErrNotFound:
// another program's, or one that we have not heard of yet.
func (s *Service) ByPayment(ctx context.Context, payment string) (Intent, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Intent, error) { return byPayment(ctx, tx, payment) })
}

// Look asks the provider what it knows of a payment, and keeps it as if the event that
// tells of it had come: whoever sold something captures the sale by the name that is
// returned. It is "" when the payment is not for anything of this shop's.
func (s *Service) Look(ctx context.Context, payment string) (event string, err error) {
	e, err := s.gateway.Payment(ctx, payment)
	if err != nil || e.Kind != gateway.Paid || e.Mark != s.shop.Mark {
		return "", err
	}
	return e.ID, postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		_, err := insertEvent(ctx, tx, e, []byte("{}"))
		return err
	})
}

// Adopt records a refund that somebody made on the provider's own pages, under an id
// that makes it once. What is returned of its amount is what was left to give back: the
// rest was promised otherwise. It is zero when the refund was adopted before: then its
// state goes forward.
func Adopt(ctx context.Context, tx *postgres.Tx, r Refund) (money.Fen, error) {
	_, err := readRefund(ctx, tx, r.ID)
	switch {
	case err == nil:
		return 0, settle(ctx, tx, r.Buyer, r.ID, 0, gateway.Refunded{Ref: r.Ref, State: r.State})
	case !errors.Is(err, ErrNotFound) || r.State == gateway.RefundFailed:
		return 0, ignore(err, ErrNotFound)
	}
	withheld, err := Withhold(ctx, tx, r.Buyer, r.Intent, r.Amount)
	if err != nil || withheld == 0 {
		return 0, err
	}
	r.Amount = withheld
	if err := insertAdopted(ctx, tx, r); err != nil {
		return 0, err
	}
	return withheld, settle(ctx, tx, r.Buyer, r.ID, 0, gateway.Refunded{Ref: r.Ref, State: r.State})
}

// ignore is err, unless it is that one.
func ignore(err, that error) error {
	if errors.Is(err, that) {
		return nil
	}
	return err
}
