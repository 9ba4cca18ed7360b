package settlement

import (
	"context"
	"errors"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payee"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Payouts are those of the caller's enterprises, newest first.
func (s *Service) Payouts(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[payout.Payout], error) {
	mine := caller.Merchants()
	if mine == nil {
		return page.Of[payout.Payout]{}, nil
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[payout.Payout], error) { return list(ctx, tx, mine, "", p) })
}

// Payout is one of the caller's enterprises, or ErrNotFound.
func (s *Service) Payout(ctx context.Context, caller identity.Caller, pid payout.ID) (payout.Payout, error) {
	p, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (payout.Payout, error) { return readPayout(ctx, tx, pid) })
	if err == nil && !caller.SellsFor(p.Merchant) {
		return payout.Payout{}, payout.ErrNotFound
	}
	return p, err
}

// PayoutsIn are all payouts in a state, newest first: for an operator or an auditor.
func (s *Service) PayoutsIn(ctx context.Context, state payout.State, p page.Request) (page.Of[payout.Payout], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[payout.Payout], error) { return list(ctx, tx, nil, state, p) })
}

// Retry begins a failed payout anew, once somebody has seen to what it failed for.
// ErrState if it has not failed, or if what it was for was paid or taken back since;
// ErrDisabled while nothing can be paid to the account.
func (s *Service) Retry(ctx context.Context, caller identity.Caller, pid payout.ID, claim request.Claim, render func(payout.Payout) (request.Answer, error)) (payout.Payout, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (payout.Payout, error) {
		p, err := readPayout(ctx, tx, pid)
		if err != nil {
			return payout.Payout{}, err
		}
		a, err := payee.Lock(ctx, tx, p.Merchant)
		if err != nil {
			return payout.Payout{}, err
		}
		if p, err = lockPayout(ctx, tx, pid); err != nil {
			return payout.Payout{}, err
		}
		why := p.Failure
		if err := again(ctx, tx, &a, &p); err != nil {
			return payout.Payout{}, err
		}
		if err := errors.Join(savePayout(ctx, tx, p), payee.Save(ctx, tx, a), tx.Enqueue(ctx, Pay{p.Merchant, p.ID})); err != nil {
			return payout.Payout{}, err
		}
		return p, trail.Note(ctx, tx, trail.Entry{
			Actor: caller.Account.UUID(), Operation: "payout.retry", Object: "payout:" + pid.String(),
			Detail: map[string]any{"attempt": p.Attempt, "amount_fen": p.Amount, "failure": why},
		})
	})
}
