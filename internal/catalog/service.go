package catalog

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service lists goods and keeps their prices.
type Service struct {
	db    *postgres.DB
	cache *Cache
}

// New returns a Service on db. The cache may be nil: then every reader asks
// the database.
func New(db *postgres.DB, cache *Cache) *Service { return &Service{db: db, cache: cache} }

// Categories lists the shelves in their order, public.
func (s *Service) Categories(ctx context.Context) ([]Category, error) {
	return cached(ctx, s.cache, s.db.Now(), "categories", func(ctx context.Context) ([]Category, error) {
		return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]Category, error) { return Categories(ctx, tx) })
	})
}

// Products lists what f chooses of all that can be bought, public, by code. It
// may be up to MaxAge old; a checkout decides by Offers, which never is.
func (s *Service) Products(ctx context.Context, f Filter, p page.Request) (page.Of[Product], error) {
	if err := f.check(); err != nil {
		return page.Of[Product]{}, err
	}
	if _, _, err := p.After(); err != nil {
		return page.Of[Product]{}, err
	}
	read := func(ctx context.Context) (page.Of[Product], error) {
		return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Product], error) { return onSale(ctx, tx, f, p) })
	}
	if p.Cursor != "" { // anybody can make up cursors without end
		return read(ctx)
	}
	key, err := json.Marshal([]any{"products", f.Category, f.Merchant, p.Size()})
	if err != nil {
		return page.Of[Product]{}, err
	}
	return cached(ctx, s.cache, s.db.Now(), string(key), read)
}

// Product is a product that can be bought, public. ErrProduct when it cannot;
// the answer may be up to MaxAge old.
func (s *Service) Product(ctx context.Context, p ProductID) (Product, error) {
	return cached(ctx, s.cache, s.db.Now(), "product:"+p.String(), func(ctx context.Context) (Product, error) {
		return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Product, error) { return productOnSale(ctx, tx, p) })
	})
}

// Own lists the products of the enterprises that the caller sells for, in every
// state and as of now.
func (s *Service) Own(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Product], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Product], error) {
		return productsOf(ctx, tx, caller.Merchants(), p)
	})
}

// Add lists a product of an enterprise that the caller sells for; another one
// is ErrMerchant. ErrInvalid, ErrCategory, or ErrListed.
func (s *Service) Add(ctx context.Context, caller identity.Caller, n NewProduct) (Product, error) {
	if !caller.SellsFor(n.Merchant.UUID()) {
		return Product{}, ErrMerchant
	}
	if err := n.check(); err != nil {
		return Product{}, err
	}
	added, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Product, error) {
		p := n.product(tx.Now)
		if err := insert(ctx, tx, &p); err != nil {
			return Product{}, err
		}
		for _, k := range p.SKUs {
			if err := insertPrice(ctx, tx, p.Merchant, k.ID, PricePoint{Price: k.Price, Since: tx.Now, Actor: caller.Account.UUID()}); err != nil {
				return Product{}, err
			}
		}
		if err := changed(ctx, tx, p.Merchant, p.ID); err != nil {
			return Product{}, err
		}
		return p, note(ctx, tx, caller, "catalog.add", "product:"+p.ID.String(), map[string]any{"code": p.Code, "state": string(p.State)})
	})
	if err == nil {
		s.Forget(ctx)
	}
	return added, err
}

// SetPrice gives a SKU a new price, from now on and for everybody. A SKU of an
// enterprise that the caller does not sell for is ErrSKU.
func (s *Service) SetPrice(ctx context.Context, caller identity.Caller, sku SKUID, price money.Fen) (SKU, error) {
	if err := checkPrice(price); err != nil {
		return SKU{}, err
	}
	set, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (SKU, error) {
		p, k, err := lockSKU(ctx, tx, caller.Merchants(), sku)
		if err != nil || k.Price == price {
			return k, err
		}
		m, old := p.merchant, k.Price
		k.Price = price
		if err := updatePrice(ctx, tx, m, k); err != nil {
			return SKU{}, err
		}
		if err := insertPrice(ctx, tx, m, sku, PricePoint{Price: price, Since: tx.Now, Actor: caller.Account.UUID()}); err != nil {
			return SKU{}, err
		}
		if err := changed(ctx, tx, m, p.product); err != nil {
			return SKU{}, err
		}
		return k, note(ctx, tx, caller, "catalog.set_price", "sku:"+sku.String(), map[string]any{"from_fen": int64(old), "to_fen": int64(price)})
	})
	if err == nil {
		s.Forget(ctx)
	}
	return set, err
}

// PutOnSale lets a product of the caller's enterprise be bought.
func (s *Service) PutOnSale(ctx context.Context, caller identity.Caller, p ProductID) (Product, error) {
	return s.change(ctx, caller, p, "catalog.put_on_sale", (*Product).PutOnSale)
}

// Withdraw takes a product of the caller's enterprise off sale.
func (s *Service) Withdraw(ctx context.Context, caller identity.Caller, p ProductID) (Product, error) {
	return s.change(ctx, caller, p, "catalog.withdraw", (*Product).Withdraw)
}

func (s *Service) change(ctx context.Context, caller identity.Caller, p ProductID, operation string, act func(*Product) error) (Product, error) {
	changed, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Product, error) {
		held, err := lockProduct(ctx, tx, caller.Merchants(), p)
		if err != nil {
			return Product{}, err
		}
		if err := act(&held); err != nil {
			return Product{}, err
		}
		held.UpdatedAt = tx.Now
		if err := updateState(ctx, tx, held); err != nil {
			return Product{}, err
		}
		if err := changed(ctx, tx, held.Merchant, held.ID); err != nil {
			return Product{}, err
		}
		return held, note(ctx, tx, caller, operation, "product:"+p.String(), nil)
	})
	if err == nil {
		s.Forget(ctx)
	}
	return changed, err
}

// Prices lists the last prices that a SKU has had, the newest first, at most
// page.MaxSize of them. Public: a price is no secret.
func (s *Service) Prices(ctx context.Context, sku SKUID, limit int) ([]PricePoint, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]PricePoint, error) {
		return prices(ctx, tx, sku, page.Request{Limit: limit}.Size())
	})
}

// Offers says how each of the SKUs can be bought at this moment, in the order
// of the SKUs. Those that there are not are missing. One statement, in the
// caller's transaction.
func Offers(ctx context.Context, tx *postgres.Tx, skus []SKUID) ([]Offer, error) {
	if len(skus) == 0 {
		return nil, nil
	}
	return offers(ctx, tx, skus)
}

// Offers is the function of the same name, as of now.
func (s *Service) Offers(ctx context.Context, skus []SKUID) ([]Offer, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]Offer, error) { return Offers(ctx, tx, skus) })
}

// Forget drops what is remembered for the public: after an edit here, or when
// an enterprise was suspended. Other processes follow within MaxAge.
func (s *Service) Forget(ctx context.Context) { s.cache.forget(ctx, s.db.Now()) }

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation, object string, detail map[string]any) error {
	return trail.Note(ctx, tx, trail.Entry{Actor: caller.Account.UUID(), Operation: operation, Object: object, Detail: detail})
}

// ids are the bare ids of SKUs.
func ids(skus []SKUID) []uuid.UUID {
	out := make([]uuid.UUID, len(skus))
	for i, k := range skus {
		out[i] = k.UUID()
	}
	return out
}
