package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
)

// sealRow is a row of the table period_seal.
type sealRow struct {
	Month         time.Time
	Until         time.Time
	PublicationID uuid.UUID
	Digest        []byte
	SealedBy      uuid.UUID
	At            time.Time
}

// TableName is period_seal.
func (sealRow) TableName() string { return "period_seal" }

func (r sealRow) seal() Seal {
	s := Seal{
		Month: r.Month.Format("2006-01"), Until: r.Until.UTC(), Document: id.From[publication.Document](r.PublicationID),
		By: id.From[identity.Account](r.SealedBy), At: r.At.UTC(),
	}
	copy(s.Digest[:], r.Digest)
	return s
}

func seals(ctx context.Context, tx *postgres.Tx) ([]Seal, error) {
	rows, err := postgres.Rows[sealRow](ctx, tx, `SELECT * FROM period_seal ORDER BY month DESC`)
	if err != nil {
		return nil, fmt.Errorf("list the seals: %w", err)
	}
	all := make([]Seal, len(rows))
	for i, r := range rows {
		all[i] = r.seal()
	}
	return all, nil
}

func insertSeal(ctx context.Context, tx *postgres.Tx, s Seal) error {
	err := postgres.On[sealRow](tx).Create(ctx, sealRow{
		Month: monthOf(s.Month).From.Time(), Until: s.Until, PublicationID: s.Document.UUID(), Digest: s.Digest[:], SealedBy: s.By.UUID(), At: s.At,
	})
	if err != nil {
		return fmt.Errorf("seal %s: %w", s.Month, err)
	}
	return nil
}

// aloneWithTheBook waits for whoever is booking, and lets nobody book until tx ends: the
// trigger transfer_is_after_the_seals shares this lock.
func aloneWithTheBook(ctx context.Context, tx *postgres.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('period_seal', 0))`); err != nil {
		return fmt.Errorf("wait for who is booking: %w", err)
	}
	return nil
}

// entries counts the transfers of a time.
func entries(ctx context.Context, tx *postgres.Tx, from, until time.Time) (int64, error) {
	r, err := postgres.Row[struct{ N int64 }](ctx, tx, `SELECT count(*) AS n FROM transfer WHERE at >= ? AND at < ?`, from, until)
	if err != nil {
		return 0, fmt.Errorf("count what was booked from %s on: %w", from.Format(time.RFC3339), err)
	}
	return r.N, nil
}

// unreconciled counts the open breaks of a period, and its days since the first comparison of
// all that were not compared.
func unreconciled(ctx context.Context, tx *postgres.Tx, p Period) (open, uncompared int64, err error) {
	r, err := postgres.Row[struct{ Open, Uncompared int64 }](ctx, tx, `
		SELECT (SELECT count(*) FROM recon_break WHERE state = 'open' AND day BETWEEN x.first AND x.last) AS open,
		  (SELECT count(*) FROM generate_series(greatest(x.first, (SELECT min(day) FROM reconciliation)), x.last, interval '1 day') AS d
		   WHERE EXISTS (SELECT FROM reconciliation) AND NOT EXISTS (SELECT FROM reconciliation c WHERE c.day = d::date)) AS uncompared
		FROM (SELECT ?::date AS first, ?::date AS last) x`, string(p.From), string(p.Until))
	if err != nil {
		return 0, 0, fmt.Errorf("ask how %s to %s was reconciled: %w", p.From, p.Until, err)
	}
	return r.Open, r.Uncompared, nil
}

// unsealed says which documents of seals no seal has.
func unsealed(ctx context.Context, tx *postgres.Tx) ([]string, error) {
	rows, err := postgres.Rows[struct{ ID uuid.UUID }](ctx, tx, `SELECT id FROM publication p
		WHERE kind = ? AND NOT EXISTS (SELECT FROM period_seal s WHERE s.publication_id = p.id) ORDER BY id`, string(publication.Seal))
	if err != nil {
		return nil, fmt.Errorf("look for documents without a seal: %w", err)
	}
	all := make([]string, len(rows))
	for i, r := range rows {
		all[i] = fmt.Sprintf("document %s seals a month that is not among the seals", r.ID)
	}
	return all, nil
}

// published is the document of a seal; without bytes where it is gone.
func published(ctx context.Context, tx *postgres.Tx, s Seal) (sealed, []byte, error) {
	rows, err := postgres.Rows[struct{ Body []byte }](ctx, tx, `SELECT body FROM publication WHERE id = ?`, s.Document)
	if err != nil {
		return sealed{}, nil, fmt.Errorf("read the document of the seal of %s: %w", s.Month, err)
	}
	if len(rows) == 0 {
		return sealed{}, nil, nil
	}
	var b sealed
	if !json.Valid(rows[0].Body) { // it is another document, as its digest will say
		return sealed{}, rows[0].Body, nil
	}
	err = json.Unmarshal(rows[0].Body, &b)
	return b, rows[0].Body, err
}
