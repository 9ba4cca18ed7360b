package catalog

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Check is nil if n may be listed as a draft, as far as that can be told without
// the database; otherwise ErrInvalid, with each bad field.
func (n NewProduct) Check() error { return n.check() }

// Categories is the method of the same name, in the caller's transaction and as of now.
func Categories(ctx context.Context, tx *postgres.Tx) ([]Category, error) { return categories(ctx, tx) }

// Revision is what becomes of a product that is listed.
type Revision struct {
	Product
	Described bool                // its Description is to be written
	Prices    map[SKUID]money.Fen // new prices of its SKUs
	Added     []NewSKU            // SKUs that it has not yet
}

// Known lists the products of an enterprise that have one of the codes, or a SKU
// with one of the SKU codes, in whatever state, by code. It needs no caller:
// whoever calls has checked whose enterprise it is.
func Known(ctx context.Context, tx *postgres.Tx, m merchant.ID, codes, skus []string) ([]Product, error) {
	return known(ctx, tx, m, codes, skus)
}

// Hold keeps those of the products of Known that have one of the codes, and their
// prices, from changing until the end of tx.
func Hold(ctx context.Context, tx *postgres.Tx, m merchant.ID, codes []string) error {
	return hold(ctx, tx, m, codes)
}

// After lists products of one enterprise, in whatever state, from after a code on.
func After(ctx context.Context, tx *postgres.Tx, m merchant.ID, code string, limit int) ([]Product, error) {
	return after(ctx, tx, m, code, limit)
}

// AddAll lists products of one enterprise at once; their prices begin now.
// ErrCategory, or ErrListed when a code or an id is used.
func AddAll(ctx context.Context, tx *postgres.Tx, actor uuid.UUID, all []NewProduct) ([]Product, error) {
	added := make([]Product, len(all))
	for i, n := range all {
		if err := n.check(); err != nil {
			return nil, err
		}
		added[i] = n.product(tx.Now)
	}
	if err := insertAll(ctx, tx, added); err != nil {
		return nil, err
	}
	var points []skuPrice
	for _, p := range added {
		for _, k := range p.SKUs {
			points = append(points, skuPrice{p.Merchant, k})
		}
	}
	return added, insertPrices(ctx, tx, actor, points)
}

// ReviseAll writes revisions of products of one enterprise at once and returns the
// SKUs that were added. The caller holds the products. ErrInvalid, ErrCategory,
// or ErrListed.
func ReviseAll(ctx context.Context, tx *postgres.Tx, actor uuid.UUID, all []Revision) ([]SKU, error) {
	var described, more []Product
	var priced, points []skuPrice
	var added []SKU
	for _, r := range all {
		if r.Described {
			r.Product.UpdatedAt = tx.Now
			described = append(described, r.Product)
		}
		for _, k := range r.SKUs {
			if price, ok := r.Prices[k.ID]; ok {
				k.Price = price
				priced = append(priced, skuPrice{r.Merchant, k})
			}
		}
		grown := r.Product
		grown.CreatedAt, grown.SKUs = tx.Now, nil
		for i, n := range r.Added {
			k := SKU{ID: id.New[SKU](tx.Now), Code: n.Code, Price: n.Price, Position: len(r.SKUs) + i + 1}
			grown.SKUs = append(grown.SKUs, k)
			points = append(points, skuPrice{r.Merchant, k})
		}
		if len(grown.SKUs) > 0 {
			more, added = append(more, grown), append(added, grown.SKUs...)
		}
	}
	if err := updateAll(ctx, tx, described, priced); err != nil {
		return nil, err
	}
	if err := insertManySKUs(ctx, tx, more); err != nil {
		return nil, err
	}
	return added, insertPrices(ctx, tx, actor, append(points, priced...))
}
