package onboarding

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// applicationRow is a row of the table application.
type applicationRow struct {
	ID                uuid.UUID `gorm:"primaryKey"`
	ApplicantID       uuid.UUID
	State             string
	Version, Round    int
	Region            string
	USCC              string `gorm:"column:uscc"`
	LegalName         string
	Content, Contacts []byte // jsonb
	MerchantID        uuid.UUID
	Code, AgreementNo string
	RecommendationNo  string
	RecommendedBy     *uuid.UUID
	RecommendedAt     *time.Time
	ApprovedBy        *uuid.UUID
	ApprovedAt        *time.Time
	SubmittedAt       *time.Time
	CreatedAt         time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt         time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is application.
func (applicationRow) TableName() string { return "application" }

// eventRow is a row of the table application_event.
type eventRow struct {
	ApplicationID               uuid.UUID `gorm:"primaryKey"`
	N                           int       `gorm:"primaryKey;autoIncrement:false"`
	At                          time.Time
	ActorID                     uuid.UUID
	Side, Action, State, Reason string
	Round                       int
}

// TableName is application_event.
func (eventRow) TableName() string { return "application_event" }

// itemRow is a row of the table application_item.
type itemRow struct {
	ApplicationID                   uuid.UUID `gorm:"primaryKey"`
	Round                           int       `gorm:"primaryKey;autoIncrement:false"`
	N                               int       `gorm:"primaryKey;autoIncrement:false"`
	Side, Pointer, Problem, Message string
}

// TableName is application_item.
func (itemRow) TableName() string { return "application_item" }

// acceptanceRow is a row of the table agreement_acceptance.
type acceptanceRow struct {
	ApplicationID  uuid.UUID `gorm:"primaryKey"`
	AgreementNo    string
	Version        int
	SHA256         []byte `gorm:"column:sha256"`
	AccountID      uuid.UUID
	Name, Position string
	At             time.Time
}

// TableName is agreement_acceptance.
func (acceptanceRow) TableName() string { return "agreement_acceptance" }

// agreementRow is a row of the table levy_agreement.
type agreementRow struct {
	Version           int `gorm:"primaryKey;autoIncrement:false"`
	EffectiveFrom     time.Time
	Title, Body       string
	SHA256            []byte `gorm:"column:sha256"`
	Sample            bool
	LevyBP            int `gorm:"column:levy_bp"`
	BeneficiaryRegion string
	EntryFeeFen       int64
	CommissionBP      int `gorm:"column:commission_bp"`
}

// TableName is levy_agreement.
func (agreementRow) TableName() string { return "levy_agreement" }

func toRow(a Application, now time.Time) (applicationRow, error) {
	content, err := json.Marshal(a.Draft)
	if err != nil {
		return applicationRow{}, fmt.Errorf("write application %s: %w", a.ID, err)
	}
	contacts := []byte("[]")
	if len(a.Contacts) > 0 {
		if contacts, err = json.Marshal(a.Contacts); err != nil {
			return applicationRow{}, fmt.Errorf("write the contacts of application %s: %w", a.ID, err)
		}
	}
	return applicationRow{
		ID: a.ID.UUID(), ApplicantID: a.Applicant.UUID(), State: string(a.State), Version: a.Version, Round: a.Round,
		Region: a.Entity.Region, USCC: a.Entity.USCC, LegalName: a.Entity.LegalName, Content: content, Contacts: contacts,
		MerchantID: a.Merchant.UUID(), Code: a.Code, AgreementNo: a.AgreementNo, RecommendationNo: a.RecommendationNo,
		RecommendedBy: optional(a.RecommendedBy.UUID()), RecommendedAt: optional(a.RecommendedAt),
		ApprovedBy: optional(a.ApprovedBy.UUID()), ApprovedAt: optional(a.ApprovedAt),
		SubmittedAt: optional(a.SubmittedAt), CreatedAt: a.CreatedAt, UpdatedAt: now,
	}, nil
}

func (r applicationRow) application() (Application, error) {
	a := Application{
		ID: id.From[Application](r.ID), Applicant: id.From[identity.Account](r.ApplicantID), State: State(r.State), Version: r.Version, Round: r.Round,
		Given:            Given{Merchant: id.From[merchant.Merchant](r.MerchantID), Code: r.Code, AgreementNo: r.AgreementNo},
		RecommendationNo: r.RecommendationNo, RecommendedBy: id.From[identity.Account](value(r.RecommendedBy)), RecommendedAt: value(r.RecommendedAt).UTC(),
		ApprovedBy: id.From[identity.Account](value(r.ApprovedBy)), ApprovedAt: value(r.ApprovedAt).UTC(),
		SubmittedAt: value(r.SubmittedAt).UTC(), CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
	if err := errors.Join(json.Unmarshal(r.Content, &a.Draft), json.Unmarshal(r.Contacts, &a.Contacts)); err != nil {
		return a, fmt.Errorf("read application %s: %w", a.ID, err)
	}
	return a, nil
}

func insert(ctx context.Context, tx *postgres.Tx, a Application) error {
	r, err := toRow(a, tx.Now)
	if err != nil {
		return err
	}
	return written(postgres.On[applicationRow](tx).Create(ctx, r))
}

// update writes what an action may change, but for the draft.
func update(ctx context.Context, tx *postgres.Tx, a Application) error {
	r, err := toRow(a, tx.Now)
	if err != nil {
		return err
	}
	_, err = postgres.On[applicationRow](tx).Where("id = ?", r.ID).
		Select("State", "Round", "Code", "AgreementNo", "RecommendationNo", "RecommendedBy", "RecommendedAt",
			"ApprovedBy", "ApprovedAt", "SubmittedAt", "UpdatedAt").Updates(ctx, r)
	return written(err)
}

func updateDraft(ctx context.Context, tx *postgres.Tx, a Application) error {
	r, err := toRow(a, tx.Now)
	if err != nil {
		return err
	}
	_, err = postgres.On[applicationRow](tx).Where("id = ?", r.ID).
		Select("Version", "Region", "USCC", "LegalName", "Content", "Contacts").Updates(ctx, r)
	return written(err)
}

// written gives constraints their faults.
func written(err error) error {
	switch {
	case err == nil:
		return nil
	case postgres.Violates(err, "application_open_uscc"):
		return orTaken(nil)
	case postgres.Violates(err, "application_content_size"):
		return ErrTooLarge
	case postgres.Violates(err, "application_four_eyes"):
		return ErrFourEyes
	}
	return fmt.Errorf("write an application: %w", err)
}

func byID(ctx context.Context, tx *postgres.Tx, a ID) (Application, error) {
	r, err := postgres.On[applicationRow](tx).Where("id = ?", a.UUID()).Take(ctx)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Application{}, ErrUnknown
	case err != nil:
		return Application{}, fmt.Errorf("read application %s: %w", a, err)
	}
	return r.application()
}

// lock is byID, and keeps the application from changing until the end of tx.
func lock(ctx context.Context, tx *postgres.Tx, a ID) (Application, error) {
	if _, err := tx.Exec(ctx, `SELECT FROM application WHERE id = ? FOR UPDATE`, a.UUID()); err != nil {
		return Application{}, fmt.Errorf("lock application %s: %w", a, err)
	}
	return byID(ctx, tx, a)
}

// filter chooses applications: those of an applicant, or else no drafts, of regions
// (nil: of all), in a state ("": in any).
type filter struct {
	applicant identity.ID
	regions   []string
	state     State
}

func list(ctx context.Context, tx *postgres.Tx, p page.Request, f filter) (page.Of[Application], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Application]{}, err
	}
	q := postgres.On[applicationRow](tx).Order("id DESC").Limit(p.Size() + 1)
	if last != uuid.Nil {
		q = q.Where("id < ?", last)
	}
	if !f.applicant.IsZero() {
		q = q.Where("applicant_id = ?", f.applicant.UUID())
	} else {
		q = q.Where("state <> 'draft'")
	}
	if f.regions != nil {
		q = q.Where("region = ANY(?::text[])", postgres.Array(f.regions))
	}
	if f.state != "" {
		q = q.Where("state = ?", string(f.state))
	}
	rows, err := q.Find(ctx)
	if err != nil {
		return page.Of[Application]{}, fmt.Errorf("list applications: %w", err)
	}
	out := make([]Application, len(rows))
	for i, r := range rows {
		if out[i], err = r.application(); err != nil {
			return page.Of[Application]{}, err
		}
	}
	return page.Cut(out, p.Size(), func(a Application) (string, uuid.UUID) { return "", a.ID.UUID() }), nil
}

// insertEvent adds to the history of an application that is held.
func insertEvent(ctx context.Context, tx *postgres.Tx, a Application, e Event) error {
	_, err := tx.Exec(ctx, `INSERT INTO application_event (application_id, n, at, actor_id, side, action, state, round, reason)
		SELECT ?::uuid, coalesce(max(n), 0) + 1, ?::timestamptz, ?::uuid, ?::text, ?::text, ?::text, ?::integer, ?::text
		FROM application_event WHERE application_id = ?`,
		a.ID.UUID(), e.At, e.Actor, string(e.Side), string(e.Action), string(e.State), e.Round, e.Reason, a.ID.UUID())
	if err != nil {
		return fmt.Errorf("note what was done with application %s: %w", a.ID, err)
	}
	return nil
}

func eventsOf(ctx context.Context, tx *postgres.Tx, a ID) ([]Event, error) {
	rows, err := postgres.On[eventRow](tx).Where("application_id = ?", a.UUID()).Order("n").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the history of application %s: %w", a, err)
	}
	out := make([]Event, len(rows))
	for i, r := range rows {
		out[i] = Event{r.N, r.At.UTC(), r.ActorID, Side(r.Side), Action(r.Action), State(r.State), r.Round, r.Reason}
	}
	return out, nil
}

func insertItems(ctx context.Context, tx *postgres.Tx, a ID, all []Item) error {
	rows := make([]itemRow, len(all))
	for i, it := range all {
		rows[i] = itemRow{a.UUID(), it.Round, it.N, string(it.Side), it.Pointer, string(it.Problem), it.Message}
	}
	if err := postgres.On[itemRow](tx).Create(ctx, rows...); err != nil {
		return fmt.Errorf("write what application %s is returned for: %w", a, err)
	}
	return nil
}

func itemsOf(ctx context.Context, tx *postgres.Tx, a Application) ([]Item, error) {
	rows, err := postgres.On[itemRow](tx).Where("application_id = ?", a.ID.UUID()).Order("round, n").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what application %s was returned for: %w", a.ID, err)
	}
	out := make([]Item, len(rows))
	for i, r := range rows {
		out[i] = Item{r.Round, r.N, Side(r.Side), r.Pointer, Problem(r.Problem), r.Message, a.Round > r.Round}
	}
	return out, nil
}

func insertAcceptance(ctx context.Context, tx *postgres.Tx, a Application, by Acceptance) error {
	err := postgres.On[acceptanceRow](tx).Create(ctx, acceptanceRow{
		a.ID.UUID(), a.AgreementNo, by.Version, by.SHA256[:], a.Applicant.UUID(), by.Name, by.Position, tx.Now,
	})
	if err != nil {
		return fmt.Errorf("keep who signed for application %s: %w", a.ID, err)
	}
	return nil
}

// inForce is the agreement in force on the day of tx.
func inForce(ctx context.Context, tx *postgres.Tx) (Agreement, error) {
	r, err := postgres.On[agreementRow](tx).Where("effective_from <= ?::date", string(merchant.DateOf(tx.Now))).
		Order("version DESC").Limit(1).Take(ctx)
	if err != nil {
		return Agreement{}, fmt.Errorf("read the agreement in force: %w", err)
	}
	a := Agreement{
		Version: r.Version, EffectiveFrom: merchant.Date(r.EffectiveFrom.Format(time.DateOnly)), Title: r.Title, Body: r.Body, Sample: r.Sample,
		LevyBP: r.LevyBP, Region: r.BeneficiaryRegion, EntryFeeFen: r.EntryFeeFen, CommissionBP: r.CommissionBP,
	}
	copy(a.SHA256[:], r.SHA256)
	return a, nil
}

// optional is NULL for nothing.
func optional[T comparable](v T) *T {
	var nothing T
	if v == nothing {
		return nil
	}
	return &v
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
