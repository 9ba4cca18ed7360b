package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/checkout/session"
	"github.com/stripe/stripe-go/v76/refund"
	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
)

const (
	// pageOutlives is how much longer than its intent a page lives at Stripe, which wants at least 30 minutes from the
	// opening. The end must not depend on when we open: a repeated request must be the same to the byte.
	pageOutlives = 31 * time.Minute
	// callTimeout bounds one call to Stripe, which may take seconds when a bank is slow.
	callTimeout = 10 * time.Second
	// markKey is where Stripe keeps the mark of the shop.
	markKey = "shop"
	// sandboxKey satisfies stripe-go; the sandbox takes any key.
	sandboxKey = "sk_test_sandbox"
)

// ErrNoWebhookSecret says that Stripe's events could not be told from forged
// ones: the program must not start.
var ErrNoWebhookSecret = errors.New("gateway: Stripe is configured without a webhook secret")

// stripeGateway speaks Stripe's language, API version 2023-10-16: to Stripe, or
// to the sandbox.
type stripeGateway struct {
	name     string
	sessions session.Client
	refunds  refund.Client
	stripeConnect
	secret string
	live   bool
}

// NewStripe is Stripe itself. The webhook endpoint must be created with API
// version 2023-10-16. The transport is for tests; nil is the network.
func NewStripe(cfg Config, transport http.RoundTripper) (Gateway, error) {
	key, secret := cfg.StripeKey.Reveal(), cfg.StripeWebhookSecret.Reveal()
	switch {
	case strings.TrimSpace(key) == "":
		return nil, errors.New("gateway: Stripe is configured without an API key")
	case strings.TrimSpace(secret) == "":
		return nil, ErrNoWebhookSecret
	}
	live := strings.HasPrefix(key, "sk_live_") || strings.HasPrefix(key, "rk_live_")
	return newStripe("stripe", key, secret, cfg.StripeURL, live, &http.Client{Transport: transport, Timeout: callTimeout}, 1), nil
}

// NewSandbox is the provider inside the program, reached through its
// RoundTripper; the secret is the sandbox's.
func NewSandbox(sandbox http.RoundTripper, secret string) (Gateway, error) {
	if secret == "" {
		return nil, ErrNoWebhookSecret
	}
	return newStripe("sandbox", sandboxKey, secret, "", false, &http.Client{Transport: sandbox}, 0), nil
}

func newStripe(name, key, secret, url string, live bool, over *http.Client, retries int64) *stripeGateway {
	// Errors come back to us; what stripe-go logs may name more than it should.
	cfg := &stripe.BackendConfig{HTTPClient: over, MaxNetworkRetries: &retries, EnableTelemetry: stripe.Bool(false)}
	cfg.LeveledLogger = &stripe.LeveledLogger{Level: stripe.LevelNull}
	if url != "" {
		cfg.URL = stripe.String(url)
	}
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, cfg)
	return &stripeGateway{name, session.Client{B: backend, Key: key}, refund.Client{B: backend, Key: key}, newStripeConnect(backend, key), secret, live}
}

// Name is "stripe" or "sandbox".
func (g *stripeGateway) Name() string { return g.name }

// Open makes a Checkout Session.
func (g *stripeGateway) Open(ctx context.Context, o Opening) (Opened, error) {
	intent := o.Intent.String()
	params := &stripe.CheckoutSessionParams{
		Mode:              stripe.String(string(stripe.CheckoutSessionModePayment)),
		ClientReferenceID: &intent,
		LineItems: []*stripe.CheckoutSessionLineItemParams{{
			PriceData: &stripe.CheckoutSessionLineItemPriceDataParams{
				Currency:    stripe.String(Currency),
				UnitAmount:  stripe.Int64(int64(o.Amount)),
				ProductData: &stripe.CheckoutSessionLineItemPriceDataProductDataParams{Name: &o.Description},
			},
			Quantity: stripe.Int64(1),
		}},
		PaymentMethodTypes: stripe.StringSlice([]string{"card", "alipay", "wechat_pay"}),
		PaymentMethodOptions: &stripe.CheckoutSessionPaymentMethodOptionsParams{
			WeChatPay: &stripe.CheckoutSessionPaymentMethodOptionsWeChatPayParams{Client: stripe.String("web")},
		},
		PaymentIntentData: &stripe.CheckoutSessionPaymentIntentDataParams{TransferGroup: &intent},
		Locale:            stripe.String("auto"),
		SuccessURL:        &o.SuccessURL,
		CancelURL:         &o.CancelURL,
		ExpiresAt:         stripe.Int64(o.ExpiresAt.Add(pageOutlives).Unix()),
		Metadata:          map[string]string{markKey: o.Mark, "buyer": o.Buyer.String()},
	}
	params.Context = ctx
	params.SetIdempotencyKey(intent)
	made, err := g.sessions.New(params)
	if err != nil {
		return Opened{}, failure("open a payment", err)
	}
	return Opened{Provider: g.name, Session: made.ID, URL: made.URL}, nil
}

// Expire closes a Checkout Session.
func (g *stripeGateway) Expire(ctx context.Context, session string) error {
	params := &stripe.CheckoutSessionExpireParams{}
	params.Context = ctx
	params.SetIdempotencyKey("expire-" + session)
	_, err := g.sessions.Expire(session, params)
	if err = failure("close a payment", err); errors.Is(err, ErrDeclined) {
		return nil // it is complete or expired; if it was paid, its event tells
	}
	return err
}

// Refund makes a Refund of a PaymentIntent.
func (g *stripeGateway) Refund(ctx context.Context, r Refunding) (Refunded, error) {
	params := &stripe.RefundParams{
		PaymentIntent: &r.Payment,
		Amount:        stripe.Int64(int64(r.Amount)),
		Metadata:      map[string]string{markKey: r.Mark, "buyer": r.Buyer.String(), "refund": r.Refund.String(), "attempt": strconv.Itoa(r.Attempt)},
	}
	params.Context = ctx
	params.SetIdempotencyKey(fmt.Sprintf("%s.%d", r.Refund, r.Attempt))
	made, err := g.refunds.New(params)
	if err != nil {
		return Refunded{}, failure("refund", err)
	}
	return Refunded{Ref: made.ID, State: refundState(string(made.Status))}, nil
}

// failure tells what can be tried again from what cannot. It repeats no message
// of Stripe's that may quote a key.
func failure(doing string, err error) error {
	var said *stripe.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", doing, err)
	case !errors.As(err, &said): // the network, a time-out, or an answer that is no JSON
		return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
	}
	switch status := said.HTTPStatusCode; {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("%s: the provider refuses our key (status %d, request %s)", doing, status, said.RequestID)
	case status == http.StatusTooManyRequests || status == http.StatusConflict || status >= http.StatusInternalServerError:
		return fmt.Errorf("%s: %w", doing, ErrUnavailable.With("status %d, request %s", status, said.RequestID))
	default:
		return fmt.Errorf("%s: %w", doing, ErrDeclined.With("%s (%s, request %s)", said.Msg, said.Code, said.RequestID))
	}
}

// Event verifies a webhook of Stripe and reads what concerns us.
func (g *stripeGateway) Event(body []byte, signature string, now time.Time) (Event, error) {
	at, err := signedAt(signature)
	if err != nil {
		return Event{}, err
	}
	if age := now.Sub(at); age > Tolerance || age < -Tolerance {
		return Event{}, ErrSignature.With("it was signed %d s away from now", int64(age.Abs().Seconds()))
	}
	raw, err := webhook.ConstructEventIgnoringTolerance(body, signature, g.secret)
	switch {
	case errors.Is(err, webhook.ErrNoValidSignature), errors.Is(err, webhook.ErrInvalidHeader), errors.Is(err, webhook.ErrNotSigned):
		return Event{}, ErrSignature
	case err != nil:
		return Event{}, ErrEvent.With("%v", err)
	}
	return g.reads(&raw)
}

// reads is what an event that is surely Stripe's means to us.
func (g *stripeGateway) reads(raw *stripe.Event) (Event, error) {
	switch {
	case raw.ID == "" || raw.Data == nil:
		return Event{}, ErrEvent.With("it has no id or no data")
	case raw.Livemode != g.live:
		return Event{}, ErrEvent.With("livemode is %t here", g.live)
	}
	e := Event{ID: raw.ID, Type: string(raw.Type), Kind: Unconcerned, Provider: g.name, OccurredAt: time.Unix(raw.Created, 0).UTC()}
	return e, e.read(raw.Data.Raw)
}

// signedAt is the time in the header, the year 1 if it has none. A header with
// two of them is refused: the one that we check must be the one that is signed.
func signedAt(header string) (at time.Time, err error) {
	for part := range strings.SplitSeq(header, ",") {
		if text, ok := strings.CutPrefix(part, "t="); ok {
			seconds, err := strconv.ParseInt(text, 10, 64)
			if err != nil || !at.IsZero() {
				return at, ErrSignature
			}
			at = time.Unix(seconds, 0)
		}
	}
	return at, nil
}

// object is what is read of the things that events are about.
type object struct {
	ID            string            `json:"id"`
	Reference     string            `json:"client_reference_id"`
	Metadata      map[string]string `json:"metadata"`
	AmountTotal   int64             `json:"amount_total"`
	Amount        int64             `json:"amount"`
	Currency      string            `json:"currency"`
	PaymentIntent string            `json:"payment_intent"`
	PaymentStatus string            `json:"payment_status"`
	Status        string            `json:"status"`
}

// read fills the event from what it is about. What is not about something of a
// shop's stays Unconcerned: other programs may share the account.
func (e *Event) read(raw json.RawMessage) error {
	var fill func(o object) bool
	switch e.Type {
	case string(stripe.EventTypeCheckoutSessionCompleted), string(stripe.EventTypeCheckoutSessionAsyncPaymentSucceeded):
		fill = e.paid
	case string(stripe.EventTypeCheckoutSessionExpired):
		fill = e.expired
	case string(stripe.EventTypeChargeRefundUpdated), string(stripe.EventTypeRefundCreated), string(stripe.EventTypeRefundUpdated):
		fill = e.refund
	case string(stripe.EventTypeChargeDisputeCreated), string(stripe.EventTypeChargeDisputeUpdated), string(stripe.EventTypeChargeDisputeClosed):
		fill = e.dispute
	case string(stripe.EventTypeTransferCreated), string(stripe.EventTypeTransferReversed), string(stripe.EventTypeTransferUpdated):
		fill = e.transfer
	case string(stripe.EventTypeAccountUpdated):
		fill = e.account
	default:
		return nil
	}
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		return ErrEvent.With("%v", err)
	}
	if !fill(o) {
		e.Kind = Unconcerned
	}
	return nil
}

// session fills what all events of a page have.
func (e *Event) session(o object) bool {
	buyer, err := uuid.Parse(o.Metadata["buyer"])
	if err != nil {
		return false
	}
	e.Mark, e.Buyer, e.Currency = o.Metadata[markKey], buyer, o.Currency
	e.Session, e.Payment, e.Amount = o.ID, o.PaymentIntent, money.Fen(o.AmountTotal)
	e.Intent, err = bare(o.Reference)
	return err == nil
}

func (e *Event) paid(o object) bool {
	e.Kind = Paid
	// A wallet's session is completed before its money has come: another event tells that.
	return e.session(o) && o.PaymentStatus == string(stripe.CheckoutSessionPaymentStatusPaid)
}

func (e *Event) expired(o object) bool {
	e.Kind = SessionExpired
	return e.session(o)
}

func (e *Event) refund(o object) bool {
	e.Currency, e.RefundRef, e.RefundTo, e.Amount = o.Currency, o.ID, refundState(o.Status), money.Fen(o.Amount)
	buyer, err := uuid.Parse(o.Metadata["buyer"])
	if err != nil { // somebody made it on the provider's own pages
		e.Kind, e.Payment = RefundSeen, o.PaymentIntent
		return o.ID != "" && o.PaymentIntent != ""
	}
	e.Kind, e.Mark, e.Buyer = RefundUpdated, o.Metadata[markKey], buyer
	e.Refund, e.Attempt = rowOf(o.Metadata, "refund")
	return e.Refund != uuid.Nil
}

func (e *Event) dispute(o object) bool {
	e.Kind, e.Dispute, e.Payment, e.Amount, e.Currency = DisputeMoved, o.ID, o.PaymentIntent, money.Fen(o.Amount), o.Currency
	return o.ID != "" && o.PaymentIntent != ""
}

func (e *Event) transfer(o object) bool {
	e.Kind, e.Mark, e.Currency = TransferMoved, o.Metadata[markKey], o.Currency
	e.Row, e.Attempt = rowOf(o.Metadata, "row")
	return e.Row != uuid.Nil
}

func (e *Event) account(o object) bool {
	owner, err := bare(o.Metadata["owner"])
	e.Kind, e.Mark, e.Row, e.Account = AccountMoved, o.Metadata[markKey], owner, o.ID
	return err == nil && o.ID != ""
}

// bare is an id in its canonical text.
func bare(text string) (uuid.UUID, error) {
	of, err := id.Parse[Event](text)
	return of.UUID(), err
}

// refundState is Stripe's status of a refund in our words.
func refundState(status string) RefundState {
	switch status {
	case string(stripe.RefundStatusSucceeded):
		return RefundSucceeded
	case string(stripe.RefundStatusFailed), string(stripe.RefundStatusCanceled):
		return RefundFailed
	default: // pending, requires_action
		return RefundPending
	}
}
