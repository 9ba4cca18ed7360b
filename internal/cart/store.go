package cart

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// lineRow is a row of the table cart_line.
type lineRow struct {
	AccountID uuid.UUID `gorm:"primaryKey"`
	SKUID     uuid.UUID `gorm:"column:sku_id;primaryKey"`
	Quantity  int64
	AddedAt   time.Time
}

// TableName is cart_line.
func (lineRow) TableName() string { return "cart_line" }

// put writes a line, if it is in the cart already or the cart has room. Two
// requests at once may pass the bound by one: it keeps carts sane, no more.
func put(ctx context.Context, tx *postgres.Tx, account identity.ID, l Line) error {
	n, err := tx.Exec(ctx, `INSERT INTO cart_line (account_id, sku_id, quantity, added_at)
		SELECT ?::uuid, ?::uuid, ?::bigint, ?::timestamptz
		WHERE (SELECT count(*) FROM cart_line WHERE account_id = ? AND sku_id <> ?) < ?
		ON CONFLICT ON CONSTRAINT cart_line_pkey DO UPDATE SET quantity = excluded.quantity`,
		account.UUID(), l.SKU.UUID(), l.Qty, l.AddedAt, account.UUID(), l.SKU.UUID(), MaxLines)
	if err != nil {
		return fmt.Errorf("put a line into the cart of %s: %w", account, err)
	}
	if n == 0 {
		return ErrFull.With("a cart has at most %d lines", MaxLines)
	}
	return nil
}

// remove deletes these lines and returns how many there were.
func remove(ctx context.Context, tx *postgres.Tx, account identity.ID, skus []catalog.SKUID) (int64, error) {
	ids := make([]uuid.UUID, len(skus))
	for i, k := range skus {
		ids[i] = k.UUID()
	}
	n, err := tx.Exec(ctx, `DELETE FROM cart_line WHERE account_id = ? AND sku_id = ANY(?::uuid[])`, account.UUID(), postgres.Array(ids))
	if err != nil {
		return 0, fmt.Errorf("take lines out of the cart of %s: %w", account, err)
	}
	return n, nil
}

func read(ctx context.Context, tx *postgres.Tx, account identity.ID, lock bool) ([]Line, error) {
	var clauses []clause.Expression
	if lock {
		clauses = append(clauses, clause.Locking{Strength: "UPDATE"})
	}
	rows, err := postgres.On[lineRow](tx, clauses...).Where("account_id = ?", account.UUID()).Order("added_at, sku_id").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the cart of %s: %w", account, err)
	}
	out := make([]Line, len(rows))
	for i, r := range rows {
		out[i] = Line{SKU: id.From[catalog.SKU](r.SKUID), Qty: r.Quantity, AddedAt: r.AddedAt.UTC()}
	}
	return out, nil
}
