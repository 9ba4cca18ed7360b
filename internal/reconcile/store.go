package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// This is the one store that reads other contexts' tables: who checks does not ask those
// who are checked.

// entryRow is a row of the table provider_entry.
type entryRow struct {
	Provider, Ref, Type, Thing, Key, Payment string
	RowID                                    *uuid.UUID
	AmountFen, FeeFen                        int64
	Currency                                 string
	At                                       time.Time
}

// TableName is provider_entry.
func (entryRow) TableName() string { return "provider_entry" }

// keep adds the entries that are not kept yet.
func keep(ctx context.Context, tx *postgres.Tx, provider string, all []gateway.Entry) error {
	var ref, kind, things, key, paid, currency []string
	var row []*uuid.UUID
	var amount, fee []int64
	var at []time.Time
	for _, e := range all {
		t, k := thing(e)
		ref, kind, things, key = append(ref, e.Ref), append(kind, e.Type), append(things, string(t)), append(key, k)
		paid, row, currency = append(paid, e.Payment), append(row, rowOf(e.Row)), append(currency, e.Currency)
		amount, fee, at = append(amount, int64(e.Amount)), append(fee, int64(e.Fee)), append(at, e.At)
	}
	_, err := tx.Exec(ctx, `INSERT INTO provider_entry (provider, ref, type, thing, key, payment, row_id, amount_fen, fee_fen, currency, at)
		SELECT ?, x.* FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::uuid[], ?::bigint[], ?::bigint[], ?::text[], ?::timestamptz[]) AS x
		ON CONFLICT ON CONSTRAINT provider_entry_pkey DO NOTHING`,
		provider, postgres.Array(ref), postgres.Array(kind), postgres.Array(things), postgres.Array(key), postgres.Array(paid), postgres.Array(row),
		postgres.Array(amount), postgres.Array(fee), postgres.Array(currency), postgres.Array(at))
	if err != nil {
		return fmt.Errorf("keep %d entries: %w", len(all), err)
	}
	return nil
}

// records are what we have that moved our balance at the provider: what it is, by which
// name the provider knows it, how much came (negative: went), and when we heard of it.
const records = `
	SELECT 'payment' AS thing, payment AS key, amount_fen AS fen, settled_at AS at FROM payment_intent i
	  WHERE provider = @provider AND state IN ('succeeded', 'refunded')
	    AND NOT EXISTS (SELECT FROM refund r WHERE r.buyer_id = i.buyer_id AND r.intent_id = i.id AND r.payment = i.payment AND r.late)
	UNION ALL SELECT 'payment', payment, amount_fen, created_at FROM refund WHERE provider = @provider AND late
	UNION ALL SELECT 'refund', ref, -amount_fen, coalesce(settled_at, created_at) FROM refund WHERE provider = @provider AND ref <> ''
	UNION ALL SELECT 'refund_failure', ref, amount_fen, settled_at FROM refund WHERE provider = @provider AND ref <> '' AND state = 'failed'
	UNION ALL SELECT e.thing, e.key, e.amount_fen, e.at FROM provider_entry e JOIN refund r ON r.id = e.row_id AND r.ref <> e.key AND r.attempt > 0
	  WHERE e.provider = @provider AND e.thing IN ('refund', 'refund_failure') AND e.payment = r.payment AND (SELECT sum(amount_fen) FROM provider_entry x
	    WHERE x.provider = e.provider AND x.key = e.key AND x.thing IN ('refund', 'refund_failure')) = 0 -- an attempt that failed, before another
	UNION ALL SELECT 'transfer', ref, -amount_fen, settled_at FROM payout WHERE state = 'paid'
	UNION ALL SELECT 'reversal', ref, amount_fen, settled_at FROM payout_reversal WHERE state = 'succeeded'
	UNION ALL SELECT 'dispute', ref, -amount_fen, heard_at FROM dispute WHERE provider = @provider
	UNION ALL SELECT 'dispute_won', ref, amount_fen, closed_at FROM dispute WHERE provider = @provider AND state = 'won'`

// difference is a break as it is found.
type difference struct {
	Kind, Object        string
	ExpectedLi, FoundLi int64
}

// unknown says of which of these entries we have no record.
func unknown(ctx context.Context, tx *postgres.Tx, provider string, all []gateway.Entry) (map[string]bool, error) {
	refs := make([]string, len(all))
	for i, e := range all {
		refs[i] = e.Ref
	}
	rows, err := postgres.Rows[entryRow](ctx, tx, `WITH record AS (`+records+`)
		SELECT e.ref FROM provider_entry e WHERE e.provider = @provider AND e.ref = ANY(cast(@refs AS text[]))
		  AND NOT EXISTS (SELECT FROM record r WHERE r.thing = e.thing AND r.key = e.key)`,
		map[string]any{"provider": provider, "refs": postgres.Array(refs)})
	if err != nil {
		return nil, fmt.Errorf("look for unknown entries: %w", err)
	}
	out := make(map[string]bool, len(rows))
	for _, r := range rows {
		out[r.Ref] = true
	}
	return out, nil
}

// compare finds what differs of a day: the provider's entries of the day against our
// records of whenever, our records of the day against the entries that were ever kept,
// and our records of the day against the book.
func compare(ctx context.Context, tx *postgres.Tx, provider string, day merchant.Date, foreign []string) ([]difference, error) {
	args := map[string]any{
		"provider": provider, "day": string(day), "from": begin(day), "to": begin(day).Add(24 * time.Hour), "foreign": postgres.Array(append([]string{}, foreign...)), "fund": ledger.FundHome,
	}
	var all []difference
	for _, query := range []string{
		`
		WITH record AS (` + records + `)
		SELECT e.thing || CASE WHEN r.key IS NULL THEN '_unknown' ELSE '_amount' END AS kind, e.thing || ':' || e.key AS object,
		  coalesce(r.fen, 0) * 10 AS expected_li, e.amount_fen * 10 AS found_li
		FROM provider_entry e LEFT JOIN record r ON r.thing = e.thing AND r.key = e.key
		WHERE e.provider = @provider AND e.at >= @from AND e.at < @to AND r.fen IS DISTINCT FROM e.amount_fen
		  AND NOT (e.payment <> '' AND e.payment = ANY(cast(@foreign AS text[])))`, `
		WITH record AS (` + records + `)
		SELECT r.thing || '_absent' AS kind, r.thing || ':' || r.key AS object, r.fen * 10 AS expected_li, 0::bigint AS found_li
		FROM record r WHERE r.at >= @from AND r.at < @to
		  AND NOT EXISTS (SELECT FROM provider_entry e WHERE e.provider = @provider AND e.thing = r.thing AND e.key = r.key)`,
		bookOfPayments, bookOfPayouts, bookOfFees,
	} {
		found, err := postgres.Rows[difference](ctx, tx, query, args)
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", day, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// bookOfPayments holds payments that were touched on a day against the book: what the
// provider's account gave for the orders of their checkouts, less what it took back.
const bookOfPayments = `
	WITH touched AS (
	  SELECT id, payment, amount_fen FROM payment_intent WHERE state IN ('succeeded', 'refunded') AND id IN (
	    SELECT id FROM payment_intent WHERE settled_at >= @from AND settled_at < @to
	    UNION SELECT intent_id FROM refund WHERE created_at >= @from AND created_at < @to
	    UNION SELECT checkout_id FROM dispute WHERE coalesce(closed_at, heard_at) >= @from AND coalesce(closed_at, heard_at) < @to)),
	ours AS (
	  SELECT t.id, t.payment, 10 * (t.amount_fen
	    - coalesce((SELECT sum(r.amount_fen) FROM refund r WHERE r.intent_id = t.id AND NOT r.late), 0)
	    - coalesce((SELECT sum(d.amount_fen - d.beyond_fen) FROM dispute d WHERE d.checkout_id = t.id AND d.state = 'lost'), 0)) AS li FROM touched t),
	refs AS (
	  SELECT t.id, o.merchant_id AS home, o.id::text AS ref FROM touched t JOIN orders o ON o.checkout_id = t.id
	  UNION ALL SELECT t.id, r.merchant_id, r.id::text FROM touched t JOIN orders o ON o.checkout_id = t.id
	    JOIN order_refund r ON r.merchant_id = o.merchant_id AND r.order_id = o.id),
	book AS (
	  SELECT refs.id, sum(CASE WHEN m.source = 'world:stripe' THEN m.amount_li WHEN m.target = 'world:stripe' THEN -m.amount_li ELSE 0 END) AS li
	  FROM refs JOIN transfer x ON x.home = refs.home AND x.ref = refs.ref JOIN move m ON m.home = x.home AND m.transfer_id = x.id GROUP BY refs.id)
	SELECT 'payment_book' AS kind, 'payment:' || ours.payment AS object, ours.li::bigint AS expected_li, coalesce(book.li, 0)::bigint AS found_li
	FROM ours LEFT JOIN book ON book.id = ours.id WHERE book.li IS DISTINCT FROM ours.li`

// bookOfPayouts holds payouts and reversals of a day against the book.
const bookOfPayouts = `
	WITH ours AS (
	  SELECT 'transfer' AS thing, ref, merchant_id AS home, CASE month WHEN '' THEN 'payout' ELSE 'fund_payout' END AS kind,
	    CASE month WHEN '' THEN id::text ELSE month END AS name, amount_fen * 10 AS li FROM payout
	    WHERE state = 'paid' AND settled_at >= @from AND settled_at < @to
	  UNION ALL SELECT 'reversal', ref, merchant_id, 'payout_reversal', id::text, amount_fen * 10 FROM payout_reversal
	    WHERE state = 'succeeded' AND settled_at >= @from AND settled_at < @to)
	SELECT o.thing || '_book' AS kind, o.thing || ':' || o.ref AS object, o.li AS expected_li, coalesce(b.li, 0)::bigint AS found_li FROM ours o
	LEFT JOIN LATERAL (SELECT sum(m.amount_li) AS li FROM transfer x JOIN move m ON m.home = x.home AND m.transfer_id = x.id
	  WHERE x.home = o.home AND x.kind = o.kind AND x.ref = o.name) b ON true
	WHERE b.li IS DISTINCT FROM o.li`

// fees is what the provider kept of this shop's entries of some days.
const fees = ` FROM provider_entry e WHERE e.provider = @provider AND e.at >= @from AND e.at < @to AND e.currency = '` + gateway.Currency + `'
	  AND (e.payment = '' OR EXISTS (SELECT FROM payment_intent i WHERE i.provider = e.provider AND i.payment = e.payment)
	    OR EXISTS (SELECT FROM refund r WHERE r.provider = e.provider AND r.payment = e.payment AND r.late))`

// bookOfFees holds what the provider kept on a day against the book.
const bookOfFees = `
	WITH kept AS (SELECT coalesce(sum(e.fee_fen), 0) * 10 AS li` + fees + `),
	book AS (SELECT coalesce(sum(CASE WHEN m.target = 'world:stripe' THEN m.amount_li ELSE -m.amount_li END), 0) AS li
	  FROM transfer x JOIN move m ON m.home = x.home AND m.transfer_id = x.id WHERE x.kind = 'provider_fee' AND x.ref = @day AND x.home = cast(@fund AS uuid))
	SELECT 'fee_book' AS kind, 'fee:' || cast(@day AS text) AS object, -kept.li::bigint AS expected_li, -book.li::bigint AS found_li
	FROM kept, book WHERE kept.li <> book.li`

// feeRow is what the provider kept on a day.
type feeRow struct {
	Day string
	Fen int64
}

// unbooked is what the provider kept on days of which the book has nothing yet.
func unbooked(ctx context.Context, tx *postgres.Tx, provider string, from, to time.Time) (map[string]money.Fen, error) {
	rows, err := postgres.Rows[feeRow](ctx, tx, `
		WITH kept AS (SELECT to_char(e.at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD') AS day, sum(e.fee_fen)::bigint AS fen`+fees+` GROUP BY 1)
		SELECT day, fen FROM kept WHERE fen <> 0 AND NOT EXISTS (SELECT FROM transfer x WHERE x.home = cast(@fund AS uuid) AND x.kind = 'provider_fee' AND x.ref = kept.day)`,
		map[string]any{"provider": provider, "from": from, "to": to, "fund": ledger.FundHome})
	if err != nil {
		return nil, fmt.Errorf("sum what the provider kept: %w", err)
	}
	out := make(map[string]money.Fen, len(rows))
	for _, r := range rows {
		out[r.Day] = money.Fen(r.Fen)
	}
	return out, nil
}

// breakRow is a row of the table recon_break.
type breakRow struct {
	ID                  uuid.UUID
	Day                 time.Time
	Kind, Object        string
	ExpectedLi, FoundLi int64
	State               string
	OwnerID             *uuid.UUID
	Resolution          string
	ResolvedBy          *uuid.UUID
	FoundAt             time.Time
	ResolvedAt          *time.Time
}

// TableName is recon_break.
func (breakRow) TableName() string { return "recon_break" }

func (r breakRow) found() Break {
	return Break{
		ID: id.From[Break](r.ID), Day: merchant.Date(r.Day.Format(time.DateOnly)), Kind: r.Kind, Object: r.Object,
		Expected: money.Li(r.ExpectedLi), Found: money.Li(r.FoundLi), State: BreakState(r.State), Owner: id.FromNull[identity.Account](r.OwnerID), Resolution: r.Resolution,
		ResolvedBy: id.FromNull[identity.Account](r.ResolvedBy), FoundAt: r.FoundAt.UTC(), ResolvedAt: postgres.OrZero(r.ResolvedAt),
	}
}

// saveBreaks adds what was found of a day and opens again what had been resolved by
// itself and is back; what is open of the day and was not found has gone away.
func saveBreaks(ctx context.Context, tx *postgres.Tx, day merchant.Date, found []difference) error {
	var ids []uuid.UUID
	var kinds, objects []string
	var expected, has []int64
	for _, f := range found {
		ids, kinds, objects = append(ids, id.New[Break](tx.Now).UUID()), append(kinds, f.Kind), append(objects, f.Object)
		expected, has = append(expected, f.ExpectedLi), append(has, f.FoundLi)
	}
	_, err := tx.Exec(ctx, `INSERT INTO recon_break (id, day, kind, object, expected_li, found_li, state, found_at)
		SELECT x.id, ?::date, x.kind, x.object, x.expected, x.found, 'open', ?
		FROM unnest(?::uuid[], ?::text[], ?::text[], ?::bigint[], ?::bigint[]) AS x(id, kind, object, expected, found)
		ON CONFLICT ON CONSTRAINT recon_break_once DO UPDATE SET expected_li = excluded.expected_li, found_li = excluded.found_li,
		  state = 'open', resolution = '', resolved_at = NULL, found_at = excluded.found_at
		WHERE recon_break.resolved_by IS NULL`,
		string(day), tx.Now, postgres.Array(ids), postgres.Array(kinds), postgres.Array(objects), postgres.Array(expected), postgres.Array(has))
	if err != nil {
		return fmt.Errorf("write the breaks of %s: %w", day, err)
	}
	_, err = tx.Exec(ctx, `UPDATE recon_break b SET state = 'resolved', resolution = 'it went away by itself', resolved_at = ?
		WHERE b.day = ?::date AND b.state = 'open'
		  AND NOT EXISTS (SELECT FROM unnest(?::text[], ?::text[]) AS x(kind, object) WHERE x.kind = b.kind AND x.object = b.object)`,
		tx.Now, string(day), postgres.Array(kinds), postgres.Array(objects))
	if err != nil {
		return fmt.Errorf("resolve the breaks of %s that went away: %w", day, err)
	}
	return nil
}

// dayRow is a row of the table reconciliation.
type dayRow struct {
	Day                              time.Time
	RanAt                            time.Time
	Entries, AmountFen, FeeFen, Open int64
}

// TableName is reconciliation.
func (dayRow) TableName() string { return "reconciliation" }

func (r dayRow) ran() Day {
	return Day{
		Day: merchant.Date(r.Day.Format(time.DateOnly)), RanAt: r.RanAt.UTC(), Entries: r.Entries, Amount: money.Fen(r.AmountFen), Fees: money.Fen(r.FeeFen), Open: r.Open,
	}
}

func saveDay(ctx context.Context, tx *postgres.Tx, provider string, day merchant.Date) (Day, error) {
	r, err := postgres.Row[dayRow](ctx, tx, `INSERT INTO reconciliation AS d (day, ran_at, entries, amount_fen, fee_fen, open)
		SELECT ?::date, ?, count(*), coalesce(sum(amount_fen), 0), coalesce(sum(fee_fen), 0),
		  (SELECT count(*) FROM recon_break WHERE day = ?::date AND state = 'open')
		FROM provider_entry WHERE provider = ? AND at >= ? AND at < ?
		ON CONFLICT (day) DO UPDATE SET ran_at = excluded.ran_at, entries = excluded.entries, amount_fen = excluded.amount_fen, fee_fen = excluded.fee_fen, open = excluded.open
		RETURNING *`, string(day), tx.Now, string(day), provider, begin(day), begin(day).Add(24*time.Hour))
	if err != nil {
		return Day{}, fmt.Errorf("write down the comparison of %s: %w", day, err)
	}
	return r.ran(), nil
}

// ranUntil is the last day that was compared; "" is none.
func ranUntil(ctx context.Context, tx *postgres.Tx) (merchant.Date, error) {
	r, err := postgres.Row[dayRow](ctx, tx, `SELECT day FROM reconciliation ORDER BY day DESC LIMIT 1`)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read the last comparison: %w", err)
	}
	return r.ran().Day, nil
}

func days(ctx context.Context, tx *postgres.Tx, p page.Request) (page.Of[Day], error) {
	key, _, err := p.After()
	if err != nil {
		return page.Of[Day]{}, err
	}
	rows, err := postgres.Rows[dayRow](ctx, tx, `SELECT * FROM reconciliation WHERE (? = '' OR day < nullif(?, '')::date) ORDER BY day DESC LIMIT ?`, key, key, p.Size()+1)
	if err != nil {
		return page.Of[Day]{}, fmt.Errorf("list comparisons: %w", err)
	}
	all := make([]Day, len(rows))
	for i, r := range rows {
		all[i] = r.ran()
	}
	return page.Cut(all, p.Size(), func(d Day) (string, uuid.UUID) { return string(d.Day), uuid.Max }), nil
}

func breaks(ctx context.Context, tx *postgres.Tx, state BreakState, p page.Request) (page.Of[Break], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Break]{}, err
	}
	rows, err := postgres.Rows[breakRow](ctx, tx, `SELECT * FROM recon_break WHERE (? = '' OR state = ?) AND (? OR id < ?) ORDER BY id DESC LIMIT ?`,
		string(state), string(state), last == uuid.Nil, last, p.Size()+1)
	if err != nil {
		return page.Of[Break]{}, fmt.Errorf("list breaks: %w", err)
	}
	all := make([]Break, len(rows))
	for i, r := range rows {
		all[i] = r.found()
	}
	return page.Cut(all, p.Size(), func(b Break) (string, uuid.UUID) { return "", b.ID.UUID() }), nil
}

func countOpen(ctx context.Context, tx *postgres.Tx) (int64, error) {
	return postgres.On[breakRow](tx).Where("state = 'open'").Count(ctx)
}

func lockOpen(ctx context.Context, tx *postgres.Tx, bid ID) (Break, error) {
	r, err := postgres.Row[breakRow](ctx, tx, `SELECT * FROM recon_break WHERE id = ? FOR UPDATE`, bid)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Break{}, ErrNotFound
	case err != nil:
		return Break{}, err
	case BreakState(r.State) != Open:
		return Break{}, ErrState
	}
	return r.found(), nil
}

func saveBreak(ctx context.Context, tx *postgres.Tx, b Break) error {
	var at *time.Time
	if !b.ResolvedAt.IsZero() {
		at = &b.ResolvedAt
	}
	_, err := tx.Exec(ctx, `UPDATE recon_break SET state = ?, owner_id = ?, resolution = ?, resolved_by = ?, resolved_at = ? WHERE id = ?`,
		string(b.State), rowOf(b.Owner.UUID()), b.Resolution, rowOf(b.ResolvedBy.UUID()), at, b.ID)
	if err != nil {
		return fmt.Errorf("save break %s: %w", b.ID, err)
	}
	return nil
}
