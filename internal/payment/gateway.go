package payment

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/money"
)

// Currency is what everything is priced in, by ISO 4217 and in Stripe's spelling.
const Currency = "cny"

// Tolerance is how far the time in a webhook's signature may be from ours, back
// or ahead.
const Tolerance = 300 * time.Second

// KeptBody is how long a webhook is kept as it came. It may name who paid, and is
// of use only while the provider, too, shows what it sent.
const KeptBody = 90 * 24 * time.Hour

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
}

// Opening is what a provider needs to take a payment.
type Opening struct {
	Intent      ID
	Buyer       uuid.UUID
	Amount      money.Fen
	Description string    // shown to the buyer
	SuccessURL  string    // where the buyer goes after paying
	CancelURL   string    // where the buyer goes without paying
	ExpiresAt   time.Time // of the intent; the page may live a little longer, and what is paid then is given back
	Mark        string    // see Shop
}

// Opened is the page on which the buyer pays.
type Opened struct {
	Provider string
	Session  string // the provider's name of it
	URL      string
}

// Refunding is what a provider needs to give money back.
type Refunding struct {
	Refund  RefundID
	Buyer   uuid.UUID
	Attempt int    // 0, 1, …: each is a new order to the provider
	Payment string // the provider's name of what was paid
	Amount  money.Fen
	Mark    string // see Shop
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
	Unconcerned    Kind = "not_our_concern" // stored, and nothing follows
)

// Event is a webhook that was verified. It may be about another shop: see Shop.
type Event struct {
	ID         string // the provider's
	Type       string // the provider's
	Kind       Kind
	Provider   string
	Mark       string    // of the shop that it is about; "" when it is about none
	Intent     ID        // of Paid and SessionExpired
	Buyer      uuid.UUID // whose intent or refund it is
	Session    string    // of Paid and SessionExpired
	Payment    string    // of Paid
	Amount     money.Fen // of Paid and RefundUpdated; of the currency, whatever that is
	Currency   string
	Refund     RefundID    // of RefundUpdated
	Attempt    int         // of RefundUpdated
	RefundRef  string      // of RefundUpdated
	RefundTo   RefundState // of RefundUpdated
	OccurredAt time.Time   // by the provider's clock
}
