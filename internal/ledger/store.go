package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

// Reference names a transfer: there is one of a kind of a home about one thing.
type Reference struct {
	Home      uuid.UUID
	Kind, Ref string
}

// insert writes transfers and moves in one statement: both or neither.
func insert(ctx context.Context, tx *postgres.Tx, all []Entry) error {
	c := columnsOf(all)
	_, err := tx.Exec(ctx, `WITH t AS (
			INSERT INTO transfer (home, id, kind, ref, at, public, salt, moves, digest)
			SELECT home, id, kind, ref, ?, public, salt, moves, digest
			FROM unnest(?::uuid[], ?::uuid[], ?::text[], ?::text[], ?::boolean[], ?::bytea[], ?::integer[], ?::bytea[])
			     AS x(home, id, kind, ref, public, salt, moves, digest))
		INSERT INTO move (home, transfer_id, n, what, source, target, amount_li)
		SELECT * FROM unnest(?::uuid[], ?::uuid[], ?::integer[], ?::text[], ?::text[], ?::text[], ?::bigint[])`,
		all[0].At,
		postgres.Array(c.home), postgres.Array(c.id), postgres.Array(c.kind), postgres.Array(c.ref),
		postgres.Array(c.public), postgres.Array(c.salt), postgres.Array(c.moves), postgres.Array(c.digest),
		postgres.Array(c.moveHome), postgres.Array(c.moveID), postgres.Array(c.n), postgres.Array(c.what),
		postgres.Array(c.source), postgres.Array(c.target), postgres.Array(c.amount))
	switch {
	case postgres.Violates(err, "transfer_once"):
		return ErrBooked.With("a %s was booked before", all[0].Kind)
	case postgres.Violates(err, "transfer_is_after_the_seals"):
		return ErrSealed.With("a %s of %s", all[0].Kind, all[0].At.Format(time.RFC3339))
	case err != nil:
		return fmt.Errorf("book %d transfers: %w", len(all), err)
	}
	return nil
}

// columns are transfers and moves turned on their side, as unnest wants them.
type columns struct {
	home, id         []uuid.UUID
	kind, ref        []string
	public           []bool
	salt, digest     [][]byte
	moves            []int32
	moveHome, moveID []uuid.UUID
	n                []int32
	what             []string
	source, target   []string
	amount           []int64
}

func columnsOf(all []Entry) columns {
	var c columns
	for _, e := range all {
		digest := e.digest()
		c.home, c.id = append(c.home, e.Home), append(c.id, e.ID.UUID())
		c.kind, c.ref, c.public = append(c.kind, e.Kind), append(c.ref, e.Ref), append(c.public, e.Public)
		c.salt, c.digest = append(c.salt, e.Salt), append(c.digest, digest[:])
		c.moves = append(c.moves, int32(len(e.Moves)))
		for i, m := range e.Moves {
			c.moveHome, c.moveID, c.n = append(c.moveHome, e.Home), append(c.moveID, e.ID.UUID()), append(c.n, int32(i+1))
			c.what, c.source, c.target = append(c.what, m.What), append(c.source, string(m.From)), append(c.target, string(m.To))
			c.amount = append(c.amount, int64(m.Amount))
		}
	}
	return c
}

// entryRow is one move of a transfer, with the transfer's own columns.
type entryRow struct {
	Home           uuid.UUID
	ID             uuid.UUID
	Kind, Ref      string
	At             time.Time
	Public         bool
	Salt, Digest   []byte
	Moves          int
	What           string
	Source, Target string
	AmountLi       int64
}

const entryColumns = `t.home, t.id, t.kind, t.ref, t.at, t.public, t.salt, t.digest, t.moves, m.what, m.source, m.target, m.amount_li`

func entries(ctx context.Context, tx *postgres.Tx, refs []Reference) ([]Entry, error) {
	homes, kinds, names := make([]uuid.UUID, len(refs)), make([]string, len(refs)), make([]string, len(refs))
	for i, r := range refs {
		homes[i], kinds[i], names[i] = r.Home, r.Kind, r.Ref
	}
	rows, err := postgres.Rows[entryRow](ctx, tx, `SELECT `+entryColumns+`
		FROM unnest(?::uuid[], ?::text[], ?::text[]) AS x(home, kind, ref)
		JOIN transfer t ON t.home = x.home AND t.kind = x.kind AND t.ref = x.ref
		JOIN move m ON m.home = t.home AND m.transfer_id = t.id
		ORDER BY t.at, t.home, t.id, m.n`, postgres.Array(homes), postgres.Array(kinds), postgres.Array(names))
	if err != nil {
		return nil, fmt.Errorf("read transfers: %w", err)
	}
	return gather(rows), nil
}

// gather puts the moves of one transfer, which follow each other, together.
func gather(rows []entryRow) []Entry {
	var all []Entry
	for _, r := range rows {
		if n := len(all); n == 0 || all[n-1].ID.UUID() != r.ID {
			all = append(all, Entry{
				ID: id.From[Transfer](r.ID), At: r.At.UTC(), Salt: r.Salt,
				Transfer: Transfer{Home: r.Home, Kind: r.Kind, Ref: r.Ref, Public: r.Public},
			})
		}
		last := &all[len(all)-1]
		last.Moves = append(last.Moves, Move{r.What, Account(r.Source), Account(r.Target), money.Li(r.AmountLi)})
	}
	return all
}

func guard(ctx context.Context, tx *postgres.Tx, account Account) error {
	_, err := postgres.Row[struct{ Account string }](ctx, tx, `SELECT account FROM account_guard WHERE account = ? FOR UPDATE`, string(account))
	if err != nil {
		return fmt.Errorf("wait for who spends from %s: %w", account, err)
	}
	return nil
}

// waiting are the moves of transfers that the log has not numbered yet. Roll-up
// and waiting moves are read in one statement, so that the sequencer, which
// turns the one into the other, is never seen half-way.
const waiting = `SELECT t.kind, m.what, m.source, m.target, m.amount_li
	FROM log_pending p JOIN move m ON m.home = p.home AND m.transfer_id = p.transfer_id
	JOIN transfer t ON t.home = p.home AND t.id = p.transfer_id`

// beside is what a sum adds to the roll-ups: what waits, or nothing.
func beside(logged bool) string {
	if logged {
		return waiting + ` WHERE false`
	}
	return waiting
}

type balanceRow struct {
	Account     string
	InLi, OutLi int64
}

func balances(ctx context.Context, tx *postgres.Tx, from, to string, logged bool) ([]Balance, error) {
	rows, err := postgres.Rows[balanceRow](ctx, tx, `WITH w AS (`+beside(logged)+`)
		SELECT account, sum(in_li)::bigint AS in_li, sum(out_li)::bigint AS out_li FROM (
			SELECT account, in_li, out_li FROM account_rollup
			UNION ALL SELECT target, amount_li, 0 FROM w
			UNION ALL SELECT source, 0, amount_li FROM w) AS x
		WHERE account COLLATE "C" BETWEEN ? AND ? GROUP BY account ORDER BY account COLLATE "C"`, from, to)
	if err != nil {
		return nil, fmt.Errorf("sum the accounts from %s: %w", from, err)
	}
	all := make([]Balance, len(rows))
	for i, r := range rows {
		all[i] = Balance{Account(r.Account), money.Li(r.InLi), money.Li(r.OutLi)}
	}
	return all, nil
}

type flowRow struct {
	Kind, What   string
	SumLi, Count int64
}

func flows(ctx context.Context, tx *postgres.Tx, logged bool) ([]Flow, error) {
	rows, err := postgres.Rows[flowRow](ctx, tx, `WITH w AS (`+beside(logged)+`)
		SELECT kind, what, sum(sum_li)::bigint AS sum_li, sum(count)::bigint AS count FROM (
			SELECT kind, what, sum_li, count FROM flow_rollup
			UNION ALL SELECT kind, what, amount_li, 1 FROM w) AS x
		GROUP BY kind, what ORDER BY kind, what`)
	if err != nil {
		return nil, fmt.Errorf("sum the flows: %w", err)
	}
	all := make([]Flow, len(rows))
	for i, r := range rows {
		all[i] = Flow{r.Kind, r.What, money.Li(r.SumLi), r.Count}
	}
	return all, nil
}

// rollUp adds the moves of the numbered transfers to both sums, one statement
// for each. Rows are locked in the order of their keys.
func rollUp(ctx context.Context, tx *postgres.Tx, numbered []transparency.Entry) error {
	homes, ids := make([]uuid.UUID, len(numbered)), make([]uuid.UUID, len(numbered))
	for i, e := range numbered {
		homes[i], ids[i] = e.Home, e.Transfer
	}
	const moved = `WITH e AS (SELECT * FROM unnest(?::uuid[], ?::uuid[]) AS x(home, id)),
		m AS (SELECT t.kind, m.* FROM e JOIN transfer t ON t.home = e.home AND t.id = e.id
		      JOIN move m ON m.home = e.home AND m.transfer_id = e.id) `
	_, err := tx.Exec(ctx, moved+`INSERT INTO account_rollup AS r (account, in_li, out_li)
		SELECT account, sum(in_li), sum(out_li) FROM (
			SELECT target AS account, amount_li AS in_li, 0 AS out_li FROM m
			UNION ALL SELECT source, 0, amount_li FROM m) AS x
		GROUP BY account ORDER BY account
		ON CONFLICT (account) DO UPDATE SET in_li = r.in_li + excluded.in_li, out_li = r.out_li + excluded.out_li`,
		postgres.Array(homes), postgres.Array(ids))
	if err != nil {
		return fmt.Errorf("roll up the accounts of %d transfers: %w", len(numbered), err)
	}
	_, err = tx.Exec(ctx, moved+`INSERT INTO flow_rollup AS r (kind, what, sum_li, count)
		SELECT kind, what, sum(amount_li), count(*) FROM m GROUP BY kind, what ORDER BY kind, what
		ON CONFLICT (kind, what) DO UPDATE SET sum_li = r.sum_li + excluded.sum_li, count = r.count + excluded.count`,
		postgres.Array(homes), postgres.Array(ids))
	if err != nil {
		return fmt.Errorf("roll up the flows of %d transfers: %w", len(numbered), err)
	}
	return nil
}
