package fulfilment

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/shipment"
)

// insert writes shipments, and what their fulfilments counted: four statements for
// however many.
func insert(ctx context.Context, tx *postgres.Tx, all []Fulfilment, parcels []shipment.Shipment) error {
	merchants := make([]merchant.ID, len(all))
	for i, f := range all {
		merchants[i] = f.Merchant
	}
	if err := shipment.Insert(ctx, tx, merchants, parcels); err != nil {
		return err
	}
	return count(ctx, tx, all)
}

// count writes how much of the orders' lines has left, and how far that brings them.
func count(ctx context.Context, tx *postgres.Tx, all []Fulfilment) error {
	var merchants, orders, homes, keys []uuid.UUID
	var n []int32
	var shipped []int64
	var states []string
	var at []time.Time
	for _, f := range all {
		merchants, orders = append(merchants, f.Merchant.UUID()), append(orders, f.Order.UUID())
		states, at = append(states, string(f.State)), append(at, f.ShippedAt)
		for _, l := range f.Lines {
			homes, keys, n, shipped = append(homes, f.Merchant.UUID()), append(keys, f.Order.UUID()), append(n, int32(l.N)), append(shipped, l.Shipped)
		}
	}
	_, err := tx.Exec(ctx, `WITH moved AS (
			UPDATE fulfilment f SET state = x.state, shipped_at = x.at FROM unnest(?::uuid[], ?::uuid[], ?::text[], ?::timestamptz[]) AS x(m, o, state, at)
			WHERE f.merchant_id = x.m AND f.order_id = x.o)
		UPDATE fulfilment_line l SET shipped = x.shipped FROM unnest(?::uuid[], ?::uuid[], ?::integer[], ?::bigint[]) AS x(m, o, n, shipped)
		WHERE l.merchant_id = x.m AND l.order_id = x.o AND l.n = x.n AND l.shipped <> x.shipped`,
		postgres.Array(merchants), postgres.Array(orders), postgres.Array(states), postgres.Array(at),
		postgres.Array(homes), postgres.Array(keys), postgres.Array(n), postgres.Array(shipped))
	if err != nil {
		return fmt.Errorf("count what was shipped: %w", err)
	}
	return nil
}

// Return says of pieces that are refunded of the lines of a locked order that they had been
// shipped, as far as so many were: what has not left yet is still owed.
func Return(ctx context.Context, tx *postgres.Tx, o order.Order, lines []order.RefundLine) error {
	n, pieces := make([]int32, len(lines)), make([]int64, len(lines))
	for i, l := range lines {
		n[i], pieces[i] = int32(l.N), l.Quantity
	}
	_, err := tx.Exec(ctx, `UPDATE fulfilment_line l SET returned = least(l.shipped, l.returned + x.pieces) FROM unnest(?::integer[], ?::bigint[]) AS x(n, pieces)
		WHERE l.merchant_id = ? AND l.order_id = ? AND l.n = x.n AND x.pieces > 0`, postgres.Array(n), postgres.Array(pieces), o.Merchant, o.ID)
	if err != nil {
		return fmt.Errorf("count what came back of order %s: %w", o.ID, err)
	}
	return nil
}

// shippable reports whether goods of that lot may leave: it is one of the SKU's, was not
// recalled and is not past its day.
func shippable(ctx context.Context, tx *postgres.Tx, m merchant.ID, sku uuid.UUID, lot string) (bool, error) {
	n, err := postgres.Row[struct{ N int }](ctx, tx, `SELECT count(*) AS n FROM lot WHERE merchant_id = ? AND sku_id = ? AND code = ? AND stopped_at IS NULL
		AND (best_before IS NULL OR best_before >= (?::timestamptz AT TIME ZONE 'Asia/Shanghai')::date)`, m, sku, lot, tx.Now)
	if err != nil {
		return false, fmt.Errorf("look for lot %s: %w", lot, err)
	}
	return n.N == 1, nil
}

// late are orders all of whose goods left at that time or before and that nobody
// has received, the oldest first, after one of them.
func late(ctx context.Context, tx *postgres.Tx, shipped time.Time, after fulfilmentRow, limit int) ([]fulfilmentRow, error) {
	rows, err := postgres.Rows[fulfilmentRow](ctx, tx, `SELECT merchant_id, order_id, shipped_at FROM fulfilment f
		WHERE state IN ('partly_shipped', 'shipped', 'delivered') AND goods_received_at IS NULL AND shipped_at <= ? AND (shipped_at, order_id) > (?, ?)
		AND (state <> 'partly_shipped' OR NOT EXISTS (SELECT FROM line_course l
		  WHERE l.merchant_id = f.merchant_id AND l.order_id = f.order_id AND l.unshipped > 0))
		ORDER BY shipped_at, order_id LIMIT ?`, shipped, postgres.OrZero(after.ShippedAt), after.OrderID, limit)
	if err != nil {
		return nil, fmt.Errorf("find orders that arrived: %w", err)
	}
	return rows, nil
}
