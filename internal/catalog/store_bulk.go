package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/price"
)

// skuPrice is a price of a SKU of an enterprise, from now on.
type skuPrice struct {
	merchant merchant.ID
	sku      SKU
}

// Known lists the products of an enterprise that have one of the codes, or a SKU
// with one of the SKU codes, in whatever state, by code. It needs no caller:
// whoever calls has checked whose enterprise it is.
func Known(ctx context.Context, tx *postgres.Tx, m merchant.ID, codes, skus []string) ([]Product, error) {
	return many(ctx, tx, `WHERE p.merchant_id = ? AND (p.code = ANY(?::text[]) OR p.id IN (
		SELECT s.product_id FROM sku s WHERE s.merchant_id = ? AND s.code = ANY(?::text[]))) ORDER BY p.code`,
		m, postgres.Array(codes), m, postgres.Array(skus))
}

// Lock keeps those of the products of Known that have one of the codes, and their
// prices, from changing until the end of tx.
func Lock(ctx context.Context, tx *postgres.Tx, m merchant.ID, codes []string) error {
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

// After lists products of one enterprise, in whatever state, from after a code on.
func After(ctx context.Context, tx *postgres.Tx, m merchant.ID, code string, limit int) ([]Product, error) {
	return many(ctx, tx, `WHERE p.merchant_id = ? AND p.code > ? ORDER BY p.code LIMIT ?`, m, code, limit)
}

// insertAll writes products with their SKUs.
func insertAll(ctx context.Context, tx *postgres.Tx, all []Product) error {
	rows, err := toRows(all)
	if err != nil {
		return err
	}
	places := make([]directoryRow, len(all))
	for i, p := range all {
		places[i] = directoryRow{ID: p.ID.UUID(), MerchantID: p.Merchant.UUID(), ProductID: p.ID.UUID()}
	}
	if err := errors.Join(postgres.CreateAll(ctx, tx, rows), postgres.CreateAll(ctx, tx, places)); err != nil {
		return refusal(err)
	}
	return insertSKUs(ctx, tx, all)
}

// insertSKUs writes the SKUs of products that are there.
func insertSKUs(ctx context.Context, tx *postgres.Tx, all []Product) error {
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
	if err := refusal(postgres.CreateAll(ctx, tx, places)); err != nil {
		return err
	}
	return refusal(postgres.CreateAll(ctx, tx, skus))
}

// update writes all of products but their SKUs.
func update(ctx context.Context, tx *postgres.Tx, all ...Product) error {
	rows, err := toRows(all)
	if err != nil {
		return err
	}
	n, err := postgres.UpdateAll(ctx, tx, rows, "code", "created_at")
	return refusal(counted(err, n, len(rows)))
}

func toRows(all []Product) ([]productRow, error) {
	rows := make([]productRow, len(all))
	for i, p := range all {
		var err error
		if rows[i], err = toRow(p); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func updatePrices(ctx context.Context, tx *postgres.Tx, priced []skuPrice) error {
	rows := make([]skuRow, len(priced))
	for i, p := range priced {
		rows[i] = skuRow{MerchantID: p.merchant.UUID(), ID: p.sku.ID.UUID(), PriceFen: int64(p.sku.Price), UpdatedAt: tx.Now}
	}
	n, err := postgres.UpdateAll(ctx, tx, rows, "product_id", "code", "position", "created_at")
	return refusal(counted(err, n, len(rows)))
}

func counted(err error, n int64, want int) error {
	if err == nil && n != int64(want) {
		err = fmt.Errorf("%d rows were there, want %d", n, want)
	}
	return err
}

// notePrices writes down prices that hold from now on.
func notePrices(ctx context.Context, tx *postgres.Tx, actor uuid.UUID, all []skuPrice) error {
	notes := make([]price.Written, len(all))
	for i, p := range all {
		notes[i] = price.Written{SKU: price.SKU{Merchant: p.merchant.UUID(), SKU: p.sku.ID.UUID()}, Point: price.Base(p.sku.Price, actor)}
	}
	return price.NoteAll(ctx, tx, notes)
}

func pricesOf(all ...Product) (out []skuPrice) {
	for _, p := range all {
		for _, k := range p.SKUs {
			out = append(out, skuPrice{p.Merchant, k})
		}
	}
	return out
}
