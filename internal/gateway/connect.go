package gateway

import (
	"context"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/money"
)

// Connect is what a provider does with money after it was paid: it goes to
// connected accounts, and everything that happened can be asked for again. The
// rules of Gateway hold for its methods.
type Connect interface {
	// CreateAccount makes the connected account of an owner; again within a day, it is the same.
	CreateAccount(ctx context.Context, owner uuid.UUID, mark string) (Account, error)
	// FindAccount is the account that CreateAccount made of an owner, however long ago; without a Ref: it made none. All accounts are looked through.
	FindAccount(ctx context.Context, owner uuid.UUID, mark string) (Account, error)
	// OnboardingURL is a page, for some minutes, on which the account's holder says who he is. He comes back to the return address.
	OnboardingURL(ctx context.Context, account, returnURL string) (string, error)
	// Account is what the provider says of an account now.
	Account(ctx context.Context, account string) (Account, error)
	// Transfer moves money to a connected account. The same row and attempt move it once.
	Transfer(ctx context.Context, t Transferring) (Transfer, error)
	// Reverse takes a part of a transfer back. ErrDeclined when the account holds less.
	Reverse(ctx context.Context, r Reversing) (ref string, err error)
	// Transfers are all of a group, the newest first.
	Transfers(ctx context.Context, group uuid.UUID) ([]Transfer, error)
	// Payment is what is known of a payment by the provider's name of it, as the event that told of it; one that is not for anything of a shop's is Unconcerned.
	Payment(ctx context.Context, payment string) (Event, error)
	// Refunds are all of a payment, the newest first, whoever made them.
	Refunds(ctx context.Context, payment string) ([]Refund, error)
	// Disputes are all of a payment, the newest first.
	Disputes(ctx context.Context, payment string) ([]Dispute, error)
	// Entries are what moved our balance at the provider from one time to before another, the newest first. An error ends them.
	Entries(ctx context.Context, from, to time.Time) iter.Seq2[Entry, error]
	// Events are what the provider told, or would have told, from one time to before another, the newest first. An error ends them.
	Events(ctx context.Context, from, to time.Time) iter.Seq2[Told, error]
}

// Account is a connected account.
type Account struct {
	Ref       string
	Submitted bool     // its holder has said all that he was asked
	Enabled   bool     // money can be transferred to it, and paid out from it
	Due       []string // what the provider wants to know, in its words
}

// Transferring is what a provider needs to move money to an account.
type Transferring struct {
	Row     uuid.UUID // ours
	Attempt int       // 0, 1, …: each is a new order to the provider
	Account string
	Amount  money.Fen
	Group   uuid.UUID // the checkout that the money is of
	Mark    string
}

// Transfer is money that was moved to an account.
type Transfer struct {
	Ref       string
	Row       uuid.UUID // ours; Nil: it was not made by us
	Attempt   int
	Account   string
	Amount    money.Fen
	Reversed  money.Fen
	Mark      string
	Reversals []Reversal // at most ten, the newest first
}

// Reversal took a part of a transfer back.
type Reversal struct {
	Ref     string
	Row     uuid.UUID // ours; Nil: it was not made by us
	Attempt int
	Amount  money.Fen
}

// Reversing is what a provider needs to take a transfer back.
type Reversing struct {
	Row      uuid.UUID
	Attempt  int
	Transfer string // the provider's name of it
	Amount   money.Fen
	Mark     string
}

// Refund is what the provider says of a refund.
type Refund struct {
	Ref     string
	Row     uuid.UUID // ours; Nil: it was not made by us
	Attempt int
	Amount  money.Fen
	State   RefundState
	Mark    string
}

// DisputeState is where a dispute is.
type DisputeState string

// The states of a dispute.
const (
	DisputeOpen    DisputeState = "open"    // money is withdrawn, and the bank has not decided
	DisputeWon     DisputeState = "won"     // the money came back
	DisputeLost    DisputeState = "lost"    // it did not
	DisputeInquiry DisputeState = "inquiry" // the bank asks, and no money has moved
)

// Dispute is a payment that the buyer's bank took back for the time being.
type Dispute struct {
	Ref       string
	Payment   string // the provider's name of it
	Amount    money.Fen
	Fee       money.Fen // that the provider took for it
	Currency  string
	Reason    string // the provider's: "fraudulent", "product_not_received", …
	State     DisputeState
	CreatedAt time.Time
	DueBy     time.Time // until when it can be answered; zero when it cannot
}

// Entry moved our balance at the provider.
type Entry struct {
	Ref      string
	Type     string    // the provider's: "charge", "payment", "refund", "transfer", "transfer_refund", "adjustment", "refund_failure", …
	Source   string    // the provider's name of what moved it
	Payment  string    // the provider's name of the payment that it is about; "" when it is about none
	Row      uuid.UUID // ours, of what moved it; Nil: we did not
	Mark     string    // of the shop that moved it; "" when none did, as for payments and disputes
	Amount   money.Fen // what came, negative: what went
	Fee      money.Fen // what the provider kept besides
	Currency string
	At       time.Time
}

// Told is an event from the provider's list, with its text.
type Told struct {
	Event Event
	Body  []byte
}
