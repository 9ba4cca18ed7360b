package fulfilment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// shipmentRow is a row of the table shipment.
type shipmentRow struct {
	MerchantID  uuid.UUID
	ID          uuid.UUID
	OrderID     uuid.UUID
	Temperature string
	ShippedBy   uuid.UUID
	ShippedAt   time.Time
	DeliveredAt *time.Time
}

// TableName is shipment.
func (shipmentRow) TableName() string { return "shipment" }

// shippedRow is a row of the table shipment_line.
type shippedRow struct {
	MerchantID uuid.UUID
	ShipmentID uuid.UUID
	Position   int
	N          int
	Quantity   int64
	LotCode    string
}

// TableName is shipment_line.
func (shippedRow) TableName() string { return "shipment_line" }

// trackingRow is a row of the table shipment_tracking.
type trackingRow struct {
	MerchantID uuid.UUID
	ShipmentID uuid.UUID
	N          int
	Carrier    string
	Number     string
	Reason     string
	ActorID    uuid.UUID
	At         time.Time
}

// TableName is shipment_tracking.
func (trackingRow) TableName() string { return "shipment_tracking" }

// shipments reads the parcels of an order, the oldest first.
func shipments(ctx context.Context, tx *postgres.Tx, k Key) ([]Shipment, error) {
	rows, err := postgres.On[shipmentRow](tx).Where("merchant_id = ? AND order_id = ?", k.Merchant, k.Order).Order("id").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the shipments of order %s: %w", k.Order, err)
	}
	all, place, ids := make([]Shipment, len(rows)), make(map[uuid.UUID]int, len(rows)), make([]uuid.UUID, len(rows))
	for i, r := range rows {
		place[r.ID], ids[i] = i, r.ID
		all[i] = Shipment{
			ID: id.From[Shipment](r.ID), Order: k.Order, Temperature: r.Temperature, ShippedAt: r.ShippedAt.UTC(), DeliveredAt: orZero(r.DeliveredAt), by: r.ShippedBy,
		}
	}
	lines, err := postgres.On[shippedRow](tx).Where("merchant_id = ? AND shipment_id = ANY(?::uuid[])", k.Merchant, postgres.Array(ids)).
		Order("shipment_id, position").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what was shipped of order %s: %w", k.Order, err)
	}
	for _, l := range lines {
		s := &all[place[l.ShipmentID]]
		s.Lines = append(s.Lines, ShippedLine{N: l.N, Quantity: l.Quantity, Lot: l.LotCode})
	}
	numbers, err := postgres.On[trackingRow](tx).Where("merchant_id = ? AND shipment_id = ANY(?::uuid[])", k.Merchant, postgres.Array(ids)).
		Order("shipment_id, n").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read who carries order %s: %w", k.Order, err)
	}
	for _, n := range numbers {
		s := &all[place[n.ShipmentID]]
		s.Tracking = append(s.Tracking, Tracking{Carrier: n.Carrier, Number: n.Number, Reason: n.Reason, At: n.At.UTC(), by: n.ActorID})
	}
	return all, nil
}

// orderOf is the order of which a shipment is a parcel. ErrShipment.
func orderOf(ctx context.Context, tx *postgres.Tx, s ShipmentID) (order.ID, error) {
	r, err := postgres.Row[shipmentRow](ctx, tx, `SELECT order_id FROM shipment WHERE id = ?`, s)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return order.ID{}, ErrShipment
	case err != nil:
		return order.ID{}, fmt.Errorf("look for shipment %s: %w", s, err)
	}
	return id.From[order.Order](r.OrderID), nil
}

// insert writes shipments, and what their fulfilments counted: four statements for
// however many.
func insert(ctx context.Context, tx *postgres.Tx, all []Fulfilment, parcels []Shipment) error {
	var rows []shipmentRow
	var lines []shippedRow
	var numbers []trackingRow
	for i, s := range parcels {
		m, sid := all[i].Merchant.UUID(), s.ID.UUID()
		rows = append(rows, shipmentRow{MerchantID: m, ID: sid, OrderID: s.Order.UUID(), Temperature: s.Temperature, ShippedBy: s.by, ShippedAt: s.ShippedAt})
		for p, l := range s.Lines {
			lines = append(lines, shippedRow{MerchantID: m, ShipmentID: sid, Position: p + 1, N: l.N, Quantity: l.Quantity, LotCode: l.Lot})
		}
		numbers = append(numbers, s.row(m, 0))
	}
	if err := postgres.CreateAll(ctx, tx, rows); err != nil {
		return fmt.Errorf("write shipments: %w", err)
	}
	if err := postgres.CreateAll(ctx, tx, lines); err != nil {
		return fmt.Errorf("write what is shipped: %w", err)
	}
	if err := postgres.CreateAll(ctx, tx, numbers); err != nil {
		return fmt.Errorf("write who carries: %w", err)
	}
	return count(ctx, tx, all)
}

func (s Shipment) row(m uuid.UUID, i int) trackingRow {
	t := s.Tracking[i]
	return trackingRow{MerchantID: m, ShipmentID: s.ID.UUID(), N: i + 1, Carrier: t.Carrier, Number: t.Number, Reason: t.Reason, ActorID: t.by, At: t.At}
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

func insertTracking(ctx context.Context, tx *postgres.Tx, m merchant.ID, s Shipment) error {
	if err := postgres.On[trackingRow](tx).Create(ctx, s.row(m.UUID(), len(s.Tracking)-1)); err != nil {
		return fmt.Errorf("correct who carries shipment %s: %w", s.ID, err)
	}
	return nil
}

func saveDelivered(ctx context.Context, tx *postgres.Tx, m merchant.ID, s Shipment) error {
	if _, err := tx.Exec(ctx, `UPDATE shipment SET delivered_at = ? WHERE merchant_id = ? AND id = ?`, s.DeliveredAt, m, s.ID); err != nil {
		return fmt.Errorf("deliver shipment %s: %w", s.ID, err)
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
		ORDER BY shipped_at, order_id LIMIT ?`, shipped, orZero(after.ShippedAt), after.OrderID, limit)
	if err != nil {
		return nil, fmt.Errorf("find orders that arrived: %w", err)
	}
	return rows, nil
}
