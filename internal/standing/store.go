package standing

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// filingRow is a row of the table licence_filing.
type filingRow struct {
	MerchantID   uuid.UUID `gorm:"primaryKey"`
	ID           uuid.UUID `gorm:"primaryKey"`
	Kind         string
	Number       string
	IssuedOn     *time.Time
	ExpiresOn    time.Time
	ProductKinds []byte // jsonb array
	Files        []byte // jsonb array of ids
	FiledBy      uuid.UUID
	FiledAt      time.Time
}

// TableName is licence_filing.
func (filingRow) TableName() string { return "licence_filing" }

// decisionRow is a row of the table licence_decision.
type decisionRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	FilingID   uuid.UUID `gorm:"primaryKey"`
	Verdict    string
	Reason     string
	DecidedBy  uuid.UUID
	At         time.Time
}

// TableName is licence_decision.
func (decisionRow) TableName() string { return "licence_decision" }

// reverificationRow is a row of the table reverification.
type reverificationRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	ID         uuid.UUID `gorm:"primaryKey"`
	Checked    string
	DueOn      time.Time
	VerifiedBy uuid.UUID
	At         time.Time
}

// TableName is reverification.
func (reverificationRow) TableName() string { return "reverification" }

// alertRow is a row of the table merchant_alert.
type alertRow struct {
	MerchantID     uuid.UUID `gorm:"primaryKey"`
	ID             uuid.UUID `gorm:"primaryKey"`
	Subject        string
	Kind           string
	Number         string
	DueOn          time.Time
	Days           int
	RaisedAt       time.Time
	AcknowledgedAt *time.Time
	AcknowledgedBy *uuid.UUID
}

// TableName is merchant_alert.
func (alertRow) TableName() string { return "merchant_alert" }

// decidedRow is a licence that was filed, with what became of it.
type decidedRow struct {
	Row          filingRow `gorm:"embedded"`
	MerchantName string
	Verdict      *string
	Reason       *string
	DecidedBy    *uuid.UUID
	DecidedAt    *time.Time
}

const filings = `SELECT x.*, m.merchant_name, d.verdict, d.reason, d.decided_by, d.at AS decided_at
	FROM licence_filing x JOIN merchant_standing m ON m.merchant_id = x.merchant_id
	LEFT JOIN licence_decision d ON d.merchant_id = x.merchant_id AND d.filing_id = x.id `

func (r decidedRow) filing() (Filing, error) {
	w := r.Row
	f := Filing{
		ID: id.From[Filing](w.ID), Merchant: id.From[merchant.Merchant](w.MerchantID), MerchantName: r.MerchantName,
		Licence: merchant.Licence{Kind: w.Kind, No: w.Number, ExpiresOn: date(w.ExpiresOn)},
		State:   Filed, FiledBy: id.From[identity.Account](w.FiledBy), FiledAt: w.FiledAt.UTC(),
	}
	if w.IssuedOn != nil {
		f.IssuedOn = date(*w.IssuedOn)
	}
	if r.Verdict != nil {
		f.State, f.Reason = LicenceState(*r.Verdict), *r.Reason
		f.DecidedBy, f.DecidedAt = id.From[identity.Account](*r.DecidedBy), r.DecidedAt.UTC()
	}
	if err := errors.Join(json.Unmarshal(w.ProductKinds, &f.ProductKinds), json.Unmarshal(w.Files, &f.Files)); err != nil {
		return f, fmt.Errorf("read licence %s: %w", f.ID, err)
	}
	return f, nil
}

func insertFiling(ctx context.Context, tx *postgres.Tx, f Filing) error {
	kinds, err := json.Marshal(append([]string{}, f.ProductKinds...))
	if err != nil {
		return fmt.Errorf("write the kinds of a licence: %w", err)
	}
	files, err := json.Marshal(f.Files)
	if err != nil {
		return fmt.Errorf("write the files of a licence: %w", err)
	}
	r := filingRow{
		MerchantID: f.Merchant.UUID(), ID: f.ID.UUID(), Kind: f.Kind, Number: f.No, ExpiresOn: f.ExpiresOn.Time(),
		ProductKinds: kinds, Files: files, FiledBy: f.FiledBy.UUID(), FiledAt: f.FiledAt,
	}
	if len(f.Files) == 0 {
		r.Files = []byte("[]")
	}
	if issued := f.IssuedOn.Time(); !issued.IsZero() {
		r.IssuedOn = &issued
	}
	if err := postgres.On[filingRow](tx).Create(ctx, r); err != nil {
		return fmt.Errorf("file a licence of %s: %w", f.Merchant, err)
	}
	return nil
}

// insertDecision writes down the state that a licence has come into.
func insertDecision(ctx context.Context, tx *postgres.Tx, f Filing) error {
	err := postgres.On[decisionRow](tx).Create(ctx, decisionRow{
		MerchantID: f.Merchant.UUID(), FilingID: f.ID.UUID(), Verdict: string(f.State), Reason: f.Reason, DecidedBy: f.DecidedBy.UUID(), At: f.DecidedAt,
	})
	if err != nil {
		return fmt.Errorf("decide on licence %s: %w", f.ID, err)
	}
	return nil
}

func byID(ctx context.Context, tx *postgres.Tx, l LicenceID) (Filing, error) {
	r, err := postgres.Row[decidedRow](ctx, tx, filings+`WHERE x.id = ?`, l.UUID())
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Filing{}, ErrLicence
	case err != nil:
		return Filing{}, fmt.Errorf("read licence %s: %w", l, err)
	}
	return r.filing()
}

// waiting are the licences of an enterprise on which nobody has decided.
func waiting(ctx context.Context, tx *postgres.Tx, m merchant.ID) ([]Filing, error) {
	rows, err := postgres.Rows[decidedRow](ctx, tx, filings+`WHERE x.merchant_id = ? AND d.verdict IS NULL ORDER BY x.id`, m.UUID())
	if err != nil {
		return nil, fmt.Errorf("read the licences of %s: %w", m, err)
	}
	return all(rows, decidedRow.filing)
}

// licences is a page of the licences that f chooses, and that are of these enterprises
// unless they are nil; the newest first.
func licences(ctx context.Context, tx *postgres.Tx, f LicenceFilter, of []uuid.UUID, p page.Request) (page.Of[Filing], error) {
	c := chosen{where: `true`}
	if f.State != "" {
		c.add(`coalesce(d.verdict, 'filed') = ?`, string(f.State))
	}
	rows, err := newestFirst[decidedRow](ctx, tx, filings, c, f.Merchant, of, p)
	if err != nil {
		return page.Of[Filing]{}, fmt.Errorf("list licences: %w", err)
	}
	out, err := all(rows, decidedRow.filing)
	if err != nil {
		return page.Of[Filing]{}, err
	}
	return page.Cut(out, p.Size(), func(f Filing) (string, uuid.UUID) { return "", f.ID.UUID() }), nil
}

// chosen is what a list of rows x is narrowed to.
type chosen struct {
	where string
	args  []any
}

func (c *chosen) add(where string, args ...any) {
	c.where, c.args = c.where+` AND `+where, append(c.args, args...)
}

// newestFirst reads the rows x of a page, and one more.
func newestFirst[R any](ctx context.Context, tx *postgres.Tx, query string, c chosen, m merchant.ID, of []uuid.UUID, p page.Request) ([]R, error) {
	_, last, err := p.After()
	if err != nil {
		return nil, err
	}
	if !m.IsZero() {
		c.add(`x.merchant_id = ?`, m.UUID())
	}
	if of != nil {
		c.add(`x.merchant_id = ANY(?::uuid[])`, postgres.Array(of))
	}
	if last != uuid.Nil {
		c.add(`x.id < ?`, last)
	}
	return postgres.Rows[R](ctx, tx, query+`WHERE `+c.where+` ORDER BY x.id DESC LIMIT ?`, append(c.args, p.Size()+1)...)
}

// all turns rows into what they tell of.
func all[R, T any](rows []R, one func(R) (T, error)) ([]T, error) {
	out := make([]T, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = one(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func insertReverification(ctx context.Context, tx *postgres.Tx, m merchant.Merchant, by uuid.UUID, checked string) error {
	err := postgres.On[reverificationRow](tx).Create(ctx, reverificationRow{
		MerchantID: m.ID.UUID(), ID: id.New[Reverification](tx.Now).UUID(), Checked: checked, DueOn: m.ReverificationDue.Time(), VerifiedBy: by, At: tx.Now,
	})
	if err != nil {
		return fmt.Errorf("write down a re-verification of %s: %w", m.ID, err)
	}
	return nil
}

// dueRow is a row of the view merchant_standing.
type dueRow struct {
	MerchantID        uuid.UUID
	MerchantCode      string
	MerchantName      string
	VerifiedAt        time.Time
	ReverificationDue time.Time
}

// reverifications is a page of the enterprises whose last day to be verified again
// lies between two, the most urgent first.
func reverifications(ctx context.Context, tx *postgres.Tx, from, to merchant.Date, p page.Request) (page.Of[Reverification], error) {
	key, last, err := p.After()
	if err != nil {
		return page.Of[Reverification]{}, err
	}
	after, err := merchant.ParseDate(cmp.Or(key, string(ever)))
	if err != nil {
		return page.Of[Reverification]{}, page.ErrCursor
	}
	rows, err := postgres.Rows[dueRow](ctx, tx, `SELECT merchant_id, merchant_code, merchant_name, verified_at, reverification_due FROM merchant_standing
		WHERE merchant_state <> 'left' AND reverification_due BETWEEN ?::date AND ?::date AND (reverification_due, merchant_id) > (?::date, ?::uuid)
		ORDER BY reverification_due, merchant_id LIMIT ?`, string(from), string(to), string(after), last, p.Size()+1)
	if err != nil {
		return page.Of[Reverification]{}, fmt.Errorf("list re-verifications: %w", err)
	}
	today := merchant.DateOf(tx.Now)
	out := make([]Reverification, len(rows))
	for i, r := range rows {
		due := date(r.ReverificationDue)
		out[i] = Reverification{id.From[merchant.Merchant](r.MerchantID), r.MerchantCode, r.MerchantName, r.VerifiedAt.UTC(), due, due < today}
	}
	return page.Cut(out, p.Size(), func(r Reverification) (string, uuid.UUID) { return string(r.DueOn), r.Merchant.UUID() }), nil
}

func overdue(ctx context.Context, tx *postgres.Tx) (int64, error) {
	r, err := postgres.Row[struct{ N int64 }](ctx, tx,
		`SELECT count(*) AS n FROM merchant_standing WHERE merchant_state <> 'left' AND reverification_due < ?::date`, string(merchant.DateOf(tx.Now)))
	if err != nil {
		return 0, fmt.Errorf("count overdue re-verifications: %w", err)
	}
	return r.N, nil
}

// untold is what ends, with the nearest threshold that is passed and was not told of.
const untold = `SELECT x.* FROM (
		SELECT e.merchant_id, e.subject, e.kind, e.number, e.due_on,
		       (SELECT min(d) FROM unnest('{0,7,30,90}'::int[]) AS d WHERE e.due_on - ?::date <= d AND (d > 0 OR e.due_on < ?::date)) AS days
		FROM merchant_ending e
	) x WHERE x.days IS NOT NULL AND NOT EXISTS (SELECT FROM merchant_alert a WHERE a.merchant_id = x.merchant_id AND a.subject = x.subject
		AND a.kind = x.kind AND a.number = x.number AND a.due_on = x.due_on AND a.days = x.days)
	ORDER BY x.merchant_id, x.subject, x.kind, x.number LIMIT ?`

// warn raises so many alerts at most, and says how many of them it was who raised them.
func warn(ctx context.Context, tx *postgres.Tx, limit int) (int, error) {
	today := string(merchant.DateOf(tx.Now))
	rows, err := postgres.Rows[alertRow](ctx, tx, untold, today, today, limit)
	if err != nil {
		return 0, fmt.Errorf("look for what ends: %w", err)
	}
	sum := 0
	var told []notice.Event
	for _, r := range rows {
		n, err := insertAlert(ctx, tx, r)
		if err != nil {
			return 0, err
		}
		sum += int(n)
		if n == 1 && Subject(r.Subject) == OfLicence && r.Days > 0 {
			told = append(told, notice.LicenceExpiring(r.MerchantID, string(date(r.DueOn)), r.Days))
		}
	}
	return sum, notice.Post(ctx, tx, told...)
}

// insertAlert adds an alert, unless there is one of the same already. Who adds it at
// the same time waits for who was first.
func insertAlert(ctx context.Context, tx *postgres.Tx, r alertRow) (int64, error) {
	n, err := tx.Exec(ctx, `INSERT INTO merchant_alert (merchant_id, id, subject, kind, number, due_on, days, raised_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT ON CONSTRAINT merchant_alert_once DO NOTHING`,
		r.MerchantID, id.New[Alert](tx.Now).UUID(), r.Subject, r.Kind, r.Number, r.DueOn, r.Days, tx.Now)
	if err != nil {
		return 0, fmt.Errorf("alert %s: %w", r.MerchantID, err)
	}
	return n, nil
}

// standingRow is an alert with the name of its enterprise and where it stands.
type standingRow struct {
	Row          alertRow `gorm:"embedded"`
	MerchantName string
	State        string
}

// alerts are alerts x, each with its state: it stands while what it tells of ends.
const alerts = `SELECT x.* FROM (
	SELECT a.*, m.merchant_name, CASE
		WHEN m.merchant_state = 'left' OR a.subject <> 'leaving' AND NOT EXISTS (SELECT FROM merchant_ending e WHERE e.merchant_id = a.merchant_id
			AND e.subject = a.subject AND e.kind = a.kind AND e.number = a.number AND e.due_on = a.due_on) THEN 'superseded'
		WHEN a.acknowledged_at IS NOT NULL THEN 'acknowledged'
		ELSE 'open' END AS state
	FROM merchant_alert a JOIN merchant_standing m ON m.merchant_id = a.merchant_id) x `

func (s standingRow) alert() (Alert, error) {
	r := s.Row
	a := Alert{
		ID: id.From[Alert](r.ID), Merchant: id.From[merchant.Merchant](r.MerchantID), MerchantName: s.MerchantName, Subject: Subject(r.Subject),
		Kind: r.Kind, No: r.Number, DueOn: date(r.DueOn), Days: r.Days, State: AlertState(s.State), RaisedAt: r.RaisedAt.UTC(),
	}
	a.AcknowledgedAt = postgres.OrZero(r.AcknowledgedAt)
	return a, nil
}

func alertsOf(ctx context.Context, tx *postgres.Tx, f AlertFilter, of []uuid.UUID, p page.Request) (page.Of[Alert], error) {
	c := chosen{where: `true`}
	if f.State != "" {
		c.add(`x.state = ?`, string(f.State))
	}
	rows, err := newestFirst[standingRow](ctx, tx, alerts, c, f.Merchant, of, p)
	if err != nil {
		return page.Of[Alert]{}, fmt.Errorf("list alerts: %w", err)
	}
	out, err := all(rows, standingRow.alert)
	if err != nil {
		return page.Of[Alert]{}, err
	}
	return page.Cut(out, p.Size(), func(a Alert) (string, uuid.UUID) { return "", a.ID.UUID() }), nil
}

// wish is the alert of an enterprise's wish to leave, if there is one.
func wish(ctx context.Context, tx *postgres.Tx, m merchant.ID) (Alert, error) {
	return one(ctx, tx, `x.merchant_id = ? AND x.subject = 'leaving'`, m.UUID())
}

func one(ctx context.Context, tx *postgres.Tx, where string, args ...any) (Alert, error) {
	r, err := postgres.Row[standingRow](ctx, tx, alerts+`WHERE `+where, args...)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Alert{}, ErrAlert
	case err != nil:
		return Alert{}, fmt.Errorf("read an alert: %w", err)
	}
	return r.alert()
}

// acknowledge says that an enterprise has seen an alert, the first time only.
func acknowledge(ctx context.Context, tx *postgres.Tx, of []uuid.UUID, alert AlertID, by uuid.UUID) (a Alert, first bool, err error) {
	n, err := tx.Exec(ctx, `UPDATE merchant_alert SET acknowledged_at = ?, acknowledged_by = ?
		WHERE merchant_id = ANY(?::uuid[]) AND id = ? AND acknowledged_at IS NULL`, tx.Now, by, postgres.Array(of), alert.UUID())
	if err != nil {
		return Alert{}, false, fmt.Errorf("acknowledge alert %s: %w", alert, err)
	}
	a, err = one(ctx, tx, `x.merchant_id = ANY(?::uuid[]) AND x.id = ?`, postgres.Array(of), alert.UUID())
	return a, n == 1, err
}

// ever is a day before all others.
const ever merchant.Date = "0001-01-01"

func date(t time.Time) merchant.Date { return merchant.Date(t.Format(time.DateOnly)) }
