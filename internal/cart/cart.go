// Package cart is what somebody means to buy: SKUs and how many of each. It
// holds no prices and promises nothing; what a line costs is asked of the
// catalogue each time it is shown.
package cart

import (
	"time"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/offer"
)

// Bounds of a cart.
const (
	// MaxQuantity is how many pieces one line may have.
	MaxQuantity = 999
	// MaxLines is how many lines a cart may have.
	MaxLines = 100
)

// Faults of a cart.
var (
	// ErrQuantity says that a quantity is not between 0 and MaxQuantity.
	ErrQuantity = fault.New(fault.Invalid, "cart.invalid_quantity", "The quantity is out of range", "数量超出范围")
	// ErrFull says that the cart has MaxLines lines.
	ErrFull = fault.New(fault.Refused, "cart.full", "The cart is full", "购物车已满")
	// ErrLine says that there is no such line in the caller's cart.
	ErrLine = fault.New(fault.NotFound, "cart.line_not_found", "No such line in the cart", "购物车中没有该商品")
)

// Line is a SKU in a cart.
type Line struct {
	SKU     catalog.SKUID
	Qty     int64 // pieces, 1 to MaxQuantity
	AddedAt time.Time
}

// Shown is a line as it can be bought at this moment.
type Shown struct {
	Line
	Offer offer.Offer
	// Problem says why it cannot be bought now, nil if it can: catalog.ErrNotOnSale
	// or the enterprise's fault. Whether it is in stock is not known here.
	Problem error
}
