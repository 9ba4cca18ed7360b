package scrutiny

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// decisionRow is a row of the table product_decision.
type decisionRow struct {
	MerchantID  uuid.UUID `gorm:"primaryKey"`
	ProductID   uuid.UUID `gorm:"primaryKey"`
	ID          uuid.UUID `gorm:"primaryKey"`
	Verdict     string
	Version     int64
	Reasons     json.RawMessage `gorm:"type:jsonb"`
	SubmittedBy *uuid.UUID
	DecidedBy   uuid.UUID
	DecidedAt   time.Time
}

// TableName is product_decision.
func (decisionRow) TableName() string { return "product_decision" }

// maxDecisions is how many decisions a Case shows.
const maxDecisions = 20

func insertDecision(ctx context.Context, tx *postgres.Tx, p catalog.Product, d Decision, submitter uuid.UUID) error {
	r := decisionRow{
		MerchantID: p.Merchant.UUID(), ProductID: p.ID.UUID(), ID: d.ID.UUID(), Verdict: string(d.Verdict), Version: d.Version,
		DecidedBy: d.By, DecidedAt: d.At,
	}
	if submitter != uuid.Nil {
		r.SubmittedBy = &submitter
	}
	var err error
	if r.Reasons, err = json.Marshal(append([]Reason{}, d.Reasons...)); err == nil {
		err = postgres.On[decisionRow](tx).Create(ctx, r)
	}
	if err != nil {
		return fmt.Errorf("write down a decision about %s: %w", p.ID, err)
	}
	return nil
}

// withDecisions reads what was decided about p.
func withDecisions(ctx context.Context, tx *postgres.Tx, p catalog.Product) (Case, error) {
	rows, err := postgres.Rows[decisionRow](ctx, tx, `SELECT * FROM product_decision WHERE merchant_id = ? AND product_id = ? ORDER BY id DESC LIMIT ?`,
		p.Merchant.UUID(), p.ID.UUID(), maxDecisions)
	if err != nil {
		return Case{}, fmt.Errorf("read the decisions about %s: %w", p.ID, err)
	}
	c := Case{Product: p, Decisions: make([]Decision, len(rows))}
	for i, r := range rows {
		c.Decisions[i] = Decision{
			ID: id.From[Decision](r.ID), Verdict: Verdict(r.Verdict), Version: r.Version, By: r.DecidedBy, At: r.DecidedAt.UTC(),
		}
		if err := json.Unmarshal(r.Reasons, &c.Decisions[i].Reasons); err != nil {
			return Case{}, fmt.Errorf("read a decision about %s: %w", p.ID, err)
		}
	}
	return c, nil
}
