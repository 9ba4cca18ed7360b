package disclosure

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
)

// row is a row of the table duty.
type row struct {
	ID                           uuid.UUID
	Kind, Subject, Period, Title string
	DueOn                        time.Time
	State                        string
	OpenedAt                     time.Time
	OpenedBy, DocumentID         *uuid.UUID
	FulfilledAt                  *time.Time
	FulfilledBy                  *uuid.UUID
}

// TableName is duty.
func (row) TableName() string { return "duty" }

func (r row) duty() Duty {
	y, m, d := r.DueOn.Date()
	out := Duty{
		ID: id.From[Duty](r.ID), Kind: Kind(r.Kind), Subject: r.Subject, Period: r.Period, Title: r.Title,
		DueOn: time.Date(y, m, d, 0, 0, 0, 0, zone()).UTC(), OpenedAt: r.OpenedAt.UTC(),
	}
	out.Document, out.FulfilledAt = id.FromNull[publication.Document](r.DocumentID), postgres.OrZero(r.FulfilledAt)
	return out
}

// insert enters duties that are not in the calendar yet, and returns how many.
func insert(ctx context.Context, tx *postgres.Tx, all []Duty, who *uuid.UUID) (int, error) {
	done := 0
	for _, d := range all {
		n, err := tx.Exec(ctx, `INSERT INTO duty (id, kind, subject, period, title, due_on, state, opened_at, opened_by)
			VALUES (?, ?, ?, ?, ?, ?::date, 'open', ?, ?) ON CONFLICT ON CONSTRAINT duty_once DO NOTHING`,
			d.ID, string(d.Kind), d.Subject, d.Period, d.Title, d.DueOn.In(zone()).Format(time.DateOnly), d.OpenedAt, who)
		switch {
		case postgres.Violates(err, "duty_texts_length"):
			return done, ErrText.At("/title", "length", "too short, or too long")
		case err != nil:
			return done, fmt.Errorf("enter a duty: %w", err)
		}
		done += int(n)
	}
	return done, nil
}

func byID(ctx context.Context, tx *postgres.Tx, did ID, lock string) (Duty, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM duty WHERE id = ?`+lock, did)
	if err != nil {
		return Duty{}, fmt.Errorf("read duty %s: %w", did, err)
	}
	if len(rows) == 0 {
		return Duty{}, ErrUnknown
	}
	return rows[0].duty(), nil
}

func fulfil(ctx context.Context, tx *postgres.Tx, d Duty, who identity.ID) error {
	_, err := tx.Exec(ctx, `UPDATE duty SET state = 'fulfilled', document_id = ?, fulfilled_at = ?, fulfilled_by = ? WHERE id = ?`,
		d.Document, d.FulfilledAt, who, d.ID)
	if err != nil {
		return fmt.Errorf("fulfil duty %s: %w", d.ID, err)
	}
	return nil
}

// list is by the day on which a duty is due. What is open is told apart by today, as State does.
func list(ctx context.Context, tx *postgres.Tx, state State, p page.Request) (page.Of[Duty], error) {
	key, last, err := p.After()
	if err != nil {
		return page.Of[Duty]{}, err
	}
	if key == "" {
		key = "0001-01-01"
	}
	if on, err := time.Parse(time.DateOnly, key); err != nil || on.Year() < 1 { // the database has no year 0
		return page.Of[Duty]{}, page.ErrCursor
	}
	today := tx.Now.In(zone()).Format(time.DateOnly)
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM duty WHERE (due_on, id) > (?::date, ?) AND CASE ?
			WHEN '' THEN true
			WHEN 'fulfilled' THEN state = 'fulfilled'
			WHEN 'overdue' THEN state = 'open' AND due_on < ?::date
			WHEN 'due' THEN state = 'open' AND due_on BETWEEN ?::date AND ?::date + 29
			ELSE state = 'open' AND due_on > ?::date + 29 END
		ORDER BY due_on, id LIMIT ?`, key, last, string(state), today, today, today, today, p.Size()+1)
	if err != nil {
		return page.Of[Duty]{}, fmt.Errorf("list duties: %w", err)
	}
	all := make([]Duty, len(rows))
	for i, r := range rows {
		all[i] = r.duty()
	}
	return page.Cut(all, p.Size(), func(d Duty) (string, uuid.UUID) { return d.DueOn.In(zone()).Format(time.DateOnly), d.ID.UUID() }), nil
}

// began is when the fund first took a tenth; false while it has none.
func began(ctx context.Context, tx *postgres.Tx) (time.Time, bool, error) {
	rows, err := postgres.Rows[struct{ At *time.Time }](ctx, tx, `SELECT min(at) AS at FROM transfer WHERE kind = ?`, fund.Sale)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("find when the fund began: %w", err)
	}
	if len(rows) == 0 || rows[0].At == nil {
		return time.Time{}, false, nil
	}
	return rows[0].At.UTC(), true, nil
}

// programmes are those that were paid, from their first payment on. One ends with its last payment when none of
// its grants has anything left to pay.
func programmes(ctx context.Context, tx *postgres.Tx) ([]Programme, error) {
	rows, err := postgres.Rows[struct {
		ID          uuid.UUID
		Title       *string
		First, Last time.Time
		Open        bool
	}](ctx, tx, `WITH paid AS (
			SELECT right(m.target, 36)::uuid AS id, min(t.at) AS first, max(t.at) AS last
			FROM transfer t JOIN move m ON m.home = t.home AND m.transfer_id = t.id WHERE t.kind = ? GROUP BY m.target)
		SELECT paid.id, p.title, paid.first, paid.last,
		       p.id IS NULL OR EXISTS (SELECT FROM fund_grant g WHERE g.programme_id = p.id AND g.state IN ('proposed', 'committed')) AS open
		FROM paid LEFT JOIN programme p ON p.id = paid.id ORDER BY paid.first, paid.id`, fund.GrantPaying)
	if err != nil {
		return nil, fmt.Errorf("find which programmes were paid: %w", err)
	}
	all := make([]Programme, len(rows))
	for i, r := range rows {
		all[i] = Programme{ID: r.ID, Name: r.ID.String(), Started: r.First.UTC()}
		if r.Title != nil {
			all[i].Name = *r.Title
		}
		if !r.Open {
			all[i].Ended = r.Last.UTC()
		}
	}
	return all, nil
}
