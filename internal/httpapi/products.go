package httpapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/listing"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/origin"
)

// products answers the operations tagged "catalog".
type products struct {
	catalog   *catalog.Service
	origins   *origin.Service
	inventory *inventory.Service
	claims    *claim.Service
}

// ListCategories answers GET /v1/categories.
func (h products) ListCategories(ctx context.Context, _ oas.ListCategoriesRequestObject) (oas.ListCategoriesResponseObject, error) {
	all, err := h.origins.Categories(ctx)
	if err != nil {
		return nil, err
	}
	return oas.ListCategories200JSONResponse{Data: wireAll(all, wireCategory)}, nil
}

// ListProducts answers GET /v1/products.
func (h products) ListProducts(ctx context.Context, r oas.ListProductsRequestObject) (oas.ListProductsResponseObject, error) {
	p, err := h.catalog.Products(ctx, catalog.Filter{
		Category: value(r.Params.Category), Merchant: id.From[merchant.Merchant](value(r.Params.MerchantId)),
	}, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	inStock, err := h.inventory.Available(ctx, skusOf(p.Data...))
	if err != nil {
		return nil, err
	}
	live, err := h.claims.Live(ctx, p.Data...)
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, func(p catalog.Product) oas.Product { return wireShown(p, inStock, live) })
	return oas.ListProducts200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetProduct answers GET /v1/products/{product_id}.
func (h products) GetProduct(ctx context.Context, r oas.GetProductRequestObject) (oas.GetProductResponseObject, error) {
	p, err := h.catalog.Product(ctx, id.From[catalog.Product](r.ProductId))
	if err != nil {
		return nil, err
	}
	inStock, err := h.inventory.Available(ctx, skusOf(p))
	if err != nil {
		return nil, err
	}
	live, err := h.claims.Live(ctx, p)
	if err != nil {
		return nil, err
	}
	return oas.GetProduct200JSONResponse(wireShown(p, inStock, live)), nil
}

func skusOf(products ...catalog.Product) []uuid.UUID {
	var out []uuid.UUID
	for _, p := range products {
		for _, k := range p.SKUs {
			out = append(out, k.ID.UUID())
		}
	}
	return out
}

func wireCategory(c origin.Category) oas.Category {
	return oas.Category{Code: c.Code, NameZh: c.NameZH, NameEn: c.NameEN}
}

// wireProduct is a product; inStock says of which SKUs there are pieces.
func wireProduct(p catalog.Product, inStock map[uuid.UUID]bool) oas.Product {
	w := oas.Product{
		Id: p.ID.UUID(), Code: p.Code, Merchant: wireSeller(p.Merchant.UUID(), p.MerchantName),
		CategoryCode: p.Category, Name: p.Name, Brand: p.Brand, Spec: p.Spec, Kind: p.Kind, SaleUnit: p.SaleUnit,
		NetContent: p.NetContent, NetUnit: oas.ProductNetUnit(p.NetUnit), Storage: p.Storage, Origin: p.Origin,
		StandardCode: p.StandardCode, VatTreatment: p.VATTreatment, ReturnRule: string(p.ReturnRule),
		ShipZone: p.ShipZone, ColdChain: p.ColdChain, AgeRestricted: p.AgeRestricted, Voucher: p.Voucher,
		ShelfLifeDays: optional(int64(p.ShelfLifeDays)), VoucherValidDays: optional(int64(p.VoucherValidDays)),
		Ingredients: optional(p.Ingredients), Allergens: optional(p.Allergens), Maker: optional(p.Maker), MakerAddress: optional(p.MakerAddress),
		LicenceNo: optional(p.LicenceNo), MadeOnRule: optional(p.MadeOnRule), RegionCode: optional(p.RegionCode),
		ConformityDoc: optional(p.ConformityDoc), Certifications: optional(p.Certifications), TraceCode: optional(p.TraceCode),
		Details: optional(p.Details), BuyerClasses: wireBuyerClasses(p.Description), Skus: make([]oas.Sku, len(p.SKUs)),
		PictureIds: wireAll(p.Pictures, func(f file.ID) oas.Id { return f.UUID() }),
	}
	if p.Presale {
		w.PresaleWindows = wireAll(p.PresaleWindows, wireWindow)
	}
	for i, k := range p.SKUs {
		w.Skus[i] = wireSKU(k)
		if fen, per, ok := listing.UnitPrice(k.Price, p.NetContent, p.NetUnit); ok {
			w.Skus[i].UnitPriceFen, w.Skus[i].Unit = optional(int64(fen)), optional(oas.SkuUnit(per))
		}
		available := inStock[k.ID.UUID()]
		w.Skus[i].InStock = &available
	}
	return w
}

func wireSKU(k catalog.SKU) oas.Sku {
	w := oas.Sku{Id: k.ID.UUID(), Code: k.Code, PriceFen: int64(k.Price), LevyLi: int64(k.Price.Tenth())}
	if len(k.Tiers) > 0 {
		w.Tiers = wireAll(k.Tiers, wireTier)
	}
	return w
}
