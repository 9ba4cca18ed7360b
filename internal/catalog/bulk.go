package catalog

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Revision is what becomes of a product that is listed.
type Revision struct {
	Product
	Described bool                // its Description is to be written
	Prices    map[SKUID]money.Fen // new prices of its SKUs
	Added     []NewSKU            // SKUs that it has not yet
}

// AddAll lists products of one enterprise at once, as drafts; their prices begin now.
// ErrInvalid, ErrCategory, ErrRegion, or ErrListed when a code or an id is used.
func AddAll(ctx context.Context, tx *postgres.Tx, actor uuid.UUID, all []NewProduct) ([]Product, error) {
	added := make([]Product, len(all))
	for i, n := range all {
		if err := n.Check(); err != nil {
			return nil, err
		}
		added[i] = n.product(tx.Now)
		added[i].EditedBy = actor
	}
	if err := insertAll(ctx, tx, added); err != nil {
		return nil, err
	}
	return added, errors.Join(notePrices(ctx, tx, actor, pricesOf(added...)), changed(ctx, tx, added...))
}

// ReviseAll writes revisions of products of one enterprise at once and returns the
// SKUs that were added. The caller holds the products. What is described anew
// becomes a draft, as by Service.Edit; prices and SKUs need no review. ErrState
// while a product is in review, ErrInvalid, ErrCategory, ErrRegion, or ErrListed.
func ReviseAll(ctx context.Context, tx *postgres.Tx, actor uuid.UUID, all []Revision) (added []SKU, err error) {
	touched, written, grown := make([]Product, len(all)), []Product{}, make([]Product, len(all))
	var priced []skuPrice
	for i, r := range all {
		if written, err = r.apply(tx.Now, actor, written); err != nil {
			return nil, err
		}
		for _, k := range r.SKUs {
			if fen, ok := r.Prices[k.ID]; ok {
				k.Price = fen
				priced = append(priced, skuPrice{r.Merchant, k})
			}
		}
		touched[i], grown[i] = r.Product, r.Product
		grown[i].SKUs = nil
		for n, k := range r.Added {
			grown[i].SKUs = append(grown[i].SKUs, SKU{ID: id.New[SKU](tx.Now), Code: k.Code, Price: k.Price, Position: len(r.SKUs) + n + 1})
		}
		added = append(added, grown[i].SKUs...)
	}
	if err := errors.Join(update(ctx, tx, written...), updatePrices(ctx, tx, priced), insertSKUs(ctx, tx, grown)); err != nil {
		return nil, err
	}
	return added, errors.Join(notePrices(ctx, tx, actor, append(pricesOf(grown...), priced...)), changed(ctx, tx, touched...))
}

// apply makes the product what it becomes, and adds it to those to be written
// unless only prices change.
func (r Revision) apply(now time.Time, actor uuid.UUID, written []Product) ([]Product, error) {
	if !r.Described && len(r.Added) == 0 {
		return written, nil
	}
	p, state, editor := r.Product, r.State, r.EditedBy
	if err := p.edit(actor); err != nil {
		return nil, err
	}
	if !r.Described {
		p.State, p.EditedBy = state, editor
	}
	p.Version++
	p.UpdatedAt = now
	return append(written, p), nil
}
