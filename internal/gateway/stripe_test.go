package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-mock/embedded"
	mock "github.com/stripe/stripe-mock/server"
	"github.com/stripe/stripe-mock/spec"

	"github.com/shiyi-market/shiyi/internal/config"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/sandbox"
)

// contract is Stripe's own description of its API and the server that holds
// requests against it, parameter by parameter.
type contract struct {
	spec *spec.Spec
	stub *mock.StubServer
}

var stripeContract = sync.OnceValues(func() (contract, error) {
	fixtures, err := mock.LoadFixtures(embedded.OpenAPIFixtures, "")
	if err != nil {
		return contract{}, err
	}
	described, err := mock.LoadSpec(embedded.OpenAPISpec, "")
	if err != nil {
		return contract{}, err
	}
	stub, err := mock.NewStubServer(fixtures, described, true, false)
	return contract{described, stub}, err
})

// checked passes each request through stripe-mock before the sandbox sees it, and
// holds the sandbox's answers against what Stripe's schemas require.
type checked struct {
	t        testing.TB
	inner    http.RoundTripper
	contract contract
	requests *atomic.Int64
}

func newChecked(t testing.TB, inner http.RoundTripper) checked {
	t.Helper()
	c, err := stripeContract()
	if err != nil {
		t.Fatalf("stripe-mock: %v", err)
	}
	return checked{t, inner, c, new(atomic.Int64)}
}

func (c checked) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	var body []byte
	if r.Body != nil {
		read, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = read
	}
	if got := r.Header.Get("Stripe-Version"); got != c.contract.spec.Info.Version {
		c.t.Errorf("Stripe-Version: %q, want %q", got, c.contract.spec.Info.Version)
	}
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	c.contract.stub.HandleRequest(rec, copied)
	if rec.Code != http.StatusOK {
		c.t.Errorf("stripe-mock refuses %s %s: %d %s", r.Method, r.URL.Path, rec.Code, rec.Body)
		return rec.Result(), nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	res, err := c.inner.RoundTrip(r)
	if err != nil || res.StatusCode != http.StatusOK {
		return res, err
	}
	answer, err := io.ReadAll(res.Body)
	c.complete(answer)
	res.Body = io.NopCloser(bytes.NewReader(answer))
	return res, err
}

// complete checks that an object has all fields that Stripe's schema of it requires.
func (c checked) complete(answer []byte) {
	var object map[string]any
	if err := json.Unmarshal(answer, &object); err != nil {
		c.t.Errorf("the answer is no JSON: %v", err)
		return
	}
	kind, _ := object["object"].(string)
	if kind == "list" {
		return
	}
	schema, ok := c.contract.spec.Components.Schemas[kind]
	if !ok {
		c.t.Errorf("Stripe knows no object %q", kind)
		return
	}
	for _, field := range schema.Required {
		if _, ok := object[field]; !ok {
			c.t.Errorf("%s lacks %s, which Stripe requires", kind, field)
		}
	}
}

// bench is a gateway and the provider behind it.
type bench struct {
	clock   *pgtest.Clock
	bank    *sandbox.Sandbox
	gateway gateway.Gateway
	checked checked
}

func newBank(t testing.TB, clock *pgtest.Clock) *sandbox.Sandbox {
	t.Helper()
	bank, err := sandbox.Open(sandbox.Config{PageURL: "http://shop.test/sandbox/pay/", Clock: clock.Now}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return bank
}

// gateways are the two ways in which stripe-go is used: to the sandbox without a
// port, and over the network to what looks like Stripe.
func gateways() map[string]func(t testing.TB) bench {
	return map[string]func(t testing.TB) bench{
		"sandbox": func(t testing.TB) bench {
			t.Helper()
			clock := pgtest.NewClock(pgtest.Noon)
			bank := newBank(t, clock)
			checked := newChecked(t, bank)
			provider, err := gateway.NewSandbox(checked, bank.Secret())
			if err != nil {
				t.Fatal(err)
			}
			return bench{clock, bank, provider, checked}
		},
		"stripe": func(t testing.TB) bench {
			t.Helper()
			clock := pgtest.NewClock(pgtest.Noon)
			bank := newBank(t, clock)
			checked := newChecked(t, bank)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				res, err := checked.RoundTrip(r)
				if err != nil {
					t.Errorf("serve: %v", err)
					return
				}
				defer func() { _ = res.Body.Close() }()
				for name, values := range res.Header {
					w.Header()[name] = values
				}
				w.WriteHeader(res.StatusCode)
				_, _ = io.Copy(w, res.Body)
			}))
			t.Cleanup(server.Close)
			provider, err := gateway.NewStripe(gateway.Config{
				StripeKey: "sk_test_4eC39HqLyjWDarjtT1zdp7dc", StripeWebhookSecret: config.Secret(bank.Secret()), StripeURL: server.URL,
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			return bench{clock, bank, provider, checked}
		},
	}
}

// pay pays a page as a person would.
func (b bench) pay(t testing.TB, session, method string) (eventID string) {
	t.Helper()
	e, err := b.bank.Pay(session, method)
	if err != nil {
		t.Fatalf("pay: %v", err)
	}
	return e
}

// event sends an event of the bank and reads it.
func (b bench) event(t testing.TB, eventID string) (e gateway.Event) {
	t.Helper()
	err := b.bank.Send(t.Context(), eventID, func(_ context.Context, body []byte, signature string) (err error) {
		b.checked.complete(body)
		e, err = b.gateway.Event(body, signature, b.clock.Now())
		return err
	})
	if err != nil {
		t.Fatalf("event: %v", err)
	}
	return e
}

// mark is our shop's, on an account that others share.
const mark = "shop.test/log"

var buyer = uuid.MustParse("0190b9d4-1111-7000-8000-000000000001")

func opening(amount int64) gateway.Opening {
	return gateway.Opening{
		Intent: id.New[gateway.Opening](pgtest.Noon).UUID(), Buyer: buyer, Amount: money.Fen(amount), Description: "什一 Shiyi",
		SuccessURL: "http://shop.test/paid", CancelURL: "http://shop.test/cart", ExpiresAt: pgtest.Noon.Add(30 * time.Minute), Mark: mark,
	}
}

func TestGatewayTakesAndGivesBackMoney(t *testing.T) {
	t.Parallel()
	for name, open := range gateways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			ctx := t.Context()
			o := opening(12345)

			first, err := b.gateway.Open(ctx, o)
			if err != nil {
				t.Fatalf("open: %v", err)
			}
			if !strings.HasPrefix(first.Session, "cs_test_") || first.URL != "http://shop.test/sandbox/pay/"+first.Session || first.Provider != name {
				t.Errorf("opened: %+v", first)
			}
			b.clock.Advance(25 * time.Minute)
			second, err := b.gateway.Open(ctx, o)
			if err != nil {
				t.Fatalf("open again, 25 minutes later: %v", err)
			}
			if diff := cmp.Diff(first, second); diff != "" {
				t.Errorf("opened again (-first +second):\n%s", diff)
			}

			e := b.event(t, b.pay(t, first.Session, sandbox.Card))
			want := gateway.Event{
				ID: e.ID, Type: "checkout.session.completed", Kind: gateway.Paid, Provider: name, Mark: mark, Intent: o.Intent, Buyer: buyer,
				Session: first.Session, Payment: e.Payment, Amount: 12345, Currency: "cny", OccurredAt: b.clock.Now(),
			}
			if diff := cmp.Diff(want, e); diff != "" {
				t.Errorf("paid event (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(e.Payment, "pi_") {
				t.Errorf("payment: %q", e.Payment)
			}
			if err := b.gateway.Expire(ctx, first.Session); err != nil {
				t.Errorf("close a paid page: %v, want no error", err)
			}
			b.refunds(t, e.Payment)
			if b.checked.requests.Load() < 6 {
				t.Errorf("%d requests passed through stripe-mock: too few to believe", b.checked.requests.Load())
			}
		})
	}
}

// refunds gives 12345 fen back in parts, and more than that.
func (b bench) refunds(t *testing.T, paid string) {
	t.Helper()
	ctx := t.Context()
	part := gateway.Refunding{Refund: id.New[gateway.Refunding](pgtest.Noon).UUID(), Buyer: buyer, Payment: paid, Amount: 345}
	first, err := b.gateway.Refund(ctx, part)
	if err != nil || first.State != gateway.RefundSucceeded {
		t.Fatalf("refund to a card: %+v, %v", first, err)
	}
	again, err := b.gateway.Refund(ctx, part)
	if err != nil || again != first {
		t.Errorf("the same refund again: %+v, %v, want %+v", again, err, first)
	}
	tooMuch := gateway.Refunding{Refund: id.New[gateway.Refunding](pgtest.Noon).UUID(), Buyer: buyer, Payment: paid, Amount: 12001}
	if _, err := b.gateway.Refund(ctx, tooMuch); !errors.Is(err, gateway.ErrDeclined) {
		t.Errorf("refund more than is left: %v, want %v", err, gateway.ErrDeclined)
	}
	rest := tooMuch
	rest.Refund, rest.Amount = id.New[gateway.Refunding](pgtest.Noon).UUID(), 12000
	if _, err := b.gateway.Refund(ctx, rest); err != nil {
		t.Errorf("refund the rest: %v", err)
	}
	rest.Refund, rest.Amount = id.New[gateway.Refunding](pgtest.Noon).UUID(), 1
	if _, err := b.gateway.Refund(ctx, rest); !errors.Is(err, gateway.ErrDeclined) {
		t.Errorf("refund after all went back: %v, want %v", err, gateway.ErrDeclined)
	}
	rest.Payment = "pi_unknown"
	if _, err := b.gateway.Refund(ctx, rest); !errors.Is(err, gateway.ErrDeclined) {
		t.Errorf("refund an unknown payment: %v, want %v", err, gateway.ErrDeclined)
	}
}

func TestGatewayClosesPages(t *testing.T) {
	t.Parallel()
	for name, open := range gateways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			opened, err := b.gateway.Open(t.Context(), opening(1))
			if err != nil {
				t.Fatal(err)
			}
			for n := range 2 {
				if err := b.gateway.Expire(t.Context(), opened.Session); err != nil {
					t.Errorf("close the page, time %d: %v", n+1, err)
				}
			}
			if _, err := b.bank.Pay(opened.Session, ""); !errors.Is(err, sandbox.ErrClosed) {
				t.Errorf("pay a closed page: %v, want %v", err, sandbox.ErrClosed)
			}
			var got gateway.Event
			err = b.bank.Flush(t.Context(), func(_ context.Context, body []byte, signature string) (err error) {
				got, err = b.gateway.Event(body, signature, b.clock.Now())
				return err
			})
			if err != nil || got.Kind != gateway.SessionExpired || got.Session != opened.Session {
				t.Errorf("event of a closed page: %+v, %v", got, err)
			}
		})
	}
}

func TestGatewayTellsOfWalletRefundsLater(t *testing.T) {
	t.Parallel()
	for name, open := range gateways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			opened, err := b.gateway.Open(t.Context(), opening(500))
			if err != nil {
				t.Fatal(err)
			}
			paid := b.event(t, b.pay(t, opened.Session, sandbox.WeChat))
			r := gateway.Refunding{Refund: id.New[gateway.Refunding](pgtest.Noon).UUID(), Buyer: buyer, Attempt: 2, Payment: paid.Payment, Amount: 500, Mark: mark}
			done, err := b.gateway.Refund(t.Context(), r)
			if err != nil || done.State != gateway.RefundPending {
				t.Fatalf("refund to a wallet: %+v, %v, want it pending", done, err)
			}
			var got gateway.Event
			err = b.bank.Flush(t.Context(), func(_ context.Context, body []byte, signature string) (err error) {
				b.checked.complete(body)
				got, err = b.gateway.Event(body, signature, b.clock.Now())
				return err
			})
			if err != nil || got.Kind != gateway.RefundUpdated || got.Refund != r.Refund || got.Attempt != 2 || got.Buyer != buyer || got.Mark != mark ||
				got.RefundRef != done.Ref || got.RefundTo != gateway.RefundSucceeded || got.Amount != 500 {
				t.Errorf("event of the refund: %+v, %v", got, err)
			}
		})
	}
}

func TestGatewayRefusesWhatStripeRefuses(t *testing.T) {
	t.Parallel()
	for name, open := range gateways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			o := opening(100)
			if _, err := b.gateway.Open(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			o.Amount = 101
			if _, err := b.gateway.Open(t.Context(), o); !errors.Is(err, gateway.ErrDeclined) {
				t.Errorf("the same key with another amount: %v, want %v", err, gateway.ErrDeclined)
			}
			if _, err := b.gateway.Open(t.Context(), opening(int64(gateway.MaxAmount)+1)); !errors.Is(err, gateway.ErrDeclined) {
				t.Errorf("nine digits: %v, want %v", err, gateway.ErrDeclined)
			}
			if _, err := b.gateway.Open(t.Context(), opening(int64(gateway.MaxAmount))); err != nil {
				t.Errorf("eight digits: %v", err)
			}
			b.clock.Advance(2 * time.Minute)
			late := opening(100)
			late.ExpiresAt = pgtest.Noon
			if _, err := b.gateway.Open(t.Context(), late); !errors.Is(err, gateway.ErrDeclined) {
				t.Errorf("a page of less than 30 minutes: %v, want %v", err, gateway.ErrDeclined)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := b.gateway.Open(ctx, opening(1)); !errors.Is(err, context.Canceled) {
				t.Errorf("after the caller left: %v, want %v", err, context.Canceled)
			}
		})
	}
}

// answering is a provider with one answer.
type answering struct {
	status int
	body   string
	err    error
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.err != nil {
		return nil, a.err
	}
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

func TestFailuresOfTheProviderAreToldApart(t *testing.T) {
	t.Parallel()
	const key = "sk_test_51NeverShown"
	tests := []struct {
		name string
		answering
		want error // nil: an error that is no fault
	}{
		{"the network is gone", answering{err: io.ErrUnexpectedEOF}, gateway.ErrUnavailable},
		{"no JSON", answering{status: 502, body: "<html>Bad Gateway</html>"}, gateway.ErrUnavailable},
		{"an internal error", answering{status: 500, body: `{"error":{"type":"api_error","message":"oops"}}`}, gateway.ErrUnavailable},
		{"too many requests", answering{status: 429, body: `{"error":{"type":"invalid_request_error","code":"rate_limit"}}`}, gateway.ErrUnavailable},
		{"the first request with the key still runs", answering{status: 409, body: `{"error":{"type":"invalid_request_error","code":"idempotency_key_in_use"}}`}, gateway.ErrUnavailable},
		{"a bad parameter", answering{status: 400, body: `{"error":{"type":"invalid_request_error","message":"no"}}`}, gateway.ErrDeclined},
		{"a wrong key", answering{status: 401, body: `{"error":{"type":"invalid_request_error","message":"Invalid API Key provided: ` + key + `"}}`}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			provider, err := gateway.NewSandbox(tt.answering, "whsec_x")
			if err != nil {
				t.Fatal(err)
			}
			_, err = provider.Open(t.Context(), opening(1))
			switch {
			case err == nil:
				t.Fatal("no error")
			case tt.want != nil && !errors.Is(err, tt.want):
				t.Errorf("%v, want %v", err, tt.want)
			case tt.want == nil && (errors.Is(err, gateway.ErrUnavailable) || errors.Is(err, gateway.ErrDeclined)):
				t.Errorf("%v: no caller can act on it", err)
			case strings.Contains(err.Error(), key):
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

func TestStripeDoesNotStartWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	for _, secret := range []config.Secret{"", " \t"} {
		if _, err := gateway.NewStripe(gateway.Config{StripeKey: "sk_test_x", StripeWebhookSecret: secret}, nil); !errors.Is(err, gateway.ErrNoWebhookSecret) {
			t.Errorf("webhook secret %q: %v, want %v", secret.Reveal(), err, gateway.ErrNoWebhookSecret)
		}
	}
	if _, err := gateway.NewStripe(gateway.Config{StripeWebhookSecret: "whsec_x"}, nil); err == nil {
		t.Error("without a key: no error")
	}
	if _, err := gateway.NewSandbox(http.DefaultTransport, ""); !errors.Is(err, gateway.ErrNoWebhookSecret) {
		t.Errorf("sandbox without a secret: %v, want %v", err, gateway.ErrNoWebhookSecret)
	}
}

func TestWebhooksAreBelievedOnlyWithTheRightSignatureAtTheRightTime(t *testing.T) {
	t.Parallel()
	const secret = "whsec_right"
	provider, err := gateway.NewSandbox(http.DefaultTransport, secret)
	if err != nil {
		t.Fatal(err)
	}
	now := pgtest.Noon
	body := []byte(`{"id":"evt_1","object":"event","api_version":"2023-10-16","created":1795752000,"livemode":false,"type":"charge.succeeded","data":{"object":{}}}`)
	sign := func(at time.Time) string { return sandbox.Sign(body, secret, at) }
	old := sign(now.Add(-time.Hour))
	tests := []struct {
		name      string
		body      []byte
		signature string
		want      error
	}{
		{"right", body, sign(now), nil},
		{"300 s old", body, sign(now.Add(-300 * time.Second)), nil},
		{"300 s ahead", body, sign(now.Add(300 * time.Second)), nil},
		{"301 s old", body, sign(now.Add(-301 * time.Second)), gateway.ErrSignature},
		{"301 s ahead", body, sign(now.Add(301 * time.Second)), gateway.ErrSignature},
		{"years ahead", body, sign(now.AddDate(50, 0, 0)), gateway.ErrSignature},
		{"another secret", body, sandbox.Sign(body, "whsec_wrong", now), gateway.ErrSignature},
		{"no secret", body, sandbox.Sign(body, "", now), gateway.ErrSignature},
		{"another body", append([]byte(" "), body...), sign(now), gateway.ErrSignature},
		{"unsigned", body, "", gateway.ErrSignature},
		{"no time", body, strings.SplitN(sign(now), ",", 2)[1], gateway.ErrSignature},
		{"no digest", body, strings.SplitN(sign(now), ",", 2)[0], gateway.ErrSignature},
		{"a fresh time before an old signature", body, "t=" + strconv.FormatInt(now.Unix(), 10) + "," + old, gateway.ErrSignature},
		{"a fresh time behind an old signature", body, old + ",t=" + strconv.FormatInt(now.Unix(), 10), gateway.ErrSignature},
		{"a time that is none", body, strings.Replace(sign(now), "t=", "t=x", 1), gateway.ErrSignature},
		{"two signatures, one right, while a secret is rolled", body, sign(now) + ",v1=00", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := provider.Event(tt.body, tt.signature, now); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestWebhooksAreReadAsWhatTheyMean(t *testing.T) {
	t.Parallel()
	const secret = "whsec_right"
	provider, err := gateway.NewSandbox(http.DefaultTransport, secret)
	if err != nil {
		t.Fatal(err)
	}
	const intent = "0190b9d4-2222-7000-8000-000000000002"
	session := func(more string) string {
		return `{"id":"cs_1","client_reference_id":"` + intent + `","amount_total":700,"currency":"cny","payment_intent":"pi_1","metadata":{"buyer":"` + buyer.String() + `"}` + more + `}`
	}
	event := func(version, kind, object string) string {
		return `{"id":"evt_1","api_version":"` + version + `","created":1795752000,"type":"` + kind + `","data":{"object":` + object + `}}`
	}
	refund := func(status string) string {
		return `{"id":"re_1","amount":7,"status":"` + status + `","metadata":{"buyer":"` + buyer.String() + `","refund":"` + intent + `","attempt":"0"}}`
	}
	tests := []struct {
		name, body string
		want       gateway.Kind
		state      gateway.RefundState
		err        error
	}{
		{"paid", event(stripe.APIVersion, "checkout.session.completed", session(`,"payment_status":"paid"`)), gateway.Paid, "", nil},
		{"completed, the wallet's money still under way", event(stripe.APIVersion, "checkout.session.completed", session(`,"payment_status":"unpaid"`)), gateway.Unconcerned, "", nil},
		{"the wallet's money came", event(stripe.APIVersion, "checkout.session.async_payment_succeeded", session(`,"payment_status":"paid"`)), gateway.Paid, "", nil},
		{"the wallet's money did not come", event(stripe.APIVersion, "checkout.session.async_payment_failed", session(`,"payment_status":"unpaid"`)), gateway.Unconcerned, "", nil},
		{"expired", event(stripe.APIVersion, "checkout.session.expired", session(`,"payment_status":"unpaid"`)), gateway.SessionExpired, "", nil},
		{"another program's session", event(stripe.APIVersion, "checkout.session.completed", `{"id":"cs_1","payment_status":"paid","metadata":null}`), gateway.Unconcerned, "", nil},
		{"a session with a reference of another shape", event(stripe.APIVersion, "checkout.session.completed", strings.Replace(session(`,"payment_status":"paid"`), intent, "42", 1)), gateway.Unconcerned, "", nil},
		{"a refund that arrived", event(stripe.APIVersion, "charge.refund.updated", refund("succeeded")), gateway.RefundUpdated, gateway.RefundSucceeded, nil},
		{"a refund that failed", event(stripe.APIVersion, "charge.refund.updated", refund("failed")), gateway.RefundUpdated, gateway.RefundFailed, nil},
		{"a refund that was canceled", event(stripe.APIVersion, "charge.refund.updated", refund("canceled")), gateway.RefundUpdated, gateway.RefundFailed, nil},
		{"a refund under way", event(stripe.APIVersion, "charge.refund.updated", refund("pending")), gateway.RefundUpdated, gateway.RefundPending, nil},
		{"a refund made by hand", event(stripe.APIVersion, "charge.refund.updated", `{"id":"re_1","status":"succeeded","payment_intent":"pi_1"}`), gateway.RefundSeen, gateway.RefundSucceeded, nil},
		{"something else", event(stripe.APIVersion, "customer.created", `{}`), gateway.Unconcerned, "", nil},
		{"another API version", event("2024-04-10", "checkout.session.completed", session("")), "", "", gateway.ErrEvent},
		{"live money", strings.Replace(event(stripe.APIVersion, "customer.created", `{}`), `"created"`, `"livemode":true,"created"`, 1), "", "", gateway.ErrEvent},
		{"no id", strings.Replace(event(stripe.APIVersion, "customer.created", `{}`), "evt_1", "", 1), "", "", gateway.ErrEvent},
		{"no data", `{"id":"evt_1","api_version":"2023-10-16"}`, "", "", gateway.ErrEvent},
		{"no JSON", `paid!`, "", "", gateway.ErrEvent},
		{"a session that is a number", event(stripe.APIVersion, "checkout.session.completed", `7`), "", "", gateway.ErrEvent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := provider.Event([]byte(tt.body), sandbox.Sign([]byte(tt.body), secret, pgtest.Noon), pgtest.Noon)
			if !errors.Is(err, tt.err) {
				t.Fatalf("%v, want %v", err, tt.err)
			}
			if err == nil && (e.Kind != tt.want || e.RefundTo != tt.state) {
				t.Errorf("kind %q to %q, want %q to %q", e.Kind, e.RefundTo, tt.want, tt.state)
			}
		})
	}
}

func FuzzEvent(f *testing.F) {
	const secret = "whsec_right"
	provider, err := gateway.NewSandbox(http.DefaultTransport, secret)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"id":"evt_1","api_version":"2023-10-16","created":1,"type":"checkout.session.completed","data":{"object":{"metadata":{"buyer":"`+buyer.String()+`"}}}}`), "t=1,v1=00")
	f.Add([]byte(`{"id":"evt_1","api_version":"2023-10-16","type":"charge.refund.updated","data":{"object":null}}`), "t=,v1")
	f.Fuzz(func(t *testing.T, body []byte, header string) {
		if _, err := provider.Event(body, header, pgtest.Noon); err == nil {
			t.Fatalf("a signature made without the secret was believed: %q", header)
		}
		e, err := provider.Event(body, sandbox.Sign(body, secret, pgtest.Noon), pgtest.Noon)
		switch {
		case err != nil && !errors.Is(err, gateway.ErrEvent):
			t.Errorf("%v, want %v", err, gateway.ErrEvent)
		case err == nil && e.Kind == gateway.Paid && (e.Intent == uuid.Nil || e.Buyer == uuid.Nil):
			t.Errorf("a payment of nothing by nobody: %+v", e)
		}
	})
}

// BenchmarkOpen is what a checkout costs between stripe-go and the sandbox.
func BenchmarkOpen(b *testing.B) {
	bank, err := sandbox.Open(sandbox.Config{
		PageURL: "http://shop.test/sandbox/pay/", Clock: func() time.Time { return pgtest.Noon }, Journal: b.TempDir() + "/journal",
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	provider, err := gateway.NewSandbox(bank, bank.Secret())
	if err != nil {
		b.Fatal(err)
	}
	o := opening(12345)
	b.ReportAllocs()
	for b.Loop() {
		o.Intent = id.New[gateway.Opening](pgtest.Noon).UUID()
		if _, err := provider.Open(b.Context(), o); err != nil {
			b.Fatal(err)
		}
	}
}
