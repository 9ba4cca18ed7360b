// Package request remembers what was answered, so that a request which is sent
// twice has one effect. The memory is written in the transaction of the effect:
// a key exists if and only if its effect does, and what was refused is forgotten.
package request

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Faults of a key.
var (
	ErrReused  = fault.New(fault.Refused, "request.key_reused", "The idempotency key was used for another request", "该幂等键已用于另一个请求")
	ErrRunning = fault.New(fault.Conflict, "request.running", "The first request with this key is still running", "使用该幂等键的请求仍在处理")
)

// Faults of an edit's If-Match (RFC 9110 §13.1.1, RFC 6585 §3).
var (
	ErrStale         = fault.New(fault.Conflict, "request.stale", "What you edit has been changed since you read it", "内容已被更新，请刷新后重试")
	ErrUnconditional = fault.New(fault.Invalid, "request.unconditional", "An edit needs If-Match with the ETag of what was read", "修改请求需要携带 If-Match")
)

const (
	// Kept is how long an answer is remembered.
	Kept = 30 * 24 * time.Hour
	// abandoned is the age at which a request without an answer counts as one
	// whose process died between its effect and its answer.
	abandoned = 30 * time.Second
)

// Claim is a caller's key for one operation. Its zero value remembers nothing:
// for callers inside the program.
type Claim struct {
	Caller    uuid.UUID
	Operation string   // the contract's operationId
	Key       string   // Idempotency-Key, 1 to 255 characters
	Hash      [32]byte // of method, path and body
}

// Answer is what was said: an HTTP status and the body's bytes.
type Answer struct {
	Status int
	Body   []byte
}

// ReplayError is the error that carries the answer given before to the edge, which
// repeats it to the byte.
type ReplayError struct{ Answer }

// Error says that there is nothing to do.
func (r *ReplayError) Error() string {
	return fmt.Sprintf("request: answered before with %d", r.Status)
}

// Begin claims the key for the caller's transaction. It returns *ReplayError when the
// request was answered before, ErrReused when the key came with another request,
// ErrRunning when the first is still at work, and resumed when the first died
// after its effect: then the effect exists and only the answer is missing.
func Begin(ctx context.Context, tx *postgres.Tx, c Claim) (resumed bool, err error) {
	if c.Key == "" {
		return false, nil
	}
	fresh, err := insert(ctx, tx, c)
	if err != nil || fresh {
		return false, err
	}
	r, err := lock(ctx, tx, c)
	if err != nil {
		return false, err
	}
	switch {
	case [32]byte(r.Hash) != c.Hash:
		return false, ErrReused
	case r.Status != nil:
		return false, &ReplayError{Answer{*r.Status, r.Body}}
	case tx.Now.Sub(r.ClaimedAt) < abandoned:
		return false, ErrRunning.After(time.Second)
	}
	return true, reclaim(ctx, tx, c)
}

// Fill renders the result for the caller and stores it, in the last transaction of
// the operation.
func Fill[T any](ctx context.Context, tx *postgres.Tx, c Claim, render func(T) (Answer, error), result T) error {
	if c.Key == "" {
		return nil
	}
	answer, err := render(result)
	if err != nil {
		return fmt.Errorf("render the answer of %s: %w", c.Operation, err)
	}
	return fill(ctx, tx, c, answer)
}

// Do runs an operation of one transaction: it claims the key, does f, renders
// the result for the caller and stores it.
func Do[T any](ctx context.Context, db *postgres.DB, c Claim, render func(T) (Answer, error), f func(tx *postgres.Tx) (T, error)) (T, error) {
	return postgres.InTx(ctx, db, func(tx *postgres.Tx) (out T, err error) {
		if _, err := Begin(ctx, tx, c); err != nil {
			return out, err
		}
		if out, err = f(tx); err != nil {
			return out, err
		}
		return out, Fill(ctx, tx, c, render, out)
	})
}

// Forget drops the answers older than Kept and returns how many they were.
func Forget(ctx context.Context, db *postgres.DB) (int64, error) {
	return postgres.InTx(ctx, db, func(tx *postgres.Tx) (int64, error) {
		return forget(ctx, tx, tx.Now.Add(-Kept))
	})
}
