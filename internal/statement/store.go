package statement

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// enterpriseRow is what a statement says of an enterprise.
type enterpriseRow struct {
	ID                   uuid.UUID
	Code                 string
	ShortName, LegalName string
	Uscc                 string
}

// enterprises are these, or all for nil, by code. One that has left is among them.
func enterprises(ctx context.Context, tx *postgres.Tx, ids []uuid.UUID) ([]Enterprise, error) {
	rows, err := postgres.Rows[enterpriseRow](ctx, tx, `SELECT id, code, short_name, legal_name, uscc FROM merchant
		WHERE ? OR id = ANY(?::uuid[]) ORDER BY code, id`, ids == nil, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read enterprises: %w", err)
	}
	out := make([]Enterprise, len(rows))
	for i, r := range rows {
		out[i] = Enterprise{id.From[merchant.Merchant](r.ID), r.Code, r.ShortName, r.LegalName, r.Uscc}
	}
	return out, nil
}

// refundRow is which order a refund belongs to.
type refundRow struct {
	ID      uuid.UUID
	OrderID uuid.UUID
}

// refunded says to which orders of an enterprise these refunds belong.
func refunded(ctx context.Context, tx *postgres.Tx, m merchant.ID, refunds []uuid.UUID) (map[uuid.UUID]uuid.UUID, error) {
	rows, err := postgres.Rows[refundRow](ctx, tx, `SELECT id, order_id FROM order_refund WHERE merchant_id = ? AND id = ANY(?::uuid[])`,
		m, postgres.Array(refunds))
	if err != nil {
		return nil, fmt.Errorf("find the orders of refunds: %w", err)
	}
	out := make(map[uuid.UUID]uuid.UUID, len(rows))
	for _, r := range rows {
		out[r.ID] = r.OrderID
	}
	return out, nil
}

// countedRow is how many refunds of an enterprise were booked.
type countedRow struct {
	Home  uuid.UUID
	Count int64
}

// refunds counts the refunds that were booked in a period: one may move goods, shipping
// or both, so that its moves do not count it.
func refunds(ctx context.Context, tx *postgres.Tx, homes []uuid.UUID, from, until time.Time) (map[uuid.UUID]int64, error) {
	rows, err := postgres.Rows[countedRow](ctx, tx, `SELECT home, count(*) AS count FROM transfer
		WHERE kind = 'refund' AND (? OR home = ANY(?::uuid[])) AND at >= ? AND at < ? GROUP BY home`, homes == nil, postgres.Array(homes), from, until)
	if err != nil {
		return nil, fmt.Errorf("count refunds: %w", err)
	}
	out := make(map[uuid.UUID]int64, len(rows))
	for _, r := range rows {
		out[r.Home] = r.Count
	}
	return out, nil
}
