package sandbox

import (
	"fmt"
	"net/http"
	"os"
)

// Fault is what goes wrong with one request.
type Fault int

// The faults of a request.
const (
	Fine        Fault = iota
	LoseRequest       // a time-out before anything was done
	LoseAnswer        // it was done, and the answer never came
	Conflict          // 409: another request with the same key still runs
	TooMany           // 429
	FailBefore        // 500 before anything was done
	FailAfter         // 500 after it was done
)

// Mishap is what becomes of the sending of one event.
type Mishap int

// The mishaps of an event.
const (
	Arrives Mishap = iota
	Dropped        // it is never sent; the list of events shows it
	Doubled        // it is sent twice
	Delayed        // it waits until the next time
	Swapped        // it is sent after all others
)

// Faults decide what goes wrong; a nil function: nothing does. They are called
// one at a time, so a test can count in them.
type Faults struct {
	// Request decides for a request by its method and path ("POST", "/v1/transfers").
	Request func(method, path string) Fault
	// Event decides for an event by its type ("transfer.created") when Flush is to send it.
	Event func(kind string) Mishap
}

// Inject makes things go wrong from now on.
func (s *Sandbox) Inject(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// fault is what is to go wrong with the request.
func (s *Sandbox) fault(r *http.Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults.Request == nil {
		return Fine
	}
	return s.faults.Request(r.Method, r.URL.Path)
}

// mishap is what is to become of an event.
func (s *Sandbox) mishap(e *event) Mishap {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults.Event == nil {
		return Arrives
	}
	return s.faults.Event(e.kind())
}

// before is the end of a request that is never served, or nil.
func (f Fault) before() error {
	switch f {
	case LoseRequest:
		return fmt.Errorf("sandbox: the request was lost: %w", os.ErrDeadlineExceeded)
	case Conflict:
		return &problem{Status: http.StatusConflict, Code: "idempotency_key_in_use", Message: "There is currently another in-progress request using this Idempotent Key.", Type: idempotency}
	case TooMany:
		return &problem{Status: http.StatusTooManyRequests, Code: "rate_limit", Message: "Too many requests in too short a time.", Type: invalidRequest}
	case FailBefore:
		return &problem{Status: http.StatusInternalServerError, Message: "An unknown error occurred.", Type: "api_error"}
	case Fine, LoseAnswer, FailAfter:
	}
	return nil
}

// after is the end of a request that was served, or nil.
func (f Fault) after() error {
	switch f {
	case LoseAnswer:
		return fmt.Errorf("sandbox: the answer was lost: %w", os.ErrDeadlineExceeded)
	case FailAfter:
		return FailBefore.before()
	case Fine, LoseRequest, Conflict, TooMany, FailBefore:
	}
	return nil
}

// Refunds decide what becomes of refunds that are made from now on.
type Refunds int

// What becomes of refunds.
const (
	RefundsArrive Refunds = iota // as Stripe does: to a card at once, to a wallet a little later
	RefundsWait                  // all are pending until SettleRefund
	RefundsFail                  // all are pending at first, and an event says that they failed
)

// SetRefunds decides what becomes of refunds that are made from now on.
func (s *Sandbox) SetRefunds(r Refunds) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back = r
}

// SettleRefund says what became of a refund: it arrived, or failed, even after it
// had arrived, and its amount is the shop's again.
func (s *Sandbox) SettleRefund(id string, arrived bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, ok := s.refunds[id]
	if !ok || held.Status == "failed" {
		return ErrNoSession
	}
	next, paid, now := *held, *s.intents[held.Intent], s.clock().Unix()
	next.Status = "succeeded"
	if !arrived {
		next.Status, next.Failed = "failed", now
		paid.Refunded -= held.Amount
	}
	return s.save(record{Session: &paid, Refund: &next, Event: newEvent("charge.refund.updated", paid.ID, now, next.object(next.Status))})
}
