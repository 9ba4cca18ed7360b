// Package payee is who can be paid: the connected account of an enterprise at the
// provider, whose holder the provider has asked who he is, and what stays owed to it.
package payee

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Shop is what the provider is told of the shop.
type Shop struct {
	Mark      string // on all that it makes at the provider
	ReturnURL string // where an enterprise comes back to from the provider's pages
}

// Service opens accounts and asks how they stand, through one gateway.
type Service struct {
	db      *postgres.DB
	gateway gateway.Gateway
	shop    Shop
}

// New returns a Service on db and the gateway.
func New(db *postgres.DB, g gateway.Gateway, shop Shop) *Service {
	return &Service{db: db, gateway: g, shop: shop}
}

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
	page, err := s.gateway.OnboardingURL(ctx, a.Ref, s.shop.ReturnURL)
	return Onboarding{a, page}, err
}

// Open opens the payout account of an owner, once: the same is given again. The
// actor is written into the trail.
func (s *Service) Open(ctx context.Context, owner, actor uuid.UUID) (payout.Account, error) {
	a, again, err := s.begin(ctx, owner)
	if err != nil || a.Ref != "" {
		return a, err
	}
	made, err := s.make(ctx, owner, again)
	if err != nil {
		return payout.Account{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (payout.Account, error) {
		a, err := Lock(ctx, tx, owner)
		if err != nil || a.Ref != "" {
			return a, err
		}
		a.Says(made, tx.Now)
		if err := Save(ctx, tx, a); err != nil {
			return a, err
		}
		return a, trail.Note(ctx, tx, trail.Entry{Actor: actor, Operation: "payee.open", Object: "merchant:" + owner.String()})
	})
}

// begin notes that an account is about to be made; again: somebody began before, and
// did not come to its end.
func (s *Service) begin(ctx context.Context, owner uuid.UUID) (a payout.Account, again bool, err error) {
	err = postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		if a, err = Lock(ctx, tx, owner); err != nil || a.Ref != "" {
			return err
		}
		again, err = begun(ctx, tx, owner)
		return err
	})
	return a, again, err
}

// make makes the account. The provider forgets our key after a day: one that may have
// been made before is looked for.
func (s *Service) make(ctx context.Context, owner uuid.UUID, again bool) (gateway.Account, error) {
	if again {
		if made, err := s.gateway.FindAccount(ctx, owner, s.shop.Mark); err != nil || made.Ref != "" {
			return made, err
		}
	}
	return s.gateway.CreateAccount(ctx, owner, s.shop.Mark)
}

// Refresh asks the provider how the account of an owner stands. An owner without
// one is no error.
func (s *Service) Refresh(ctx context.Context, owner uuid.UUID) error {
	a, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (payout.Account, error) { return read(ctx, tx, owner) })
	if err != nil || a.Ref == "" {
		return err
	}
	now, err := s.gateway.Account(ctx, a.Ref)
	if err != nil {
		return err
	}
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		a, err := Lock(ctx, tx, owner)
		if err != nil {
			return err
		}
		a.Says(now, tx.Now)
		return Save(ctx, tx, a)
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
	a, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (payout.Account, error) { return read(ctx, tx, m.UUID()) })
	if err == nil && a.Ref == "" && a.Owed == 0 {
		err = payout.ErrNoAccount
	}
	return a, err
}
