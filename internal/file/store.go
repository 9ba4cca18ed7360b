package file

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// fileRow is a row of the table file.
type fileRow struct {
	ID         uuid.UUID `gorm:"primaryKey"`
	OwnerID    uuid.UUID
	Name       string
	MediaType  string
	Size       int64
	SHA256     []byte `gorm:"column:sha256"`
	FromSHA256 []byte `gorm:"column:from_sha256"`
	Width      int
	Height     int
	Private    bool
	CreatedAt  time.Time `gorm:"autoCreateTime:false"`
}

// TableName is file.
func (fileRow) TableName() string { return "file" }

func (r fileRow) file() File {
	return File{
		ID: id.From[File](r.ID), Owner: r.OwnerID, Name: r.Name, MediaType: r.MediaType, Size: r.Size,
		SHA256: [32]byte(r.SHA256), Width: r.Width, Height: r.Height, Private: r.Private, CreatedAt: r.CreatedAt,
	}
}

// linkRow is a row of the table file_link.
type linkRow struct {
	TokenHash []byte `gorm:"primaryKey"`
	FileID    uuid.UUID
	ReaderID  uuid.UUID
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	ExpiresAt time.Time
}

// TableName is file_link.
func (linkRow) TableName() string { return "file_link" }

// insert writes a file down, if the account's day has room for it. When its bytes
// are there already, it is the file that has them.
func insert(ctx context.Context, tx *postgres.Tx, f File, digest [32]byte, daily int64) (File, error) {
	// One account's uploads are counted one after the other.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended(?::text, 13))`, f.Owner.String()); err != nil {
		return File{}, fmt.Errorf("wait for other uploads: %w", err)
	}
	known, err := byDigest(ctx, tx, f.Owner, f.Private, digest)
	if !errors.Is(err, ErrUnknown) {
		return known, err
	}
	today, err := postgres.Row[struct{ Bytes int64 }](ctx, tx,
		`SELECT coalesce(sum(size), 0) AS bytes FROM file WHERE owner_id = ? AND created_at > ?`, f.Owner, tx.Now.Add(-24*time.Hour))
	switch {
	case err != nil:
		return File{}, fmt.Errorf("count uploads: %w", err)
	case daily > 0 && today.Bytes+f.Size > daily:
		return File{}, ErrQuota.With("at most %d bytes in 24 hours", daily).After(time.Hour)
	}
	err = postgres.On[fileRow](tx).Create(ctx, fileRow{
		ID: f.ID.UUID(), OwnerID: f.Owner, Name: f.Name, MediaType: f.MediaType, Size: f.Size, SHA256: f.SHA256[:],
		FromSHA256: digest[:], Width: f.Width, Height: f.Height, Private: f.Private, CreatedAt: f.CreatedAt,
	})
	if err != nil {
		return File{}, fmt.Errorf("write down a file: %w", err)
	}
	return f, nil
}

func byDigest(ctx context.Context, tx *postgres.Tx, owner uuid.UUID, private bool, digest [32]byte) (File, error) {
	return one(postgres.On[fileRow](tx).Where("owner_id = ? AND private = ? AND from_sha256 = ?", owner, private, digest[:]).Take(ctx))
}

func byID(ctx context.Context, tx *postgres.Tx, fid ID) (File, error) {
	return one(postgres.On[fileRow](tx).Where("id = ?", fid.UUID()).Take(ctx))
}

func owned(ctx context.Context, tx *postgres.Tx, owner uuid.UUID, fid ID) (File, error) {
	return one(postgres.On[fileRow](tx).Where("id = ? AND owner_id = ?", fid.UUID(), owner).Take(ctx))
}

// readable is a file that is public, or that the token opens now.
func readable(ctx context.Context, tx *postgres.Tx, fid ID, token string) (File, error) {
	return one(postgres.On[fileRow](tx).Where(`id = ? AND (NOT private OR EXISTS (
		SELECT FROM file_link l WHERE l.token_hash = ? AND l.file_id = file.id AND l.expires_at > ?))`, fid.UUID(), hash(token), tx.Now).Take(ctx))
}

func one(r fileRow, err error) (File, error) {
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return File{}, ErrUnknown
	case err != nil:
		return File{}, fmt.Errorf("read a file: %w", err)
	}
	return r.file(), nil
}

func insertLink(ctx context.Context, tx *postgres.Tx, l Link, reader uuid.UUID) error {
	err := postgres.On[linkRow](tx).Create(ctx, linkRow{
		TokenHash: hash(l.Token), FileID: l.File.UUID(), ReaderID: reader, CreatedAt: tx.Now, ExpiresAt: l.ExpiresAt,
	})
	if err != nil {
		return fmt.Errorf("write down a link: %w", err)
	}
	return nil
}

func forgetLinks(ctx context.Context, tx *postgres.Tx, before time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM file_link WHERE expires_at < ?`, before); err != nil {
		return fmt.Errorf("forget links: %w", err)
	}
	return nil
}

// existing says which of the files there are.
func existing(ctx context.Context, tx *postgres.Tx, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	rows, err := postgres.Rows[struct{ ID uuid.UUID }](ctx, tx, `SELECT id FROM file WHERE id = ANY(?::uuid[])`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("look for files: %w", err)
	}
	there := make(map[uuid.UUID]bool, len(rows))
	for _, r := range rows {
		there[r.ID] = true
	}
	return there, nil
}

// Check is nil if every one of the files was uploaded by this account, and
// otherwise ErrUnknown: nobody refers to what another has brought.
func Check(ctx context.Context, tx *postgres.Tx, owner uuid.UUID, files ...ID) error {
	return check(ctx, tx, "", owner, files)
}

// CheckShown is Check for what is shown to everybody: each must be a picture, and one
// that was not uploaded as private.
func CheckShown(ctx context.Context, tx *postgres.Tx, owner uuid.UUID, files ...ID) error {
	return check(ctx, tx, " AND NOT private AND media_type LIKE 'image/%'", owner, files)
}

func check(ctx context.Context, tx *postgres.Tx, and string, owner uuid.UUID, files []ID) error {
	if len(files) == 0 {
		return nil
	}
	wanted := make([]uuid.UUID, len(files))
	for i, f := range files {
		wanted[i] = f.UUID()
	}
	slices.SortFunc(wanted, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	wanted = slices.Compact(wanted)
	found, err := postgres.Row[struct{ N int }](ctx, tx,
		`SELECT count(*) AS n FROM file WHERE owner_id = ? AND id = ANY(?::uuid[])`+and, owner, postgres.Array(wanted))
	switch {
	case err != nil:
		return fmt.Errorf("look for files: %w", err)
	case found.N != len(wanted):
		return ErrUnknown
	}
	return nil
}

// Digest is a file and SHA-256 of its bytes.
type Digest struct {
	File   ID
	SHA256 [32]byte
}

// Digests are those of files that this account has uploaded, in the order of files; another's
// is ErrUnknown.
func Digests(ctx context.Context, tx *postgres.Tx, owner uuid.UUID, files ...ID) ([]Digest, error) {
	all := make([]Digest, len(files))
	for i, f := range files {
		one, err := owned(ctx, tx, owner, f)
		if err != nil {
			return nil, err
		}
		all[i] = Digest{f, one.SHA256}
	}
	return all, nil
}
