// Package webhook tells enterprises' own systems of events: signed messages in
// the Standard Webhooks format, sent at least once each to every endpoint that
// wants them. It does not know what events mean. Nothing is sent to an address
// that is not public, and nothing inside a transaction.
package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/outbound"
)

// Faults of webhooks.
var (
	// ErrUnknown says that there is no such endpoint of an enterprise that the caller sells for.
	ErrUnknown = fault.New(fault.NotFound, "webhook.not_found", "No such webhook", "推送地址不存在")
	// ErrDelivery says that there is no such delivery, or none any more.
	ErrDelivery = fault.New(fault.NotFound, "webhook.delivery_not_found", "No such delivery", "推送记录不存在")
	// ErrMerchant says that the caller sells for no such enterprise.
	ErrMerchant = fault.New(fault.NotFound, "webhook.merchant_not_found", "No such enterprise", "企业不存在")
	// ErrURL says that nothing is sent to such an address.
	ErrURL = fault.New(fault.Refused, "webhook.url_refused", "Nothing is sent to such an address", "不支持推送到该地址")
	// ErrInvalid names what is wrong with an endpoint.
	ErrInvalid = fault.New(fault.Invalid, "webhook.invalid", "The webhook is not as it should be", "推送设置有误")
	// ErrTooMany says that the enterprise has MaxEndpoints already.
	ErrTooMany = fault.New(fault.Refused, "webhook.too_many", "The enterprise has too many webhooks", "该企业的推送地址数量已达上限")
	// ErrDisabled says that the endpoint hears nothing until it is enabled.
	ErrDisabled = fault.New(fault.Conflict, "webhook.disabled", "The webhook is disabled", "该推送地址已停用")
)

// Config says how freely messages are sent.
type Config struct {
	// PlainHTTP lets endpoints have http:// addresses, at port 80. For development only.
	PlainHTTP bool `env:"WEBHOOK_PLAIN_HTTP, default=false"`
}

// Bounds.
const (
	// MaxEndpoints is how many endpoints an enterprise has at most.
	MaxEndpoints = 10
	// Overlap is how long messages are signed with the old secret, too, after Rotate.
	Overlap = 24 * time.Hour
	// Patience is how long an endpoint may fail without a success in between before it is disabled.
	Patience = 72 * time.Hour
	// KeptDeliveries and KeptEvents say after how long they are dropped. Events
	// stay longer, so that a fact that is found again is not told again.
	KeptDeliveries = 30 * 24 * time.Hour
	KeptEvents     = 60 * 24 * time.Hour
	secretBytes    = 32
)

// Type is a kind of event.
type Type string

// The types of events. Whoever has something new to tell adds a type here and in
// the contract's schema WebhookEventType.
const (
	LicenceExpiring Type = "licence.expiring" // a licence ends within 30 days
	OrderPaid       Type = "order.paid"       // the buyer has paid an order
	OrderRefunded   Type = "order.refunded"   // money of an order goes back
	ProductApproved Type = "product.approved" // a product may be sold
)

// ping is what Ping sends; every endpoint takes it.
const ping Type = "ping"

// Types are those that an endpoint may choose from, by name.
func Types() []Type { return []Type{LicenceExpiring, OrderPaid, OrderRefunded, ProductApproved} }

// EndpointID names an endpoint. It is no secret.
type EndpointID = id.Of[Endpoint]

// EventID names an event. It is no secret.
type EventID = id.Of[Event]

// DeliveryID names a delivery. It is no secret.
type DeliveryID = id.Of[Delivery]

// State says whether an endpoint hears of events.
type State string

// The states of an endpoint.
const (
	Enabled  State = "enabled"
	Disabled State = "disabled"
)

// Reason says why an endpoint is disabled.
type Reason string

// The reasons.
const (
	ByOwner Reason = "owner"   // its owner wanted it so
	Gone    Reason = "gone"    // it answered 410
	Failing Reason = "failing" // nothing came through for Patience
)

// Endpoint is where an enterprise wants to hear of events.
type Endpoint struct {
	ID           EndpointID
	Merchant     uuid.UUID
	URL          string
	Events       map[Type]time.Time // what it hears of, and since when
	State        State
	Because      Reason    // "" while it is enabled
	FailingSince time.Time // zero: the last attempt came through
	CreatedAt    time.Time

	secret        []byte
	previous      []byte // signs too, until previousUntil
	previousUntil time.Time
}

// Types are what e hears of, by name.
func (e Endpoint) Types() []Type {
	out := make([]Type, 0, len(e.Events))
	for t := range e.Events {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

// hears reports whether e is to be told of a fact of this type and time.
func (e Endpoint) hears(t Type, at time.Time) bool {
	since, ok := e.Events[t]
	return e.State == Enabled && ok && !at.Before(since)
}

// subscribe makes e hear of these types and no others: of those that are new, from
// now on.
func (e *Endpoint) subscribe(types []Type, at time.Time) {
	events := make(map[Type]time.Time, len(types))
	for _, t := range types {
		events[t] = at
		if since, ok := e.Events[t]; ok {
			events[t] = since
		}
	}
	e.Events = events
}

// Enable lets e hear of events again: of those from now on. It is no fault if it
// does already.
func (e *Endpoint) Enable(at time.Time) {
	if e.State == Enabled {
		return
	}
	e.State, e.Because, e.FailingSince = Enabled, "", time.Time{}
	for t := range e.Events {
		e.Events[t] = at
	}
}

// Disable stops e until Enable. It is no fault if it is stopped already.
func (e *Endpoint) Disable(why Reason) {
	if e.State == Enabled {
		e.State, e.Because = Disabled, why
	}
}

// rotate gives e a new secret; for Overlap the old one signs, too.
func (e *Endpoint) rotate(at time.Time) {
	e.previous, e.previousUntil = e.secret, at.Add(Overlap)
	e.secret = newSecret()
}

// secrets are those that a message at this time is signed with.
func (e Endpoint) secrets(at time.Time) [][]byte {
	if e.previous != nil && at.Before(e.previousUntil) {
		return [][]byte{e.secret, e.previous}
	}
	return [][]byte{e.secret}
}

func newSecret() []byte {
	b := make([]byte, secretBytes)
	// crypto/rand.Read never returns an error (it aborts the program instead).
	_, _ = rand.Read(b)
	return b
}

// shown is a secret as its owner keeps it.
func shown(secret []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(secret) }

// heard takes note of an attempt that came to an end.
func (e *Endpoint) heard(a outbound.Answer, at time.Time) {
	switch {
	case a.OK():
		e.FailingSince = time.Time{}
		return
	case a.Gone():
		e.Disable(Gone)
	case e.FailingSince.IsZero():
		e.FailingSince = at
	case at.Sub(e.FailingSince) >= Patience:
		e.Disable(Failing)
	}
}

// checkTypes gives types sorted and each once, or ErrInvalid.
func checkTypes(types []Type) ([]Type, error) {
	types = slices.Compact(slices.Sorted(slices.Values(types)))
	if len(types) == 0 {
		return nil, ErrInvalid.At("/events", "minItems", "at least one event")
	}
	for _, t := range types {
		if !slices.Contains(Types(), t) {
			return nil, ErrInvalid.At("/events", "enum", "no such event")
		}
	}
	return types, nil
}

// Event is a fact of which an enterprise is told.
type Event struct {
	Merchant uuid.UUID
	Type     Type
	Ref      string    // names the fact among those of its type, as an order's id does
	At       time.Time // when it came about
	Data     any       // becomes JSON; ids and amounts, and nothing about people
}

// message is the body that is sent, byte for byte the same at each attempt.
type message struct {
	ID        EventID   `json:"id"`
	Type      Type      `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Merchant  uuid.UUID `json:"merchant_id"`
	Data      any       `json:"data"`
}

func (e Event) body(eid EventID) (string, error) {
	if e.Data == nil {
		e.Data = struct{}{}
	}
	js, err := json.Marshal(message{eid, e.Type, e.At.UTC(), e.Merchant, e.Data})
	if err != nil {
		return "", fmt.Errorf("write the message of %s %s: %w", e.Type, e.Ref, err)
	}
	return string(js), nil
}

// DeliveryState says how far a delivery has come.
type DeliveryState string

// The states of a delivery.
const (
	Pending   DeliveryState = "pending"
	Delivered DeliveryState = "delivered"
	Failed    DeliveryState = "failed" // it is not tried again by itself
)

// Delivery is an event on its way to an endpoint, with what the last attempt
// brought.
type Delivery struct {
	ID        DeliveryID
	Merchant  uuid.UUID
	Endpoint  EndpointID
	Event     EventID // the Webhook-Id of each attempt
	Type      Type
	Ref       string
	State     DeliveryState
	Attempts  int
	Next      time.Time // zero unless it is pending
	LastAt    time.Time // zero: it was not tried yet
	Status    int       // of HTTP; 0: no answer came
	Error     string    // a word: see outbound.Answer
	Response  string    // at most 1 KiB of the text that was answered
	CreatedAt time.Time
}

// waits are how long after each failed attempt the next one is made: two days of
// patience altogether.
func waits() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour}
}

// tried takes note of an attempt's answer. jitter, from 0 to 1, keeps those that
// failed together from coming again together.
func (d *Delivery) tried(a outbound.Answer, at time.Time, jitter float64) {
	d.Attempts++
	d.LastAt, d.Status, d.Error, d.Response = at, a.Status, a.Err, a.Text
	steps := waits()
	switch {
	case a.OK():
		d.State, d.Next = Delivered, time.Time{}
	case a.Gone(), d.Attempts > len(steps):
		d.State, d.Next = Failed, time.Time{}
	default:
		wait := steps[d.Attempts-1]
		wait += time.Duration(jitter * float64(wait) / 10)
		d.Next = at.Add(max(wait, a.RetryAfter))
	}
}

// Again makes d due now, with all its attempts before it, whatever became of it.
func (d *Delivery) Again(at time.Time) { d.State, d.Attempts, d.Next = Pending, 0, at }
