package shipment

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

// Of reads the parcels of an order, the oldest first.
func Of(ctx context.Context, tx *postgres.Tx, m merchant.ID, o order.ID) ([]Shipment, error) {
	rows, err := postgres.On[shipmentRow](tx).Where("merchant_id = ? AND order_id = ?", m, o).Order("id").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the shipments of order %s: %w", o, err)
	}
	all, place, ids := make([]Shipment, len(rows)), make(map[uuid.UUID]int, len(rows)), make([]uuid.UUID, len(rows))
	for i, r := range rows {
		place[r.ID], ids[i] = i, r.ID
		var delivered time.Time
		if r.DeliveredAt != nil {
			delivered = r.DeliveredAt.UTC()
		}
		all[i] = Shipment{
			ID: id.From[Shipment](r.ID), Order: o, Temperature: r.Temperature, ShippedAt: r.ShippedAt.UTC(), DeliveredAt: delivered, by: r.ShippedBy,
		}
	}
	lines, err := postgres.On[shippedRow](tx).Where("merchant_id = ? AND shipment_id = ANY(?::uuid[])", m, postgres.Array(ids)).
		Order("shipment_id, position").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what was shipped of order %s: %w", o, err)
	}
	for _, l := range lines {
		s := &all[place[l.ShipmentID]]
		s.Lines = append(s.Lines, Line{N: l.N, Quantity: l.Quantity, Lot: l.LotCode})
	}
	numbers, err := postgres.On[trackingRow](tx).Where("merchant_id = ? AND shipment_id = ANY(?::uuid[])", m, postgres.Array(ids)).
		Order("shipment_id, n").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read who carries order %s: %w", o, err)
	}
	for _, n := range numbers {
		s := &all[place[n.ShipmentID]]
		s.Tracking = append(s.Tracking, Tracking{Carrier: n.Carrier, Number: n.Number, Reason: n.Reason, At: n.At.UTC(), by: n.ActorID})
	}
	return all, nil
}

// OrderOf is the order of which a shipment is a parcel. ErrUnknown.
func OrderOf(ctx context.Context, tx *postgres.Tx, s ID) (order.ID, error) {
	r, err := postgres.Row[shipmentRow](ctx, tx, `SELECT order_id FROM shipment WHERE id = ?`, s)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return order.ID{}, ErrUnknown
	case err != nil:
		return order.ID{}, fmt.Errorf("look for shipment %s: %w", s, err)
	}
	return id.From[order.Order](r.OrderID), nil
}

// Insert writes parcels, each of the merchant at the same place: three statements for
// however many.
func Insert(ctx context.Context, tx *postgres.Tx, merchants []merchant.ID, parcels []Shipment) error {
	var rows []shipmentRow
	var lines []shippedRow
	var numbers []trackingRow
	for i, s := range parcels {
		m, sid := merchants[i].UUID(), s.ID.UUID()
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
	return nil
}

func (s Shipment) row(m uuid.UUID, i int) trackingRow {
	t := s.Tracking[i]
	return trackingRow{MerchantID: m, ShipmentID: s.ID.UUID(), N: i + 1, Carrier: t.Carrier, Number: t.Number, Reason: t.Reason, ActorID: t.by, At: t.At}
}

// InsertTracking writes who carries a parcel since its correction.
func InsertTracking(ctx context.Context, tx *postgres.Tx, m merchant.ID, s Shipment) error {
	if err := postgres.On[trackingRow](tx).Create(ctx, s.row(m.UUID(), len(s.Tracking)-1)); err != nil {
		return fmt.Errorf("correct who carries shipment %s: %w", s.ID, err)
	}
	return nil
}

// SaveDelivered writes when a parcel was handed over.
func SaveDelivered(ctx context.Context, tx *postgres.Tx, m merchant.ID, s Shipment) error {
	if _, err := tx.Exec(ctx, `UPDATE shipment SET delivered_at = ? WHERE merchant_id = ? AND id = ?`, s.DeliveredAt, m, s.ID); err != nil {
		return fmt.Errorf("deliver shipment %s: %w", s.ID, err)
	}
	return nil
}
