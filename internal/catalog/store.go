package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/price"
)

// directoryRow is a row of the table catalog_directory.
type directoryRow struct {
	ID         uuid.UUID `gorm:"primaryKey"`
	MerchantID uuid.UUID
	ProductID  uuid.UUID
}

// TableName is catalog_directory.
func (directoryRow) TableName() string { return "catalog_directory" }

// productRow is a row of the table product.
type productRow struct {
	MerchantID       uuid.UUID `gorm:"primaryKey"`
	ID               uuid.UUID `gorm:"primaryKey"`
	Code             string
	CategoryCode     string
	Name             string
	Brand            string
	Spec             string
	NetContent       int64
	NetUnit          string
	SaleUnit         string
	Kind             string
	Storage          string
	ColdChain        string
	ShelfLifeDays    int
	Origin           string
	StandardCode     string
	ConformityDoc    string
	Certifications   string
	TraceCode        string
	VATTreatment     string `gorm:"column:vat_treatment"`
	ReturnRule       string
	AgeRestricted    bool
	Presale          bool
	Voucher          bool
	VoucherValidDays int
	ShipZone         string
	State            string
	CreatedAt        time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt        time.Time `gorm:"autoUpdateTime:false"`
	Version          int64
	RegionCode       *string
	Consumers        bool
	Institutions     bool
	Label            json.RawMessage `gorm:"type:jsonb"`
	Pictures         json.RawMessage `gorm:"type:jsonb"`
	EditedBy         *uuid.UUID
	SubmittedBy      *uuid.UUID
	SubmittedAt      *time.Time
}

// TableName is product.
func (productRow) TableName() string { return "product" }

// skuRow is a row of the table sku.
type skuRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	ID         uuid.UUID `gorm:"primaryKey"`
	ProductID  uuid.UUID
	Code       string
	PriceFen   int64
	Position   int
	CreatedAt  time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt  time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is sku.
func (skuRow) TableName() string { return "sku" }

func (r skuRow) sku() SKU {
	return SKU{ID: id.From[SKU](r.ID), Code: r.Code, Price: money.Fen(r.PriceFen), Position: r.Position}
}

// listedRow is a product with the name of its enterprise and its SKUs as a JSON array.
type listedRow struct {
	Row          productRow `gorm:"embedded"`
	MerchantName string
	Skus         []byte
}

// listed reads products p with all that a list shows, in one statement.
const listed = `SELECT p.*, m.merchant_name,
	(SELECT jsonb_agg(jsonb_build_object('ID', s.id, 'Code', s.code, 'Price', s.price_fen, 'Position', s.position,
	'Tiers', (SELECT t.tiers FROM price_tiers t WHERE t.merchant_id = s.merchant_id AND t.sku_id = s.id)) ORDER BY s.position)
	 FROM sku s WHERE s.merchant_id = p.merchant_id AND s.product_id = p.id) AS skus
	FROM product p JOIN merchant_standing m ON m.merchant_id = p.merchant_id `

// sellable is what makes a listed product one that the public sees; selling is MaySell
// in SQL.
const (
	selling  = `m.merchant_state = 'active' AND m.agreement_signed_on <= ?::date AND m.licensed_until >= ?::date`
	sellable = `p.state = 'on_sale' AND ` + selling
)

func toRow(p Product) (productRow, error) {
	label, err := json.Marshal(p.Label)
	if err != nil {
		return productRow{}, fmt.Errorf("write the label of %s: %w", p.ID, err)
	}
	pictures, err := json.Marshal(append([]file.ID{}, p.Pictures...))
	if err != nil {
		return productRow{}, fmt.Errorf("write the pictures of %s: %w", p.ID, err)
	}
	return productRow{
		MerchantID: p.Merchant.UUID(), ID: p.ID.UUID(), Code: p.Code, CategoryCode: p.Category, Name: p.Name, Brand: p.Brand,
		Spec: p.Spec, NetContent: p.NetContent, NetUnit: p.NetUnit, SaleUnit: p.SaleUnit, Kind: p.Kind, Storage: p.Storage,
		ColdChain: p.ColdChain, ShelfLifeDays: p.ShelfLifeDays, Origin: p.Origin, StandardCode: p.StandardCode,
		ConformityDoc: p.ConformityDoc, Certifications: p.Certifications, TraceCode: p.TraceCode, VATTreatment: p.VATTreatment,
		ReturnRule: string(p.ReturnRule), AgeRestricted: p.AgeRestricted, Presale: p.Presale, Voucher: p.Voucher,
		VoucherValidDays: p.VoucherValidDays, ShipZone: p.ShipZone, State: string(p.State), CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
		Version: p.Version, RegionCode: optional(p.RegionCode), Consumers: !p.InstitutionsOnly, Institutions: !p.ConsumersOnly,
		Label: label, Pictures: pictures, EditedBy: optional(p.EditedBy), SubmittedBy: optional(p.SubmittedBy), SubmittedAt: optional(p.SubmittedAt),
	}, nil
}

// optional is nil for the zero value, which the tables have as NULL.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// value is what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func (l listedRow) product() (Product, error) {
	r := l.Row
	p := Product{
		ID: id.From[Product](r.ID), Merchant: id.From[merchant.Merchant](r.MerchantID), MerchantName: l.MerchantName, Code: r.Code,
		Description: Description{
			Category: r.CategoryCode, Name: r.Name, Brand: r.Brand, Spec: r.Spec, NetContent: r.NetContent, NetUnit: r.NetUnit,
			SaleUnit: r.SaleUnit, Kind: r.Kind, Storage: r.Storage, ColdChain: r.ColdChain, ShelfLifeDays: r.ShelfLifeDays,
			Origin: r.Origin, StandardCode: r.StandardCode, ConformityDoc: r.ConformityDoc, Certifications: r.Certifications,
			TraceCode: r.TraceCode, VATTreatment: r.VATTreatment, ReturnRule: ReturnRule(r.ReturnRule), AgeRestricted: r.AgeRestricted,
			Presale: r.Presale, Voucher: r.Voucher, VoucherValidDays: r.VoucherValidDays, ShipZone: r.ShipZone,
			RegionCode: value(r.RegionCode), InstitutionsOnly: !r.Consumers, ConsumersOnly: !r.Institutions,
		},
		State: State(r.State), Version: r.Version, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
		EditedBy: value(r.EditedBy), SubmittedBy: value(r.SubmittedBy),
	}
	p.SubmittedAt = postgres.OrZero(r.SubmittedAt)
	if err := errors.Join(json.Unmarshal(l.Skus, &p.SKUs), json.Unmarshal(r.Label, &p.Label), json.Unmarshal(r.Pictures, &p.Pictures)); err != nil {
		return p, fmt.Errorf("read the SKUs, the label and the pictures of %s: %w", p.ID, err)
	}
	if len(p.Pictures) == 0 {
		p.Pictures = nil
	}
	return p, nil
}

func products(rows []listedRow) ([]Product, error) {
	out := make([]Product, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = r.product(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// onSale is a page of what the public can buy.
func onSale(ctx context.Context, tx *postgres.Tx, f Filter, p page.Request) (page.Of[Product], error) {
	today := string(merchant.DateOf(tx.Now))
	where, args := sellable, []any{today, today}
	if f.Category != "" {
		where, args = where+` AND p.category_code = ?`, append(args, f.Category)
	}
	if !f.Merchant.IsZero() {
		where, args = where+` AND p.merchant_id = ?`, append(args, f.Merchant.UUID())
	}
	return pageOf(ctx, tx, p, where, args)
}

// productsOf is a page of the products of these enterprises in a state, or all.
func productsOf(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, in State, p page.Request) (page.Of[Product], error) {
	return pageOf(ctx, tx, p, `p.merchant_id = ANY(?::uuid[]) AND (? = '' OR p.state = ?)`, []any{postgres.Array(merchants), string(in), string(in)})
}

func pageOf(ctx context.Context, tx *postgres.Tx, p page.Request, where string, args []any) (page.Of[Product], error) {
	code, last, err := p.After()
	if err != nil {
		return page.Of[Product]{}, err
	}
	out, err := many(ctx, tx, `WHERE `+where+` AND (p.code, p.id) > (?, ?) ORDER BY p.code, p.id LIMIT ?`, append(args, code, last, p.Size()+1)...)
	return page.Cut(out, p.Size(), Product.key), err
}

func productOnSale(ctx context.Context, tx *postgres.Tx, p ProductID) (Product, error) {
	today := string(merchant.DateOf(tx.Now))
	const here = `JOIN catalog_directory d ON d.merchant_id = p.merchant_id AND d.product_id = p.id
		WHERE d.id = ? AND p.id = d.id AND p.state = 'on_sale' AND `
	found, err := one(ctx, tx, listed+here+selling, p.UUID(), today, today)
	if !errors.Is(err, ErrProduct) {
		return found, err
	}
	if _, err := one(ctx, tx, listed+here+`true`, p.UUID()); err != nil {
		return Product{}, err
	}
	return Product{}, ErrPaused
}

// Of is a product of one of these enterprises, in any state, in the caller's
// transaction. ErrProduct.
func Of(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, p ProductID) (Product, error) {
	return one(ctx, tx, listed+`WHERE p.merchant_id = ANY(?::uuid[]) AND p.id = ?`, postgres.Array(merchants), p.UUID())
}

// many reads products that the rest of a statement chooses.
func many(ctx context.Context, tx *postgres.Tx, rest string, args ...any) ([]Product, error) {
	rows, err := postgres.Rows[listedRow](ctx, tx, listed+rest, args...)
	if err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	return products(rows)
}

// those is where products are, by bare ids.
const those = `JOIN catalog_directory d ON d.merchant_id = p.merchant_id AND d.product_id = p.id WHERE d.id = ANY(?::uuid[]) AND p.id = d.id `

// lockProduct reads a product of one of these enterprises and keeps it from
// changing until the end of tx.
func lockProduct(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, p ProductID) (Product, error) {
	return one(ctx, tx, listed+`WHERE p.merchant_id = ANY(?::uuid[]) AND p.id = ? FOR UPDATE OF p`, postgres.Array(merchants), p.UUID())
}

func one(ctx context.Context, tx *postgres.Tx, query string, args ...any) (Product, error) {
	r, err := postgres.Row[listedRow](ctx, tx, query, args...)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Product{}, ErrProduct
	case err != nil:
		return Product{}, fmt.Errorf("read a product: %w", err)
	}
	return r.product()
}

// refusal turns the refusals of the tables into faults.
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case postgres.Violates(err, "product_category_fkey"):
		return ErrCategory.At("/category_code", "exists", "no such category")
	case postgres.Violates(err, "product_region_fkey"):
		return ErrRegion.At("/region_code", "exists", "no such region")
	case postgres.Violates(err, "product_merchant_fkey"):
		return ErrMerchant
	case postgres.Violates(err, "product_pkey"), postgres.Violates(err, "product_code_key"),
		postgres.Violates(err, "sku_pkey"), postgres.Violates(err, "sku_code_key"), postgres.Violates(err, "catalog_directory_pkey"):
		return ErrListed.At("/code", "unique", "code or id is used already")
	}
	return fmt.Errorf("list a product: %w", err)
}

// lockSKU reads a SKU of one of these enterprises and keeps it from changing
// until the end of tx.
func lockSKU(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, sku SKUID) (merchant.ID, ProductID, SKU, error) {
	r, err := postgres.Row[struct {
		Row   skuRow `gorm:"embedded"`
		Tiers []byte
	}](ctx, tx, `SELECT s.*, (SELECT t.tiers FROM price_tiers t WHERE t.merchant_id = s.merchant_id AND t.sku_id = s.id) AS tiers
		FROM sku s WHERE s.merchant_id = ANY(?::uuid[]) AND s.id = ? FOR UPDATE OF s`, postgres.Array(merchants), sku.UUID())
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return merchant.ID{}, ProductID{}, SKU{}, ErrSKU
	case err != nil:
		return merchant.ID{}, ProductID{}, SKU{}, fmt.Errorf("lock SKU %s: %w", sku, err)
	}
	k := r.Row.sku()
	k.Tiers, err = price.Tiers(r.Tiers)
	return id.From[merchant.Merchant](r.Row.MerchantID), id.From[Product](r.Row.ProductID), k, err
}

// whereSKU is the enterprise at whose home a SKU lives, or uuid.Nil.
func whereSKU(ctx context.Context, tx *postgres.Tx, sku SKUID) (uuid.UUID, error) {
	r, err := postgres.Row[directoryRow](ctx, tx, `SELECT * FROM catalog_directory WHERE id = ?`, sku.UUID())
	if err != nil && !errors.Is(err, postgres.ErrNoRows) {
		return uuid.Nil, fmt.Errorf("look for SKU %s: %w", sku, err)
	}
	return r.MerchantID, nil
}

// Any is a product of any enterprise in any state, in the caller's transaction,
// which may keep it from changing until its end. ErrProduct.
func Any(ctx context.Context, tx *postgres.Tx, p ProductID, lock bool) (Product, error) {
	query := listed + `JOIN catalog_directory d ON d.merchant_id = p.merchant_id AND d.product_id = p.id WHERE d.id = ? AND p.id = d.id`
	if lock {
		query += ` FOR UPDATE OF p`
	}
	return one(ctx, tx, query, p.UUID())
}

// Waiting is a page of what is in review, the longest waiting first, in the
// caller's transaction.
func Waiting(ctx context.Context, tx *postgres.Tx, p page.Request) (page.Of[Product], error) {
	after, last, err := p.After()
	if err != nil {
		return page.Of[Product]{}, err
	}
	since, err := time.Parse(time.RFC3339Nano, after)
	if after != "" && err != nil {
		return page.Of[Product]{}, page.ErrCursor
	}
	rows, err := postgres.Rows[listedRow](ctx, tx, listed+`WHERE p.state = 'in_review' AND (p.submitted_at, p.id) > (?, ?)
		ORDER BY p.submitted_at, p.id LIMIT ?`, since, last, p.Size()+1)
	if err != nil {
		return page.Of[Product]{}, fmt.Errorf("list what is in review: %w", err)
	}
	out, err := products(rows)
	if err != nil {
		return page.Of[Product]{}, err
	}
	return page.Cut(out, p.Size(), func(p Product) (string, uuid.UUID) { return p.SubmittedAt.Format(time.RFC3339Nano), p.ID.UUID() }), nil
}
