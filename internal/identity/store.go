package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// accountRow is a row of the table account.
type accountRow struct {
	ID           uuid.UUID `gorm:"primaryKey"`
	Phone        *string
	Email        *string
	Name         string
	PasswordHash string
	State        string
	CreatedAt    time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt    time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is account.
func (accountRow) TableName() string { return "account" }

func (r accountRow) account() Account {
	return Account{
		ID: id.From[Account](r.ID), Phone: text(r.Phone), Email: text(r.Email), Name: r.Name,
		State: State(r.State), CreatedAt: r.CreatedAt.UTC(),
	}
}

// sessionRow is a row of the table session.
type sessionRow struct {
	ID        uuid.UUID `gorm:"primaryKey"`
	AccountID uuid.UUID
	TokenHash []byte
	UserAgent string
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	ExpiresAt time.Time
	RevokedAt *time.Time
}

// TableName is session.
func (sessionRow) TableName() string { return "session" }

func (r sessionRow) session() Session {
	s := Session{
		ID: id.From[Session](r.ID), Account: id.From[Account](r.AccountID), UserAgent: r.UserAgent,
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
	}
	s.RevokedAt = postgres.OrZero(r.RevokedAt)
	return s
}

// grantRow is a row of the table role_grant.
type grantRow struct {
	AccountID  uuid.UUID `gorm:"primaryKey"`
	Role       string    `gorm:"primaryKey"`
	MerchantID uuid.UUID `gorm:"primaryKey"`
	Region     string    `gorm:"primaryKey"`
	GrantedAt  time.Time
	GrantedBy  *uuid.UUID
}

// TableName is role_grant.
func (grantRow) TableName() string { return "role_grant" }

// grantsOf is an SQL expression: the grants of the account a as a JSON array.
const grantsOf = `coalesce((SELECT jsonb_agg(jsonb_build_object('role', g.role, 'merchant', g.merchant_id, 'region', g.region)
	ORDER BY g.role, g.merchant_id, g.region)
	FROM role_grant g WHERE g.account_id = a.id), '[]')::text`

// grantsFrom reads what grantsOf wrote.
func grantsFrom(js string) ([]Grant, error) {
	var grants []Grant
	if err := json.Unmarshal([]byte(js), &grants); err != nil {
		return nil, fmt.Errorf("read the roles of an account: %w", err)
	}
	if len(grants) == 0 {
		return nil, nil
	}
	return grants, nil
}

// known is an account together with its password's hash, which leaves this
// package on no way.
type known struct {
	Account
	hash string
}

// knownRow is an account with its roles.
type knownRow struct {
	Row    accountRow `gorm:"embedded"`
	Grants string
}

func (r knownRow) known() (known, error) {
	k := known{Account: r.Row.account(), hash: r.Row.PasswordHash}
	var err error
	k.Roles, err = grantsFrom(r.Grants)
	return k, err
}

func insertAccount(ctx context.Context, tx *postgres.Tx, a Account, hash string) error {
	err := postgres.On[accountRow](tx).Create(ctx, accountRow{
		ID: a.ID.UUID(), Phone: pointer(a.Phone), Email: pointer(a.Email), Name: a.Name, PasswordHash: hash,
		State: string(a.State), CreatedAt: a.CreatedAt, UpdatedAt: a.CreatedAt,
	})
	switch {
	case postgres.Violates(err, "account_phone_key"):
		return ErrTaken.At("/phone", "unique", "registered already")
	case postgres.Violates(err, "account_email_key"):
		return ErrTaken.At("/email", "unique", "registered already")
	case err != nil:
		return fmt.Errorf("insert an account: %w", err)
	}
	return nil
}

// recordAccount makes an account whose password nothing is the hash of.
func recordAccount(ctx context.Context, tx *postgres.Tx, a Account) error {
	_, err := tx.Exec(ctx, `INSERT INTO account (id, email, name, password_hash, state, created_at, updated_at)
		VALUES (?, ?, ?, '', 'active', ?, ?) ON CONFLICT (id) DO NOTHING`, a.ID.UUID(), a.Email, a.Name, tx.Now, tx.Now)
	if err != nil {
		return fmt.Errorf("record an account: %w", err)
	}
	return nil
}

func byLogin(ctx context.Context, tx *postgres.Tx, login string) (known, error) {
	return one(ctx, tx, `a.phone = ? OR a.email = ?`, login, login)
}

func byID(ctx context.Context, tx *postgres.Tx, account ID) (known, error) {
	k, err := one(ctx, tx, `a.id = ?`, account.UUID())
	if errors.Is(err, postgres.ErrNoRows) {
		return k, ErrAccount
	}
	return k, err
}

func one(ctx context.Context, tx *postgres.Tx, where string, args ...any) (known, error) {
	r, err := postgres.Row[knownRow](ctx, tx, `SELECT a.*, `+grantsOf+` AS grants FROM account a WHERE `+where, args...)
	if err != nil {
		return known{}, fmt.Errorf("read an account: %w", err)
	}
	return r.known()
}

func accounts(ctx context.Context, tx *postgres.Tx, p page.Request) (page.Of[Account], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Account]{}, err
	}
	where, args := `true`, []any{}
	if last != uuid.Nil {
		where, args = `a.id < ?`, []any{last}
	}
	rows, err := postgres.Rows[knownRow](ctx, tx,
		`SELECT a.*, `+grantsOf+` AS grants FROM account a WHERE `+where+` ORDER BY a.id DESC LIMIT ?`, append(args, p.Size()+1)...)
	if err != nil {
		return page.Of[Account]{}, fmt.Errorf("list accounts: %w", err)
	}
	out := make([]Account, len(rows))
	for i, r := range rows {
		k, err := r.known()
		if err != nil {
			return page.Of[Account]{}, err
		}
		out[i] = k.Account
	}
	return page.Cut(out, p.Size(), func(a Account) (string, uuid.UUID) { return "", a.ID.UUID() }), nil
}

// lock reads an account and keeps it from changing until the end of tx. It
// locks in a statement of its own: one that waited for the lock would still see
// the roles of before.
func lock(ctx context.Context, tx *postgres.Tx, account ID) (Account, error) {
	if _, err := tx.Exec(ctx, `SELECT FROM account WHERE id = ? FOR UPDATE`, account.UUID()); err != nil {
		return Account{}, fmt.Errorf("lock account %s: %w", account, err)
	}
	k, err := byID(ctx, tx, account)
	return k.Account, err
}

func updateState(ctx context.Context, tx *postgres.Tx, a Account) error {
	_, err := postgres.On[accountRow](tx).Where("id = ?", a.ID.UUID()).Select("State", "UpdatedAt").
		Updates(ctx, accountRow{State: string(a.State), UpdatedAt: tx.Now})
	if err != nil {
		return fmt.Errorf("update account %s: %w", a.ID, err)
	}
	return nil
}

// updatePassword sets a new hash if the old one is still in force.
func updatePassword(ctx context.Context, tx *postgres.Tx, account ID, old, fresh string) error {
	n, err := postgres.On[accountRow](tx).Where("id = ? AND password_hash = ?", account.UUID(), old).
		Select("PasswordHash", "UpdatedAt").Updates(ctx, accountRow{PasswordHash: fresh, UpdatedAt: tx.Now})
	if err != nil {
		return fmt.Errorf("set the password of %s: %w", account, err)
	}
	if n == 0 {
		return ErrPassword.With("the password was changed in the meantime")
	}
	return nil
}

// insertSession makes a session if the account is still active and its
// password still the one that was compared: it waits for a change under way.
func insertSession(ctx context.Context, tx *postgres.Tx, s Session, hash string) error {
	token, _ := tokenHash(s.Token)
	n, err := tx.Exec(ctx, `INSERT INTO session (id, account_id, token_hash, user_agent, created_at, expires_at)
		SELECT ?::uuid, a.id, ?::bytea, ?::text, ?::timestamptz, ?::timestamptz FROM account a
		WHERE a.id = ? AND a.state = 'active' AND a.password_hash = ? FOR SHARE OF a`,
		s.ID.UUID(), token, s.UserAgent, s.CreatedAt, s.ExpiresAt, s.Account.UUID(), hash)
	if err != nil {
		return fmt.Errorf("insert a session: %w", err)
	}
	if n == 0 {
		return ErrCredentials
	}
	return nil
}

// resolvedRow is what one statement says about a token.
type resolvedRow struct {
	SessionID uuid.UUID
	AccountID uuid.UUID
	ExpiresAt time.Time
	RevokedAt *time.Time
	State     string
	Grants    string
}

func resolve(ctx context.Context, tx *postgres.Tx, token []byte) (Caller, error) {
	r, err := postgres.Row[resolvedRow](ctx, tx, `SELECT s.id AS session_id, s.account_id, s.expires_at, s.revoked_at, a.state, `+grantsOf+` AS grants
		FROM session s JOIN account a ON a.id = s.account_id WHERE s.token_hash = ?`, token)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Caller{}, ErrUnauthenticated
	case err != nil:
		return Caller{}, fmt.Errorf("resolve a token: %w", err)
	case r.RevokedAt != nil || !tx.Now.Before(r.ExpiresAt):
		return Caller{}, ErrUnauthenticated
	case State(r.State) != Active:
		return Caller{}, ErrSuspended
	}
	c := Caller{Account: id.From[Account](r.AccountID), Session: id.From[Session](r.SessionID)}
	c.Roles, err = grantsFrom(r.Grants)
	return c, err
}

func revoke(ctx context.Context, tx *postgres.Tx, account ID, session SessionID) error {
	n, err := postgres.On[sessionRow](tx).
		Where("id = ? AND account_id = ? AND revoked_at IS NULL", session.UUID(), account.UUID()).
		Select("RevokedAt").Updates(ctx, sessionRow{RevokedAt: &tx.Now})
	if err != nil {
		return fmt.Errorf("revoke session %s: %w", session, err)
	}
	if n == 0 {
		return ErrSession
	}
	return nil
}

func revokeOthers(ctx context.Context, tx *postgres.Tx, account ID, but SessionID) error {
	_, err := postgres.On[sessionRow](tx).
		Where("account_id = ? AND id <> ? AND revoked_at IS NULL", account.UUID(), but.UUID()).
		Select("RevokedAt").Updates(ctx, sessionRow{RevokedAt: &tx.Now})
	if err != nil {
		return fmt.Errorf("revoke the other sessions of %s: %w", account, err)
	}
	return nil
}

func sessions(ctx context.Context, tx *postgres.Tx, account ID, p page.Request) (page.Of[Session], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Session]{}, err
	}
	q := postgres.On[sessionRow](tx).
		Where("account_id = ? AND revoked_at IS NULL AND expires_at > ?", account.UUID(), tx.Now).
		Order("id DESC").Limit(p.Size() + 1)
	if last != uuid.Nil {
		q = q.Where("id < ?", last)
	}
	rows, err := q.Find(ctx)
	if err != nil {
		return page.Of[Session]{}, fmt.Errorf("list the sessions of %s: %w", account, err)
	}
	out := make([]Session, len(rows))
	for i, r := range rows {
		out[i] = r.session()
	}
	return page.Cut(out, p.Size(), func(s Session) (string, uuid.UUID) { return "", s.ID.UUID() }), nil
}

func sweep(ctx context.Context, tx *postgres.Tx, before time.Time) (int64, error) {
	n, err := tx.Exec(ctx, `DELETE FROM session WHERE expires_at < ?`, before)
	if err != nil {
		return 0, fmt.Errorf("drop old sessions: %w", err)
	}
	return n, nil
}

func insertGrant(ctx context.Context, tx *postgres.Tx, account ID, g Grant, by ID) error {
	r := grantRow{AccountID: account.UUID(), Role: string(g.Role), MerchantID: g.Merchant, Region: g.Region, GrantedAt: tx.Now}
	if !by.IsZero() {
		who := by.UUID()
		r.GrantedBy = &who
	}
	if err := postgres.On[grantRow](tx, clause.OnConflict{DoNothing: true}).Create(ctx, r); err != nil {
		return fmt.Errorf("grant %s to %s: %w", g.Role, account, err)
	}
	return nil
}

func deleteGrant(ctx context.Context, tx *postgres.Tx, account ID, g Grant) error {
	_, err := tx.Exec(ctx, `DELETE FROM role_grant WHERE account_id = ? AND role = ? AND merchant_id = ? AND region = ?`,
		account.UUID(), string(g.Role), g.Merchant, g.Region)
	if err != nil {
		return fmt.Errorf("revoke %s of %s: %w", g.Role, account, err)
	}
	return nil
}

// pointer is NULL for "".
func pointer(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
