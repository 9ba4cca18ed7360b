package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/sandbox"
)

var noon = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func start(t testing.TB, cfg sandbox.Config) *sandbox.Sandbox {
	t.Helper()
	if cfg.Clock == nil {
		cfg.Clock = func() time.Time { return noon }
	}
	cfg.PageURL = "http://shop.test/sandbox/pay/"
	s, err := sandbox.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// call sends a request as stripe-go does and returns the answer's fields.
func call(t testing.TB, s *sandbox.Sandbox, method, path, key string, form url.Values) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://api.stripe.com"+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sk_test_x")
	r.Header.Set("Stripe-Version", sandbox.Version)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	res, err := s.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var out map[string]any
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, out
}

func session(amount int, at time.Time) url.Values {
	return url.Values{
		"mode": {"payment"}, "success_url": {"http://shop.test/paid?s={CHECKOUT_SESSION_ID}"}, "cancel_url": {"http://shop.test/cart"},
		"line_items[0][price_data][currency]": {"cny"}, "line_items[0][price_data][unit_amount]": {strconv.Itoa(amount)},
		"line_items[0][price_data][product_data][name]": {"土豆 <5 kg>"}, "line_items[0][quantity]": {"1"},
		"payment_method_types[0]": {"card"}, "payment_method_types[1]": {"alipay"}, "payment_method_types[2]": {"wechat_pay"},
		"payment_method_options[wechat_pay][client]": {"web"}, "metadata[buyer]": {"b"}, "client_reference_id": {"i"},
		"expires_at": {strconv.FormatInt(at.Add(time.Hour).Unix(), 10)},
	}
}

func create(t testing.TB, s *sandbox.Sandbox, amount int, at time.Time) string {
	t.Helper()
	status, made := call(t, s, "POST", "/v1/checkout/sessions", "", session(amount, at))
	id, ok := made["id"].(string)
	if status != http.StatusOK || !ok {
		t.Fatalf("create: %d %v", status, made)
	}
	return id
}

func pay(t testing.TB, s *sandbox.Sandbox, id, method string) (event string) {
	t.Helper()
	event, err := s.Pay(id, method)
	if err != nil {
		t.Fatalf("pay: %v", err)
	}
	return event
}

// received collects what is delivered.
type received struct {
	mu     sync.Mutex
	events []string // type and session or refund
	fail   int      // so many deliveries are refused first
}

func (r *received) deliver(_ context.Context, body []byte, _ string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail > 0 {
		r.fail--
		return errors.New("out of order")
	}
	var e struct {
		Type string `json:"type"`
		Data struct {
			Object struct {
				ID string `json:"id"`
			} `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return err
	}
	r.events = append(r.events, e.Type+" "+e.Data.Object.ID)
	return nil
}

func TestARestartForgetsNothingThatMatters(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "sandbox.journal")
	c := &clock{now: noon}
	cfg := sandbox.Config{Journal: journal, Clock: c.Now}
	s := start(t, cfg)
	pending, paid, refunded := create(t, s, 100, noon), create(t, s, 200, noon), create(t, s, 300, noon)
	first := pay(t, s, paid, "alipay")
	second := pay(t, s, refunded, "card")
	if err := s.Send(t.Context(), second, new(received).deliver); err != nil {
		t.Fatal(err)
	}
	_, found := call(t, s, "GET", "/v1/checkout/sessions/"+refunded, "", nil)
	refund := url.Values{"payment_intent": {fmt.Sprint(found["payment_intent"])}, "amount": {"300"}}
	_, made := call(t, s, "POST", "/v1/refunds", "key", refund)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The program is killed while it writes.
	f, err := os.OpenFile(journal, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"done":"` + first); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()

	for n := range 2 {
		again := start(t, cfg)
		if again.Secret() != s.Secret() {
			t.Errorf("start %d: the secret changed", n+2)
		}
		got := &received{fail: 1}
		if err := again.Flush(t.Context(), got.deliver); err == nil {
			t.Errorf("start %d: a delivery failed and Flush does not say so", n+2)
		}
		if again.Waiting() != 1 {
			t.Errorf("start %d: %d events wait, want 1", n+2, again.Waiting())
		}
		if _, replayed := call(t, again, "POST", "/v1/refunds", "key", refund); !cmp.Equal(made, replayed) {
			t.Errorf("start %d: the same refund again: %v, want %v", n+2, replayed, made)
		}
		if status, _ := call(t, again, "POST", "/v1/refunds", "other", refund); status != http.StatusBadRequest {
			t.Errorf("start %d: another refund of what went back: %d", n+2, status)
		}
		if n == 1 {
			pay(t, again, pending, "card")
			if err := again.Flush(t.Context(), got.deliver); err != nil {
				t.Fatal(err)
			}
			want := []string{"checkout.session.completed " + paid, "checkout.session.completed " + pending}
			if diff := cmp.Diff(want, got.events); diff != "" {
				t.Errorf("delivered (-want +got):\n%s", diff)
			}
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheJournalBelongsToOneProgram(t *testing.T) {
	t.Parallel()
	cfg := sandbox.Config{Journal: filepath.Join(t.TempDir(), "journal"), Clock: time.Now}
	first, err := sandbox.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.Open(cfg, slog.New(slog.DiscardHandler)); !errors.Is(err, sandbox.ErrTaken) {
		t.Errorf("a second program: %v, want %v", err, sandbox.ErrTaken)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := sandbox.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

func TestAJournalOfSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "j")
	if err := os.WriteFile(journal, []byte("{}\nhello\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := sandbox.Open(sandbox.Config{Journal: journal, Clock: time.Now}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v, want line 2 named", err)
	}
}

func TestTheJournalIsBoundedAndPrivate(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "j")
	c := &clock{now: noon}
	cfg := sandbox.Config{Journal: journal, Clock: c.Now, Keep: 3}
	s := start(t, cfg)
	var ids []string
	for range 10 {
		id := create(t, s, 1, noon)
		pay(t, s, id, "")
		ids = append(ids, id)
	}
	for range 10 {
		create(t, s, 1, noon)
	}
	if err := s.Flush(t.Context(), new(received).deliver); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(journal)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the journal, which holds the secret, is %v", info.Mode())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c.advance(31 * 24 * time.Hour)
	s = start(t, cfg)
	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n != 4 {
		t.Errorf("after compaction %d lines, want the secret and the 3 newest payments:\n%s", n, text)
	}
	for n, id := range ids {
		status, _ := call(t, s, "GET", "/v1/checkout/sessions/"+id, "", nil)
		if want := map[bool]int{true: 200, false: 404}[n >= 7]; status != want {
			t.Errorf("session %d: %d, want %d", n, status, want)
		}
	}
}

func TestWhatStripeRefuses(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	with := func(name, value string) url.Values {
		f := session(100, noon)
		f.Set(name, value)
		return f
	}
	tests := []struct {
		name, method, path string
		form               url.Values
		status             int
		code               string
	}{
		{"an unknown address", "GET", "/v1/customers", nil, 404, ""},
		{"an unknown session", "GET", "/v1/checkout/sessions/cs_1", nil, 404, "resource_missing"},
		{"an unknown session's end", "POST", "/v1/checkout/sessions/cs_1/expire", nil, 404, "resource_missing"},
		{"an unknown intent", "GET", "/v1/payment_intents/pi_1", nil, 404, "resource_missing"},
		{"an unknown refund", "GET", "/v1/refunds/re_1", nil, 404, "resource_missing"},
		{"a refund of nothing", "POST", "/v1/refunds", url.Values{}, 400, "resource_missing"},
		{"an unknown parameter", "POST", "/v1/checkout/sessions", with("gift", "1"), 400, "parameter_unknown"},
		{"another mode", "POST", "/v1/checkout/sessions", with("mode", "setup"), 400, ""},
		{"no amount", "POST", "/v1/checkout/sessions", with("line_items[0][price_data][unit_amount]", "0"), 400, "amount_too_small"},
		{"a negative amount", "POST", "/v1/checkout/sessions", with("line_items[0][price_data][unit_amount]", "-5"), 400, "parameter_invalid_integer"},
		{"no number", "POST", "/v1/checkout/sessions", with("line_items[0][price_data][unit_amount]", "1.5"), 400, "parameter_invalid_integer"},
		{"too much in all", "POST", "/v1/checkout/sessions", with("line_items[0][quantity]", "1000000"), 400, "amount_too_large"},
		{"another currency's spelling", "POST", "/v1/checkout/sessions", with("line_items[0][price_data][currency]", "RMB"), 400, ""},
		{"a page that ends too soon", "POST", "/v1/checkout/sessions", with("expires_at", strconv.FormatInt(noon.Add(29*time.Minute).Unix(), 10)), 400, "parameter_invalid_integer"},
		{"a page that ends too late", "POST", "/v1/checkout/sessions", with("expires_at", strconv.FormatInt(noon.Add(25*time.Hour).Unix(), 10)), 400, ""},
		{"an unknown way to pay", "POST", "/v1/checkout/sessions", with("payment_method_types[0]", "shells"), 400, ""},
		{"WeChat without its client", "POST", "/v1/checkout/sessions", with("payment_method_options[wechat_pay][client]", ""), 400, "parameter_missing"},
		{"a return address that is a script", "POST", "/v1/checkout/sessions", with("success_url", "javascript:alert(1)"), 400, "url_invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, body := call(t, s, tt.method, tt.path, "", tt.form)
			problem, _ := body["error"].(map[string]any)
			if code, _ := problem["code"].(string); status != tt.status || code != tt.code || problem["type"] != "invalid_request_error" {
				t.Errorf("%d %v, want %d %q", status, body, tt.status, tt.code)
			}
		})
	}
}

func TestNoKeyAndNoVersionOfOurs(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	for name, tt := range map[string]struct {
		header, value string
		want          int
	}{
		"no key": {"Authorization", "", 401}, "an empty key": {"Authorization", "Bearer ", 401}, "another version": {"Stripe-Version", "2024-04-10", 400},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.stripe.com/v1/refunds/re_1", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer sk_test_x")
		r.Header.Set(tt.header, tt.value)
		res, err := s.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", name, res.StatusCode, tt.want)
		}
	}
}

func TestReadsShowWhatWasMade(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	id := create(t, s, 700, noon)
	pay(t, s, id, "card")
	_, found := call(t, s, "GET", "/v1/checkout/sessions/"+id, "", nil)
	if found["status"] != "complete" || found["payment_status"] != "paid" || found["url"] != nil {
		t.Errorf("session: %v", found)
	}
	intent := fmt.Sprint(found["payment_intent"])
	if _, pi := call(t, s, "GET", "/v1/payment_intents/"+intent, "", nil); pi["status"] != "succeeded" || pi["amount_received"] != 700.0 {
		t.Errorf("intent: %v", pi)
	}
	_, list := call(t, s, "GET", "/v1/checkout/sessions?payment_intent="+intent, "", nil)
	if data, _ := list["data"].([]any); len(data) != 1 {
		t.Errorf("sessions of the intent: %v", list)
	}
	_, re := call(t, s, "POST", "/v1/refunds", "", url.Values{"payment_intent": {intent}, "reason": {"requested_by_customer"}})
	if _, again := call(t, s, "GET", "/v1/refunds/"+fmt.Sprint(re["id"]), "", nil); again["amount"] != 700.0 || again["status"] != "succeeded" {
		t.Errorf("refund: %v", again)
	}
}

func TestEventsComeInOrderAndAgainUntilTheyAreReceived(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, sandbox.Config{Clock: time.Now})
		id := create(t, s, 100, time.Now())
		pay(t, s, id, "wechat_pay")
		_, found := call(t, s, "GET", "/v1/checkout/sessions/"+id, "", nil)
		_, re := call(t, s, "POST", "/v1/refunds", "", url.Values{"payment_intent": {fmt.Sprint(found["payment_intent"])}})
		if re["status"] != "pending" {
			t.Errorf("refund to a wallet: %v, want it pending", re)
		}
		got := &received{}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx, got.deliver) }()
		synctest.Wait()
		if diff := cmp.Diff([]string{"checkout.session.completed " + id, "refund.created " + fmt.Sprint(re["id"]), "charge.refund.updated " + fmt.Sprint(re["id"])}, got.events); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}

		got.fail = 3 // refused three times: again after 1, 2 and 4 seconds
		other := create(t, s, 100, time.Now())
		pay(t, s, other, "card")
		began := time.Now()
		for s.Waiting() > 0 {
			<-time.After(100 * time.Millisecond)
		}
		if took := time.Since(began).Round(time.Second); took != 7*time.Second {
			t.Errorf("received after %v, want 7 s", took)
		}

		unpaid := create(t, s, 100, time.Now())
		<-time.After(2 * time.Hour)
		if last := got.events[len(got.events)-1]; last != "checkout.session.expired "+unpaid {
			t.Errorf("last event: %q, want the end of the unpaid session", last)
		}

		got.fail = 1 << 30 // never received: given up some day
		pay(t, s, create(t, s, 100, time.Now()), "card")
		<-time.After(30 * 24 * time.Hour)
		if n := s.Waiting(); n != 0 {
			t.Errorf("%d events still wait after 30 days", n)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestThePayPage(t *testing.T) {
	t.Parallel()
	c := &clock{now: noon}
	s := start(t, sandbox.Config{Clock: c.Now})
	page := s.Page()
	ask := func(method, id, language string, form url.Values) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/sandbox/pay/"+id, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept-Language", language)
		rec := httptest.NewRecorder()
		page.ServeHTTP(rec, r)
		if csp := rec.Header().Get("Content-Security-Policy"); rec.Header().Get("Content-Type") == "text/html; charset=utf-8" && !strings.HasPrefix(csp, "default-src 'none'") && rec.Code != http.StatusSeeOther {
			t.Errorf("%s %s: Content-Security-Policy %q", method, id, csp)
		}
		return rec
	}
	id := create(t, s, 29760, noon)
	for language, want := range map[string][]string{
		"zh-CN,zh;q=0.9": {"CNY 297.60", "微信支付", `lang="zh-CN"`, "土豆 &lt;5 kg&gt;"}, "en-GB": {"CNY 297.60", "WeChat Pay", `lang="en"`}, "": {"微信支付"},
	} {
		rec := ask("GET", id, language, nil)
		for _, text := range want {
			if !strings.Contains(rec.Body.String(), text) {
				t.Errorf("in %q: no %q in\n%s", language, text, rec.Body)
			}
		}
	}
	if rec := ask("POST", id, "en", url.Values{"action": {"decline"}}); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "declined") {
		t.Errorf("decline: %d\n%s", rec.Code, rec.Body)
	}
	if rec := ask("POST", id, "en", url.Values{"action": {"pay"}, "method": {"shells"}}); rec.Code != http.StatusBadRequest {
		t.Errorf("pay by shells: %d", rec.Code)
	}
	rec := ask("POST", id, "en", url.Values{"action": {"pay"}, "method": {"alipay"}})
	if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != "http://shop.test/paid?s="+id {
		t.Errorf("pay: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	if rec := ask("POST", id, "en", url.Values{"action": {"pay"}, "method": {"alipay"}}); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "has been paid") {
		t.Errorf("pay again: %d\n%s", rec.Code, rec.Body)
	}
	if s.Waiting() != 1 {
		t.Errorf("%d events, want 1", s.Waiting())
	}
	if rec := ask("GET", "cs_1", "en", nil); rec.Code != http.StatusNotFound {
		t.Errorf("an unknown session: %d", rec.Code)
	}
	if rec := ask("PUT", id, "en", nil); rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", rec.Code)
	}
	late := create(t, s, 1, noon)
	c.advance(time.Hour)
	if rec := ask("GET", late, "en", nil); !strings.Contains(rec.Body.String(), "time to pay is over") || strings.Contains(rec.Body.String(), "<form") {
		t.Errorf("after its end:\n%s", rec.Body)
	}
	if rec := ask("POST", late, "en", url.Values{"action": {"pay"}}); rec.Code != http.StatusOK || s.Waiting() != 1 {
		t.Errorf("pay after its end: %d, %d events", rec.Code, s.Waiting())
	}
}

func TestOnePaymentAmongManyAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{Journal: filepath.Join(t.TempDir(), "j")})
	id := create(t, s, 1, noon)
	var wg sync.WaitGroup
	var mu sync.Mutex
	paid := 0
	for range 50 {
		wg.Go(func() {
			switch _, err := s.Pay(id, ""); {
			case err == nil:
				mu.Lock()
				paid++
				mu.Unlock()
			case !errors.Is(err, sandbox.ErrClosed):
				t.Errorf("pay: %v", err)
			}
		})
	}
	wg.Wait()
	if paid != 1 || s.Waiting() != 1 {
		t.Errorf("paid %d times with %d events, want once", paid, s.Waiting())
	}
}

func FuzzRequests(f *testing.F) {
	s, err := sandbox.Open(sandbox.Config{Clock: func() time.Time { return noon }, PageURL: "http://shop.test/"}, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("POST", "/v1/checkout/sessions", session(100, noon).Encode())
	f.Add("POST", "/v1/refunds", "payment_intent=pi_1&amount=%zz")
	f.Add("GET", "/v1/checkout/sessions/cs_1/expire", "a[=1&]=2")
	f.Fuzz(func(t *testing.T, method, path, body string) {
		r := &http.Request{Method: method, URL: &url.URL{Path: path}, Header: http.Header{"Authorization": {"Bearer x"}}, Body: io.NopCloser(strings.NewReader(body))}
		res, err := s.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode >= 500 {
			t.Errorf("%s %q %q: %d", method, path, body, res.StatusCode)
		}
	})
}
