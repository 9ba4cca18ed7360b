package cart

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/offer"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Service keeps one cart for each account. Every method works on the cart of
// the account that it is given: the caller's own.
type Service struct{ db *postgres.DB }

// New returns a Service on db.
func New(db *postgres.DB) *Service { return &Service{db: db} }

// SetLine puts qty pieces of the SKU into the cart, in place of what was there;
// 0 takes the line out. catalog.ErrSKU when there is no such SKU,
// catalog.ErrNotOnSale or the enterprise's fault when it cannot be bought, and
// ErrFull.
func (s *Service) SetLine(ctx context.Context, account identity.ID, sku catalog.SKUID, qty int64) error {
	if qty < 0 || qty > MaxQuantity {
		return ErrQuantity.At("/quantity", "range", "between 0 and 999")
	}
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		if qty == 0 {
			_, err := remove(ctx, tx, account, []catalog.SKUID{sku})
			return err
		}
		offers, err := offer.Of(ctx, tx, []catalog.SKUID{sku})
		if err != nil {
			return err
		}
		if len(offers) == 0 {
			return catalog.ErrSKU.At("/sku_id", "exists", "no such SKU")
		}
		if err := offers[0].Check(tx.Now); err != nil {
			return err
		}
		return put(ctx, tx, account, Line{SKU: sku, Qty: qty, AddedAt: tx.Now})
	})
}

// Remove takes a line out. ErrLine when it is not in the caller's cart.
func (s *Service) Remove(ctx context.Context, account identity.ID, sku catalog.SKUID) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		n, err := remove(ctx, tx, account, []catalog.SKUID{sku})
		if err == nil && n == 0 {
			return ErrLine
		}
		return err
	})
}

// Lines shows the cart in the order in which it was filled, each line with its
// offer of this moment.
func (s *Service) Lines(ctx context.Context, account identity.ID) ([]Shown, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) ([]Shown, error) {
		lines, err := read(ctx, tx, account, false)
		if err != nil {
			return nil, err
		}
		offers, err := offer.Of(ctx, tx, skus(lines))
		if err != nil {
			return nil, err
		}
		bySKU := make(map[catalog.SKUID]offer.Offer, len(offers))
		for _, o := range offers {
			bySKU[o.SKU] = o
		}
		out := make([]Shown, len(lines))
		for i, l := range lines {
			// Nothing is ever deleted from the catalogue, so every line has an offer.
			o := bySKU[l.SKU]
			out[i] = Shown{Line: l, Offer: o, Problem: o.Check(tx.Now)}
		}
		return out, nil
	})
}

// Contents locks the account's lines for the caller's transaction, in the order
// in which the cart was filled, for a checkout that empties it.
func Contents(ctx context.Context, tx *postgres.Tx, account identity.ID) ([]Line, error) {
	return read(ctx, tx, account, true)
}

// Seen is what Contents reads, without locking it: for a preview.
func Seen(ctx context.Context, tx *postgres.Tx, account identity.ID) ([]Line, error) {
	return read(ctx, tx, account, false)
}

// Clear takes these SKUs out of the account's cart, in the caller's
// transaction: they were ordered. SKUs that are not in it are passed over.
func Clear(ctx context.Context, tx *postgres.Tx, account identity.ID, skus []catalog.SKUID) error {
	if len(skus) == 0 {
		return nil
	}
	_, err := remove(ctx, tx, account, skus)
	return err
}

func skus(lines []Line) []catalog.SKUID {
	out := make([]catalog.SKUID, len(lines))
	for i, l := range lines {
		out[i] = l.SKU
	}
	return out
}
