package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/account"
	"github.com/stripe/stripe-go/v76/accountlink"
	"github.com/stripe/stripe-go/v76/balancetransaction"
	"github.com/stripe/stripe-go/v76/dispute"
	"github.com/stripe/stripe-go/v76/event"
	"github.com/stripe/stripe-go/v76/transfer"
	"github.com/stripe/stripe-go/v76/transferreversal"

	"github.com/shiyi-market/shiyi/internal/money"
)

// pageSize is how many things a list gives at once: Stripe's most.
const pageSize = 100

// stripeConnect is the part of Stripe that moves money on.
type stripeConnect struct {
	accounts  account.Client
	links     accountlink.Client
	transfers transfer.Client
	reversals transferreversal.Client
	disputes  dispute.Client
	entries   balancetransaction.Client
	events    event.Client
}

func newStripeConnect(b stripe.Backend, key string) stripeConnect {
	return stripeConnect{
		account.Client{B: b, Key: key},
		accountlink.Client{B: b, Key: key},
		transfer.Client{B: b, Key: key},
		transferreversal.Client{B: b, Key: key},
		dispute.Client{B: b, Key: key},
		balancetransaction.Client{B: b, Key: key},
		event.Client{B: b, Key: key},
	}
}

// CreateAccount makes an express account, to which transfers can be made.
func (g *stripeGateway) CreateAccount(ctx context.Context, owner uuid.UUID, mark string) (Account, error) {
	params := &stripe.AccountParams{
		Type:         stripe.String(string(stripe.AccountTypeExpress)),
		Capabilities: &stripe.AccountCapabilitiesParams{Transfers: &stripe.AccountCapabilitiesTransfersParams{Requested: stripe.Bool(true)}},
		Metadata:     map[string]string{markKey: mark, "owner": owner.String()},
	}
	params.Context = ctx
	params.SetIdempotencyKey("account-" + mark + "-" + owner.String())
	made, err := g.accounts.New(params)
	if err != nil {
		return Account{}, failure("make a connected account", err)
	}
	return accountOf(made), nil
}

// FindAccount looks through the list of accounts: Stripe cannot search it by metadata.
func (g *stripeGateway) FindAccount(ctx context.Context, owner uuid.UUID, mark string) (Account, error) {
	found := g.accounts.List(&stripe.AccountListParams{ListParams: paged(ctx)})
	for found.Next() {
		if of := found.Account(); of.Metadata[markKey] == mark && of.Metadata["owner"] == owner.String() {
			return accountOf(of), nil
		}
	}
	return Account{}, failure("look for a connected account", found.Err())
}

// OnboardingURL makes an account link.
func (g *stripeGateway) OnboardingURL(ctx context.Context, account, returnURL string) (string, error) {
	params := &stripe.AccountLinkParams{
		Account: &account, Type: stripe.String(string(stripe.AccountLinkTypeAccountOnboarding)), ReturnURL: &returnURL, RefreshURL: &returnURL,
	}
	params.Context = ctx
	made, err := g.links.New(params)
	if err != nil {
		return "", failure("link to an account's onboarding", err)
	}
	return made.URL, nil
}

// Account reads a connected account.
func (g *stripeGateway) Account(ctx context.Context, account string) (Account, error) {
	params := &stripe.AccountParams{}
	params.Context = ctx
	found, err := g.accounts.GetByID(account, params)
	if err != nil {
		return Account{}, failure("read a connected account", err)
	}
	return accountOf(found), nil
}

func accountOf(a *stripe.Account) Account {
	out := Account{Ref: a.ID, Submitted: a.DetailsSubmitted, Enabled: a.PayoutsEnabled, Due: []string{}}
	if a.Capabilities != nil && a.Capabilities.Transfers != stripe.AccountCapabilityStatusActive {
		out.Enabled = false
	}
	if a.Requirements != nil {
		out.Due = append(out.Due, a.Requirements.CurrentlyDue...)
	}
	return out
}

// Transfer makes a Transfer from our balance.
func (g *stripeGateway) Transfer(ctx context.Context, t Transferring) (Transfer, error) {
	params := &stripe.TransferParams{
		Amount: stripe.Int64(int64(t.Amount)), Currency: stripe.String(Currency), Destination: &t.Account,
		TransferGroup: stripe.String(t.Group.String()), Metadata: ours(t.Mark, t.Row, t.Attempt),
	}
	params.Context = ctx
	params.SetIdempotencyKey(fmt.Sprintf("transfer-%s.%d", t.Row, t.Attempt))
	made, err := g.transfers.New(params)
	if err != nil {
		return Transfer{}, failure("transfer", err)
	}
	return transferOf(made), nil
}

// ours is what we write on what we make.
func ours(mark string, row uuid.UUID, attempt int) map[string]string {
	return map[string]string{markKey: mark, "row": row.String(), "attempt": strconv.Itoa(attempt)}
}

// rowOf reads what ours wrote; Nil when it did not.
func rowOf(metadata map[string]string, key string) (row uuid.UUID, attempt int) {
	row, err := bare(metadata[key])
	if err != nil {
		return uuid.Nil, 0
	}
	if attempt, err = strconv.Atoi(metadata["attempt"]); err != nil {
		return uuid.Nil, 0
	}
	return row, attempt
}

func transferOf(t *stripe.Transfer) Transfer {
	out := Transfer{Ref: t.ID, Amount: money.Fen(t.Amount), Reversed: money.Fen(t.AmountReversed), Mark: t.Metadata[markKey]}
	out.Row, out.Attempt = rowOf(t.Metadata, "row")
	if t.Destination != nil {
		out.Account = t.Destination.ID
	}
	if t.Reversals != nil {
		for _, each := range t.Reversals.Data {
			back := Reversal{Ref: each.ID, Amount: money.Fen(each.Amount)}
			back.Row, back.Attempt = rowOf(each.Metadata, "row")
			out.Reversals = append(out.Reversals, back)
		}
	}
	return out
}

// Reverse makes a TransferReversal.
func (g *stripeGateway) Reverse(ctx context.Context, r Reversing) (string, error) {
	params := &stripe.TransferReversalParams{ID: &r.Transfer, Amount: stripe.Int64(int64(r.Amount)), Metadata: ours(r.Mark, r.Row, r.Attempt)}
	params.Context = ctx
	params.SetIdempotencyKey(fmt.Sprintf("reverse-%s.%d", r.Row, r.Attempt))
	made, err := g.reversals.New(params)
	if err != nil {
		return "", failure("reverse a transfer", err)
	}
	return made.ID, nil
}

// paged are the parameters of all lists.
func paged(ctx context.Context) stripe.ListParams {
	return stripe.ListParams{Context: ctx, Limit: stripe.Int64(pageSize)}
}

// Transfers lists Transfers by their group.
func (g *stripeGateway) Transfers(ctx context.Context, group uuid.UUID) (all []Transfer, err error) {
	found := g.transfers.List(&stripe.TransferListParams{ListParams: paged(ctx), TransferGroup: stripe.String(group.String())})
	for found.Next() {
		all = append(all, transferOf(found.Transfer()))
	}
	return all, failure("list transfers", found.Err())
}

// Payment finds the Checkout Session of a PaymentIntent.
func (g *stripeGateway) Payment(ctx context.Context, payment string) (Event, error) {
	e := Event{ID: "look:" + payment, Type: "look", Kind: Unconcerned, Provider: g.name, Payment: payment}
	found := g.sessions.List(&stripe.CheckoutSessionListParams{ListParams: paged(ctx), PaymentIntent: &payment})
	if !found.Next() {
		return e, failure("look for a payment", found.Err())
	}
	s := found.CheckoutSession()
	e.OccurredAt = time.Unix(s.Created, 0).UTC()
	if !e.paid(object{
		ID: s.ID, Reference: s.ClientReferenceID, Metadata: s.Metadata, AmountTotal: s.AmountTotal, Currency: string(s.Currency),
		PaymentIntent: payment, PaymentStatus: string(s.PaymentStatus),
	}) {
		e.Kind = Unconcerned
	}
	return e, nil
}

// Refunds lists the Refunds of a PaymentIntent.
func (g *stripeGateway) Refunds(ctx context.Context, payment string) (all []Refund, err error) {
	found := g.refunds.List(&stripe.RefundListParams{ListParams: paged(ctx), PaymentIntent: &payment})
	for found.Next() {
		each := found.Refund()
		back := Refund{Ref: each.ID, Amount: money.Fen(each.Amount), State: refundState(string(each.Status)), Mark: each.Metadata[markKey]}
		back.Row, back.Attempt = rowOf(each.Metadata, "refund")
		all = append(all, back)
	}
	return all, failure("list refunds", found.Err())
}

// Disputes lists the Disputes of a PaymentIntent.
func (g *stripeGateway) Disputes(ctx context.Context, payment string) (all []Dispute, err error) {
	found := g.disputes.List(&stripe.DisputeListParams{ListParams: paged(ctx), PaymentIntent: &payment})
	for found.Next() {
		each := found.Dispute()
		d := Dispute{
			Ref: each.ID, Payment: payment, Amount: money.Fen(each.Amount), Currency: string(each.Currency), Reason: string(each.Reason),
			State: disputeState(each.Status), CreatedAt: time.Unix(each.Created, 0).UTC(),
		}
		for _, entry := range each.BalanceTransactions {
			d.Fee += money.Fen(entry.Fee)
		}
		if each.EvidenceDetails != nil && each.EvidenceDetails.DueBy > 0 {
			d.DueBy = time.Unix(each.EvidenceDetails.DueBy, 0).UTC()
		}
		all = append(all, d)
	}
	return all, failure("list disputes", found.Err())
}

// disputeState is Stripe's status of a dispute in our words.
func disputeState(s stripe.DisputeStatus) DisputeState {
	switch s {
	case stripe.DisputeStatusWon:
		return DisputeWon
	case stripe.DisputeStatusLost:
		return DisputeLost
	case stripe.DisputeStatusWarningNeedsResponse, stripe.DisputeStatusWarningUnderReview, stripe.DisputeStatusWarningClosed:
		return DisputeInquiry
	case stripe.DisputeStatusNeedsResponse, stripe.DisputeStatusUnderReview:
		return DisputeOpen
	default: // what Stripe adds later: somebody must look
		return DisputeOpen
	}
}

// Entries lists BalanceTransactions.
func (g *stripeGateway) Entries(ctx context.Context, from, to time.Time) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		params := &stripe.BalanceTransactionListParams{
			ListParams: paged(ctx), CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: from.Unix(), LesserThan: to.Unix()},
		}
		params.AddExpand("data.source")
		found := g.entries.List(params)
		for found.Next() {
			each := found.BalanceTransaction()
			e := Entry{
				Ref: each.ID, Type: string(each.Type), Amount: money.Fen(each.Amount), Fee: money.Fen(each.Fee), Currency: string(each.Currency),
				At: time.Unix(each.Created, 0).UTC(),
			}
			e.of(each.Source)
			if !yield(e, nil) {
				return
			}
		}
		if err := failure("list balance transactions", found.Err()); err != nil {
			yield(Entry{}, err)
		}
	}
}

// of says what moved our balance.
func (e *Entry) of(s *stripe.BalanceTransactionSource) {
	if s == nil {
		return
	}
	e.Source = s.ID
	var by *stripe.PaymentIntent
	switch {
	case s.Charge != nil:
		by = s.Charge.PaymentIntent
	case s.Refund != nil:
		by, e.Mark = s.Refund.PaymentIntent, s.Refund.Metadata[markKey]
		e.Row, _ = rowOf(s.Refund.Metadata, "refund")
	case s.Dispute != nil:
		by = s.Dispute.PaymentIntent
	case s.Transfer != nil:
		e.Mark = s.Transfer.Metadata[markKey]
		e.Row, _ = rowOf(s.Transfer.Metadata, "row")
	case s.TransferReversal != nil:
		e.Mark = s.TransferReversal.Metadata[markKey]
		e.Row, _ = rowOf(s.TransferReversal.Metadata, "row")
	}
	if by != nil {
		e.Payment = by.ID
	}
}

// Events lists Events; Stripe shows those of the last 30 days.
func (g *stripeGateway) Events(ctx context.Context, from, to time.Time) iter.Seq2[Told, error] {
	return func(yield func(Told, error) bool) {
		found := g.events.List(&stripe.EventListParams{
			ListParams: paged(ctx), CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: from.Unix(), LesserThan: to.Unix()},
		})
		for found.Next() {
			told, err := g.told(found.Event())
			if !yield(told, err) || err != nil {
				return
			}
		}
		if err := failure("list events", found.Err()); err != nil {
			yield(Told{}, err)
		}
	}
}

// told reads an event of the list as if it had been sent.
func (g *stripeGateway) told(raw *stripe.Event) (Told, error) {
	e, err := g.reads(raw)
	if err != nil {
		return Told{}, err
	}
	body, err := json.Marshal(map[string]any{
		"id": raw.ID, "object": "event", "type": raw.Type, "api_version": raw.APIVersion, "created": raw.Created,
		"livemode": raw.Livemode, "data": map[string]any{"object": raw.Data.Raw},
	})
	if err != nil {
		return Told{}, ErrEvent.With("%v", err)
	}
	return Told{e, body}, nil
}
