// Package catalog is the goods on sale: categories, products, their SKUs and
// prices. One price holds for everybody at a time. It does not know how many
// pieces there are.
package catalog

import (
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
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
	// ErrState says that the product is not in the state that the change needs.
	ErrState = fault.New(fault.Conflict, "catalog.wrong_state", "The product's state does not allow this", "商品当前状态不允许此操作")
)

// Category is a shelf of the shop. Categories are data, not code.
type Category struct {
	Code     string // "MEAT"
	NameZH   string
	NameEN   string
	Position int // from 1
}

// ProductID names a product: what one reads about.
type ProductID = id.Of[Product]

// SKUID names a SKU: what one buys.
type SKUID = id.Of[SKU]

// State says whether a product can be bought.
type State string

// The states of a product.
const (
	Draft     State = "draft"
	OnSale    State = "on_sale"
	Withdrawn State = "withdrawn"
)

// ReturnRule says whether goods may be sent back without a reason (consumer
// protection law, article 25).
type ReturnRule string

// The rules.
const (
	NoReason         ReturnRule = "NO_REASON_7D"          // within seven days of receipt
	NoReasonUnopened ReturnRule = "NO_REASON_7D_UNOPENED" // the same, while the package is closed
	ExemptFresh      ReturnRule = "EXEMPT_FRESH"          // fresh and perishable: the law itself exempts it
	VoucherRule      ReturnRule = "VOUCHER_RULE"          // a dated service: exempt if the buyer confirms
)

// NeedsWaiver reports whether the buyer must confirm on this very purchase that
// it cannot be sent back: all exceptions that the law does not name itself.
func (r ReturnRule) NeedsWaiver() bool { return r == VoucherRule }

// Known reports whether r is one of the rules.
func (r ReturnRule) Known() bool {
	return slices.Contains([]ReturnRule{NoReason, NoReasonUnopened, ExemptFresh, VoucherRule}, r)
}

// Description is what the listing says about a product. Tokens in capitals are
// data of the shop; "" is not marked.
type Description struct {
	Category         string // a Category's code
	Name             string // 1 to 120 characters
	Brand            string
	Spec             string // "2kg/条"
	NetContent       int64  // in NetUnit, per sale unit; 0 is not marked
	NetUnit          string // "g", "mL" or ""
	SaleUnit         string // "袋"
	Kind             string // "PACKAGED_FOOD"
	Storage          string
	ColdChain        string // "N", "CHILLED", "FROZEN" or "VOUCHER"
	ShelfLifeDays    int    // 0 is not marked
	Origin           string
	StandardCode     string
	ConformityDoc    string
	Certifications   string
	TraceCode        string
	VATTreatment     string
	ReturnRule       ReturnRule
	AgeRestricted    bool // not for minors (law on the protection of minors, article 59)
	Presale          bool
	Voucher          bool // a service, redeemed within VoucherValidDays
	VoucherValidDays int
	ShipZone         string // "NATIONWIDE"
}

// Product is goods as listed, with its SKUs in their order. Lists that many
// visitors read share their memory: whoever gets one must not write into it.
type Product struct {
	ID           ProductID
	Merchant     merchant.ID
	MerchantName string
	Code         string // unique in the enterprise: "P001"
	Description
	State     State
	SKUs      []SKU
	CreatedAt time.Time
	UpdatedAt time.Time
}

// SKU is what can be put into a cart.
type SKU struct {
	ID       SKUID
	Code     string    // unique in the enterprise
	Price    money.Fen // per piece, tax included
	Position int       // from 1
}

// PutOnSale lets the product be bought.
func (p *Product) PutOnSale() error {
	if p.State == OnSale {
		return ErrState.With("the product is on sale already")
	}
	p.State = OnSale
	return nil
}

// Withdraw takes the product off sale. What was bought stays bought.
func (p *Product) Withdraw() error {
	if p.State != OnSale {
		return ErrState.With("the product is %s: only what is on sale is withdrawn", p.State)
	}
	p.State = Withdrawn
	return nil
}

// NewProduct is a product to be listed. Zero ids are given.
type NewProduct struct {
	ID       ProductID
	Merchant merchant.ID
	Code     string // 1 to 32 characters
	Description
	Draft bool // not put on sale yet
	SKUs  []NewSKU
}

// NewSKU is a SKU of a NewProduct.
type NewSKU struct {
	ID    SKUID
	Code  string // 1 to 32 characters
	Price money.Fen
}

// maxSKUs bounds the SKUs of one product.
const maxSKUs = 50

func (n NewProduct) check() error {
	bad := n.checkTexts(ErrInvalid)
	if !slices.Contains([]string{"g", "mL", ""}, n.NetUnit) || n.NetContent < 0 || n.NetContent > int64(money.Max) || (n.NetUnit == "") != (n.NetContent == 0) {
		bad = bad.At("/net_content", "unit", "grams (g) or millilitres (mL) above zero, or neither")
	}
	if !slices.Contains([]string{"N", "CHILLED", "FROZEN", "VOUCHER"}, n.ColdChain) {
		bad = bad.At("/cold_chain", "enum", "N, CHILLED, FROZEN or VOUCHER")
	}
	if !n.ReturnRule.Known() {
		bad = bad.At("/return_rule", "enum", "no such rule")
	}
	if n.ShelfLifeDays < 0 || n.VoucherValidDays < 0 || n.Voucher != (n.VoucherValidDays > 0) {
		bad = bad.At("/voucher_valid_days", "range", "days are above zero, and go with vouchers only")
	}
	if len(n.SKUs) < 1 || len(n.SKUs) > maxSKUs {
		bad = bad.At("/skus", "length", fmt.Sprintf("1 to %d SKUs", maxSKUs))
	}
	for i, k := range n.SKUs {
		if !text(k.Code, 1, 32) {
			bad = bad.At(fmt.Sprintf("/skus/%d/code", i), "length", "1 to 32 characters")
		}
		if checkPrice(k.Price) != nil {
			bad = bad.At(fmt.Sprintf("/skus/%d/price_fen", i), "range", "1 fen or more")
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// checkTexts is bad with each text that is too short or too long.
func (n NewProduct) checkTexts(bad *fault.Error) *fault.Error {
	for _, f := range []struct {
		pointer, text string
		least, most   int
	}{
		{"/code", n.Code, 1, 32},
		{"/name", n.Name, 1, 120},
		{"/category_code", n.Category, 1, 32},
		{"/brand", n.Brand, 0, 60},
		{"/spec", n.Spec, 0, 120},
		{"/sale_unit", n.SaleUnit, 1, 16},
		{"/kind", n.Kind, 1, 32},
		{"/storage", n.Storage, 0, 120},
		{"/origin", n.Origin, 0, 120},
		{"/standard_code", n.StandardCode, 0, 60},
		{"/conformity_doc", n.ConformityDoc, 0, 200},
		{"/certifications", n.Certifications, 0, 200},
		{"/trace_code", n.TraceCode, 0, 60},
		{"/vat_treatment", n.VATTreatment, 1, 60},
		{"/ship_zone", n.ShipZone, 1, 32},
	} {
		if !text(f.text, f.least, f.most) {
			bad = bad.At(f.pointer, "length", fmt.Sprintf("%d to %d characters", f.least, f.most))
		}
	}
	return bad
}

// text reports whether s is text of that many characters, none of them a
// control character.
func text(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	for _, r := range s {
		if unicode.IsControl(r) {
			return false
		}
	}
	return n >= least && n <= most && utf8.ValidString(s)
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
		ID: n.ID, Merchant: n.Merchant, Code: n.Code, Description: n.Description, State: OnSale, CreatedAt: at, UpdatedAt: at,
	}
	if n.Draft {
		p.State = Draft
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

// Offer is a SKU as it can be bought at this moment: what a checkout decides
// by, and copies into its lines.
type Offer struct {
	SKU          SKUID
	Product      ProductID
	Merchant     merchant.ID
	MerchantName string
	ProductName  string
	ProductCode  string
	Code         string // the SKU's
	Brand        string
	Spec         string
	Unit         string // sale unit
	NetContent   int64  // in NetUnit, per sale unit; 0 is not marked
	NetUnit      string // "g", "mL" or ""
	CategoryCode string
	Kind         string
	Price        money.Fen // per piece, tax included
	VATTreatment string
	ReturnRule   ReturnRule

	AgeRestricted    bool
	Voucher          bool
	VoucherValidDays int
	ShipZone         string
	ColdChain        string

	OnSale   bool
	Standing merchant.Standing
}

// Check is nil if the offer may be sold at that time, and otherwise
// ErrNotOnSale or the enterprise's fault.
func (o Offer) Check(at time.Time) error {
	if !o.OnSale {
		return ErrNotOnSale
	}
	return merchant.MaySell(o.Standing, at)
}

// Filter chooses products; its zero fields choose all.
type Filter struct {
	Category string // a Category's code
	Merchant merchant.ID
}

// maxCategory bounds a category's code.
const maxCategory = 32

// check refuses what cannot be a category's code. A code that merely has no
// category has no products either.
func (f Filter) check() error {
	if !text(f.Category, 0, maxCategory) {
		return ErrCategory.At("query:category", "length", "at most 32 characters")
	}
	return nil
}

// PricePoint is a price that a SKU had, since a time.
type PricePoint struct {
	Price money.Fen
	Since time.Time
	Actor uuid.UUID // who set it; zero is the program itself
}

// key is what lists of products are sorted by.
func (p Product) key() (string, uuid.UUID) { return p.Code, p.ID.UUID() }
