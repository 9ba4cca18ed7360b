package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The Redis client's own redial looks once a second whether its pool was closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// screen is an output that is written and read at the same time.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := vars[name]
		return value, ok
	}
}

// command runs the program to its end.
func command(t *testing.T, vars map[string]string, args ...string) (stdout string, err error) {
	t.Helper()
	var out, log screen
	err = run(t.Context(), args, environment(vars), &out, &log)
	if err != nil {
		t.Logf("shiyi %v: %v\n%s", args, err, log.String())
	}
	return out.String(), err
}

// home is a state folder that PostgreSQL's user can reach, and the environment
// that names it.
func home(t *testing.T) map[string]string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "shiyi-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"STATE_DIR": filepath.Join(dir, "state"), "PATH": os.Getenv("PATH"), "LISTEN_ADDR": "127.0.0.1:0",
		"METRICS_ADDR": "127.0.0.1:0", "PASSWORD_MEMORY_KIB": "64", "PASSWORD_ITERATIONS": "1",
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
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

// shop is the program serving.
type shop struct {
	url  string
	stop context.CancelFunc
	end  chan error
}

// open serves in the background until stop.
func open(t *testing.T, vars map[string]string, args ...string) *shop {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var out, log screen
	s := &shop{stop: cancel, end: make(chan error, 1)}
	go func() { s.end <- run(ctx, append([]string{"serve"}, args...), environment(vars), &out, &log) }()
	t.Cleanup(cancel)
	link := regexp.MustCompile(`http://localhost:\d+`)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(2 * time.Minute)
	for s.url == "" {
		select {
		case <-tick.C:
			s.url = link.FindString(out.String())
		case err := <-s.end:
			t.Fatalf("serve ended: %v\n%s", err, log.String())
		case <-late:
			t.Fatalf("serve says no address:\n%s\n%s", out.String(), log.String())
		}
	}
	return s
}

func (s *shop) close(t *testing.T) {
	t.Helper()
	s.stop()
	if err := <-s.end; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestShopOnAPrivateDatabaseStartsServesAndStops(t *testing.T) {
	t.Parallel()
	vars := home(t)
	s := open(t, vars, "--empty")

	for path, want := range map[string]string{
		"/readyz":         `"ok"`,
		"/v1/public/fund": `"sold_fen":0`,
		"/v1/categories":  `"data"`,
	} {
		if status, body := get(t, s.url+path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("GET %s: %d %s, want 200 with %s", path, status, body, want)
		}
	}
	if _, err := command(t, vars, "serve", "--empty"); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d ", os.Getpid())) {
		t.Errorf("a second shop in the same folder: got %v, want an error that names process %d", err, os.Getpid())
	}
	// Commands that only look may look while it runs.
	if out, err := command(t, vars, "verify"); err != nil || !strings.Contains(out, "all agrees") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if out, err := command(t, vars, "doctor"); err != nil || !strings.Contains(out, fmt.Sprintf("the private one of process %d", os.Getpid())) {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	s.close(t)

	again := open(t, vars, "--empty")
	if status, _ := get(t, again.url+"/readyz"); status != http.StatusOK {
		t.Errorf("after a restart: status %d", status)
	}
	again.close(t)
}

func TestCommandsThatNeedNoDatabase(t *testing.T) {
	t.Parallel()
	if out, err := command(t, nil, "version"); err != nil || !strings.HasPrefix(out, "shiyi ") {
		t.Errorf("version: %q, %v", out, err)
	}
	out, err := command(t, map[string]string{
		"STRIPE_SECRET_KEY": "sk_test_hidden", "STRIPE_WEBHOOK_SECRET": "whsec_hidden",
		"DATABASE_URL": "postgres://u:hidden@h/d", "OPERATOR_LOGIN": "op@shiyi.example", "OPERATOR_PASSWORD": "hidden",
	}, "config")
	if err != nil || strings.Contains(out, "hidden") {
		t.Errorf("config: %v, or a secret is shown:\n%s", err, out)
	}
	for _, want := range []string{"STRIPE_SECRET_KEY=•••\n", "DATABASE_URL=postgres://u:•••@h/d\n", "LISTEN_ADDR=127.0.0.1:8080\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("config lacks %q:\n%s", want, out)
		}
	}
	for _, args := range [][]string{{"sell"}, {"serve", "extra"}, {"serve", "--no-such-flag"}} {
		if _, err := command(t, nil, args...); err == nil {
			t.Errorf("shiyi %v was taken", args)
		}
	}
}

func TestStripeWithoutAWebhookSecretDoesNotStart(t *testing.T) {
	t.Parallel()
	vars := home(t)
	vars["STRIPE_SECRET_KEY"] = "sk_test_1"
	if _, err := command(t, vars, "serve", "--empty"); err == nil || !strings.Contains(err.Error(), "STRIPE_WEBHOOK_SECRET") {
		t.Errorf("got %v, want an error that names STRIPE_WEBHOOK_SECRET", err)
	}
	if _, err := os.Stat(vars["STATE_DIR"]); err == nil {
		t.Error("it made a state folder before it refused")
	}
}

func TestDoctorNamesRemedies(t *testing.T) {
	t.Parallel()
	vars := home(t)
	vars["POSTGRES_BIN"] = "/nonexistent"
	vars["REDIS_URL"] = "redis://127.0.0.1:1"
	vars["PUBLIC_URL"] = "https://shop.example"
	out, err := command(t, vars, "doctor")
	if err == nil {
		t.Errorf("nothing is wrong:\n%s", out)
	}
	for _, want := range []string{"BAD   PostgreSQL", "install the package postgresql", "weak  Redis: does not answer", "payments: the sandbox", "weak  proxies", "set HTTP_TRUSTED_PROXIES"} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor lacks %q:\n%s", want, out)
		}
	}
	vars["HTTP_TRUSTED_PROXIES"] = "127.0.0.1/32"
	if out, _ := command(t, vars, "doctor"); !strings.Contains(out, "ok    proxies: X-Forwarded-For is believed from 127.0.0.1/32") {
		t.Errorf("doctor does not see the proxy:\n%s", out)
	}
}
