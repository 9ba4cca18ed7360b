package worker_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/standing"
	"github.com/shiyi-market/shiyi/internal/telemetry"
	"github.com/shiyi-market/shiyi/internal/tidings"
	"github.com/shiyi-market/shiyi/internal/worker"
)

// work lets a worker work for a shop until the test ends, and returns what it
// measures. Each of its sweeps begins at once.
func work(t *testing.T, s *shoptest.Shop) *telemetry.Metrics {
	t.Helper()
	w, metrics := newWorker(t, s)
	must(t, w.Start(t.Context()))
	t.Cleanup(func() {
		if err := w.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return metrics
}

// announce makes one sweep for what enterprises want to hear of.
func announce(t *testing.T, s *shoptest.Shop) error {
	t.Helper()
	w, _ := newWorker(t, s)
	return w.Announce(t.Context())
}

func newWorker(t *testing.T, s *shoptest.Shop) (*worker.Worker, *telemetry.Metrics) {
	t.Helper()
	metrics, err := telemetry.New()
	must(t, err)
	cfg := worker.Config{Jobs: 1, Poll: 20 * time.Millisecond, Sequence: time.Hour, Sweep: time.Hour}
	w, err := worker.New(cfg, s.DB, worker.Deps{
		DB: s.DB, Orders: s.Orders, Payments: s.Payments, Reconciler: s.Reconciler, Log: s.Transparency, Witnesses: s.Witnesses, Fund: s.Fund, Identity: s.Identity, Files: s.Files, Standing: s.Standing, Inventory: s.Inventory, Search: s.Search, Settlements: s.Settlements, Vouchers: s.Vouchers,
		Aftersales: s.Aftersales, Merchants: s.Merchants, Webhooks: s.Webhooks, Intake: s.Intake, Receipts: s.Receipts, Notices: s.Notices,
		Fulfilment: s.Fulfilment, Dispatch: s.Dispatch, Payees: s.Payees, Tidings: tidings.New(s.DB), Disputes: s.Disputes, Disclosures: s.Disclosures,
	}, slog.New(slog.DiscardHandler), metrics)
	must(t, err)
	return w, metrics
}

// measured is the value of a gauge.
func measured(t *testing.T, metrics *telemetry.Metrics, name string) float64 {
	t.Helper()
	families, err := metrics.Registry().Gather()
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
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10)
	c := s.Place(t, "ann", shoptest.Choose("flour", 1))
	s.Pay(t, c.PayURL)
	s.ReturnPast(t, c.ID.UUID())
	_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, c.Orders[0].ID,
		order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: "damaged"}, request.Claim{}, nil)
	must(t, err)
	s.Perform(t)
	metrics := work(t, s)
	until(t, "one failed refund is measured", func() bool { return measured(t, metrics, "shiyi_refunds_failed") == 1 })
}

func TestWebhooksThatWereKeptLongEnoughAreEmptied(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	body := []byte(`{"id":"evt_1","api_version":"2023-10-16","created":1795752000,"type":"customer.created","data":{"object":{"name":"李梅"}}}`)
	must(t, s.Payments.Receive(t.Context(), body, sandbox.Sign(body, s.Bank.Secret(), s.Clock.Now())))
	s.Clock.Advance(payment.KeptBody + time.Second)
	work(t, s)
	until(t, "the body is empty", func() bool {
		var kept int
		must(t, s.DB.SQL().QueryRowContext(t.Context(), `SELECT octet_length(body) FROM payment_event WHERE id = 'evt_1'`).Scan(&kept))
		return kept == 0
	})
}

func TestWhatEndsForAnEnterpriseIsToldOfAndMeasured(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10)
	s.Clock.Set(time.Date(2027, 6, 1, 4, 0, 0, 0, time.UTC)) // licences and verifications are over
	metrics := work(t, s)
	until(t, "both enterprises are overdue", func() bool { return measured(t, metrics, "shiyi_reverifications_overdue") == 2 })
	until(t, "each is told of its licence and its verification", func() bool {
		told, err := s.Standing.Alerts(t.Context(), standing.AlertFilter{State: standing.Open}, page.Request{})
		must(t, err)
		return len(told.Data) == 4
	})
}
