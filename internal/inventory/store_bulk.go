package inventory

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// OpenAll is Open for many SKUs, all or none.
func OpenAll(ctx context.Context, tx *postgres.Tx, actor uuid.UUID, lines []Line) error {
	stocks, moves := make([]stockRow, len(lines)), make([]moveRow, len(lines))
	for i, l := range lines {
		if l.Qty < 0 || l.Qty > MaxPieces {
			return ErrQuantity.With("%d pieces", l.Qty)
		}
		stocks[i] = stockRow{MerchantID: l.Merchant, SKUID: l.SKU, Available: l.Qty, UpdatedAt: tx.Now}
		moves[i] = moveRow{
			MerchantID: l.Merchant, ID: id.New[Move](tx.Now).UUID(), SKUID: l.SKU, Delta: l.Qty, Available: l.Qty, Reason: opening, At: tx.Now,
		}
		if actor != uuid.Nil {
			moves[i].ActorID = &actor
		}
	}
	err := postgres.CreateAll(ctx, tx, stocks)
	switch {
	case postgres.Violates(err, "stock_pkey"):
		return ErrOpened
	case err != nil:
		return fmt.Errorf("open stock: %w", err)
	}
	if err := postgres.CreateAll(ctx, tx, moves); err != nil {
		return fmt.Errorf("write down the opening of stock: %w", err)
	}
	return nil
}

// Openings says with how many pieces the stock of each SKU of an enterprise was
// opened. SKUs of which no stock is kept are missing in the answer.
func Openings(ctx context.Context, tx *postgres.Tx, merchant uuid.UUID, skus []uuid.UUID) (map[uuid.UUID]int64, error) {
	rows, err := postgres.Rows[moveRow](ctx, tx, `SELECT DISTINCT ON (m.sku_id) m.* FROM stock_move m
		WHERE m.merchant_id = ? AND m.sku_id = ANY(?::uuid[]) ORDER BY m.sku_id, m.id`, merchant, postgres.Array(skus))
	if err != nil {
		return nil, fmt.Errorf("read how stock was opened: %w", err)
	}
	out := make(map[uuid.UUID]int64, len(rows))
	for _, r := range rows {
		out[r.SKUID] = r.Delta
	}
	return out, nil
}
