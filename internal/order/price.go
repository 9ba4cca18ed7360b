package order

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/offer"
)

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

// Needs is what a purchase asks of its buyer beside the money.
type Needs struct {
	Address bool // something is shipped
	Adult   bool // liquor (Law on the Protection of Minors 59)
	Waiver  bool // goods that cannot come back only if the buyer confirms it on this purchase (Consumer Protection Law 25)
}

// price makes an unplaced checkout of the chosen goods: one order for each
// merchant, in the order of the merchants' ids, which is the order of locks.
// What cannot be sold is a fault that points at its line.
func price(buyer identity.ID, chosen []Chosen, offers []offer.Offer, now time.Time) (Checkout, Needs, error) {
	byID := make(map[catalog.SKUID]offer.Offer, len(offers))
	for _, o := range offers {
		byID[o.SKU] = o
	}
	c := Checkout{ID: id.New[Checkout](now), Buyer: buyer, State: Placed, PlacedAt: now, ExpiresAt: now.Add(Hold)}
	var needs Needs
	for i, want := range chosen {
		pointer := fmt.Sprintf("/lines/%d", i)
		offer, ok := byID[want.SKU]
		if !ok {
			return c, needs, ErrUnknownSKU.At(pointer+"/sku_id", "unknown", "no such SKU")
		}
		if err := offer.Check(now); err != nil {
			if f := fault.Of(err); f != nil {
				return c, needs, f.At(pointer+"/sku_id", "not_on_sale", f.Title)
			}
			return c, needs, err
		}
		total, err := offer.PriceFor(want.Quantity).Times(want.Quantity)
		if err != nil {
			return c, needs, ErrAmount.At(pointer+"/quantity", "maximum", "the line costs too much")
		}
		needs.Address = needs.Address || !offer.Voucher
		needs.Adult = needs.Adult || offer.AgeRestricted
		needs.Waiver = needs.Waiver || offer.ReturnRule.NeedsWaiver()
		if err := c.add(offer, want.Quantity, total); err != nil {
			return c, needs, err
		}
	}
	slices.SortFunc(c.Orders, func(a, b Order) int {
		x, y := a.Merchant.UUID(), b.Merchant.UUID()
		return bytes.Compare(x[:], y[:])
	})
	return c, needs, nil
}

// add puts a line into the order of its merchant.
func (c *Checkout) add(offer offer.Offer, quantity int64, total money.Fen) error {
	goods, err := c.Goods.Plus(total)
	if err != nil {
		return ErrAmount.With("the checkout costs too much")
	}
	c.Goods = goods
	i := slices.IndexFunc(c.Orders, func(o Order) bool { return o.Merchant == offer.Merchant })
	if i < 0 {
		i = len(c.Orders)
		c.Orders = append(c.Orders, Order{
			ID: id.New[Order](c.PlacedAt), Checkout: c.ID, Buyer: c.Buyer,
			Merchant: offer.Merchant, MerchantName: offer.MerchantName, State: Placed, PlacedAt: c.PlacedAt,
		})
	}
	o := &c.Orders[i]
	o.Goods += total
	o.Lines = append(o.Lines, Line{
		N: len(o.Lines) + 1, SKU: offer.SKU, Product: offer.Product, Code: offer.Code, Name: offer.ProductName,
		Spec: offer.Spec, Unit: offer.Unit, ReturnRule: string(offer.ReturnRule), Quantity: quantity, Price: offer.PriceFor(quantity), Total: total,
	})
	return nil
}

// agree refuses a placing that lacks what the purchase needs.
func (c *Checkout) agree(p Placing, needs Needs) error {
	switch {
	case p.ExpectedTotal != 0 && p.ExpectedTotal != c.Total():
		return ErrChanged.With("the total is %d fen, not %d", c.Total(), p.ExpectedTotal).
			At("/expected_total_fen", "total", fmt.Sprintf("the total is %d fen", c.Total()))
	case needs.Address && p.ShipTo == nil:
		return ErrAddress.At("/ship_to", "required", "where do the goods go?")
	case needs.Adult && !p.AdultDeclared:
		return ErrAdult.At("/adult_declared", "required", "liquor is sold to adults only")
	case needs.Waiver && !p.WaiverConfirmed:
		return ErrWaiver.At("/waiver_confirmed", "required", "some goods cannot be returned without reason")
	}
	if needs.Address {
		c.ShipTo = p.ShipTo
	}
	if needs.Adult {
		c.AdultAt = c.PlacedAt
	}
	if needs.Waiver {
		c.WaiverAt = c.PlacedAt
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
