package trail

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Service reads the trail.
type Service struct{ db *postgres.DB }

// New returns a Service on db.
func New(db *postgres.DB) *Service { return &Service{db: db} }

// Note adds an entry in the transaction of the change that it tells of.
func Note(ctx context.Context, tx *postgres.Tx, e Entry) error {
	e.ID, e.At = id.New[Entry](tx.Now), tx.Now
	return insert(ctx, tx, e)
}

// Entries lists what f chooses, the newest first. Who may read the trail is
// decided by the operation that shows it: operators and auditors.
func (s *Service) Entries(ctx context.Context, p page.Request, f Filter) (page.Of[Entry], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Entry], error) {
		return entries(ctx, tx, p, f)
	})
}
