package objection

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
	"github.com/shiyi-market/shiyi/internal/publication"
)

// periodRow is a row of the table objection_period.
type periodRow struct {
	ID         uuid.UUID
	Subject    string
	SubjectID  uuid.UUID
	DocumentID uuid.UUID
	TitleZH    string `gorm:"column:title_zh"`
	TitleEN    string `gorm:"column:title_en"`
	Involved   []byte // a JSON array of account ids
	OpenedAt   time.Time
	EndsAt     time.Time
}

// TableName is objection_period.
func (periodRow) TableName() string { return "objection_period" }

func (r periodRow) period() (Period, error) {
	p := Period{
		ID: id.From[Period](r.ID), Subject: Subject(r.Subject), SubjectID: r.SubjectID, Document: id.From[publication.Document](r.DocumentID),
		TitleZH: r.TitleZH, TitleEN: r.TitleEN, OpenedAt: r.OpenedAt.UTC(), EndsAt: r.EndsAt.UTC(),
	}
	var who []uuid.UUID
	if err := json.Unmarshal(r.Involved, &who); err != nil {
		return p, fmt.Errorf("read who has a part in %s: %w", p.ID, err)
	}
	for _, u := range who {
		p.Involved = append(p.Involved, id.From[identity.Account](u))
	}
	return p, nil
}

// row is a row of the table objection.
type row struct {
	ID         uuid.UUID
	PeriodID   uuid.UUID
	Body       string
	FiledAt    time.Time
	State      string
	AnsweredBy *uuid.UUID
	AnsweredAt *time.Time
	Answer     string
}

// TableName is objection.
func (row) TableName() string { return "objection" }

func (r row) objection() Objection {
	o := Objection{
		ID: id.From[Objection](r.ID), Period: id.From[Period](r.PeriodID), Body: r.Body, FiledAt: r.FiledAt.UTC(), State: State(r.State), Answer: r.Answer,
	}
	o.AnsweredBy, o.AnsweredAt = id.FromNull[identity.Account](r.AnsweredBy), postgres.OrZero(r.AnsweredAt)
	return o
}

func insertPeriod(ctx context.Context, tx *postgres.Tx, p Period) error {
	who := make([]uuid.UUID, len(p.Involved))
	for i, a := range p.Involved {
		who[i] = a.UUID()
	}
	involved, err := json.Marshal(who)
	if err == nil {
		err = postgres.On[periodRow](tx).Create(ctx, periodRow{
			ID: p.ID.UUID(), Subject: string(p.Subject), SubjectID: p.SubjectID, DocumentID: p.Document.UUID(), TitleZH: p.TitleZH,
			TitleEN: p.TitleEN, Involved: involved, OpenedAt: p.OpenedAt, EndsAt: p.EndsAt,
		})
	}
	if err != nil {
		return fmt.Errorf("open the time for objections to %s %s: %w", p.Subject, p.SubjectID, err)
	}
	return nil
}

// period is one with how many objected; the lock is the period's.
func period(ctx context.Context, tx *postgres.Tx, pid PeriodID, lock string) (Period, error) {
	rows, err := postgres.Rows[periodRow](ctx, tx, `SELECT * FROM objection_period WHERE id = ?`+lock, pid)
	if err != nil {
		return Period{}, fmt.Errorf("read the time for objections %s: %w", pid, err)
	}
	if len(rows) == 0 {
		return Period{}, ErrNoPeriod
	}
	all, err := whole(ctx, tx, rows)
	if err != nil {
		return Period{}, err
	}
	return all[0], nil
}

func bySubject(ctx context.Context, tx *postgres.Tx, subjects []uuid.UUID) ([]Period, error) {
	if len(subjects) == 0 {
		return nil, nil
	}
	rows, err := postgres.Rows[periodRow](ctx, tx, `SELECT * FROM objection_period WHERE subject_id = ANY(?::uuid[]) ORDER BY id`, postgres.Array(subjects))
	if err != nil {
		return nil, fmt.Errorf("read times for objections: %w", err)
	}
	return whole(ctx, tx, rows)
}

func periods(ctx context.Context, tx *postgres.Tx, p page.Request) (page.Of[Period], error) {
	last, err := before(p)
	if err != nil {
		return page.Of[Period]{}, err
	}
	rows, err := postgres.Rows[periodRow](ctx, tx, `SELECT * FROM objection_period WHERE id < ? ORDER BY id DESC LIMIT ?`, last, p.Size()+1)
	if err != nil {
		return page.Of[Period]{}, fmt.Errorf("list times for objections: %w", err)
	}
	all, err := whole(ctx, tx, rows)
	return page.Cut(all, p.Size(), func(p Period) (string, uuid.UUID) { return "", p.ID.UUID() }), err
}

// opened are the times for objections to the subjects of a kind.
func opened(ctx context.Context, tx *postgres.Tx, kind Subject) (map[PeriodID]uuid.UUID, error) {
	rows, err := postgres.Rows[struct{ ID, SubjectID uuid.UUID }](ctx, tx, `SELECT id, subject_id FROM objection_period WHERE subject = ?`, string(kind))
	if err != nil {
		return nil, fmt.Errorf("read the times for objections to each %s: %w", kind, err)
	}
	all := make(map[PeriodID]uuid.UUID, len(rows))
	for _, r := range rows {
		all[id.From[Period](r.ID)] = r.SubjectID
	}
	return all, nil
}

// unopened says which notices no time for objections has.
func unopened(ctx context.Context, tx *postgres.Tx) ([]string, error) {
	rows, err := postgres.Rows[struct{ ID uuid.UUID }](ctx, tx, `SELECT id FROM publication p
		WHERE kind = ? AND NOT EXISTS (SELECT FROM objection_period o WHERE o.document_id = p.id) ORDER BY id`, string(publication.Notice))
	if err != nil {
		return nil, fmt.Errorf("look for notices without a time for objections: %w", err)
	}
	all := make([]string, len(rows))
	for i, r := range rows {
		all[i] = fmt.Sprintf("document %s is the notice of no time for objections", r.ID)
	}
	return all, nil
}

// countRow is how many objections of a time are in a state.
type countRow struct {
	PeriodID uuid.UUID
	State    string
	N        int64
}

// whole puts to times for objections how many were filed.
func whole(ctx context.Context, tx *postgres.Tx, rows []periodRow) ([]Period, error) {
	all, at := make([]Period, len(rows)), make(map[uuid.UUID]int, len(rows))
	ids := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		p, err := r.period()
		if err != nil {
			return nil, err
		}
		all[i], at[r.ID], ids[i] = p, i, r.ID
	}
	counts, err := postgres.Rows[countRow](ctx, tx, `SELECT period_id, state, count(*) AS n FROM objection
		WHERE period_id = ANY(?::uuid[]) GROUP BY period_id, state`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("count objections: %w", err)
	}
	for _, c := range counts {
		p := &all[at[c.PeriodID]]
		switch State(c.State) {
		case Open:
			p.Counts.Open = c.N
		case Upheld:
			p.Counts.Upheld = c.N
		case Dismissed:
			p.Counts.Dismissed = c.N
		}
	}
	return all, nil
}

func insert(ctx context.Context, tx *postgres.Tx, o Objection) error {
	err := postgres.On[row](tx).Create(ctx, row{ID: o.ID.UUID(), PeriodID: o.Period.UUID(), Body: o.Body, FiledAt: o.FiledAt, State: string(o.State)})
	if err != nil {
		return fmt.Errorf("take an objection: %w", err)
	}
	return nil
}

func save(ctx context.Context, tx *postgres.Tx, o Objection) error {
	_, err := tx.Exec(ctx, `UPDATE objection SET state = ?, answered_by = ?, answered_at = ?, answer = ? WHERE id = ?`,
		string(o.State), o.AnsweredBy, o.AnsweredAt, o.Answer, o.ID)
	if err != nil {
		return fmt.Errorf("answer objection %s: %w", o.ID, err)
	}
	return nil
}

func byID(ctx context.Context, tx *postgres.Tx, oid ID, lock string) (Objection, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM objection WHERE id = ?`+lock, oid)
	if err != nil {
		return Objection{}, fmt.Errorf("read objection %s: %w", oid, err)
	}
	if len(rows) == 0 {
		return Objection{}, ErrUnknown
	}
	return rows[0].objection(), nil
}

// list has the objections in a state ("" is any) to what was published for a time, or to anything: PeriodID{}.
func list(ctx context.Context, tx *postgres.Tx, of PeriodID, state State, p page.Request) (page.Of[Objection], error) {
	last, err := before(p)
	if err != nil {
		return page.Of[Objection]{}, err
	}
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM objection
		WHERE (?::uuid IS NULL OR period_id = ?) AND (? = '' OR state = ?) AND id < ? ORDER BY id DESC LIMIT ?`,
		of, of, string(state), string(state), last, p.Size()+1)
	if err != nil {
		return page.Of[Objection]{}, fmt.Errorf("list objections: %w", err)
	}
	all := make([]Objection, len(rows))
	for i, r := range rows {
		all[i] = r.objection()
	}
	return page.Cut(all, p.Size(), func(o Objection) (string, uuid.UUID) { return "", o.ID.UUID() }), nil
}

// before is where a page of newest-first begins.
func before(p page.Request) (uuid.UUID, error) {
	_, last, err := p.After()
	if last == uuid.Nil {
		last = uuid.Max
	}
	return last, err
}
