// Package telemetry is how the program tells what it does: a log of JSON lines,
// and measures that Prometheus fetches from a private port.
//
// The edge measures requests itself; the families here are jobs, transactions
// and the business.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config says how much is told, and where.
type Config struct {
	// Level is the least level that is logged: DEBUG, INFO, WARN or ERROR.
	Level slog.Level `env:"LOG_LEVEL, default=INFO"`
	// Format is json, or text for people.
	Format string `env:"LOG_FORMAT, default=json"`
	// Addr is the private address of /metrics, /healthz and /readyz. Empty: none.
	Addr string `env:"METRICS_ADDR, default=127.0.0.1:8081"`
}

// Logger writes lines to w.
func Logger(w io.Writer, cfg Config) (*slog.Logger, error) {
	opts := &slog.HandlerOptions{Level: cfg.Level}
	switch cfg.Format {
	case "", "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	default:
		return nil, fmt.Errorf("LOG_FORMAT is %q: it is json or text", cfg.Format)
	}
}

// Metrics are the measures of one program.
type Metrics struct {
	registry     *prometheus.Registry
	jobs         *prometheus.HistogramVec
	transactions *prometheus.CounterVec
	retries      prometheus.Counter
	levied       prometheus.Gauge
	imbalance    prometheus.Gauge
	pending      prometheus.Gauge
	unaccounted  prometheus.Gauge
	refunds      prometheus.Gauge
	overdue      prometheus.Gauge
	breaks       prometheus.Gauge
}

// New makes the measures, those of the Go runtime and the process among them.
func New() (*Metrics, error) {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		jobs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "shiyi_job_seconds", Help: "Time a job or a sweep took, by kind and outcome (done, failed).",
			Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10, 60},
		}, []string{"kind", "outcome"}),
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shiyi_transactions_total", Help: "Database transactions, by outcome (committed, rolled_back, failed).",
		}, []string{"outcome"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shiyi_transaction_retries_total", Help: "Transactions run again because they lost a race.",
		}),
		levied: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shiyi_levy_li_total", Help: "What was levied for the fund less what was returned, in li (0.001 yuan).",
		}),
		imbalance: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shiyi_book_imbalance", Help: "Li by which the fund differs from one tenth of net sales. Anything but 0 is an alarm.",
		}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shiyi_log_pending", Help: "Leaves that wait to enter the public log.",
		}),
		unaccounted: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shiyi_log_unaccounted", Help: "New transfers without a leaf of the public log, and new leaves without a transfer. Anything but 0 is an alarm.",
		}),
		refunds: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shiyi_refunds_failed", Help: "Refunds whose money did not arrive, and that nobody has ordered anew.",
		}),
		overdue: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shiyi_reverifications_overdue", Help: "Enterprises that should have been verified again by now; they go on selling.",
		}),
		breaks: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shiyi_breaks_open", Help: "Differences between the payment provider, our records and the book that nobody has resolved.",
		}),
	}
	for _, c := range []prometheus.Collector{
		m.jobs, m.transactions, m.retries, m.levied, m.imbalance, m.pending, m.unaccounted, m.refunds, m.overdue, m.breaks,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := m.registry.Register(c); err != nil {
			return nil, fmt.Errorf("register a metric: %w", err)
		}
	}
	return m, nil
}

// Registry takes further measures, such as those of the edge.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Job records that a job or a sweep of a kind ended.
func (m *Metrics) Job(kind string, took time.Duration, err error) {
	outcome := "done"
	if err != nil {
		outcome = "failed"
	}
	m.jobs.WithLabelValues(kind, outcome).Observe(took.Seconds())
}

// Transaction records how a database transaction ended, and how often it was
// run again.
func (m *Metrics) Transaction(outcome string, retries int) {
	m.transactions.WithLabelValues(outcome).Inc()
	m.retries.Add(float64(retries))
}

// Book records the state of the business: what the fund was levied, and by how
// much that is not one tenth of net sales, both in li.
func (m *Metrics) Book(levied, imbalance int64) {
	m.levied.Set(float64(levied))
	m.imbalance.Set(float64(imbalance))
}

// Waiting records how many leaves wait to enter the public log.
func (m *Metrics) Waiting(leaves int64) { m.pending.Set(float64(leaves)) }

// Unaccounted records how many new transfers and leaves of the log have no counterpart.
func (m *Metrics) Unaccounted(n int64) { m.unaccounted.Set(float64(n)) }

// OpenBreaks records how many differences with the provider or the book are open.
func (m *Metrics) OpenBreaks(n int64) { m.breaks.Set(float64(n)) }

// FailedRefunds records how many refunds have failed and wait for a decision.
func (m *Metrics) FailedRefunds(n int64) { m.refunds.Set(float64(n)) }

// OverdueReverifications records how many enterprises should have been verified again.
func (m *Metrics) OverdueReverifications(n int64) { m.overdue.Set(float64(n)) }

// Private serves /metrics, /healthz and /readyz on a port that the public does
// not reach.
type Private struct {
	addr   net.Addr
	server *http.Server
	done   chan error
}

// Serve opens the private port. ready says why the program takes no requests, or
// nil.
func (m *Metrics) Serve(ctx context.Context, addr string, ready func(ctx context.Context) error, log *slog.Logger) (*Private, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("METRICS_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError)}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { say(w, ready(r.Context())) })
	p := &Private{addr: ln.Addr(), done: make(chan error, 1), server: &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
	go func() { p.done <- p.server.Serve(ln) }()
	return p, nil
}

// say answers ok, or 503 with what is wrong: the port is private.
func say(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, err.Error()+"\n")
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// Addr is the address that was opened.
func (p *Private) Addr() net.Addr { return p.addr }

// Stop closes the port and waits for requests under way, as long as ctx lasts.
func (p *Private) Stop(ctx context.Context) error {
	err := p.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, p.server.Close())
	}
	if end := <-p.done; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}
