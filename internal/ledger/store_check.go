package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/postgres"
)

// bookRow is a move, or a transfer without any, with the leaf that the log holds
// or will hold of it.
type bookRow struct {
	Home, ID             uuid.UUID
	Kind, Ref            string
	At                   time.Time
	Public               bool
	Salt, Digest         []byte
	Moves                int
	What, Source, Target *string
	AmountLi             *int64
	Leaf                 []byte
}

// entry is the row without what may be missing.
func (r bookRow) entry() entryRow {
	return entryRow{
		Home: r.Home, ID: r.ID, Kind: r.Kind, Ref: r.Ref, At: r.At, Public: r.Public, Salt: r.Salt,
		What: *r.What, Source: *r.Source, Target: *r.Target, AmountLi: *r.AmountLi,
	}
}

// checkPage is how many transfers Check reads at a time.
const checkPage = 2000

func bookPage(ctx context.Context, tx *postgres.Tx, home, id uuid.UUID) ([]bookRow, error) {
	rows, err := postgres.Rows[bookRow](ctx, tx, `
		SELECT t.home, t.id, t.kind, t.ref, t.at, t.public, t.salt, t.digest, t.moves, m.what, m.source, m.target, m.amount_li,
		       coalesce(e.leaf, p.leaf) AS leaf
		FROM (SELECT * FROM transfer WHERE (home, id) > (?, ?) ORDER BY home, id LIMIT ?) AS t
		LEFT JOIN move m ON m.home = t.home AND m.transfer_id = t.id
		LEFT JOIN log_entry e ON e.home = t.home AND e.transfer_id = t.id
		LEFT JOIN log_pending p ON p.home = t.home AND p.transfer_id = t.id
		ORDER BY t.home, t.id, m.n`, home, id, checkPage)
	if err != nil {
		return nil, fmt.Errorf("read the book after %s: %w", id, err)
	}
	return rows, nil
}

// orphans are the numbers of leaves whose transfer is gone. Leaves of documents have none.
func orphans(ctx context.Context, tx *postgres.Tx, limit int) ([]int64, error) {
	type row struct{ Index int64 }
	rows, err := postgres.Rows[row](ctx, tx, `SELECT e.index FROM log_entry e
		WHERE NOT EXISTS (SELECT FROM transfer t WHERE t.home = e.home AND t.id = e.transfer_id)
		  AND position('\x0a646f63756d656e7420'::bytea IN e.leaf) = 0 ORDER BY e.index LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("find leaves without a transfer: %w", err)
	}
	all := make([]int64, len(rows))
	for i, r := range rows {
		all[i] = r.Index
	}
	return all, nil
}

// sumRow is a sum that the roll-up has otherwise than the moves.
type sumRow struct {
	Name          string
	Moved, Rolled int64
}

// differingSums compares roll-up and waiting moves with all moves, by account and
// by flow.
func differingSums(ctx context.Context, tx *postgres.Tx) ([]sumRow, error) {
	rows, err := postgres.Rows[sumRow](ctx, tx, `
		WITH w AS (`+waiting+`),
		rolled AS (
			SELECT 'in of account ' || account AS name, in_li AS li FROM account_rollup
			UNION ALL SELECT 'out of account ' || account, out_li FROM account_rollup
			UNION ALL SELECT 'flow ' || kind || '/' || what, sum_li FROM flow_rollup
			UNION ALL SELECT 'count of flow ' || kind || '/' || what, count FROM flow_rollup
			UNION ALL SELECT 'in of account ' || target, amount_li FROM w
			UNION ALL SELECT 'out of account ' || source, amount_li FROM w
			UNION ALL SELECT 'flow ' || kind || '/' || what, amount_li FROM w
			UNION ALL SELECT 'count of flow ' || kind || '/' || what, 1 FROM w),
		moved AS (
			SELECT 'in of account ' || target AS name, amount_li AS li FROM move
			UNION ALL SELECT 'out of account ' || source, amount_li FROM move
			UNION ALL SELECT 'flow ' || t.kind || '/' || m.what, m.amount_li FROM move m JOIN transfer t ON t.home = m.home AND t.id = m.transfer_id
			UNION ALL SELECT 'count of flow ' || t.kind || '/' || m.what, 1 FROM move m JOIN transfer t ON t.home = m.home AND t.id = m.transfer_id)
		SELECT name, coalesce(sum(li) FILTER (WHERE book), 0)::bigint AS moved, coalesce(sum(li) FILTER (WHERE NOT book), 0)::bigint AS rolled
		FROM (SELECT name, li, true AS book FROM moved UNION ALL SELECT name, li, false FROM rolled) AS x
		GROUP BY name HAVING coalesce(sum(li) FILTER (WHERE book), 0) <> coalesce(sum(li) FILTER (WHERE NOT book), 0)
		ORDER BY name LIMIT ?`, maxDifferences)
	if err != nil {
		return nil, fmt.Errorf("compare the sums: %w", err)
	}
	return rows, nil
}
