package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shiyi-market/shiyi/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLogIsJSONOfTheLevel(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := telemetry.Logger(&out, telemetry.Config{Level: slog.LevelWarn})
	if err != nil {
		t.Fatal(err)
	}
	log.InfoContext(t.Context(), "quiet")
	log.WarnContext(t.Context(), "loud", slog.Int("n", 3))
	var line struct {
		Msg string
		N   int
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%s: %v", out.String(), err)
	}
	if line.Msg != "loud" || line.N != 3 {
		t.Errorf("got %+v, want loud, 3", line)
	}
	if _, err := telemetry.Logger(&out, telemetry.Config{Format: "xml"}); err == nil {
		t.Error("a log in XML was promised")
	}
}

func ask(t *testing.T, p *telemetry.Private, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(body)
}

func TestPrivatePortServesMeasuresAndReadiness(t *testing.T) {
	t.Parallel()
	m, err := telemetry.New()
	if err != nil {
		t.Fatal(err)
	}
	notReady := errors.New("the recorded year is being replayed")
	p, err := m.Serve(t.Context(), "127.0.0.1:0", func(context.Context) error { return notReady }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m.Job("refund", time.Second, nil)
	m.Job("refund", time.Second, errors.New("no"))
	m.Transaction("committed", 2)
	m.Book(261_000_000, 0)
	m.Waiting(7)
	m.Unaccounted(1)
	m.FailedRefunds(2)
	m.OpenBreaks(3)

	status, body := ask(t, p, "/metrics")
	if status != http.StatusOK {
		t.Errorf("metrics: status %d", status)
	}
	for _, want := range []string{
		`shiyi_job_seconds_count{kind="refund",outcome="done"} 1`,
		`shiyi_job_seconds_count{kind="refund",outcome="failed"} 1`,
		`shiyi_transactions_total{outcome="committed"} 1`,
		`shiyi_transaction_retries_total 2`,
		`shiyi_levy_li_total 2.61e+08`,
		`shiyi_book_imbalance 0`,
		`shiyi_log_pending 7`,
		`shiyi_log_unaccounted 1`,
		`shiyi_refunds_failed 2`,
		`shiyi_breaks_open 3`,
		`go_goroutines `,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	if status, _ := ask(t, p, "/healthz"); status != http.StatusOK {
		t.Errorf("healthz: status %d", status)
	}
	if status, body := ask(t, p, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, notReady.Error()) {
		t.Errorf("readyz: %d %q", status, body)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
}
