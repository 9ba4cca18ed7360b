package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// This store reads other contexts' tables: who checks does not ask those who are checked.

// happened is what the orders say of a period: each sale, and each time that something of one
// was given back (a lost dispute is one, too).
const happened = `
	SELECT merchant_id AS home, 'sale' AS kind, id AS ref, id AS order_id, paid_at AS at, goods_fen AS fen
	  FROM orders WHERE paid_at >= @from AND paid_at < @until
	UNION ALL SELECT merchant_id, 'return', id, order_id, at, -goods_fen FROM order_refund WHERE at >= @from AND at < @until`

// booked is what the book says of it: sums of goods and tenths by transfer, below zero for what
// was given back. It follows a WHERE.
const booked = `
	SELECT t.home, t.id, t.ref, t.kind, t.at,
	    coalesce(sum(CASE WHEN m.what = 'goods' THEN CASE t.kind WHEN 'sale' THEN m.amount_li ELSE -m.amount_li END END), 0)::bigint AS goods_li,
	    coalesce(sum(CASE WHEN m.what <> 'tenth' THEN 0 WHEN starts_with(m.target, 'fund:') THEN m.amount_li WHEN starts_with(m.source, 'fund:') THEN -m.amount_li END), 0)::bigint AS tenth_li
	  FROM transfer t JOIN move m ON m.home = t.home AND m.transfer_id = t.id WHERE t.kind IN ('sale', 'refund', 'dispute_lost') AND `

const (
	bookedThen = booked + `t.at >= @from AND t.at < @until GROUP BY t.home, t.id`
	// bookedOf is what the book has of an event e, whenever.
	bookedOf = booked + `t.home = e.home AND t.ref = e.ref::text AND (t.kind = 'sale') = (e.kind = 'sale') GROUP BY t.home, t.id`
)

// paid holds what the orders of a checkout had paid for them against what the provider says,
// of the checkouts of which something happened in the period: as reconcile has it.
const paid = `
	SELECT i.id, i.settled_at AS at, 10 * (
	    (SELECT coalesce(sum(o.goods_fen + o.shipping_fen), 0) FROM orders o WHERE o.checkout_id = i.id AND o.paid_at IS NOT NULL)
	    - (SELECT coalesce(sum(r.goods_fen + r.shipping_fen), 0) FROM orders o JOIN order_refund r ON r.merchant_id = o.merchant_id AND r.order_id = o.id WHERE o.checkout_id = i.id)
	  )::bigint AS expected_li,
	  10 * (CASE WHEN i.payment <> '' THEN i.amount_fen ELSE 0 END
	    - coalesce((SELECT sum(r.amount_fen) FROM refund r WHERE r.buyer_id = i.buyer_id AND r.intent_id = i.id AND NOT r.late), 0)
	    - coalesce((SELECT sum(d.amount_fen - d.beyond_fen) FROM dispute d WHERE d.checkout_id = i.id AND d.state = 'lost'), 0))::bigint AS found_li
	FROM (SELECT DISTINCT o.buyer_id, o.checkout_id FROM (` + happened + `) h JOIN orders o ON o.merchant_id = h.home AND o.id = h.order_id) c
	JOIN payment_intent i ON i.buyer_id = c.buyer_id AND i.id = c.checkout_id`

// differing is everything that does not agree.
const differing = `
	WITH h AS (` + happened + `),
	found AS (
	  SELECT CASE WHEN b.id IS NULL THEN 'unbooked' WHEN b.goods_li <> 10 * e.fen THEN 'goods' WHEN b.tenth_li <> e.fen THEN 'tenth' ELSE 'day' END AS kind,
	    CASE e.kind WHEN 'sale' THEN 'order:' ELSE 'refund:' END || e.ref AS object, e.home, e.at,
	    CASE WHEN b.goods_li = 10 * e.fen THEN e.fen ELSE 10 * e.fen END AS expected_li,
	    CASE WHEN b.goods_li = 10 * e.fen THEN b.tenth_li ELSE coalesce(b.goods_li, 0) END AS found_li, b.home AS booked_home, b.id AS transfer_id
	  FROM h e LEFT JOIN LATERAL (` + bookedOf + `) b ON true
	  WHERE b.id IS NULL OR b.goods_li <> 10 * e.fen OR b.tenth_li <> e.fen OR (b.at AT TIME ZONE 'Asia/Shanghai')::date <> (e.at AT TIME ZONE 'Asia/Shanghai')::date
	  UNION ALL
	  SELECT 'unordered', 'transfer:' || b.id, b.home, b.at, 0, b.goods_li, b.home, b.id FROM (` + bookedThen + `) b
	  WHERE NOT EXISTS (SELECT FROM orders o WHERE b.kind = 'sale' AND o.merchant_id = b.home AND o.id = CASE WHEN b.ref ~ '^[0-9a-f-]{36}$' THEN b.ref::uuid END AND o.paid_at IS NOT NULL)
	    AND NOT EXISTS (SELECT FROM order_refund r WHERE b.kind <> 'sale' AND r.merchant_id = b.home AND r.id = CASE WHEN b.ref ~ '^[0-9a-f-]{36}$' THEN b.ref::uuid END)
	  UNION ALL
	  SELECT 'stray', 'transfer:' || t.id || '/' || m.n, t.home, t.at, 0, m.amount_li, t.home, t.id
	  FROM transfer t JOIN move m ON m.home = t.home AND m.transfer_id = t.id
	  WHERE t.at >= @from AND t.at < @until AND m.what = 'tenth' AND t.kind NOT IN ('sale', 'refund', 'mature', 'dispute', 'dispute_won', 'dispute_lost')
	  UNION ALL
	  SELECT 'provider', 'checkout:' || p.id, NULL, p.at, p.expected_li, p.found_li, NULL, NULL FROM (` + paid + `) p WHERE p.expected_li <> p.found_li),
	keyed AS (SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || kind || ' ' || object AS key, * FROM found)`

func args(p Period) map[string]any {
	from, until := p.Bounds()
	return map[string]any{"from": from, "until": until, "first": string(p.From), "last": string(p.Until)}
}

type lineRow struct {
	Day                             time.Time
	Home                            uuid.UUID
	Code, Name                      string
	Orders, GoodsFen, RefundedFen   int64
	Transfers, BookGoods, BookTenth int64
}

func (r lineRow) levy() Levy {
	return Levy{
		Orders: r.Orders, Goods: money.Fen(r.GoodsFen), Refunded: money.Fen(r.RefundedFen),
		Transfers: r.Transfers, BookGoods: money.Li(r.BookGoods), BookTenth: money.Li(r.BookTenth),
	}
}

// sides are both words of a day and an enterprise, each in a row of its own.
const sides = `
	SELECT (at AT TIME ZONE 'Asia/Shanghai')::date AS day, home, CASE kind WHEN 'sale' THEN 1 ELSE 0 END AS orders,
	    greatest(fen, 0) AS goods, greatest(-fen, 0) AS refunded, 0 AS transfers, 0 AS book_goods, 0 AS book_tenth FROM (` + happened + `) h
	UNION ALL SELECT (at AT TIME ZONE 'Asia/Shanghai')::date, home, 0, 0, 0, 1, goods_li, tenth_li FROM (` + bookedThen + `) b`

const summed = `coalesce(sum(orders), 0)::bigint AS orders, coalesce(sum(goods), 0)::bigint AS goods_fen, coalesce(sum(refunded), 0)::bigint AS refunded_fen,
	coalesce(sum(transfers), 0)::bigint AS transfers, coalesce(sum(book_goods), 0)::bigint AS book_goods, coalesce(sum(book_tenth), 0)::bigint AS book_tenth`

// lines are up to limit lines after that of a day and a home.
func lines(ctx context.Context, tx *postgres.Tx, p Period, day merchant.Date, home uuid.UUID, limit int) ([]Line, error) {
	if day > p.From { // what was seen is not summed again
		p.From = day
	}
	a := args(p)
	a["day"], a["home"], a["limit"] = string(day), home, limit
	rows, err := postgres.Rows[lineRow](ctx, tx, `
		SELECT s.*, coalesce(m.code, '') AS code, coalesce(m.short_name, '') AS name FROM (
			SELECT day, home, `+summed+` FROM (`+sides+`) x
			WHERE @day = '' OR (day, home) > (nullif(@day, '')::date, cast(@home AS uuid)) GROUP BY day, home ORDER BY day, home LIMIT @limit) s
		LEFT JOIN merchant m ON m.id = s.home ORDER BY s.day, s.home`, a)
	if err != nil {
		return nil, fmt.Errorf("audit the levy of %s to %s: %w", p.From, p.Until, err)
	}
	all := make([]Line, len(rows))
	for i, r := range rows {
		all[i] = Line{merchant.Date(r.Day.Format(time.DateOnly)), id.From[merchant.Merchant](r.Home), r.Code, r.Name, r.levy()}
	}
	return all, nil
}

func levy(ctx context.Context, tx *postgres.Tx, p Period) (Levy, error) {
	r, err := postgres.Row[lineRow](ctx, tx, `SELECT `+summed+` FROM (`+sides+`) x`, args(p))
	if err != nil {
		return Levy{}, fmt.Errorf("sum the levy of %s to %s: %w", p.From, p.Until, err)
	}
	return r.levy(), nil
}

func summary(ctx context.Context, tx *postgres.Tx, p Period) (Summary, error) {
	sums, err := levy(ctx, tx, p)
	if err != nil {
		return Summary{}, err
	}
	r, err := postgres.Row[struct{ Checkouts, Paid, Provider, Open int64 }](ctx, tx, `
		SELECT count(*) AS checkouts, coalesce(sum(expected_li) / 10, 0)::bigint AS paid, coalesce(sum(found_li) / 10, 0)::bigint AS provider,
		  (SELECT count(*) FROM recon_break WHERE state = 'open' AND day BETWEEN cast(@first AS date) AND cast(@last AS date)) AS open FROM (`+paid+`) p`, args(p))
	if err != nil {
		return Summary{}, fmt.Errorf("sum what was paid in %s to %s: %w", p.From, p.Until, err)
	}
	n, err := countDifferences(ctx, tx, p)
	return Summary{p, sums, r.Checkouts, money.Fen(r.Paid), money.Fen(r.Provider), n, r.Open}, err
}

func countDifferences(ctx context.Context, tx *postgres.Tx, p Period) (int64, error) {
	r, err := postgres.Row[struct{ Count int64 }](ctx, tx, differing+` SELECT count(*) AS count FROM keyed`, args(p))
	if err != nil {
		return 0, fmt.Errorf("count the differences of %s to %s: %w", p.From, p.Until, err)
	}
	return r.Count, nil
}

type differenceRow struct {
	Kind, Object        string
	Home, TransferID    *uuid.UUID
	At                  time.Time
	ExpectedLi, FoundLi int64
	Index               *int64
}

func differences(ctx context.Context, tx *postgres.Tx, p Period, after string, limit int) ([]Difference, error) {
	a := args(p)
	a["after"], a["limit"] = after, limit
	rows, err := postgres.Rows[differenceRow](ctx, tx, differing+`
		SELECT k.*, l.index FROM (SELECT * FROM keyed WHERE key COLLATE "C" > @after ORDER BY key COLLATE "C" LIMIT @limit) k
		LEFT JOIN log_entry l ON l.home = k.booked_home AND l.transfer_id = k.transfer_id ORDER BY k.key COLLATE "C"`, a)
	if err != nil {
		return nil, fmt.Errorf("list the differences of %s to %s: %w", p.From, p.Until, err)
	}
	all := make([]Difference, len(rows))
	for i, r := range rows {
		all[i] = Difference{
			Kind: r.Kind, Object: r.Object, Merchant: id.From[merchant.Merchant](or(r.Home)), At: r.At.UTC(),
			Expected: money.Li(r.ExpectedLi), Found: money.Li(r.FoundLi), Transfer: or(r.TransferID), Index: leafOf(r.Index),
		}
	}
	return all, nil
}

type eventRow struct {
	Kind             string
	Home             uuid.UUID
	Ref, OrderID     uuid.UUID
	At               time.Time
	Fen              int64
	TransferID       *uuid.UUID
	BookedAt         *time.Time
	GoodsLi, TenthLi int64
	Index            *int64
}

func events(ctx context.Context, tx *postgres.Tx, p Period, m merchant.ID, after string, last uuid.UUID, limit int) ([]Event, error) {
	a := args(p)
	a["merchant"], a["after"], a["last"], a["limit"] = m.UUID(), after, last, limit
	rows, err := postgres.Rows[eventRow](ctx, tx, `
		SELECT e.*, b.id AS transfer_id, b.at AS booked_at, coalesce(b.goods_li, 0) AS goods_li, coalesce(b.tenth_li, 0) AS tenth_li, l.index
		FROM (SELECT * FROM (`+happened+`) h WHERE home = @merchant AND (@after = '' OR (at, ref) > (nullif(@after, '')::timestamptz, cast(@last AS uuid)))
			ORDER BY at, ref LIMIT @limit) e
		LEFT JOIN LATERAL (`+bookedOf+`) b ON true
		LEFT JOIN log_entry l ON l.home = b.home AND l.transfer_id = b.id ORDER BY e.at, e.ref`, a)
	if err != nil {
		return nil, fmt.Errorf("list the sales of %s on %s: %w", m, p.From, err)
	}
	all := make([]Event, len(rows))
	for i, r := range rows {
		all[i] = Event{
			Kind: r.Kind, Ref: r.Ref, Order: r.OrderID, Merchant: id.From[merchant.Merchant](r.Home), At: r.At.UTC(), Goods: money.Fen(r.Fen),
			Transfer: or(r.TransferID), Index: leafOf(r.Index), BookedAt: or(r.BookedAt).UTC(), BookGoods: money.Li(r.GoodsLi), BookTenth: money.Li(r.TenthLi),
		}
	}
	return all, nil
}

// or is the value, or zero where there is none.
func or[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// leafOf is the index of a leaf, or −1.
func leafOf(index *int64) int64 {
	if index == nil {
		return -1
	}
	return *index
}
