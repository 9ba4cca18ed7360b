package tidings

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/carrier"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// foundRow is something that somebody is to be told of; each query gives what its notice
// names.
type foundRow struct {
	BuyerID, MerchantID, OrderID, ID uuid.UUID
	Fen, N                           int64
	Attempt, Line                    int
	OK                               bool
	Carrier, Number, Name, Day       string
	At                               time.Time
}

func (r foundRow) buyer() identity.ID { return id.From[identity.Account](r.BuyerID) }

// untold is the condition that the account has no notice with the key.
func untold(account, key string) string {
	return ` AND EXISTS (SELECT FROM account a WHERE a.id = ` + account + `)
		AND NOT EXISTS (SELECT FROM notice n WHERE n.account_id = ` + account + ` AND n.key = ` + key + `)`
}

// untoldSellers is the condition that somebody sells for the enterprise, and none of those
// who do has a notice with the key.
func untoldSellers(merchant, key string) string {
	return ` AND EXISTS (SELECT FROM role_grant g WHERE g.role = 'merchant' AND g.merchant_id = ` + merchant + `)
		AND NOT EXISTS (SELECT FROM role_grant g JOIN notice n ON n.account_id = g.account_id AND n.key = ` + key + `
			WHERE g.role = 'merchant' AND g.merchant_id = ` + merchant + `)`
}

// find gives what a query finds as events. The query knows @now, @recent, and the times that are given.
func find(ctx context.Context, tx *postgres.Tx, what, query string, limit int, times map[string]any, event func(foundRow) notice.Event) ([]notice.Event, error) {
	args := map[string]any{"now": tx.Now, "recent": tx.Now.Add(-recent), "limit": limit}
	for name, at := range times {
		args[name] = at
	}
	rows, err := postgres.Rows[foundRow](ctx, tx, query+" LIMIT @limit", args)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", what, err)
	}
	events := make([]notice.Event, len(rows))
	for i, r := range rows {
		events[i] = event(r)
	}
	return events, nil
}

// ofOrder joins the order of what is aliased x.
func ofOrder(x string) string {
	return ` JOIN orders o ON o.merchant_id = ` + x + `.merchant_id AND o.id = ` + x + `.order_id `
}

func shipped(ctx context.Context, tx *postgres.Tx, limit int) ([]notice.Event, error) {
	return find(ctx, tx, "parcels", `SELECT o.buyer_id, s.order_id, s.id, t.carrier, t.number FROM shipment s`+ofOrder("s")+`
		JOIN LATERAL (SELECT t.carrier, t.number FROM shipment_tracking t WHERE t.merchant_id = s.merchant_id AND t.shipment_id = s.id ORDER BY t.n DESC LIMIT 1) t ON true
		WHERE s.id > @since`+untold("o.buyer_id", "'order.shipped:' || s.id")+` ORDER BY s.id`, limit,
		map[string]any{"since": id.New[foundRow](tx.Now.Add(-recent))}, func(r foundRow) notice.Event {
			name := r.Carrier
			if c, ok := carrier.Of(r.Carrier); ok {
				name = c.NameZH + " / " + c.NameEN
			}
			return notice.OrderShipped(r.buyer(), r.OrderID, r.ID, name, r.Number)
		})
}

// onTheWay are orders whose last piece left in these times and that were not received.
const onTheWay = ` f.state IN ('shipped', 'delivered') AND f.goods_received_at IS NULL AND f.shipped_at > @from AND f.shipped_at <= @until`

func delivered(ctx context.Context, tx *postgres.Tx, limit int) ([]notice.Event, error) {
	return find(ctx, tx, "deliveries", `SELECT o.buyer_id, f.order_id, f.shipped_at AS at FROM fulfilment f`+ofOrder("f")+`
		WHERE f.state = 'delivered' AND`+onTheWay+untold("o.buyer_id", "'order.delivered:' || f.order_id")+` ORDER BY f.shipped_at`, limit,
		map[string]any{"from": tx.Now.Add(-fulfilment.ReceivedAfter), "until": tx.Now},
		func(r foundRow) notice.Event { return notice.OrderDelivered(r.buyer(), r.OrderID, counts(r.At)) })
}

func receivedSoon(ctx context.Context, tx *postgres.Tx, limit int) ([]notice.Event, error) {
	return find(ctx, tx, "receipts to come", `SELECT o.buyer_id, f.order_id, f.shipped_at AS at FROM fulfilment f`+ofOrder("f")+`
		WHERE`+onTheWay+untold("o.buyer_id", "'order.received_soon:' || f.order_id")+` ORDER BY f.shipped_at`, limit,
		map[string]any{"from": tx.Now.Add(-fulfilment.ReceivedAfter), "until": tx.Now.Add(beforeReceipt - fulfilment.ReceivedAfter)},
		func(r foundRow) notice.Event { return notice.OrderReceivedSoon(r.buyer(), r.OrderID, counts(r.At)) })
}

// received are orders whose goods were received, while they can be returned.
func received(ctx context.Context, tx *postgres.Tx, limit int) ([]notice.Event, error) {
	return find(ctx, tx, "receipts", `SELECT o.buyer_id, f.order_id, f.closes_at AS at FROM fulfilment f`+ofOrder("f")+`
		WHERE f.goods_received_at > @recent AND f.closed_at IS NULL AND f.closes_at > @now`+untold("o.buyer_id", "'order.received:' || f.order_id")+`
		ORDER BY f.goods_received_at`, limit, nil,
		func(r foundRow) notice.Event {
			return notice.OrderReceived(r.buyer(), r.OrderID, string(merchant.DateOf(r.At.Add(-time.Second))))
		})
}

// refunded are refunds that ended. What bought nothing, or was given back on the provider's
// own pages for several orders at once, is named by its checkout.
func refunded(ctx context.Context, tx *postgres.Tx, limit int) ([]notice.Event, error) {
	return find(ctx, tx, "refunds", `SELECT r.buyer_id, coalesce(b.order_id, r.intent_id) AS order_id, r.id, r.amount_fen AS fen, r.attempt, r.state = 'succeeded' AS ok
		FROM refund r LEFT JOIN order_refund b ON b.id = r.id
		WHERE r.settled_at > @recent`+untold("r.buyer_id", "'refund.' || r.state || ':' || r.id || ':' || r.attempt")+` ORDER BY r.settled_at`, limit, nil,
		func(r foundRow) notice.Event {
			return notice.Refunded(r.buyer(), r.OrderID, r.ID, r.Attempt, money.Fen(r.Fen), r.OK)
		})
}

func failedPayouts(ctx context.Context, tx *postgres.Tx, limit int) ([]notice.Event, error) {
	return find(ctx, tx, "failed payouts", `SELECT p.merchant_id, p.id, p.amount_fen AS fen, p.attempt FROM payout p
		WHERE p.settled_at > @recent AND p.state = 'failed'`+untoldSellers("p.merchant_id", "'payout.failed:' || p.id || ':' || p.attempt")+` ORDER BY p.settled_at`, limit, nil,
		func(r foundRow) notice.Event {
			return notice.PayoutFailed(r.MerchantID, r.ID, r.Attempt, money.Fen(r.Fen))
		})
}

func reversed(ctx context.Context, tx *postgres.Tx, limit int) ([]notice.Event, error) {
	return find(ctx, tx, "reversals", `SELECT r.merchant_id, r.order_id, r.id, r.amount_fen AS fen, r.state = 'succeeded' AS ok FROM payout_reversal r
		WHERE r.settled_at > @recent`+untoldSellers("r.merchant_id", "CASE r.state WHEN 'succeeded' THEN 'payout.reversed:' ELSE 'payout.deducted:' END || r.id")+`
		ORDER BY r.settled_at`, limit, nil,
		func(r foundRow) notice.Event {
			return notice.PayoutReversed(r.MerchantID, r.OrderID, r.ID, money.Fen(r.Fen), r.OK)
		})
}

// paidOut are the payouts of each enterprise on each day that is over.
func paidOut(ctx context.Context, tx *postgres.Tx, limit int) ([]notice.Event, error) {
	over := midnight(tx.Now.Add(-settles))
	return find(ctx, tx, "payouts", `SELECT * FROM (
			SELECT merchant_id, (settled_at AT TIME ZONE 'Asia/Shanghai')::date::text AS day, count(*) AS n, sum(amount_fen)::bigint AS fen FROM payout
			WHERE settled_at >= @from AND settled_at < @over AND state = 'paid' GROUP BY 1, 2
		) p WHERE true`+untoldSellers("p.merchant_id", "'payout.paid:' || p.merchant_id || ':' || p.day")+` ORDER BY p.day, p.merchant_id`, limit,
		map[string]any{"from": over.Add(-recent), "over": over},
		func(r foundRow) notice.Event { return notice.PaidOut(r.MerchantID, r.Day, r.N, money.Fen(r.Fen)) })
}

// toShip counts, by day, what each enterprise has promised to ship by the end of this day.
func toShip(ctx context.Context, tx *postgres.Tx, limit int) ([]notice.Event, error) {
	today := midnight(tx.Now)
	if since := tx.Now.Sub(today); since < morning || since >= evening {
		return nil, nil
	}
	day := string(merchant.DateOf(tx.Now))
	return find(ctx, tx, "orders to ship", `SELECT * FROM (
			SELECT o.merchant_id, count(DISTINCT o.id) AS n FROM orders o LEFT JOIN fulfilment f ON f.merchant_id = o.merchant_id AND f.order_id = o.id
			JOIN line_course c ON c.merchant_id = o.merchant_id AND c.order_id = o.id
			WHERE o.state = 'paid' AND (f.state IS NULL OR f.state IN ('unfulfilled', 'packed', 'partly_shipped')) AND c.unshipped > 0
				AND c.ship_by >= @from AND c.ship_by <= @until GROUP BY o.merchant_id
		) m WHERE true`+untoldSellers("m.merchant_id", "'order.to_ship:' || m.merchant_id || ':' || @day")+` ORDER BY m.merchant_id`, limit,
		map[string]any{"from": tx.Now.Add(-overdue), "until": today.AddDate(0, 0, 1), "day": day},
		func(r foundRow) notice.Event { return notice.OrderToShip(r.MerchantID, day, r.N) })
}

// expiring are the unused vouchers of lines of orders whose last day is near.
func expiring(ctx context.Context, tx *postgres.Tx, limit int) ([]notice.Event, error) {
	return find(ctx, tx, "vouchers", `SELECT * FROM (
			SELECT buyer_id, order_id, line, min(name) AS name, valid_until::text AS day, count(*) AS n FROM voucher
			WHERE state = 'issued' AND valid_until >= CAST(@today AS date) AND valid_until <= CAST(@until AS date) GROUP BY buyer_id, order_id, line, valid_until
		) v WHERE true`+untold("v.buyer_id", "'voucher.expiring:' || v.order_id || ':' || v.line")+` ORDER BY v.day, v.order_id, v.line`, limit,
		map[string]any{"today": string(merchant.DateOf(tx.Now)), "until": string(merchant.DateOf(tx.Now.Add(beforeExpiry)))},
		func(r foundRow) notice.Event {
			return notice.VoucherExpiring(r.buyer(), r.OrderID, r.Line, r.Name, r.Day, r.N)
		})
}
