package app_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shiyi-market/shiyi/internal/app"
	"github.com/shiyi-market/shiyi/internal/pgtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The Redis client's own redial looks once a second whether its pool was closed.
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"),
		// The server that tests share lives as long as the process.
		goleak.IgnoreAnyFunction("github.com/shiyi-market/shiyi/internal/pgserver.(*Server).supervise"),
		goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"),
	)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// configured is a configuration over a test's own database.
func configured(t *testing.T, vars map[string]string) app.Config {
	t.Helper()
	place := pgtest.Create(t)
	all := map[string]string{
		"STATE_DIR": t.TempDir(), "DATABASE_URL": place.URL, "DATABASE_OWNER_URL": place.OwnerURL, "LISTEN_ADDR": "127.0.0.1:0",
		"METRICS_ADDR": "", "PASSWORD_MEMORY_KIB": "64", "PASSWORD_ITERATIONS": "1", "DATABASE_MAX_CONNS": "8",
	}
	for name, value := range vars {
		all[name] = value
	}
	cfg, err := app.Load(t.Context(), environment(all))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// served is a running shop.
type served struct {
	app  *app.App
	addr string
	stop context.CancelFunc
	done chan struct{} // closed when Serve has returned
	err  error         // what it returned
}

func serve(t *testing.T, vars map[string]string) *served {
	t.Helper()
	a, err := app.Open(t.Context(), configured(t, vars), time.Now, quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	said, says := io.Pipe()
	s := &served{app: a, stop: cancel, done: make(chan struct{})}
	go func() {
		s.err = a.Serve(ctx, says)
		_ = says.CloseWithError(fmt.Errorf("serve ended: %w", s.err))
		close(s.done)
	}()
	t.Cleanup(func() {
		cancel()
		_ = said.Close()
		<-s.done
		if err := a.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	lines := bufio.NewReader(said)
	link := regexp.MustCompile(`http://localhost:(\d+)`)
	for s.addr == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if m := link.FindStringSubmatch(line); m != nil {
			s.addr = "127.0.0.1:" + m[1]
		}
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return s
}

func (s *served) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

const half = "POST /v1/sessions HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n{\"login\":\"a\","

func TestRequestsUnderWayEndBeforeTheProgramStops(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := s.dial(t)
	if _, err := io.WriteString(c, half); err != nil {
		t.Fatal(err)
	}
	// An answered request on another connection: the first one was taken before it.
	if status := ready(t, s.addr); status != http.StatusOK {
		t.Fatalf("readyz: %d", status)
	}
	s.stop()
	for s.app.Ready(t.Context()) == nil { // not ready any more, as soon as it knows
		if t.Context().Err() != nil {
			t.Fatal("it stays ready")
		}
	}
	// The port closes, though the request is not answered yet.
	for {
		probe, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.addr)
		if err != nil {
			break
		}
		_ = probe.Close()
	}
	select {
	case <-s.done:
		t.Fatalf("it stopped before the request was answered: %v", s.err)
	default:
	}
	if _, err := io.WriteString(c, `"password":"x"}`[:11]); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("the request was cut off: %v", err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode < 400 || answer.StatusCode > 499 {
		t.Errorf("a sign-in that makes no sense: status %d", answer.StatusCode)
	}
	<-s.done
	if s.err != nil {
		t.Errorf("serve: %v", s.err)
	}
}

func ready(t *testing.T, addr string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	return a.StatusCode
}

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	s := serve(t, map[string]string{"HTTP_READ_TIMEOUT": "100ms", "HTTP_IDLE_TIMEOUT": "100ms"})
	for name, begin := range map[string]string{
		"half a header":   "GET /readyz HTTP/1.1\r\nHost: sh",
		"half a body":     half,
		"nothing at all":  "",
		"nothing further": "GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.dial(t)
			if _, err := io.WriteString(c, begin); err != nil {
				t.Fatal(err)
			}
			if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
				t.Error("the connection is still held after 10 s")
			}
		})
	}
}

func TestHugeHeaderIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := s.dial(t)
	if _, err := io.WriteString(c, "GET /readyz HTTP/1.1\r\nHost: shop\r\nX-Long: "+strings.Repeat("x", 40<<10)+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d, want %d", answer.StatusCode, http.StatusRequestHeaderFieldsTooLarge)
	}
}

func TestLookingNeedsASchema(t *testing.T) {
	t.Parallel()
	place := pgtest.Empty(t)
	cfg, err := app.Load(t.Context(), environment(map[string]string{
		"STATE_DIR": t.TempDir(), "DATABASE_URL": place.URL, "DATABASE_OWNER_URL": place.OwnerURL,
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := app.Look(t.Context(), cfg, time.Now, quiet()); err == nil || !strings.Contains(err.Error(), "shiyi migrate") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
}

func TestOperatorOfTheConfigurationIsMade(t *testing.T) {
	t.Parallel()
	s := serve(t, map[string]string{"OPERATOR_LOGIN": "chief@shiyi.example", "OPERATOR_PASSWORD": "correct-horse-battery"})
	body := strings.NewReader(`{"login":"chief@shiyi.example","password":"correct-horse-battery"}`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.addr+"/v1/sessions", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	if a.StatusCode != http.StatusCreated || !strings.Contains(string(text), `"operator"`) {
		t.Errorf("sign-in: %d %s", a.StatusCode, text)
	}
}

func TestDoctorAsksWhereTheFundsMoneyGoes(t *testing.T) {
	t.Parallel()
	place := pgtest.Create(t)
	for _, tt := range []struct{ key, account, want string }{
		{"", "", ""},
		{"sk_live_x", "", "weak  fund: FUND_ACCOUNT is not set"},
		{"sk_test_x", "fund@example.org", "BAD   fund: FUND_ACCOUNT is no account"},
		{"sk_live_x", "acct_123", "ok    fund: paid to acct_123"},
	} {
		cfg, err := app.Load(t.Context(), environment(map[string]string{
			"STATE_DIR": t.TempDir(), "DATABASE_URL": place.URL, "DATABASE_OWNER_URL": place.OwnerURL,
			"STRIPE_SECRET_KEY": tt.key, "STRIPE_WEBHOOK_SECRET": "whsec_x", "FUND_ACCOUNT": tt.account,
		}))
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		_ = app.Doctor(t.Context(), cfg, time.Now, quiet(), &out) // test servers are unwell in other ways
		if !strings.Contains(out.String(), tt.want) || strings.Contains(out.String(), "fund:") != (tt.want != "") {
			t.Errorf("with %q and %q doctor says:\n%s\nwant %q", tt.key, tt.account, out.String(), tt.want)
		}
	}
}

func TestDoctorOfAServerOnOneRole(t *testing.T) {
	t.Parallel()
	place := pgtest.Create(t)
	state := t.TempDir()
	key := filepath.Join(state, "log.key")
	if err := os.WriteFile(key, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := app.Load(t.Context(), environment(map[string]string{"STATE_DIR": state, "DATABASE_URL": place.OwnerURL}))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := app.Doctor(t.Context(), cfg, time.Now, quiet(), &out); err == nil {
		t.Error("nothing is wrong")
	}
	for _, want := range []string{
		"weak  roles", "DATABASE_OWNER_URL", "schema: up to date",
		"BAD   durability", // test servers give it up
		"BAD   log key", "chmod 600 " + key, "payments: the sandbox", "clock: ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("doctor lacks %q:\n%s", want, out.String())
		}
	}
}
