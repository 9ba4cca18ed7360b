// Package sandbox is a payment provider that exists only inside the program: a
// stateful simulator that speaks Stripe's HTTP, API version 2023-10-16, as far
// as a shop with hosted payment pages and refunds needs it. It is reached
// through RoundTrip without a port, shows people a page to pay on, and sends
// signed events. No money moves. It knows nothing of the shop.
package sandbox

import (
	"container/list"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"
)

// Version is Stripe's API version that the sandbox speaks.
const Version = "2023-10-16"

// The ways to pay, by Stripe's names. Refunds to a card are done at once, those
// to the two wallets are pending until an event says that they succeeded.
const (
	Card   = "card"
	Alipay = "alipay"
	WeChat = "wechat_pay"
)

// Errors of a payment that cannot be made.
var (
	ErrNoSession = errors.New("sandbox: there is no such session")
	ErrClosed    = errors.New("sandbox: the session is not open any more")
	ErrMethod    = errors.New("sandbox: the session does not offer this way to pay")
)

// Limits that Stripe sets, in seconds and in hundredths of the currency.
const (
	minLife   = 30 * 60
	maxLife   = 24 * 60 * 60
	maxAmount = 99_999_999
)

// forgotten is how long after its end, in seconds, an unpaid session is kept.
const forgotten = 24 * 60 * 60

// shown is for how long, in seconds, the list of events shows what happened.
const shown = 30 * 24 * 60 * 60

// Config says where the sandbox keeps its state and where people find it.
type Config struct {
	// Journal is the file that pending sessions, payments and undelivered events survive a restart in. Empty: they do not.
	Journal string
	// PageURL is where Page is mounted, as seen by a browser and with a slash at its end: "http://localhost:8080/sandbox/pay/".
	PageURL string
	// Keep is how many paid sessions are remembered for refunds, the newest ones; 0 means 100,000.
	Keep int
	// Clock tells the time.
	Clock func() time.Time
	// FeeBP is what a payment costs the shop in parts of ten thousand, 0 means 60; below 0, nothing. FeeFixed, in hundredths, is added.
	FeeBP, FeeFixed int64
	// DisputeFee is what a dispute costs the shop, won or lost, in hundredths; 0 means 1,500; below 0, nothing.
	DisputeFee int64
}

// Sandbox is one provider. It may be used by many goroutines.
type Sandbox struct {
	*state
	clock func() time.Time
}

// state is what all handles of a provider share.
type state struct {
	cfg  Config
	log  *slog.Logger
	page *template.Template
	news chan struct{} // wakes Run

	mu        sync.Mutex
	journal   *journal
	lock      *os.File // of the journal, or nil
	secret    string
	order     []*session // oldest first
	sessions  map[string]*session
	intents   map[string]*session
	refunds   map[string]*refund
	keys      map[string]kept // by idempotency key
	waiting   *list.List      // of *event, oldest first
	events    map[string]*list.Element
	past      timeline[*event] // of the last 30 days
	entries   timeline[*entry]
	accounts  map[string]*account
	opened    timeline[*account]
	transfers map[string]*transfer
	all       timeline[*transfer]
	groups    map[string]*timeline[*transfer]
	reversals map[string][]*reversal // of a transfer
	disputes  map[string]*dispute
	contested map[string][]string // payment intent → ids of disputes
	returned  map[string][]string // payment intent → ids of refunds, oldest first
	faults    Faults
	back      Refunds
	busy      map[string]bool // ids of sessions of which an event is being sent
}

// session is a Checkout Session and, once it is paid, its PaymentIntent.
type session struct {
	ID          string            `json:"id"`
	Ref         string            `json:"ref,omitempty"`
	Description string            `json:"desc,omitempty"`
	Currency    string            `json:"cur"`
	Amount      int64             `json:"amount"`
	Methods     []string          `json:"methods"`
	Success     string            `json:"success"`
	Cancel      string            `json:"cancel,omitempty"`
	Metadata    map[string]string `json:"meta,omitempty"`
	Created     int64             `json:"created"` // Unix seconds, as all times of Stripe
	Expires     int64             `json:"expires"`
	Status      string            `json:"status"`
	Intent      string            `json:"pi,omitempty"`
	Method      string            `json:"method,omitempty"`
	Paid        int64             `json:"paid,omitempty"`
	Refunded    int64             `json:"refunded,omitempty"`
	Fee         int64             `json:"fee,omitempty"`
	Key         string            `json:"key,omitempty"`
	Hash        string            `json:"hash,omitempty"`
	ExpireKey   string            `json:"xkey,omitempty"`
}

// What a session can be.
const (
	open     = "open"
	complete = "complete"
	expired  = "expired"
)

// refund gives a part of a payment back.
type refund struct {
	ID       string            `json:"id"`
	Intent   string            `json:"pi"`
	Amount   int64             `json:"amount"`
	Currency string            `json:"cur"`
	Metadata map[string]string `json:"meta,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	Created  int64             `json:"created"`
	Answer   string            `json:"answer"` // the status when it was made
	Status   string            `json:"status"` // the status now
	Failed   int64             `json:"failed,omitempty"`
	Key      string            `json:"key,omitempty"`
	Hash     string            `json:"hash,omitempty"`
}

// Open starts a sandbox with what its journal holds.
func Open(cfg Config, log *slog.Logger) (*Sandbox, error) {
	if cfg.Keep <= 0 {
		cfg.Keep = 100_000
	}
	page, err := template.New("pay").Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s := &Sandbox{clock: cfg.Clock, state: &state{
		cfg: cfg, log: log, page: page, news: make(chan struct{}, 1), secret: "whsec_" + rand.Text() + rand.Text(),
		sessions: map[string]*session{}, intents: map[string]*session{}, refunds: map[string]*refund{},
		keys: map[string]kept{}, waiting: list.New(), events: map[string]*list.Element{}, busy: map[string]bool{},
		accounts: map[string]*account{}, transfers: map[string]*transfer{}, groups: map[string]*timeline[*transfer]{},
		reversals: map[string][]*reversal{},
		disputes:  map[string]*dispute{}, contested: map[string][]string{}, returned: map[string][]string{},
	}}
	if cfg.Journal == "" {
		return s, nil
	}
	if s.lock, err = lock(cfg.Journal); err != nil {
		return nil, err
	}
	if err = s.load(); err == nil {
		s.trim(s.clock().Unix())
		err = s.compact()
	}
	if err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	return s, nil
}

// Close ends the journal; nothing can be done with the sandbox afterwards.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.journal.close()
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// At is the same provider seen at a time that stands still: so a recorded year
// is paid at its own times.
func (s *Sandbox) At(t time.Time) *Sandbox {
	return &Sandbox{state: s.state, clock: func() time.Time { return t }}
}

// Secret is what the sandbox signs its events with, made on its first start.
func (s *Sandbox) Secret() string { return s.secret }

// Pay pays a session, as a person would on its page, and returns the id of the
// event that will tell. The method is one that the session offers, "" its first.
func (s *Sandbox) Pay(id, method string) (eventID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock().Unix()
	paid, err := s.openAt(id, now)
	if err != nil {
		return "", err
	}
	if method == "" {
		method = paid.Methods[0]
	}
	if !slices.Contains(paid.Methods, method) {
		return "", ErrMethod
	}
	next := *paid
	next.Status, next.Intent, next.Method, next.Paid = complete, "pi_"+rand.Text(), method, now
	next.Fee = s.cfg.feeOf(next.Amount)
	e := newEvent("checkout.session.completed", next.ID, now, next.object(s.cfg.PageURL))
	if err := s.save(record{Session: &next, Event: e}); err != nil {
		return "", err
	}
	return e.ID, nil
}

// openAt is the session if it can be paid. The caller holds the lock.
func (s *Sandbox) openAt(id string, now int64) (*session, error) {
	found, ok := s.sessions[id]
	switch {
	case !ok:
		return nil, ErrNoSession
	case found.Status != open || now >= found.Expires:
		return nil, ErrClosed
	}
	return found, nil
}

// expire closes an open session. The caller holds the lock.
func (s *Sandbox) expire(old *session, key string, now int64) error {
	next := *old
	next.Status, next.ExpireKey = expired, key
	e := newEvent("checkout.session.expired", next.ID, now, next.object(s.cfg.PageURL))
	return s.save(record{Session: &next, Event: e})
}

// sweep expires what is due and forgets what is old. It is called now and then.
func (s *Sandbox) sweep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock().Unix()
	for _, each := range s.order {
		if each.Status == open && now >= each.Expires {
			if err := s.expire(each, "", now); err != nil {
				return err
			}
		}
	}
	s.trim(now)
	if s.journal.overgrown() {
		return s.compact()
	}
	return nil
}

// trim forgets unpaid sessions that ended long ago, and the oldest paid ones
// beyond those to keep. The caller holds the lock.
func (s *state) trim(now int64) {
	s.past.forget(now - shown)
	surplus := -s.cfg.Keep
	for _, each := range s.order {
		if each.Status == complete {
			surplus++
		}
	}
	s.order = slices.DeleteFunc(s.order, func(each *session) bool {
		drop := each.Status != complete && now >= each.Expires+forgotten
		if each.Status == complete && surplus > 0 {
			surplus--
			drop = true
		}
		if drop {
			delete(s.sessions, each.ID)
			delete(s.intents, each.Intent)
			delete(s.keys, each.Key)
		}
		return drop
	})
	maps.DeleteFunc(s.refunds, func(_ string, r *refund) bool {
		drop := s.intents[r.Intent] == nil
		if drop {
			delete(s.keys, r.Key)
			delete(s.returned, r.Intent)
		}
		return drop
	})
}

// save writes the record to the journal and then makes it true. The caller
// holds the lock.
func (s *state) save(r record) error {
	if err := s.journal.write(r); err != nil {
		return err
	}
	s.apply(r)
	if r.Event != nil {
		s.wake()
	}
	return nil
}

// apply makes a record true.
func (s *state) apply(r record) {
	if r.Signing != "" {
		s.secret = r.Signing
	}
	if next := r.Session; next != nil {
		held, known := s.sessions[next.ID]
		if !known {
			held = new(session)
			s.order = append(s.order, held)
			s.sessions[next.ID] = held
		}
		*held = *next
		s.keep(held.Key, kept{held.ID, held.Hash, held.Created})
		if held.Intent != "" {
			s.intents[held.Intent] = held
		}
	}
	s.applyConnect(r)
	s.enter(r)
	if d := r.Dispute; d != nil {
		if s.disputes[d.ID] == nil {
			s.contested[d.Intent] = append(s.contested[d.Intent], d.ID)
		}
		s.disputes[d.ID] = d
	}
	if r.Refund != nil {
		if s.refunds[r.Refund.ID] == nil {
			s.returned[r.Refund.Intent] = append(s.returned[r.Refund.Intent], r.Refund.ID)
		}
		s.refunds[r.Refund.ID] = r.Refund
		s.keep(r.Refund.Key, kept{r.Refund.ID, r.Refund.Hash, r.Refund.Created})
	}
	if r.Event != nil {
		s.events[r.Event.ID] = s.waiting.PushBack(r.Event)
		s.past.add(r.Event)
	}
	if at, ok := s.events[r.Done]; ok {
		s.waiting.Remove(at)
		delete(s.events, r.Done)
	}
}
