// Package quote is what a checkout would cost: the goods that a buyer chose at the
// prices of this moment, one part for each merchant, and what the purchase needs of its
// buyer beside the money. It promises nothing and writes nothing; order does.
package quote

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/carriage"
	"github.com/shiyi-market/shiyi/internal/cart"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/offer"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Faults of what cannot be checked out. Their codes are those that buyers' programs know.
var (
	ErrEmpty      = fault.New(fault.Refused, "order.empty", "There is nothing to check out", "没有可结算的商品")
	ErrDuplicate  = fault.New(fault.Refused, "order.duplicate_sku", "The same SKU is named twice", "同一规格重复出现")
	ErrUnknownSKU = fault.New(fault.Refused, "order.unknown_sku", "There is no such SKU", "没有这个商品规格")
	ErrChanged    = fault.New(fault.Conflict, "order.total_changed", "The total has changed since it was shown", "金额已变化，请重新确认")
	ErrAddress    = fault.New(fault.Refused, "order.address_required", "Goods that are shipped need an address", "需要收货地址")
	ErrAdult      = fault.New(fault.Refused, "order.adult_declaration_required", "Liquor is sold to adults only: declare that you are one", "酒类不向未成年人出售，请确认已成年")
	ErrWaiver     = fault.New(fault.Refused, "order.waiver_required", "Some goods cannot be returned without reason: confirm it for this purchase", "部分商品不适用七日无理由退货，请确认")
	ErrAmount     = fault.New(fault.Refused, "order.amount_out_of_range", "The amount is out of range", "金额超出范围")
)

// MaxLines is how many different SKUs one checkout may have.
const MaxLines = 100

// Chosen is so many of one SKU that a buyer wants.
type Chosen struct {
	SKU      catalog.SKUID
	Quantity int64 // 1 to 999
}

// Placing is what a buyer asks to check out. Prices are the catalogue's, never
// the request's: ExpectedTotal, when not zero, only refuses a total that is no
// longer the one that the buyer was shown.
type Placing struct {
	Lines           []Chosen
	FromCart        bool // the cart's lines instead of Lines
	ShipTo          *Address
	AdultDeclared   bool
	WaiverConfirmed bool
	ExpectedTotal   money.Fen
}

// Address is where goods go. It is personal: it appears in no leaf and no log.
type Address struct {
	Recipient string `json:"recipient"`
	Phone     string `json:"phone"`
	Province  string `json:"province"`
	City      string `json:"city"`
	District  string `json:"district"`
	Detail    string `json:"detail"`
}

// province is where the goods go, or the zero value where the buyer has not said it.
// carriage.ErrProvince.
func (p Placing) province() (carriage.Province, error) {
	if p.ShipTo == nil {
		return carriage.Province{}, nil
	}
	to, err := carriage.ProvinceOf(p.ShipTo.Province)
	if f := fault.Of(err); f != nil {
		return to, f.At("/ship_to/province", "enum", f.Title)
	}
	return to, err
}

// Needs is what a purchase asks of its buyer beside the money.
type Needs struct {
	Address bool // something is shipped
	Adult   bool // liquor (Law on the Protection of Minors 59)
	Waiver  bool // goods that cannot come back only if the buyer confirms it on this purchase (Consumer Protection Law 25)
}

// Quote is what a checkout would cost now: one part for each merchant, in the order of
// the merchants' ids, which is the order of locks.
type Quote struct {
	Parts    []Part
	Goods    money.Fen // of all parts
	Shipping money.Fen // of all parts; 0 while nobody has said where they go
	Needs    Needs
}

// Part is what one merchant sells of it.
type Part struct {
	Merchant     merchant.ID
	MerchantName string
	Lines        []Line
	Goods        money.Fen
	Shipping     money.Fen
}

// Line is so many of one SKU at its price.
type Line struct {
	offer.Offer
	Quantity int64
	Each     money.Fen // what a piece costs who buys so many
	Total    money.Fen
}

// Total is what the buyer would pay.
func (q Quote) Total() money.Fen { return q.Goods + q.Shipping }

// SKUs are all that the quote is for.
func (q Quote) SKUs() []catalog.SKUID {
	var all []catalog.SKUID
	for _, p := range q.Parts {
		for _, l := range p.Lines {
			all = append(all, l.SKU)
		}
	}
	return all
}

// Contents reads the lines of somebody's cart; cart.Contents and cart.Seen do.
type Contents func(context.Context, *postgres.Tx, identity.ID) ([]cart.Line, error)

// Of prices what the buyer named, or what is in the cart as it is read by contents. What
// cannot be sold is a fault that points at its line.
func Of(ctx context.Context, tx *postgres.Tx, buyer identity.ID, p Placing, contents Contents) (Quote, error) {
	chosen := p.Lines
	if p.FromCart {
		lines, err := contents(ctx, tx, buyer)
		if err != nil {
			return Quote{}, err
		}
		chosen = nil
		for _, l := range lines {
			chosen = append(chosen, Chosen{l.SKU, l.Qty})
		}
	}
	if err := distinct(chosen); err != nil {
		return Quote{}, err
	}
	skus := make([]catalog.SKUID, len(chosen))
	for i, c := range chosen {
		skus[i] = c.SKU
	}
	offers, err := offer.Of(ctx, tx, skus)
	if err != nil {
		return Quote{}, err
	}
	q, err := price(chosen, offers, tx.Now)
	if err != nil || !q.Needs.Address || p.ShipTo == nil {
		return q, err
	}
	to, err := p.province()
	if err != nil {
		return q, err
	}
	if err := reach(chosen, offers, to); err != nil {
		return q, err
	}
	schedules, err := carriage.Of(ctx, tx, q.merchants())
	if err != nil {
		return q, err
	}
	return q, q.ship(to, schedules)
}

// reach refuses the first line whose goods are not shipped there.
func reach(chosen []Chosen, offers []offer.Offer, to carriage.Province) error {
	for _, o := range offers {
		if o.Voucher || carriage.Delivers(o.ShipZone, to) {
			continue
		}
		i := slices.IndexFunc(chosen, func(c Chosen) bool { return c.SKU == o.SKU })
		return carriage.ErrNotDelivered.At(fmt.Sprintf("/lines/%d/sku_id", i), "zone", o.ProductName+" is not shipped to "+to.NameEN)
	}
	return nil
}

// ship adds what the parts cost to ship; what is no goods is not shipped.
func (q *Quote) ship(to carriage.Province, schedules map[uuid.UUID]carriage.Schedule) error {
	for i := range q.Parts {
		p := &q.Parts[i]
		parcel, some := p.parcel()
		if !some {
			continue
		}
		fee, err := schedules[p.Merchant.UUID()].To(to).Fee(parcel)
		if err == nil {
			q.Shipping, err = q.Shipping.Plus(fee)
		}
		if err != nil {
			return ErrAmount.With("shipping costs too much")
		}
		p.Shipping = fee
	}
	if _, err := q.Goods.Plus(q.Shipping); err != nil {
		return ErrAmount.With("the checkout costs too much")
	}
	return nil
}

// parcel is what is shipped of the part, if anything is.
func (p Part) parcel() (parcel carriage.Parcel, some bool) {
	for _, l := range p.Lines {
		if l.Voucher {
			continue
		}
		some = true
		parcel.Goods += l.Total
		parcel.Grams += carriage.Weight(l.NetContent, l.Quantity)
		parcel.Cold = parcel.Cold || l.ColdChain == "CHILLED" || l.ColdChain == "FROZEN"
	}
	return parcel, some
}

func (q Quote) merchants() []uuid.UUID {
	all := make([]uuid.UUID, len(q.Parts))
	for i, p := range q.Parts {
		all[i] = p.Merchant.UUID()
	}
	return all
}

// price is Of without what it reads.
func price(chosen []Chosen, offers []offer.Offer, now time.Time) (Quote, error) {
	byID := make(map[catalog.SKUID]offer.Offer, len(offers))
	for _, o := range offers {
		byID[o.SKU] = o
	}
	var q Quote
	for i, want := range chosen {
		pointer := fmt.Sprintf("/lines/%d", i)
		offer, ok := byID[want.SKU]
		if !ok {
			return q, ErrUnknownSKU.At(pointer+"/sku_id", "unknown", "no such SKU")
		}
		if err := offer.Check(now); err != nil {
			if f := fault.Of(err); f != nil {
				return q, f.At(pointer+"/sku_id", "not_on_sale", f.Title)
			}
			return q, err
		}
		each := offer.PriceFor(want.Quantity)
		total, err := each.Times(want.Quantity)
		if err != nil {
			return q, ErrAmount.At(pointer+"/quantity", "maximum", "the line costs too much")
		}
		if err := q.add(Line{offer, want.Quantity, each, total}); err != nil {
			return q, err
		}
	}
	slices.SortFunc(q.Parts, func(a, b Part) int {
		x, y := a.Merchant.UUID(), b.Merchant.UUID()
		return bytes.Compare(x[:], y[:])
	})
	return q, nil
}

// add puts a line into the part of its merchant.
func (q *Quote) add(l Line) error {
	goods, err := q.Goods.Plus(l.Total)
	if err != nil {
		return ErrAmount.With("the checkout costs too much")
	}
	q.Goods = goods
	q.Needs.Address = q.Needs.Address || !l.Voucher
	q.Needs.Adult = q.Needs.Adult || l.AgeRestricted
	q.Needs.Waiver = q.Needs.Waiver || l.ReturnRule.NeedsWaiver()
	i := slices.IndexFunc(q.Parts, func(p Part) bool { return p.Merchant == l.Merchant })
	if i < 0 {
		i = len(q.Parts)
		q.Parts = append(q.Parts, Part{Merchant: l.Merchant, MerchantName: l.MerchantName})
	}
	p := &q.Parts[i]
	p.Goods += l.Total
	p.Lines = append(p.Lines, l)
	return nil
}

// Agree refuses a placing that lacks what the purchase needs.
func (q Quote) Agree(p Placing) error {
	switch {
	case p.ExpectedTotal != 0 && p.ExpectedTotal != q.Total():
		return ErrChanged.With("the total is %d fen, not %d", q.Total(), p.ExpectedTotal).
			At("/expected_total_fen", "total", fmt.Sprintf("the total is %d fen", q.Total()))
	case q.Needs.Address && p.ShipTo == nil:
		return ErrAddress.At("/ship_to", "required", "where do the goods go?")
	case q.Needs.Adult && !p.AdultDeclared:
		return ErrAdult.At("/adult_declared", "required", "liquor is sold to adults only")
	case q.Needs.Waiver && !p.WaiverConfirmed:
		return ErrWaiver.At("/waiver_confirmed", "required", "some goods cannot be returned without reason")
	}
	return nil
}

// distinct refuses an empty, an over-long or a repeating choice.
func distinct(chosen []Chosen) error {
	if len(chosen) == 0 {
		return ErrEmpty
	}
	if len(chosen) > MaxLines {
		return ErrAmount.At("/lines", "maxItems", fmt.Sprintf("at most %d lines", MaxLines))
	}
	seen := make(map[catalog.SKUID]bool, len(chosen))
	for i, c := range chosen {
		pointer := fmt.Sprintf("/lines/%d", i)
		if seen[c.SKU] {
			return ErrDuplicate.At(pointer+"/sku_id", "uniqueItems", "named twice: add the quantities")
		}
		if c.Quantity < 1 || c.Quantity > 999 {
			return ErrAmount.At(pointer+"/quantity", "range", "1 to 999")
		}
		seen[c.SKU] = true
	}
	return nil
}
