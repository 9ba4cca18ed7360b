package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// lotRow is a row of the table lot; file_ids, an array, is written and read apart.
type lotRow struct {
	MerchantID      uuid.UUID
	ID              uuid.UUID
	SKUID           uuid.UUID `gorm:"column:sku_id"`
	Code            string
	MadeOn          *time.Time
	BestBefore      *time.Time
	CertificateKind string
	CertificateNo   string
	FileIDs         string `gorm:"column:file_ids"`
	Received        int64
	Remaining       int64
	Withdrawn       int64
	Drawn           int64
	Lost            int64
	ReceivedBy      uuid.UUID
	ReceivedAt      time.Time
	StoppedAt       *time.Time
}

// TableName is lot.
func (lotRow) TableName() string { return "lot" }

// drawRow is a row of the table lot_draw.
type drawRow struct {
	MerchantID uuid.UUID
	OrderID    uuid.UUID
	LotID      uuid.UUID
	SKUID      uuid.UUID `gorm:"column:sku_id"`
	Qty        int64
	Returned   int64
	At         time.Time
}

// TableName is lot_draw.
func (drawRow) TableName() string { return "lot_draw" }

const selectLot = `SELECT merchant_id, id, sku_id, code, made_on, best_before, certificate_kind, certificate_no,
	array_to_string(file_ids, ' ') AS file_ids, received, remaining, withdrawn, drawn, lost, received_by, received_at, stopped_at FROM lot `

func (r lotRow) lot() (Lot, error) {
	l := Lot{
		ID: id.From[Lot](r.ID), Merchant: r.MerchantID, SKU: r.SKUID, Code: r.Code,
		Certificate: Certificate{Kind: r.CertificateKind, No: r.CertificateNo},
		Received:    r.Received, Remaining: r.Remaining, Withdrawn: r.Withdrawn, Drawn: r.Drawn, Lost: r.Lost, ReceivedAt: r.ReceivedAt,
	}
	for _, at := range []struct {
		from *time.Time
		to   *time.Time
	}{{r.MadeOn, &l.MadeOn}, {r.BestBefore, &l.BestBefore}, {r.StoppedAt, &l.StoppedAt}} {
		if at.from != nil {
			*at.to = at.from.UTC()
		}
	}
	for _, one := range strings.Fields(r.FileIDs) {
		f, err := id.Parse[file.File](one)
		if err != nil {
			return Lot{}, err
		}
		l.Certificate.Files = append(l.Certificate.Files, f)
	}
	return l, nil
}

func readLots(ctx context.Context, tx *postgres.Tx, rest string, args ...any) ([]Lot, error) {
	rows, err := postgres.Rows[lotRow](ctx, tx, selectLot+rest, args...)
	if err != nil {
		return nil, fmt.Errorf("read lots: %w", err)
	}
	out := make([]Lot, len(rows))
	for i, r := range rows {
		if out[i], err = r.lot(); err != nil {
			return nil, fmt.Errorf("read lots: %w", err)
		}
	}
	return out, nil
}

func lotByID(ctx context.Context, tx *postgres.Tx, lid LotID) (Lot, error) {
	found, err := readLots(ctx, tx, "WHERE id = ?", lid.UUID())
	if err == nil && len(found) == 0 {
		return Lot{}, ErrLot
	}
	if err != nil {
		return Lot{}, err
	}
	return found[0], nil
}

func lots(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, sku uuid.UUID, p page.Request) (page.Of[Lot], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Lot]{}, err
	}
	found, err := readLots(ctx, tx, `WHERE merchant_id = ANY(?::uuid[]) AND sku_id = ? AND (?::uuid IS NULL OR id < ?::uuid) ORDER BY id DESC LIMIT ?`,
		postgres.Array(merchants), sku, orNull(last), orNull(last), p.Size()+1)
	if err != nil {
		return page.Of[Lot]{}, err
	}
	return page.Cut(found, p.Size(), func(l Lot) (string, uuid.UUID) { return "", l.ID.UUID() }), nil
}

// dueLots are those that remain and may not be sold, where something is free.
func dueLots(ctx context.Context, tx *postgres.Tx, today time.Time, limit int) ([]Lot, error) {
	return readLots(ctx, tx, `WHERE remaining > 0 AND (best_before < ?::date OR stopped_at IS NOT NULL)
		AND EXISTS (SELECT FROM stock s WHERE s.merchant_id = lot.merchant_id AND s.sku_id = lot.sku_id AND s.available > 0)
		ORDER BY merchant_id, sku_id, id LIMIT ?`, date(today), limit)
}

func insertLot(ctx context.Context, tx *postgres.Tx, l Lot, by uuid.UUID) error {
	files := make([]uuid.UUID, len(l.Certificate.Files))
	for i, f := range l.Certificate.Files {
		files[i] = f.UUID()
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO lot (merchant_id, id, sku_id, code, made_on, best_before, certificate_kind, certificate_no, file_ids,
			received, remaining, withdrawn, drawn, lost, received_by, received_at)
		VALUES (?, ?, ?, ?, ?::date, ?::date, ?, ?, ?::uuid[], ?, ?, 0, 0, 0, ?, ?)`,
		l.Merchant, l.ID.UUID(), l.SKU, l.Code, date(l.MadeOn), date(l.BestBefore), l.Certificate.Kind, l.Certificate.No, postgres.Array(files),
		l.Received, l.Received, by, l.ReceivedAt)
	switch {
	case postgres.Violates(err, "lot_once"):
		return ErrLotKnown.At("/code", "unique", "this SKU has a lot of this code")
	case err != nil:
		return fmt.Errorf("write down lot %s: %w", l.Code, err)
	}
	return nil
}

func stopLot(ctx context.Context, tx *postgres.Tx, l Lot) error {
	if _, err := tx.Exec(ctx, `UPDATE lot SET stopped_at = coalesce(stopped_at, ?) WHERE merchant_id = ? AND id = ?`, tx.Now, l.Merchant, l.ID.UUID()); err != nil {
		return fmt.Errorf("stop lot %s: %w", l.ID, err)
	}
	return nil
}

func withdrawLot(ctx context.Context, tx *postgres.Tx, l Lot, n int64) error {
	_, err := tx.Exec(ctx, `UPDATE lot SET remaining = remaining - ?, withdrawn = withdrawn + ? WHERE merchant_id = ? AND id = ?`, n, n, l.Merchant, l.ID.UUID())
	if err != nil {
		return fmt.Errorf("withdraw lot %s: %w", l.ID, err)
	}
	return nil
}

// draw serves the lines, whose stock is locked, from their lots: first expired first
// out, then first received. Lots past their day are left out, recalled ones come
// last. What no lot has is of none.
func draw(ctx context.Context, tx *postgres.Tx, lines []Line) error {
	merchants, skus, orders, qty := columns(lines)
	_, err := tx.Exec(ctx, `
		WITH line AS (
		  SELECT * FROM unnest(?::uuid[], ?::uuid[], ?::uuid[], ?::bigint[]) AS l (merchant_id, sku_id, order_id, qty)
		), queue AS (
		  SELECT t.merchant_id, t.id, t.sku_id, l.order_id, l.qty, t.remaining,
		         sum(t.remaining) OVER (PARTITION BY t.merchant_id, t.sku_id
		           ORDER BY t.stopped_at IS NOT NULL, t.best_before NULLS LAST, t.received_at, t.id) - t.remaining AS before
		  FROM lot t JOIN line l USING (merchant_id, sku_id)
		  WHERE t.remaining > 0 AND (t.best_before IS NULL OR t.best_before >= ?::date)
		), share AS MATERIALIZED (
		  SELECT *, least(remaining, qty - before) AS n FROM queue WHERE before < qty
		), served AS (
		  UPDATE lot t SET remaining = t.remaining - s.n, drawn = t.drawn + s.n
		  FROM share s WHERE t.merchant_id = s.merchant_id AND t.id = s.id
		)
		INSERT INTO lot_draw (merchant_id, order_id, lot_id, sku_id, qty, returned, at)
		SELECT merchant_id, order_id, id, sku_id, n, 0, ? FROM share`,
		postgres.Array(merchants), postgres.Array(skus), postgres.Array(orders), postgres.Array(qty), date(Day(tx.Now)), tx.Now)
	if err != nil {
		return fmt.Errorf("draw from lots: %w", err)
	}
	return nil
}

// undraw gives pieces of orders back to the lots that they were drawn from, the one
// drawn last first. What belongs to a lot that may not be sold any more is withdrawn
// and does not stay on the shelf.
func undraw(ctx context.Context, tx *postgres.Tx, lines []Line) error {
	merchants, skus, orders, qty := columns(lines)
	_, err := tx.Exec(ctx, `
		WITH line AS (
		  SELECT * FROM unnest(?::uuid[], ?::uuid[], ?::uuid[], ?::bigint[]) AS l (merchant_id, sku_id, order_id, qty)
		), queue AS (
		  SELECT d.merchant_id, d.lot_id, d.sku_id, d.order_id, l.qty, d.qty - d.returned AS out,
		         t.stopped_at IS NOT NULL OR coalesce(t.best_before < ?::date, false) AS bad,
		         sum(d.qty - d.returned) OVER (PARTITION BY d.merchant_id, d.sku_id
		           ORDER BY t.best_before DESC NULLS FIRST, t.received_at DESC, t.id DESC) - (d.qty - d.returned) AS before
		  FROM lot_draw d JOIN line l USING (merchant_id, sku_id, order_id)
		  JOIN lot t ON t.merchant_id = d.merchant_id AND t.id = d.lot_id
		  WHERE d.qty > d.returned
		), share AS MATERIALIZED (
		  SELECT *, least(out, qty - before) AS n FROM queue WHERE before < qty
		), back AS (
		  UPDATE lot_draw d SET returned = d.returned + s.n
		  FROM share s WHERE d.merchant_id = s.merchant_id AND d.lot_id = s.lot_id AND d.order_id = s.order_id
		), kept AS (
		  UPDATE lot t SET drawn = t.drawn - s.n,
		         remaining = t.remaining + CASE WHEN s.bad THEN 0 ELSE s.n END,
		         withdrawn = t.withdrawn + CASE WHEN s.bad THEN s.n ELSE 0 END
		  FROM share s WHERE t.merchant_id = s.merchant_id AND t.id = s.lot_id
		)
		UPDATE stock k SET available = k.available - w.n, updated_at = ?
		FROM (SELECT merchant_id, sku_id, sum(n)::bigint AS n FROM share WHERE bad GROUP BY merchant_id, sku_id) w
		WHERE k.merchant_id = w.merchant_id AND k.sku_id = w.sku_id`,
		postgres.Array(merchants), postgres.Array(skus), postgres.Array(orders), postgres.Array(qty), date(Day(tx.Now)), tx.Now)
	if err != nil {
		return fmt.Errorf("give back to lots: %w", err)
	}
	return nil
}

// retreat withdraws what became free, with the lines, of lots that were recalled
// while checkouts held it.
func retreat(ctx context.Context, tx *postgres.Tx, lines []Line) error {
	merchants, skus, _, _ := columns(lines)
	_, err := tx.Exec(ctx, `
		WITH queue AS (
		  SELECT t.merchant_id, t.id, t.sku_id, t.remaining, k.available,
		         sum(t.remaining) OVER (PARTITION BY t.merchant_id, t.sku_id ORDER BY t.id) - t.remaining AS before
		  FROM unnest(?::uuid[], ?::uuid[]) AS l (merchant_id, sku_id)
		  JOIN lot t USING (merchant_id, sku_id) JOIN stock k USING (merchant_id, sku_id)
		  WHERE t.stopped_at IS NOT NULL AND t.remaining > 0
		), share AS MATERIALIZED (
		  SELECT *, least(remaining, available - before) AS n FROM queue WHERE before < available
		), gone AS (
		  UPDATE lot t SET remaining = t.remaining - s.n, withdrawn = t.withdrawn + s.n
		  FROM share s WHERE t.merchant_id = s.merchant_id AND t.id = s.id
		)
		UPDATE stock k SET available = k.available - w.n
		FROM (SELECT merchant_id, sku_id, sum(n)::bigint AS n FROM share GROUP BY merchant_id, sku_id) w
		WHERE k.merchant_id = w.merchant_id AND k.sku_id = w.sku_id`, postgres.Array(merchants), postgres.Array(skus))
	if err != nil {
		return fmt.Errorf("withdraw from recalled lots: %w", err)
	}
	return nil
}

// lose takes from the lots of a locked SKU what they have more than there is: goods
// that nobody has are lost, those of no lot first.
func lose(ctx context.Context, tx *postgres.Tx, l Level) error {
	_, err := tx.Exec(ctx, `
		WITH queue AS (
		  SELECT merchant_id, id, remaining,
		         sum(remaining) OVER () - ?::bigint AS over,
		         sum(remaining) OVER (ORDER BY best_before NULLS LAST, received_at, id) - remaining AS before
		  FROM lot WHERE merchant_id = ? AND sku_id = ? AND remaining > 0
		)
		UPDATE lot t SET remaining = t.remaining - least(q.remaining, q.over - q.before), lost = t.lost + least(q.remaining, q.over - q.before)
		FROM queue q WHERE q.before < q.over AND t.merchant_id = q.merchant_id AND t.id = q.id`,
		l.Available+l.Reserved, l.Merchant, l.SKU)
	if err != nil {
		return fmt.Errorf("adjust the lots of %s: %w", l.SKU, err)
	}
	return nil
}

func draws(ctx context.Context, tx *postgres.Tx, merchant uuid.UUID, lot LotID, p page.Request) (page.Of[Draw], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Draw]{}, err
	}
	rows, err := postgres.On[drawRow](tx).Where("merchant_id = ? AND lot_id = ? AND order_id > ?", merchant, lot.UUID(), last).
		Order("order_id").Limit(p.Size() + 1).Find(ctx)
	if err != nil && !errors.Is(err, postgres.ErrNoRows) {
		return page.Of[Draw]{}, fmt.Errorf("read what was drawn of %s: %w", lot, err)
	}
	out := make([]Draw, len(rows))
	for i, r := range rows {
		out[i] = Draw{Order: r.OrderID, SKU: r.SKUID, Qty: r.Qty, Returned: r.Returned, At: r.At}
	}
	return page.Cut(out, p.Size(), func(d Draw) (string, uuid.UUID) { return "", d.Order }), nil
}

// columns are lines turned on their side, as unnest wants them.
func columns(lines []Line) (merchants, skus, orders []uuid.UUID, qty []int64) {
	for _, l := range lines {
		merchants, skus, orders, qty = append(merchants, l.Merchant), append(skus, l.SKU), append(orders, l.Order), append(qty, l.Qty)
	}
	return merchants, skus, orders, qty
}

// date is a day as SQL has it; none is NULL.
func date(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Format(time.DateOnly)
}

func orNull(u uuid.UUID) any {
	if u == uuid.Nil {
		return nil
	}
	return u
}
