package sandbox

import (
	"container/list"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Deliver takes an event to its receiver: the body's bytes and the value of the
// header Stripe-Signature. An error means: not received, send it again.
type Deliver func(ctx context.Context, body []byte, signature string) error

// ErrNoEvent says that no such event waits to be sent.
var ErrNoEvent = errors.New("sandbox: no such event is waiting")

const (
	// senders is how many events are under way at once; those of one session go one by one.
	senders = 8
	// patience is how often an event is sent before it is given up, more than three days after it happened.
	patience = 24
	// hearing is how long a receiver may take for one event.
	hearing = 30 * time.Second
	// sweepEvery is how often sessions are looked over.
	sweepEvery = time.Minute
)

// event is a message that waits to be received.
type event struct {
	ID      string          `json:"id"`
	Session string          `json:"session"` // that it is about, or whose refund
	Created int64           `json:"created"`
	Body    json.RawMessage `json:"body"`

	tries int
	due   time.Time // zero: at once
}

// eventBody is an Event object of Stripe.
type eventBody struct {
	ID         string `json:"id"`
	Object     string `json:"object"`
	APIVersion string `json:"api_version"`
	Created    int64  `json:"created"`
	Data       struct {
		Object any `json:"object"`
	} `json:"data"`
	Livemode bool `json:"livemode"`
	Pending  int  `json:"pending_webhooks"`
	Request  struct {
		ID             *string `json:"id"`
		IdempotencyKey *string `json:"idempotency_key"`
	} `json:"request"`
	Type string `json:"type"`
}

// newEvent is what happened to object.
func newEvent(kind, session string, at int64, object any) *event {
	body := eventBody{ID: "evt_" + rand.Text(), Object: "event", APIVersion: Version, Created: at, Pending: 1, Type: kind}
	body.Data.Object = object
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // structs of texts and numbers can be written
	}
	return &event{ID: body.ID, Session: session, Created: at, Body: raw}
}

func (e *event) name() string { return e.ID }
func (e *event) when() int64  { return e.Created }

// kind is Stripe's type of the event.
func (e *event) kind() string {
	var body eventBody
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return ""
	}
	return body.Type
}

func eventAt(at *list.Element) *event {
	e, ok := at.Value.(*event)
	if !ok {
		panic("sandbox: the list holds events only")
	}
	return e
}

// Sign is the value of the header Stripe-Signature for a body that is sent at
// the given time (scheme v1: HMAC-SHA256 of "time.body").
func Sign(body []byte, secret string, at time.Time) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	return "t=" + stamp + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// Run sends events as they happen, those of one session in order, and again
// after growing pauses until each is received; it also expires sessions that
// are due. It returns nil when ctx ends and all that was under way is done.
func (s *Sandbox) Run(ctx context.Context, deliver Deliver) error {
	var under sync.WaitGroup
	defer under.Wait()
	free := make(chan struct{}, senders)
	swept := s.clock()
	for ctx.Err() == nil {
		if now := s.clock(); now.Sub(swept) >= sweepEvery {
			if err := s.sweep(); err != nil {
				s.log.LogAttrs(ctx, slog.LevelError, "the sandbox cannot sweep its sessions", slog.Any("error", err))
			}
			swept = now
		}
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		e, pause := s.next()
		if e != nil {
			under.Go(func() {
				s.send(ctx, e, deliver)
				<-free
			})
			continue
		}
		<-free
		s.rest(ctx, pause)
	}
	return nil
}

// rest waits for news, the next event that is due or the next sweep.
func (s *Sandbox) rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(min(pause, sweepEvery))
	defer timer.Stop()
	select {
	case <-s.news:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// next takes the oldest event that is due and whose session has none under way,
// or says how long to wait for one.
func (s *Sandbox) next() (*event, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, pause := s.clock(), sweepEvery
	for at := s.waiting.Front(); at != nil; at = at.Next() {
		e := eventAt(at)
		switch {
		case s.busy[e.Session]: // its end brings news
		case e.due.After(now):
			pause = min(pause, e.due.Sub(now))
		default:
			s.busy[e.Session] = true
			return e, 0
		}
	}
	return nil, pause
}

// send sends an event that was taken by next.
func (s *Sandbox) send(ctx context.Context, e *event, deliver Deliver) {
	err := s.deliver(ctx, e, deliver)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, e.Session)
	s.wake()
	if err == nil || ctx.Err() != nil {
		return
	}
	e.tries++
	e.due = s.clock().Add(backOff(e.tries))
	s.log.LogAttrs(ctx, slog.LevelWarn, "an event of the sandbox was not received",
		slog.String("event", e.ID), slog.Int("tries", e.tries), slog.Any("error", err))
	if e.tries >= patience {
		if err := s.save(record{Done: e.ID}); err != nil {
			s.log.LogAttrs(ctx, slog.LevelError, "the sandbox cannot write its journal", slog.Any("error", err))
		}
	}
}

// backOff is 1, 2, 4, … seconds, and 9 hours at most.
func backOff(tries int) time.Duration { return min(time.Second<<(tries-1), 9*time.Hour) }

// deliver signs and sends an event; it is done when its receiver says so.
func (s *Sandbox) deliver(ctx context.Context, e *event, deliver Deliver) error {
	hears, cancel := context.WithTimeout(ctx, hearing)
	defer cancel()
	if err := deliver(hears, e.Body, Sign(e.Body, s.secret, s.clock())); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save(record{Done: e.ID})
}

// Send sends one waiting event now, whatever its turn. ErrNoEvent if it does not
// wait any more.
func (s *Sandbox) Send(ctx context.Context, eventID string, deliver Deliver) error {
	s.mu.Lock()
	at, ok := s.events[eventID]
	s.mu.Unlock()
	if !ok {
		return ErrNoEvent
	}
	return s.deliver(ctx, eventAt(at), deliver)
}

// Flush expires what is due and sends all waiting events, in order and once
// each; it returns what went wrong.
func (s *Sandbox) Flush(ctx context.Context, deliver Deliver) error {
	if err := s.sweep(); err != nil {
		return err
	}
	s.mu.Lock()
	var all []*event
	for at := s.waiting.Front(); at != nil; at = at.Next() {
		all = append(all, eventAt(at))
	}
	s.mu.Unlock()
	var errs []error
	var last []*event
	send := func(e *event) {
		if err := s.deliver(ctx, e, deliver); err != nil {
			errs = append(errs, fmt.Errorf("event %s: %w", e.ID, err))
		}
	}
	for _, e := range all {
		switch s.mishap(e) {
		case Dropped:
			errs = append(errs, s.giveUp(e))
		case Doubled:
			send(e)
			send(e)
		case Swapped:
			last = append(last, e)
		case Arrives:
			send(e)
		case Delayed:
		}
	}
	for _, e := range slices.Backward(last) {
		send(e)
	}
	return errors.Join(errs...)
}

// giveUp lets an event wait no more.
func (s *Sandbox) giveUp(e *event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save(record{Done: e.ID})
}

// Waiting is how many events have not been received yet.
func (s *Sandbox) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting.Len()
}

// wake lets Run look again.
func (s *state) wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}
