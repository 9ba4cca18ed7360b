package publication

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// row is a row of the table publication.
type row struct {
	ID        uuid.UUID
	Kind      string
	TitleZH   string `gorm:"column:title_zh"`
	TitleEN   string `gorm:"column:title_en"`
	MediaType string
	Body      []byte
	Digest    []byte
	At        time.Time
}

// TableName is publication.
func (row) TableName() string { return "publication" }

func (r row) document() Document {
	return Document{
		ID: id.From[Document](r.ID), Kind: Kind(r.Kind), TitleZH: r.TitleZH, TitleEN: r.TitleEN,
		MediaType: r.MediaType, Body: r.Body, At: r.At.UTC(),
	}
}

func insert(ctx context.Context, tx *postgres.Tx, d Document) error {
	digest := d.Digest()
	err := postgres.On[row](tx).Create(ctx, row{
		ID: d.ID.UUID(), Kind: string(d.Kind), TitleZH: d.TitleZH, TitleEN: d.TitleEN,
		MediaType: d.MediaType, Body: d.Body, Digest: digest[:], At: d.At,
	})
	if err != nil {
		return fmt.Errorf("publish a %s: %w", d.Kind, err)
	}
	return nil
}

// alone lets one transaction at a time go on.
func alone(ctx context.Context, tx *postgres.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('publication:policy', 0))`); err != nil {
		return fmt.Errorf("wait for who publishes a policy: %w", err)
	}
	return nil
}

func last(ctx context.Context, tx *postgres.Tx, kind Kind) (Document, bool, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM publication WHERE kind = ? ORDER BY id DESC LIMIT 1`, string(kind))
	if err != nil || len(rows) == 0 {
		return Document{}, false, err
	}
	return rows[0].document(), true, nil
}

func byID(ctx context.Context, tx *postgres.Tx, did ID) (Document, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM publication WHERE id = ?`, did)
	if err != nil {
		return Document{}, fmt.Errorf("read document %s: %w", did, err)
	}
	if len(rows) == 0 {
		return Document{}, ErrUnknown
	}
	return rows[0].document(), nil
}

func list(ctx context.Context, tx *postgres.Tx, kind Kind, p page.Request) (page.Of[Document], error) {
	_, before, err := p.After()
	if err != nil {
		return page.Of[Document]{}, err
	}
	if before == uuid.Nil {
		before = uuid.Max
	}
	rows, err := postgres.Rows[row](ctx, tx, `SELECT id, kind, title_zh, title_en, media_type, digest, at FROM publication
		WHERE (? = '' OR kind = ?) AND id < ? ORDER BY id DESC LIMIT ?`, string(kind), string(kind), before, p.Size()+1)
	if err != nil {
		return page.Of[Document]{}, fmt.Errorf("list documents: %w", err)
	}
	all := make([]Document, len(rows))
	for i, r := range rows {
		all[i] = r.document()
	}
	return page.Cut(all, p.Size(), sorted), nil
}

// pair is a document and the leaf of it, of which one may be missing.
type pair struct {
	Document row       `gorm:"embedded"` // without its body
	Sum      []byte    // SHA-256 of the body as it is
	Told     uuid.UUID // the document that the leaf tells of
	Index    *int64
	Leaf     []byte
}

// against are all documents with their leaves, and all leaves of documents without theirs: the
// bytes "\ndocument " are in no other. The bodies, which may be large, are summed where they are.
func against(ctx context.Context, tx *postgres.Tx) ([]pair, error) {
	rows, err := postgres.Rows[pair](ctx, tx, `
		WITH l AS (
			SELECT index, transfer_id, leaf FROM log_entry WHERE home = ? AND position('\x0a646f63756d656e7420'::bytea IN leaf) > 0
			UNION ALL SELECT NULL, transfer_id, leaf FROM log_pending WHERE home = ? AND position('\x0a646f63756d656e7420'::bytea IN leaf) > 0)
		SELECT p.id, p.kind, p.title_zh, p.title_en, p.media_type, p.digest, p.at, sha256(p.body) AS sum,
			coalesce(l.transfer_id, p.id) AS told, l.index, l.leaf
		FROM publication p FULL JOIN l ON l.transfer_id = p.id ORDER BY l.index, p.id`,
		ledger.FundHome, ledger.FundHome)
	if err != nil {
		return nil, fmt.Errorf("hold the documents against the log: %w", err)
	}
	return rows, nil
}
