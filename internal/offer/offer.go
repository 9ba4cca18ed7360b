// Package offer is the goods as they can be bought at this moment: a SKU with its
// prices, what is said of its product, and whether its enterprise may sell. It reads
// what the catalogue and the enterprises keep, and writes nothing.
package offer

import (
	"time"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/price"
)

// Offer is a SKU as it can be bought at this moment: what a checkout decides
// by, and copies into its lines.
type Offer struct {
	SKU          catalog.SKUID
	Product      catalog.ProductID
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
	Price        money.Fen // of one piece, for a consumer, tax included; PriceFor says what more of them cost
	Tiers        []price.Tier
	VATTreatment string
	ReturnRule   catalog.ReturnRule

	AgeRestricted    bool
	Voucher          bool
	VoucherValidDays int
	ShipZone         string
	ColdChain        string
	InstitutionsOnly bool // not offered to consumers
	ConsumersOnly    bool // not offered to institutions

	OnSale   bool
	Standing merchant.Standing
}

// PriceFor is the price of a piece for a consumer who buys so many at once.
func (o Offer) PriceFor(quantity int64) money.Fen { return o.PriceOf(price.Consumer, quantity) }

// PriceOf is the price of a piece for somebody of a class who buys so many at once.
func (o Offer) PriceOf(c price.Class, quantity int64) money.Fen {
	return price.List{Base: o.Price, Tiers: o.Tiers}.At(c, quantity)
}

// Check is nil if the offer may be sold to a consumer at that time, and otherwise
// catalog.ErrNotOnSale, catalog.ErrBuyerClass or the enterprise's fault.
func (o Offer) Check(at time.Time) error { return o.CheckFor(price.Consumer, at) }

// CheckFor is Check for buyers of a class.
func (o Offer) CheckFor(c price.Class, at time.Time) error {
	if !o.OnSale {
		return catalog.ErrNotOnSale
	}
	if c == price.Consumer && o.InstitutionsOnly || c == price.Institution && o.ConsumersOnly {
		return catalog.ErrBuyerClass
	}
	return merchant.MaySell(o.Standing, at)
}
