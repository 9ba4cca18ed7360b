package request

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"github.com/shiyi-market/shiyi/internal/postgres"
)

// requestRow is a row of the table request.
type requestRow struct {
	Caller    string `gorm:"primaryKey"`
	Operation string `gorm:"primaryKey"`
	Key       string `gorm:"primaryKey"`
	Hash      []byte
	ClaimedAt time.Time
	Status    *int
	Body      []byte
}

// TableName is request.
func (requestRow) TableName() string { return "request" }

// insert claims the key and reports whether it was free. It waits for another
// transaction that is just claiming the same one.
func insert(ctx context.Context, tx *postgres.Tx, c Claim) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO request (caller, operation, key, hash, claimed_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT ON CONSTRAINT request_pkey DO NOTHING`, c.Caller, c.Operation, c.Key, c.Hash[:], tx.Now)
	if err != nil {
		return false, fmt.Errorf("claim a key of %s: %w", c.Operation, err)
	}
	return n == 1, nil
}

func lock(ctx context.Context, tx *postgres.Tx, c Claim) (requestRow, error) {
	r, err := postgres.On[requestRow](tx, clause.Locking{Strength: "UPDATE"}).
		Where("caller = ? AND operation = ? AND key = ?", c.Caller, c.Operation, c.Key).Take(ctx)
	if err != nil {
		return r, fmt.Errorf("read a key of %s: %w", c.Operation, err)
	}
	return r, nil
}

func reclaim(ctx context.Context, tx *postgres.Tx, c Claim) error {
	_, err := tx.Exec(ctx, `UPDATE request SET claimed_at = ? WHERE caller = ? AND operation = ? AND key = ?`,
		tx.Now, c.Caller, c.Operation, c.Key)
	if err != nil {
		return fmt.Errorf("take over a key of %s: %w", c.Operation, err)
	}
	return nil
}

func fill(ctx context.Context, tx *postgres.Tx, c Claim, a Answer) error {
	body := a.Body
	if body == nil {
		body = []byte{}
	}
	_, err := tx.Exec(ctx, `UPDATE request SET status = ?, body = ? WHERE caller = ? AND operation = ? AND key = ? AND status IS NULL`,
		a.Status, body, c.Caller, c.Operation, c.Key)
	if err != nil {
		return fmt.Errorf("store the answer of %s: %w", c.Operation, err)
	}
	return nil
}

func forget(ctx context.Context, tx *postgres.Tx, before time.Time) (int64, error) {
	n, err := tx.Exec(ctx, `DELETE FROM request WHERE claimed_at < ?`, before)
	if err != nil {
		return 0, fmt.Errorf("forget old answers: %w", err)
	}
	return n, nil
}
