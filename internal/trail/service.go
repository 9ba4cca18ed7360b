package trail

import (
	"context"
	"maps"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Service reads the trail.
type Service struct{ db *postgres.DB }

// New returns a Service on db.
func New(db *postgres.DB) *Service { return &Service{db: db} }

type keyKey struct{}

// ByKey lets every Note below ctx name the API key by which the change is made,
// as api_key in its detail.
func ByKey(ctx context.Context, key uuid.UUID) context.Context {
	return context.WithValue(ctx, keyKey{}, key)
}

// Note adds an entry in the transaction of the change that it tells of.
func Note(ctx context.Context, tx *postgres.Tx, e Entry) error {
	e.ID, e.At = id.New[Entry](tx.Now), tx.Now
	if key, ok := ctx.Value(keyKey{}).(uuid.UUID); ok {
		e.Detail = maps.Clone(e.Detail)
		if e.Detail == nil {
			e.Detail = make(map[string]any)
		}
		e.Detail["api_key"] = key.String()
	}
	return insert(ctx, tx, e)
}

// Entries lists what f chooses, the newest first. Who may read the trail is
// decided by the operation that shows it: operators and auditors.
func (s *Service) Entries(ctx context.Context, p page.Request, f Filter) (page.Of[Entry], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Entry], error) {
		return entries(ctx, tx, p, f)
	})
}
