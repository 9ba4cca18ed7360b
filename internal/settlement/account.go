package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Onboarding is an account and the provider's page on which its holder says who he is.
type Onboarding struct {
	payout.Account
	URL string // good for some minutes
}

// Onboard opens the payout account of an enterprise, if it has none, and gives the
// page on which the provider asks who its holder is. merchant.ErrUnknown for
// somebody else's.
func (s *Service) Onboard(ctx context.Context, caller identity.Caller, m merchant.ID) (Onboarding, error) {
	if !caller.SellsFor(m.UUID()) {
		return Onboarding{}, merchant.ErrUnknown
	}
	a, err := s.Open(ctx, m.UUID(), caller.Account.UUID())
	if err != nil {
		return Onboarding{}, err
	}
	page, err := s.gateway.OnboardingURL(ctx, a.Ref, s.options.ReturnURL)
	return Onboarding{a, page}, err
}

// Open opens the payout account of an owner, once: the same is given again. The
// actor is written into the trail.
func (s *Service) Open(ctx context.Context, owner, actor uuid.UUID) (payout.Account, error) {
	a, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (payout.Account, error) { return readAccount(ctx, tx, owner) })
	if err != nil || a.Ref != "" {
		return a, err
	}
	made, err := s.gateway.CreateAccount(ctx, owner, s.options.Mark)
	if err != nil {
		return payout.Account{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (payout.Account, error) {
		a, err := lockAccount(ctx, tx, owner)
		if err != nil || a.Ref != "" {
			return a, err
		}
		a.Says(made, tx.Now)
		if err := saveAccount(ctx, tx, a); err != nil {
			return a, err
		}
		return a, trail.Note(ctx, tx, trail.Entry{Actor: actor, Operation: "settlement.open", Object: "merchant:" + owner.String()})
	})
}

// Refresh asks the provider how the account of an owner stands. An owner without
// one is no error.
func (s *Service) Refresh(ctx context.Context, owner uuid.UUID) error {
	a, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (payout.Account, error) { return readAccount(ctx, tx, owner) })
	if err != nil || a.Ref == "" {
		return err
	}
	now, err := s.gateway.Account(ctx, a.Ref)
	if err != nil {
		return err
	}
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		a, err := lockAccount(ctx, tx, owner)
		if err != nil {
			return err
		}
		a.Says(now, tx.Now)
		return saveAccount(ctx, tx, a)
	})
}

// RefreshStale asks the provider about up to limit accounts of which it was not asked
// for as long as age.
func (s *Service) RefreshStale(ctx context.Context, age time.Duration, limit int) (int, error) {
	all, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]payout.Account, error) { return stale(ctx, tx, tx.Now.Add(-age), limit) })
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, a := range all {
		if err := s.Refresh(ctx, a.Owner); err != nil {
			errs = append(errs, fmt.Errorf("payout account of %s: %w", a.Owner, err))
		}
	}
	return len(all) - len(errs), errors.Join(errs...)
}

// Account is the payout account of an enterprise of the caller's: ErrNoAccount while
// nothing is due to it and none was opened, merchant.ErrUnknown for somebody else's.
func (s *Service) Account(ctx context.Context, caller identity.Caller, m merchant.ID) (payout.Account, error) {
	if !caller.SellsFor(m.UUID()) {
		return payout.Account{}, merchant.ErrUnknown
	}
	a, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (payout.Account, error) { return readAccount(ctx, tx, m.UUID()) })
	if err == nil && a.Ref == "" && a.Owed == 0 {
		err = payout.ErrNoAccount
	}
	return a, err
}

// Payouts are those of the caller's enterprises, newest first.
func (s *Service) Payouts(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[payout.Payout], error) {
	mine := caller.Merchants()
	if mine == nil {
		return page.Of[payout.Payout]{}, nil
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[payout.Payout], error) { return list(ctx, tx, mine, "", p) })
}

// Payout is one of the caller's enterprises, or ErrNotFound.
func (s *Service) Payout(ctx context.Context, caller identity.Caller, pid payout.ID) (payout.Payout, error) {
	p, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (payout.Payout, error) { return readPayout(ctx, tx, pid) })
	if err == nil && !caller.SellsFor(p.Merchant) {
		return payout.Payout{}, payout.ErrNotFound
	}
	return p, err
}

// PayoutsIn are all payouts in a state, newest first: for an operator or an auditor.
func (s *Service) PayoutsIn(ctx context.Context, state payout.State, p page.Request) (page.Of[payout.Payout], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[payout.Payout], error) { return list(ctx, tx, nil, state, p) })
}

// Retry begins a failed payout anew, once somebody has seen to what it failed for.
// ErrState if it has not failed, or if what it was for was paid or taken back since;
// ErrDisabled while nothing can be paid to the account.
func (s *Service) Retry(ctx context.Context, caller identity.Caller, pid payout.ID, claim request.Claim, render func(payout.Payout) (request.Answer, error)) (payout.Payout, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (payout.Payout, error) {
		p, err := readPayout(ctx, tx, pid)
		if err != nil {
			return payout.Payout{}, err
		}
		a, err := lockAccount(ctx, tx, p.Merchant)
		if err != nil {
			return payout.Payout{}, err
		}
		if p, err = lockPayout(ctx, tx, pid); err != nil {
			return payout.Payout{}, err
		}
		why := p.Failure
		if err := a.Again(&p, tx.Now); err != nil {
			return payout.Payout{}, err
		}
		if err := errors.Join(savePayout(ctx, tx, p), saveAccount(ctx, tx, a), tx.Enqueue(ctx, Pay{p.Merchant, p.ID})); err != nil {
			return payout.Payout{}, err
		}
		return p, trail.Note(ctx, tx, trail.Entry{
			Actor: caller.Account.UUID(), Operation: "payout.retry", Object: "payout:" + pid.String(),
			Detail: map[string]any{"attempt": p.Attempt, "amount_fen": p.Amount, "failure": why},
		})
	})
}
