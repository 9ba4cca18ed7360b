package order

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// refundRow is a row of the table order_refund.
type refundRow struct {
	MerchantID, ID, OrderID uuid.UUID
	GoodsFen, ShippingFen   int64
	Reason                  string
	ActorID                 uuid.UUID
	At                      time.Time
	Lines                   string
}

// saveRefund writes the refund and what it changed of the order.
func saveRefund(ctx context.Context, tx *postgres.Tx, o Order, r Refund) error {
	lines, err := json.Marshal(r.Lines)
	if err != nil {
		return fmt.Errorf("write the lines of a refund: %w", err)
	}
	if len(r.Lines) == 0 {
		lines = []byte("[]")
	}
	_, err = tx.Exec(ctx, `INSERT INTO order_refund (merchant_id, id, order_id, goods_fen, shipping_fen, reason, actor_id, at, lines)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?::jsonb)`,
		o.Merchant, r.ID, o.ID, r.Goods, r.Shipping, r.Reason, r.Actor, r.At, string(lines))
	if err != nil {
		return fmt.Errorf("insert refund %s: %w", r.ID, err)
	}
	_, err = tx.Exec(ctx, `UPDATE orders SET state = ?, shipping_refunded_fen = ? WHERE merchant_id = ? AND id = ?`,
		string(o.State), o.ShippingRefunded, o.Merchant, o.ID)
	if err != nil {
		return fmt.Errorf("save order %s: %w", o.ID, err)
	}
	n, quantity, refunded := make([]int32, len(o.Lines)), make([]int64, len(o.Lines)), make([]int64, len(o.Lines))
	for i, l := range o.Lines {
		n[i], quantity[i], refunded[i] = int32(l.N), l.RefundedQty, int64(l.Refunded)
	}
	_, err = tx.Exec(ctx, `UPDATE order_line l SET refunded_quantity = x.quantity, refunded_fen = x.refunded
		FROM unnest(?::integer[], ?::bigint[], ?::bigint[]) AS x(n, quantity, refunded)
		WHERE l.merchant_id = ? AND l.order_id = ? AND l.n = x.n`,
		postgres.Array(n), postgres.Array(quantity), postgres.Array(refunded), o.Merchant, o.ID)
	if err != nil {
		return fmt.Errorf("save the lines of order %s: %w", o.ID, err)
	}
	return nil
}

func refundsOf(ctx context.Context, tx *postgres.Tx, o Order) ([]Refund, error) {
	return readRefunds(ctx, tx, []uuid.UUID{o.Merchant.UUID()}, []uuid.UUID{o.ID.UUID()})
}

func readRefunds(ctx context.Context, tx *postgres.Tx, merchants, orders []uuid.UUID) ([]Refund, error) {
	rows, err := postgres.Rows[refundRow](ctx, tx, `SELECT r.merchant_id, r.id, r.order_id, r.goods_fen, r.shipping_fen, r.reason, r.actor_id, r.at, r.lines::text AS lines
		FROM unnest(?::uuid[], ?::uuid[]) AS x(m, o) JOIN order_refund r ON r.merchant_id = x.m AND r.order_id = x.o ORDER BY r.id`,
		postgres.Array(merchants), postgres.Array(orders))
	if err != nil {
		return nil, fmt.Errorf("read refunds: %w", err)
	}
	all := make([]Refund, len(rows))
	for i, r := range rows {
		all[i] = Refund{
			ID: id.From[Refund](r.ID), Order: id.From[Order](r.OrderID), Goods: money.Fen(r.GoodsFen), Shipping: money.Fen(r.ShippingFen),
			Reason: r.Reason, Actor: id.From[identity.Account](r.ActorID), At: r.At.UTC(),
		}
		if err := json.Unmarshal([]byte(r.Lines), &all[i].Lines); err != nil {
			return nil, fmt.Errorf("read the lines of refund %s: %w", r.ID, err)
		}
	}
	return all, nil
}

func merchantID(u uuid.UUID) merchant.ID      { return id.From[merchant.Merchant](u) }
func skuID(u uuid.UUID) catalog.SKUID         { return id.From[catalog.SKU](u) }
func productID(u uuid.UUID) catalog.ProductID { return id.From[catalog.Product](u) }
