package catalog

import (
	"context"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Changed is the job of a product that was listed or edited, whatever of it:
// those who keep something made out of products make it anew. It says which
// product, not what changed, and may come late or twice.
type Changed struct {
	Merchant uuid.UUID `json:"merchant"`
	Product  uuid.UUID `json:"product"`
}

// Kind names the job.
func (Changed) Kind() string { return "catalog.changed" }

// changed is called by all that writes products, their SKUs or their prices, in the
// transaction that writes.
func changed(ctx context.Context, tx *postgres.Tx, all ...Product) error {
	jobs := make([]river.JobArgs, len(all))
	for i, p := range all {
		jobs[i] = Changed{Merchant: p.Merchant.UUID(), Product: p.ID.UUID()}
	}
	return tx.EnqueueAll(ctx, jobs)
}
