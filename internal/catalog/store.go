package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// categoryRow is a row of the table category.
type categoryRow struct {
	Code     string `gorm:"primaryKey"`
	NameZH   string `gorm:"column:name_zh"`
	NameEN   string `gorm:"column:name_en"`
	Position int
}

// TableName is category.
func (categoryRow) TableName() string { return "category" }

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

// priceRow is a row of the table price_history.
type priceRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	SKUID      uuid.UUID `gorm:"column:sku_id;primaryKey"`
	ID         uuid.UUID `gorm:"primaryKey"`
	PriceFen   int64
	Since      time.Time
	ActorID    *uuid.UUID
}

// TableName is price_history.
func (priceRow) TableName() string { return "price_history" }

// listedRow is a product with the name of its enterprise and its SKUs as a JSON array.
type listedRow struct {
	Row          productRow `gorm:"embedded"`
	MerchantName string
	Skus         []byte
}

// listed reads products p with all that a list shows, in one statement.
const listed = `SELECT p.*, m.merchant_name,
	(SELECT jsonb_agg(jsonb_build_object('ID', s.id, 'Code', s.code, 'Price', s.price_fen, 'Position', s.position) ORDER BY s.position)
	 FROM sku s WHERE s.merchant_id = p.merchant_id AND s.product_id = p.id) AS skus
	FROM product p JOIN merchant_standing m ON m.merchant_id = p.merchant_id `

// sellable is what makes a listed product one that the public sees: MaySell in SQL.
const sellable = `p.state = 'on_sale' AND m.merchant_state = 'active' AND m.agreement_signed_on <= ?::date AND m.licensed_until >= ?::date`

func toRow(p Product) productRow {
	return productRow{
		MerchantID: p.Merchant.UUID(), ID: p.ID.UUID(), Code: p.Code, CategoryCode: p.Category, Name: p.Name, Brand: p.Brand,
		Spec: p.Spec, NetContent: p.NetContent, NetUnit: p.NetUnit, SaleUnit: p.SaleUnit, Kind: p.Kind, Storage: p.Storage,
		ColdChain: p.ColdChain, ShelfLifeDays: p.ShelfLifeDays, Origin: p.Origin, StandardCode: p.StandardCode,
		ConformityDoc: p.ConformityDoc, Certifications: p.Certifications, TraceCode: p.TraceCode, VATTreatment: p.VATTreatment,
		ReturnRule: string(p.ReturnRule), AgeRestricted: p.AgeRestricted, Presale: p.Presale, Voucher: p.Voucher,
		VoucherValidDays: p.VoucherValidDays, ShipZone: p.ShipZone, State: string(p.State), CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
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
		},
		State: State(r.State), CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
	if err := json.Unmarshal(l.Skus, &p.SKUs); err != nil {
		return p, fmt.Errorf("read the SKUs of %s: %w", p.ID, err)
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

// Categories is Service.Categories in the caller's transaction.
func Categories(ctx context.Context, tx *postgres.Tx) ([]Category, error) {
	rows, err := postgres.On[categoryRow](tx).Order("position").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("list categories: %w", err)
	}
	out := make([]Category, len(rows))
	for i, r := range rows {
		out[i] = Category(r)
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

// productsOf is a page of all products of these enterprises.
func productsOf(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, p page.Request) (page.Of[Product], error) {
	return pageOf(ctx, tx, p, `p.merchant_id = ANY(?::uuid[])`, []any{postgres.Array(merchants)})
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
	return one(ctx, tx, listed+`JOIN catalog_directory d ON d.merchant_id = p.merchant_id AND d.product_id = p.id
		WHERE d.id = ? AND p.id = d.id AND `+sellable, p.UUID(), today, today)
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

// insert writes a product with its SKUs and fills in the name of its enterprise.
func insert(ctx context.Context, tx *postgres.Tx, p *Product) error {
	r := toRow(*p)
	if err := listing(postgres.On[productRow](tx).Create(ctx, r)); err != nil {
		return err
	}
	places := []directoryRow{{ID: r.ID, MerchantID: r.MerchantID, ProductID: r.ID}}
	skus := make([]skuRow, len(p.SKUs))
	for i, k := range p.SKUs {
		places = append(places, directoryRow{ID: k.ID.UUID(), MerchantID: r.MerchantID, ProductID: r.ID})
		skus[i] = skuRow{
			MerchantID: r.MerchantID, ID: k.ID.UUID(), ProductID: r.ID, Code: k.Code, PriceFen: int64(k.Price), Position: k.Position,
			CreatedAt: p.CreatedAt, UpdatedAt: p.CreatedAt,
		}
	}
	if err := listing(postgres.On[directoryRow](tx).Create(ctx, places...)); err != nil {
		return err
	}
	if err := listing(postgres.On[skuRow](tx).Create(ctx, skus...)); err != nil {
		return err
	}
	name, err := postgres.Row[struct{ MerchantName string }](ctx, tx,
		`SELECT merchant_name FROM merchant_standing WHERE merchant_id = ?`, r.MerchantID)
	if err != nil {
		return fmt.Errorf("read the name of enterprise %s: %w", p.Merchant, err)
	}
	p.MerchantName = name.MerchantName
	return nil
}

// listing turns the refusals of the tables into faults.
func listing(err error) error {
	switch {
	case err == nil:
		return nil
	case postgres.Violates(err, "product_category_fkey"):
		return ErrCategory.At("/category_code", "exists", "no such category")
	case postgres.Violates(err, "product_merchant_fkey"):
		return ErrMerchant
	case postgres.Violates(err, "product_pkey"), postgres.Violates(err, "product_code_key"),
		postgres.Violates(err, "sku_pkey"), postgres.Violates(err, "sku_code_key"), postgres.Violates(err, "catalog_directory_pkey"):
		return ErrListed.At("/code", "unique", "code or id is used already")
	}
	return fmt.Errorf("list a product: %w", err)
}

func updateState(ctx context.Context, tx *postgres.Tx, p Product) error {
	_, err := postgres.On[productRow](tx).Where("merchant_id = ? AND id = ?", p.Merchant.UUID(), p.ID.UUID()).
		Select("State", "UpdatedAt").Updates(ctx, productRow{State: string(p.State), UpdatedAt: p.UpdatedAt})
	if err != nil {
		return fmt.Errorf("update product %s: %w", p.ID, err)
	}
	return nil
}

// place is whose a SKU is, and of which product.
type place struct {
	merchant merchant.ID
	product  ProductID
}

// lockSKU reads a SKU of one of these enterprises and keeps it from changing
// until the end of tx.
func lockSKU(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, sku SKUID) (place, SKU, error) {
	r, err := postgres.Row[skuRow](ctx, tx, `SELECT * FROM sku WHERE merchant_id = ANY(?::uuid[]) AND id = ? FOR UPDATE`,
		postgres.Array(merchants), sku.UUID())
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return place{}, SKU{}, ErrSKU
	case err != nil:
		return place{}, SKU{}, fmt.Errorf("lock SKU %s: %w", sku, err)
	}
	return place{id.From[merchant.Merchant](r.MerchantID), id.From[Product](r.ProductID)}, r.sku(), nil
}

func updatePrice(ctx context.Context, tx *postgres.Tx, m merchant.ID, k SKU) error {
	_, err := postgres.On[skuRow](tx).Where("merchant_id = ? AND id = ?", m.UUID(), k.ID.UUID()).
		Select("PriceFen", "UpdatedAt").Updates(ctx, skuRow{PriceFen: int64(k.Price), UpdatedAt: tx.Now})
	if err != nil {
		return fmt.Errorf("set the price of %s: %w", k.ID, err)
	}
	return nil
}

func insertPrice(ctx context.Context, tx *postgres.Tx, m merchant.ID, sku SKUID, p PricePoint) error {
	r := priceRow{
		MerchantID: m.UUID(), SKUID: sku.UUID(), ID: id.New[PricePoint](tx.Now).UUID(), PriceFen: int64(p.Price), Since: p.Since,
	}
	if p.Actor != uuid.Nil {
		r.ActorID = &p.Actor
	}
	if err := postgres.On[priceRow](tx).Create(ctx, r); err != nil {
		return fmt.Errorf("write down a price of %s: %w", sku, err)
	}
	return nil
}

func prices(ctx context.Context, tx *postgres.Tx, sku SKUID, limit int) ([]PricePoint, error) {
	rows, err := postgres.Rows[priceRow](ctx, tx, `SELECT h.* FROM catalog_directory d
		JOIN price_history h ON h.merchant_id = d.merchant_id AND h.sku_id = d.id
		WHERE d.id = ? ORDER BY h.id DESC LIMIT ?`, sku.UUID(), limit)
	if err != nil {
		return nil, fmt.Errorf("read the prices of %s: %w", sku, err)
	}
	out := make([]PricePoint, len(rows))
	for i, r := range rows {
		out[i] = PricePoint{Price: money.Fen(r.PriceFen), Since: r.Since.UTC()}
		if r.ActorID != nil {
			out[i].Actor = *r.ActorID
		}
	}
	return out, nil
}

// offerRow is all that one statement says about a SKU, its product and its enterprise.
type offerRow struct {
	Row               productRow `gorm:"embedded"`
	SKUID             uuid.UUID  `gorm:"column:sku_id"`
	SKUCode           string     `gorm:"column:sku_code"`
	PriceFen          int64
	MerchantName      string
	MerchantState     string
	AgreementSignedOn *time.Time
	LicensedUntil     time.Time
}

func (o offerRow) offer() Offer {
	r := o.Row
	signed := merchant.Date("")
	if o.AgreementSignedOn != nil {
		signed = merchant.Date(o.AgreementSignedOn.Format(time.DateOnly))
	}
	return Offer{
		SKU: id.From[SKU](o.SKUID), Product: id.From[Product](r.ID), Merchant: id.From[merchant.Merchant](r.MerchantID),
		MerchantName: o.MerchantName, ProductName: r.Name, ProductCode: r.Code, Code: o.SKUCode, Brand: r.Brand, Spec: r.Spec,
		Unit: r.SaleUnit, NetContent: r.NetContent, NetUnit: r.NetUnit, CategoryCode: r.CategoryCode, Kind: r.Kind,
		Price: money.Fen(o.PriceFen), VATTreatment: r.VATTreatment, ReturnRule: ReturnRule(r.ReturnRule),
		AgeRestricted: r.AgeRestricted, Voucher: r.Voucher, VoucherValidDays: r.VoucherValidDays, ShipZone: r.ShipZone, ColdChain: r.ColdChain,
		OnSale: State(r.State) == OnSale,
		Standing: merchant.Standing{
			State: merchant.State(o.MerchantState), AgreementSignedOn: signed,
			LicensedUntil: merchant.Date(o.LicensedUntil.Format(time.DateOnly)),
		},
	}
}

func offers(ctx context.Context, tx *postgres.Tx, skus []SKUID) ([]Offer, error) {
	rows, err := postgres.Rows[offerRow](ctx, tx, `
		SELECT p.*, s.id AS sku_id, s.code AS sku_code, s.price_fen,
		       m.merchant_name, m.merchant_state, m.agreement_signed_on, m.licensed_until
		FROM unnest(?::uuid[]) WITH ORDINALITY AS w (id, position)
		JOIN catalog_directory d ON d.id = w.id
		JOIN sku s ON s.merchant_id = d.merchant_id AND s.id = d.id
		JOIN product p ON p.merchant_id = d.merchant_id AND p.id = d.product_id
		JOIN merchant_standing m ON m.merchant_id = d.merchant_id
		ORDER BY w.position`, postgres.Array(ids(skus)))
	if err != nil {
		return nil, fmt.Errorf("read offers: %w", err)
	}
	out := make([]Offer, len(rows))
	for i, r := range rows {
		out[i] = r.offer()
	}
	return out, nil
}
