package programme

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// kindRow is a row of the table programme_kind.
type kindRow struct {
	Code      string
	NameZH    string `gorm:"column:name_zh"`
	NameEN    string `gorm:"column:name_en"`
	Education bool
	Position  int
}

// TableName is programme_kind.
func (kindRow) TableName() string { return "programme_kind" }

// row is a row of the table programme.
type row struct {
	ID            uuid.UUID
	Kind          string
	Title         string
	Region        string
	Place         string
	School        string
	Purpose       string
	BudgetFen     int64
	Fictional     bool
	ApplicationID *uuid.UUID
	RecordedBy    uuid.UUID
	RecordedAt    time.Time
}

// TableName is programme.
func (row) TableName() string { return "programme" }

func (r row) programme() Programme {
	p := Programme{
		ID:     id.From[Programme](r.ID),
		Plan:   Plan{Kind: r.Kind, Title: r.Title, Region: r.Region, Place: r.Place, School: r.School, Purpose: r.Purpose, Fictional: r.Fictional},
		Budget: money.Fen(r.BudgetFen), RecordedBy: id.From[identity.Account](r.RecordedBy), RecordedAt: r.RecordedAt.UTC(),
	}
	if r.ApplicationID != nil {
		p.Application = *r.ApplicationID
	}
	return p
}

// milestoneRow is a row of the table programme_milestone.
type milestoneRow struct {
	ProgrammeID uuid.UUID
	N           int
	Title       string
	DueOn       *time.Time
}

// TableName is programme_milestone.
func (milestoneRow) TableName() string { return "programme_milestone" }

// otherRow is a row of the table other_money.
type otherRow struct {
	ID         uuid.UUID
	AmountFen  *int64
	Source     string
	Note       string
	RecordedBy uuid.UUID
	RecordedAt time.Time
}

// TableName is other_money.
func (otherRow) TableName() string { return "other_money" }

// withdrawalRow is a row of the table other_money_withdrawal.
type withdrawalRow struct {
	OtherMoneyID uuid.UUID
	Reason       string
	WithdrawnBy  uuid.UUID
	WithdrawnAt  time.Time
}

// TableName is other_money_withdrawal.
func (withdrawalRow) TableName() string { return "other_money_withdrawal" }

// shareRow is a row of the table other_money_share.
type shareRow struct{ OtherMoneyID, ProgrammeID uuid.UUID }

// TableName is other_money_share.
func (shareRow) TableName() string { return "other_money_share" }

func kinds(ctx context.Context, tx *postgres.Tx) ([]Kind, error) {
	rows, err := postgres.Rows[kindRow](ctx, tx, `SELECT * FROM programme_kind ORDER BY position`)
	if err != nil {
		return nil, fmt.Errorf("list the kinds of programmes: %w", err)
	}
	all := make([]Kind, len(rows))
	for i, r := range rows {
		all[i] = Kind{r.Code, r.NameZH, r.NameEN, r.Education}
	}
	return all, nil
}

func kindOf(ctx context.Context, tx *postgres.Tx, code string) (Kind, error) {
	r, err := postgres.Row[kindRow](ctx, tx, `SELECT * FROM programme_kind WHERE code = ?`, code)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Kind{}, ErrPlan.At("/kind", "enum", "no such kind")
	case err != nil:
		return Kind{}, fmt.Errorf("read a kind of programmes: %w", err)
	}
	return Kind{r.Code, r.NameZH, r.NameEN, r.Education}, nil
}

func insert(ctx context.Context, tx *postgres.Tx, p Programme) error {
	r := row{
		ID: p.ID.UUID(), Kind: p.Kind, Title: p.Title, Region: p.Region, Place: p.Place, School: p.School, Purpose: p.Purpose,
		BudgetFen: int64(p.Budget), Fictional: p.Fictional, RecordedBy: p.RecordedBy.UUID(), RecordedAt: p.RecordedAt,
	}
	if p.Application != uuid.Nil {
		r.ApplicationID = &p.Application
	}
	if err := postgres.On[row](tx).Create(ctx, r); err != nil {
		return fmt.Errorf("write down a programme: %w", err)
	}
	for i, m := range p.Milestones {
		r := milestoneRow{ProgrammeID: p.ID.UUID(), N: i + 1, Title: m.Title}
		if due, err := time.Parse(time.DateOnly, m.Due); err == nil {
			r.DueOn = &due
		}
		if err := postgres.On[milestoneRow](tx).Create(ctx, r); err != nil {
			return fmt.Errorf("write down a milestone: %w", err)
		}
	}
	return nil
}

func insertOther(ctx context.Context, tx *postgres.Tx, o OtherMoney, by identity.ID) error {
	r := otherRow{ID: o.ID, Source: o.Source, Note: o.Note, RecordedBy: by.UUID(), RecordedAt: tx.Now}
	if fen := int64(o.Amount); fen > 0 {
		r.AmountFen = &fen
	}
	if err := postgres.On[otherRow](tx).Create(ctx, r); err != nil {
		return fmt.Errorf("write down other money: %w", err)
	}
	for _, p := range o.Shared {
		if err := postgres.On[shareRow](tx).Create(ctx, shareRow{OtherMoneyID: o.ID, ProgrammeID: p.UUID()}); err != nil {
			return fmt.Errorf("write down who shares other money: %w", err)
		}
	}
	return nil
}

func insertWithdrawal(ctx context.Context, tx *postgres.Tx, o OtherMoney, by identity.ID) error {
	err := postgres.On[withdrawalRow](tx).Create(ctx, withdrawalRow{o.ID, o.Reason, by.UUID(), o.WithdrawnAt})
	switch {
	case postgres.Violates(err, "other_money_withdrawal_pkey"):
		return ErrMoneyGone
	case err != nil:
		return fmt.Errorf("withdraw other money: %w", err)
	}
	return nil
}

// otherByID is other money with all programmes that have it.
func otherByID(ctx context.Context, tx *postgres.Tx, oid uuid.UUID) (OtherMoney, error) {
	of, err := postgres.Rows[shareRow](ctx, tx, `SELECT * FROM other_money_share WHERE other_money_id = ? ORDER BY programme_id`, oid)
	if err != nil {
		return OtherMoney{}, fmt.Errorf("read who has other money: %w", err)
	}
	if len(of) == 0 {
		return OtherMoney{}, ErrNoMoney
	}
	p, err := byID(ctx, tx, id.From[Programme](of[0].ProgrammeID))
	if err != nil {
		return OtherMoney{}, err
	}
	i := slices.IndexFunc(p.Other, func(o OtherMoney) bool { return o.ID == oid })
	return p.Other[i], nil
}

func otherTotal(ctx context.Context, tx *postgres.Tx) (money.Fen, error) {
	sum, err := postgres.Row[struct{ Sum int64 }](ctx, tx, `SELECT coalesce(sum(amount_fen), 0)::bigint AS sum FROM other_money m
		WHERE NOT EXISTS (SELECT FROM other_money_withdrawal w WHERE w.other_money_id = m.id)`)
	if err != nil {
		return 0, fmt.Errorf("sum other money: %w", err)
	}
	return money.Fen(sum.Sum), nil
}

func lock(ctx context.Context, tx *postgres.Tx, pid ID) error {
	n, err := tx.Exec(ctx, `SELECT FROM programme WHERE id = ? FOR UPDATE`, pid)
	switch {
	case err != nil:
		return fmt.Errorf("lock programme %s: %w", pid, err)
	case n == 0:
		return ErrUnknown
	}
	return nil
}

func byID(ctx context.Context, tx *postgres.Tx, pid ID) (Programme, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM programme WHERE id = ?`, pid)
	if err != nil {
		return Programme{}, fmt.Errorf("read programme %s: %w", pid, err)
	}
	if len(rows) == 0 {
		return Programme{}, ErrUnknown
	}
	all, err := whole(ctx, tx, rows)
	if err != nil {
		return Programme{}, err
	}
	return all[0], nil
}

func list(ctx context.Context, tx *postgres.Tx, p page.Request) (page.Of[Programme], error) {
	last, err := before(p)
	if err != nil {
		return page.Of[Programme]{}, err
	}
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM programme WHERE id < ? ORDER BY id DESC LIMIT ?`, last, p.Size()+1)
	if err != nil {
		return page.Of[Programme]{}, fmt.Errorf("list programmes: %w", err)
	}
	all, err := whole(ctx, tx, rows)
	return page.Cut(all, p.Size(), func(p Programme) (string, uuid.UUID) { return "", p.ID.UUID() }), err
}

// before is where a page of newest-first begins.
func before(p page.Request) (uuid.UUID, error) {
	_, last, err := p.After()
	if last == uuid.Nil {
		last = uuid.Max
	}
	return last, err
}

// sharedRow is other money with one programme that has it.
type sharedRow struct {
	ID, OfProgramme, Sharer uuid.UUID
	AmountFen               *int64
	Source, Note            string
	Reason                  *string
	WithdrawnAt             *time.Time
}

// whole puts milestones and other money to programmes.
func whole(ctx context.Context, tx *postgres.Tx, rows []row) ([]Programme, error) {
	all, at, ids := make([]Programme, len(rows)), make(map[uuid.UUID]int, len(rows)), make([]uuid.UUID, len(rows))
	for i, r := range rows {
		all[i], at[r.ID], ids[i] = r.programme(), i, r.ID
	}
	steps, err := postgres.Rows[milestoneRow](ctx, tx, `SELECT * FROM programme_milestone WHERE programme_id = ANY(?::uuid[]) ORDER BY programme_id, n`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read milestones: %w", err)
	}
	for _, r := range steps {
		m := Milestone{Title: r.Title}
		if r.DueOn != nil {
			m.Due = r.DueOn.Format(time.DateOnly)
		}
		p := &all[at[r.ProgrammeID]]
		p.Milestones = append(p.Milestones, m)
	}
	shared, err := postgres.Rows[sharedRow](ctx, tx, `SELECT m.id, m.amount_fen, m.source, m.note, a.programme_id AS of_programme, b.programme_id AS sharer, w.reason, w.withdrawn_at
		FROM other_money_share a JOIN other_money m ON m.id = a.other_money_id JOIN other_money_share b ON b.other_money_id = m.id
		LEFT JOIN other_money_withdrawal w ON w.other_money_id = m.id
		WHERE a.programme_id = ANY(?::uuid[]) ORDER BY a.programme_id, m.id, b.programme_id`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read other money: %w", err)
	}
	for _, r := range shared {
		p := &all[at[r.OfProgramme]]
		if n := len(p.Other); n == 0 || p.Other[n-1].ID != r.ID {
			o := OtherMoney{ID: r.ID, Source: r.Source, Note: r.Note}
			if r.AmountFen != nil {
				o.Amount = money.Fen(*r.AmountFen)
			}
			if r.Reason != nil {
				o.WithdrawnAt, o.Reason = postgres.OrZero(r.WithdrawnAt), *r.Reason
			}
			p.Other = append(p.Other, o)
		}
		last := &p.Other[len(p.Other)-1]
		last.Shared = append(last.Shared, id.From[Programme](r.Sharer))
	}
	return all, nil
}
