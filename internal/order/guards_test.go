package order_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/request"
)

func TestTheDatabaseLetsNothingLeaveItsEnd(t *testing.T) {
	t.Parallel()
	s := newShop(t, 10)
	expired := s.place(t, "ann", of("flour", 1))
	s.later(order.Hold)
	if n, err := s.orders.ExpireDue(t.Context(), 10); n != 1 || err != nil {
		t.Fatalf("expired %d, %v", n, err)
	}
	placed, paid, returned, canceled := s.place(t, "ann", of("flour", 1)), s.place(t, "ann", of("flour", 1)), s.place(t, "ann", of("flour", 1)), s.place(t, "ann", of("flour", 1))
	s.pay(t, paid)
	s.pay(t, returned)
	if _, err := s.orders.Cancel(t.Context(), buyer("ann"), canceled.ID, request.Claim{}, nil); err != nil {
		t.Fatal(err)
	}
	o := returned.Orders[0]
	_, err := s.returns.Refund(t.Context(), identity.Caller{Account: operator}, o.ID,
		order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Shipping: o.Shipping, Reason: "damaged"}, request.Claim{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.perform(t)

	pgtest.Moves(t, s.db, "checkout", `state = $1::text, paid_at = CASE WHEN $1 = 'paid' THEN now() END,
		closed_at = CASE WHEN $1 IN ('expired', 'canceled') THEN now() END`, map[string]uuid.UUID{
		"placed": placed.ID.UUID(), "paid": paid.ID.UUID(), "expired": expired.ID.UUID(), "canceled": canceled.ID.UUID(),
	}, "placed>paid", "placed>expired", "placed>canceled")
	pgtest.Moves(t, s.db, "orders", `state = $1::text, paid_at = CASE WHEN $1 IN ('paid', 'refunded') THEN now() END`, map[string]uuid.UUID{
		"placed": placed.Orders[0].ID.UUID(), "paid": paid.Orders[0].ID.UUID(), "refunded": o.ID.UUID(),
		"expired": expired.Orders[0].ID.UUID(), "canceled": canceled.Orders[0].ID.UUID(),
	}, "placed>paid", "placed>expired", "placed>canceled", "paid>refunded")
}
