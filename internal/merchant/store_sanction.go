package merchant

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// sanctionRow is a row of the table sanction.
type sanctionRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	ID         uuid.UUID `gorm:"primaryKey"`
	Kind       string
	NoticeZH   string `gorm:"column:notice_zh"`
	NoticeEN   string `gorm:"column:notice_en"`
	Reason     string
	ImposedBy  uuid.UUID
	Since      time.Time
}

// TableName is sanction.
func (sanctionRow) TableName() string { return "sanction" }

func insertSanction(ctx context.Context, tx *postgres.Tx, m ID, s Sanction) error {
	err := postgres.On[sanctionRow](tx).Create(ctx, sanctionRow{
		MerchantID: m.UUID(), ID: s.ID.UUID(), Kind: string(s.Kind), NoticeZH: s.NoticeZH, NoticeEN: s.NoticeEN,
		Reason: s.Reason, ImposedBy: s.By.UUID(), Since: s.Since,
	})
	if err != nil {
		return fmt.Errorf("impose a sanction on %s: %w", m, err)
	}
	return nil
}

// sanctions is a page of what was done about an enterprise, the newest first.
func sanctions(ctx context.Context, tx *postgres.Tx, m ID, p page.Request) (page.Of[Sanction], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Sanction]{}, err
	}
	q := postgres.On[sanctionRow](tx).Where("merchant_id = ?", m.UUID()).Order("id DESC").Limit(p.Size() + 1)
	if last != uuid.Nil {
		q = q.Where("id < ?", last)
	}
	rows, err := q.Find(ctx)
	if err != nil {
		return page.Of[Sanction]{}, fmt.Errorf("list sanctions: %w", err)
	}
	out := make([]Sanction, len(rows))
	for i, r := range rows {
		out[i] = Sanction{
			ID: id.From[Sanction](r.ID), Kind: SanctionKind(r.Kind), NoticeZH: r.NoticeZH, NoticeEN: r.NoticeEN,
			Reason: r.Reason, By: id.From[identity.Account](r.ImposedBy), Since: r.Since.UTC(),
		}
	}
	return page.Cut(out, p.Size(), func(s Sanction) (string, uuid.UUID) { return "", s.ID.UUID() }), nil
}
