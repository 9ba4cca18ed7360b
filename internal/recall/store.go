package recall

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// recallRow is a row of the table recall.
type recallRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	ID         uuid.UUID `gorm:"primaryKey"`
	LotID      uuid.UUID
	SKUID      uuid.UUID `gorm:"column:sku_id"`
	LotCode    string
	Level      int
	Reason     string
	Notice     string
	Stopped    int64
	State      string
	OpenedBy   uuid.UUID
	OpenedAt   time.Time
	Result     string
	ClosedBy   *uuid.UUID
	ClosedAt   *time.Time
}

// TableName is recall.
func (recallRow) TableName() string { return "recall" }

func (r recallRow) recall() Recall {
	out := Recall{
		ID: id.From[Recall](r.ID), Merchant: r.MerchantID, Lot: id.From[inventory.Lot](r.LotID), SKU: r.SKUID, LotCode: r.LotCode,
		Level: Level(r.Level), Reason: r.Reason, Notice: r.Notice, Stopped: r.Stopped, State: State(r.State), OpenedAt: r.OpenedAt, Result: r.Result,
	}
	if r.ClosedAt != nil {
		out.ClosedAt = *r.ClosedAt
	}
	return out
}

func insert(ctx context.Context, tx *postgres.Tx, r Recall, by identity.ID) error {
	err := postgres.On[recallRow](tx).Create(ctx, recallRow{
		MerchantID: r.Merchant, ID: r.ID.UUID(), LotID: r.Lot.UUID(), SKUID: r.SKU, LotCode: r.LotCode, Level: int(r.Level),
		Reason: r.Reason, Notice: r.Notice, Stopped: r.Stopped, State: string(r.State), OpenedBy: by.UUID(), OpenedAt: r.OpenedAt,
	})
	switch {
	case postgres.Violates(err, "recall_once"):
		return ErrRecalled
	case err != nil:
		return fmt.Errorf("write down a recall: %w", err)
	}
	return nil
}

func lock(ctx context.Context, tx *postgres.Tx, rid ID) (Recall, error) {
	return one(postgres.On[recallRow](tx, clause.Locking{Strength: "UPDATE"}).Where("id = ?", rid.UUID()).Take(ctx))
}

func read(ctx context.Context, tx *postgres.Tx, rid ID) (Recall, error) {
	return one(postgres.On[recallRow](tx).Where("id = ?", rid.UUID()).Take(ctx))
}

func one(r recallRow, err error) (Recall, error) {
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Recall{}, ErrUnknown
	case err != nil:
		return Recall{}, fmt.Errorf("read a recall: %w", err)
	}
	return r.recall(), nil
}

func saveClosed(ctx context.Context, tx *postgres.Tx, r Recall, by identity.ID) error {
	u := by.UUID()
	_, err := postgres.On[recallRow](tx).Where("merchant_id = ? AND id = ?", r.Merchant, r.ID.UUID()).
		Select("State", "Result", "ClosedBy", "ClosedAt").
		Updates(ctx, recallRow{State: string(r.State), Result: r.Result, ClosedBy: &u, ClosedAt: &r.ClosedAt})
	if err != nil {
		return fmt.Errorf("close recall %s: %w", r.ID, err)
	}
	return nil
}

func list(ctx context.Context, tx *postgres.Tx, p page.Request) (page.Of[Recall], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Recall]{}, err
	}
	q := postgres.On[recallRow](tx)
	if last != uuid.Nil {
		q = q.Where("id < ?", last)
	}
	rows, err := q.Order("id DESC").Limit(p.Size() + 1).Find(ctx)
	if err != nil {
		return page.Of[Recall]{}, fmt.Errorf("list recalls: %w", err)
	}
	out := make([]Recall, len(rows))
	for i, r := range rows {
		out[i] = r.recall()
	}
	return page.Cut(out, p.Size(), func(r Recall) (string, uuid.UUID) { return "", r.ID.UUID() }), nil
}
