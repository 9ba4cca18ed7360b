package carriage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
)

// scheduleRow is a row of the table shipping_schedule.
type scheduleRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	Version    int64     `gorm:"primaryKey"`
	ID         uuid.UUID
	Rates      []byte
	SetBy      uuid.UUID
	SetAt      time.Time
}

// TableName is shipping_schedule.
func (scheduleRow) TableName() string { return "shipping_schedule" }

func (r scheduleRow) schedule() (Schedule, error) {
	s := Schedule{ID: id.From[Schedule](r.ID), Merchant: r.MerchantID, Version: r.Version, SetAt: r.SetAt.UTC()}
	if err := json.Unmarshal(r.Rates, &s.Rates); err != nil {
		return s, fmt.Errorf("read the shipping fees of %s: %w", r.MerchantID, err)
	}
	return s, nil
}

// Of are the schedules that hold now, of those of the enterprises that have one.
func Of(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID) (map[uuid.UUID]Schedule, error) {
	rows, err := postgres.Rows[scheduleRow](ctx, tx, `SELECT DISTINCT ON (merchant_id) * FROM shipping_schedule
		WHERE merchant_id = ANY(?::uuid[]) ORDER BY merchant_id, version DESC`, postgres.Array(merchants))
	if err != nil {
		return nil, fmt.Errorf("read shipping fees: %w", err)
	}
	out := make(map[uuid.UUID]Schedule, len(rows))
	for _, r := range rows {
		if out[r.MerchantID], err = r.schedule(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func insert(ctx context.Context, tx *postgres.Tx, s Schedule, by identity.ID) error {
	rates, err := json.Marshal(s.Rates)
	if err != nil {
		return fmt.Errorf("write shipping fees: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO shipping_schedule (merchant_id, version, id, rates, set_by, set_at) VALUES (?, ?, ?, ?::jsonb, ?, ?)`,
		s.Merchant, s.Version, s.ID, string(rates), by, s.SetAt)
	switch {
	case postgres.Violates(err, "shipping_schedule_pkey"):
		return request.ErrStale
	case err != nil:
		return fmt.Errorf("write the shipping fees of %s: %w", s.Merchant, err)
	}
	return nil
}

func list(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, p page.Request) (page.Of[Schedule], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Schedule]{}, err
	}
	rows, err := postgres.Rows[scheduleRow](ctx, tx, `SELECT * FROM shipping_schedule
		WHERE merchant_id = ANY(?::uuid[]) AND (? OR id < ?) ORDER BY id DESC LIMIT ?`, postgres.Array(merchants), last == uuid.Nil, last, p.Size()+1)
	if err != nil {
		return page.Of[Schedule]{}, fmt.Errorf("list shipping fees: %w", err)
	}
	all := make([]Schedule, len(rows))
	for i, r := range rows {
		if all[i], err = r.schedule(); err != nil {
			return page.Of[Schedule]{}, err
		}
	}
	return page.Cut(all, p.Size(), func(s Schedule) (string, uuid.UUID) { return "", s.ID.UUID() }), nil
}
