package payee

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// accountRow is a row of the table payee.
type accountRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	Ref        string
	Submitted  bool
	Enabled    bool
	OwedLi     int64
	Failures   int
	RetryAt    *time.Time
	CheckedAt  *time.Time
	OpeningAt  *time.Time
}

// TableName is payee.
func (accountRow) TableName() string { return "payee" }

func (r accountRow) account() payout.Account {
	return payout.Account{
		Owner: r.MerchantID, Ref: r.Ref, Submitted: r.Submitted, Enabled: r.Enabled, Owed: money.Li(r.OwedLi), Failures: r.Failures,
		RetryAt: postgres.OrZero(r.RetryAt), CheckedAt: postgres.OrZero(r.CheckedAt),
	}
}

// Lock keeps an owner's account from others until tx ends; it is made if it
// is missing.
func Lock(ctx context.Context, tx *postgres.Tx, owner uuid.UUID) (payout.Account, error) {
	_, err := tx.Exec(ctx, `INSERT INTO payee (merchant_id) VALUES (?) ON CONFLICT ON CONSTRAINT payee_pkey DO NOTHING`, owner)
	if err != nil {
		return payout.Account{}, fmt.Errorf("make the payout account of %s: %w", owner, err)
	}
	r, err := postgres.On[accountRow](tx, clause.Locking{Strength: "UPDATE"}).Where("merchant_id = ?", owner).Take(ctx)
	if err != nil {
		return payout.Account{}, fmt.Errorf("lock the payout account of %s: %w", owner, err)
	}
	return r.account(), nil
}

func read(ctx context.Context, tx *postgres.Tx, owner uuid.UUID) (payout.Account, error) {
	r, err := postgres.On[accountRow](tx).Where("merchant_id = ?", owner).Take(ctx)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return payout.Account{Owner: owner}, nil
	case err != nil:
		return payout.Account{}, fmt.Errorf("read the payout account of %s: %w", owner, err)
	}
	return r.account(), nil
}

// begun notes that a locked account, which has no Ref, is about to be made at the
// provider, and reports whether that was noted before.
func begun(ctx context.Context, tx *postgres.Tx, owner uuid.UUID) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE payee SET opening_at = ? WHERE merchant_id = ? AND opening_at IS NULL`, tx.Now, owner)
	if err != nil {
		return false, fmt.Errorf("begin the payout account of %s: %w", owner, err)
	}
	return n == 0, nil
}

// Save writes a locked account.
func Save(ctx context.Context, tx *postgres.Tx, a payout.Account) error {
	_, err := tx.Exec(ctx, `UPDATE payee SET ref = ?, submitted = ?, enabled = ?, owed_li = ?, failures = ?, retry_at = ?, checked_at = ? WHERE merchant_id = ?`,
		a.Ref, a.Submitted, a.Enabled, int64(a.Owed), a.Failures, postgres.OrNull(a.RetryAt), postgres.OrNull(a.CheckedAt), a.Owner)
	if err != nil {
		return fmt.Errorf("save the payout account of %s: %w", a.Owner, err)
	}
	return nil
}

// accounts are the owners of accounts for which the condition holds.
func accounts(ctx context.Context, tx *postgres.Tx, limit int, order, condition string, args ...any) ([]payout.Account, error) {
	rows, err := postgres.On[accountRow](tx).Where(condition, args...).Order(order).Limit(limit).Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("find payout accounts: %w", err)
	}
	out := make([]payout.Account, len(rows))
	for i, r := range rows {
		out[i] = r.account()
	}
	return out, nil
}

// stale are accounts of which the provider was not asked since.
func stale(ctx context.Context, tx *postgres.Tx, since time.Time, limit int) ([]payout.Account, error) {
	return accounts(ctx, tx, limit, "checked_at", "ref <> '' AND checked_at <= ?", since)
}

// InArrears are enabled accounts to which whole fen have stayed owed.
func InArrears(ctx context.Context, tx *postgres.Tx, limit int) ([]payout.Account, error) {
	return accounts(ctx, tx, limit, "merchant_id", "enabled AND owed_li >= 10 AND (retry_at IS NULL OR retry_at <= ?)", tx.Now)
}
