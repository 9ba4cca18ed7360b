package inventory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
)

// Receive takes in a lot: its pieces are on the shelf at once. A SKU of another
// enterprise is ErrUnknown, a code that was received before ErrLotKnown; the files
// must be the actor's own.
func (s *Service) Receive(ctx context.Context, r Receipt, claim request.Claim, render func(Lot) (request.Answer, error)) (Lot, error) {
	lot, err := request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Lot, error) {
		if err := r.check(Day(tx.Now)); err != nil {
			return Lot{}, err
		}
		held, err := lock(ctx, tx, r.Merchants, r.SKU)
		if err != nil {
			return Lot{}, err
		}
		if held.Available+r.Qty > MaxPieces {
			return Lot{}, ErrQuantity.With("more than %d pieces", MaxPieces).At("/quantity", "range", "the shelf would hold too many")
		}
		if err := file.Check(ctx, tx, r.Actor, r.Certificate.Files...); err != nil {
			return Lot{}, err
		}
		l := Lot{
			ID: id.New[Lot](tx.Now), Merchant: held.Merchant, SKU: r.SKU, Code: r.Code, MadeOn: r.MadeOn, BestBefore: r.BestBefore,
			Certificate: r.Certificate, Received: r.Qty, Remaining: r.Qty, ReceivedAt: tx.Now,
		}
		if err := insertLot(ctx, tx, l, r.Actor); err != nil {
			return Lot{}, err
		}
		return l, shelve(ctx, tx, held, r.Qty, "lot "+r.Code, r.Actor)
	})
	if err == nil {
		s.shelf.forget(r.SKU)
	}
	return lot, err
}

// shelve changes what is free of a locked SKU, and writes it down.
func shelve(ctx context.Context, tx *postgres.Tx, held Level, delta int64, reason string, actor uuid.UUID) error {
	held.Available, held.UpdatedAt = held.Available+delta, tx.Now
	if err := update(ctx, tx, held); err != nil {
		return err
	}
	return insertMove(ctx, tx, Move{
		ID: id.New[Move](tx.Now), Merchant: held.Merchant, SKU: held.SKU, Delta: delta, Available: held.Available,
		Reason: reason, Actor: actor, At: tx.Now,
	})
}

// Lots lists the lots of a SKU, the newest first; ErrUnknown for one of other enterprises.
func (s *Service) Lots(ctx context.Context, merchants []uuid.UUID, sku uuid.UUID, p page.Request) (page.Of[Lot], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Lot], error) {
		if held, err := levels(ctx, tx, []uuid.UUID{sku}); err != nil || !slices.Contains(merchants, held[sku].Merchant) {
			return page.Of[Lot]{}, cmp.Or(err, error(ErrUnknown))
		}
		return lots(ctx, tx, merchants, sku, p)
	})
}

// LotOf is a lot as it stands, whosesoever it is; ErrLot if there is none.
func LotOf(ctx context.Context, tx *postgres.Tx, lid LotID) (Lot, error) {
	return lotByID(ctx, tx, lid)
}

// Stop withdraws what remains of a lot from sale and keeps it from being sold
// further. Pieces that placed checkouts hold follow when these end. Such that are paid
// nevertheless draw from other lots first; where there are no others they draw from
// this one, so that whoever asks finds their orders. It returns the lot as it then is.
func Stop(ctx context.Context, tx *postgres.Tx, actor uuid.UUID, lid LotID) (Lot, error) {
	l, err := lotByID(ctx, tx, lid)
	if err != nil {
		return Lot{}, err
	}
	held, err := lock(ctx, tx, []uuid.UUID{l.Merchant}, l.SKU)
	if err != nil {
		return Lot{}, err
	}
	if err := stopLot(ctx, tx, l); err != nil {
		return Lot{}, err
	}
	return withdraw(ctx, tx, held, lid, "recall", actor)
}

// withdraw takes what is free of a lot off the shelf of a SKU that is locked.
func withdraw(ctx context.Context, tx *postgres.Tx, held Level, lid LotID, why string, actor uuid.UUID) (Lot, error) {
	l, err := lotByID(ctx, tx, lid)
	if err != nil {
		return Lot{}, err
	}
	n := min(l.Remaining, held.Available)
	if n == 0 {
		return l, nil
	}
	l.Remaining, l.Withdrawn = l.Remaining-n, l.Withdrawn+n
	if err := withdrawLot(ctx, tx, l, n); err != nil {
		return Lot{}, err
	}
	return l, shelve(ctx, tx, held, -n, why+": lot "+l.Code, actor)
}

// WithdrawDue withdraws up to limit lots that may not be sold any more: those past
// their day, which are sold through its end, and what came free of those that were
// recalled. It returns how many it withdrew something of.
func (s *Service) WithdrawDue(ctx context.Context, limit int) (int, error) {
	due, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]Lot, error) { return dueLots(ctx, tx, Day(tx.Now), limit) })
	if err != nil {
		return 0, err
	}
	for i, l := range due {
		err := postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
			held, err := lock(ctx, tx, []uuid.UUID{l.Merchant}, l.SKU)
			if err != nil {
				return err
			}
			_, err = withdraw(ctx, tx, held, l.ID, l.withdrawnFor(), uuid.Nil)
			return err
		})
		if err != nil {
			return i, fmt.Errorf("withdraw lot %s: %w", l.ID, err)
		}
		s.shelf.forget(l.SKU)
	}
	return len(due), nil
}

func (l Lot) withdrawnFor() string {
	if l.StoppedAt.IsZero() {
		return "past its day"
	}
	return "recall"
}

// Draws are what orders took of a lot, by order: the one placed first comes first.
func Draws(ctx context.Context, tx *postgres.Tx, merchant uuid.UUID, lot LotID, p page.Request) (page.Of[Draw], error) {
	return draws(ctx, tx, merchant, lot, p)
}
