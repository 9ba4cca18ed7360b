package apikey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// seenEvery is how often the use of a key is written down.
const seenEvery = time.Minute

// keyRow is a row of the table api_key as it is read: without the hash, which
// leaves the database on no way.
type keyRow struct {
	MerchantID uuid.UUID
	ID         uuid.UUID
	Name       string
	Prefix     string
	Scopes     string // as a JSON array
	MadeBy     uuid.UUID
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastUsedAt *time.Time
	RevokedAt  *time.Time
	Sells      bool // whether its maker may sell for its enterprise
}

// selection reads keys k and whether their makers sell.
const selection = `SELECT k.merchant_id, k.id, k.name, k.prefix, to_json(k.scopes)::text AS scopes, k.made_by, k.created_at, k.expires_at,
	k.last_used_at, k.revoked_at, EXISTS (SELECT FROM seller s WHERE s.account_id = k.made_by AND s.merchant_id = k.merchant_id) AS sells
	FROM api_key k `

func (r keyRow) key(now time.Time) (Key, error) {
	k := Key{
		ID: id.From[Key](r.ID), Merchant: r.MerchantID, Name: r.Name, Prefix: r.Prefix, MadeBy: id.From[identity.Account](r.MadeBy),
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), LastUsedAt: postgres.OrZero(r.LastUsedAt), RevokedAt: postgres.OrZero(r.RevokedAt),
	}
	if err := json.Unmarshal([]byte(r.Scopes), &k.Scopes); err != nil {
		return k, fmt.Errorf("read the scopes of key %s: %w", k.ID, err)
	}
	k.State = k.state(now, r.Sells)
	return k, nil
}

// makeRoom is ErrTooMany when the enterprise has as many keys in force as it may.
// Of those who ask at once each waits for the one before.
func makeRoom(ctx context.Context, tx *postgres.Tx, merchant uuid.UUID) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended(?, 0))`, "api_key:"+merchant.String()); err != nil {
		return fmt.Errorf("wait for other keys of %s: %w", merchant, err)
	}
	type count struct{ N int }
	have, err := postgres.Row[count](ctx, tx, `SELECT count(*) AS n FROM api_key WHERE merchant_id = ? AND revoked_at IS NULL AND expires_at > ?`,
		merchant, tx.Now)
	if err != nil {
		return fmt.Errorf("count the keys of %s: %w", merchant, err)
	}
	if have.N >= MaxLive {
		return ErrTooMany.With("%d keys are in force", have.N)
	}
	return nil
}

func insert(ctx context.Context, tx *postgres.Tx, k Key, secret string) error {
	hash, _ := hashOf(secret)
	_, err := tx.Exec(ctx, `INSERT INTO api_key (merchant_id, id, name, prefix, key_hash, scopes, made_by, created_at, expires_at)
		VALUES (?, ?, ?, ?, ?::bytea, ?::text[], ?, ?, ?)`,
		k.Merchant, k.ID, k.Name, k.Prefix, hash, postgres.Array(k.Scopes), k.MadeBy, k.CreatedAt, k.ExpiresAt)
	if err != nil {
		return fmt.Errorf("insert a key of %s: %w", k.Merchant, err)
	}
	return nil
}

func byHash(ctx context.Context, tx *postgres.Tx, hash []byte) (Key, error) {
	r, err := postgres.Row[keyRow](ctx, tx, selection+`WHERE k.key_hash = ?`, hash)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Key{}, identity.ErrUnauthenticated
	case err != nil:
		return Key{}, fmt.Errorf("find a key: %w", err)
	}
	return r.key(tx.Now)
}

// touch notes that k is used. Of many who do at once one writes.
func touch(ctx context.Context, tx *postgres.Tx, k Key) error {
	_, err := tx.Exec(ctx, `UPDATE api_key SET last_used_at = ? WHERE merchant_id = ? AND id = ? AND (last_used_at IS NULL OR last_used_at <= ?)`,
		tx.Now, k.Merchant, k.ID, tx.Now.Add(-seenEvery))
	if err != nil {
		return fmt.Errorf("note the use of key %s: %w", k.ID, err)
	}
	return nil
}

func lock(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, key ID) (Key, error) {
	r, err := postgres.Row[keyRow](ctx, tx, selection+`WHERE k.merchant_id = ANY(?::uuid[]) AND k.id = ? FOR UPDATE OF k`,
		postgres.Array(merchants), key)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Key{}, ErrUnknown
	case err != nil:
		return Key{}, fmt.Errorf("lock key %s: %w", key, err)
	}
	return r.key(tx.Now)
}

func updateRevoked(ctx context.Context, tx *postgres.Tx, k Key) error {
	if _, err := tx.Exec(ctx, `UPDATE api_key SET revoked_at = ? WHERE merchant_id = ? AND id = ?`, k.RevokedAt, k.Merchant, k.ID); err != nil {
		return fmt.Errorf("revoke key %s: %w", k.ID, err)
	}
	return nil
}

func list(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, p page.Request) (page.Of[Key], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Key]{}, err
	}
	rows, err := postgres.Rows[keyRow](ctx, tx, selection+`WHERE k.merchant_id = ANY(?::uuid[]) AND (? OR k.id < ?) ORDER BY k.id DESC LIMIT ?`,
		postgres.Array(merchants), last == uuid.Nil, last, p.Size()+1)
	if err != nil {
		return page.Of[Key]{}, fmt.Errorf("list keys: %w", err)
	}
	out := make([]Key, len(rows))
	for i, r := range rows {
		if out[i], err = r.key(tx.Now); err != nil {
			return page.Of[Key]{}, err
		}
	}
	return page.Cut(out, p.Size(), func(k Key) (string, uuid.UUID) { return "", k.ID.UUID() }), nil
}
