package payment_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sandbox"
)

// request promises to give so much of a payment back.
func (s shop) request(t *testing.T, i payment.Intent, amount money.Fen) (rid payment.RefundID) {
	t.Helper()
	s.do(t, func(tx *postgres.Tx) (err error) {
		rid, err = payment.RequestRefund(t.Context(), tx, payment.Refund{Intent: i.ID, Buyer: i.Buyer, Amount: amount, Reason: "spoilt"})
		return err
	})
	return rid
}

// refused is a refund that failed, because somebody had given the payment back on
// the provider's own pages.
func (s shop) refused(t *testing.T) payment.RefundID {
	t.Helper()
	i := s.paid(t, 100, sandbox.Card)
	provider, err := gateway.NewSandbox(s.bank, s.bank.Secret())
	if err != nil {
		t.Fatal(err)
	}
	byHand := gateway.Refunding{Refund: id.New[payment.Refund](s.clock.Now()).UUID(), Buyer: i.Buyer, Payment: i.Payment, Amount: i.Amount}
	if _, err := provider.Refund(t.Context(), byHand); err != nil {
		t.Fatal(err)
	}
	rid := s.request(t, i, i.Amount)
	s.settled(t)
	return rid
}

func TestTheDatabaseLetsMoneyGoNoOtherWayThanTheProgramDoes(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	fresh, opened, succeeded, canceled, late := s.create(t, 100), s.open(t, s.create(t, 100)), s.paid(t, 100, ""), s.create(t, 100), s.open(t, s.create(t, 100))
	refunded := s.paid(t, 100, sandbox.Card)
	arrived := s.request(t, refunded, refunded.Amount)
	failed := s.refused(t)
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

// refundsIn are all refunds in a state, newest first.
func (s shop) refundsIn(t *testing.T, state gateway.RefundState) (all []payment.Refund) {
	t.Helper()
	for p := (page.Request{Limit: 2}); ; {
		got, err := postgres.Read(t.Context(), s.db, func(tx *postgres.Tx) (page.Of[payment.Refund], error) {
			return payment.RefundsIn(t.Context(), tx, state, p)
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, got.Data...)
		if p.Cursor = got.Next; p.Cursor == "" {
			return all
		}
	}
}

// retry begins a refund anew.
func (s shop) retry(t *testing.T, rid payment.RefundID) (failed, again payment.Refund, err error) {
	t.Helper()
	err = postgres.Do(t.Context(), s.db, func(tx *postgres.Tx) (err error) {
		failed, again, err = payment.RetryRefund(t.Context(), tx, rid)
		return err
	})
	return failed, again, err
}

func TestAFailedRefundCanBeTriedAnew(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.paid(t, 100, sandbox.Card)
	rid := s.request(t, i, 60)
	if _, _, err := s.retry(t, rid); !errors.Is(err, payment.ErrState) {
		t.Errorf("retry a pending refund: %v, want %v", err, payment.ErrState)
	}
	if _, err := pgtest.Owner(t, s.db).ExecContext(t.Context(), `UPDATE refund SET payment = 'pi_gone'`); err != nil {
		t.Fatal(err)
	}
	s.work(t)
	if got := s.refunds(t, i)[0]; got.State != gateway.RefundFailed || got.Failure == "" {
		t.Fatalf("refund: %+v, want it declined", got)
	}
	if _, err := pgtest.Owner(t, s.db).ExecContext(t.Context(), `UPDATE refund SET payment = $1`, i.Payment); err != nil {
		t.Fatal(err)
	}
	failed, again, err := s.retry(t, rid)
	if err != nil || failed.State != gateway.RefundFailed || failed.Failure == "" ||
		again.State != gateway.RefundPending || again.Failure != "" || again.Attempt != 1 || !again.SettledAt.IsZero() {
		t.Errorf("retried: from %+v to %+v, %v", failed, again, err)
	}
	s.settled(t)
	if got := s.refunds(t, i)[0]; got.State != gateway.RefundSucceeded || got.Attempt != 1 || got.Failure != "" {
		t.Errorf("refund: %+v, want it succeeded at the second attempt", got)
	}
	s.state(t, i, payment.StateSucceeded) // 40 fen are still with us
	if _, _, err := s.retry(t, rid); !errors.Is(err, payment.ErrState) {
		t.Errorf("retry what arrived: %v, want %v", err, payment.ErrState)
	}
	if _, _, err := s.retry(t, id.New[payment.Refund](s.clock.Now())); !errors.Is(err, payment.ErrNotFound) {
		t.Errorf("retry nothing: %v, want %v", err, payment.ErrNotFound)
	}
}

func TestARefundThatFailedIsRetriedOnceHoweverManyTry(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	rid := s.refused(t)
	done := pgtest.AtOnce(t, 10, func(int) error {
		_, _, err := s.retry(t, rid)
		return err
	}, payment.ErrState)
	if _, jobs, _ := s.jobs(t, payment.PerformRefund{}.Kind()); done != 1 || len(jobs) != 1 {
		t.Errorf("retried %d times with %d jobs, want once", done, len(jobs))
	}
}

func TestFailedRefundsAreCountedAndListedNewestFirst(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var want []payment.RefundID
	for range 5 {
		rid := s.refused(t)
		want = slices.Insert(want, 0, rid)
		s.clock.Advance(time.Second)
	}
	s.request(t, s.paid(t, 100, sandbox.Card), 1)
	var got []payment.RefundID
	for _, r := range s.refundsIn(t, gateway.RefundFailed) {
		got = append(got, r.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	n, err := postgres.Read(t.Context(), s.db, func(tx *postgres.Tx) (int64, error) { return payment.FailedRefunds(t.Context(), tx) })
	if n != 5 || err != nil {
		t.Errorf("%d have failed, %v, want 5", n, err)
	}
}
