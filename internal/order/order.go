// Package order is the sale: a buyer places a checkout over goods of one or
// several merchants, pays it at once, and each merchant has one order of it. In
// the transaction that records the payment, the stock is taken and the sale and
// its tenth enter the book.
package order

import (
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/quote"
)

// Faults of the sale.
var (
	ErrNotFound    = fault.New(fault.NotFound, "order.not_found", "There is no such order", "没有这个订单")
	ErrState       = fault.New(fault.Conflict, "order.wrong_state", "The order is not in a state that allows this", "订单当前状态不允许此操作")
	ErrRefundLimit = fault.New(fault.Refused, "order.refund_exceeds_paid", "More would be refunded than was paid", "退款超过实付")
	ErrReason      = fault.New(fault.Refused, "order.reason_required", "A reason is obligatory", "必须填写原因")
)

// Hold is how long a placed checkout holds its stock before it expires.
const Hold = 30 * time.Minute

// State is where a checkout or an order is in its life.
type State string

// The states. A checkout is never Refunded: its orders are.
const (
	Placed   State = "placed"
	Paid     State = "paid"
	Refunded State = "refunded"
	Expired  State = "expired"
	Canceled State = "canceled"
)

type (
	// CheckoutID names a checkout; its payment intent has the same UUID.
	CheckoutID = id.Of[Checkout]
	// ID names an order.
	ID = id.Of[Order]
	// RefundID names a refund.
	RefundID = id.Of[Refund]
)

// Checkout is what a buyer places and pays at once.
type Checkout struct {
	ID        CheckoutID
	Buyer     identity.ID
	State     State
	Orders    []Order
	Goods     money.Fen      // of all orders
	Shipping  money.Fen      // of all orders
	ShipTo    *quote.Address // nil when nothing is shipped
	PlacedAt  time.Time
	ExpiresAt time.Time
	PaidAt    time.Time // zero unless Paid
	ClosedAt  time.Time // zero unless Expired or Canceled
	PayURL    string    // where the buyer pays; "" while the provider has not opened the payment
	AdultAt   time.Time // when the buyer declared to be an adult; zero if never
	WaiverAt  time.Time // when the buyer confirmed the goods that cannot be returned; zero if never
}

// Order is what one merchant sells in one checkout.
type Order struct {
	ID               ID
	Checkout         CheckoutID
	Buyer            identity.ID
	Merchant         merchant.ID
	MerchantName     string
	State            State
	Lines            []Line
	Goods            money.Fen // what is paid for the goods: the base of the levy
	Shipping         money.Fen
	ShippingRefunded money.Fen
	PlacedAt         time.Time
	PaidAt           time.Time // zero until paid
}

// Line is so many of one SKU, as it was described and priced when it was sold.
type Line struct {
	N           int // 1, 2, …
	SKU         catalog.SKUID
	Product     catalog.ProductID
	Code        string // of the SKU
	Name        string
	Spec        string
	Unit        string
	ReturnRule  string
	VoucherDays int // how long its vouchers are good for after the purchase; 0: goods that are shipped
	Quantity    int64
	Price       money.Fen // of one
	Total       money.Fen
	RefundedQty int64
	Refunded    money.Fen
}

// Refund is what was given back of an order.
type Refund struct {
	ID       RefundID
	Order    ID
	Goods    money.Fen
	Shipping money.Fen
	Reason   string
	Actor    identity.ID
	At       time.Time
	Lines    []RefundLine
}

// RefundLine is what is given back of one line. Quantity may be 0: a price
// reduction. Amount 0 means Quantity times the price that was paid.
type RefundLine struct {
	N        int       `json:"n"`
	Quantity int64     `json:"quantity"`
	Amount   money.Fen `json:"amount_fen"`
}

// Total is what the buyer pays.
func (c *Checkout) Total() money.Fen { return c.Goods + c.Shipping }

// Levy is the fund's tenth of the checkout, exact.
func (c *Checkout) Levy() money.Li { return c.Goods.Tenth() }

// NextActions is what the buyer may do now, for buttons.
func (c *Checkout) NextActions(now time.Time) []string {
	if c.State == Placed && !now.Before(c.ExpiresAt) {
		return []string{} // it has expired, though no sweep has come by
	}
	return lifecycle.Checkout().Next(string(c.State), lifecycle.Buyer)
}

// Pay records that the checkout was paid for: all of its orders are.
func (c *Checkout) Pay(at time.Time) error {
	if err := c.become(Paid); err != nil {
		return err
	}
	c.PaidAt = at
	for i := range c.Orders {
		c.Orders[i].PaidAt = at
	}
	return nil
}

// Expire ends a checkout that was not paid in time.
func (c *Checkout) Expire(at time.Time) error {
	if at.Before(c.ExpiresAt) {
		return ErrState.With("the checkout does not expire before %s", c.ExpiresAt.Format(time.RFC3339))
	}
	if err := c.become(Expired); err != nil {
		return err
	}
	c.ClosedAt = at
	return nil
}

// Cancel ends a checkout that its buyer no longer wants, before it is paid.
func (c *Checkout) Cancel(at time.Time) error {
	if err := c.become(Canceled); err != nil {
		return err
	}
	c.ClosedAt = at
	return nil
}

// become takes the checkout and all of its orders to another state.
func (c *Checkout) become(to State) error {
	if !lifecycle.Checkout().Allowed(string(c.State), string(to)) {
		return ErrState.With("the checkout is %s, it cannot become %s", c.State, to)
	}
	for i := range c.Orders {
		if !lifecycle.Order().Allowed(string(c.Orders[i].State), string(to)) {
			return ErrState.With("order %s of the checkout is %s, it cannot become %s", c.Orders[i].ID, c.Orders[i].State, to)
		}
		c.Orders[i].State = to
	}
	c.State = to
	return nil
}

// Levy is the fund's tenth of what the order was sold for, exact, before refunds.
func (o *Order) Levy() money.Li { return o.Goods.Tenth() }

// Returned is what was refunded of the goods.
func (o *Order) Returned() money.Fen {
	var sum money.Fen
	for _, l := range o.Lines {
		sum += l.Refunded
	}
	return sum
}

// Payable is what the order's merchant is owed.
func (o *Order) Payable() ledger.Account { return ledger.Payable(o.Merchant.UUID()) }

// sale is how the paid order stands in the book: one transfer, one public leaf.
func (o *Order) sale() ledger.Transfer {
	moves := []ledger.Move{{What: fund.Goods, From: Provider, To: o.Payable(), Amount: o.Goods.Li()}}
	if o.Shipping > 0 {
		moves = append(moves, ledger.Move{What: ShippingFee, From: Provider, To: o.Payable(), Amount: o.Shipping.Li()})
	}
	moves = append(moves, fund.Tenth(o.Payable(), o.Goods))
	return ledger.Transfer{Home: o.Merchant.UUID(), Kind: fund.Sale, Ref: o.ID.String(), Public: true, Moves: moves}
}

// Provider is the world's account of the payment provider: both Stripe and the
// sandbox, which speaks Stripe's language.
const Provider ledger.Account = "world:stripe"

// ShippingFee is what a move of the shipping fee is called.
const ShippingFee = "shipping"

// stock is what the order's lines take from the shelf.
func (o *Order) stock() []inventory.Line {
	lines := make([]inventory.Line, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = inventory.Line{Merchant: o.Merchant.UUID(), SKU: l.SKU.UUID(), Qty: l.Quantity, Order: o.ID.UUID()}
	}
	return lines
}

// stock is what the whole checkout takes from the shelves.
func (c *Checkout) stock() []inventory.Line {
	var lines []inventory.Line
	for i := range c.Orders {
		lines = append(lines, c.Orders[i].stock()...)
	}
	return lines
}

// merchants are the homes of the checkout's orders.
func (c *Checkout) merchants() []uuid.UUID {
	all := make([]uuid.UUID, len(c.Orders))
	for i := range c.Orders {
		all[i] = c.Orders[i].Merchant.UUID()
	}
	return all
}
