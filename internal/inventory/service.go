package inventory

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
)

// Service counts and adjusts stock.
type Service struct {
	db    *postgres.DB
	shelf *shelf
}

// New returns a Service on db.
func New(db *postgres.DB) *Service { return &Service{db: db, shelf: newShelf()} }

// Reserve moves all lines from available to reserved, or none of them: then
// ErrOutOfStock names every line that is short. Lines of one SKU count
// together. It is one statement, which locks the rows in (merchant, SKU) order.
func Reserve(ctx context.Context, tx *postgres.Tx, lines []Line) error {
	whole, err := merged(lines)
	if err != nil || len(whole) == 0 {
		return err
	}
	short, err := shift(ctx, tx, shifting{"reserve", -1, +1}, whole)
	if err != nil {
		return err
	}
	if len(short) > 0 {
		return outOfStock(lines, short)
	}
	return nil
}

// Release gives reserved pieces back to the shelf: a checkout was cancelled or
// has expired. Releasing what was not reserved is a bug, and an error. Pieces of a lot
// that was recalled meanwhile are withdrawn.
func Release(ctx context.Context, tx *postgres.Tx, lines []Line) error {
	return must(ctx, tx, shifting{"release", +1, -1}, lines, retreat)
}

// Take removes reserved pieces: they were paid for and leave the house, and the
// lots that they are of are remembered by order. Taking what was not reserved is a bug,
// and an error.
func Take(ctx context.Context, tx *postgres.Tx, lines []Line) error {
	return must(ctx, tx, shifting{"take", 0, -1}, lines, draw)
}

// PutBack returns pieces that had been taken to the shelf, and to the lots that they
// were drawn from: they were refunded, and the goods are here. What is of a lot that
// was recalled or is past its day does not get onto the shelf.
func PutBack(ctx context.Context, tx *postgres.Tx, lines []Line) error {
	return must(ctx, tx, shifting{"put back", +1, 0}, lines, undraw)
}

func must(ctx context.Context, tx *postgres.Tx, s shifting, lines []Line, then ...func(context.Context, *postgres.Tx, []Line) error) error {
	whole, err := merged(lines)
	if err != nil || len(whole) == 0 {
		return err
	}
	short, err := shift(ctx, tx, s, whole)
	if err != nil {
		return err
	}
	if len(short) > 0 {
		return fmt.Errorf("%s stock: %d of %d SKUs do not hold as much, %s first", s.name, len(short), len(whole), short[0].SKU)
	}
	for _, next := range then {
		if err := next(ctx, tx, whole); err != nil {
			return err
		}
	}
	return nil
}

// Open begins to keep stock of a SKU, with l.Qty pieces (0 or more) on the
// shelf. ErrOpened when it is kept already. It belongs to the entry of goods,
// which has checked whose SKU it is; actor is zero for the program itself.
func Open(ctx context.Context, tx *postgres.Tx, actor uuid.UUID, l Line) error {
	if l.Qty < 0 || l.Qty > MaxPieces {
		return ErrQuantity.With("%d pieces", l.Qty)
	}
	if err := insert(ctx, tx, l); err != nil {
		return err
	}
	return insertMove(ctx, tx, Move{
		ID: id.New[Move](tx.Now), Merchant: l.Merchant, SKU: l.SKU, Delta: l.Qty, Available: l.Qty,
		Reason: opening, Actor: actor, At: tx.Now,
	})
}

// Open is the function of the same name, in a transaction of its own.
func (s *Service) Open(ctx context.Context, actor uuid.UUID, l Line) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return Open(ctx, tx, actor, l) })
}

// Adjust adds pieces to the shelf or takes them away and writes down who did it
// and why. A SKU of another enterprise is ErrUnknown; taking more than is free
// is ErrOutOfStock: what is reserved was promised to somebody.
func (s *Service) Adjust(ctx context.Context, a Adjustment, claim request.Claim, render func(Level) (request.Answer, error)) (Level, error) {
	if err := a.check(); err != nil {
		return Level{}, err
	}
	level, err := request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Level, error) {
		held, err := lock(ctx, tx, a.Merchants, a.SKU)
		if err != nil {
			return Level{}, err
		}
		if held.Available+a.Delta < 0 {
			return Level{}, ErrOutOfStock.With("only %d are free", held.Available).At("/delta", "stock", "more than is free")
		}
		if held.Available+a.Delta > MaxPieces {
			return Level{}, ErrQuantity.With("more than %d pieces", MaxPieces).At("/delta", "range", "the shelf would hold too many")
		}
		held.Available, held.UpdatedAt = held.Available+a.Delta, tx.Now
		if err := update(ctx, tx, held); err != nil {
			return Level{}, err
		}
		if err := lose(ctx, tx, held); err != nil {
			return Level{}, err
		}
		return held, insertMove(ctx, tx, Move{
			ID: id.New[Move](tx.Now), Merchant: held.Merchant, SKU: a.SKU, Delta: a.Delta, Available: held.Available,
			Reason: a.Reason, Actor: a.Actor, At: tx.Now,
		})
	})
	if err == nil {
		s.shelf.forget(a.SKU)
	}
	return level, err
}

// Levels says what there is of each of the SKUs, as of now. SKUs of which no
// stock is kept are missing in the answer.
func (s *Service) Levels(ctx context.Context, skus []uuid.UUID) (map[uuid.UUID]Level, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (map[uuid.UUID]Level, error) {
		return Levels(ctx, tx, skus)
	})
}

// Levels says what there is of each of the SKUs, in the caller's transaction
// and without locking anything: advice for a preview, not a promise.
func Levels(ctx context.Context, tx *postgres.Tx, skus []uuid.UUID) (map[uuid.UUID]Level, error) {
	if len(skus) == 0 {
		return map[uuid.UUID]Level{}, nil
	}
	return levels(ctx, tx, skus)
}

// InStock says which of the SKUs have pieces to sell, in the caller's transaction
// and without locking anything.
func InStock(ctx context.Context, tx *postgres.Tx, skus []uuid.UUID) (map[uuid.UUID]bool, error) {
	all, err := Levels(ctx, tx, skus)
	out := make(map[uuid.UUID]bool, len(all))
	for sku, l := range all {
		out[sku] = l.Available > 0
	}
	return out, err
}

// Available says which of the SKUs are in stock, for lists that everybody
// reads. It may be up to a second old; the checkout decides by the row itself.
func (s *Service) Available(ctx context.Context, skus []uuid.UUID) (map[uuid.UUID]bool, error) {
	return s.shelf.available(ctx, s.db.Now(), skus, s.Levels)
}
