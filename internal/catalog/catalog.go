// Package catalog is the goods: products and their SKUs, from an
// enterprise's draft through an operator's review to sale. What a listing must say
// is told by listing, what a SKU costs by price. It does not know how many pieces
// there are.
package catalog

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/listing"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/price"
)

// Faults of the catalogue.
var (
	// ErrProduct says that there is no such product, or that it is not the caller's to see.
	ErrProduct = fault.New(fault.NotFound, "catalog.product_not_found", "No such product", "商品不存在")
	// ErrPaused says that a product is on sale, but its enterprise may not sell now.
	// Why is nobody's business who looks at goods.
	ErrPaused = fault.New(fault.NotFound, "catalog.paused", "The product is not on sale at present", "该商品暂停销售")
	// ErrSKU says that there is no such SKU, or that it is another enterprise's.
	ErrSKU = fault.New(fault.NotFound, "catalog.sku_not_found", "No such SKU", "商品规格不存在")
	// ErrMerchant says that the caller sells for no such enterprise.
	ErrMerchant = fault.New(fault.NotFound, "catalog.merchant_not_found", "You sell for no such enterprise", "您没有该企业的权限")
	// ErrNotOnSale says that a product cannot be bought at present.
	ErrNotOnSale = fault.New(fault.Refused, "catalog.not_on_sale", "The product is not on sale", "商品未在售")
	// ErrCategory says that a category's code is none.
	ErrCategory = fault.New(fault.Invalid, "catalog.unknown_category", "No such category", "品类不存在")
	// ErrInvalid names what is wrong with a product.
	ErrInvalid = fault.New(fault.Invalid, "catalog.invalid", "The product is not described properly", "商品信息有误")
	// ErrPrice says that a price is below one fen or beyond money.Max.
	ErrPrice = fault.New(fault.Invalid, "catalog.invalid_price", "The price is out of range", "价格超出范围")
	// ErrListed says that the code or id is used by another product of the enterprise.
	ErrListed = fault.New(fault.Conflict, "catalog.already_listed", "The product is listed already", "商品已存在")
	// ErrRegion says that a region's code is none.
	ErrRegion = fault.New(fault.Invalid, "catalog.unknown_region", "No such region", "产地不存在")
	// ErrBuyerClass says that the product is offered to another class of buyers.
	ErrBuyerClass = fault.New(fault.Refused, "catalog.other_buyers", "The product is offered to other buyers", "该商品面向其他类型的买家")
	// ErrState says that the product is not in the state that the change needs.
	ErrState = fault.New(fault.Conflict, "catalog.wrong_state", "The product's state does not allow this", "商品当前状态不允许此操作")
)

// ProductID names a product: what one reads about.
type ProductID = id.Of[Product]

// SKUID names a SKU: what one buys.
type SKUID = id.Of[SKU]

// What a listing says is told by package listing.
type (
	// Description is what the listing says about a product.
	Description = listing.Description
	// ReturnRule says whether goods may be sent back without a reason.
	ReturnRule = listing.ReturnRule
)

// The rules.
const (
	NoReason         = listing.NoReason
	NoReasonUnopened = listing.NoReasonUnopened
	ExemptFresh      = listing.ExemptFresh
	VoucherRule      = listing.VoucherRule
)

// Product is goods as listed, with its SKUs in their order. Lists that many
// visitors read share their memory: whoever gets one must not write into it.
type Product struct {
	ID           ProductID
	Merchant     merchant.ID
	MerchantName string
	Code         string // unique in the enterprise: "P001"
	Description
	Pictures    []file.ID // the first is the cover
	State       State
	Version     int64 // counts the edits of all but prices
	SKUs        []SKU
	EditedBy    uuid.UUID // who wrote it last; zero is the program itself
	SubmittedBy uuid.UUID // who asked for the last review
	SubmittedAt time.Time // zero: never
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// SKU is what can be put into a cart.
type SKU struct {
	ID       SKUID
	Code     string    // unique in the enterprise
	Price    money.Fen // of one piece, for a consumer, tax included
	Tiers    []price.Tier
	Position int // from 1
}

// Prices is all that the SKU costs.
func (k SKU) Prices() price.List { return price.List{Base: k.Price, Tiers: k.Tiers} }

// NewProduct is a product to be listed, which begins as a draft. Zero ids are given.
type NewProduct struct {
	ID       ProductID
	Merchant merchant.ID
	Code     string // 1 to 32 characters
	Description
	Pictures []file.ID // uploaded by the caller
	SKUs     []NewSKU
}

// NewSKU is a SKU of a NewProduct.
type NewSKU struct {
	ID    SKUID
	Code  string // 1 to 32 characters
	Price money.Fen
}

// Bounds of one product.
const (
	maxSKUs     = 50
	maxPictures = 20
)

// Check is nil if n may be listed as a draft, as far as that can be told without
// the database; otherwise ErrInvalid, with each bad field.
func (n NewProduct) Check() error {
	bad := flaws(n.Description, n.Pictures)
	if !listing.Text(n.Code, 1, 32) {
		bad = bad.At("/code", "length", "1 to 32 characters")
	}
	if len(n.SKUs) < 1 || len(n.SKUs) > maxSKUs {
		bad = bad.At("/skus", "length", fmt.Sprintf("1 to %d SKUs", maxSKUs))
	}
	for i, k := range n.SKUs {
		bad = k.flaws(bad, fmt.Sprintf("/skus/%d", i))
	}
	return bad.OrNil()
}

func (n NewSKU) flaws(bad *fault.Error, at string) *fault.Error {
	if !listing.Text(n.Code, 1, 32) {
		bad = bad.At(at+"/code", "length", "1 to 32 characters")
	}
	if checkPrice(n.Price) != nil {
		bad = bad.At(at+"/price_fen", "range", "1 fen or more")
	}
	return bad
}

// flaws is ErrInvalid with what not even a draft may be.
func flaws(d Description, pictures []file.ID) *fault.Error {
	bad := ErrInvalid.All(d.Flaws())
	if len(pictures) > maxPictures {
		bad = bad.At("/picture_ids", "maxItems", fmt.Sprintf("at most %d pictures", maxPictures))
	}
	return bad
}

func checkPrice(f money.Fen) error {
	if f < 1 || f > money.Max {
		return ErrPrice.With("a price is 1 to %d fen", int64(money.Max)).At("/price_fen", "range", "1 fen or more")
	}
	return nil
}

// product is the product that n makes.
func (n NewProduct) product(at time.Time) Product {
	p := Product{
		ID: n.ID, Merchant: n.Merchant, Code: n.Code, Description: n.Description, Pictures: n.Pictures, State: Draft, Version: 1,
		CreatedAt: at, UpdatedAt: at,
	}
	if p.ID.IsZero() {
		p.ID = id.New[Product](at)
	}
	for i, k := range n.SKUs {
		if k.ID.IsZero() {
			k.ID = id.New[SKU](at)
		}
		p.SKUs = append(p.SKUs, SKU{ID: k.ID, Code: k.Code, Price: k.Price, Position: i + 1})
	}
	return p
}

// Filter chooses products; its zero fields choose all.
type Filter struct {
	Category string // a category's code
	Merchant merchant.ID
}

// check refuses what cannot be a category's code. A code that merely has no
// category has no products either.
func (f Filter) check() error {
	if !listing.Text(f.Category, 0, 32) {
		return ErrCategory.At("query:category", "length", "at most 32 characters")
	}
	return nil
}

// key is what lists of products are sorted by.
func (p Product) key() (string, uuid.UUID) { return p.Code, p.ID.UUID() }
