package merchant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// merchantRow is a row of the table merchant.
type merchantRow struct {
	ID                   uuid.UUID `gorm:"primaryKey"`
	Code                 string
	LegalName            string
	ShortName            string
	EntityType           string
	Fictional            bool
	Region               string
	Township             string
	USCC                 string `gorm:"column:uscc"`
	Brands               []byte // jsonb array
	State                string
	RecommendationNo     string
	RecommendedOn        *time.Time
	AgreementNo          string
	AgreementSignedOn    *time.Time
	LicensedUntil        time.Time
	LinkageModes         []byte // jsonb array
	LinkedHouseholds     int64
	LinkedPoorHouseholds int64
	EmployedPoorPersons  int64
	LandTransferMu       int64
	PurchaseAgreements   int64
	DividendsFen         int64
	LinkageEvidence      []byte // jsonb array
	EnrolledAt           time.Time
	VerifiedAt           time.Time
	ReverificationDue    time.Time
	UpdatedAt            time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is merchant.
func (merchantRow) TableName() string { return "merchant" }

// wholeRow is an enterprise with its licences and sanctions as JSON arrays.
type wholeRow struct {
	Row       merchantRow `gorm:"embedded"`
	Licences  []byte
	Sanctions []byte
}

// selection reads enterprises m, with what the public may know of their licences and
// sanctions, in one statement.
const selection = `SELECT m.*,
	(SELECT jsonb_agg(jsonb_build_object('Kind', l.kind, 'No', l.number, 'IssuedOn', coalesce(l.issued_on::text, ''), 'ExpiresOn', l.expires_on,
		'ProductKinds', nullif(l.product_kinds, '[]'), 'Files', nullif(l.files, '[]')))
	 FROM licence_held l WHERE l.merchant_id = m.id) AS licences,
	(SELECT jsonb_agg(jsonb_build_object('ID', s.id, 'Kind', s.kind, 'NoticeZH', s.notice_zh, 'NoticeEN', s.notice_en, 'Since', s.since) ORDER BY s.id)
	 FROM sanction s WHERE s.merchant_id = m.id) AS sanctions
	FROM merchant m `

func toRow(m Merchant, now time.Time) merchantRow {
	return merchantRow{
		ID: m.ID.UUID(), Code: m.Code, LegalName: m.LegalName, ShortName: m.ShortName, EntityType: m.EntityType,
		Fictional: m.Fictional, Region: m.Region, Township: m.Township, USCC: m.USCC, Brands: texts(m.Brands), State: string(m.State),
		RecommendationNo: m.RecommendationNo, RecommendedOn: day(m.RecommendedOn),
		AgreementNo: m.AgreementNo, AgreementSignedOn: day(m.AgreementSignedOn), LicensedUntil: m.LicensedUntil.Time(),
		LinkageModes: texts(m.Linkage.Modes), LinkedHouseholds: m.Linkage.Households, LinkedPoorHouseholds: m.Linkage.PoorHouseholds,
		EmployedPoorPersons: m.Linkage.Employed, LandTransferMu: m.Linkage.LandMu, PurchaseAgreements: m.Linkage.PurchaseAgreements,
		DividendsFen: int64(m.Linkage.Dividends), LinkageEvidence: texts(m.Linkage.Evidence),
		EnrolledAt: m.EnrolledAt, VerifiedAt: m.VerifiedAt, ReverificationDue: m.ReverificationDue.Time(), UpdatedAt: now,
	}
}

func (r wholeRow) merchant() (Merchant, error) {
	w := r.Row
	m := Merchant{
		ID: id.From[Merchant](w.ID), Code: w.Code, LegalName: w.LegalName, ShortName: w.ShortName, EntityType: w.EntityType,
		Fictional: w.Fictional, Region: w.Region, Township: w.Township, USCC: w.USCC, State: State(w.State),
		RecommendationNo: w.RecommendationNo, RecommendedOn: date(w.RecommendedOn),
		AgreementNo: w.AgreementNo, AgreementSignedOn: date(w.AgreementSignedOn), LicensedUntil: date(&w.LicensedUntil),
		Linkage: Linkage{
			Households: w.LinkedHouseholds, PoorHouseholds: w.LinkedPoorHouseholds, Employed: w.EmployedPoorPersons,
			LandMu: w.LandTransferMu, PurchaseAgreements: w.PurchaseAgreements, Dividends: money.Fen(w.DividendsFen),
		},
		EnrolledAt: w.EnrolledAt.UTC(), VerifiedAt: w.VerifiedAt.UTC(), ReverificationDue: date(&w.ReverificationDue),
	}
	err := errors.Join(json.Unmarshal(w.Brands, &m.Brands), json.Unmarshal(w.LinkageModes, &m.Linkage.Modes),
		json.Unmarshal(w.LinkageEvidence, &m.Linkage.Evidence), list(r.Licences, &m.Licences), list(r.Sanctions, &m.Sanctions))
	if err != nil {
		return m, fmt.Errorf("read enterprise %s: %w", m.ID, err)
	}
	sortLicences(m.Licences)
	for i := range m.Sanctions {
		m.Sanctions[i].Since = m.Sanctions[i].Since.UTC()
	}
	return m, nil
}

// list reads a JSON array that may be NULL.
func list(js []byte, into any) error {
	if len(js) == 0 {
		return nil
	}
	return json.Unmarshal(js, into)
}

func insert(ctx context.Context, tx *postgres.Tx, m Merchant) error {
	r := toRow(m, tx.Now)
	err := postgres.On[merchantRow](tx).Create(ctx, r)
	for _, constraint := range []string{"merchant_pkey", "merchant_code_key", "merchant_uscc_key"} {
		if postgres.Violates(err, constraint) {
			return ErrEnrolled.With("%s", m.Code)
		}
	}
	if err != nil {
		return fmt.Errorf("enrol %s: %w", m.Code, err)
	}
	return nil
}

// Enrolled reports whether an enterprise with this credit code is here, whatever
// state it is in.
func Enrolled(ctx context.Context, tx *postgres.Tx, uscc string) (bool, error) {
	n, err := postgres.On[merchantRow](tx).Where("uscc = ?", uscc).Count(ctx)
	if err != nil {
		return false, fmt.Errorf("look for an enterprise: %w", err)
	}
	return n > 0, nil
}

// NextCode is the code of the next enterprise, "E14": until the end of tx nobody
// else gets it.
func NextCode(ctx context.Context, tx *postgres.Tx) (string, error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('merchant.code'))`); err != nil {
		return "", fmt.Errorf("wait for a code: %w", err)
	}
	last, err := postgres.Row[struct{ N int }](ctx, tx,
		`SELECT coalesce(max(substr(code, 2)::integer), 0) AS n FROM merchant WHERE code ~ '^E[0-9]{1,6}$'`)
	if err != nil {
		return "", fmt.Errorf("look for a code: %w", err)
	}
	return fmt.Sprintf("E%02d", last.N+1), nil
}

// update writes what changes in an enterprise's life: state, licences, verification.
func update(ctx context.Context, tx *postgres.Tx, m Merchant) error {
	_, err := postgres.On[merchantRow](tx).Where("id = ?", m.ID.UUID()).
		Select("State", "LicensedUntil", "VerifiedAt", "ReverificationDue", "UpdatedAt").Updates(ctx, toRow(m, tx.Now))
	if err != nil {
		return fmt.Errorf("update enterprise %s: %w", m.ID, err)
	}
	return nil
}

func byID(ctx context.Context, tx *postgres.Tx, m ID) (Merchant, error) {
	r, err := postgres.Row[wholeRow](ctx, tx, selection+`WHERE m.id = ?`, m.UUID())
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Merchant{}, ErrUnknown
	case err != nil:
		return Merchant{}, fmt.Errorf("read enterprise %s: %w", m, err)
	}
	return r.merchant()
}

// lock is byID, and keeps the enterprise from changing until the end of tx. It
// locks in a statement of its own: one that waited for the lock would still see
// the licences of before.
func lock(ctx context.Context, tx *postgres.Tx, m ID) (Merchant, error) {
	if _, err := tx.Exec(ctx, `SELECT FROM merchant WHERE id = ? FOR UPDATE`, m.UUID()); err != nil {
		return Merchant{}, fmt.Errorf("lock enterprise %s: %w", m, err)
	}
	return byID(ctx, tx, m)
}

func enterprises(ctx context.Context, tx *postgres.Tx, p page.Request) (page.Of[Merchant], error) {
	code, last, err := p.After()
	if err != nil {
		return page.Of[Merchant]{}, err
	}
	rows, err := postgres.Rows[wholeRow](ctx, tx, selection+`WHERE (m.code, m.id) > (?, ?) ORDER BY m.code, m.id LIMIT ?`,
		code, last, p.Size()+1)
	if err != nil {
		return page.Of[Merchant]{}, fmt.Errorf("list enterprises: %w", err)
	}
	out := make([]Merchant, len(rows))
	for i, r := range rows {
		if out[i], err = r.merchant(); err != nil {
			return page.Of[Merchant]{}, err
		}
	}
	return page.Cut(out, p.Size(), Merchant.key), nil
}

// texts writes a list of words or ids as a JSON array.
func texts[T any](list []T) []byte {
	if list == nil {
		return []byte("[]")
	}
	js, err := json.Marshal(list)
	if err != nil {
		return []byte("[]") // texts can always be written
	}
	return js
}

// day is NULL for no day.
func day(d Date) *time.Time {
	if d == "" {
		return nil
	}
	t := d.Time()
	return &t
}

func date(t *time.Time) Date {
	if t == nil {
		return ""
	}
	return Date(t.Format(time.DateOnly))
}
