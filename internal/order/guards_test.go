package order_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

func TestTheDatabaseLetsNothingLeaveItsEnd(t *testing.T) {
	t.Parallel()
	s := newShop(t, 10)
	expired := s.Place(t, "ann", of("flour", 1))
	s.Clock.Advance(order.Hold)
	if n, err := s.Orders.ExpireDue(t.Context(), 10); n != 1 || err != nil {
		t.Fatalf("expired %d, %v", n, err)
	}
	placed, paid, returned, canceled := s.Place(t, "ann", of("flour", 1)), s.Place(t, "ann", of("flour", 1)), s.Place(t, "ann", of("flour", 1)), s.Place(t, "ann", of("flour", 1))
	s.Pay(t, paid.PayURL)
	s.Pay(t, returned.PayURL)
	if _, err := s.Orders.Cancel(t.Context(), buyer("ann"), canceled.ID, request.Claim{}, nil); err != nil {
		t.Fatal(err)
	}
	o := returned.Orders[0]
	_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, o.ID,
		order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Shipping: o.Shipping, Reason: "damaged"}, request.Claim{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Perform(t)

	pgtest.Moves(t, s.DB, "checkout", `state = $1::text, paid_at = CASE WHEN $1 = 'paid' THEN now() END,
		closed_at = CASE WHEN $1 IN ('expired', 'canceled') THEN now() END`, map[string]uuid.UUID{
		"placed": placed.ID.UUID(), "paid": paid.ID.UUID(), "expired": expired.ID.UUID(), "canceled": canceled.ID.UUID(),
	}, "placed>paid", "placed>expired", "placed>canceled")
	pgtest.Moves(t, s.DB, "orders", `state = $1::text, paid_at = CASE WHEN $1 IN ('paid', 'refunded') THEN now() END`, map[string]uuid.UUID{
		"placed": placed.Orders[0].ID.UUID(), "paid": paid.Orders[0].ID.UUID(), "refunded": o.ID.UUID(),
		"expired": expired.Orders[0].ID.UUID(), "canceled": canceled.Orders[0].ID.UUID(),
	}, "placed>paid", "placed>expired", "placed>canceled", "paid>refunded")
}

func TestTheDatabaseLetsNothingBeginAtItsEnd(t *testing.T) {
	t.Parallel()
	s := newShop(t, 10)
	s.Pay(t, s.Place(t, "ann", of("flour", 1)).PayURL)
	for constraint, statement := range map[string]string{
		"checkout_state_begins": `INSERT INTO checkout SELECT gen_random_uuid(), gen_random_uuid(), state, merchants, goods_fen, shipping_fen, NULL, ship_to,
			adult_declared_at, waiver_at, placed_at, expires_at, paid_at, closed_at FROM checkout`,
		"orders_state_begins": `INSERT INTO orders SELECT merchant_id, gen_random_uuid(), gen_random_uuid(), buyer_id, merchant, state, goods_fen, shipping_fen,
			placed_at, paid_at, 0 FROM orders`,
		"payment_intent_state_begins": `INSERT INTO payment_intent SELECT gen_random_uuid(), id, amount_fen, promised_fen, state, provider, session, payment, pay_url,
			created_at, expires_at, settled_at FROM payment_intent`,
		"refund_state_begins": `INSERT INTO refund (buyer_id, id, intent_id, amount_fen, reason, state, late, provider, payment, created_at, settled_at)
			SELECT buyer_id, gen_random_uuid(), id, 1, 'x', 'succeeded', false, provider, payment, now(), now() FROM payment_intent`,
	} {
		if _, err := s.DB.SQL().ExecContext(t.Context(), statement); !postgres.Violates(err, constraint) {
			t.Errorf("%s: %v, want a refusal", constraint, err)
		}
	}
}

func TestALineAndARefundAreOfAnOrderThatIsThere(t *testing.T) {
	t.Parallel()
	s := newShop(t, 10)
	c := s.Place(t, "ann", of("flour", 1))
	insert := func(statement string, o uuid.UUID) error {
		_, err := s.DB.SQL().ExecContext(t.Context(), statement, miller.UUID(), o)
		return err
	}
	for constraint, statement := range map[string]string{
		"order_line_order_fkey": `INSERT INTO order_line (merchant_id, order_id, n, sku_id, product_id, code, name, spec, unit, return_rule, quantity, price_fen, total_fen)
			VALUES ($1, $2, 2, gen_random_uuid(), gen_random_uuid(), 'x', 'x', 'x', 'x', 'x', 1, 1, 1)`,
		"order_refund_order_fkey": `INSERT INTO order_refund (merchant_id, id, order_id, goods_fen, shipping_fen, reason, actor_id, at, lines)
			VALUES ($1, gen_random_uuid(), $2, 1, 0, 'x', gen_random_uuid(), now(), '[]')`,
	} {
		if err := insert(statement, uuid.Max); !postgres.Violates(err, constraint) {
			t.Errorf("of no order: %v, want a violation of %s", err, constraint)
		}
		if err := insert(statement, c.Orders[0].ID.UUID()); err != nil {
			t.Errorf("of an order: %v", err)
		}
	}
}
