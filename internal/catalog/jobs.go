package catalog

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/merchant"
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

// changed is called by all that writes a product, its SKUs or its prices, in the
// transaction that writes.
func changed(ctx context.Context, tx *postgres.Tx, m merchant.ID, p ProductID) error {
	return tx.Enqueue(ctx, Changed{Merchant: m.UUID(), Product: p.UUID()})
}
