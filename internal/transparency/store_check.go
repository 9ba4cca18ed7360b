package transparency

import (
	"context"
	"fmt"
	"time"

	"github.com/shiyi-market/shiyi/internal/postgres"
)

// signedRow is a whole row of log_checkpoint.
type signedRow struct {
	Signer   string
	Size     int64
	Root     []byte
	Note     string
	SignedAt time.Time
	Previous *int64 // the size of the one before it; none of the first, nor of those older than the column
}

// checkpoints are all, in the order in which they were signed.
func checkpoints(ctx context.Context, tx *postgres.Tx) ([]signedRow, error) {
	rows, err := postgres.Rows[signedRow](ctx, tx, `SELECT signer, size, root, note, signed_at, previous FROM log_checkpoint
		ORDER BY size, previous NULLS FIRST, signer`)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoints: %w", err)
	}
	return rows, nil
}

// maxBeside bounds how many rows that have no place are named.
const maxBeside = 100

// entriesBeyond are the numbers of entries that a tree of this size does not have.
func entriesBeyond(ctx context.Context, tx *postgres.Tx, size int64) ([]int64, error) {
	rows, err := postgres.Rows[struct{ Index int64 }](ctx, tx, `SELECT index FROM log_entry WHERE index >= ? ORDER BY index LIMIT ?`, size, maxBeside)
	if err != nil {
		return nil, fmt.Errorf("look for entries from %d on: %w", size, err)
	}
	all := make([]int64, len(rows))
	for i, r := range rows {
		all[i] = r.Index
	}
	return all, nil
}

// tilesBeside are the rows of tiles that a tree of this size does not have, or has in
// another width.
func tilesBeside(ctx context.Context, tx *postgres.Tx, size int64) ([]place, error) {
	rows, err := postgres.Rows[tileRow](ctx, tx, `SELECT level, n FROM log_tile
		WHERE octet_length(data) <> 32 * greatest(0, least(256, (?::bigint >> (8 * level)) - n * 256)) ORDER BY level, n LIMIT ?`, size, maxBeside)
	if err != nil {
		return nil, fmt.Errorf("look for tiles beside %d entries: %w", size, err)
	}
	places := make([]place, len(rows))
	for i, r := range rows {
		places[i] = place{r.Level, r.N}
	}
	return places, nil
}
