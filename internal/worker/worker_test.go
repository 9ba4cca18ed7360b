package worker_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/telemetry"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/internal/worker"
)

// shop is what a worker works for.
type shop struct {
	db       *postgres.DB
	clock    *pgtest.Clock
	bank     *sandbox.Sandbox
	payments *payment.Service
	metrics  *telemetry.Metrics
	deps     worker.Deps
}

func newShop(t *testing.T) shop {
	t.Helper()
	s := shop{clock: pgtest.NewClock(pgtest.Noon)}
	s.db = pgtest.NewAt(t, s.clock.Now)
	log := slog.New(slog.DiscardHandler)
	var err error
	s.bank, err = sandbox.Open(sandbox.Config{PageURL: "http://shop.test/sandbox/pay/", Clock: s.clock.Now}, log)
	must(t, err)
	gateway, err := payment.NewSandbox(s.bank, s.bank.Secret())
	must(t, err)
	s.metrics, err = telemetry.New()
	must(t, err)
	s.payments = payment.New(s.db, gateway, payment.Shop{Name: "test", SuccessURL: "http://shop.test/", CancelURL: "http://shop.test/", Mark: "shop.test/log"})
	s.deps = worker.Deps{DB: s.db, Payments: s.payments, Orders: order.New(s.db, s.payments, log), Fund: fund.New(s.db)}
	s.deps.Identity, err = identity.New(s.db, identity.Config{MemoryKiB: 8, Iterations: 1, Concurrency: 1, Queue: 1})
	must(t, err)
	s.deps.Log, err = transparency.New(s.db, transparency.Config{Origin: "shop.test/log", Folder: t.TempDir()}, ledger.Roller{})
	must(t, err)
	return s
}

// work lets a worker work until the test ends. Each of its sweeps begins at once.
func (s shop) work(t *testing.T) {
	t.Helper()
	cfg := worker.Config{Jobs: 1, Poll: 20 * time.Millisecond, Sequence: time.Hour, Sweep: time.Hour}
	w, err := worker.New(cfg, s.db, s.deps, slog.New(slog.DiscardHandler), s.metrics)
	must(t, err)
	must(t, w.Start(t.Context()))
	t.Cleanup(func() {
		if err := w.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

// measured is the value of a gauge.
func (s shop) measured(t *testing.T, name string) float64 {
	t.Helper()
	families, err := s.metrics.Registry().Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no measure %s", name)
	return 0
}

// until waits for something that must come about soon.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !so() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("after a minute it is still not so: %s", what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestARefundThatFailedIsMeasured(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := payment.Intent{ID: id.New[payment.Intent](pgtest.Noon), Buyer: uuid.Max, Amount: 100, ExpiresAt: pgtest.Noon.Add(time.Hour)}
	paid := payment.Event{
		ID: "evt_1", Kind: payment.Paid, Provider: "sandbox", Intent: i.ID, Buyer: i.Buyer, Payment: "pi_unknown_there", Amount: 100, Currency: payment.Currency,
	}
	refund := payment.Refund{ID: id.New[payment.Refund](pgtest.Noon), Intent: i.ID, Buyer: i.Buyer, Amount: 100, Reason: "spoilt"}
	must(t, postgres.Do(t.Context(), s.db, func(tx *postgres.Tx) error {
		if err := payment.Create(t.Context(), tx, i); err != nil {
			return err
		}
		if err := payment.Succeed(t.Context(), tx, paid); err != nil {
			return err
		}
		_, err := payment.RequestRefund(t.Context(), tx, refund)
		return err
	}))
	must(t, s.payments.PerformRefund(t.Context(), refund.Buyer, refund.ID))
	s.work(t)
	until(t, "one failed refund is measured", func() bool { return s.measured(t, "shiyi_refunds_failed") == 1 })
}

func TestWebhooksThatWereKeptLongEnoughAreEmptied(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	body := []byte(`{"id":"evt_1","api_version":"2023-10-16","created":1795752000,"type":"customer.created","data":{"object":{"name":"李梅"}}}`)
	must(t, s.payments.Receive(t.Context(), body, sandbox.Sign(body, s.bank.Secret(), s.clock.Now())))
	s.clock.Advance(payment.KeptBody + time.Second)
	s.work(t)
	until(t, "the body is empty", func() bool {
		var kept int
		must(t, s.db.SQL().QueryRowContext(t.Context(), `SELECT octet_length(body) FROM payment_event WHERE id = 'evt_1'`).Scan(&kept))
		return kept == 0
	})
}
