package webhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/outbound"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service keeps endpoints and sends messages.
type Service struct {
	db  *postgres.DB
	cfg Config
	via http.RoundTripper
}

// New returns a Service on db. via carries the messages; nil is the guarded way
// out, and the only one in the program.
func New(db *postgres.DB, cfg Config, via http.RoundTripper) *Service {
	if via == nil {
		via = outbound.Way(cfg.PlainHTTP)
	}
	return &Service{db: db, cfg: cfg, via: via}
}

// Emit tells an enterprise of facts, as part of tx: for each that it was not told
// of before one event, and one delivery for each endpoint that wants to hear of it.
// Who has no such endpoint costs one statement.
func Emit(ctx context.Context, tx *postgres.Tx, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	var merchants []uuid.UUID
	for _, e := range events {
		merchants = append(merchants, e.Merchant)
	}
	endpoints, err := enabled(ctx, tx, merchants)
	if err != nil {
		return err
	}
	heard := make(map[EventID][]Endpoint)
	var made []eventRow
	for _, e := range events {
		var by []Endpoint
		for _, p := range endpoints {
			if p.Merchant == e.Merchant && p.hears(e.Type, e.At) {
				by = append(by, p)
			}
		}
		if by == nil {
			continue
		}
		row, err := toRow(tx, e)
		if err != nil {
			return err
		}
		heard[id.From[Event](row.ID)], made = by, append(made, row)
	}
	return enqueue(ctx, tx, made, heard)
}

// enqueue writes events and their deliveries, where the fact is new.
func enqueue(ctx context.Context, tx *postgres.Tx, events []eventRow, heard map[EventID][]Endpoint) error {
	fresh, err := insertEvents(ctx, tx, events)
	if err != nil {
		return err
	}
	var all []deliveryRow
	for _, eid := range fresh {
		for _, p := range heard[eid] {
			all = append(all, deliveryRow{
				MerchantID: p.Merchant, ID: id.New[Delivery](tx.Now).UUID(), EndpointID: p.ID.UUID(), EventID: eid.UUID(),
				State: string(Pending), NextAt: &tx.Now, CreatedAt: tx.Now,
			})
		}
	}
	return insertDeliveries(ctx, tx, all)
}

// Want is what the endpoints of an enterprise want to hear of, and since when it
// has to be looked for.
type Want struct {
	Merchant uuid.UUID
	Type     Type
	Since    time.Time
}

// Bounds of looking back. A fact may become visible a little later than its time,
// when its transaction has committed; and one that is older than lookBack is told
// to nobody any more.
const (
	late     = 5 * time.Minute
	lookBack = 7 * 24 * time.Hour
)

// Wanted says for whom sweeps have to look for facts of these types. What they
// find twice Emit tells once.
func (s *Service) Wanted(ctx context.Context, types ...Type) ([]Want, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) ([]Want, error) {
		endpoints, err := enabled(ctx, tx, nil)
		if err != nil || len(endpoints) == 0 {
			return nil, err
		}
		type key struct {
			merchant uuid.UUID
			t        Type
		}
		since := make(map[key]time.Time)
		for _, e := range endpoints {
			for _, t := range types {
				at, ok := e.Events[t]
				if known, again := since[key{e.Merchant, t}]; ok && (!again || at.Before(known)) {
					since[key{e.Merchant, t}] = at
				}
			}
		}
		last, err := lastEvents(ctx, tx, types)
		if err != nil {
			return nil, err
		}
		wants := make([]Want, 0, len(since))
		for k, at := range since {
			at = latest(at, tx.Now.Add(-lookBack))
			if told, ok := last[k.merchant][k.t]; ok {
				at = latest(at, told.Add(-late))
			}
			wants = append(wants, Want{k.merchant, k.t, at})
		}
		return wants, nil
	})
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func (s *Service) checkURL(address string) error {
	if why := outbound.CheckURL(address, s.cfg.PlainHTTP); why != "" {
		return ErrURL.At("/url", "url", why)
	}
	return nil
}

// Tell is Emit in a transaction of its own.
func (s *Service) Tell(ctx context.Context, events ...Event) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return Emit(ctx, tx, events...) })
}

// Create makes an endpoint of an enterprise that the caller sells for; its secret
// is in this answer only. ErrMerchant, ErrURL, ErrInvalid, or ErrTooMany.
func (s *Service) Create(ctx context.Context, caller identity.Caller, merchant uuid.UUID, address string, types []Type) (e Endpoint, secret string, err error) {
	if !caller.SellsFor(merchant) {
		return Endpoint{}, "", ErrMerchant
	}
	if err := s.checkURL(address); err != nil {
		return Endpoint{}, "", err
	}
	if types, err = checkTypes(types); err != nil {
		return Endpoint{}, "", err
	}
	e, err = postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Endpoint, error) {
		if err := makeRoom(ctx, tx, merchant); err != nil {
			return Endpoint{}, err
		}
		e := Endpoint{
			ID: id.New[Endpoint](tx.Now), Merchant: merchant, URL: address, State: Enabled, CreatedAt: tx.Now, secret: newSecret(),
		}
		e.subscribe(types, tx.Now)
		if err := insertEndpoint(ctx, tx, e); err != nil {
			return Endpoint{}, err
		}
		return e, note(ctx, tx, caller, "webhook.create", e, map[string]any{"events": types})
	})
	if err != nil {
		return Endpoint{}, "", err
	}
	return e, shown(e.secret), nil
}

// Endpoints lists those of the enterprises that the caller sells for, the newest
// first.
func (s *Service) Endpoints(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Endpoint], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Endpoint], error) {
		return endpoints(ctx, tx, caller.Merchants(), p)
	})
}

// Change is what Edit changes; what is nil stays.
type Change struct {
	URL     *string
	Events  []Type
	Enabled *bool // enabled again, it hears of what happens from then on
}

// Edit changes an endpoint. ErrUnknown, ErrURL, or ErrInvalid.
func (s *Service) Edit(ctx context.Context, caller identity.Caller, endpoint EndpointID, c Change) (Endpoint, error) {
	if c.URL != nil {
		if err := s.checkURL(*c.URL); err != nil {
			return Endpoint{}, err
		}
	}
	if c.Events != nil {
		types, err := checkTypes(c.Events)
		if err != nil {
			return Endpoint{}, err
		}
		c.Events = types
	}
	return s.change(ctx, caller, endpoint, "webhook.edit", func(tx *postgres.Tx, e *Endpoint) error {
		if c.URL != nil {
			e.URL = *c.URL
		}
		if c.Events != nil {
			e.subscribe(c.Events, tx.Now)
		}
		if c.Enabled != nil && *c.Enabled {
			e.Enable(tx.Now)
		}
		if c.Enabled != nil && !*c.Enabled {
			e.Disable(ByOwner)
		}
		return nil
	})
}

// Rotate gives an endpoint a new secret, which is in this answer only. For Overlap
// messages are signed with both. ErrUnknown.
func (s *Service) Rotate(ctx context.Context, caller identity.Caller, endpoint EndpointID) (e Endpoint, secret string, err error) {
	e, err = s.change(ctx, caller, endpoint, "webhook.rotate", func(tx *postgres.Tx, e *Endpoint) error {
		e.rotate(tx.Now)
		return nil
	})
	if err != nil {
		return Endpoint{}, "", err
	}
	return e, shown(e.secret), nil
}

// change locks an endpoint of the caller's, lets act change it, and writes it and
// the trail.
func (s *Service) change(ctx context.Context, caller identity.Caller, endpoint EndpointID, operation string, act func(*postgres.Tx, *Endpoint) error) (Endpoint, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Endpoint, error) {
		e, err := lockEndpoint(ctx, tx, caller.Merchants(), endpoint)
		if err != nil {
			return Endpoint{}, err
		}
		if err := act(tx, &e); err != nil {
			return Endpoint{}, err
		}
		if err := updateEndpoint(ctx, tx, e); err != nil {
			return Endpoint{}, err
		}
		return e, note(ctx, tx, caller, operation, e, map[string]any{"events": e.Types(), "state": string(e.State)})
	})
}

// Ping sends an endpoint an event of the type "ping", to see whether it hears.
// ErrUnknown, or ErrDisabled.
func (s *Service) Ping(ctx context.Context, caller identity.Caller, endpoint EndpointID) (Delivery, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Delivery, error) {
		e, err := lockEndpoint(ctx, tx, caller.Merchants(), endpoint)
		if err != nil {
			return Delivery{}, err
		}
		if e.State != Enabled {
			return Delivery{}, ErrDisabled
		}
		row, err := toRow(tx, Event{Merchant: e.Merchant, Type: ping, Ref: id.New[Event](tx.Now).String(), At: tx.Now})
		if err != nil {
			return Delivery{}, err
		}
		eid := id.From[Event](row.ID)
		if err := enqueue(ctx, tx, []eventRow{row}, map[EventID][]Endpoint{eid: {e}}); err != nil {
			return Delivery{}, err
		}
		return deliveryOf(ctx, tx, e, eid)
	})
}

// Deliveries lists what was and is to be sent to an endpoint of the caller's, the
// newest first, for KeptDeliveries. ErrUnknown.
func (s *Service) Deliveries(ctx context.Context, caller identity.Caller, endpoint EndpointID, p page.Request) (page.Of[Delivery], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Delivery], error) {
		e, err := endpointOf(ctx, tx, caller.Merchants(), endpoint)
		if err != nil {
			return page.Of[Delivery]{}, err
		}
		return deliveries(ctx, tx, e, p)
	})
}

// Resend sends a delivery once more, soon, whatever became of it, and begins its
// attempts anew. ErrDelivery, or ErrDisabled.
func (s *Service) Resend(ctx context.Context, caller identity.Caller, delivery DeliveryID) (Delivery, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Delivery, error) {
		d, err := lockDelivery(ctx, tx, caller.Merchants(), delivery)
		if err != nil {
			return Delivery{}, err
		}
		e, err := endpointOf(ctx, tx, caller.Merchants(), d.Endpoint)
		if err != nil {
			return Delivery{}, err
		}
		if e.State != Enabled {
			return Delivery{}, ErrDisabled
		}
		d.Again(tx.Now)
		if err := updateDelivery(ctx, tx, d); err != nil {
			return Delivery{}, err
		}
		return d, note(ctx, tx, caller, "webhook.resend", e, map[string]any{"event": d.Event.String(), "type": string(d.Type)})
	})
}

// attempt is one message that is to be sent now.
type attempt struct {
	delivery DeliveryID
	endpoint Endpoint
	event    EventID
	body     string
}

func (a attempt) message(at time.Time) outbound.Message {
	return outbound.Message{URL: a.endpoint.URL, ID: a.event.String(), Body: a.body, Secrets: a.endpoint.secrets(at), At: at}
}

// lease is how long an attempt belongs to who claimed it. It outlives the attempt.
const lease = 3 * outbound.Limit

// Bounds of what is under way at once, so that one slow endpoint holds up none of
// the others.
const (
	mostAtOnce  = 16
	mostOfOne   = 2 // of one endpoint
	lookForMore = time.Second
)

// Deliver sends what is due, and what becomes due meanwhile, and returns how many
// attempts it made. Any number of processes may do so at once: an attempt is leased
// to one of them. One that dies loses its leases after half a minute, and the
// message is sent again: at least once, always with the same Webhook-Id.
func (s *Service) Deliver(ctx context.Context) (int, error) {
	done := make(chan error, mostAtOnce)
	tick := time.NewTicker(lookForMore)
	defer tick.Stop()
	var errs []error
	for sum, running := 0, 0; ; {
		if len(errs) == 0 {
			due, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) ([]attempt, error) { return claim(ctx, tx, mostAtOnce-running) })
			if err != nil {
				errs = append(errs, err)
			}
			for _, a := range due {
				running++
				go func() { done <- s.try(ctx, a) }()
			}
		}
		if running == 0 {
			return sum, errors.Join(errs...)
		}
		select {
		case err := <-done:
			sum, running = sum+1, running-1
			if err != nil {
				errs = append(errs, err)
			}
		case <-tick.C:
		}
	}
}

// try sends one message, with no transaction open, and then writes down what came
// of it.
func (s *Service) try(ctx context.Context, a attempt) error {
	got, err := outbound.Post(ctx, s.via, a.message(s.db.Now()))
	if err != nil {
		return fmt.Errorf("delivery %s: %w", a.delivery, err)
	}
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		own := []uuid.UUID{a.endpoint.Merchant}
		e, err := lockEndpoint(ctx, tx, own, a.endpoint.ID)
		if err != nil {
			return err
		}
		d, err := lockDelivery(ctx, tx, own, a.delivery)
		if err != nil {
			return err
		}
		before := e
		e.heard(got, tx.Now)
		d.tried(got, tx.Now, rand.Float64())
		if err := updateDelivery(ctx, tx, d); err != nil {
			return err
		}
		if e.State == before.State && e.FailingSince.Equal(before.FailingSince) {
			return nil
		}
		if err := updateEndpoint(ctx, tx, e); err != nil || e.State == before.State {
			return err
		}
		return note(ctx, tx, identity.Caller{}, "webhook.disable", e, map[string]any{"because": string(e.Because)})
	})
}

// Forget drops up to limit deliveries, and then events, that were kept long enough.
func (s *Service) Forget(ctx context.Context, limit int) (int, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (int, error) { return forget(ctx, tx, limit) })
}

// note writes the trail. Of an address only the host is told: the rest of it may
// be a secret.
func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, e Endpoint, detail map[string]any) error {
	all := map[string]any{"merchant_id": e.Merchant.String()}
	if u, err := url.Parse(e.URL); err == nil {
		all["host"] = u.Hostname()
	}
	maps.Copy(all, detail)
	return trail.Note(ctx, tx, trail.Entry{Actor: caller.Account.UUID(), Operation: operation, Object: "webhook:" + e.ID.String(), Detail: all})
}

// typeNames are types as texts.
func typeNames(types []Type) []string {
	return slices.Collect(func(yield func(string) bool) {
		for _, t := range types {
			if !yield(string(t)) {
				return
			}
		}
	})
}
