package aftersale

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// refundRow is a row of the table order_refund.
type refundRow struct {
	MerchantID, ID, OrderID uuid.UUID
	GoodsFen, ShippingFen   int64
	Reason                  string
	ActorID                 uuid.UUID
	At                      time.Time
	Lines                   string // jsonb
}

// TableName is order_refund.
func (refundRow) TableName() string { return "order_refund" }

func insert(ctx context.Context, tx *postgres.Tx, o order.Order, r order.Refund) error {
	lines := []byte("[]")
	if len(r.Lines) > 0 {
		var err error
		if lines, err = json.Marshal(r.Lines); err != nil {
			return fmt.Errorf("write the lines of a refund: %w", err)
		}
	}
	row := refundRow{
		MerchantID: o.Merchant.UUID(), ID: r.ID.UUID(), OrderID: o.ID.UUID(), GoodsFen: int64(r.Goods), ShippingFen: int64(r.Shipping),
		Reason: r.Reason, ActorID: r.Actor.UUID(), At: r.At, Lines: string(lines),
	}
	if err := postgres.On[refundRow](tx).Create(ctx, row); err != nil {
		return fmt.Errorf("insert refund %s: %w", r.ID, err)
	}
	return nil
}

// read gives the refunds of these orders, oldest first.
func read(ctx context.Context, tx *postgres.Tx, orders []order.Order) ([]order.Refund, error) {
	merchants, ids := homes(orders)
	rows, err := postgres.Rows[refundRow](ctx, tx, `SELECT r.* FROM unnest(?::uuid[], ?::uuid[]) AS x(m, o)
		JOIN order_refund r ON r.merchant_id = x.m AND r.order_id = x.o ORDER BY r.at, r.id`,
		postgres.Array(merchants), postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read refunds: %w", err)
	}
	return fromRows(rows)
}

// since gives an enterprise's refunds of this time and later, oldest first.
func since(ctx context.Context, tx *postgres.Tx, merchant uuid.UUID, at time.Time) ([]order.Refund, error) {
	rows, err := postgres.Rows[refundRow](ctx, tx, `SELECT * FROM order_refund WHERE merchant_id = ? AND at >= ? ORDER BY at, id`, merchant, at)
	if err != nil {
		return nil, fmt.Errorf("read the refunds of %s: %w", merchant, err)
	}
	return fromRows(rows)
}

func fromRows(rows []refundRow) ([]order.Refund, error) {
	all := make([]order.Refund, len(rows))
	for i, r := range rows {
		all[i] = order.Refund{
			ID: id.From[order.Refund](r.ID), Order: id.From[order.Order](r.OrderID), Goods: money.Fen(r.GoodsFen), Shipping: money.Fen(r.ShippingFen),
			Reason: r.Reason, Actor: id.From[identity.Account](r.ActorID), At: r.At.UTC(),
		}
		if err := json.Unmarshal([]byte(r.Lines), &all[i].Lines); err != nil {
			return nil, fmt.Errorf("read the lines of refund %s: %w", r.ID, err)
		}
	}
	return all, nil
}
