package payment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// intentRow is a row of the table payment_intent.
type intentRow struct {
	BuyerID     uuid.UUID `gorm:"primaryKey"`
	ID          uuid.UUID `gorm:"primaryKey"`
	AmountFen   int64
	PromisedFen int64
	State       string
	Provider    string
	Session     string
	Payment     string
	PayURL      string
	CreatedAt   time.Time `gorm:"autoCreateTime:false"`
	ExpiresAt   time.Time
	SettledAt   *time.Time
}

// TableName is payment_intent.
func (intentRow) TableName() string { return "payment_intent" }

func (r intentRow) intent() Intent {
	return Intent{
		ID: id.From[Intent](r.ID), Buyer: r.BuyerID, Amount: money.Fen(r.AmountFen), Promised: money.Fen(r.PromisedFen), State: State(r.State),
		Provider: r.Provider, Session: r.Session, Payment: r.Payment, PayURL: r.PayURL,
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), SettledAt: value(r.SettledAt).UTC(),
	}
}

func insertIntent(ctx context.Context, tx *postgres.Tx, i Intent) error {
	_, err := tx.Exec(ctx, `INSERT INTO payment_intent (buyer_id, id, amount_fen, state, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)`,
		i.Buyer, i.ID, int64(i.Amount), string(i.State), i.CreatedAt, i.ExpiresAt)
	if err != nil {
		return fmt.Errorf("add a payment: %w", err)
	}
	return nil
}

// markOpened gives the intent its page and returns its state; ErrNoRows when it
// has a page or takes none.
func markOpened(ctx context.Context, tx *postgres.Tx, buyer uuid.UUID, intent ID, o gateway.Opened) (State, error) {
	r, err := postgres.Row[intentRow](ctx, tx, `
		UPDATE payment_intent SET provider = ?, session = ?, pay_url = ?, state = CASE state WHEN 'new' THEN 'opened' ELSE state END
		WHERE buyer_id = ? AND id = ? AND session = '' AND state IN ('new', 'canceled') RETURNING state`,
		o.Provider, o.Session, o.URL, buyer, intent)
	if err != nil && !errors.Is(err, postgres.ErrNoRows) {
		return "", fmt.Errorf("open payment %s: %w", intent, err)
	}
	return State(r.State), err
}

func unopened(ctx context.Context, tx *postgres.Tx, before, now time.Time, limit int) ([]intentRow, error) {
	rows, err := postgres.On[intentRow](tx).Where("state = 'new' AND created_at < ? AND expires_at > ?", before, now).
		Order("created_at").Limit(limit).Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for payments without a page: %w", err)
	}
	return rows, nil
}

// succeed pays an open intent with exactly its amount, or reports false.
func succeed(ctx context.Context, tx *postgres.Tx, e gateway.Event) (bool, error) {
	n, err := tx.Exec(ctx, `
		UPDATE payment_intent SET state = 'succeeded', provider = ?, session = ?, payment = ?, settled_at = ?
		WHERE buyer_id = ? AND id = ? AND state IN ('new', 'opened') AND amount_fen = ?`,
		e.Provider, e.Session, e.Payment, tx.Now, e.Buyer, e.Intent, int64(e.Amount))
	if err != nil {
		return false, fmt.Errorf("pay %s: %w", e.Intent, err)
	}
	return n == 1, nil
}

// cancel ends an unpaid intent and returns its page, "" if it has none;
// ErrNoRows when it is not unpaid.
func cancel(ctx context.Context, tx *postgres.Tx, buyer uuid.UUID, intent ID) (session string, err error) {
	r, err := postgres.Row[intentRow](ctx, tx, `
		UPDATE payment_intent SET state = 'canceled', settled_at = ?
		WHERE buyer_id = ? AND id = ? AND state IN ('new', 'opened') RETURNING session`, tx.Now, buyer, intent)
	if err != nil && !errors.Is(err, postgres.ErrNoRows) {
		return "", fmt.Errorf("cancel payment %s: %w", intent, err)
	}
	return r.Session, err
}

// Intents are the buyer's intents with these ids; unknown ones are missing.
func Intents(ctx context.Context, tx *postgres.Tx, buyer uuid.UUID, intents []ID) (map[ID]Intent, error) {
	rows, err := postgres.On[intentRow](tx).Where("buyer_id = ? AND id = ANY(?::uuid[])", buyer, postgres.Array(mapped(intents, ID.UUID))).Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read payments: %w", err)
	}
	out := make(map[ID]Intent, len(rows))
	for _, r := range rows {
		out[id.From[Intent](r.ID)] = r.intent()
	}
	return out, nil
}

func readIntent(ctx context.Context, tx *postgres.Tx, buyer uuid.UUID, intent ID) (Intent, error) {
	found, err := Intents(ctx, tx, buyer, []ID{intent})
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	return found[intent], err
}

// eventRow is a row of the table payment_event.
type eventRow struct {
	ID            string `gorm:"primaryKey"`
	Provider      string
	Type          string
	Kind          string
	BuyerID       *uuid.UUID
	IntentID      *uuid.UUID
	Session       string
	Payment       string
	AmountFen     int64
	Currency      string
	RefundID      *uuid.UUID
	RefundAttempt int
	RefundRef     string
	RefundState   string
	OccurredAt    time.Time
	ReceivedAt    time.Time
	ProcessedAt   *time.Time
	Body          []byte
}

// TableName is payment_event.
func (eventRow) TableName() string { return "payment_event" }

func (r eventRow) event() gateway.Event {
	return gateway.Event{
		ID: r.ID, Type: r.Type, Kind: gateway.Kind(r.Kind), Provider: r.Provider, Intent: value(r.IntentID), Buyer: value(r.BuyerID),
		Session: r.Session, Payment: r.Payment, Amount: money.Fen(r.AmountFen), Currency: r.Currency,
		Refund: value(r.RefundID), Attempt: r.RefundAttempt, RefundRef: r.RefundRef, RefundTo: gateway.RefundState(r.RefundState),
		OccurredAt: r.OccurredAt.UTC(),
	}
}

// insertEvent stores a webhook. One from which nothing follows is processed already,
// and its body, of another program's customer perhaps, is not kept. It reports
// false when it was stored before.
func insertEvent(ctx context.Context, tx *postgres.Tx, e gateway.Event, body []byte) (bool, error) {
	var processed *time.Time
	if e.Kind != gateway.Paid && e.Kind != gateway.RefundUpdated {
		processed, body = &tx.Now, []byte{}
	}
	n, err := tx.Exec(ctx, `
		INSERT INTO payment_event (id, provider, type, kind, buyer_id, intent_id, session, payment, amount_fen, currency,
		  refund_id, refund_attempt, refund_ref, refund_state, occurred_at, received_at, processed_at, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT ON CONSTRAINT payment_event_pkey DO NOTHING`,
		e.ID, e.Provider, e.Type, string(e.Kind), id.From[Intent](e.Buyer), id.From[Intent](e.Intent), e.Session, e.Payment, int64(e.Amount), e.Currency,
		id.From[Refund](e.Refund), e.Attempt, e.RefundRef, string(e.RefundTo), e.OccurredAt, tx.Now, processed, body)
	if err != nil {
		return false, fmt.Errorf("store event %s: %w", e.ID, err)
	}
	return n == 1, nil
}

// Claim takes an event for processing in tx and gives its content. It is claimed
// once: again, or by two workers at the same time, claimed is false.
func Claim(ctx context.Context, tx *postgres.Tx, eventID string) (e gateway.Event, claimed bool, err error) {
	rows, err := postgres.Rows[eventRow](ctx, tx, `
		UPDATE payment_event SET processed_at = ? WHERE id = ? AND processed_at IS NULL
		RETURNING id, provider, type, kind, buyer_id, intent_id, session, payment, amount_fen, currency,
		  refund_id, refund_attempt, refund_ref, refund_state, occurred_at`, tx.Now, eventID)
	switch {
	case err != nil:
		return gateway.Event{}, false, fmt.Errorf("claim event %s: %w", eventID, err)
	case len(rows) == 0:
		return gateway.Event{}, false, nil
	}
	return rows[0].event(), true, nil
}

// ForgetBodies empties the bodies of up to limit processed events that are older
// than KeptBody, and returns of how many.
func ForgetBodies(ctx context.Context, tx *postgres.Tx, limit int) (int, error) {
	n, err := tx.Exec(ctx, `
		UPDATE payment_event SET body = '' WHERE id IN (
		  SELECT id FROM payment_event WHERE processed_at IS NOT NULL AND body <> '' AND received_at < ?
		  ORDER BY received_at LIMIT ? FOR UPDATE SKIP LOCKED)`, tx.Now.Add(-KeptBody), limit)
	if err != nil {
		return 0, fmt.Errorf("empty the bodies of old events: %w", err)
	}
	return int(n), nil
}

// waiting are payments that were heard of and not acted on, the oldest first.
func waiting(ctx context.Context, tx *postgres.Tx, from, to time.Time, limit int) ([]gateway.Event, error) {
	rows, err := postgres.On[eventRow](tx).Omit("body").
		Where("processed_at IS NULL AND kind = ? AND received_at BETWEEN ? AND ?", string(gateway.Paid), from, to).
		Order("received_at, id").Limit(limit).Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("find waiting events: %w", err)
	}
	return mapped(rows, eventRow.event), nil
}

// refundRow is a row of the table refund.
type refundRow struct {
	BuyerID   uuid.UUID `gorm:"primaryKey"`
	ID        uuid.UUID `gorm:"primaryKey"`
	IntentID  uuid.UUID
	AmountFen int64
	Reason    string
	State     string
	Late      bool
	Provider  string
	Payment   string
	Ref       string
	Failure   string
	Attempt   int
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	SettledAt *time.Time
}

// TableName is refund.
func (refundRow) TableName() string { return "refund" }

func (r refundRow) refund() Refund {
	return Refund{
		ID: id.From[Refund](r.ID), Intent: id.From[Intent](r.IntentID), Buyer: r.BuyerID, Amount: money.Fen(r.AmountFen), Reason: r.Reason,
		State: gateway.RefundState(r.State), Late: r.Late, Provider: r.Provider, Payment: r.Payment, Ref: r.Ref, Failure: r.Failure,
		Attempt: r.Attempt, CreatedAt: r.CreatedAt.UTC(), SettledAt: value(r.SettledAt).UTC(),
	}
}

// promise adds a refund of a paid intent, if so much is left of it.
func promise(ctx context.Context, tx *postgres.Tx, r Refund) (bool, error) {
	n, err := tx.Exec(ctx, `
		WITH paid AS (
		  UPDATE payment_intent SET promised_fen = promised_fen + ?
		  WHERE buyer_id = ? AND id = ? AND state = 'succeeded' AND promised_fen + ? <= amount_fen
		  RETURNING buyer_id, id, provider, payment
		)
		INSERT INTO refund (buyer_id, id, intent_id, amount_fen, reason, state, late, provider, payment, created_at)
		SELECT buyer_id, ?::uuid, id, ?, ?, 'pending', false, provider, payment, ? FROM paid`,
		int64(r.Amount), r.Buyer, r.Intent, int64(r.Amount), r.ID, int64(r.Amount), r.Reason, tx.Now)
	if err != nil {
		return false, fmt.Errorf("promise a refund of %s: %w", r.Intent, err)
	}
	return n == 1, nil
}

// Withhold sets apart what a bank took back of a paid intent, so that it cannot be
// refunded as well, and returns how much that is: what is on its way back to the buyer
// already cannot be withheld.
func Withhold(ctx context.Context, tx *postgres.Tx, buyer uuid.UUID, intent ID, amount money.Fen) (money.Fen, error) {
	r, err := postgres.Row[intentRow](ctx, tx, `
		UPDATE payment_intent i SET promised_fen = least(i.amount_fen, i.promised_fen + ?)
		FROM (SELECT buyer_id, id, promised_fen FROM payment_intent WHERE buyer_id = ? AND id = ? FOR UPDATE) AS before
		WHERE i.buyer_id = before.buyer_id AND i.id = before.id RETURNING i.promised_fen - before.promised_fen AS promised_fen`,
		int64(amount), buyer, intent)
	if err != nil {
		return 0, fmt.Errorf("withhold of payment %s: %w", intent, err)
	}
	return money.Fen(r.PromisedFen), nil
}

// LetGo undoes a Withhold of so much.
func LetGo(ctx context.Context, tx *postgres.Tx, buyer uuid.UUID, intent ID, amount money.Fen) error {
	if _, err := tx.Exec(ctx, `UPDATE payment_intent SET promised_fen = promised_fen - ? WHERE buyer_id = ? AND id = ?`, int64(amount), buyer, intent); err != nil {
		return fmt.Errorf("let go of payment %s: %w", intent, err)
	}
	return nil
}

// insertLate adds the refund of a payment that bought nothing, and turns its
// intent, if that was canceled, towards it. It reports false if it was there.
func insertLate(ctx context.Context, tx *postgres.Tx, r Refund) (bool, error) {
	n, err := tx.Exec(ctx, `
		WITH canceled AS (
		  UPDATE payment_intent SET state = 'refunding', provider = ?, payment = ?, promised_fen = amount_fen
		  WHERE buyer_id = ? AND id = ? AND state = 'canceled'
		)
		INSERT INTO refund (buyer_id, id, intent_id, amount_fen, reason, state, late, provider, payment, created_at)
		VALUES (?, ?, ?, ?, ?, 'pending', true, ?, ?, ?) ON CONFLICT (buyer_id, payment) WHERE late DO NOTHING`,
		r.Provider, r.Payment, r.Buyer, r.Intent, r.Buyer, r.ID, r.Intent, int64(r.Amount), r.Reason, r.Provider, r.Payment, tx.Now)
	if err != nil {
		return false, fmt.Errorf("give %s back: %w", r.Intent, err)
	}
	return n == 1, nil
}

// insertAdopted adds a refund that is at the provider already.
func insertAdopted(ctx context.Context, tx *postgres.Tx, r Refund) error {
	err := postgres.On[refundRow](tx).Create(ctx, refundRow{
		BuyerID: r.Buyer, ID: r.ID.UUID(), IntentID: r.Intent.UUID(), AmountFen: int64(r.Amount), Reason: r.Reason, State: string(gateway.RefundPending),
		Provider: r.Provider, Payment: r.Payment, Ref: r.Ref, CreatedAt: tx.Now,
	})
	if err != nil {
		return fmt.Errorf("adopt refund %s: %w", r.Ref, err)
	}
	return nil
}

func readRefund(ctx context.Context, tx *postgres.Tx, refund RefundID) (Refund, error) {
	r, err := postgres.On[refundRow](tx).Where("id = ?", refund).Take(ctx)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Refund{}, ErrNotFound
	case err != nil:
		return Refund{}, fmt.Errorf("read refund %s: %w", refund, err)
	}
	return r.refund(), nil
}

// settle takes a refund forward to what the provider says of its attempt, never
// back, and its intent with it. The intent is locked first.
func settle(ctx context.Context, tx *postgres.Tx, buyer uuid.UUID, refund RefundID, attempt int, done gateway.Refunded) error {
	if done.State == gateway.RefundFailed && done.Failure == "" {
		done.Failure = "the provider says that it failed"
	}
	r, err := readRefund(ctx, tx, refund)
	if err != nil {
		return err
	}
	if _, err := postgres.On[intentRow](tx, clause.Locking{Strength: "UPDATE"}).
		Where("buyer_id = ? AND id = ?", buyer, r.Intent).Take(ctx); err != nil {
		return fmt.Errorf("lock payment %s: %w", r.Intent, err)
	}
	n, err := tx.Exec(ctx, `
		UPDATE refund SET state = ?, ref = CASE WHEN ? = '' THEN ref ELSE ? END, failure = ?, settled_at = CASE WHEN ? = 'pending' THEN NULL ELSE ?::timestamptz END
		WHERE buyer_id = ? AND id = ? AND attempt = ? AND (state = 'pending' OR (state = 'succeeded' AND ? = 'failed'))`,
		string(done.State), done.Ref, done.Ref, done.Failure, string(done.State), tx.Now, buyer, refund, attempt, string(done.State))
	if err == nil && n == 1 {
		_, err = tx.Exec(ctx, `
			UPDATE payment_intent i SET state = CASE
			  WHEN i.amount_fen = (SELECT sum(r.amount_fen) FROM refund r
			    WHERE r.buyer_id = i.buyer_id AND r.intent_id = i.id AND r.payment = i.payment AND r.state = 'succeeded') THEN 'refunded'
			  WHEN EXISTS (SELECT FROM refund r
			    WHERE r.buyer_id = i.buyer_id AND r.intent_id = i.id AND r.payment = i.payment AND r.late) THEN 'refunding'
			  ELSE 'succeeded' END
			WHERE i.buyer_id = ? AND i.id = ? AND i.state IN ('succeeded', 'refunding', 'refunded')`, buyer, r.Intent)
	}
	if err != nil {
		return fmt.Errorf("settle refund %s: %w", refund, err)
	}
	return nil
}

// retry makes a failed refund pending again, as another attempt; ErrNoRows when it
// has not failed.
func retry(ctx context.Context, tx *postgres.Tx, refund RefundID) (Refund, error) {
	r, err := postgres.Row[refundRow](ctx, tx, `
		UPDATE refund SET state = 'pending', ref = '', failure = '', settled_at = NULL, attempt = attempt + 1
		WHERE id = ? AND state = 'failed' RETURNING *`, refund)
	if err != nil && !errors.Is(err, postgres.ErrNoRows) {
		return Refund{}, fmt.Errorf("retry refund %s: %w", refund, err)
	}
	return r.refund(), err
}

// RefundsIn is a page of the refunds in a state, whosever they are, newest first.
func RefundsIn(ctx context.Context, tx *postgres.Tx, state gateway.RefundState, p page.Request) (page.Of[Refund], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Refund]{}, err
	}
	rows, err := postgres.Rows[refundRow](ctx, tx, `SELECT * FROM refund WHERE state = ? AND (? OR id < ?) ORDER BY id DESC LIMIT ?`,
		string(state), last == uuid.Nil, last, p.Size()+1)
	if err != nil {
		return page.Of[Refund]{}, fmt.Errorf("list refunds: %w", err)
	}
	return page.Cut(mapped(rows, refundRow.refund), p.Size(), func(r Refund) (string, uuid.UUID) { return "", r.ID.UUID() }), nil
}

// FailedRefunds is how many refunds have failed: somebody must act on each.
func FailedRefunds(ctx context.Context, tx *postgres.Tx) (int64, error) {
	return postgres.On[refundRow](tx).Where("state = 'failed'").Count(ctx)
}

func mapped[R, T any](rows []R, f func(R) T) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = f(r)
	}
	return out
}

// value is what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// byPayment is the intent that was paid as the payment.
func byPayment(ctx context.Context, tx *postgres.Tx, payment string) (Intent, error) {
	r, err := postgres.On[intentRow](tx).Where("payment = ? AND payment <> ''", payment).Take(ctx)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Intent{}, ErrNotFound
	case err != nil:
		return Intent{}, fmt.Errorf("find the payment %s: %w", payment, err)
	}
	return r.intent(), nil
}

// pending are refunds that were asked for before and have not come to an end.
func pending(ctx context.Context, tx *postgres.Tx, before time.Time, limit int) ([]Refund, error) {
	rows, err := postgres.On[refundRow](tx).Where("state = 'pending' AND created_at < ?", before).Order("created_at").Limit(limit).Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("find pending refunds: %w", err)
	}
	return mapped(rows, refundRow.refund), nil
}

// watermarkRow is a row of the table payment_watermark.
type watermarkRow struct {
	Provider  string `gorm:"primaryKey"`
	ToldUntil time.Time
}

// TableName is payment_watermark.
func (watermarkRow) TableName() string { return "payment_watermark" }

// toldUntil is until when the provider's events were listed, or the year 1.
func toldUntil(ctx context.Context, tx *postgres.Tx, provider string) (time.Time, error) {
	r, err := postgres.On[watermarkRow](tx).Where("provider = ?", provider).Take(ctx)
	if err != nil && !errors.Is(err, postgres.ErrNoRows) {
		return time.Time{}, fmt.Errorf("read until when %s was asked: %w", provider, err)
	}
	return r.ToldUntil.UTC(), nil
}

func setToldUntil(ctx context.Context, tx *postgres.Tx, provider string, until time.Time) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO payment_watermark AS w (provider, told_until) VALUES (?, ?)
		ON CONFLICT (provider) DO UPDATE SET told_until = greatest(w.told_until, excluded.told_until)`, provider, until)
	if err != nil {
		return fmt.Errorf("keep until when %s was asked: %w", provider, err)
	}
	return nil
}
