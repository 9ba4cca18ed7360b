package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/httpapi"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/redisdb"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

// problemOf reads an answer that must be a problem with a status and a code.
func problemOf(t *testing.T, w *httptest.ResponseRecorder, status int, code string) map[string]any {
	t.Helper()
	var p map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != status || p["code"] != code {
		t.Fatalf("answered %d %s, want %d %s", w.Code, w.Body, status, code)
	}
	return p
}

func answered(t *testing.T, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("answered %d %s, want %d", w.Code, w.Body, status)
	}
}

// lines are the log's lines about requests.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) read(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []map[string]any
	d := json.NewDecoder(bytes.NewReader(l.buf.Bytes()))
	for d.More() {
		var line map[string]any
		must(t, d.Decode(&line))
		if line["msg"] == "request" {
			out = append(out, line)
		}
	}
	return out
}

func TestWhatBreaksInsideIsToldToTheLogAndToNobodyElse(t *testing.T) {
	t.Parallel()
	log := new(lines)
	s := newShop(t, options{log: log, ready: func(context.Context) error { panic("the secret of the house") }})

	w := s.call(t, http.MethodGet, "/readyz", "", nil, "X-Request-Id", "trace-me-1")

	p := problemOf(t, w, http.StatusInternalServerError, "internal")
	if p["request_id"] != "trace-me-1" || w.Header().Get("X-Request-Id") != "trace-me-1" {
		t.Errorf("request_id is %v, want trace-me-1", p["request_id"])
	}
	if strings.Contains(w.Body.String(), "secret") {
		t.Errorf("the answer tells: %s", w.Body)
	}
	got := log.read(t)
	if len(got) != 1 || got[0]["level"] != "ERROR" || got[0]["request_id"] != "trace-me-1" || !strings.Contains(got[0]["error"].(string), "the secret of the house") {
		t.Errorf("the log says %v, want one error with the panic", got)
	}
}

func TestOneLineOfLogForEachRequestWithoutSecrets(t *testing.T) {
	t.Parallel()
	log := new(lines)
	s := newShop(t, options{log: log})
	token := s.token(t, "li")

	s.call(t, http.MethodGet, "/v1/me?", token, nil)
	s.call(t, http.MethodPost, "/v1/sessions", "", `{"login":"li@example.org","password":"a-wrong-password"}`)

	got := log.read(t)
	if len(got) != 2 {
		t.Fatalf("%d lines, want 2: %v", len(got), got)
	}
	if got[0]["route"] != "/v1/me" || got[0]["status"] != 200.0 || got[0]["caller"] == nil || got[0]["took"] == nil {
		t.Errorf("line is %v, want route, status, caller and time", got[0])
	}
	if got[1]["code"] != "identity.wrong_credentials" || got[1]["level"] != "INFO" {
		t.Errorf("line is %v, want the problem's code", got[1])
	}
	for _, secret := range []string{token, "a-wrong-password", "li@example.org"} {
		if strings.Contains(log.buf.String(), secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
}

func TestNotReadyIsSaidWithATimeToComeBack(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{ready: func(context.Context) error { return errors.New("the program is starting") }})
	w := s.call(t, http.MethodGet, "/readyz", "", nil)
	problemOf(t, w, http.StatusServiceUnavailable, "request.not_ready")
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q, want 1", w.Header().Get("Retry-After"))
	}
}

func TestARequestEndsInTime(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{cfg: httpapi.Config{Timeout: time.Millisecond}, ready: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}})
	problemOf(t, s.call(t, http.MethodGet, "/readyz", "", nil), http.StatusServiceUnavailable, "request.not_ready")
}

func TestALargeBodyIsRefusedBeforeItIsRead(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{})
	body := &counting{r: io.LimitReader(endless{}, 10<<20)}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/accounts", body)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	problemOf(t, w, http.StatusRequestEntityTooLarge, "request.too_large")
	if body.n > 2<<20 {
		t.Errorf("%d bytes were read", body.n)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{})
	for _, path := range []string{"/v1/products", "/v1/me", "/", "/docs", "/nowhere", "/assets/style.css"} {
		h := s.call(t, http.MethodGet, path, "", nil).Header()
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("X-Request-Id") == "" {
			t.Errorf("%s is answered with %v", path, h)
		}
	}
	for header, kept := range map[string]bool{"abc-12345": true, "x": false, "with space": false, strings.Repeat("a", 65): false} {
		if got := s.call(t, http.MethodGet, "/healthz", "", nil, "X-Request-Id", header).Header().Get("X-Request-Id"); (got == header) != kept {
			t.Errorf("X-Request-Id %q became %q", header, got)
		}
	}
}

func TestTheFrontPageNamesTheShopsAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ url, want string }{
		{"", "base=http://example.com\n"}, // as the request has it
		{"https://shop.example", "base=https://shop.example\n"},
		{"https://shop.example/", "base=https://shop.example\n"},
	} {
		s := newShop(t, options{url: tt.url})
		if w := s.call(t, http.MethodGet, "/", "", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("PUBLIC_URL %q: status %d, and the page lacks %q", tt.url, w.Code, tt.want)
		}
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	for path, status := range map[string]int{"/v1/products": 200, "/v1/me": 401, "/nowhere": 404} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, server.URL+path, nil)
		must(t, err)
		answer, err := http.DefaultClient.Do(r)
		must(t, err)
		body, err := io.ReadAll(answer.Body)
		must(t, err)
		must(t, answer.Body.Close())
		if answer.StatusCode != status || len(body) != 0 || answer.Header.Get("Content-Type") == "" {
			t.Errorf("HEAD %s: %d with %d bytes of %q, want %d", path, answer.StatusCode, len(body), answer.Header.Get("Content-Type"), status)
		}
	}
}

func TestPublicAnswersHaveATagAndAre304WhenKnown(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{})
	first := s.call(t, http.MethodGet, "/v1/products", "", nil)
	tag := first.Header().Get("Etag")
	answered(t, first, http.StatusOK)
	for match, status := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"another"`: 200, "": 200} {
		w := s.call(t, http.MethodGet, "/v1/products", "", nil, "If-None-Match", match)
		if w.Code != status || (status == 304) != (w.Body.Len() == 0) || w.Header().Get("Etag") != tag {
			t.Errorf("If-None-Match %s: %d, %d bytes, %s; want %d", match, w.Code, w.Body.Len(), w.Header().Get("Etag"), status)
		}
	}
	answered(t, s.call(t, http.MethodPost, "/v1/merchant/skus/"+shoptest.SKU("flour").String(), s.token(t, "miller"), `{"price_fen":1}`), http.StatusOK)
	if w := s.call(t, http.MethodGet, "/v1/products", "", nil, "If-None-Match", tag); w.Code != http.StatusOK || w.Header().Get("Etag") == tag {
		t.Errorf("after a new price: %d with the same tag", w.Code)
	}
}

func TestPublicAnswersAreRememberedForTheirAgeAndNoLonger(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{cfg: httpapi.Config{PublicAge: time.Second}})
	path := "/v1/products/" + names()["flour-product"].String()
	priced := func() bool {
		w := s.call(t, http.MethodGet, path, "", nil)
		answered(t, w, http.StatusOK)
		if w.Header().Get("Cache-Control") != "public, max-age=1" {
			t.Errorf("Cache-Control is %q", w.Header().Get("Cache-Control"))
		}
		return strings.Contains(w.Body.String(), `"price_fen":4000`)
	}
	priced()
	answered(t, s.call(t, http.MethodPost, "/v1/merchant/skus/"+shoptest.SKU("flour").String(), s.token(t, "miller"), `{"price_fen":4000}`), http.StatusOK)
	if priced() {
		t.Error("within its age the answer was made anew")
	}
	s.Clock.Advance(time.Second)
	if !priced() {
		t.Error("after its age the answer is still the old one")
	}
	// Problems are not remembered.
	unknown := "/v1/products/00000000-0000-4000-8000-000000000000"
	for range 2 {
		w := s.call(t, http.MethodGet, unknown, "", nil)
		problemOf(t, w, http.StatusNotFound, "catalog.product_not_found")
		if w.Header().Get("Etag") != "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("a problem is cached: %v", w.Header())
		}
	}
}

func TestRememberedAnswersHaveBoundedBytes(t *testing.T) {
	t.Parallel()
	a, now := httpapi.NewAnswers(), pgtest.Noon
	const large = 200 << 10
	for i := range 3 * httpapi.MaxHeld / large {
		url := "/v1/products?cursor=" + strconv.Itoa(i)
		a.Remember(url, large, now)
		if n, bytes := a.Held(); bytes > httpapi.MaxHeld || !a.Knows(url, now) {
			t.Fatalf("after %d answers %d of %d bytes are held, at most %d may be; the last one among them: %t", i+1, n, bytes, httpapi.MaxHeld, a.Knows(url, now))
		}
	}
	// An answer that is made anew takes the place of the old one.
	a = httpapi.NewAnswers()
	a.Remember("/v1/categories", 1, now)
	for range 3 * httpapi.MaxHeld / large {
		a.Remember("/v1/products", large, now)
	}
	if n, _ := a.Held(); n != 2 || !a.Knows("/v1/categories", now) {
		t.Errorf("%d answers are held, want the two", n)
	}
}

func TestABrowserKeepsItsTokenInACookieThatOtherSitesCannotUse(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{})
	s.token(t, "li")
	w := s.call(t, http.MethodPost, "/v1/sessions", "", `{"login":"li@example.org","password":"correct-horse-battery","transport":"cookie"}`)
	answered(t, w, http.StatusCreated)
	cookies := w.Result().Cookies()
	if len(cookies) != 1 || cookies[0].Name != "__Host-session" || !cookies[0].HttpOnly || !cookies[0].Secure ||
		cookies[0].SameSite != http.SameSiteLaxMode || cookies[0].Path != "/" || strings.Contains(w.Body.String(), "token") {
		t.Fatalf("cookies %v, body %s", cookies, w.Body)
	}
	cookie := cookies[0].Name + "=" + cookies[0].Value
	line := `{"sku_id":"` + shoptest.SKU("flour").String() + `","quantity":1}`

	answered(t, s.call(t, http.MethodGet, "/v1/cart", "", nil, "Cookie", cookie, "Sec-Fetch-Site", "cross-site"), http.StatusOK)
	answered(t, s.call(t, http.MethodPost, "/v1/cart/lines", "", line, "Cookie", cookie, "Sec-Fetch-Site", "same-origin"), http.StatusOK)
	problemOf(t, s.call(t, http.MethodPost, "/v1/cart/lines", "", line, "Cookie", cookie, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "request.cross_origin")
	problemOf(t, s.call(t, http.MethodPost, "/v1/cart/lines", "", line, "Cookie", cookie, "Origin", "https://evil.test"), http.StatusForbidden, "request.cross_origin")
	problemOf(t, s.call(t, http.MethodPost, "/v1/sessions", "", `{}`, "Origin", "https://evil.test"), http.StatusForbidden, "request.cross_origin")

	out := s.call(t, http.MethodDelete, "/v1/sessions/current", "", nil, "Cookie", cookie)
	answered(t, out, http.StatusNoContent)
	if c := out.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("signing out leaves %v", c)
	}
	problemOf(t, s.call(t, http.MethodGet, "/v1/cart", "", nil, "Cookie", cookie), http.StatusUnauthorized, "identity.unauthenticated")
}

func TestLimitsHoldWhileRedisAnswersAndNothingFailsWhenItDoesNot(t *testing.T) {
	t.Parallel()
	redis, err := redisdb.Open(t.Context(), redisdb.Config{}, slog.New(slog.DiscardHandler))
	must(t, err)
	s := newShop(t, options{redis: redis, cfg: httpapi.Config{Limits: httpapi.Limits{SignIn: 3, Register: 2, Checkout: 1}}})
	token := s.token(t, "li")

	wrong := `{"login":"li@example.org","password":"a-wrong-password"}`
	for _, login := range []string{"li@example.org", "Li@Example.org", "LI@EXAMPLE.ORG"} { // one login, however it is spelled
		answered(t, s.call(t, http.MethodPost, "/v1/sessions", "", strings.Replace(wrong, "li@example.org", login, 1)), http.StatusUnauthorized)
	}
	w := s.call(t, http.MethodPost, "/v1/sessions", "", wrong)
	problemOf(t, w, http.StatusTooManyRequests, "request.too_many")
	if wait, err := strconv.Atoi(w.Header().Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
		t.Errorf("Retry-After is %q", w.Header().Get("Retry-After"))
	}
	// Another login from the same address is not held up.
	answered(t, s.call(t, http.MethodPost, "/v1/sessions", "", `{"login":"wang@example.org","password":"a-wrong-password"}`), http.StatusUnauthorized)

	checkout := func(key string) int {
		return s.call(t, http.MethodPost, "/v1/checkouts", token, `{"lines":[{"sku_id":"`+shoptest.SKU("stay").String()+`","quantity":1}],"waiver_confirmed":true}`, "Idempotency-Key", key).Code
	}
	if got := []int{checkout("first-of-two"), checkout("second-of-two")}; !slices.Equal(got, []int{201, 429}) {
		t.Errorf("checkouts were answered %v, want 201 and 429", got)
	}
	must(t, redis.Close())
	if got := checkout("third-without-redis"); got != http.StatusCreated {
		t.Errorf("without Redis a checkout was answered %d", got)
	}
}

func TestOneNetworkOfIPv6IsOneAddress(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, address, want string }{
		{"an address of IPv4", "192.0.2.7", "192.0.2.7"},
		{"its neighbour", "192.0.2.8", "192.0.2.8"},
		{"the same, written as one of IPv6", "::ffff:192.0.2.7", "192.0.2.7"},
		{"an address of IPv6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"another of the same household", "2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"},
		{"the next household's", "2001:db8:1:3::1", "2001:db8:1:3::/64"},
		{"one of this link", "fe80::1%eth0", "fe80::/64"},
		{"no address", "unknown", "unknown"},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		if got := httpapi.NetworkOf(tt.address); got != tt.want {
			t.Errorf("%s, %s: counted as %q, want %q", tt.name, tt.address, got, tt.want)
		}
	}
}

func TestWhoHasManyAddressesOfIPv6IsLimitedAsIfHeHadOne(t *testing.T) {
	t.Parallel()
	redis, err := redisdb.Open(t.Context(), redisdb.Config{}, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { _ = redis.Close() })
	s := newShop(t, options{redis: redis, cfg: httpapi.Config{TrustedProxies: []string{"192.0.2.0/24"}, Limits: httpapi.Limits{Register: 2}}})
	for i, tt := range []struct {
		from string
		want int
	}{
		{"2001:db8:1:2::1", 201}, {"2001:db8:1:2::2", 201}, {"2001:db8:1:2::3", 429}, {"2001:db8:1:3::1", 201}, {"198.51.100.1", 201},
	} {
		body := map[string]string{"email": strconv.Itoa(i) + "@example.org", "password": "correct-horse-battery", "name": "li"}
		if w := s.call(t, http.MethodPost, "/v1/accounts", "", body, "X-Forwarded-For", tt.from); w.Code != tt.want {
			t.Errorf("from %s: answered %d, want %d", tt.from, w.Code, tt.want)
		}
	}
}

func TestTheSameKeyManyTimesAtOnceIsOneCheckout(t *testing.T) {
	t.Parallel()
	const times = 20
	s := newShop(t, options{})
	token := s.token(t, "li")
	body := `{"lines":[{"sku_id":"` + shoptest.SKU("stay").String() + `","quantity":1}],"waiver_confirmed":true}`
	answers := make([]*httptest.ResponseRecorder, times)
	var wg sync.WaitGroup
	for i := range times {
		wg.Go(func() {
			answers[i] = s.call(t, http.MethodPost, "/v1/checkouts", token, body, "Idempotency-Key", "at-the-same-time")
		})
	}
	wg.Wait()
	made := map[string]int{}
	for _, w := range answers {
		switch {
		case w.Code == http.StatusCreated:
			made[w.Body.String()]++
		case w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "request.running") || w.Header().Get("Retry-After") == "":
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
	}
	if len(made) != 1 {
		t.Errorf("%d different checkouts were made", len(made))
	}
	if got := s.Pieces(t, "stay"); got != [2]int64{9, 1} {
		t.Errorf("available and reserved are %v, want 9 and 1", got)
	}
}
