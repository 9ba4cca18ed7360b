package claim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// claimRow is a row of the table price_claim.
type claimRow struct {
	MerchantID, ID, ProductID uuid.UUID
	SKUID                     uuid.UUID `gorm:"column:sku_id"`
	Platform                  string
	ReferenceFen              int64
	Basis                     string
	NetContent                int64
	NetUnit                   string
	CapturedAt, ExpiresAt     time.Time
	Evidence                  string
	Files                     string // jsonb
	FiledBy                   uuid.UUID
	FiledAt                   time.Time
}

// TableName is price_claim.
func (claimRow) TableName() string { return "price_claim" }

// decisionRow is a row of the table price_claim_decision.
type decisionRow struct {
	MerchantID, ClaimID uuid.UUID
	Verdict, Reason     string
	ActorID             uuid.UUID
	At                  time.Time
}

// TableName is price_claim_decision.
func (decisionRow) TableName() string { return "price_claim_decision" }

// reportRow is a row of the table cheaper_report.
type reportRow struct {
	ReporterID, ID, MerchantID, ProductID uuid.UUID
	Place                                 string
	PriceFen                              int64
	URL                                   string `gorm:"column:url"`
	Files                                 string // jsonb
	Note, State                           string
	ReportedAt                            time.Time
	Outcome, Reason                       string
	ResolvedBy                            *uuid.UUID
	ResolvedAt                            *time.Time
}

// TableName is cheaper_report.
func (reportRow) TableName() string { return "cheaper_report" }

// stateRow is a claim with its last decision.
type stateRow struct {
	Row       claimRow `gorm:"embedded"`
	State     string
	Reason    *string
	DecidedAt *time.Time
}

// state is what became of a claim c: a withdrawal w outweighs a decision d.
const state = `CASE WHEN w.at IS NOT NULL THEN 'withdrawn' ELSE coalesce(d.verdict, 'filed') END`

const selection = `SELECT c.*, ` + state + ` AS state, coalesce(w.reason, d.reason) AS reason, coalesce(w.at, d.at) AS decided_at
	FROM price_claim c
	LEFT JOIN price_claim_decision d ON d.merchant_id = c.merchant_id AND d.claim_id = c.id AND d.verdict <> 'withdrawn'
	LEFT JOIN price_claim_decision w ON w.merchant_id = c.merchant_id AND w.claim_id = c.id AND w.verdict = 'withdrawn'
	WHERE `

func (s stateRow) claim() (Claim, error) {
	r := s.Row
	c := Claim{
		ID: id.From[Claim](r.ID), Merchant: id.From[merchant.Merchant](r.MerchantID), Product: id.From[catalog.Product](r.ProductID),
		Filing: Filing{
			SKU: id.From[catalog.SKU](r.SKUID), Platform: r.Platform, Reference: money.Fen(r.ReferenceFen), Basis: Basis(r.Basis),
			NetContent: r.NetContent, NetUnit: r.NetUnit, CapturedAt: r.CapturedAt.UTC(), Evidence: r.Evidence,
		},
		ExpiresAt: r.ExpiresAt.UTC(), FiledBy: id.From[identity.Account](r.FiledBy), FiledAt: r.FiledAt.UTC(), State: State(s.State),
	}
	if s.Reason != nil {
		c.Reason = *s.Reason
	}
	c.DecidedAt = postgres.OrZero(s.DecidedAt)
	if err := json.Unmarshal([]byte(r.Files), &c.Files); err != nil {
		return c, fmt.Errorf("read the files of claim %s: %w", c.ID, err)
	}
	return c, nil
}

// files writes ids as a JSON array.
func files(all []file.ID) (string, error) {
	if len(all) == 0 {
		return "[]", nil
	}
	js, err := json.Marshal(all)
	return string(js), err
}

// insert writes a claim; false if there is one of the platform and moment.
func insert(ctx context.Context, tx *postgres.Tx, c Claim) (bool, error) {
	js, err := files(c.Files)
	if err != nil {
		return false, fmt.Errorf("write the files of a claim: %w", err)
	}
	n, err := tx.Exec(ctx, `INSERT INTO price_claim (merchant_id, id, product_id, sku_id, platform, reference_fen, basis, net_content, net_unit,
		captured_at, expires_at, evidence, files, filed_by, filed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?::jsonb, ?, ?)
		ON CONFLICT ON CONSTRAINT price_claim_once DO NOTHING`,
		c.Merchant, c.ID, c.Product, c.SKU, c.Platform, int64(c.Reference), string(c.Basis), c.NetContent, c.NetUnit,
		c.CapturedAt, c.ExpiresAt, c.Evidence, js, c.FiledBy, c.FiledAt)
	if err != nil {
		return false, fmt.Errorf("file a claim for %s: %w", c.SKU, err)
	}
	return n == 1, nil
}

// decide writes the state that a claim has come to.
func decide(ctx context.Context, tx *postgres.Tx, c Claim, by identity.ID) error {
	err := postgres.On[decisionRow](tx).Create(ctx, decisionRow{
		MerchantID: c.Merchant.UUID(), ClaimID: c.ID.UUID(), Verdict: string(c.State), Reason: c.Reason, ActorID: by.UUID(), At: c.DecidedAt,
	})
	switch {
	case postgres.Violates(err, "price_claim_decided_once"):
		return ErrDecided
	case postgres.Violates(err, "price_claim_decision_pkey") && c.State == Withdrawn:
		return ErrWithdrawn
	case postgres.Violates(err, "price_claim_decision_pkey"):
		return ErrDecided
	case err != nil:
		return fmt.Errorf("decide on claim %s: %w", c.ID, err)
	}
	return nil
}

// withdrawAll withdraws what was confirmed for the product of a report and is not stale,
// and says how many claims that were.
func withdrawAll(ctx context.Context, tx *postgres.Tx, r Report, by identity.ID) (int64, error) {
	n, err := tx.Exec(ctx, `INSERT INTO price_claim_decision (merchant_id, claim_id, verdict, reason, actor_id, at)
		SELECT c.merchant_id, c.id, 'withdrawn', ?, ?, ? FROM price_claim c
		JOIN price_claim_decision d ON d.merchant_id = c.merchant_id AND d.claim_id = c.id AND d.verdict = 'confirmed'
		WHERE c.merchant_id = ? AND c.product_id = ? AND c.expires_at > ? ON CONFLICT ON CONSTRAINT price_claim_decision_pkey DO NOTHING`,
		r.Reason, by, tx.Now, r.Merchant, r.Product, tx.Now)
	if err != nil {
		return 0, fmt.Errorf("withdraw the claims of %s: %w", r.Product, err)
	}
	return n, nil
}

func byID(ctx context.Context, tx *postgres.Tx, cid ID) (Claim, error) {
	return one(ctx, tx, `c.id = ?`, cid)
}

// same is the claim of the same SKU, platform and moment.
func same(ctx context.Context, tx *postgres.Tx, c Claim) (Claim, error) {
	return one(ctx, tx, `c.merchant_id = ? AND c.sku_id = ? AND c.platform = ? AND c.captured_at = ?`, c.Merchant, c.SKU, c.Platform, c.CapturedAt)
}

func one(ctx context.Context, tx *postgres.Tx, where string, args ...any) (Claim, error) {
	r, err := postgres.Row[stateRow](ctx, tx, selection+where, args...)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Claim{}, ErrUnknown
	case err != nil:
		return Claim{}, fmt.Errorf("read a claim: %w", err)
	}
	return r.claim()
}

// confirmed gives, by SKU, the newest evidence that was confirmed and not withdrawn by
// that time.
func confirmed(ctx context.Context, tx *postgres.Tx, skus []uuid.UUID, at time.Time) (map[catalog.SKUID]Claim, error) {
	rows, err := postgres.Rows[stateRow](ctx, tx, `SELECT DISTINCT ON (c.sku_id) c.*, d.verdict AS state, d.reason, d.at AS decided_at
		FROM price_claim c
		JOIN price_claim_decision d ON d.merchant_id = c.merchant_id AND d.claim_id = c.id AND d.verdict = 'confirmed' AND d.at <= ?
		WHERE c.sku_id = ANY(?::uuid[]) AND NOT EXISTS (SELECT FROM price_claim_decision w
			WHERE w.merchant_id = c.merchant_id AND w.claim_id = c.id AND w.verdict = 'withdrawn' AND w.at <= ?)
		ORDER BY c.sku_id, c.captured_at DESC, c.id DESC`, at, postgres.Array(skus), at)
	if err != nil {
		return nil, fmt.Errorf("read the claims that hold: %w", err)
	}
	out := make(map[catalog.SKUID]Claim, len(rows))
	for _, r := range rows {
		c, err := r.claim()
		if err != nil {
			return nil, err
		}
		out[c.SKU] = c
	}
	return out, nil
}

// before is where a page of the newest first goes on.
func before(p page.Request) (uuid.UUID, error) {
	_, last, err := p.After()
	if last == uuid.Nil {
		last = uuid.Max
	}
	return last, err
}

func list(ctx context.Context, tx *postgres.Tx, p page.Request, where string, args ...any) (page.Of[Claim], error) {
	last, err := before(p)
	if err != nil {
		return page.Of[Claim]{}, err
	}
	rows, err := postgres.Rows[stateRow](ctx, tx, selection+where+` AND c.id < ? ORDER BY c.id DESC LIMIT ?`, append(args, last, p.Size()+1)...)
	if err != nil {
		return page.Of[Claim]{}, fmt.Errorf("list claims: %w", err)
	}
	out := make([]Claim, len(rows))
	for i, r := range rows {
		if out[i], err = r.claim(); err != nil {
			return page.Of[Claim]{}, err
		}
	}
	return page.Cut(out, p.Size(), Claim.key), nil
}

func (r reportRow) report() (Report, error) {
	out := Report{
		ID: id.From[Report](r.ID), Reporter: id.From[identity.Account](r.ReporterID), Merchant: id.From[merchant.Merchant](r.MerchantID),
		Product: id.From[catalog.Product](r.ProductID), Finding: Finding{Place: r.Place, Price: money.Fen(r.PriceFen), URL: r.URL, Note: r.Note},
		At: r.ReportedAt.UTC(), Outcome: Outcome(r.Outcome), Reason: r.Reason,
	}
	out.ResolvedAt = postgres.OrZero(r.ResolvedAt)
	if err := json.Unmarshal([]byte(r.Files), &out.Files); err != nil {
		return out, fmt.Errorf("read the files of report %s: %w", out.ID, err)
	}
	return out, nil
}

func insertReport(ctx context.Context, tx *postgres.Tx, r Report) error {
	js, err := files(r.Files)
	if err != nil {
		return fmt.Errorf("write the files of a report: %w", err)
	}
	err = postgres.On[reportRow](tx).Create(ctx, reportRow{
		ReporterID: r.Reporter.UUID(), ID: r.ID.UUID(), MerchantID: r.Merchant.UUID(), ProductID: r.Product.UUID(), Place: r.Place,
		PriceFen: int64(r.Price), URL: r.URL, Files: js, Note: r.Note, State: "open", ReportedAt: r.At,
	})
	switch {
	case postgres.Violates(err, "cheaper_report_one_open"):
		return ErrReported
	case err != nil:
		return fmt.Errorf("take in a report on %s: %w", r.Product, err)
	}
	return nil
}

// lockReport keeps a report from others until the end of tx.
func lockReport(ctx context.Context, tx *postgres.Tx, rid ReportID) (Report, error) {
	r, err := postgres.Row[reportRow](ctx, tx, `SELECT * FROM cheaper_report WHERE id = ? FOR UPDATE`, rid)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Report{}, ErrReport
	case err != nil:
		return Report{}, fmt.Errorf("lock report %s: %w", rid, err)
	}
	return r.report()
}

func saveResolved(ctx context.Context, tx *postgres.Tx, r Report, by identity.ID) error {
	_, err := tx.Exec(ctx, `UPDATE cheaper_report SET state = 'resolved', outcome = ?, reason = ?, resolved_by = ?, resolved_at = ?
		WHERE reporter_id = ? AND id = ?`, string(r.Outcome), r.Reason, by, r.ResolvedAt, r.Reporter, r.ID)
	if err != nil {
		return fmt.Errorf("resolve report %s: %w", r.ID, err)
	}
	return nil
}

func reports(ctx context.Context, tx *postgres.Tx, p page.Request, where string, arg any) (page.Of[Report], error) {
	last, err := before(p)
	if err != nil {
		return page.Of[Report]{}, err
	}
	rows, err := postgres.Rows[reportRow](ctx, tx, `SELECT * FROM cheaper_report WHERE `+where+` AND id < ? ORDER BY id DESC LIMIT ?`, arg, last, p.Size()+1)
	if err != nil {
		return page.Of[Report]{}, fmt.Errorf("list reports: %w", err)
	}
	out := make([]Report, len(rows))
	for i, r := range rows {
		if out[i], err = r.report(); err != nil {
			return page.Of[Report]{}, err
		}
	}
	return page.Cut(out, p.Size(), Report.key), nil
}
