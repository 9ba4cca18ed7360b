package catalog

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Changed is the job of products that were listed or edited, whatever of them:
// those who keep something made out of products make it anew. It says which
// products, not what changed, and may come late or twice.
type Changed struct {
	Products []uuid.UUID `json:"products"`
}

// mostChanged is how many products one job names.
const mostChanged = 200

// Kind names the job.
func (Changed) Kind() string { return "catalog.changed" }

// changed is called by all that writes products, their SKUs or their prices, in the
// transaction that writes.
func changed(ctx context.Context, tx *postgres.Tx, all ...Product) error {
	var jobs []river.JobArgs
	for some := range slices.Chunk(all, mostChanged) {
		j := Changed{Products: make([]uuid.UUID, len(some))}
		for i, p := range some {
			j.Products[i] = p.ID.UUID()
		}
		jobs = append(jobs, j)
	}
	return tx.EnqueueAll(ctx, jobs)
}

// Every is the next products after one, of all enterprises and in any state, by both ids.
func Every(ctx context.Context, tx *postgres.Tx, m, after uuid.UUID, limit int) ([]Product, error) {
	return many(ctx, tx, `WHERE (p.merchant_id, p.id) > (?, ?) ORDER BY p.merchant_id, p.id LIMIT ?`, m, after, limit)
}

// Hold reads products in any state, and keeps them from being edited until tx ends.
func Hold(ctx context.Context, tx *postgres.Tx, ids []uuid.UUID) ([]Product, error) {
	return many(ctx, tx, those+`ORDER BY p.merchant_id, p.id FOR SHARE OF p`, postgres.Array(ids))
}

// OnShow are those of the products that the public can buy now, in no order.
func OnShow(ctx context.Context, tx *postgres.Tx, ids []uuid.UUID) ([]Product, error) {
	today := string(merchant.DateOf(tx.Now))
	return many(ctx, tx, those+`AND `+sellable, postgres.Array(ids), today, today)
}
