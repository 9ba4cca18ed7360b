package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shiyi-market/shiyi/pkg/client"
)

// shopOf answers requests by handler, with no network in between.
func shopOf(t *testing.T, cfg client.Config, handler http.HandlerFunc) *client.Shop {
	t.Helper()
	cfg.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		handler(rec, r)
		return rec.Result(), nil
	})}
	shop, err := client.Connect("http://shop.test", cfg)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return shop
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAProblemIsAnErrorWithItsCode(t *testing.T) {
	t.Parallel()
	shop := shopOf(t, client.Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"type":"/problems/inventory.out_of_stock","title":"Out of stock","status":409,"code":"inventory.out_of_stock",
			"request_id":"r1","instance":"r1","errors":[{"pointer":"/lines/0/quantity","keyword":"stock","message":"only 2"}]}`)
	})

	_, err := shop.API.PlaceCheckoutWithResponse(t.Context(), &client.PlaceCheckoutParams{IdempotencyKey: client.NewKey()}, client.Placing{})

	var refusal *client.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("error is %v, want a *client.Error", err)
	}
	if refusal.Code != "inventory.out_of_stock" || refusal.Status != http.StatusConflict {
		t.Errorf("refusal is %d %s, want 409 inventory.out_of_stock", refusal.Status, refusal.Code)
	}
	if want := "/lines/0/quantity only 2"; !strings.Contains(err.Error(), want) {
		t.Errorf("error says %q, want it to name %q", err, want)
	}
}

func TestAnAnswerThatIsNoProblemIsStillAnError(t *testing.T) {
	t.Parallel()
	shop := shopOf(t, client.Config{Attempts: 1}, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the proxy is tired", http.StatusBadGateway)
	})

	_, err := shop.API.GetFundWithResponse(t.Context(), nil)

	var refusal *client.Error
	if !errors.As(err, &refusal) || refusal.Code != "http.502" {
		t.Fatalf("error is %v, want http.502", err)
	}
}

func TestRequestsAreRepeatedOnlyWhenThatIsSafe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		call func(t *testing.T, shop *client.Shop) error
		want int
	}{
		{"a read", func(t *testing.T, shop *client.Shop) error {
			t.Helper()
			_, err := shop.API.GetFundWithResponse(t.Context(), nil)
			return err
		}, 3},
		{"a checkout with its key", func(t *testing.T, shop *client.Shop) error {
			t.Helper()
			_, err := shop.API.PlaceCheckoutWithResponse(t.Context(), &client.PlaceCheckoutParams{IdempotencyKey: "a-key-of-mine"}, client.Placing{})
			return err
		}, 3},
		{"a registration", func(t *testing.T, shop *client.Shop) error {
			t.Helper()
			_, err := shop.API.RegisterAccountWithResponse(t.Context(), client.Registration{Name: "Li", Password: "correct-horse"})
			return err
		}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var bodies []string
				shop := shopOf(t, client.Config{}, func(w http.ResponseWriter, r *http.Request) {
					var body []byte
					if r.Body != nil {
						body, _ = io.ReadAll(r.Body)
					}
					bodies = append(bodies, string(body))
					w.Header().Set("Retry-After", "2")
					w.WriteHeader(http.StatusServiceUnavailable)
				})
				start := time.Now()
				if err := tt.call(t, shop); err == nil {
					t.Fatal("no error from a shop that is closed")
				}
				if len(bodies) != tt.want {
					t.Errorf("sent %d times, want %d", len(bodies), tt.want)
				}
				for _, body := range bodies {
					if body != bodies[0] {
						t.Errorf("sent %q, then %q", bodies[0], body)
					}
				}
				if least := time.Duration(tt.want-1) * 2 * time.Second; time.Since(start) < least {
					t.Errorf("took %v, want the %v that the shop asked for", time.Since(start), least)
				}
			})
		})
	}
}

func TestSignInBearsTheTokenUntilSignOut(t *testing.T) {
	t.Parallel()
	var seen []string
	shop := shopOf(t, client.Config{}, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":"0195f3a2-7c11-7d7e-9a55-2f6c0a1b9e44","token":"secret","expires_at":"2026-01-01T00:00:00Z",
			"account":{"id":"0195f3a2-7c11-7d7e-9a55-2f6c0a1b9e44","name":"Li","state":"active","roles":[],"created_at":"2026-01-01T00:00:00Z"}}`)
	})

	account, err := shop.SignIn(t.Context(), "li@example.org", "correct-horse")
	if err != nil || account.Name != "Li" || shop.Token() != "secret" {
		t.Fatalf("signed in as %q with token %q: %v", account.Name, shop.Token(), err)
	}
	if err := shop.SignOut(t.Context()); err != nil || shop.Token() != "" {
		t.Fatalf("signed out with token %q: %v", shop.Token(), err)
	}
	if want := []string{"", "Bearer secret"}; len(seen) != 2 || seen[0] != want[0] || seen[1] != want[1] {
		t.Errorf("credentials were %q, want %q", seen, want)
	}
}
