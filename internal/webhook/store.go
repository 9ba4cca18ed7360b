package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// endpointRow is a row of the table webhook_endpoint.
type endpointRow struct {
	MerchantID     uuid.UUID `gorm:"primaryKey"`
	ID             uuid.UUID `gorm:"primaryKey"`
	URL            string    `gorm:"column:url"`
	Events         string    // jsonb object: type → since
	State          string
	Because        string
	Secret         []byte
	PreviousSecret []byte
	PreviousUntil  *time.Time
	FailingSince   *time.Time
	CreatedAt      time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt      time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is webhook_endpoint.
func (endpointRow) TableName() string { return "webhook_endpoint" }

func (r endpointRow) endpoint() (Endpoint, error) {
	e := Endpoint{
		ID: id.From[Endpoint](r.ID), Merchant: r.MerchantID, URL: r.URL, State: State(r.State), Because: Reason(r.Because),
		FailingSince: postgres.OrZero(r.FailingSince), CreatedAt: r.CreatedAt.UTC(),
		secret: r.Secret, previous: r.PreviousSecret, previousUntil: postgres.OrZero(r.PreviousUntil),
	}
	if err := json.Unmarshal([]byte(r.Events), &e.Events); err != nil {
		return e, fmt.Errorf("read the events of endpoint %s: %w", e.ID, err)
	}
	return e, nil
}

func endpointRowOf(e Endpoint, now time.Time) (endpointRow, error) {
	events, err := json.Marshal(e.Events)
	if err != nil {
		return endpointRow{}, fmt.Errorf("write the events of endpoint %s: %w", e.ID, err)
	}
	return endpointRow{
		MerchantID: e.Merchant, ID: e.ID.UUID(), URL: e.URL, Events: string(events), State: string(e.State), Because: string(e.Because),
		Secret: e.secret, PreviousSecret: e.previous, PreviousUntil: postgres.OrNull(e.previousUntil), FailingSince: postgres.OrNull(e.FailingSince),
		CreatedAt: e.CreatedAt, UpdatedAt: now,
	}, nil
}

// eventRow is a row of the table webhook_event.
type eventRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	ID         uuid.UUID `gorm:"primaryKey"`
	Type       string
	Ref        string
	OccurredAt time.Time
	CreatedAt  time.Time `gorm:"autoCreateTime:false"`
	Body       string
}

// TableName is webhook_event.
func (eventRow) TableName() string { return "webhook_event" }

func toRow(tx *postgres.Tx, e Event) (eventRow, error) {
	eid := id.New[Event](tx.Now)
	body, err := e.body(eid)
	return eventRow{
		MerchantID: e.Merchant, ID: eid.UUID(), Type: string(e.Type), Ref: e.Ref, OccurredAt: e.At, CreatedAt: tx.Now, Body: body,
	}, err
}

// deliveryRow is a row of the table webhook_delivery.
type deliveryRow struct {
	MerchantID  uuid.UUID `gorm:"primaryKey"`
	ID          uuid.UUID `gorm:"primaryKey"`
	EndpointID  uuid.UUID
	EventID     uuid.UUID
	State       string
	Attempts    int
	NextAt      *time.Time
	LeasedUntil *time.Time
	LastAt      *time.Time
	Status      int
	Error       string
	Response    string
	CreatedAt   time.Time `gorm:"autoCreateTime:false"`
}

// TableName is webhook_delivery.
func (deliveryRow) TableName() string { return "webhook_delivery" }

// toldRow is a delivery with what its event is.
type toldRow struct {
	Row  deliveryRow `gorm:"embedded"`
	Type string
	Ref  string
}

// selection reads deliveries d with their events v.
const selection = `SELECT d.*, v.type, v.ref FROM webhook_delivery d
	JOIN webhook_event v ON v.merchant_id = d.merchant_id AND v.id = d.event_id `

func (r toldRow) delivery() Delivery {
	w := r.Row
	return Delivery{
		ID: id.From[Delivery](w.ID), Merchant: w.MerchantID, Endpoint: id.From[Endpoint](w.EndpointID), Event: id.From[Event](w.EventID),
		Type: Type(r.Type), Ref: r.Ref, State: DeliveryState(w.State), Attempts: w.Attempts, Next: postgres.OrZero(w.NextAt), LastAt: postgres.OrZero(w.LastAt),
		Status: w.Status, Error: w.Error, Response: w.Response, CreatedAt: w.CreatedAt.UTC(),
	}
}

// makeRoom is ErrTooMany when the enterprise has as many endpoints as it may. Of
// those who ask at once each waits for the one before.
func makeRoom(ctx context.Context, tx *postgres.Tx, merchant uuid.UUID) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended(?, 0))`, "webhook:"+merchant.String()); err != nil {
		return fmt.Errorf("wait for other endpoints of %s: %w", merchant, err)
	}
	n, err := postgres.On[endpointRow](tx).Where("merchant_id = ?", merchant).Count(ctx)
	if err != nil {
		return fmt.Errorf("count the endpoints of %s: %w", merchant, err)
	}
	if n >= MaxEndpoints {
		return ErrTooMany.With("%d are there", n)
	}
	return nil
}

func insertEndpoint(ctx context.Context, tx *postgres.Tx, e Endpoint) error {
	row, err := endpointRowOf(e, tx.Now)
	if err != nil {
		return err
	}
	if err := postgres.On[endpointRow](tx).Create(ctx, row); err != nil {
		return fmt.Errorf("insert an endpoint of %s: %w", e.Merchant, err)
	}
	return nil
}

func updateEndpoint(ctx context.Context, tx *postgres.Tx, e Endpoint) error {
	row, err := endpointRowOf(e, tx.Now)
	if err != nil {
		return err
	}
	_, err = postgres.On[endpointRow](tx).Where("merchant_id = ? AND id = ?", e.Merchant, e.ID.UUID()).
		Select("URL", "Events", "State", "Because", "Secret", "PreviousSecret", "PreviousUntil", "FailingSince", "UpdatedAt").Updates(ctx, row)
	if err != nil {
		return fmt.Errorf("update endpoint %s: %w", e.ID, err)
	}
	return nil
}

// enabled are the endpoints in force, of these enterprises or, for nil, of all.
func enabled(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID) ([]Endpoint, error) {
	q := postgres.On[endpointRow](tx).Where("state = 'enabled'")
	if merchants != nil {
		q = q.Where("merchant_id = ANY(?::uuid[])", postgres.Array(merchants))
	}
	rows, err := q.Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("find endpoints: %w", err)
	}
	return endpointsFrom(rows)
}

func endpointsFrom(rows []endpointRow) ([]Endpoint, error) {
	out := make([]Endpoint, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = r.endpoint(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func endpoints(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, p page.Request) (page.Of[Endpoint], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Endpoint]{}, err
	}
	q := postgres.On[endpointRow](tx).Where("merchant_id = ANY(?::uuid[])", postgres.Array(merchants)).Order("id DESC").Limit(p.Size() + 1)
	if last != uuid.Nil {
		q = q.Where("id < ?", last)
	}
	rows, err := q.Find(ctx)
	if err != nil {
		return page.Of[Endpoint]{}, fmt.Errorf("list endpoints: %w", err)
	}
	all, err := endpointsFrom(rows)
	return page.Cut(all, p.Size(), func(e Endpoint) (string, uuid.UUID) { return "", e.ID.UUID() }), err
}

func endpointOf(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, endpoint EndpointID) (Endpoint, error) {
	return oneEndpoint(ctx, tx, merchants, endpoint, "")
}

func lockEndpoint(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, endpoint EndpointID) (Endpoint, error) {
	return oneEndpoint(ctx, tx, merchants, endpoint, " FOR UPDATE")
}

func oneEndpoint(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, endpoint EndpointID, lock string) (Endpoint, error) {
	r, err := postgres.Row[endpointRow](ctx, tx, `SELECT * FROM webhook_endpoint WHERE merchant_id = ANY(?::uuid[]) AND id = ?`+lock,
		postgres.Array(merchants), endpoint)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Endpoint{}, ErrUnknown
	case err != nil:
		return Endpoint{}, fmt.Errorf("read endpoint %s: %w", endpoint, err)
	}
	return r.endpoint()
}

// insertEvents writes those of the events whose facts are new, and says which they
// are. Of two who write the same fact at once the second waits for the first.
func insertEvents(ctx context.Context, tx *postgres.Tx, events []eventRow) ([]EventID, error) {
	if len(events) == 0 {
		return nil, nil
	}
	var merchants, ids []uuid.UUID
	var types, refs, bodies []string
	var at []time.Time
	for _, e := range events {
		merchants, ids, types = append(merchants, e.MerchantID), append(ids, e.ID), append(types, e.Type)
		refs, bodies, at = append(refs, e.Ref), append(bodies, e.Body), append(at, e.OccurredAt)
	}
	rows, err := postgres.Rows[eventRow](ctx, tx, `INSERT INTO webhook_event (merchant_id, id, type, ref, occurred_at, created_at, body)
		SELECT m, i, t, r, o, ?, b FROM unnest(?::uuid[], ?::uuid[], ?::text[], ?::text[], ?::timestamptz[], ?::text[]) AS x(m, i, t, r, o, b)
		ORDER BY m, t, r ON CONFLICT ON CONSTRAINT webhook_event_once DO NOTHING RETURNING id`,
		tx.Now, postgres.Array(merchants), postgres.Array(ids), postgres.Array(types), postgres.Array(refs), postgres.Array(at), postgres.Array(bodies))
	if err != nil {
		return nil, fmt.Errorf("insert events: %w", err)
	}
	fresh := make([]EventID, len(rows))
	for i, r := range rows {
		fresh[i] = id.From[Event](r.ID)
	}
	return fresh, nil
}

// lastEvents are the times of the last events of these types, by enterprise.
func lastEvents(ctx context.Context, tx *postgres.Tx, types []Type) (map[uuid.UUID]map[Type]time.Time, error) {
	rows, err := postgres.Rows[eventRow](ctx, tx, `SELECT merchant_id, type, max(occurred_at) AS occurred_at FROM webhook_event
		WHERE type = ANY(?::text[]) GROUP BY merchant_id, type`, postgres.Array(typeNames(types)))
	if err != nil {
		return nil, fmt.Errorf("find the last events: %w", err)
	}
	last := make(map[uuid.UUID]map[Type]time.Time)
	for _, r := range rows {
		if last[r.MerchantID] == nil {
			last[r.MerchantID] = make(map[Type]time.Time)
		}
		last[r.MerchantID][Type(r.Type)] = r.OccurredAt.UTC()
	}
	return last, nil
}

func insertDeliveries(ctx context.Context, tx *postgres.Tx, rows []deliveryRow) error {
	if len(rows) == 0 {
		return nil
	}
	if err := postgres.On[deliveryRow](tx).Create(ctx, rows...); err != nil {
		return fmt.Errorf("insert %d deliveries: %w", len(rows), err)
	}
	return nil
}

func deliveries(ctx context.Context, tx *postgres.Tx, e Endpoint, p page.Request) (page.Of[Delivery], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Delivery]{}, err
	}
	rows, err := postgres.Rows[toldRow](ctx, tx, selection+`WHERE d.merchant_id = ? AND d.endpoint_id = ? AND (? OR d.id < ?)
		ORDER BY d.id DESC LIMIT ?`, e.Merchant, e.ID, last == uuid.Nil, last, p.Size()+1)
	if err != nil {
		return page.Of[Delivery]{}, fmt.Errorf("list the deliveries of endpoint %s: %w", e.ID, err)
	}
	out := make([]Delivery, len(rows))
	for i, r := range rows {
		out[i] = r.delivery()
	}
	return page.Cut(out, p.Size(), func(d Delivery) (string, uuid.UUID) { return "", d.ID.UUID() }), nil
}

func deliveryOf(ctx context.Context, tx *postgres.Tx, e Endpoint, event EventID) (Delivery, error) {
	return oneDelivery(ctx, tx, `WHERE d.merchant_id = ? AND d.endpoint_id = ? AND d.event_id = ?`, e.Merchant, e.ID, event)
}

func lockDelivery(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, delivery DeliveryID) (Delivery, error) {
	return oneDelivery(ctx, tx, `WHERE d.merchant_id = ANY(?::uuid[]) AND d.id = ? FOR UPDATE OF d`, postgres.Array(merchants), delivery)
}

func oneDelivery(ctx context.Context, tx *postgres.Tx, where string, args ...any) (Delivery, error) {
	r, err := postgres.Row[toldRow](ctx, tx, selection+where, args...)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Delivery{}, ErrDelivery
	case err != nil:
		return Delivery{}, fmt.Errorf("read a delivery: %w", err)
	}
	return r.delivery(), nil
}

// updateDelivery writes how far a delivery has come, and gives its lease back.
func updateDelivery(ctx context.Context, tx *postgres.Tx, d Delivery) error {
	_, err := postgres.On[deliveryRow](tx).Where("merchant_id = ? AND id = ?", d.Merchant, d.ID.UUID()).
		Select("State", "Attempts", "NextAt", "LeasedUntil", "LastAt", "Status", "Error", "Response").
		Updates(ctx, deliveryRow{
			State: string(d.State), Attempts: d.Attempts, NextAt: postgres.OrNull(d.Next), LastAt: postgres.OrNull(d.LastAt),
			Status: d.Status, Error: d.Error, Response: d.Response,
		})
	if err != nil {
		return fmt.Errorf("update delivery %s: %w", d.ID, err)
	}
	return nil
}

// claimedRow is a delivery that was leased, with all that it takes to send it.
type claimedRow struct {
	Endpoint   endpointRow `gorm:"embedded"`
	DeliveryID uuid.UUID
	EventID    uuid.UUID
	Body       string
}

// claim leases up to most deliveries that are due, those that wait longest first,
// so that no endpoint has more than mostOfOne under way. Who claims waits for who
// claims at the same time: else two could count the same.
func claim(ctx context.Context, tx *postgres.Tx, most int) ([]attempt, error) {
	if most <= 0 {
		return nil, nil
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('webhook:claim', 0))`); err != nil {
		return nil, fmt.Errorf("wait for other claims: %w", err)
	}
	rows, err := postgres.Rows[claimedRow](ctx, tx, `UPDATE webhook_delivery AS d SET leased_until = ? FROM (
			SELECT e.*, x.id AS delivery_id, x.event_id, v.body FROM webhook_endpoint e CROSS JOIN LATERAL (
				SELECT w.id, w.event_id, w.next_at FROM webhook_delivery w
				WHERE w.merchant_id = e.merchant_id AND w.endpoint_id = e.id AND w.state = 'pending' AND w.next_at <= ?
					AND (w.leased_until IS NULL OR w.leased_until <= ?)
				ORDER BY w.next_at, w.id LIMIT greatest(0, ? - (SELECT count(*) FROM webhook_delivery b
					WHERE b.merchant_id = e.merchant_id AND b.endpoint_id = e.id AND b.state = 'pending' AND b.leased_until > ?))
			) x JOIN webhook_event v ON v.merchant_id = e.merchant_id AND v.id = x.event_id
			WHERE e.state = 'enabled' ORDER BY x.next_at LIMIT ?
		) c WHERE d.merchant_id = c.merchant_id AND d.id = c.delivery_id RETURNING c.*`,
		tx.Now.Add(lease), tx.Now, tx.Now, mostOfOne, tx.Now, most)
	if err != nil {
		return nil, fmt.Errorf("claim deliveries: %w", err)
	}
	out := make([]attempt, len(rows))
	for i, r := range rows {
		e, err := r.Endpoint.endpoint()
		if err != nil {
			return nil, err
		}
		out[i] = attempt{id.From[Delivery](r.DeliveryID), e, id.From[Event](r.EventID), r.Body}
	}
	return out, nil
}

// forget drops old deliveries, and old events of which no delivery is left. It
// returns the larger number.
func forget(ctx context.Context, tx *postgres.Tx, limit int) (int, error) {
	told, err := tx.Exec(ctx, `DELETE FROM webhook_delivery WHERE (merchant_id, id) IN (
		SELECT merchant_id, id FROM webhook_delivery WHERE created_at < ? ORDER BY created_at LIMIT ?)`, tx.Now.Add(-KeptDeliveries), limit)
	if err != nil {
		return 0, fmt.Errorf("forget deliveries: %w", err)
	}
	facts, err := tx.Exec(ctx, `DELETE FROM webhook_event WHERE (merchant_id, id) IN (
		SELECT v.merchant_id, v.id FROM webhook_event v WHERE v.created_at < ? AND NOT EXISTS (
			SELECT FROM webhook_delivery d WHERE d.merchant_id = v.merchant_id AND d.event_id = v.id)
		ORDER BY v.created_at LIMIT ?)`, tx.Now.Add(-KeptEvents), limit)
	if err != nil {
		return 0, fmt.Errorf("forget events: %w", err)
	}
	return int(max(told, facts)), nil
}
