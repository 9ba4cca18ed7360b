package payment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// KeptBody is how long a webhook is kept as it came. It may name who paid, and is
// of use only while the provider, too, shows what it sent.
const KeptBody = 90 * 24 * time.Hour

// Shop is what the provider's page says of us. A repeated opening must be the
// same to the byte, so it is the same for all that a program opens.
type Shop struct {
	// Name is what the buyer reads beside the amount.
	Name string
	// SuccessURL and CancelURL are where the buyer goes from the provider's page; {checkout} becomes the intent's id.
	SuccessURL, CancelURL string
	// Mark is written on all that the provider makes for this shop, and never changes: other programs may share the
	// account, and what bears another mark, or none, is none of our concern. Empty: the account is this shop's alone.
	Mark string
}

// Service takes payments through one gateway.
type Service struct {
	db      *postgres.DB
	gateway gateway.Gateway
	shop    Shop
}

// New returns a Service on db and the gateway.
func New(db *postgres.DB, g gateway.Gateway, shop Shop) *Service {
	return &Service{db: db, gateway: g, shop: shop}
}

// Create adds a New intent. It needs an id, a buyer, an amount of at most
// MaxAmount (else ErrRange) and its end.
func Create(ctx context.Context, tx *postgres.Tx, i Intent) error {
	if i.Amount < 1 || i.Amount > gateway.MaxAmount {
		return ErrRange.With("%s yuan: 0.01 to %s can be paid at once", i.Amount, gateway.MaxAmount)
	}
	i.State, i.CreatedAt = StateNew, tx.Now
	return insertIntent(ctx, tx, i)
}

// Open makes the page of an intent at the provider, outside any transaction;
// MarkOpened records it. Opening again gives the same page. ErrState when the
// intent has ended, ErrUnavailable when the provider cannot be reached.
func (s *Service) Open(ctx context.Context, i Intent) (gateway.Opened, error) {
	if now := s.db.Now(); !i.Open(now) {
		return gateway.Opened{}, ErrState.With("the payment is %s and was to be made before %s", i.State, i.ExpiresAt.Format(time.RFC3339))
	}
	if end, ok := ctx.Deadline(); ok { // a provider that never answers must leave the caller time to say so
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	there := strings.NewReplacer("{checkout}", i.ID.String())
	return s.gateway.Open(ctx, gateway.Opening{
		Intent: i.ID.UUID(), Buyer: i.Buyer, Amount: i.Amount, Description: s.shop.Name, ExpiresAt: i.ExpiresAt, Mark: s.shop.Mark,
		SuccessURL: there.Replace(s.shop.SuccessURL), CancelURL: there.Replace(s.shop.CancelURL),
	})
}

// MarkOpened records the page of an intent. One that was paid meanwhile stays
// so; the page of one that was canceled meanwhile is closed by a job.
func MarkOpened(ctx context.Context, tx *postgres.Tx, buyer uuid.UUID, intent ID, o gateway.Opened) error {
	state, err := markOpened(ctx, tx, buyer, intent, o)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		held, err := readIntent(ctx, tx, buyer, intent)
		if err == nil && held.Session != o.Session {
			err = ErrState.With("the payment is %s and has another page", held.State)
		}
		return err
	case err != nil:
		return err
	case state == StateCanceled:
		return tx.Enqueue(ctx, Close{Buyer: buyer, Intent: intent})
	}
	return nil
}

// OpenForgotten opens intents that were made more than age ago and have no page
// yet: their request died, or the provider was away. At most limit of them; it
// returns how many were opened, and what went wrong with the others.
func (s *Service) OpenForgotten(ctx context.Context, age time.Duration, limit int) (int, error) {
	left, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]intentRow, error) {
		return unopened(ctx, tx, tx.Now.Add(-age), tx.Now, limit)
	})
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, r := range left {
		i := r.intent()
		o, err := s.Open(ctx, i)
		if err == nil {
			err = postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return MarkOpened(ctx, tx, i.Buyer, i.ID, o) })
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("payment %s: %w", i.ID, err))
		}
	}
	return len(left) - len(errs), errors.Join(errs...)
}

// Receive takes a webhook: it verifies it (ErrSignature, ErrEvent), stores it,
// and in the same transaction enqueues the job that it is the reason of. One
// that was received before is no error and has no second effect.
func (s *Service) Receive(ctx context.Context, body []byte, signature string) error {
	e, err := s.gateway.Event(body, signature, s.db.Now())
	if err != nil {
		return err
	}
	_, err = s.receive(ctx, e, body)
	return err
}

// receive stores an event and enqueues its job; false when it was stored before.
func (s *Service) receive(ctx context.Context, e gateway.Event, body []byte) (bool, error) {
	unmarked := e.Kind == gateway.DisputeMoved || e.Kind == gateway.RefundSeen // the payment tells whose it is
	if e.Mark != s.shop.Mark && !unmarked {
		e.Kind = gateway.Unconcerned
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (bool, error) {
		fresh, err := insertEvent(ctx, tx, e, body)
		if err != nil || !fresh {
			return false, err
		}
		if job := jobOf(e); job != nil {
			err = tx.Enqueue(ctx, job)
		}
		return true, err
	})
}

// Waiting are up to limit Paid events that were received between oldest and
// youngest ago and not claimed yet, the oldest first: a job is about to, or whoever
// was to do it was stopped.
func (s *Service) Waiting(ctx context.Context, oldest, youngest time.Duration, limit int) ([]gateway.Event, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]gateway.Event, error) {
		return waiting(ctx, tx, tx.Now.Add(-oldest), tx.Now.Add(-youngest), limit)
	})
}

// Succeed records that a Paid event paid its intent: one statement. ErrPaid when
// that was recorded before: nothing is to be done. ErrLate when nothing was to be
// paid any more and ErrAmount when it is another sum: the money bought nothing,
// see GiveBack.
func Succeed(ctx context.Context, tx *postgres.Tx, e gateway.Event) error {
	if e.Kind != gateway.Paid {
		return ErrState.With("the event %s is no payment", e.ID)
	}
	if e.Currency == gateway.Currency {
		if done, err := succeed(ctx, tx, e); err != nil || done {
			return err
		}
	}
	held, err := readIntent(ctx, tx, e.Buyer, id.From[Intent](e.Intent))
	if err != nil {
		return err
	}
	return held.refused(e)
}

// Cancel ends an intent that is not paid: ErrState if it is. If its page is open,
// a job closes it.
func Cancel(ctx context.Context, tx *postgres.Tx, buyer uuid.UUID, intent ID) error {
	session, err := cancel(ctx, tx, buyer, intent)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		held, err := readIntent(ctx, tx, buyer, intent)
		if err != nil {
			return err
		}
		return ErrState.With("the payment is %s", held.State)
	case err != nil:
		return err
	case session != "":
		return tx.Enqueue(ctx, Close{Buyer: buyer, Intent: intent})
	}
	return nil
}

// Close closes the page of a canceled intent at the provider.
func (s *Service) Close(ctx context.Context, buyer uuid.UUID, intent ID) error {
	i, err := s.Intent(ctx, buyer, intent)
	if err != nil || i.Session == "" || i.State != StateCanceled || i.Provider != s.gateway.Name() {
		return err
	}
	return s.gateway.Expire(ctx, i.Session)
}

// Intent is an intent of the buyer, or ErrNotFound.
func (s *Service) Intent(ctx context.Context, buyer uuid.UUID, intent ID) (Intent, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Intent, error) { return readIntent(ctx, tx, buyer, intent) })
}

// RequestRefund promises to give back a part of a paid intent, or all that is
// left; a job performs it. It needs the intent, its buyer, an amount and a reason
// of at most 500 characters; its id is made if it has none. ErrRefundLimit when
// more would be promised than was paid, ErrState when nothing was paid.
func RequestRefund(ctx context.Context, tx *postgres.Tx, r Refund) (RefundID, error) {
	if r.Amount <= 0 {
		return RefundID{}, ErrRefundLimit.With("%s yuan", r.Amount)
	}
	if r.ID.IsZero() {
		r.ID = id.New[Refund](tx.Now)
	}
	promised, err := promise(ctx, tx, r)
	switch {
	case err != nil:
		return RefundID{}, err
	case promised:
		return r.ID, tx.Enqueue(ctx, PerformRefund{Buyer: r.Buyer, Refund: r.ID})
	}
	held, err := readIntent(ctx, tx, r.Buyer, r.Intent)
	switch {
	case err != nil:
		return RefundID{}, err
	case held.State != StateSucceeded:
		return RefundID{}, ErrState.With("the payment is %s", held.State)
	}
	return RefundID{}, ErrRefundLimit.With("%s of %s yuan are promised already", held.Promised, held.Amount)
}

// GiveBack returns the whole of a payment that bought nothing (ErrLate,
// ErrAmount); a job performs it. The same payment is given back once.
func GiveBack(ctx context.Context, tx *postgres.Tx, e gateway.Event) error {
	r := Refund{
		ID: id.New[Refund](tx.Now), Intent: id.From[Intent](e.Intent), Buyer: e.Buyer, Amount: e.Amount,
		Reason: "it bought nothing", Provider: e.Provider, Payment: e.Payment,
	}
	fresh, err := insertLate(ctx, tx, r)
	if err != nil || !fresh {
		return err
	}
	return tx.Enqueue(ctx, PerformRefund{Buyer: r.Buyer, Refund: r.ID})
}

// fresh is for how long after its beginning a refund is ordered without looking first. The
// provider forgets our keys after a day: what is older may be there already, and must not
// be made again.
const fresh = time.Hour

// PerformRefund orders a pending refund at the provider. ErrUnavailable when it
// is to be tried again; a refund that the provider declines is RefundFailed.
func (s *Service) PerformRefund(ctx context.Context, buyer uuid.UUID, refund RefundID) error {
	r, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Refund, error) { return readRefund(ctx, tx, refund) })
	if err != nil || r.State != gateway.RefundPending || r.Ref != "" {
		return err
	}
	if s.db.Now().Sub(r.CreatedAt) >= fresh && r.Provider == s.gateway.Name() {
		if err := s.follow(ctx, buyer, r.Payment); err != nil {
			return err
		}
	}
	return s.perform(ctx, buyer, refund)
}

// perform is PerformRefund for a refund that the provider was asked about.
func (s *Service) perform(ctx context.Context, buyer uuid.UUID, refund RefundID) error {
	r, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Refund, error) { return readRefund(ctx, tx, refund) })
	if err != nil || r.State != gateway.RefundPending || r.Ref != "" {
		return err
	}
	var done gateway.Refunded
	if r.Provider == s.gateway.Name() {
		done, err = s.gateway.Refund(ctx, gateway.Refunding{Refund: r.ID.UUID(), Buyer: r.Buyer, Attempt: r.Attempt, Payment: r.Payment, Amount: r.Amount, Mark: s.shop.Mark})
	} else {
		err = gateway.ErrDeclined.With("it was taken by %s, and %s is what we pay with now", r.Provider, s.gateway.Name())
	}
	switch {
	case errors.Is(err, gateway.ErrDeclined):
		done = gateway.Refunded{State: gateway.RefundFailed, Failure: err.Error()}
	case err != nil:
		return err
	}
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return settle(ctx, tx, buyer, refund, r.Attempt, done) })
}

// SettleRefund does what a RefundUpdated event says, once.
func (s *Service) SettleRefund(ctx context.Context, eventID string) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		e, claimed, err := Claim(ctx, tx, eventID)
		if err != nil || !claimed || e.Kind != gateway.RefundUpdated {
			return err
		}
		return settle(ctx, tx, e.Buyer, id.From[Refund](e.Refund), e.Attempt, gateway.Refunded{Ref: e.RefundRef, State: e.RefundTo})
	})
}

// RetryRefund begins a failed refund anew, and returns it as it was and as it is
// now; a job performs it. ErrState if it has not failed, ErrNotFound.
func RetryRefund(ctx context.Context, tx *postgres.Tx, refund RefundID) (failed, again Refund, err error) {
	if failed, err = readRefund(ctx, tx, refund); err != nil {
		return failed, again, err
	}
	again, err = retry(ctx, tx, refund)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return failed, again, ErrState.With("the refund is %s: only a failed one is tried anew", failed.State)
	case err != nil:
		return failed, again, err
	}
	return failed, again, tx.Enqueue(ctx, PerformRefund{Buyer: again.Buyer, Refund: refund})
}
