package catalog

import (
	"context"
	"errors"
	"slices"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
)

// Own lists the products of the enterprises that the caller sells for, by code and
// as of now: those in a state, or with "" all.
func (s *Service) Own(ctx context.Context, caller identity.Caller, in State, p page.Request) (page.Of[Product], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Product], error) {
		return productsOf(ctx, tx, caller.Merchants(), in, p)
	})
}

// Add lists a product of an enterprise that the caller sells for, as a draft;
// another one is ErrMerchant. ErrInvalid, ErrCategory, ErrRegion, ErrListed, or
// file.ErrUnknown for pictures that the caller has not uploaded. Product.Lint says
// what will stand against it when it is submitted.
func (s *Service) Add(ctx context.Context, caller identity.Caller, n NewProduct) (Product, error) {
	if !caller.SellsFor(n.Merchant.UUID()) {
		return Product{}, ErrMerchant
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Product, error) {
		added, err := AddAll(ctx, tx, caller.Account.UUID(), []NewProduct{n})
		if err != nil {
			return Product{}, err
		}
		if err := file.CheckShown(ctx, tx, caller.Account.UUID(), n.Pictures...); err != nil {
			return Product{}, err
		}
		p, err := Of(ctx, tx, caller.Merchants(), added[0].ID)
		if err != nil {
			return Product{}, err
		}
		return p, note(ctx, tx, caller, "catalog.add", "product:"+p.ID.String(), map[string]any{"code": p.Code})
	})
}

// Edit changes what a product's listing says and shows, and makes it a draft: off
// sale, if it was on sale. version is that which the caller has seen, 0 any;
// another one is request.ErrStale. ErrProduct, ErrState while it is in review, and
// the faults of Add.
func (s *Service) Edit(ctx context.Context, caller identity.Caller, p ProductID, version int64, change func(*Description, *[]file.ID)) (Product, error) {
	return s.change(ctx, caller, p, version, "catalog.edit", func(tx *postgres.Tx, held *Product) error {
		if err := held.edit(caller.Account.UUID()); err != nil {
			return err
		}
		shown := held.Pictures
		change(&held.Description, &held.Pictures)
		if err := flaws(held.Description, held.Pictures).OrNil(); err != nil {
			return err
		}
		// A picture that a colleague uploaded may stay.
		added := slices.DeleteFunc(slices.Clone(held.Pictures), func(f file.ID) bool { return slices.Contains(shown, f) })
		return file.CheckShown(ctx, tx, caller.Account.UUID(), added...)
	})
}

// AddSKU adds a SKU to a product, behind the others, in whatever state but in
// review: it says nothing but a code and a price. ErrInvalid, ErrListed, and the
// faults of Edit.
func (s *Service) AddSKU(ctx context.Context, caller identity.Caller, p ProductID, version int64, n NewSKU) (Product, error) {
	if err := n.flaws(ErrInvalid, "").OrNil(); err != nil {
		return Product{}, err
	}
	return s.change(ctx, caller, p, version, "catalog.add_sku", func(tx *postgres.Tx, held *Product) error {
		if held.State == InReview {
			return ErrState.With("the product is in review: wait for the decision")
		}
		if len(held.SKUs) >= maxSKUs {
			return ErrInvalid.At("/code", "maxItems", "the product has as many SKUs as one can have")
		}
		k := SKU{ID: n.ID, Code: n.Code, Price: n.Price, Position: len(held.SKUs) + 1}
		if k.ID.IsZero() {
			k.ID = id.New[SKU](tx.Now)
		}
		held.SKUs = append(held.SKUs, k)
		grown := *held
		grown.SKUs = []SKU{k}
		if err := insertSKUs(ctx, tx, []Product{grown}); err != nil {
			return err
		}
		return notePrices(ctx, tx, caller.Account.UUID(), pricesOf(grown))
	})
}

// Submit asks for a review of a product. ErrProduct, ErrState, ErrIncomplete,
// ErrWording.
func (s *Service) Submit(ctx context.Context, caller identity.Caller, p ProductID) (Product, error) {
	return s.change(ctx, caller, p, 0, "catalog.submit", func(tx *postgres.Tx, held *Product) error {
		return held.submit(caller.Account.UUID(), tx.Now)
	})
}

// Withdraw takes a product of the caller's enterprise off sale. ErrProduct, ErrState.
func (s *Service) Withdraw(ctx context.Context, caller identity.Caller, p ProductID) (Product, error) {
	return s.change(ctx, caller, p, 0, "catalog.withdraw", func(_ *postgres.Tx, held *Product) error { return held.Withdraw() })
}

// change locks a product of the caller's enterprises, lets act change it, and
// writes it and the trail.
func (s *Service) change(ctx context.Context, caller identity.Caller, p ProductID, version int64, operation string,
	act func(*postgres.Tx, *Product) error,
) (Product, error) {
	return edited(ctx, s, func(tx *postgres.Tx) (Product, error) {
		held, err := lockProduct(ctx, tx, caller.Merchants(), p)
		if err != nil {
			return Product{}, err
		}
		err = Change(ctx, tx, caller, &held, version, operation, nil, act)
		return held, err
	})
}

// Change lets act change a product that is locked, and writes it and the trail, in
// the caller's transaction. Another version than the one that is named is
// request.ErrStale; 0 is any.
func Change(ctx context.Context, tx *postgres.Tx, caller identity.Caller, held *Product, version int64, operation string,
	detail map[string]any, act func(*postgres.Tx, *Product) error,
) error {
	if version != 0 && version != held.Version {
		return request.ErrStale.With("version %d was named, and it is at %d", version, held.Version)
	}
	if err := act(tx, held); err != nil {
		return err
	}
	held.Version++
	held.UpdatedAt = tx.Now
	if err := errors.Join(update(ctx, tx, *held), changed(ctx, tx, *held)); err != nil {
		return err
	}
	return note(ctx, tx, caller, operation, "product:"+held.ID.String(), detail)
}
