package price

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// tierRow is a row of the table price. A tier that ended has no price.
type tierRow struct {
	MerchantID  uuid.UUID `gorm:"primaryKey"`
	SKUID       uuid.UUID `gorm:"column:sku_id;primaryKey"`
	BuyerClass  string    `gorm:"primaryKey"`
	MinQuantity int64     `gorm:"primaryKey"`
	PriceFen    *int64
	UpdatedAt   time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is price.
func (tierRow) TableName() string { return "price" }

// pointRow is a row of the table price_history.
type pointRow struct {
	MerchantID  uuid.UUID `gorm:"primaryKey"`
	SKUID       uuid.UUID `gorm:"column:sku_id;primaryKey"`
	ID          uuid.UUID `gorm:"primaryKey"`
	PriceFen    *int64
	Since       time.Time
	ActorID     *uuid.UUID
	BuyerClass  string
	MinQuantity int64
}

// TableName is price_history.
func (pointRow) TableName() string { return "price_history" }

// SKU names whose prices are meant.
type SKU struct{ Merchant, SKU uuid.UUID }

// Written is a price to be written down, and whose it is.
type Written struct {
	SKU
	Point
}

// Note writes a price down that holds from now on.
func Note(ctx context.Context, tx *postgres.Tx, k SKU, p Point) error {
	return NoteAll(ctx, tx, []Written{{k, p}})
}

// NoteAll is Note for many prices, in one statement.
func NoteAll(ctx context.Context, tx *postgres.Tx, all []Written) error {
	rows := make([]pointRow, len(all))
	for i, w := range all {
		rows[i] = pointRow{
			MerchantID: w.Merchant, SKUID: w.SKU.SKU, ID: id.New[Point](tx.Now).UUID(), Since: tx.Now,
			BuyerClass: string(w.Class), MinQuantity: w.From,
		}
		if w.Price != 0 {
			fen := int64(w.Price)
			rows[i].PriceFen = &fen
		}
		if w.Actor != uuid.Nil {
			rows[i].ActorID = &all[i].Actor
		}
	}
	if err := postgres.CreateAll(ctx, tx, rows); err != nil {
		return fmt.Errorf("write down prices: %w", err)
	}
	return nil
}

// Base is the Point of a base price.
func Base(fen money.Fen, actor uuid.UUID) Point {
	return Point{Class: Consumer, From: 1, Price: fen, Actor: actor}
}

// SetTiers makes the tiers of l hold from now on in place of the SKU's others, and
// writes down what that changes. ErrTiers. The caller has locked the SKU.
func SetTiers(ctx context.Context, tx *postgres.Tx, k SKU, l List, actor uuid.UUID) ([]Tier, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	held, err := tiers(ctx, tx, k)
	if err != nil {
		return nil, err
	}
	type step struct {
		Class Class
		From  int64
	}
	ends := make(map[step]money.Fen, len(held))
	for _, t := range held {
		ends[step{t.Class, t.From}] = t.Price
	}
	set := l.sorted()
	for _, t := range set {
		s := step{t.Class, t.From}
		before, ok := ends[s]
		delete(ends, s)
		if ok && before == t.Price {
			continue
		}
		if err := put(ctx, tx, k, Point{Class: t.Class, From: t.From, Price: t.Price, Actor: actor}); err != nil {
			return nil, err
		}
	}
	for _, t := range held {
		if _, ends := ends[step{t.Class, t.From}]; ends {
			if err := put(ctx, tx, k, Point{Class: t.Class, From: t.From, Actor: actor}); err != nil {
				return nil, err
			}
		}
	}
	return set, nil
}

func put(ctx context.Context, tx *postgres.Tx, k SKU, p Point) error {
	fen := &p.Price
	if p.Price == 0 {
		fen = nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO price (merchant_id, sku_id, buyer_class, min_quantity, price_fen, updated_at) VALUES (?, ?, ?, ?, ?::bigint, ?)
		ON CONFLICT ON CONSTRAINT price_pkey DO UPDATE SET price_fen = excluded.price_fen, updated_at = excluded.updated_at`,
		k.Merchant, k.SKU, string(p.Class), p.From, (*int64)(fen), tx.Now)
	if err != nil {
		return fmt.Errorf("set a tier of %s: %w", k.SKU, err)
	}
	return Note(ctx, tx, k, p)
}

func tiers(ctx context.Context, tx *postgres.Tx, k SKU) ([]Tier, error) {
	rows, err := postgres.Rows[tierRow](ctx, tx, `SELECT * FROM price WHERE merchant_id = ? AND sku_id = ? AND price_fen IS NOT NULL
		ORDER BY buyer_class, min_quantity`, k.Merchant, k.SKU)
	if err != nil {
		return nil, fmt.Errorf("read the tiers of %s: %w", k.SKU, err)
	}
	out := make([]Tier, len(rows))
	for i, r := range rows {
		out[i] = Tier{Class(r.BuyerClass), r.MinQuantity, money.Fen(*r.PriceFen)}
	}
	return out, nil
}

// Tiers reads what the view price_tiers says of a SKU, as statements of others
// join it: NULL or a JSON array.
func Tiers(raw []byte) ([]Tier, error) {
	if raw == nil {
		return nil, nil
	}
	var out []Tier
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("read the tiers of a SKU: %w", err)
	}
	return out, nil
}

// History lists the last prices that a SKU has had, the newest first.
func History(ctx context.Context, tx *postgres.Tx, k SKU, limit int) ([]Point, error) {
	rows, err := postgres.Rows[pointRow](ctx, tx, `SELECT * FROM price_history WHERE merchant_id = ? AND sku_id = ? ORDER BY id DESC LIMIT ?`,
		k.Merchant, k.SKU, limit)
	if err != nil {
		return nil, fmt.Errorf("read the prices of %s: %w", k.SKU, err)
	}
	out := make([]Point, len(rows))
	for i, r := range rows {
		out[i] = Point{Class: Class(r.BuyerClass), From: r.MinQuantity, Since: r.Since.UTC()}
		if r.PriceFen != nil {
			out[i].Price = money.Fen(*r.PriceFen)
		}
		if r.ActorID != nil {
			out[i].Actor = *r.ActorID
		}
	}
	return out, nil
}
