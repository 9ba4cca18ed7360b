package catalog

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// skuPrice is a price of a SKU of an enterprise, from now on.
type skuPrice struct {
	merchant merchant.ID
	sku      SKU
}

func known(ctx context.Context, tx *postgres.Tx, m merchant.ID, codes, skus []string) ([]Product, error) {
	rows, err := postgres.Rows[listedRow](ctx, tx, listed+`WHERE p.merchant_id = ? AND (p.code = ANY(?::text[]) OR p.id IN (
		SELECT s.product_id FROM sku s WHERE s.merchant_id = ? AND s.code = ANY(?::text[]))) ORDER BY p.code`,
		m, postgres.Array(codes), m, postgres.Array(skus))
	if err != nil {
		return nil, fmt.Errorf("read products by their codes: %w", err)
	}
	return products(rows)
}

func hold(ctx context.Context, tx *postgres.Tx, m merchant.ID, codes []string) error {
	for _, lock := range []string{
		`SELECT p.id FROM product p WHERE p.merchant_id = ? AND p.code = ANY(?::text[]) ORDER BY p.id FOR UPDATE`,
		`SELECT s.id FROM sku s JOIN product p ON p.merchant_id = s.merchant_id AND p.id = s.product_id
		 WHERE p.merchant_id = ? AND p.code = ANY(?::text[]) ORDER BY s.id FOR UPDATE OF s`,
	} {
		if _, err := tx.Exec(ctx, lock, m, postgres.Array(codes)); err != nil {
			return fmt.Errorf("lock products: %w", err)
		}
	}
	return nil
}

func after(ctx context.Context, tx *postgres.Tx, m merchant.ID, code string, limit int) ([]Product, error) {
	rows, err := postgres.Rows[listedRow](ctx, tx, listed+`WHERE p.merchant_id = ? AND p.code > ? ORDER BY p.code LIMIT ?`, m, code, limit)
	if err != nil {
		return nil, fmt.Errorf("list an enterprise's products: %w", err)
	}
	return products(rows)
}

// insertAll writes products with their SKUs.
func insertAll(ctx context.Context, tx *postgres.Tx, all []Product) error {
	rows, places := make([]productRow, len(all)), make([]directoryRow, len(all))
	for i, p := range all {
		rows[i] = toRow(p)
		places[i] = directoryRow{ID: p.ID.UUID(), MerchantID: p.Merchant.UUID(), ProductID: p.ID.UUID()}
	}
	if err := listing(postgres.CreateAll(ctx, tx, rows)); err != nil {
		return err
	}
	if err := listing(postgres.CreateAll(ctx, tx, places)); err != nil {
		return err
	}
	return insertManySKUs(ctx, tx, all)
}

// insertManySKUs writes the SKUs of products that are there.
func insertManySKUs(ctx context.Context, tx *postgres.Tx, all []Product) error {
	var places []directoryRow
	var skus []skuRow
	for _, p := range all {
		for _, k := range p.SKUs {
			places = append(places, directoryRow{ID: k.ID.UUID(), MerchantID: p.Merchant.UUID(), ProductID: p.ID.UUID()})
			skus = append(skus, skuRow{
				MerchantID: p.Merchant.UUID(), ID: k.ID.UUID(), ProductID: p.ID.UUID(), Code: k.Code, PriceFen: int64(k.Price), Position: k.Position,
				CreatedAt: tx.Now, UpdatedAt: tx.Now,
			})
		}
	}
	if err := listing(postgres.CreateAll(ctx, tx, places)); err != nil {
		return err
	}
	return listing(postgres.CreateAll(ctx, tx, skus))
}

// updateAll writes what products say of themselves, and prices of SKUs.
func updateAll(ctx context.Context, tx *postgres.Tx, described []Product, priced []skuPrice) error {
	rows := make([]productRow, len(described))
	for i, p := range described {
		rows[i] = toRow(p)
	}
	n, err := postgres.UpdateAll(ctx, tx, rows, "code", "state", "created_at")
	if err != nil || n != int64(len(rows)) {
		return listing(counted(err, n, len(rows)))
	}
	skus := make([]skuRow, len(priced))
	for i, p := range priced {
		skus[i] = skuRow{MerchantID: p.merchant.UUID(), ID: p.sku.ID.UUID(), PriceFen: int64(p.sku.Price), UpdatedAt: tx.Now}
	}
	if n, err = postgres.UpdateAll(ctx, tx, skus, "product_id", "code", "position", "created_at"); err != nil || n != int64(len(skus)) {
		return listing(counted(err, n, len(skus)))
	}
	return nil
}

func counted(err error, n int64, want int) error {
	if err == nil {
		err = fmt.Errorf("%d rows were there, want %d", n, want)
	}
	return err
}

func insertPrices(ctx context.Context, tx *postgres.Tx, actor uuid.UUID, points []skuPrice) error {
	rows := make([]priceRow, len(points))
	for i, p := range points {
		rows[i] = priceRow{
			MerchantID: p.merchant.UUID(), SKUID: p.sku.ID.UUID(), ID: id.New[PricePoint](tx.Now).UUID(), PriceFen: int64(p.sku.Price), Since: tx.Now,
		}
		if actor != uuid.Nil {
			rows[i].ActorID = &actor
		}
	}
	if err := postgres.CreateAll(ctx, tx, rows); err != nil {
		return fmt.Errorf("write down prices: %w", err)
	}
	return nil
}
