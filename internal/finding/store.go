package finding

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

// row is a row of the table finding.
type row struct {
	ID                  uuid.UUID
	ObjectKind, Object  string
	Severity, Title     string
	Asked, State        string
	OpenedBy            uuid.UUID
	OpenedAt, ChangedAt time.Time
	Notes               int
}

// TableName is finding.
func (row) TableName() string { return "finding" }

func (r row) value() Finding {
	return Finding{
		ID: id.From[Finding](r.ID), Object: Object{r.ObjectKind, r.Object}, Severity: Severity(r.Severity), Title: r.Title,
		Asked: identity.Role(r.Asked), State: State(r.State), OpenedBy: id.From[identity.Account](r.OpenedBy),
		OpenedAt: r.OpenedAt.UTC(), ChangedAt: r.ChangedAt.UTC(), Notes: r.Notes,
	}
}

// noteRow is a row of the table finding_note.
type noteRow struct {
	FindingID    uuid.UUID
	N            int
	Action, Role string
	AuthorID     uuid.UUID
	Text         string
	At           time.Time
}

// TableName is finding_note.
func (noteRow) TableName() string { return "finding_note" }

func insert(ctx context.Context, tx *postgres.Tx, f Finding) error {
	err := postgres.On[row](tx).Create(ctx, row{
		ID: f.ID.UUID(), ObjectKind: f.Object.Kind, Object: f.Object.ID, Severity: string(f.Severity), Title: f.Title, Asked: string(f.Asked),
		State: string(f.State), OpenedBy: f.OpenedBy.UUID(), OpenedAt: f.OpenedAt, ChangedAt: f.ChangedAt, Notes: f.Notes,
	})
	if err != nil {
		return fmt.Errorf("open a finding: %w", err)
	}
	return nil
}

func save(ctx context.Context, tx *postgres.Tx, f Finding) error {
	_, err := tx.Exec(ctx, `UPDATE finding SET state = ?, changed_at = ?, notes = ? WHERE id = ?`, string(f.State), f.ChangedAt, f.Notes, f.ID)
	if err != nil {
		return fmt.Errorf("save finding %s: %w", f.ID, err)
	}
	return nil
}

func insertNote(ctx context.Context, tx *postgres.Tx, fid ID, n Note) error {
	err := postgres.On[noteRow](tx).Create(ctx, noteRow{
		FindingID: fid.UUID(), N: n.N, Action: n.Action, Role: string(n.Role), AuthorID: n.Author.UUID(), Text: n.Text, At: n.At,
	})
	if err != nil {
		return fmt.Errorf("add a note to finding %s: %w", fid, err)
	}
	return nil
}

func byID(ctx context.Context, tx *postgres.Tx, fid ID, lock string) (Finding, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM finding WHERE id = ?`+lock, fid)
	if err != nil {
		return Finding{}, fmt.Errorf("read finding %s: %w", fid, err)
	}
	if len(rows) == 0 {
		return Finding{}, ErrUnknown
	}
	return rows[0].value(), nil
}

func list(ctx context.Context, tx *postgres.Tx, state State, p page.Request) (page.Of[Finding], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Finding]{}, err
	}
	if last == uuid.Nil {
		last = uuid.Max
	}
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM finding WHERE (? = '' OR state = ?) AND id < ? ORDER BY id DESC LIMIT ?`,
		string(state), string(state), last, p.Size()+1)
	if err != nil {
		return page.Of[Finding]{}, fmt.Errorf("list findings: %w", err)
	}
	all := make([]Finding, len(rows))
	for i, r := range rows {
		all[i] = r.value()
	}
	return page.Cut(all, p.Size(), func(f Finding) (string, uuid.UUID) { return "", f.ID.UUID() }), nil
}

func notes(ctx context.Context, tx *postgres.Tx, fid ID) ([]Note, error) {
	rows, err := postgres.Rows[noteRow](ctx, tx, `SELECT * FROM finding_note WHERE finding_id = ? ORDER BY n`, fid)
	if err != nil {
		return nil, fmt.Errorf("read the notes of finding %s: %w", fid, err)
	}
	all := make([]Note, len(rows))
	for i, r := range rows {
		all[i] = Note{r.N, r.Action, identity.Role(r.Role), id.From[identity.Account](r.AuthorID), r.Text, r.At.UTC()}
	}
	return all, nil
}

func count(ctx context.Context, tx *postgres.Tx) (Count, error) {
	c, err := postgres.Row[Count](ctx, tx, `SELECT count(*) FILTER (WHERE severity = 'low') AS low, count(*) FILTER (WHERE severity = 'medium') AS medium,
		count(*) FILTER (WHERE severity = 'high') AS high FROM finding WHERE state <> 'closed'`)
	if err != nil {
		return c, fmt.Errorf("count findings: %w", err)
	}
	return c, nil
}
