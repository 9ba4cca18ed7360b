package fulfilment

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// fulfilmentRow is a row of the table fulfilment.
type fulfilmentRow struct {
	MerchantID      uuid.UUID
	OrderID         uuid.UUID
	State           string
	PackedAt        *time.Time
	ShippedAt       *time.Time
	DeliveredAt     *time.Time
	GoodsReceivedAt *time.Time
	ServicesEndedAt *time.Time
	ReceivedAt      *time.Time
	ClosesAt        *time.Time
	ClosedAt        *time.Time
	CreatedAt       time.Time `gorm:"autoCreateTime:false"`
}

// TableName is fulfilment.
func (fulfilmentRow) TableName() string { return "fulfilment" }

// lineRow is a row of the table fulfilment_line.
type lineRow struct {
	MerchantID uuid.UUID
	OrderID    uuid.UUID
	N          int
	Quantity   int64
	Shipped    int64
	Returned   int64
	ColdChain  string
	Voucher    bool
	ShipBy     *time.Time
}

// TableName is fulfilment_line.
func (lineRow) TableName() string { return "fulfilment_line" }

// courseRow is what is read of the view line_course.
type courseRow struct {
	Row       lineRow `gorm:"embedded"`
	Unshipped int64
}

func (r fulfilmentRow) fulfilment() Fulfilment {
	return Fulfilment{
		Key: keyOf(r.MerchantID, r.OrderID), State: State(r.State), PackedAt: postgres.OrZero(r.PackedAt), ShippedAt: postgres.OrZero(r.ShippedAt),
		DeliveredAt: postgres.OrZero(r.DeliveredAt), GoodsAt: postgres.OrZero(r.GoodsReceivedAt), ServicesAt: postgres.OrZero(r.ServicesEndedAt),
		ReceivedAt: postgres.OrZero(r.ReceivedAt), ClosesAt: postgres.OrZero(r.ClosesAt), ClosedAt: postgres.OrZero(r.ClosedAt),
	}
}

func keyOf(m, o uuid.UUID) Key {
	return Key{id.From[merchant.Merchant](m), id.From[order.Order](o)}
}

// homes are the keys of orders, turned on their side as unnest wants them.
func homes(orders []order.Order) (merchants, ids []uuid.UUID) {
	for _, o := range orders {
		merchants, ids = append(merchants, o.Merchant.UUID()), append(ids, o.ID.UUID())
	}
	return merchants, ids
}

// find reads how far orders have come, in their order: those that nothing has happened
// to yet as Unfulfilled, with what their lines will need.
func find(ctx context.Context, tx *postgres.Tx, orders []order.Order, lock string) ([]Fulfilment, error) {
	merchants, ids := homes(orders)
	rows, err := postgres.Rows[fulfilmentRow](ctx, tx, `SELECT f.* FROM unnest(?::uuid[], ?::uuid[]) AS x(m, o)
		JOIN fulfilment f ON f.merchant_id = x.m AND f.order_id = x.o ORDER BY f.merchant_id, f.order_id`+lock,
		postgres.Array(merchants), postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read fulfilments: %w", err)
	}
	lines, err := postgres.Rows[courseRow](ctx, tx, `SELECT c.* FROM unnest(?::uuid[], ?::uuid[]) AS x(m, o)
		JOIN line_course c ON c.merchant_id = x.m AND c.order_id = x.o ORDER BY c.merchant_id, c.order_id, c.n`,
		postgres.Array(merchants), postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read the lines of fulfilments: %w", err)
	}
	found := make(map[order.ID]fulfilmentRow, len(rows))
	for _, r := range rows {
		found[id.From[order.Order](r.OrderID)] = r
	}
	of := make(map[uuid.UUID][]Line, len(orders))
	for _, c := range lines {
		l := c.Row
		of[l.OrderID] = append(of[l.OrderID], Line{
			N: l.N, Quantity: l.Quantity, Shipped: l.Shipped, Left: c.Unshipped, ColdChain: l.ColdChain, Voucher: l.Voucher, ShipBy: postgres.OrZero(l.ShipBy),
		})
	}
	all := make([]Fulfilment, len(orders))
	for i, o := range orders {
		all[i] = Fulfilment{Key: Key{o.Merchant, o.ID}, State: Unfulfilled}
		if r, ok := found[o.ID]; ok {
			all[i] = r.fulfilment()
		}
		all[i].Lines = of[o.ID.UUID()]
	}
	return all, nil
}

// begin makes the rows of orders that have none yet.
func begin(ctx context.Context, tx *postgres.Tx, orders []order.Order) error {
	merchants, ids := homes(orders)
	_, err := tx.Exec(ctx, `WITH fresh AS (
			INSERT INTO fulfilment (merchant_id, order_id, state, created_at)
			SELECT m, o, 'unfulfilled', ? FROM unnest(?::uuid[], ?::uuid[]) AS x(m, o) ORDER BY m, o
			ON CONFLICT DO NOTHING RETURNING merchant_id, order_id)
		INSERT INTO fulfilment_line (merchant_id, order_id, n, quantity, shipped, returned, cold_chain, voucher, ship_by)
		SELECT merchant_id, order_id, n, quantity, 0, 0, cold_chain, voucher, ship_by FROM fresh JOIN line_course USING (merchant_id, order_id)`,
		tx.Now, postgres.Array(merchants), postgres.Array(ids))
	if err != nil {
		return fmt.Errorf("begin fulfilments: %w", err)
	}
	return nil
}

// save writes what changed of locked fulfilments.
func save(ctx context.Context, tx *postgres.Tx, all ...Fulfilment) error {
	for _, f := range all {
		_, err := tx.Exec(ctx, `UPDATE fulfilment SET state = ?, packed_at = ?, shipped_at = ?, delivered_at = ?, goods_received_at = ?,
				services_ended_at = ?, received_at = ?, closes_at = ?, closed_at = ? WHERE merchant_id = ? AND order_id = ?`,
			string(f.State), postgres.OrNull(f.PackedAt), postgres.OrNull(f.ShippedAt), postgres.OrNull(f.DeliveredAt), postgres.OrNull(f.GoodsAt), postgres.OrNull(f.ServicesAt),
			postgres.OrNull(f.ReceivedAt), postgres.OrNull(f.ClosesAt), postgres.OrNull(f.ClosedAt), f.Merchant, f.Order)
		if err != nil {
			return fmt.Errorf("save the fulfilment of order %s: %w", f.Order, err)
		}
	}
	return nil
}

// Due are up to limit orders that were received, whose window of returns has ended and
// that are not closed: the oldest first, from behind after, which is zero for the first page.
// Only Key and ClosesAt of them are read.
func Due(ctx context.Context, tx *postgres.Tx, after Fulfilment, limit int) ([]Fulfilment, error) {
	rows, err := postgres.Rows[fulfilmentRow](ctx, tx, `SELECT merchant_id, order_id, closes_at FROM fulfilment
		WHERE received_at IS NOT NULL AND closed_at IS NULL AND closes_at <= ? AND (closes_at, merchant_id, order_id) > (?, ?, ?)
		ORDER BY closes_at, merchant_id, order_id LIMIT ?`, tx.Now, after.ClosesAt, after.Merchant, after.Order, limit)
	if err != nil {
		return nil, fmt.Errorf("find orders that can be closed: %w", err)
	}
	due := make([]Fulfilment, len(rows))
	for i, r := range rows {
		due[i] = r.fulfilment()
	}
	return due, nil
}

// Close ends a received order for good, now: its window of returns has ended, and
// nothing of it is open. ErrState if it is not due, or was closed before.
func Close(ctx context.Context, tx *postgres.Tx, k Key) error {
	n, err := tx.Exec(ctx, `UPDATE fulfilment SET closed_at = ?
		WHERE merchant_id = ? AND order_id = ? AND received_at IS NOT NULL AND closed_at IS NULL AND closes_at <= ?`, tx.Now, k.Merchant, k.Order, tx.Now)
	if err != nil {
		return fmt.Errorf("close order %s: %w", k.Order, err)
	}
	if n == 0 {
		return ErrState.With("order %s is not to be closed", k.Order)
	}
	return nil
}
