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
	ReviewedAt           time.Time
	NextReviewDue        time.Time
	UpdatedAt            time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is merchant.
func (merchantRow) TableName() string { return "merchant" }

// licenceRow is a row of the table licence.
type licenceRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	Kind       string    `gorm:"primaryKey"`
	Number     string    `gorm:"primaryKey"`
	ExpiresOn  time.Time `gorm:"primaryKey"`
	FiledAt    time.Time
}

// TableName is licence.
func (licenceRow) TableName() string { return "licence" }

// withLicences is an enterprise with its licences as a JSON array.
type withLicences struct {
	Row      merchantRow `gorm:"embedded"`
	Licences []byte
}

// selection reads enterprises m with their licences in one statement.
const selection = `SELECT m.*, coalesce((SELECT jsonb_agg(jsonb_build_object('Kind', l.kind, 'No', l.number, 'ExpiresOn', l.expires_on))
	FROM licence l WHERE l.merchant_id = m.id), '[]') AS licences FROM merchant m `

func toRow(m Merchant, now time.Time) merchantRow {
	return merchantRow{
		ID: m.ID.UUID(), Code: m.Code, LegalName: m.LegalName, ShortName: m.ShortName, EntityType: m.EntityType,
		Fictional: m.Fictional, Region: m.Region, Township: m.Township, USCC: m.USCC, Brands: texts(m.Brands), State: string(m.State),
		RecommendationNo: m.RecommendationNo, RecommendedOn: day(m.RecommendedOn),
		AgreementNo: m.AgreementNo, AgreementSignedOn: day(m.AgreementSignedOn), LicensedUntil: m.LicensedUntil.Time(),
		LinkageModes: texts(m.Linkage.Modes), LinkedHouseholds: m.Linkage.Households, LinkedPoorHouseholds: m.Linkage.PoorHouseholds,
		EmployedPoorPersons: m.Linkage.Employed, LandTransferMu: m.Linkage.LandMu, PurchaseAgreements: m.Linkage.PurchaseAgreements,
		DividendsFen: int64(m.Linkage.Dividends), LinkageEvidence: texts(m.Linkage.Evidence),
		EnrolledAt: m.EnrolledAt, ReviewedAt: m.ReviewedAt, NextReviewDue: m.NextReviewDue.Time(), UpdatedAt: now,
	}
}

func (r withLicences) merchant() (Merchant, error) {
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
		EnrolledAt: w.EnrolledAt.UTC(), ReviewedAt: w.ReviewedAt.UTC(), NextReviewDue: date(&w.NextReviewDue),
	}
	err := errors.Join(json.Unmarshal(w.Brands, &m.Brands), json.Unmarshal(w.LinkageModes, &m.Linkage.Modes),
		json.Unmarshal(w.LinkageEvidence, &m.Linkage.Evidence), json.Unmarshal(r.Licences, &m.Licences))
	if err != nil {
		return m, fmt.Errorf("read enterprise %s: %w", m.ID, err)
	}
	sortLicences(m.Licences)
	return m, nil
}

func places(ctx context.Context, tx *postgres.Tx, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	rows, err := postgres.Rows[merchantRow](ctx, tx, `SELECT id, township FROM merchant WHERE id = ANY(?::uuid[])`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read where enterprises are: %w", err)
	}
	out := make(map[uuid.UUID]string, len(rows))
	for _, r := range rows {
		out[r.ID] = r.Township
	}
	return out, nil
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

func insertLicence(ctx context.Context, tx *postgres.Tx, m ID, l Licence) error {
	err := postgres.On[licenceRow](tx).Create(ctx, licenceRow{
		MerchantID: m.UUID(), Kind: l.Kind, Number: l.No, ExpiresOn: l.ExpiresOn.Time(), FiledAt: tx.Now,
	})
	if err != nil {
		return fmt.Errorf("file a licence of %s: %w", m, err)
	}
	return nil
}

// update writes what changes in an enterprise's life: state, licences, review.
func update(ctx context.Context, tx *postgres.Tx, m Merchant) error {
	_, err := postgres.On[merchantRow](tx).Where("id = ?", m.ID.UUID()).
		Select("State", "LicensedUntil", "ReviewedAt", "NextReviewDue", "UpdatedAt").Updates(ctx, toRow(m, tx.Now))
	if err != nil {
		return fmt.Errorf("update enterprise %s: %w", m.ID, err)
	}
	return nil
}

func byID(ctx context.Context, tx *postgres.Tx, m ID) (Merchant, error) {
	r, err := postgres.Row[withLicences](ctx, tx, selection+`WHERE m.id = ?`, m.UUID())
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

func list(ctx context.Context, tx *postgres.Tx, p page.Request) (page.Of[Merchant], error) {
	code, last, err := p.After()
	if err != nil {
		return page.Of[Merchant]{}, err
	}
	rows, err := postgres.Rows[withLicences](ctx, tx, selection+`WHERE (m.code, m.id) > (?, ?) ORDER BY m.code, m.id LIMIT ?`,
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

// texts writes a list as a JSON array.
func texts(list []string) []byte {
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
