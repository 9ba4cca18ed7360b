package catalog

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/price"
	"github.com/shiyi-market/shiyi/internal/redisdb"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Cache remembers public answers.
type Cache = redisdb.Cache

// MaxAge is how old a public answer of the catalogue may be.
const MaxAge = redisdb.MaxAge

// NewCache makes the catalogue's cache; r may be nil.
func NewCache(r *redisdb.DB) *Cache { return redisdb.NewCache("catalog", r) }

// Service lists goods and keeps their prices.
type Service struct {
	db    *postgres.DB
	cache *Cache
}

// New returns a Service on db. The cache may be nil: then every reader asks
// the database.
func New(db *postgres.DB, cache *Cache) *Service { return &Service{db: db, cache: cache} }

// Products lists what f chooses of all that can be bought, public, by code. It
// may be up to MaxAge old; a checkout decides by package offer, which never is.
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
	return redisdb.Cached(ctx, s.cache, s.db.Now(), string(key), read)
}

// Product is a product that can be bought, public. ErrPaused when its enterprise may
// not sell now, ErrProduct when it cannot be bought otherwise; the answer may be up
// to MaxAge old.
func (s *Service) Product(ctx context.Context, p ProductID) (Product, error) {
	return redisdb.Cached(ctx, s.cache, s.db.Now(), "product:"+p.String(), func(ctx context.Context) (Product, error) {
		return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Product, error) { return productOnSale(ctx, tx, p) })
	})
}

// SetPrice gives a SKU a new price, from now on and for everybody. A SKU of an
// enterprise that the caller does not sell for is ErrSKU.
func (s *Service) SetPrice(ctx context.Context, caller identity.Caller, sku SKUID, fen money.Fen) (SKU, error) {
	if err := checkPrice(fen); err != nil {
		return SKU{}, err
	}
	return edited(ctx, s, func(tx *postgres.Tx) (SKU, error) {
		m, p, k, err := lockSKU(ctx, tx, caller.Merchants(), sku)
		if err != nil || k.Price == fen {
			return k, err
		}
		old := k.Price
		k.Price = fen
		set := []skuPrice{{m, k}}
		if err := errors.Join(updatePrices(ctx, tx, set), notePrices(ctx, tx, caller.Account.UUID(), set)); err != nil {
			return SKU{}, err
		}
		if err := changed(ctx, tx, Product{ID: p, Merchant: m}); err != nil {
			return SKU{}, err
		}
		return k, note(ctx, tx, caller, "catalog.set_price", "sku:"+sku.String(), map[string]any{"from_fen": int64(old), "to_fen": int64(fen)})
	})
}

// SetTiers makes these the lower prices of a SKU for larger quantities, in place of
// those that it had. price.ErrTiers; ErrSKU when it is another enterprise's.
func (s *Service) SetTiers(ctx context.Context, caller identity.Caller, sku SKUID, tiers []price.Tier) (SKU, error) {
	return edited(ctx, s, func(tx *postgres.Tx) (SKU, error) {
		m, p, k, err := lockSKU(ctx, tx, caller.Merchants(), sku)
		if err != nil {
			return SKU{}, err
		}
		k.Tiers, err = price.SetTiers(ctx, tx, price.SKU{Merchant: m.UUID(), SKU: sku.UUID()}, price.List{Base: k.Price, Tiers: tiers}, caller.Account.UUID())
		if err != nil {
			return SKU{}, err
		}
		if err := changed(ctx, tx, Product{ID: p, Merchant: m}); err != nil {
			return SKU{}, err
		}
		return k, note(ctx, tx, caller, "catalog.set_tiers", "sku:"+sku.String(), map[string]any{"tiers": len(tiers)})
	})
}

// Prices lists the last prices that a SKU has had, the newest first, at most
// page.MaxSize of them. Public: a price is no secret.
func (s *Service) Prices(ctx context.Context, sku SKUID, limit int) ([]price.Point, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]price.Point, error) {
		m, err := whereSKU(ctx, tx, sku)
		if err != nil || m == uuid.Nil {
			return nil, err
		}
		return price.History(ctx, tx, price.SKU{Merchant: m, SKU: sku.UUID()}, page.Request{Limit: limit}.Size())
	})
}

// Forget drops what is remembered for the public: after an edit here, or when
// an enterprise was suspended. Other processes follow within MaxAge.
func (s *Service) Forget(ctx context.Context) { s.cache.Forget(ctx, s.db.Now()) }

// edited runs f in a transaction, and forgets what the public was told before.
func edited[T any](ctx context.Context, s *Service, f func(*postgres.Tx) (T, error)) (T, error) {
	out, err := postgres.InTx(ctx, s.db, f)
	if err == nil {
		s.Forget(ctx)
	}
	return out, err
}

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation, object string, detail map[string]any) error {
	return trail.Note(ctx, tx, trail.Entry{Actor: caller.Account.UUID(), Operation: operation, Object: object, Detail: detail})
}
