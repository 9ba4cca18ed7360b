package programme

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// changeRow is a row of the table programme_change.
type changeRow struct {
	ID, ProgrammeID       uuid.UUID
	Kind, Purpose         string
	OldKind, OldPurpose   string
	Reason, State         string
	PeriodID              *uuid.UUID
	ProposedBy            uuid.UUID
	ProposedAt            time.Time
	ApprovedBy, DecidedBy *uuid.UUID
	ApprovedAt, DecidedAt *time.Time
}

// TableName is programme_change.
func (changeRow) TableName() string { return "programme_change" }

func (r changeRow) change() Change {
	c := Change{
		ID: id.From[Change](r.ID), Programme: id.From[Programme](r.ProgrammeID), Kind: r.Kind, Purpose: r.Purpose, OldKind: r.OldKind,
		OldPurpose: r.OldPurpose, Reason: r.Reason, State: ChangeState(r.State), ProposedBy: id.From[identity.Account](r.ProposedBy), ProposedAt: r.ProposedAt.UTC(),
		ApprovedBy: id.FromNull[identity.Account](r.ApprovedBy), DecidedBy: id.FromNull[identity.Account](r.DecidedBy), ApprovedAt: postgres.OrZero(r.ApprovedAt), DecidedAt: postgres.OrZero(r.DecidedAt),
	}
	c.Period = id.FromNull[objection.Period](r.PeriodID)
	return c
}

func insertChange(ctx context.Context, tx *postgres.Tx, c Change) error {
	err := postgres.On[changeRow](tx).Create(ctx, changeRow{
		ID: c.ID.UUID(), ProgrammeID: c.Programme.UUID(), Kind: c.Kind, Purpose: c.Purpose, OldKind: c.OldKind, OldPurpose: c.OldPurpose,
		Reason: c.Reason, State: string(c.State), ProposedBy: c.ProposedBy.UUID(), ProposedAt: c.ProposedAt,
	})
	switch {
	case postgres.Violates(err, "programme_change_one"):
		return ErrPending
	case err != nil:
		return fmt.Errorf("propose a change of programme %s: %w", c.Programme, err)
	}
	return nil
}

func saveChange(ctx context.Context, tx *postgres.Tx, c Change) error {
	_, err := tx.Exec(ctx, `UPDATE programme_change SET state = ?, period_id = ?, approved_by = ?, approved_at = ?, decided_by = ?, decided_at = ? WHERE id = ?`,
		string(c.State), c.Period, c.ApprovedBy, postgres.OrNull(c.ApprovedAt), c.DecidedBy, postgres.OrNull(c.DecidedAt), c.ID)
	if err != nil {
		return fmt.Errorf("decide on the change %s: %w", c.ID, err)
	}
	return nil
}

// reword gives a programme what a change says.
func reword(ctx context.Context, tx *postgres.Tx, c Change) error {
	if _, err := tx.Exec(ctx, `UPDATE programme SET kind = ?, purpose = ? WHERE id = ?`, c.Kind, c.Purpose, c.Programme); err != nil {
		return fmt.Errorf("change programme %s: %w", c.Programme, err)
	}
	return nil
}

func changeByID(ctx context.Context, tx *postgres.Tx, cid ChangeID) (Change, error) {
	rows, err := postgres.Rows[changeRow](ctx, tx, `SELECT * FROM programme_change WHERE id = ?`, cid)
	if err != nil {
		return Change{}, fmt.Errorf("read the change %s: %w", cid, err)
	}
	if len(rows) == 0 {
		return Change{}, ErrNoChange
	}
	return rows[0].change(), nil
}

func changes(ctx context.Context, tx *postgres.Tx, p page.Request) (page.Of[Change], error) {
	last, err := before(p)
	if err != nil {
		return page.Of[Change]{}, err
	}
	rows, err := postgres.Rows[changeRow](ctx, tx, `SELECT * FROM programme_change WHERE id < ? ORDER BY id DESC LIMIT ?`, last, p.Size()+1)
	if err != nil {
		return page.Of[Change]{}, fmt.Errorf("list changes of purpose: %w", err)
	}
	all := make([]Change, len(rows))
	for i, r := range rows {
		all[i] = r.change()
	}
	return page.Cut(all, p.Size(), func(c Change) (string, uuid.UUID) { return "", c.ID.UUID() }), nil
}

func changesOf(ctx context.Context, tx *postgres.Tx, pid ID) ([]uuid.UUID, error) {
	rows, err := postgres.Rows[struct{ ID uuid.UUID }](ctx, tx, `SELECT id FROM programme_change WHERE programme_id = ?`, pid)
	if err != nil {
		return nil, fmt.Errorf("read the changes of programme %s: %w", pid, err)
	}
	all := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		all[i] = r.ID
	}
	return all, nil
}

// told are the changes that were published, or are in force, in the order in which they were decided.
func told(ctx context.Context, tx *postgres.Tx) ([]Change, error) {
	rows, err := postgres.Rows[changeRow](ctx, tx, `SELECT * FROM programme_change WHERE period_id IS NOT NULL OR state = 'in_force' ORDER BY decided_at, id`)
	if err != nil {
		return nil, fmt.Errorf("read the changes that were published: %w", err)
	}
	all := make([]Change, len(rows))
	for i, r := range rows {
		all[i] = r.change()
	}
	return all, nil
}
