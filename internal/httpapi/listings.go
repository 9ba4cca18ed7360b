package httpapi

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/listing"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/origin"
	"github.com/shiyi-market/shiyi/internal/price"
	"github.com/shiyi-market/shiyi/internal/scrutiny"
)

// listings answers the operations tagged "listing".
type listings struct {
	catalog   *catalog.Service
	scrutiny  *scrutiny.Service
	origins   *origin.Service
	inventory *inventory.Service
}

// CreateProduct answers POST /v1/merchant/products.
func (h listings) CreateProduct(ctx context.Context, r oas.CreateProductRequestObject) (oas.CreateProductResponseObject, error) {
	n, err := fromNewListing(r.Body)
	if err != nil {
		return nil, err
	}
	p, err := h.catalog.Add(ctx, callerOf(ctx), n)
	if err != nil {
		return nil, err
	}
	listed, err := h.listing(ctx, scrutiny.Case{Product: p}, scrutiny.Next)
	return oas.CreateProduct201JSONResponse{ListingJSONResponse: listed}, err
}

// ListListingTerms answers GET /v1/listing-terms.
func (h listings) ListListingTerms(context.Context, oas.ListListingTermsRequestObject) (oas.ListListingTermsResponseObject, error) {
	return oas.ListListingTerms200JSONResponse{
		Kinds: wireAll(listing.Kinds(), wireKind), Units: wireAll(listing.Units(), wireUnit),
		VatClasses: wireAll(listing.VATClasses(), wireVATClass), Zones: wireAll(listing.Zones(), wireZone),
	}, nil
}

// ListRegions answers GET /v1/regions.
func (h listings) ListRegions(ctx context.Context, r oas.ListRegionsRequestObject) (oas.ListRegionsResponseObject, error) {
	p, err := h.origins.Regions(ctx, value(r.Params.Parent), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireRegion)
	return oas.ListRegions200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListBrands answers GET /v1/brands.
func (h listings) ListBrands(ctx context.Context, r oas.ListBrandsRequestObject) (oas.ListBrandsResponseObject, error) {
	p, err := h.origins.Brands(ctx, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireBrand)
	return oas.ListBrands200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetMerchantProduct answers GET /v1/merchant/products/{listing_id}.
func (h listings) GetMerchantProduct(ctx context.Context, r oas.GetMerchantProductRequestObject) (oas.GetMerchantProductResponseObject, error) {
	c, err := h.scrutiny.OwnProduct(ctx, callerOf(ctx), fromListingID(r.ListingId))
	if err != nil {
		return nil, err
	}
	listed, err := h.listing(ctx, c, scrutiny.Next)
	return oas.GetMerchantProduct200JSONResponse{ListingJSONResponse: listed}, err
}

// EditProduct answers POST /v1/merchant/products/{listing_id}.
func (h listings) EditProduct(ctx context.Context, r oas.EditProductRequestObject) (oas.EditProductResponseObject, error) {
	p, err := h.catalog.Edit(ctx, callerOf(ctx), fromListingID(r.ListingId), fromIfMatch(r.Params.IfMatch), func(d *catalog.Description, pictures *[]file.ID) {
		fromListing(*r.Body, d, pictures)
	})
	if err != nil {
		return nil, err
	}
	listed, err := h.listing(ctx, scrutiny.Case{Product: p}, scrutiny.Next)
	return oas.EditProduct200JSONResponse{ListingJSONResponse: listed}, err
}

// SubmitProduct answers POST /v1/merchant/products/{listing_id}/submit.
func (h listings) SubmitProduct(ctx context.Context, r oas.SubmitProductRequestObject) (oas.SubmitProductResponseObject, error) {
	p, err := h.catalog.Submit(ctx, callerOf(ctx), fromListingID(r.ListingId))
	if err != nil {
		return nil, err
	}
	listed, err := h.listing(ctx, scrutiny.Case{Product: p}, scrutiny.Next)
	return oas.SubmitProduct200JSONResponse{ListingJSONResponse: listed}, err
}

// WithdrawProduct answers POST /v1/merchant/products/{listing_id}/withdraw.
func (h listings) WithdrawProduct(ctx context.Context, r oas.WithdrawProductRequestObject) (oas.WithdrawProductResponseObject, error) {
	p, err := h.catalog.Withdraw(ctx, callerOf(ctx), fromListingID(r.ListingId))
	if err != nil {
		return nil, err
	}
	listed, err := h.listing(ctx, scrutiny.Case{Product: p}, scrutiny.Next)
	return oas.WithdrawProduct200JSONResponse{ListingJSONResponse: listed}, err
}

// AddSku answers POST /v1/merchant/products/{listing_id}/skus.
func (h listings) AddSku(ctx context.Context, r oas.AddSkuRequestObject) (oas.AddSkuResponseObject, error) {
	p, err := h.catalog.AddSKU(ctx, callerOf(ctx), fromListingID(r.ListingId), fromIfMatch(r.Params.IfMatch), fromNewSKU(*r.Body))
	if err != nil {
		return nil, err
	}
	listed, err := h.listing(ctx, scrutiny.Case{Product: p}, scrutiny.Next)
	return oas.AddSku201JSONResponse{ListingJSONResponse: listed}, err
}

// SetSkuTiers answers POST /v1/merchant/skus/{sku_id}/tiers.
func (h listings) SetSkuTiers(ctx context.Context, r oas.SetSkuTiersRequestObject) (oas.SetSkuTiersResponseObject, error) {
	k, err := h.catalog.SetTiers(ctx, callerOf(ctx), id.From[catalog.SKU](r.SkuId), wireAll(r.Body.Tiers, fromTier))
	if err != nil {
		return nil, err
	}
	return oas.SetSkuTiers200JSONResponse(wireSKU(k)), nil
}

// ListReviewQueue answers GET /v1/ops/products.
func (h listings) ListReviewQueue(ctx context.Context, r oas.ListReviewQueueRequestObject) (oas.ListReviewQueueResponseObject, error) {
	p, err := h.scrutiny.Queue(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	levels, err := h.inventory.Levels(ctx, skusOf(p.Data...))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, func(p catalog.Product) oas.MerchantProduct { return wireOwnProduct(p, levels) })
	return oas.ListReviewQueue200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetOpsProduct answers GET /v1/ops/products/{listing_id}.
func (h listings) GetOpsProduct(ctx context.Context, r oas.GetOpsProductRequestObject) (oas.GetOpsProductResponseObject, error) {
	c, err := h.scrutiny.AnyProduct(ctx, callerOf(ctx), fromListingID(r.ListingId))
	if err != nil {
		return nil, err
	}
	listed, err := h.listing(ctx, c, scrutiny.Open)
	return oas.GetOpsProduct200JSONResponse{ListingJSONResponse: listed}, err
}

// ApproveProduct answers POST /v1/ops/products/{listing_id}/approve.
func (h listings) ApproveProduct(ctx context.Context, r oas.ApproveProductRequestObject) (oas.ApproveProductResponseObject, error) {
	p, err := h.scrutiny.Approve(ctx, callerOf(ctx), fromListingID(r.ListingId), fromIfMatch(r.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	listed, err := h.listing(ctx, scrutiny.Case{Product: p}, scrutiny.Open)
	return oas.ApproveProduct200JSONResponse{ListingJSONResponse: listed}, err
}

// ReturnProduct answers POST /v1/ops/products/{listing_id}/return.
func (h listings) ReturnProduct(ctx context.Context, r oas.ReturnProductRequestObject) (oas.ReturnProductResponseObject, error) {
	p, err := h.scrutiny.Return(ctx, callerOf(ctx), fromListingID(r.ListingId), wireAll(r.Body.Reasons, fromReason))
	if err != nil {
		return nil, err
	}
	listed, err := h.listing(ctx, scrutiny.Case{Product: p}, scrutiny.Open)
	return oas.ReturnProduct200JSONResponse{ListingJSONResponse: listed}, err
}

// DelistProduct answers POST /v1/ops/products/{listing_id}/delist.
func (h listings) DelistProduct(ctx context.Context, r oas.DelistProductRequestObject) (oas.DelistProductResponseObject, error) {
	p, err := h.scrutiny.Delist(ctx, callerOf(ctx), fromListingID(r.ListingId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	listed, err := h.listing(ctx, scrutiny.Case{Product: p}, scrutiny.Open)
	return oas.DelistProduct200JSONResponse{ListingJSONResponse: listed}, err
}

// listing is a product with its stock and all that stands against it.
func (h listings) listing(ctx context.Context, c scrutiny.Case, next func(catalog.State) []string) (oas.ListingJSONResponse, error) {
	levels, err := h.inventory.Levels(ctx, skusOf(c.Product))
	if err != nil {
		return oas.ListingJSONResponse{}, err
	}
	own := wireOwnProduct(c.Product, levels)
	return oas.ListingJSONResponse{
		Headers: oas.ListingResponseHeaders{ETag: `"` + strconv.FormatInt(c.Version, 10) + `"`},
		Body: oas.Listing{
			Product: own.Product, State: own.State, Version: own.Version, Stock: own.Stock, SubmittedAt: own.SubmittedAt,
			Warnings: wireAll(c.Lint(), wireWarning), Missing: wireAll(c.Missing(), wireField), Decisions: wireAll(c.Decisions, wireDecision),
			NextActions: wireAll(next(c.State), func(a string) oas.ListingNextActions { return oas.ListingNextActions(a) }),
		},
	}, nil
}

func fromListingID(u oas.Id) catalog.ProductID { return id.From[catalog.Product](u) }

// fromIfMatch is the version that an If-Match names, 0 for any.
func fromIfMatch(tag string) int64 {
	n, err := strconv.ParseInt(strings.Trim(tag, `"`), 10, 64)
	if err != nil {
		return 0 // the contract lets through nothing else but "*"
	}
	return n
}

func fromNewListing(r *oas.NewListing) (catalog.NewProduct, error) {
	n := catalog.NewProduct{
		Merchant: id.From[merchant.Merchant](r.MerchantId), Code: r.Code, SKUs: wireAll(r.Skus, fromNewSKU),
	}
	// The fields of a change are those of a new listing: one reads the other's JSON.
	raw, err := json.Marshal(r)
	if err != nil {
		return n, err
	}
	var change oas.ListingChange
	if err := json.Unmarshal(raw, &change); err != nil {
		return n, err
	}
	fromListing(change, &n.Description, &n.Pictures)
	return n, nil
}

func fromNewSKU(k oas.NewSku) catalog.NewSKU {
	return catalog.NewSKU{Code: k.Code, Price: money.Fen(k.PriceFen)}
}

// fromListing puts what a change says into a description.
func fromListing(r oas.ListingChange, d *catalog.Description, pictures *[]file.ID) {
	for to, from := range map[*string]*string{
		&d.Name: r.Name, &d.Category: r.CategoryCode, &d.Brand: r.Brand, &d.Spec: r.Spec, &d.Kind: r.Kind, &d.SaleUnit: r.SaleUnit,
		&d.NetUnit: (*string)(r.NetUnit), &d.Ingredients: r.Ingredients, &d.Allergens: r.Allergens, &d.Maker: r.Maker,
		&d.MakerAddress: r.MakerAddress, &d.LicenceNo: r.LicenceNo, &d.MadeOnRule: r.MadeOnRule, &d.Storage: r.Storage,
		&d.ColdChain: (*string)(r.ColdChain), &d.Origin: r.Origin, &d.RegionCode: r.RegionCode, &d.StandardCode: r.StandardCode,
		&d.ConformityDoc: r.ConformityDoc, &d.Certifications: r.Certifications, &d.TraceCode: r.TraceCode, &d.VATTreatment: r.VatTreatment,
		(*string)(&d.ReturnRule): (*string)(r.ReturnRule), &d.ShipZone: r.ShipZone, &d.Details: r.Details,
	} {
		set(to, from)
	}
	set(&d.NetContent, r.NetContent)
	set(&d.ShelfLifeDays, r.ShelfLifeDays)
	set(&d.AgeRestricted, r.AgeRestricted)
	set(&d.VoucherValidDays, r.VoucherValidDays)
	d.Voucher = d.VoucherValidDays > 0
	if r.BuyerClasses != nil {
		d.ConsumersOnly, d.InstitutionsOnly = fromBuyerClasses(*r.BuyerClasses)
	}
	if r.PresaleWindows != nil {
		d.PresaleWindows = wireAll(r.PresaleWindows, fromWindow)
		d.Presale = len(d.PresaleWindows) > 0
	}
	if r.PictureIds != nil {
		*pictures = wireAll(r.PictureIds, func(u oas.Id) file.ID { return id.From[file.File](u) })
	}
}

// set writes what was said, and leaves what was not.
func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func fromBuyerClasses(all oas.BuyerClasses) (consumersOnly, institutionsOnly bool) {
	consumersOnly, institutionsOnly = true, true
	for _, c := range all {
		consumersOnly = consumersOnly && price.Class(c) == price.Consumer
		institutionsOnly = institutionsOnly && price.Class(c) == price.Institution
	}
	return consumersOnly, institutionsOnly
}

func fromWindow(w oas.PresaleWindow) listing.Window {
	return listing.Window{From: w.From.Format(time.DateOnly), Until: w.Until.Format(time.DateOnly)}
}

func fromTier(t oas.Tier) price.Tier {
	return price.Tier{Class: price.Class(t.BuyerClass), From: t.From, Price: money.Fen(t.PriceFen)}
}

func fromReason(r oas.ListingReason) scrutiny.Reason {
	return scrutiny.Reason{Pointer: value(r.Pointer), Message: r.Message}
}

func wireBuyerClasses(d catalog.Description) oas.BuyerClasses {
	all := oas.BuyerClasses{}
	if !d.InstitutionsOnly {
		all = append(all, oas.BuyerClass(price.Consumer))
	}
	if !d.ConsumersOnly {
		all = append(all, oas.BuyerClass(price.Institution))
	}
	return all
}

func wireWindow(w listing.Window) oas.PresaleWindow {
	day := func(s string) openapi_types.Date { return openapi_types.Date{Time: merchant.Date(s).Time()} }
	return oas.PresaleWindow{From: day(w.From), Until: day(w.Until)}
}

func wireTier(t price.Tier) oas.Tier {
	return oas.Tier{BuyerClass: oas.BuyerClass(t.Class), From: t.From, PriceFen: int64(t.Price)}
}

func wireField(f fault.Field) oas.ProblemField {
	return oas.ProblemField{Pointer: f.Pointer, Keyword: f.Keyword, Message: f.Message}
}

func wireWarning(h listing.Hit) oas.ListingWarning {
	return oas.ListingWarning{
		Pointer: h.Field, Start: h.Start, End: h.End, Text: h.Text, Word: h.Word, Rule: h.Rule.Code, Law: h.Rule.LawZH + " / " + h.Rule.LawEN,
		Verdict: oas.ListingWarningVerdict(h.Verdict),
	}
}

func wireDecision(d scrutiny.Decision) oas.ListingDecision {
	return oas.ListingDecision{
		Verdict: oas.ListingDecisionVerdict(d.Verdict), Version: d.Version, At: d.At,
		Reasons: wireAll(d.Reasons, func(r scrutiny.Reason) oas.ListingReason {
			return oas.ListingReason{Pointer: optional(r.Pointer), Message: r.Message}
		}),
	}
}

func wireKind(k listing.Kind) oas.GoodsKind {
	return oas.GoodsKind{
		Code: k.Code, NameZh: k.NameZH, NameEn: k.NameEN, LicenceKind: optional(k.Licence), Certificate: optional(k.Certificate),
		ColdChain: optional(k.ColdChain), RequiredFields: k.Required,
	}
}

func wireUnit(u listing.Unit) oas.Unit {
	return oas.Unit{Code: u.Code, NameZh: u.NameZH, NameEn: u.NameEN, Measures: oas.UnitMeasures(u.Measures), Base: u.Base}
}

func wireVATClass(v listing.VATClass) oas.VatClass {
	return oas.VatClass{Code: v.Code, Percent: v.Percent, NameZh: v.NameZH, NameEn: v.NameEN}
}

func wireZone(z listing.Zone) oas.ShippingZone {
	return oas.ShippingZone{Code: z.Code, NameZh: z.NameZH, NameEn: z.NameEN}
}

func wireRegion(r origin.Region) oas.OriginRegion {
	return oas.OriginRegion{Code: r.Code, Parent: optional(r.Parent), Level: oas.OriginRegionLevel(r.Level), NameZh: r.NameZH, NameEn: r.NameEN}
}

func wireBrand(b origin.Brand) oas.Brand {
	return oas.Brand{Code: b.Code, Name: b.Name, RegionCode: b.Region, AboutZh: b.AboutZH, AboutEn: b.AboutEN}
}
