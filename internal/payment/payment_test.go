package payment_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sandbox"
)

// line is the wire to the provider, which a test can cut.
type line struct {
	http.RoundTripper
	cut atomic.Bool
}

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.cut.Load() {
		return nil, io.ErrUnexpectedEOF
	}
	return l.RoundTripper.RoundTrip(r)
}

var buyer = uuid.MustParse("0190b9d4-1111-7000-8000-000000000001")

// mark is our shop's, on an account that others share.
const mark = "shop.test/log"

// shop is the service with all that a test moves: clock, provider, wire.
type shop struct {
	db       *postgres.DB
	clock    *pgtest.Clock
	bank     *sandbox.Sandbox
	wire     *line
	payments *payment.Service
}

func newShop(t *testing.T) shop {
	t.Helper()
	clock := pgtest.NewClock(pgtest.Noon)
	db := pgtest.NewAt(t, clock.Now)
	bank, err := sandbox.Open(sandbox.Config{PageURL: "http://shop.test/sandbox/pay/", Clock: clock.Now}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	wire := &line{RoundTripper: bank}
	provider, err := gateway.NewSandbox(wire, bank.Secret())
	if err != nil {
		t.Fatal(err)
	}
	names := payment.Shop{Name: "什一 Shiyi", SuccessURL: "http://shop.test/checkouts/{checkout}", CancelURL: "http://shop.test/cart", Mark: mark}
	return shop{db, clock, bank, wire, payment.New(db, provider, names)}
}

func (s shop) do(t *testing.T, f func(tx *postgres.Tx) error) {
	t.Helper()
	if err := postgres.Do(t.Context(), s.db, f); err != nil {
		t.Fatal(err)
	}
}

// create makes an intent as a checkout does.
func (s shop) create(t *testing.T, amount money.Fen) payment.Intent {
	t.Helper()
	i := payment.Intent{ID: id.New[payment.Intent](s.clock.Now()), Buyer: buyer, Amount: amount, State: payment.StateNew, ExpiresAt: s.clock.Now().Add(30 * time.Minute)}
	s.do(t, func(tx *postgres.Tx) error { return payment.Create(t.Context(), tx, i) })
	return s.read(t, i)
}

// open gives an intent its page.
func (s shop) open(t *testing.T, i payment.Intent) payment.Intent {
	t.Helper()
	o, err := s.payments.Open(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, func(tx *postgres.Tx) error { return payment.MarkOpened(t.Context(), tx, i.Buyer, i.ID, o) })
	return s.read(t, i)
}

// paid is an intent that was paid and captured.
func (s shop) paid(t *testing.T, amount money.Fen, method string) payment.Intent {
	t.Helper()
	i := s.open(t, s.create(t, amount))
	if _, err := s.bank.Pay(i.Session, method); err != nil {
		t.Fatal(err)
	}
	s.flush(t)
	s.work(t)
	return s.state(t, i, payment.StateSucceeded)
}

func (s shop) read(t *testing.T, i payment.Intent) payment.Intent {
	t.Helper()
	got, err := s.payments.Intent(t.Context(), i.Buyer, i.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (s shop) state(t *testing.T, i payment.Intent, want payment.State) payment.Intent {
	t.Helper()
	got := s.read(t, i)
	if got.State != want {
		t.Fatalf("the payment is %s, want %s", got.State, want)
	}
	return got
}

// flush delivers what the provider has to tell.
func (s shop) flush(t *testing.T) {
	t.Helper()
	if err := s.bank.Flush(t.Context(), s.payments.Receive); err != nil {
		t.Fatal(err)
	}
}

// capture is what a sale does with a paid event, without the sale.
func (s shop) capture(ctx context.Context, eventID string) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		e, claimed, err := payment.Claim(ctx, tx, eventID)
		if err != nil || !claimed {
			return err
		}
		err = payment.Succeed(ctx, tx, e)
		switch {
		case errors.Is(err, payment.ErrPaid):
			return nil
		case errors.Is(err, payment.ErrLate), errors.Is(err, payment.ErrAmount):
			return payment.GiveBack(ctx, tx, e)
		}
		return err
	})
}

// jobs are the queued jobs of a kind that were not worked, as JSON, and takes them off the queue.
func (s shop) jobs(t *testing.T, kind string) (events []string, refunds []payment.PerformRefund, closes []payment.Close) {
	t.Helper()
	rows, err := s.db.SQL().QueryContext(t.Context(),
		`DELETE FROM river_job WHERE kind = $1 RETURNING coalesce(args->>'event', ''), coalesce(args->>'buyer', ''), coalesce(args->>'refund', ''), coalesce(args->>'intent', '')`, kind)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var event, by, refund, intent string
		if err := rows.Scan(&event, &by, &refund, &intent); err != nil {
			t.Fatal(err)
		}
		switch {
		case event != "":
			events = append(events, event)
		case refund != "":
			rid, err := id.Parse[payment.Refund](refund)
			if err != nil {
				t.Fatal(err)
			}
			refunds = append(refunds, payment.PerformRefund{Buyer: uuid.MustParse(by), Refund: rid})
		default:
			iid, err := id.Parse[payment.Intent](intent)
			if err != nil {
				t.Fatal(err)
			}
			closes = append(closes, payment.Close{Buyer: uuid.MustParse(by), Intent: iid})
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return events, refunds, closes
}

// work does all queued jobs, as the worker would, and returns how many they were.
func (s shop) work(t *testing.T) int {
	t.Helper()
	ctx := t.Context()
	paid, _, _ := s.jobs(t, payment.Received{}.Kind())
	moved, _, _ := s.jobs(t, payment.RefundMoved{}.Kind())
	_, refunds, _ := s.jobs(t, payment.PerformRefund{}.Kind())
	_, _, closes := s.jobs(t, payment.Close{}.Kind())
	var errs []error
	for _, e := range paid {
		errs = append(errs, s.capture(ctx, e))
	}
	for _, e := range moved {
		errs = append(errs, s.payments.SettleRefund(ctx, e))
	}
	for _, j := range refunds {
		errs = append(errs, s.payments.PerformRefund(ctx, j.Buyer, j.Refund))
	}
	for _, j := range closes {
		errs = append(errs, s.payments.Close(ctx, j.Buyer, j.Intent))
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return len(errs)
}

// settled works until nothing is left to do.
func (s shop) settled(t *testing.T) {
	t.Helper()
	for range 10 {
		s.flush(t)
		if s.work(t) == 0 {
			return
		}
	}
	t.Fatal("there is always something left to do")
}

// refunds are those of an intent, the oldest first.
func (s shop) refunds(t *testing.T, i payment.Intent) []payment.Refund {
	t.Helper()
	var all []payment.Refund
	for _, state := range []gateway.RefundState{gateway.RefundPending, gateway.RefundSucceeded, gateway.RefundFailed} {
		for _, r := range s.refundsIn(t, state) {
			if r.Intent == i.ID {
				all = append(all, r)
			}
		}
	}
	slices.SortFunc(all, func(a, b payment.Refund) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return all
}

func TestAPaymentGoesFromNewToSucceeded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.create(t, 29760)
	if i.State != payment.StateNew || i.PayURL != "" || !i.CreatedAt.Equal(pgtest.Noon) {
		t.Errorf("created: %+v", i)
	}
	i = s.open(t, i)
	if i.State != payment.StateOpened || i.PayURL != "http://shop.test/sandbox/pay/"+i.Session || i.Provider != "sandbox" {
		t.Errorf("opened: %+v", i)
	}
	if _, err := s.bank.Pay(i.Session, sandbox.Alipay); err != nil {
		t.Fatal(err)
	}
	s.flush(t)
	s.state(t, i, payment.StateOpened) // received is not yet captured
	s.work(t)
	i = s.state(t, i, payment.StateSucceeded)
	if i.Payment == "" || !i.SettledAt.Equal(pgtest.Noon) {
		t.Errorf("succeeded: %+v", i)
	}
	var all map[payment.ID]payment.Intent
	s.do(t, func(tx *postgres.Tx) (err error) {
		all, err = payment.Intents(t.Context(), tx, buyer, []payment.ID{i.ID, id.New[payment.Intent](pgtest.Noon)})
		return err
	})
	if len(all) != 1 || all[i.ID] != i {
		t.Errorf("intents: %+v, want %+v alone", all, i)
	}
	if _, err := s.payments.Intent(t.Context(), uuid.Max, i.ID); !errors.Is(err, payment.ErrNotFound) {
		t.Errorf("another buyer's: %v, want %v", err, payment.ErrNotFound)
	}
}

func TestTheSameWebhookManyTimesAtOnceIsOnePayment(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.open(t, s.create(t, 100))
	event, err := s.bank.Pay(i.Session, "")
	if err != nil {
		t.Fatal(err)
	}
	err = s.bank.Send(t.Context(), event, func(ctx context.Context, body []byte, signature string) error {
		var wg sync.WaitGroup
		errs := make([]error, 10)
		for n := range errs {
			wg.Go(func() { errs[n] = s.payments.Receive(ctx, body, signature) })
		}
		wg.Wait()
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	events, _, _ := s.jobs(t, payment.Received{}.Kind())
	if len(events) != 1 {
		t.Errorf("%d jobs, want 1", len(events))
	}
	var succeeded atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			err := postgres.Do(t.Context(), s.db, func(tx *postgres.Tx) error {
				e, claimed, err := payment.Claim(t.Context(), tx, event)
				if err != nil || !claimed {
					return err
				}
				succeeded.Add(1)
				return payment.Succeed(t.Context(), tx, e)
			})
			if err != nil {
				t.Errorf("capture: %v", err)
			}
		})
	}
	wg.Wait()
	if succeeded.Load() != 1 {
		t.Errorf("captured %d times, want once", succeeded.Load())
	}
	s.state(t, i, payment.StateSucceeded)
}

func TestReceivingAWebhookTakesFewStatements(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.paid(t, 100, "") // the queue looks at the server once
	i := s.open(t, s.create(t, 100))
	if _, err := s.bank.Pay(i.Session, ""); err != nil {
		t.Fatal(err)
	}
	before := s.db.Statements()
	s.flush(t)
	// BEGIN, the event, the job, COMMIT; at most every 100 ms the queue is notified.
	if got := s.db.Statements() - before; got > 5 {
		t.Errorf("%d statements, want at most 5", got)
	}
}

func TestForgedAndStaleWebhooksLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.open(t, s.create(t, 100))
	if _, err := s.bank.Pay(i.Session, ""); err != nil {
		t.Fatal(err)
	}
	err := s.bank.Flush(t.Context(), func(ctx context.Context, body []byte, signature string) error {
		now := s.clock.Now()
		for name, header := range map[string]string{
			"forged": sandbox.Sign(body, "whsec_guess", now), "unsigned": "", "too old": sandbox.Sign(body, s.bank.Secret(), now.Add(-301*time.Second)),
			"too far ahead": sandbox.Sign(body, s.bank.Secret(), now.Add(301*time.Second)),
		} {
			if err := s.payments.Receive(ctx, body, header); !errors.Is(err, gateway.ErrSignature) {
				t.Errorf("%s: %v, want %v", name, err, gateway.ErrSignature)
			}
		}
		var n int
		if err := s.db.SQL().QueryRowContext(ctx, `SELECT (SELECT count(*) FROM payment_event) + (SELECT count(*) FROM river_job)`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows are left, %v, want none", n, err)
		}
		return s.payments.Receive(ctx, body, signature)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatAnotherProgramSellsOnTheSameAccountIsNoneOfOurConcern(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.open(t, s.create(t, 100))
	tests := []struct {
		name, metadata string
		ours           bool
	}{
		{"ours", fmt.Sprintf(`{"shop":%q,"buyer":%q,"refund":%q,"attempt":"0"}`, mark, buyer, i.ID), true},
		{"of another shop", fmt.Sprintf(`{"shop":"other.test/log","buyer":%q,"refund":%q,"attempt":"0"}`, buyer, i.ID), false},
		{"without a mark", fmt.Sprintf(`{"buyer":%q,"refund":%q,"attempt":"0"}`, buyer, i.ID), false},
		{"with nothing on it", `null`, false},
	}
	for n, tt := range tests {
		for kind, more := range map[string]string{
			"checkout.session.completed": fmt.Sprintf(`"client_reference_id":%q,"amount_total":100,"payment_intent":"pi_1","payment_status":"paid"`, i.ID),
			"charge.refund.updated":      `"amount":100,"status":"succeeded"`,
		} {
			body := fmt.Appendf(nil, `{"id":"evt_%d_%s","api_version":"2023-10-16","created":1795752000,"type":%q,"data":{"object":
				{"id":"x_1","currency":"cny",%s,"metadata":%s}}}`, n, kind, kind, more, tt.metadata)
			if err := s.payments.Receive(t.Context(), body, sandbox.Sign(body, s.bank.Secret(), s.clock.Now())); err != nil {
				t.Fatalf("%s %s: %v", kind, tt.name, err)
			}
			paid, _, _ := s.jobs(t, payment.Received{}.Kind())
			moved, _, _ := s.jobs(t, payment.RefundMoved{}.Kind())
			if got := len(paid)+len(moved) == 1; got != tt.ours {
				t.Errorf("%s %s: it is worked on: %t, want %t", kind, tt.name, got, tt.ours)
			}
		}
	}
	waiting, err := s.payments.Waiting(t.Context(), time.Hour, -time.Hour, 10)
	if err != nil || len(waiting) != 1 {
		t.Errorf("%d payments wait to be captured, %v, want ours alone", len(waiting), err)
	}
}

func TestOldWebhooksLoseTheirBodiesWhenTheirEffectWasHad(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var waiting string
	for n := range 5 {
		i := s.open(t, s.create(t, 100))
		event, err := s.bank.Pay(i.Session, "")
		if err != nil {
			t.Fatal(err)
		}
		s.flush(t)
		if n == 0 {
			waiting = event // nobody captures it
			s.jobs(t, payment.Received{}.Kind())
		}
		s.work(t)
	}
	s.clock.Advance(payment.KeptBody)
	s.paid(t, 100, "") // of today
	s.clock.Advance(time.Second)
	forget := func(limit int) (n int) {
		t.Helper()
		s.do(t, func(tx *postgres.Tx) (err error) {
			n, err = payment.ForgetBodies(t.Context(), tx, limit)
			return err
		})
		return n
	}
	if got := []int{forget(3), forget(3), forget(3)}; !slices.Equal(got, []int{3, 1, 0}) {
		t.Errorf("emptied %v, want 3, 1 and none", got)
	}
	var rows, whole int
	var kept bool
	err := s.db.SQL().QueryRowContext(t.Context(), `SELECT count(*), count(*) FILTER (WHERE body <> ''), bool_or(id = $1 AND body <> '') FROM payment_event`, waiting).
		Scan(&rows, &whole, &kept)
	if err != nil || rows != 6 || whole != 2 || !kept {
		t.Errorf("%d of %d events are whole, the one that waits among them: %t, %v; want 2 of 6, and it", whole, rows, kept, err)
	}
}

func TestAnotherAmountIsGivenBackAndBuysNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.open(t, s.create(t, 100))
	if _, err := s.bank.Pay(i.Session, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := pgtest.Owner(t, s.db).ExecContext(t.Context(), `UPDATE payment_intent SET amount_fen = 101`); err != nil {
		t.Fatal(err)
	}
	s.settled(t)
	s.state(t, i, payment.StateOpened)
	if got := s.refunds(t, i); len(got) != 1 || got[0].Amount != 100 || !got[0].Late || got[0].State != gateway.RefundSucceeded {
		t.Errorf("refunds: %+v, want one of 100 fen that arrived", got)
	}
}

func TestALatePaymentGoesBackByItself(t *testing.T) {
	t.Parallel()
	for _, method := range []string{sandbox.Card, sandbox.WeChat} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			i := s.open(t, s.create(t, 100))
			event, err := s.bank.Pay(i.Session, method)
			if err != nil {
				t.Fatal(err)
			}
			s.do(t, func(tx *postgres.Tx) error { return payment.Cancel(t.Context(), tx, i.Buyer, i.ID) })
			if err := s.bank.Send(t.Context(), event, s.payments.Receive); err != nil {
				t.Fatal(err)
			}
			if err := s.capture(t.Context(), event); err != nil {
				t.Fatal(err)
			}
			s.state(t, i, payment.StateRefunding)
			s.settled(t)
			s.state(t, i, payment.StateRefunded)
			got := s.refunds(t, i)
			if len(got) != 1 || got[0].Amount != 100 || !got[0].Late || got[0].State != gateway.RefundSucceeded || got[0].Ref == "" {
				t.Errorf("refunds: %+v, want one of 100 fen that arrived", got)
			}
		})
	}
}

func TestGivingBackTwiceIsGivingBackOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.paid(t, 100, sandbox.Card)
	second := gateway.Event{
		ID: "evt_2", Kind: gateway.Paid, Provider: "sandbox", Intent: i.ID.UUID(), Buyer: i.Buyer, Session: "cs_2", Payment: "pi_2", Amount: 100, Currency: gateway.Currency,
	}
	again := second
	again.Payment = i.Payment
	s.do(t, func(tx *postgres.Tx) error {
		if err := payment.Succeed(t.Context(), tx, again); !errors.Is(err, payment.ErrPaid) {
			t.Errorf("the same payment told by another event: %v, want %v", err, payment.ErrPaid)
		}
		if err := payment.Succeed(t.Context(), tx, second); !errors.Is(err, payment.ErrLate) {
			t.Errorf("a second payment: %v, want %v", err, payment.ErrLate)
		}
		return errors.Join(payment.GiveBack(t.Context(), tx, second), payment.GiveBack(t.Context(), tx, second))
	})
	if _, jobs, _ := s.jobs(t, payment.PerformRefund{}.Kind()); len(jobs) != 1 {
		t.Errorf("%d refunds are under way, want 1", len(jobs))
	}
	if got := s.refunds(t, i); len(got) != 1 || got[0].Payment != "pi_2" {
		t.Errorf("refunds: %+v, want one of pi_2", got)
	}
	s.state(t, i, payment.StateSucceeded)
}

func TestEventsInTheWrongOrderEndTheSame(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.paid(t, 100, sandbox.WeChat)
	s.do(t, func(tx *postgres.Tx) error {
		_, err := payment.RequestRefund(t.Context(), tx, payment.Refund{Intent: i.ID, Buyer: i.Buyer, Amount: 100, Reason: "spoilt"})
		return err
	})
	_, refunds, _ := s.jobs(t, payment.PerformRefund{}.Kind())
	if err := s.payments.PerformRefund(t.Context(), refunds[0].Buyer, refunds[0].Refund); err != nil {
		t.Fatal(err)
	}
	// What the provider says at last comes first, and then what it said before.
	body := func(event, status string) []byte {
		return fmt.Appendf(nil, `{"id":%q,"api_version":"2023-10-16","created":1795752000,"type":"charge.refund.updated","data":{"object":
			{"id":%q,"amount":100,"currency":"cny","status":%q,"metadata":{"shop":%q,"buyer":%q,"refund":%q,"attempt":"0"}}}}`,
			event, s.refunds(t, i)[0].Ref, status, mark, buyer, refunds[0].Refund)
	}
	for n, status := range []string{"succeeded", "pending", "succeeded"} {
		b := body(fmt.Sprintf("evt_%d", n), status)
		if err := s.payments.Receive(t.Context(), b, sandbox.Sign(b, s.bank.Secret(), s.clock.Now())); err != nil {
			t.Fatal(err)
		}
		s.work(t)
		s.state(t, i, payment.StateRefunded)
	}
	expired := fmt.Appendf(nil, `{"id":"evt_x","api_version":"2023-10-16","created":1795752000,"type":"checkout.session.expired","data":{"object":
		{"id":%q,"client_reference_id":%q,"amount_total":100,"currency":"cny","metadata":{"shop":%q,"buyer":%q}}}}`, i.Session, i.ID, mark, buyer)
	if err := s.payments.Receive(t.Context(), expired, sandbox.Sign(expired, s.bank.Secret(), s.clock.Now())); err != nil {
		t.Fatal(err)
	}
	s.settled(t)
	s.state(t, i, payment.StateRefunded)
	// A bank may send the money back after all: that is the end, whatever comes later.
	for n, status := range []string{"failed", "succeeded"} {
		b := body(fmt.Sprintf("evt_f%d", n), status)
		if err := s.payments.Receive(t.Context(), b, sandbox.Sign(b, s.bank.Secret(), s.clock.Now())); err != nil {
			t.Fatal(err)
		}
		s.work(t)
		if got := s.refunds(t, i)[0]; got.State != gateway.RefundFailed || got.Failure == "" {
			t.Errorf("after %s: %+v, want it failed", status, got)
		}
	}
	s.state(t, i, payment.StateSucceeded)
}

func TestRefundsAreBoundedByWhatWasPaid(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.create(t, 100)
	request := func(amount money.Fen) error {
		return postgres.Do(t.Context(), s.db, func(tx *postgres.Tx) error {
			_, err := payment.RequestRefund(t.Context(), tx, payment.Refund{Intent: i.ID, Buyer: i.Buyer, Amount: amount, Reason: "because"})
			return err
		})
	}
	if err := request(1); !errors.Is(err, payment.ErrState) {
		t.Errorf("before it is paid: %v, want %v", err, payment.ErrState)
	}
	i = s.paid(t, 100, sandbox.Card)
	for _, amount := range []money.Fen{0, -1, 101, money.Max} {
		if err := request(amount); !errors.Is(err, payment.ErrRefundLimit) {
			t.Errorf("%d fen: %v, want %v", amount, err, payment.ErrRefundLimit)
		}
	}
	var wg sync.WaitGroup
	var done atomic.Int64
	for range 15 {
		wg.Go(func() {
			switch err := request(10); {
			case err == nil:
				done.Add(1)
			case !errors.Is(err, payment.ErrRefundLimit):
				t.Errorf("refund: %v", err)
			}
		})
	}
	wg.Wait()
	if done.Load() != 10 {
		t.Errorf("%d refunds of 10 fen were promised of 100, want 10", done.Load())
	}
	s.settled(t)
	s.state(t, i, payment.StateRefunded)
}

func TestWhatTheRequestLeftUnopenedIsOpenedLater(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.create(t, 100)
	s.wire.cut.Store(true)
	if _, err := s.payments.Open(t.Context(), i); !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("open without a wire: %v, want %v", err, gateway.ErrUnavailable)
	}
	s.clock.Advance(time.Minute)
	if n, err := s.payments.OpenForgotten(t.Context(), time.Second, 10); n != 0 || !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("sweep without a wire: %d, %v", n, err)
	}
	s.wire.cut.Store(false)
	young := s.create(t, 200)
	if n, err := s.payments.OpenForgotten(t.Context(), 30*time.Second, 10); n != 1 || err != nil {
		t.Errorf("sweep: %d, %v, want 1", n, err)
	}
	s.state(t, i, payment.StateOpened)
	s.state(t, young, payment.StateNew)
	s.clock.Advance(time.Hour)
	if n, err := s.payments.OpenForgotten(t.Context(), 0, 10); n != 0 || err != nil {
		t.Errorf("sweep after their end: %d, %v, want 0", n, err)
	}
	if _, err := s.payments.Open(t.Context(), young); !errors.Is(err, payment.ErrState) {
		t.Errorf("open after its end: %v, want %v", err, payment.ErrState)
	}
}

func TestCancelClosesThePage(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	cancel := func(i payment.Intent) error {
		return postgres.Do(t.Context(), s.db, func(tx *postgres.Tx) error { return payment.Cancel(t.Context(), tx, i.Buyer, i.ID) })
	}
	opened, fresh, paid := s.open(t, s.create(t, 1)), s.create(t, 2), s.paid(t, 3, "")
	if err := errors.Join(cancel(opened), cancel(fresh)); err != nil {
		t.Fatal(err)
	}
	if err := cancel(paid); !errors.Is(err, payment.ErrState) {
		t.Errorf("cancel a paid one: %v, want %v", err, payment.ErrState)
	}
	if err := cancel(payment.Intent{Buyer: buyer, ID: id.New[payment.Intent](pgtest.Noon)}); !errors.Is(err, payment.ErrNotFound) {
		t.Errorf("cancel an unknown one: %v, want %v", err, payment.ErrNotFound)
	}
	// The request that opens it may come after the one that cancels it.
	provider, err := gateway.NewSandbox(s.bank, s.bank.Secret())
	if err != nil {
		t.Fatal(err)
	}
	o, err := provider.Open(t.Context(), gateway.Opening{
		Intent: fresh.ID.UUID(), Buyer: buyer, Amount: 2, Description: "x", SuccessURL: "http://shop.test/", CancelURL: "http://shop.test/", ExpiresAt: fresh.ExpiresAt,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, func(tx *postgres.Tx) error { return payment.MarkOpened(t.Context(), tx, buyer, fresh.ID, o) })
	s.settled(t)
	for _, session := range []string{opened.Session, o.Session} {
		if _, err := s.bank.Pay(session, ""); !errors.Is(err, sandbox.ErrClosed) {
			t.Errorf("pay a canceled one: %v, want %v", err, sandbox.ErrClosed)
		}
	}
	s.state(t, opened, payment.StateCanceled)
	s.state(t, fresh, payment.StateCanceled)
}

func TestOnlyPayableAmountsAreAskedFor(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, amount := range []money.Fen{-1, 0, gateway.MaxAmount + 1, money.Max} {
		err := postgres.Do(t.Context(), s.db, func(tx *postgres.Tx) error {
			return payment.Create(t.Context(), tx, payment.Intent{ID: id.New[payment.Intent](tx.Now), Buyer: buyer, Amount: amount, ExpiresAt: tx.Now})
		})
		if !errors.Is(err, payment.ErrRange) {
			t.Errorf("%d fen: %v, want %v", amount, err, payment.ErrRange)
		}
	}
	s.create(t, 1)
	s.create(t, gateway.MaxAmount)
}

// TestMoneyIsWhereTheProviderSays plays random payments, cancellations, refunds,
// cut wires and repeated, shuffled webhooks, and compares the end with the
// provider's own record: what is succeeded was paid, what is canceled was not or
// went back.
func TestMoneyIsWhereTheProviderSays(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	rapid.Check(t, func(rt *rapid.T) {
		i := s.open(t, s.create(t, money.Fen(rapid.Int64Range(1, 1000).Draw(rt, "amount"))))
		method := rapid.SampledFrom([]string{sandbox.Card, sandbox.Alipay, sandbox.WeChat}).Draw(rt, "method")
		paidAt, canceledAt := rapid.IntRange(0, 4).Draw(rt, "pay"), rapid.IntRange(0, 4).Draw(rt, "cancel")
		paid := false
		for step := range 4 {
			if step == paidAt {
				_, err := s.bank.Pay(i.Session, method)
				paid = err == nil
			}
			if step == canceledAt {
				err := postgres.Do(t.Context(), s.db, func(tx *postgres.Tx) error { return payment.Cancel(t.Context(), tx, i.Buyer, i.ID) })
				if err != nil && !errors.Is(err, payment.ErrState) {
					rt.Fatal(err)
				}
			}
			if rapid.Bool().Draw(rt, "deliver") {
				err := s.bank.Flush(t.Context(), func(ctx context.Context, body []byte, signature string) error {
					return errors.Join(s.payments.Receive(ctx, body, signature), s.payments.Receive(ctx, body, signature))
				})
				if err != nil {
					rt.Fatal(err)
				}
			}
			if rapid.Bool().Draw(rt, "work") {
				s.work(t)
			}
		}
		s.settled(t)
		end := s.read(t, i)
		var back money.Fen
		for _, r := range s.refunds(t, i) {
			back += r.Amount
		}
		switch {
		case end.State == payment.StateSucceeded && (!paid || back != 0):
			rt.Fatalf("succeeded, paid %t, %d fen went back", paid, back)
		case end.State == payment.StateRefunded && (!paid || back != end.Amount):
			rt.Fatalf("refunded, paid %t, %d of %d fen went back", paid, back, end.Amount)
		case (end.State == payment.StateCanceled || end.State == payment.StateOpened) && paid:
			rt.Fatalf("paid, and the intent is %s", end.State)
		case end.State == payment.StateRefunding || end.State == payment.StateNew:
			rt.Fatalf("at the end it is %s", end.State)
		}
	})
}

func TestThePoolOfSandboxSessionsIsSharedByTimes(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	then := time.Date(2020, 3, 1, 8, 0, 0, 0, time.UTC).Add(time.Duration(rand.IntN(1000)) * time.Hour)
	db := s.db.At(then)
	bank := s.bank.At(then)
	provider, err := gateway.NewSandbox(bank, bank.Secret())
	if err != nil {
		t.Fatal(err)
	}
	payments := payment.New(db, provider, payment.Shop{Name: "什一", SuccessURL: "http://shop.test/", CancelURL: "http://shop.test/"})
	i := payment.Intent{ID: id.New[payment.Intent](then), Buyer: buyer, Amount: 5, State: payment.StateNew, ExpiresAt: then.Add(30 * time.Minute)}
	if err := postgres.Do(t.Context(), db, func(tx *postgres.Tx) error { return payment.Create(t.Context(), tx, i) }); err != nil {
		t.Fatal(err)
	}
	o, err := payments.Open(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	event, err := bank.Pay(o.Session, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := bank.Send(t.Context(), event, payments.Receive); err != nil {
		t.Fatal(err)
	}
	past := s
	past.db, past.payments = db, payments
	past.work(t)
	if got := s.state(t, i, payment.StateSucceeded); !got.SettledAt.Equal(then) {
		t.Errorf("settled at %s, want %s", got.SettledAt, then)
	}
	s.do(t, func(tx *postgres.Tx) error { // today, of what was paid then
		_, err := payment.RequestRefund(t.Context(), tx, payment.Refund{Intent: i.ID, Buyer: buyer, Amount: 5, Reason: "late"})
		return err
	})
	s.settled(t)
	s.state(t, i, payment.StateRefunded)
}
