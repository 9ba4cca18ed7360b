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
	N                    int
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

func countTransfers(ctx context.Context, tx *postgres.Tx) (int64, error) {
	row, err := postgres.Row[struct{ N int64 }](ctx, tx, `SELECT count(*) AS n FROM transfer`)
	if err != nil {
		return 0, fmt.Errorf("count the transfers: %w", err)
	}
	return row.N, nil
}

// checkPage is how many transfers Check reads at a time.
const checkPage = 2000

func bookPage(ctx context.Context, tx *postgres.Tx, home, id uuid.UUID) ([]bookRow, error) {
	rows, err := postgres.Rows[bookRow](ctx, tx, `
		SELECT t.home, t.id, t.kind, t.ref, t.at, t.public, t.salt, t.digest, t.moves, coalesce(m.n, 0) AS n, m.what, m.source, m.target, m.amount_li,
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

// orphanRow is a leaf whose transfer is gone.
type orphanRow struct {
	Index      int64
	TransferID uuid.UUID
}

// orphans are the leaves whose transfer is gone. Leaves of documents, which are the fund's, have
// none.
func orphans(ctx context.Context, tx *postgres.Tx, limit int) ([]orphanRow, error) {
	rows, err := postgres.Rows[orphanRow](ctx, tx, `SELECT e.index, e.transfer_id FROM log_entry e
		WHERE NOT EXISTS (SELECT FROM transfer t WHERE t.home = e.home AND t.id = e.transfer_id)
		  AND (e.home <> ? OR position('\x0a646f63756d656e7420'::bytea IN e.leaf) = 0) ORDER BY e.index LIMIT ?`, FundHome, limit)
	if err != nil {
		return nil, fmt.Errorf("find leaves without a transfer: %w", err)
	}
	return rows, nil
}

// strayRow is a move without a transfer.
type strayRow struct {
	TransferID uuid.UUID
	N          int
}

func strays(ctx context.Context, tx *postgres.Tx, limit int) ([]strayRow, error) {
	rows, err := postgres.Rows[strayRow](ctx, tx, `SELECT m.transfer_id, m.n FROM move m
		WHERE NOT EXISTS (SELECT FROM transfer t WHERE t.home = m.home AND t.id = m.transfer_id) ORDER BY m.transfer_id, m.n LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("find moves without a transfer: %w", err)
	}
	return rows, nil
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
			UNION ALL SELECT 'empty row of account ' || account, 1 FROM account_rollup WHERE in_li = 0 AND out_li = 0
			UNION ALL SELECT 'empty row of flow ' || kind || '/' || what, 1 FROM flow_rollup WHERE count = 0
			UNION ALL SELECT 'in of account ' || target, amount_li FROM w
			UNION ALL SELECT 'out of account ' || source, amount_li FROM w
			UNION ALL SELECT 'flow ' || kind || '/' || what, amount_li FROM w
			UNION ALL SELECT 'count of flow ' || kind || '/' || what, 1 FROM w),
		f AS (SELECT t.kind, m.what, sum(m.amount_li) AS li, count(*) AS n
			FROM move m JOIN transfer t ON t.home = m.home AND t.id = m.transfer_id GROUP BY 1, 2),
		moved AS (
			SELECT 'in of account ' || target AS name, sum(amount_li) AS li FROM move GROUP BY target
			UNION ALL SELECT 'out of account ' || source, sum(amount_li) FROM move GROUP BY source
			UNION ALL SELECT 'flow ' || kind || '/' || what, li FROM f
			UNION ALL SELECT 'count of flow ' || kind || '/' || what, n FROM f)
		SELECT name, coalesce(sum(li) FILTER (WHERE book), 0)::bigint AS moved, coalesce(sum(li) FILTER (WHERE NOT book), 0)::bigint AS rolled
		FROM (SELECT name, li, true AS book FROM moved UNION ALL SELECT name, li, false FROM rolled) AS x
		GROUP BY name HAVING coalesce(sum(li) FILTER (WHERE book), 0) <> coalesce(sum(li) FILTER (WHERE NOT book), 0)
		ORDER BY name LIMIT ?`, maxDifferences)
	if err != nil {
		return nil, fmt.Errorf("compare the sums: %w", err)
	}
	return rows, nil
}
