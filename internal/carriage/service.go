package carriage

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service keeps what enterprises ask for shipping.
type Service struct{ db *postgres.DB }

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db: db} }

// Set makes these the fees of an enterprise, for every checkout that is placed from now on.
// version is that of the schedule which was read, 0 if there was none: with another it is
// request.ErrStale. An enterprise that the caller does not sell for is merchant.ErrUnknown.
func (s *Service) Set(ctx context.Context, caller identity.Caller, m merchant.ID, version int64, rates []Rate) (Schedule, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Schedule, error) {
		if !caller.SellsFor(m.UUID()) {
			return Schedule{}, merchant.ErrUnknown
		}
		if err := check(rates); err != nil {
			return Schedule{}, err
		}
		all, err := Of(ctx, tx, []uuid.UUID{m.UUID()})
		if err != nil {
			return Schedule{}, err
		}
		if held := all[m.UUID()].Version; held != version {
			return Schedule{}, request.ErrStale.With("the fees are at version %d", held)
		}
		set := Schedule{ID: id.New[Schedule](tx.Now), Merchant: m.UUID(), Version: version + 1, Rates: rates, SetAt: tx.Now}
		if err := insert(ctx, tx, set, caller.Account); err != nil {
			return Schedule{}, err
		}
		return set, trail.Note(ctx, tx, trail.Entry{
			Actor: caller.Account.UUID(), Operation: "carriage.set", Object: "merchant:" + m.String(), Detail: map[string]any{"version": set.Version, "rates": rates},
		})
	})
}

// Schedules lists all versions of the fees of the enterprises that the caller sells for, the
// newest first: the first of each enterprise holds.
func (s *Service) Schedules(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Schedule], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Schedule], error) { return list(ctx, tx, caller.Merchants(), p) })
}
