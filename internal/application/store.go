package application

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
)

// row is a row of the table programme_application.
type row struct {
	ID          uuid.UUID
	Region      string
	Kind, Title string
	AmountFen   int64
	Content     []byte // jsonb
	State       string
	FiledBy     uuid.UUID
	FiledAt     time.Time
	Score       *int
	Opinion     string
	AssessedBy  *uuid.UUID
	AssessedAt  *time.Time
	PeriodID    *uuid.UUID
	DecidedBy   *uuid.UUID
	DecidedAt   *time.Time
	Reason      string
	ProgrammeID *uuid.UUID
}

// TableName is programme_application.
func (row) TableName() string { return "programme_application" }

// content is what is applied for, as it is kept.
type content struct {
	Plan   programme.Plan `json:"plan"`
	Other  []other        `json:"other_money,omitempty"`
	Papers []paper        `json:"papers,omitempty"`
}

type other struct {
	Amount money.Fen `json:"amount_fen,omitempty"`
	Source string    `json:"source"`
	Note   string    `json:"note,omitempty"`
}

type paper struct {
	File   uuid.UUID `json:"file_id"`
	SHA256 []byte    `json:"sha256"`
}

func (r row) application() (Application, error) {
	a := Application{
		ID: id.From[Application](r.ID), Amount: money.Fen(r.AmountFen), State: State(r.State), FiledBy: id.From[identity.Account](r.FiledBy),
		FiledAt: r.FiledAt.UTC(), Opinion: r.Opinion, AssessedBy: id.FromNull[identity.Account](r.AssessedBy), AssessedAt: postgres.OrZero(r.AssessedAt),
		Period: id.FromNull[objection.Period](r.PeriodID), DecidedBy: id.FromNull[identity.Account](r.DecidedBy), DecidedAt: postgres.OrZero(r.DecidedAt), Reason: r.Reason,
		Programme: id.FromNull[programme.Programme](r.ProgrammeID),
	}
	if r.Score != nil {
		a.Score = *r.Score
	}
	var c content
	if err := json.Unmarshal(r.Content, &c); err != nil {
		return a, fmt.Errorf("read application %s: %w", a.ID, err)
	}
	a.Plan = c.Plan
	for _, o := range c.Other {
		a.Other = append(a.Other, programme.OtherMoney{Amount: o.Amount, Source: o.Source, Note: o.Note})
	}
	for _, p := range c.Papers {
		d := file.Digest{File: id.From[file.File](p.File)}
		copy(d.SHA256[:], p.SHA256)
		a.Papers = append(a.Papers, d)
	}
	return a, nil
}

func insert(ctx context.Context, tx *postgres.Tx, a Application) error {
	c := content{Plan: a.Plan}
	for _, o := range a.Other {
		c.Other = append(c.Other, other{o.Amount, o.Source, o.Note})
	}
	for _, p := range a.Papers {
		c.Papers = append(c.Papers, paper{p.File.UUID(), p.SHA256[:]})
	}
	body, err := json.Marshal(c)
	if err == nil {
		err = postgres.On[row](tx).Create(ctx, row{
			ID: a.ID.UUID(), Region: a.county(), Kind: a.Plan.Kind, Title: a.Plan.Title, AmountFen: int64(a.Amount), Content: body,
			State: string(a.State), FiledBy: a.FiledBy.UUID(), FiledAt: a.FiledAt,
		})
	}
	if err != nil {
		return fmt.Errorf("file an application: %w", err)
	}
	return nil
}

func save(ctx context.Context, tx *postgres.Tx, a Application) error {
	var score *int
	if !a.AssessedBy.IsZero() {
		score = &a.Score
	}
	_, err := tx.Exec(ctx, `UPDATE programme_application SET state = ?, score = ?, opinion = ?, assessed_by = ?, assessed_at = ?, period_id = ?,
		decided_by = ?, decided_at = ?, reason = ?, programme_id = ? WHERE id = ?`,
		string(a.State), score, a.Opinion, a.AssessedBy, postgres.OrNull(a.AssessedAt), a.Period, a.DecidedBy, postgres.OrNull(a.DecidedAt), a.Reason, a.Programme, a.ID)
	if err != nil {
		return fmt.Errorf("decide on application %s: %w", a.ID, err)
	}
	return nil
}

func byID(ctx context.Context, tx *postgres.Tx, aid ID, lock string) (Application, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM programme_application WHERE id = ?`+lock, aid)
	if err != nil {
		return Application{}, fmt.Errorf("read application %s: %w", aid, err)
	}
	if len(rows) == 0 {
		return Application{}, ErrUnknown
	}
	return rows[0].application()
}

func list(ctx context.Context, tx *postgres.Tx, all bool, regions []string, state State, p page.Request) (page.Of[Application], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Application]{}, err
	}
	if last == uuid.Nil {
		last = uuid.Max
	}
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM programme_application
		WHERE (?::boolean OR region = ANY(?::text[])) AND (? = '' OR state = ?) AND id < ? ORDER BY id DESC LIMIT ?`,
		all, postgres.Array(regions), string(state), string(state), last, p.Size()+1)
	if err != nil {
		return page.Of[Application]{}, fmt.Errorf("list applications: %w", err)
	}
	out := make([]Application, len(rows))
	for i, r := range rows {
		if out[i], err = r.application(); err != nil {
			return page.Of[Application]{}, err
		}
	}
	return page.Cut(out, p.Size(), sorted), nil
}
