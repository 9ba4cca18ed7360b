package disbursement

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// row is a row of the table disbursement.
type row struct {
	ID            uuid.UUID
	GrantID       uuid.UUID
	ProposedBy    uuid.UUID
	Kind          string
	Instalment    *int
	AmountFen     int64
	Reason        string
	BankReference string
	Digest        []byte
	State         string
	RequestedBy   uuid.UUID
	RequestedAt   time.Time
	ApprovedBy    *uuid.UUID
	ApprovedAt    *time.Time
	ExpiresAt     *time.Time
	ExecutedBy    *uuid.UUID
	ExecutedAt    *time.Time
	DecidedBy     *uuid.UUID
	Note          string
}

// TableName is disbursement.
func (row) TableName() string { return "disbursement" }

// evidenceRow is a row of the table disbursement_evidence.
type evidenceRow struct {
	DisbursementID uuid.UUID
	N              int
	FileID         uuid.UUID
	SHA256         []byte `gorm:"column:sha256"`
}

// TableName is disbursement_evidence.
func (evidenceRow) TableName() string { return "disbursement_evidence" }

func (r row) disbursement() Disbursement {
	d := Disbursement{
		ID: id.From[Disbursement](r.ID), Grant: id.From[grant.Grant](r.GrantID), ProposedBy: id.From[identity.Account](r.ProposedBy), Kind: Kind(r.Kind),
		Amount: money.Fen(r.AmountFen), Reason: r.Reason, Reference: r.BankReference, State: State(r.State), RequestedBy: id.From[identity.Account](r.RequestedBy),
		RequestedAt: r.RequestedAt.UTC(), ApprovedBy: id.FromNull[identity.Account](r.ApprovedBy), ApprovedAt: postgres.OrZero(r.ApprovedAt), ExpiresAt: postgres.OrZero(r.ExpiresAt),
		ExecutedBy: id.FromNull[identity.Account](r.ExecutedBy), ExecutedAt: postgres.OrZero(r.ExecutedAt), DecidedBy: id.FromNull[identity.Account](r.DecidedBy), Note: r.Note,
	}
	copy(d.Digest[:], r.Digest)
	if r.Instalment != nil {
		d.Instalment = *r.Instalment
	}
	return d
}

func insert(ctx context.Context, tx *postgres.Tx, d Disbursement) error {
	r := row{
		ID: d.ID.UUID(), GrantID: d.Grant.UUID(), ProposedBy: d.ProposedBy.UUID(), Kind: string(d.Kind), AmountFen: int64(d.Amount), Reason: d.Reason,
		BankReference: d.Reference, Digest: d.Digest[:], State: string(d.State), RequestedBy: d.RequestedBy.UUID(), RequestedAt: d.RequestedAt,
	}
	if d.Instalment > 0 {
		r.Instalment = &d.Instalment
	}
	err := postgres.On[row](tx).Create(ctx, r)
	switch {
	case postgres.Violates(err, "disbursement_one_for_an_instalment"):
		return ErrTwice
	case postgres.Violates(err, "disbursement_comes_back_once"):
		return ErrReturned
	}
	for i, e := range d.Evidence {
		if err == nil {
			err = postgres.On[evidenceRow](tx).Create(ctx, evidenceRow{d.ID.UUID(), i + 1, e.File.UUID(), e.SHA256[:]})
		}
	}
	if err != nil {
		return fmt.Errorf("ask for a disbursement of grant %s: %w", d.Grant, err)
	}
	return nil
}

func save(ctx context.Context, tx *postgres.Tx, d Disbursement) error {
	_, err := tx.Exec(ctx, `UPDATE disbursement SET state = ?, bank_reference = ?, approved_by = ?, approved_at = ?, expires_at = ?, executed_by = ?,
		executed_at = ?, decided_by = ?, note = ? WHERE id = ?`, string(d.State), d.Reference, d.ApprovedBy, postgres.OrNull(d.ApprovedAt), postgres.OrNull(d.ExpiresAt),
		d.ExecutedBy, postgres.OrNull(d.ExecutedAt), d.DecidedBy, d.Note, d.ID)
	if postgres.Violates(err, "disbursement_pays_once") {
		return ErrPaidBefore
	}
	if err != nil {
		return fmt.Errorf("decide on disbursement %s: %w", d.ID, err)
	}
	return nil
}

func byID(ctx context.Context, tx *postgres.Tx, did ID) (Disbursement, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM disbursement WHERE id = ?`, did)
	if err != nil {
		return Disbursement{}, fmt.Errorf("read disbursement %s: %w", did, err)
	}
	if len(rows) == 0 {
		return Disbursement{}, ErrUnknown
	}
	all, err := whole(ctx, tx, rows)
	if err != nil {
		return Disbursement{}, err
	}
	return all[0], nil
}

// of are all of these grants, in their order.
func of(ctx context.Context, tx *postgres.Tx, grants []uuid.UUID) ([]Disbursement, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM disbursement WHERE grant_id = ANY(?::uuid[]) ORDER BY id`, postgres.Array(grants))
	if err != nil {
		return nil, fmt.Errorf("read disbursements: %w", err)
	}
	return whole(ctx, tx, rows)
}

func list(ctx context.Context, tx *postgres.Tx, state State, p page.Request) (page.Of[Disbursement], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Disbursement]{}, err
	}
	if last == uuid.Nil {
		last = uuid.Max
	}
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM disbursement WHERE (? = '' OR state = ?) AND id < ? ORDER BY id DESC LIMIT ?`,
		string(state), string(state), last, p.Size()+1)
	if err != nil {
		return page.Of[Disbursement]{}, fmt.Errorf("list disbursements: %w", err)
	}
	all, err := whole(ctx, tx, rows)
	return page.Cut(all, p.Size(), func(d Disbursement) (string, uuid.UUID) { return "", d.ID.UUID() }), err
}

// whole puts evidence to disbursements.
func whole(ctx context.Context, tx *postgres.Tx, rows []row) ([]Disbursement, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	all, at, ids := make([]Disbursement, len(rows)), make(map[uuid.UUID]int, len(rows)), make([]uuid.UUID, len(rows))
	for i, r := range rows {
		all[i], at[r.ID], ids[i] = r.disbursement(), i, r.ID
	}
	shown, err := postgres.Rows[evidenceRow](ctx, tx, `SELECT * FROM disbursement_evidence WHERE disbursement_id = ANY(?::uuid[]) ORDER BY disbursement_id, n`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read evidence: %w", err)
	}
	for _, r := range shown {
		e := file.Digest{File: id.From[file.File](r.FileID)}
		copy(e.SHA256[:], r.SHA256)
		all[at[r.DisbursementID]].Evidence = append(all[at[r.DisbursementID]].Evidence, e)
	}
	return all, nil
}
