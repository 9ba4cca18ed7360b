package correction

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
)

// row is a row of the table correction.
type row struct {
	ID, Home, TransferID uuid.UUID
	Moves                json.RawMessage
	ReasonZH             string `gorm:"column:reason_zh"`
	ReasonEN             string `gorm:"column:reason_en"`
	Digest               []byte
	State                string
	ProposedBy           uuid.UUID
	ProposedAt           time.Time
	DecidedBy            *uuid.UUID
	DecidedAt            *time.Time
	Note                 string
	PublicationID        *uuid.UUID
}

// TableName is correction.
func (row) TableName() string { return "correction" }

func (r row) value() (Correction, error) {
	c := Correction{
		ID: id.From[Correction](r.ID), Home: r.Home, Wrong: r.TransferID, ReasonZH: r.ReasonZH, ReasonEN: r.ReasonEN, State: State(r.State),
		ProposedBy: id.From[identity.Account](r.ProposedBy), ProposedAt: r.ProposedAt.UTC(), DecidedBy: id.From[identity.Account](or(r.DecidedBy)),
		Note: r.Note, Document: id.From[publication.Document](or(r.PublicationID)),
	}
	c.DecidedAt = postgres.OrZero(r.DecidedAt)
	copy(c.Digest[:], r.Digest)
	if err := json.Unmarshal(r.Moves, &c.Right); err != nil {
		return c, fmt.Errorf("read the moves of correction %s: %w", c.ID, err)
	}
	return c, nil
}

func insert(ctx context.Context, tx *postgres.Tx, c Correction) error {
	moves, err := json.Marshal(append([]ledger.Move{}, c.Right...))
	if err != nil {
		return err
	}
	err = postgres.On[row](tx).Create(ctx, row{
		ID: c.ID.UUID(), Home: c.Home, TransferID: c.Wrong, Moves: moves, ReasonZH: c.ReasonZH, ReasonEN: c.ReasonEN, Digest: c.Digest[:],
		State: string(c.State), ProposedBy: c.ProposedBy.UUID(), ProposedAt: c.ProposedAt,
	})
	switch {
	case postgres.Violates(err, "correction_once"):
		return ErrCorrected
	case err != nil:
		return fmt.Errorf("propose a correction of %s: %w", c.Wrong, err)
	}
	return nil
}

func save(ctx context.Context, tx *postgres.Tx, c Correction) error {
	var document *uuid.UUID
	if !c.Document.IsZero() {
		d := c.Document.UUID()
		document = &d
	}
	_, err := tx.Exec(ctx, `UPDATE correction SET state = ?, decided_by = ?, decided_at = ?, note = ?, publication_id = ? WHERE id = ?`,
		string(c.State), c.DecidedBy, c.DecidedAt, c.Note, document, c.ID)
	if err != nil {
		return fmt.Errorf("decide on correction %s: %w", c.ID, err)
	}
	return nil
}

func lock(ctx context.Context, tx *postgres.Tx, cid ID) (Correction, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM correction WHERE id = ? FOR UPDATE`, cid)
	if err != nil {
		return Correction{}, fmt.Errorf("read correction %s: %w", cid, err)
	}
	if len(rows) == 0 {
		return Correction{}, ErrUnknown
	}
	return rows[0].value()
}

func list(ctx context.Context, tx *postgres.Tx, state State, p page.Request) (page.Of[Correction], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Correction]{}, err
	}
	if last == uuid.Nil {
		last = uuid.Max
	}
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM correction WHERE (? = '' OR state = ?) AND id < ? ORDER BY id DESC LIMIT ?`,
		string(state), string(state), last, p.Size()+1)
	if err != nil {
		return page.Of[Correction]{}, fmt.Errorf("list corrections: %w", err)
	}
	all := make([]Correction, len(rows))
	for i, r := range rows {
		if all[i], err = r.value(); err != nil {
			return page.Of[Correction]{}, err
		}
	}
	return page.Cut(all, p.Size(), func(c Correction) (string, uuid.UUID) { return "", c.ID.UUID() }), nil
}

// or is the value, or zero where there is none.
func or(p *uuid.UUID) uuid.UUID {
	if p == nil {
		return uuid.Nil
	}
	return *p
}
