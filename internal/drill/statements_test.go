package drill_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/app"
	"github.com/shiyi-market/shiyi/internal/drill"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/httpapi"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/pkg/client"
)

// shop is the whole program in this process, which does nothing by itself.
type shop struct {
	app     *app.App
	box     *sandbox.Sandbox
	handler http.Handler
	httpapi.Services
}

func newShop(t *testing.T) *shop {
	t.Helper()
	place := pgtest.Create(t)
	cfg, err := app.Load(t.Context(), settings(map[string]string{
		"STATE_DIR": t.TempDir(), "DATABASE_URL": place.URL, "DATABASE_OWNER_URL": place.OwnerURL, "PASSWORD_MEMORY_KIB": "64", "PASSWORD_ITERATIONS": "1",
	}))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	a, err := app.Open(t.Context(), cfg, time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	s := &shop{app: a, Services: a.Services()}
	if s.box, err = sandbox.Open(sandbox.Config{PageURL: "http://shop.example/sandbox/pay/", Clock: time.Now}, log); err != nil {
		t.Fatal(err)
	}
	provider, err := gateway.NewSandbox(s.box, s.box.Secret())
	if err != nil {
		t.Fatal(err)
	}
	s.Payments = payment.New(a.DB(), provider, payment.Shop{Name: "Shiyi", SuccessURL: "http://shop.example/", CancelURL: "http://shop.example/"})
	s.Orders = order.New(a.DB(), s.Payments, log)
	s.handler, err = httpapi.New(cfg.HTTP, httpapi.Deps{Services: s.Services, Log: log, Clock: time.Now, Ready: a.Ready})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// settings is a lookup in a map.
func settings(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := vars[name]
		return value, ok
	}
}

// post lets the shop answer a request.
func (s *shop) post(t *testing.T, path, token, key string, header http.Header, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Idempotency-Key", key)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// TestStatementsOfASale counts what the database is sent on behalf of one paid
// checkout of two lines of two enterprises, BEGIN and COMMIT included. What the
// job queue and the public log send for many sales at once is not in it. A number
// that differs is to be looked at: if the statement is needed, it is written down
// here.
func TestStatementsOfASale(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	stock, err := drill.Fill(t.Context(), s.Services, drill.Wish{Merchants: 2, Products: 1, Pieces: 10, Buyers: 1})
	if err != nil {
		t.Fatal(err)
	}
	var counted []step
	body, err := json.Marshal(placing(1, stock.SKUs[0][0], stock.SKUs[1][0]))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the job queue asks once what server it talks to, which belongs to no sale
		counted = s.sell(t, stock.Tokens[0], body)
	}
	want := []step{{"placed", 13}, {"paid at the provider's", 0}, {"webhook received", 4}, {"captured", 12}}
	if diff := cmp.Diff(want, counted, cmp.AllowUnexported(step{})); diff != "" {
		t.Errorf("statements (-written down +sent):\n%s", diff)
	}
	const most = 30
	sum := int64(0)
	for _, c := range counted {
		sum += c.statements
	}
	if sum > most {
		t.Errorf("%d statements for a paid checkout of two lines: more than %d", sum, most)
	}
}

// step is a part of a sale and what it sent to the database.
type step struct {
	name       string
	statements int64
}

// sell does all that a sale consists of, and counts.
func (s *shop) sell(t *testing.T, token string, body []byte) []step {
	t.Helper()
	var placed client.Checkout
	var event string
	var out []step
	for _, part := range []struct {
		name string
		do   func() error
	}{
		{"placed", func() error {
			w := s.post(t, "/v1/checkouts", token, client.NewKey(), nil, body)
			return json.Unmarshal(w.Body.Bytes(), &placed)
		}},
		{"paid at the provider's", func() (err error) {
			event, err = s.box.Pay(path.Base(*placed.PayUrl), sandbox.Card)
			return err
		}},
		{"webhook received", func() error {
			return s.box.Flush(t.Context(), func(_ context.Context, body []byte, signature string) error {
				if w := s.post(t, "/v1/webhooks/stripe", "", "", http.Header{"Stripe-Signature": {signature}}, body); w.Code != http.StatusOK {
					return errors.New(w.Body.String())
				}
				return nil
			})
		}},
		{"captured", func() error { return s.Orders.Capture(t.Context(), event) }},
	} {
		before := s.app.DB().Statements()
		if err := part.do(); err != nil {
			t.Fatalf("%s: %v", part.name, err)
		}
		out = append(out, step{part.name, s.app.DB().Statements() - before})
	}
	caller, err := s.Identity.Resolve(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := s.Orders.Checkout(t.Context(), caller, id.From[order.Checkout](placed.Id)); err != nil || c.State != order.Paid {
		t.Fatalf("the checkout is %s: %v", c.State, err)
	}
	return out
}
