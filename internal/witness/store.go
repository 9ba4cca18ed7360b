package witness

import (
	"context"
	"fmt"
	"time"

	"github.com/shiyi-market/shiyi/internal/postgres"
)

// row is a row of the table cosignature.
type row struct {
	Signer     string
	Size       int64
	Witness    string
	Line       string
	CosignedAt time.Time
	ReceivedAt time.Time
}

// TableName is cosignature.
func (row) TableName() string { return "cosignature" }

// insert keeps a cosignature. One that is kept already, which two sweeps at once may bring,
// stays as it is.
func insert(ctx context.Context, tx *postgres.Tx, r row) error {
	_, err := tx.Exec(ctx, `INSERT INTO cosignature (signer, size, witness, line, cosigned_at, received_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, r.Signer, r.Size, r.Witness, r.Line, r.CosignedAt, r.ReceivedAt)
	if err != nil {
		return fmt.Errorf("keep a cosignature of %d leaves: %w", r.Size, err)
	}
	return nil
}

// newest are the newest cosignatures of a signer's checkpoints by these witnesses: one look into the
// index for each, however many there are.
func newest(ctx context.Context, tx *postgres.Tx, signer string, witnesses []string) (map[string]row, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT c.* FROM unnest(?::text[]) AS w(witness)
		CROSS JOIN LATERAL (SELECT * FROM cosignature c WHERE c.witness = w.witness AND c.signer = ? ORDER BY c.size DESC LIMIT 1) c`,
		postgres.Array(witnesses), signer)
	if err != nil {
		return nil, fmt.Errorf("read the newest cosignatures: %w", err)
	}
	all := make(map[string]row, len(rows))
	for _, r := range rows {
		all[r.Witness] = r
	}
	return all, nil
}

// largest is the size of a signer's newest checkpoint that anybody has cosigned; nil where there is none.
func largest(ctx context.Context, tx *postgres.Tx, signer string) (*int64, error) {
	r, err := postgres.Row[struct{ Size *int64 }](ctx, tx, `SELECT max(size) AS size FROM cosignature WHERE signer = ?`, signer)
	if err != nil {
		return nil, fmt.Errorf("find the newest cosigned checkpoint: %w", err)
	}
	return r.Size, nil
}

// linesOf are the cosignatures of one checkpoint.
func linesOf(ctx context.Context, tx *postgres.Tx, signer string, size int64) ([]string, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM cosignature WHERE signer = ? AND size = ? ORDER BY witness`, signer, size)
	if err != nil {
		return nil, fmt.Errorf("read the cosignatures of %d leaves: %w", size, err)
	}
	lines := make([]string, len(rows))
	for i, r := range rows {
		lines[i] = r.Line
	}
	return lines, nil
}
