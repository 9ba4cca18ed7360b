// Package gateway is what a payment provider can do: the interface, its types and
// faults, and Stripe, the one that we use, or the sandbox in its language. It
// knows money and ids, and not what either is for.
package gateway

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/config"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/money"
)

// Currency is what everything is priced in, by ISO 4217 and in Stripe's spelling.
const Currency = "cny"

// Faults of a provider.
var (
	ErrSignature   = fault.New(fault.Invalid, "payment.bad_signature", "The webhook's signature is not right", "回调签名无效")
	ErrEvent       = fault.New(fault.Invalid, "payment.bad_event", "The webhook cannot be read", "回调内容无法识别")
	ErrUnavailable = fault.New(fault.Unavailable, "payment.provider_unavailable", "The payment provider cannot be reached", "支付渠道暂时不可用")
	ErrDeclined    = fault.New(fault.Refused, "payment.declined_by_provider", "The payment provider refuses this", "支付渠道拒绝了此操作")
)

// MaxAmount is the most that can be paid at once, in fen: eight digits, Stripe's
// bound for a charge.
const MaxAmount money.Fen = 99_999_999

// Config is what the program must know to take payments.
type Config struct {
	// StripeKey is the secret API key. Empty: the sandbox takes the payments, and no money moves.
	StripeKey config.Secret `env:"STRIPE_SECRET_KEY"`
	// StripeWebhookSecret signs Stripe's events ("whsec_…"). With a key and without it the program does not start.
	StripeWebhookSecret config.Secret `env:"STRIPE_WEBHOOK_SECRET"`
	// StripeURL is where Stripe is; empty is Stripe's own address.
	StripeURL string `env:"STRIPE_URL"`
}

// Tolerance is how far the time in a webhook's signature may be from ours, back
// or ahead.
const Tolerance = 300 * time.Second

// Gateway is a payment provider. Its methods leave the process: none is called
// inside a transaction. They return ErrUnavailable when it is worth trying
// again, and ErrDeclined when it is not. Doing the same thing again has no
// second effect.
type Gateway interface {
	// Name is written beside what the provider has made: "stripe", "sandbox".
	Name() string
	// Open makes the page on which the buyer pays. Opening an intent again gives the same page.
	Open(ctx context.Context, o Opening) (Opened, error)
	// Expire closes the page. One that is closed already, by a payment too, is no error.
	Expire(ctx context.Context, session string) error
	// Refund gives a payment back, or a part of it.
	Refund(ctx context.Context, r Refunding) (Refunded, error)
	// Event reads a webhook whose signature is right and at most Tolerance away from now; else ErrSignature. What cannot be read is ErrEvent.
	Event(body []byte, signature string, now time.Time) (Event, error)
	Connect
}

// RefundState is where a refund is in its life. It only goes forward, and
// RefundFailed is its end: a bank may refuse what the provider had sent.
type RefundState string

// The states of a refund.
const (
	RefundPending   RefundState = "pending"
	RefundSucceeded RefundState = "succeeded"
	RefundFailed    RefundState = "failed"
)

// Opening is what a provider needs to take a payment.
type Opening struct {
	Intent      uuid.UUID // what is to be paid
	Buyer       uuid.UUID
	Amount      money.Fen
	Description string    // shown to the buyer
	SuccessURL  string    // where the buyer goes after paying
	CancelURL   string    // where the buyer goes without paying
	ExpiresAt   time.Time // of the intent; the page may live a little longer, and what is paid then is given back
	Mark        string    // of the shop: other programs may share the account
}

// Opened is the page on which the buyer pays.
type Opened struct {
	Provider string
	Session  string // the provider's name of it
	URL      string
}

// Refunding is what a provider needs to give money back.
type Refunding struct {
	Refund  uuid.UUID
	Buyer   uuid.UUID
	Attempt int    // 0, 1, …: each is a new order to the provider
	Payment string // the provider's name of what was paid
	Amount  money.Fen
	Mark    string // of the shop: other programs may share the account
}

// Refunded is what the provider made of it.
type Refunded struct {
	Ref     string // the provider's name of it
	State   RefundState
	Failure string // why it failed, when the provider says
}

// Kind is what an event means to us.
type Kind string

// The kinds.
const (
	Paid           Kind = "paid"            // the buyer has paid an intent
	SessionExpired Kind = "expired"         // a page closed without a payment
	RefundUpdated  Kind = "refund_updated"  // a refund of ours has another state
	RefundSeen     Kind = "refund_seen"     // somebody has given a payment back, or a part of it, on the provider's own pages
	DisputeMoved   Kind = "dispute_moved"   // a bank disputes a payment, or has decided
	TransferMoved  Kind = "transfer_moved"  // a transfer of ours was made or taken back
	AccountMoved   Kind = "account_moved"   // a connected account of ours can do more or less
	Unconcerned    Kind = "not_our_concern" // stored, and nothing follows
)

// Event is a webhook that was verified. It may be about another shop: see Mark.
type Event struct {
	ID         string // the provider's
	Type       string // the provider's
	Kind       Kind
	Provider   string
	Mark       string    // of the shop that it is about; "" when it is about none
	Intent     uuid.UUID // of Paid and SessionExpired
	Buyer      uuid.UUID // whose intent or refund it is
	Session    string    // of Paid and SessionExpired
	Payment    string    // of Paid, RefundSeen and DisputeMoved
	Amount     money.Fen // of Paid and RefundUpdated; of the currency, whatever that is
	Currency   string
	Refund     uuid.UUID   // of RefundUpdated
	Attempt    int         // of RefundUpdated
	RefundRef  string      // of RefundUpdated
	RefundTo   RefundState // of RefundUpdated
	Dispute    string      // of DisputeMoved: the provider's name of it. Its Mark is "": only the payment tells whose it is
	Row        uuid.UUID   // of TransferMoved: ours. Of AccountMoved: the owner
	Account    string      // of AccountMoved: the provider's name of it
	OccurredAt time.Time   // by the provider's clock
}
