package order

import (
	"time"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/quote"
)

// draft makes an unplaced checkout of a quote: one order for each of its parts.
func draft(buyer identity.ID, q quote.Quote, now time.Time) Checkout {
	c := Checkout{
		ID: id.New[Checkout](now), Buyer: buyer, State: Placed, PlacedAt: now, ExpiresAt: now.Add(Hold),
		Goods: q.Goods, Shipping: q.Shipping, Orders: make([]Order, len(q.Parts)),
	}
	for i, p := range q.Parts {
		c.Orders[i] = Order{
			ID: id.New[Order](now), Checkout: c.ID, Buyer: buyer, Merchant: p.Merchant, MerchantName: p.MerchantName,
			State: Placed, PlacedAt: now, Goods: p.Goods, Shipping: p.Shipping, Lines: make([]Line, len(p.Lines)),
		}
		for n, l := range p.Lines {
			c.Orders[i].Lines[n] = Line{
				N: n + 1, SKU: l.SKU, Product: l.Product, Code: l.Code, Name: l.ProductName, Spec: l.Spec, Unit: l.Unit,
				ReturnRule: string(l.ReturnRule), VoucherDays: l.VoucherValidDays, Quantity: l.Quantity, Price: l.Each, Total: l.Total,
			}
		}
	}
	return c
}

// agree writes down what the buyer gave and declared of what the purchase needs.
func (c *Checkout) agree(p quote.Placing, needs quote.Needs) {
	if needs.Address {
		c.ShipTo = p.ShipTo
	}
	if needs.Adult {
		c.AdultAt = c.PlacedAt
	}
	if needs.Waiver {
		c.WaiverAt = c.PlacedAt
	}
}
