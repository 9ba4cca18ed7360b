package payment_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sandbox"
)

// request promises to give a whole payment back.
func (s shop) request(t *testing.T, i payment.Intent) (rid payment.RefundID) {
	t.Helper()
	s.do(t, func(tx *postgres.Tx) (err error) {
		rid, err = payment.RequestRefund(t.Context(), tx, payment.Refund{Intent: i.ID, Buyer: i.Buyer, Amount: i.Amount, Reason: "spoilt"})
		return err
	})
	return rid
}

// refused is a payment that somebody gave back on the provider's own pages, so
// that our refund of it failed.
func (s shop) refused(t *testing.T) (payment.Intent, payment.RefundID) {
	t.Helper()
	i := s.paid(t, 100, sandbox.Card)
	gateway, err := payment.NewSandbox(s.bank, s.bank.Secret())
	if err != nil {
		t.Fatal(err)
	}
	byHand := payment.Refunding{Refund: id.New[payment.Refund](s.clock.Now()), Buyer: i.Buyer, Payment: i.Payment, Amount: i.Amount}
	if _, err := gateway.Refund(t.Context(), byHand); err != nil {
		t.Fatal(err)
	}
	rid := s.request(t, i)
	s.settled(t)
	return i, rid
}

func TestTheDatabaseLetsMoneyGoNoOtherWayThanTheProgramDoes(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	fresh, opened, succeeded, canceled, late := s.create(t, 100), s.open(t, s.create(t, 100)), s.paid(t, 100, ""), s.create(t, 100), s.open(t, s.create(t, 100))
	refunded := s.paid(t, 100, sandbox.Card)
	arrived := s.request(t, refunded)
	_, failed := s.refused(t)
	if _, err := s.bank.Pay(late.Session, ""); err != nil {
		t.Fatal(err)
	}
	for _, i := range []payment.Intent{canceled, late} {
		s.do(t, func(tx *postgres.Tx) error { return payment.Cancel(t.Context(), tx, i.Buyer, i.ID) })
	}
	s.flush(t)
	s.work(t)
	pending := s.refunds(t, late)[0].ID

	pgtest.Moves(t, s.db, "payment_intent", `state = $1::text, session = 'cs', pay_url = 'http://pay.test/',
		payment = CASE WHEN $1 IN ('succeeded', 'refunding', 'refunded') THEN 'pi' ELSE '' END,
		settled_at = CASE WHEN $1 NOT IN ('new', 'opened') THEN now() END`, map[string]uuid.UUID{
		"new": fresh.ID.UUID(), "opened": opened.ID.UUID(), "succeeded": succeeded.ID.UUID(), "canceled": canceled.ID.UUID(),
		"refunding": late.ID.UUID(), "refunded": refunded.ID.UUID(),
	}, "new>opened", "new>succeeded", "new>canceled", "opened>succeeded", "opened>canceled", "succeeded>refunded", "canceled>refunding",
		"refunding>refunded", "refunded>succeeded", "refunded>refunding")
	pgtest.Moves(t, s.db, "refund", `state = $1::text, settled_at = CASE WHEN $1 <> 'pending' THEN now() END`, map[string]uuid.UUID{
		"pending": pending.UUID(), "succeeded": arrived.UUID(), "failed": failed.UUID(),
	}, "pending>succeeded", "pending>failed", "succeeded>failed", "failed>pending")
	s.settled(t)
}
