package merchant

import (
	"context"
	"fmt"

	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Holds reports whether an enterprise holds a licence of that kind which is valid
// today, in the caller's transaction.
func Holds(ctx context.Context, tx *postgres.Tx, m ID, kind string) (bool, error) {
	rows, err := postgres.Rows[struct{ Kind string }](ctx, tx,
		`SELECT kind FROM licence WHERE merchant_id = ? AND kind = ? AND expires_on >= ?::date LIMIT 1`, m.UUID(), kind, string(DateOf(tx.Now)))
	if err != nil {
		return false, fmt.Errorf("look for a licence %s of %s: %w", kind, m, err)
	}
	return len(rows) > 0, nil
}
