package grant

import (
	"context"
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

// row is a row of the table fund_grant.
type row struct {
	ID           uuid.UUID
	ProgrammeID  uuid.UUID
	AmountFen    int64
	PayeeName    string
	PayeeUSCC    string `gorm:"column:payee_uscc"`
	PayeeAccount string
	Kind         *string
	Purpose      string
	Digest       []byte
	State        string
	ProposedBy   uuid.UUID
	ProposedAt   time.Time
	ExpiresAt    time.Time
	CommittedAt  *time.Time
	PeriodID     *uuid.UUID
	DecidedBy    *uuid.UUID
	DecidedAt    *time.Time
	Note         string
}

// TableName is fund_grant.
func (row) TableName() string { return "fund_grant" }

func (r row) grant() Grant {
	g := Grant{
		ID: id.From[Grant](r.ID), Programme: id.From[programme.Programme](r.ProgrammeID), Amount: money.Fen(r.AmountFen),
		Payee: Payee{r.PayeeName, r.PayeeUSCC, r.PayeeAccount}, Purpose: r.Purpose, State: State(r.State), ProposedBy: id.From[identity.Account](r.ProposedBy),
		ProposedAt: r.ProposedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), Note: r.Note,
	}
	copy(g.Digest[:], r.Digest)
	if r.Kind != nil {
		g.Kind = *r.Kind
	}
	g.CommittedAt = postgres.OrZero(r.CommittedAt)
	g.Period = id.FromNull[objection.Period](r.PeriodID)
	g.DecidedBy = id.FromNull[identity.Account](r.DecidedBy)
	g.DecidedAt = postgres.OrZero(r.DecidedAt)
	return g
}

// instalmentRow is a row of the table grant_instalment.
type instalmentRow struct {
	GrantID   uuid.UUID
	N         int
	AmountFen int64
	Milestone int
	Title     string
}

// TableName is grant_instalment.
func (instalmentRow) TableName() string { return "grant_instalment" }

// attachmentRow is a row of the table grant_attachment.
type attachmentRow struct {
	GrantID uuid.UUID
	N       int
	FileID  uuid.UUID
	SHA256  []byte `gorm:"column:sha256"`
}

// TableName is grant_attachment.
func (attachmentRow) TableName() string { return "grant_attachment" }

// approvalRow is a row of the table grant_approval.
type approvalRow struct {
	GrantID    uuid.UUID
	ApprovedBy uuid.UUID
	ProposedBy uuid.UUID
	Digest     []byte
	At         time.Time
	ExpiresAt  time.Time
}

// TableName is grant_approval.
func (approvalRow) TableName() string { return "grant_approval" }

// relationRow is a row of the table grant_relation.
type relationRow struct {
	GrantID    uuid.UUID
	N          int
	Kind       string
	Note       string
	Own        bool
	DeclaredBy *uuid.UUID
	At         time.Time
}

// TableName is grant_relation.
func (relationRow) TableName() string { return "grant_relation" }

func insert(ctx context.Context, tx *postgres.Tx, g Grant) error {
	err := postgres.On[row](tx).Create(ctx, row{
		ID: g.ID.UUID(), ProgrammeID: g.Programme.UUID(), AmountFen: int64(g.Amount), PayeeName: g.Payee.Name, PayeeUSCC: g.Payee.USCC,
		PayeeAccount: g.Payee.Account, Kind: &g.Kind, Purpose: g.Purpose, Digest: g.Digest[:], State: string(g.State), ProposedBy: g.ProposedBy.UUID(),
		ProposedAt: g.ProposedAt, ExpiresAt: g.ExpiresAt,
	})
	for i, p := range g.Instalments {
		if err == nil {
			err = postgres.On[instalmentRow](tx).Create(ctx, instalmentRow{g.ID.UUID(), i + 1, int64(p.Amount), p.Milestone, p.Title})
		}
	}
	for i, d := range g.Attachments {
		if err == nil {
			err = postgres.On[attachmentRow](tx).Create(ctx, attachmentRow{g.ID.UUID(), i + 1, d.File.UUID(), d.SHA256[:]})
		}
	}
	if err != nil {
		return fmt.Errorf("propose a grant: %w", err)
	}
	return insertRelations(ctx, tx, g)
}

// insertRelations writes down the relations that are not yet.
func insertRelations(ctx context.Context, tx *postgres.Tx, g Grant) error {
	for i, r := range g.Relations[g.kept:] {
		made := relationRow{GrantID: g.ID.UUID(), N: g.kept + i + 1, Kind: r.Kind, Note: r.Note, Own: r.Own, At: tx.Now}
		if !r.DeclaredBy.IsZero() {
			by := r.DeclaredBy.UUID()
			made.DeclaredBy = &by
		}
		if err := postgres.On[relationRow](tx).Create(ctx, made); err != nil {
			return fmt.Errorf("write down who is related to grant %s: %w", g.ID, err)
		}
	}
	return nil
}

func insertApproval(ctx context.Context, tx *postgres.Tx, g Grant, a Approval) error {
	err := postgres.On[approvalRow](tx).Create(ctx, approvalRow{g.ID.UUID(), a.By.UUID(), g.ProposedBy.UUID(), g.Digest[:], a.At, a.ExpiresAt})
	if err != nil {
		return fmt.Errorf("approve grant %s: %w", g.ID, err)
	}
	return nil
}

func save(ctx context.Context, tx *postgres.Tx, g Grant) error {
	var committed, decided *time.Time
	if !g.CommittedAt.IsZero() {
		committed = &g.CommittedAt
	}
	if !g.DecidedAt.IsZero() {
		decided = &g.DecidedAt
	}
	_, err := tx.Exec(ctx, `UPDATE fund_grant SET state = ?, committed_at = ?, period_id = ?, decided_by = ?, decided_at = ?, note = ? WHERE id = ?`,
		string(g.State), committed, g.Period, g.DecidedBy, decided, g.Note, g.ID)
	if err != nil {
		return fmt.Errorf("decide on grant %s: %w", g.ID, err)
	}
	return nil
}

func lock(ctx context.Context, tx *postgres.Tx, gid ID) error {
	if _, err := tx.Exec(ctx, `SELECT FROM fund_grant WHERE id = ? FOR UPDATE`, gid); err != nil {
		return fmt.Errorf("lock grant %s: %w", gid, err)
	}
	return nil
}

// committed are the grants of a programme that are promised and may not be paid yet.
func committed(ctx context.Context, tx *postgres.Tx, pid programme.ID) ([]uuid.UUID, error) {
	rows, err := postgres.Rows[struct{ ID uuid.UUID }](ctx, tx, `SELECT id FROM fund_grant WHERE programme_id = ? AND state = 'committed'`, pid)
	if err != nil {
		return nil, fmt.Errorf("read the grants of programme %s: %w", pid, err)
	}
	all := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		all[i] = r.ID
	}
	return all, nil
}

// found are the enterprises of the shop that are the payee, or are called like him.
func found(ctx context.Context, tx *postgres.Tx, p Payee) ([]Relation, error) {
	rows, err := postgres.Rows[struct{ Code, ShortName string }](ctx, tx,
		`SELECT code, short_name FROM merchant WHERE ? IN (legal_name, short_name) OR (? <> '' AND uscc = ?) ORDER BY code`, p.Name, p.USCC, p.USCC)
	if err != nil {
		return nil, fmt.Errorf("look for the payee among the enterprises: %w", err)
	}
	var all []Relation
	for _, r := range rows {
		all = append(all, Relation{Kind: "enterprise", Note: "平台企业 " + r.Code + " " + r.ShortName, At: tx.Now})
	}
	return all, nil
}

func byID(ctx context.Context, tx *postgres.Tx, gid ID) (Grant, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM fund_grant WHERE id = ?`, gid)
	if err != nil {
		return Grant{}, fmt.Errorf("read grant %s: %w", gid, err)
	}
	if len(rows) == 0 {
		return Grant{}, ErrUnknown
	}
	all, err := whole(ctx, tx, rows)
	if err != nil {
		return Grant{}, err
	}
	return all[0], nil
}

// List are the grants in a state ("" is any), the newest first, as part of tx.
func List(ctx context.Context, tx *postgres.Tx, state State, p page.Request) (page.Of[Grant], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Grant]{}, err
	}
	if last == uuid.Nil {
		last = uuid.Max
	}
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM fund_grant WHERE (? = '' OR state = ?) AND id < ? ORDER BY id DESC LIMIT ?`,
		string(state), string(state), last, p.Size()+1)
	return pageOf(ctx, tx, rows, p, err)
}

// Promised are the grants that were ever committed, the newest first, as part of tx; of one
// programme unless it is zero.
func Promised(ctx context.Context, tx *postgres.Tx, pid programme.ID, p page.Request) (page.Of[Grant], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Grant]{}, err
	}
	if last == uuid.Nil {
		last = uuid.Max
	}
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM fund_grant WHERE committed_at IS NOT NULL AND (?::uuid IS NULL OR programme_id = ?) AND id < ? ORDER BY id DESC LIMIT ?`,
		pid, pid, last, p.Size()+1)
	return pageOf(ctx, tx, rows, p, err)
}

func pageOf(ctx context.Context, tx *postgres.Tx, rows []row, p page.Request, err error) (page.Of[Grant], error) {
	if err != nil {
		return page.Of[Grant]{}, fmt.Errorf("list grants: %w", err)
	}
	all, err := whole(ctx, tx, rows)
	return page.Cut(all, p.Size(), func(g Grant) (string, uuid.UUID) { return "", g.ID.UUID() }), err
}

// whole puts instalments, attachments, approvals and relations to grants.
func whole(ctx context.Context, tx *postgres.Tx, rows []row) ([]Grant, error) {
	all, at, ids := make([]Grant, len(rows)), make(map[uuid.UUID]*Grant, len(rows)), make([]uuid.UUID, len(rows))
	for i, r := range rows {
		all[i], ids[i] = r.grant(), r.ID
		at[r.ID] = &all[i]
	}
	parts, err := postgres.Rows[instalmentRow](ctx, tx, `SELECT * FROM grant_instalment WHERE grant_id = ANY(?::uuid[]) ORDER BY grant_id, n`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read instalments: %w", err)
	}
	for _, r := range parts {
		at[r.GrantID].Instalments = append(at[r.GrantID].Instalments, Instalment{money.Fen(r.AmountFen), r.Milestone, r.Title})
	}
	papers, err := postgres.Rows[attachmentRow](ctx, tx, `SELECT * FROM grant_attachment WHERE grant_id = ANY(?::uuid[]) ORDER BY grant_id, n`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read attachments: %w", err)
	}
	for _, r := range papers {
		d := file.Digest{File: id.From[file.File](r.FileID)}
		copy(d.SHA256[:], r.SHA256)
		at[r.GrantID].Attachments = append(at[r.GrantID].Attachments, d)
	}
	words, err := postgres.Rows[approvalRow](ctx, tx, `SELECT * FROM grant_approval WHERE grant_id = ANY(?::uuid[]) ORDER BY grant_id, at, approved_by`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read approvals: %w", err)
	}
	for _, r := range words {
		at[r.GrantID].Approvals = append(at[r.GrantID].Approvals, Approval{id.From[identity.Account](r.ApprovedBy), r.At.UTC(), r.ExpiresAt.UTC()})
	}
	relations, err := postgres.Rows[relationRow](ctx, tx, `SELECT * FROM grant_relation WHERE grant_id = ANY(?::uuid[]) ORDER BY grant_id, n`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read relations: %w", err)
	}
	for _, r := range relations {
		made := Relation{Kind: r.Kind, Note: r.Note, Own: r.Own, At: r.At.UTC()}
		made.DeclaredBy = id.FromNull[identity.Account](r.DeclaredBy)
		g := at[r.GrantID]
		g.Relations, g.kept = append(g.Relations, made), g.kept+1
	}
	return all, nil
}
