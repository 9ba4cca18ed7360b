package recall

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service recalls.
type Service struct{ db *postgres.DB }

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db: db} }

// may reports whether the caller reaches what is of this enterprise: an operator
// all, a seller his own.
func may(caller identity.Caller, merchant uuid.UUID) bool {
	return caller.Is(identity.Operator) || caller.SellsFor(merchant)
}

// Open recalls a lot: what remains of it is withdrawn from sale in the same
// transaction. A lot is recalled once: ErrRecalled. Another enterprise's lot is
// inventory.ErrLot.
func (s *Service) Open(ctx context.Context, caller identity.Caller, lot inventory.LotID, o Opening, claim request.Claim, render func(Recall) (request.Answer, error)) (Recall, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Recall, error) {
		found, err := inventory.LotOf(ctx, tx, lot)
		if err != nil {
			return Recall{}, err
		}
		if !may(caller, found.Merchant) {
			return Recall{}, inventory.ErrLot
		}
		if err := o.check(); err != nil {
			return Recall{}, err
		}
		stopped, err := inventory.Stop(ctx, tx, caller.Account.UUID(), lot)
		if err != nil {
			return Recall{}, err
		}
		r := Recall{
			ID: id.New[Recall](tx.Now), Merchant: found.Merchant, Lot: lot, SKU: found.SKU, LotCode: found.Code, Level: o.Level,
			Reason: strings.TrimSpace(o.Reason), Notice: strings.TrimSpace(o.Notice), Stopped: stopped.Withdrawn - found.Withdrawn, State: Open, OpenedAt: tx.Now,
		}
		if err := insert(ctx, tx, r, caller.Account); err != nil {
			return Recall{}, err
		}
		return r, note(ctx, tx, caller, "recall.open", r, map[string]any{"lot": lot.String(), "level": r.Level, "reason": r.Reason, "stopped": r.Stopped})
	})
}

// Close ends a recall with its result, which the public sees. Another enterprise's
// is ErrUnknown.
func (s *Service) Close(ctx context.Context, caller identity.Caller, rid ID, result string, claim request.Claim, render func(Recall) (request.Answer, error)) (Recall, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Recall, error) {
		r, err := lock(ctx, tx, rid)
		if err != nil {
			return Recall{}, err
		}
		if !may(caller, r.Merchant) {
			return Recall{}, ErrUnknown
		}
		if err := r.Close(result, tx.Now); err != nil {
			return Recall{}, err
		}
		if err := saveClosed(ctx, tx, r, caller.Account); err != nil {
			return Recall{}, err
		}
		return r, note(ctx, tx, caller, "recall.close", r, map[string]any{"result": r.Result})
	})
}

// Orders are the orders that were served from the recalled lot, and with how many
// pieces: exactly those, also such that are paid after it was recalled. Another
// enterprise's recall is ErrUnknown.
func (s *Service) Orders(ctx context.Context, caller identity.Caller, rid ID, p page.Request) (page.Of[inventory.Draw], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[inventory.Draw], error) {
		r, err := read(ctx, tx, rid)
		if err != nil {
			return page.Of[inventory.Draw]{}, err
		}
		if !may(caller, r.Merchant) {
			return page.Of[inventory.Draw]{}, ErrUnknown
		}
		return inventory.Draws(ctx, tx, r.Merchant, r.Lot, p)
	})
}

// Recalls lists all recalls, the newest first: the public may know them all.
func (s *Service) Recalls(ctx context.Context, p page.Request) (page.Of[Recall], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Recall], error) { return list(ctx, tx, p) })
}

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, r Recall, detail map[string]any) error {
	return trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: operation, Object: "recall:" + r.ID.String(), Detail: detail,
	})
}
