package assistance

import (
	"cmp"
	"context"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service keeps the register.
type Service struct{ db *postgres.DB }

// NewService makes the service.
func NewService(db *postgres.DB) *Service { return &Service{db} }

// Tracks are the ways of helping, in their order. Public.
func (s *Service) Tracks(ctx context.Context) ([]Track, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]Track, error) { return tracks(ctx, tx) })
}

// Entries are those of a year (0: of all) that were not replaced, as they were recorded. Public.
func (s *Service) Entries(ctx context.Context, year int, p page.Request) (page.Of[Entry], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Entry], error) { return list(ctx, tx, year, p) })
}

// All are all of a year's entries that were not replaced, as part of tx.
func All(ctx context.Context, tx *postgres.Tx, year int) ([]Entry, error) { return all(ctx, tx, year) }

// Record adds an entry, or corrects one. For operators. ErrEntry; ErrUnknown and ErrReplaced for what is to be
// corrected.
func (s *Service) Record(ctx context.Context, caller identity.Caller, n New) (Entry, error) {
	if err := cmp.Or(caller.Must(identity.Operator), n.check()); err != nil {
		return Entry{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Entry, error) {
		e := Entry{ID: id.New[Entry](tx.Now), New: n, By: caller.Account, At: tx.Now}
		if err := insert(ctx, tx, e); err != nil {
			return e, err
		}
		return e, trail.Note(ctx, tx, trail.Entry{
			Actor: caller.Account.UUID(), Operation: "assistance.record", Object: "assistance:" + e.ID.String(),
			Detail: map[string]any{"year": n.Year, "track": n.Track, "reason": n.Reason},
		})
	})
}
