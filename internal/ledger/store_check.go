package ledger

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// headRow is a row of transfer.
type headRow struct {
	Home, ID     uuid.UUID
	Kind, Ref    string
	At           time.Time
	Public       bool
	Salt, Digest []byte
	Moves        int
}

// moveRow is a row of move.
type moveRow struct {
	Home, TransferID     uuid.UUID
	N                    int
	What, Source, Target string
	AmountLi             int64
}

// keptRow is a leaf that the log holds or will hold.
type keptRow struct {
	Home, TransferID uuid.UUID
	Leaf             []byte
}

// bookRow is a transfer with its moves and its leaf, nil where there is none.
type bookRow struct {
	headRow
	moves []moveRow
	Leaf  []byte
}

// entry is the transfer as it was booked, and whether its moves are counted from one.
func (r bookRow) entry() (Entry, bool) {
	e := Entry{
		ID: id.From[Transfer](r.ID), At: r.At.UTC(), Salt: r.Salt,
		Transfer: Transfer{Home: r.Home, Kind: r.Kind, Ref: r.Ref, Public: r.Public, Moves: make([]Move, len(r.moves))},
	}
	counted := true
	for i, m := range r.moves {
		e.Moves[i] = Move{m.What, Account(m.Source), Account(m.Target), money.Li(m.AmountLi)}
		counted = counted && m.N == i+1
	}
	return e, counted
}

func countTransfers(ctx context.Context, tx *postgres.Tx) (int64, error) {
	row, err := postgres.Row[struct{ N int64 }](ctx, tx, `SELECT count(*) AS n FROM transfer`)
	if err != nil {
		return 0, fmt.Errorf("count the transfers: %w", err)
	}
	return row.N, nil
}

// checkPage is how many transfers Check reads at a time.
const checkPage = 5000

// byKey makes the planner walk along the keys: it would else read whole tables for a page of
// a book that has grown since it last looked.
func byKey(ctx context.Context, tx *postgres.Tx, only bool) error {
	others := map[bool]string{true: "off", false: "on"}[only]
	_, err := tx.Exec(ctx, `SELECT set_config('enable_seqscan', ?, true), set_config('enable_bitmapscan', ?, true), set_config('enable_sort', ?, true)`,
		others, others, others)
	if err != nil {
		return fmt.Errorf("tell the planner how to read the book: %w", err)
	}
	return nil
}

// bookPage are the transfers after one, in the order of their keys. The three tables are read
// one after the other between the same keys, and laid beside one another here.
func bookPage(ctx context.Context, tx *postgres.Tx, home, after uuid.UUID) ([]bookRow, error) {
	heads, err := postgres.Rows[headRow](ctx, tx, `SELECT home, id, kind, ref, at, public, salt, digest, moves FROM transfer
		WHERE (home, id) > (?, ?) ORDER BY home, id LIMIT ?`, home, after, checkPage)
	if err != nil || len(heads) == 0 {
		return nil, wrapped(err, after)
	}
	first, last := heads[0], heads[len(heads)-1]
	moves, err := postgres.Rows[moveRow](ctx, tx, `SELECT home, transfer_id, n, what, source, target, amount_li FROM move
		WHERE (home, transfer_id) >= (?, ?) AND (home, transfer_id) <= (?, ?) ORDER BY home, transfer_id, n`, first.Home, first.ID, last.Home, last.ID)
	if err != nil {
		return nil, wrapped(err, after)
	}
	leaves := make(map[[2]uuid.UUID][]byte, len(heads))
	for _, table := range []string{"log_entry", "log_pending"} {
		kept, err := postgres.Rows[keptRow](ctx, tx, `SELECT home, transfer_id, leaf FROM `+table+`
			WHERE (home, transfer_id) >= (?, ?) AND (home, transfer_id) <= (?, ?) ORDER BY home, transfer_id`, first.Home, first.ID, last.Home, last.ID)
		if err != nil {
			return nil, wrapped(err, after)
		}
		for _, k := range kept {
			leaves[[2]uuid.UUID{k.Home, k.TransferID}] = k.Leaf
		}
	}
	rows := make([]bookRow, len(heads))
	for i, h := range heads {
		rows[i] = bookRow{headRow: h, Leaf: leaves[[2]uuid.UUID{h.Home, h.ID}]}
		for len(moves) > 0 && before(moves[0], h) {
			moves = moves[1:] // a move without a transfer, which is named elsewhere
		}
		n := 0
		for n < len(moves) && moves[n].Home == h.Home && moves[n].TransferID == h.ID {
			n++
		}
		rows[i].moves, moves = moves[:n:n], moves[n:]
	}
	return rows, nil
}

func before(m moveRow, h headRow) bool {
	return cmp.Or(bytes.Compare(m.Home[:], h.Home[:]), bytes.Compare(m.TransferID[:], h.ID[:])) < 0
}

func wrapped(err error, after uuid.UUID) error {
	if err != nil {
		return fmt.Errorf("read the book after %s: %w", after, err)
	}
	return nil
}

// unaccounted counts, at one moment, the transfers that were made since an id and have no leaf,
// and the last leaves that have no transfer and are no documents. It reads what is new alone: homes
// are few, and ids begin with their time.
func unaccounted(ctx context.Context, tx *postgres.Tx, since uuid.UUID, leaves int) (int64, error) {
	row, err := postgres.Row[struct{ N int64 }](ctx, tx, `WITH RECURSIVE homes AS (
			(SELECT home FROM transfer ORDER BY home LIMIT 1)
			UNION ALL SELECT (SELECT home FROM transfer t WHERE t.home > h.home ORDER BY home LIMIT 1) FROM homes h WHERE h.home IS NOT NULL)
		SELECT (SELECT count(*) FROM homes h CROSS JOIN LATERAL (SELECT home, id FROM transfer t WHERE t.home = h.home AND t.id >= ?) t
			WHERE NOT EXISTS (SELECT FROM log_entry e WHERE e.home = t.home AND e.transfer_id = t.id)
			  AND NOT EXISTS (SELECT FROM log_pending p WHERE p.home = t.home AND p.transfer_id = t.id))
		     + (SELECT count(*) FROM (SELECT home, transfer_id, leaf FROM log_entry ORDER BY index DESC LIMIT ?) e
			WHERE NOT EXISTS (SELECT FROM transfer t WHERE t.home = e.home AND t.id = e.transfer_id)
			  AND (e.home <> ? OR position('\x0a646f63756d656e7420'::bytea IN e.leaf) = 0)) AS n`, since, leaves, FundHome)
	if err != nil {
		return 0, fmt.Errorf("hold what is new in the book against the log: %w", err)
	}
	return row.N, nil
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
