package sandbox

import (
	"crypto/rand"
	"errors"
	"slices"
)

// ErrNoDispute says that no open dispute has this id.
var ErrNoDispute = errors.New("sandbox: there is no such open dispute")

// dispute is a payment of which the holder of the card says that it was not right.
type dispute struct {
	ID       string `json:"id"`
	Intent   string `json:"pi"`
	Amount   int64  `json:"amount"`
	Currency string `json:"cur"`
	Reason   string `json:"reason"`
	Status   string `json:"status"` // needs_response, won or lost
	Fee      int64  `json:"fee"`
	Created  int64  `json:"created"`
	Closed   int64  `json:"closed,omitempty"`
}

func (d *dispute) name() string { return d.ID }
func (d *dispute) when() int64  { return d.Created }

// answering is how long a shop has to answer a dispute, in seconds.
const answering = 7 * 24 * 60 * 60

// object is the dispute as the API shows it.
func (d *dispute) object() any {
	entries := []any{(&entry{"txn_" + d.ID, "adjustment", -d.Amount, d.Fee, d.Currency, d.ID, d.Created}).object()}
	if d.Status == "won" {
		entries = append(entries, (&entry{"txn_won_" + d.ID, "adjustment", d.Amount, 0, d.Currency, d.ID, d.Closed}).object())
	}
	return map[string]any{
		"id": d.ID, "object": "dispute", "amount": d.Amount, "balance_transactions": entries, "charge": charge(d.Intent), "created": d.Created,
		"currency": d.Currency, "evidence": map[string]any{}, "is_charge_refundable": false, "livemode": false, "metadata": map[string]string{},
		"evidence_details": map[string]any{"due_by": d.Created + answering, "has_evidence": false, "past_due": false, "submission_count": 0},
		"payment_intent":   d.Intent, "reason": d.Reason, "status": d.Status,
	}
}

// Dispute opens a dispute of a payment, as the bank of a buyer would, and returns
// its id. The reason is one of Stripe's: "fraudulent", "product_not_received" and so on.
func (s *Sandbox) Dispute(intent string, amount int64, reason string) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	paid, ok := s.intents[intent]
	if !ok || amount < 1 || amount > paid.Amount {
		return "", ErrNoSession
	}
	made := &dispute{
		ID: "dp_" + rand.Text(), Intent: intent, Amount: amount, Currency: paid.Currency, Reason: reason, Status: "needs_response",
		Fee: s.cfg.disputeFee(), Created: s.clock().Unix(),
	}
	return made.ID, s.save(record{Dispute: made, Event: newEvent("charge.dispute.created", paid.ID, made.Created, made.object())})
}

// CloseDispute ends an open dispute: won, its amount comes back; lost, it does not.
func (s *Sandbox) CloseDispute(id string, won bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, ok := s.disputes[id]
	if !ok || held.Closed != 0 {
		return ErrNoDispute
	}
	next := *held
	next.Status, next.Closed = "lost", s.clock().Unix()
	if won {
		next.Status = "won"
	}
	return s.save(record{Dispute: &next, Event: newEvent("charge.dispute.closed", next.Intent, next.Closed, next.object())})
}

func (s *Sandbox) listDisputes(c call) (any, error) {
	if err := c.known("payment_intent", "limit", "starting_after"); err != nil {
		return nil, err
	}
	out := pageObject{Object: "list", URL: c.path, Data: []any{}}
	for _, id := range slices.Backward(s.contested[c.form.Get("payment_intent")]) {
		out.Data = append(out.Data, s.disputes[id].object())
	}
	return out, nil
}

// PaidAs is the payment intent of a session that was paid; "" before.
func (s *Sandbox) PaidAs(session string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.sessions[session]; found != nil {
		return found.Intent
	}
	return ""
}
