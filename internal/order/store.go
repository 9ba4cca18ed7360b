package order

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/quote"
	"github.com/shiyi-market/shiyi/internal/request"
)

// checkoutRow is a row of the table checkout.
type checkoutRow struct {
	BuyerID         uuid.UUID
	ID              uuid.UUID
	State           string
	GoodsFen        int64
	ShippingFen     int64
	ShipTo          *string
	AdultDeclaredAt *time.Time
	WaiverAt        *time.Time
	PlacedAt        time.Time
	ExpiresAt       time.Time
	PaidAt          *time.Time
	ClosedAt        *time.Time
}

const checkoutColumns = `buyer_id, id, state, goods_fen, shipping_fen, ship_to::text AS ship_to, adult_declared_at, waiver_at,
	placed_at, expires_at, paid_at, closed_at`

func (r checkoutRow) checkout() (Checkout, error) {
	c := Checkout{
		ID: id.From[Checkout](r.ID), Buyer: id.From[identity.Account](r.BuyerID), State: State(r.State),
		Goods: money.Fen(r.GoodsFen), Shipping: money.Fen(r.ShippingFen),
		PlacedAt: r.PlacedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
		PaidAt: postgres.OrZero(r.PaidAt), ClosedAt: postgres.OrZero(r.ClosedAt), AdultAt: postgres.OrZero(r.AdultDeclaredAt), WaiverAt: postgres.OrZero(r.WaiverAt),
	}
	if r.ShipTo != nil {
		if err := json.Unmarshal([]byte(*r.ShipTo), &c.ShipTo); err != nil {
			return c, fmt.Errorf("read the address of checkout %s: %w", r.ID, err)
		}
	}
	return c, nil
}

func insertCheckout(ctx context.Context, tx *postgres.Tx, c Checkout, key string) error {
	var shipTo, requestKey *string
	if c.ShipTo != nil {
		text, err := json.Marshal(c.ShipTo)
		if err != nil {
			return fmt.Errorf("write an address: %w", err)
		}
		s := string(text)
		shipTo = &s
	}
	if key != "" {
		requestKey = &key
	}
	_, err := tx.Exec(ctx, `INSERT INTO checkout (buyer_id, id, state, merchants, goods_fen, shipping_fen, request_key, ship_to,
			adult_declared_at, waiver_at, placed_at, expires_at)
		VALUES (?, ?, ?, ?::uuid[], ?, ?, ?, ?::jsonb, ?, ?, ?, ?)`,
		c.Buyer, c.ID, string(c.State), postgres.Array(c.merchants()), c.Goods, c.Shipping, requestKey, shipTo,
		postgres.OrNull(c.AdultAt), postgres.OrNull(c.WaiverAt), c.PlacedAt, c.ExpiresAt)
	switch {
	case postgres.Violates(err, "checkout_once"): // the answer was forgotten after request.Kept, the checkout was not
		return request.ErrReused
	case err != nil:
		return fmt.Errorf("insert checkout %s: %w", c.ID, err)
	}
	return nil
}

// orderColumns are a checkout's orders and lines turned on their side, as unnest
// wants them.
type orderColumns struct {
	merchant, id                           []uuid.UUID
	name                                   []string
	goods, shipping                        []int64
	lineMerchant, lineOrder, sku, product  []uuid.UUID
	n, voucherDays                         []int32
	code, lineName, spec, unit, returnRule []string
	quantity, price, total                 []int64
}

func columnsOf(c Checkout) orderColumns {
	var k orderColumns
	for i := range c.Orders {
		o := &c.Orders[i]
		k.merchant, k.id, k.name = append(k.merchant, o.Merchant.UUID()), append(k.id, o.ID.UUID()), append(k.name, o.MerchantName)
		k.goods, k.shipping = append(k.goods, int64(o.Goods)), append(k.shipping, int64(o.Shipping))
		for _, l := range o.Lines {
			k.lineMerchant, k.lineOrder = append(k.lineMerchant, o.Merchant.UUID()), append(k.lineOrder, o.ID.UUID())
			k.n, k.sku, k.product = append(k.n, int32(l.N)), append(k.sku, l.SKU.UUID()), append(k.product, l.Product.UUID())
			k.code, k.lineName, k.spec = append(k.code, l.Code), append(k.lineName, l.Name), append(k.spec, l.Spec)
			k.unit, k.returnRule = append(k.unit, l.Unit), append(k.returnRule, l.ReturnRule)
			k.voucherDays = append(k.voucherDays, int32(l.VoucherDays))
			k.quantity, k.price, k.total = append(k.quantity, l.Quantity), append(k.price, int64(l.Price)), append(k.total, int64(l.Total))
		}
	}
	return k
}

// insertOrders writes all orders and lines in one statement; both are at home
// with the merchant.
func insertOrders(ctx context.Context, tx *postgres.Tx, c Checkout) error {
	k := columnsOf(c)
	_, err := tx.Exec(ctx, `WITH o AS (
			INSERT INTO orders (merchant_id, id, checkout_id, buyer_id, merchant, state, goods_fen, shipping_fen, placed_at)
			SELECT m, i, ?, ?, name, ?, goods, shipping, ?
			FROM unnest(?::uuid[], ?::uuid[], ?::text[], ?::bigint[], ?::bigint[]) AS x(m, i, name, goods, shipping))
		INSERT INTO order_line (merchant_id, order_id, n, sku_id, product_id, code, name, spec, unit, return_rule, voucher_days, quantity, price_fen, total_fen)
		SELECT * FROM unnest(?::uuid[], ?::uuid[], ?::integer[], ?::uuid[], ?::uuid[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[],
			?::integer[], ?::bigint[], ?::bigint[], ?::bigint[])`,
		c.ID, c.Buyer, string(c.State), c.PlacedAt,
		postgres.Array(k.merchant), postgres.Array(k.id), postgres.Array(k.name), postgres.Array(k.goods), postgres.Array(k.shipping),
		postgres.Array(k.lineMerchant), postgres.Array(k.lineOrder), postgres.Array(k.n), postgres.Array(k.sku), postgres.Array(k.product),
		postgres.Array(k.code), postgres.Array(k.lineName), postgres.Array(k.spec), postgres.Array(k.unit), postgres.Array(k.returnRule),
		postgres.Array(k.voucherDays), postgres.Array(k.quantity), postgres.Array(k.price), postgres.Array(k.total))
	if err != nil {
		return fmt.Errorf("insert the orders of checkout %s: %w", c.ID, err)
	}
	return nil
}

// LockCheckout reads a checkout with its orders and keeps both from others until the
// transaction ends: the checkout first, then the orders by (merchant, id). ErrNotFound.
func LockCheckout(ctx context.Context, tx *postgres.Tx, cid CheckoutID) (Checkout, error) {
	return fetch(ctx, tx, "id = ?", " FOR UPDATE", " FOR UPDATE OF o", cid)
}

func read(ctx context.Context, tx *postgres.Tx, cid CheckoutID) (Checkout, error) {
	return fetch(ctx, tx, "id = ?", "", "", cid)
}

func readByKey(ctx context.Context, tx *postgres.Tx, buyer identity.ID, key string) (Checkout, error) {
	return fetch(ctx, tx, "buyer_id = ? AND request_key = ?", "", "", buyer, key)
}

func fetch(ctx context.Context, tx *postgres.Tx, where, lockCheckout, lockOrders string, args ...any) (Checkout, error) {
	rows, err := postgres.Rows[checkoutRow](ctx, tx, `SELECT `+checkoutColumns+` FROM checkout WHERE `+where+lockCheckout, args...)
	if err != nil {
		return Checkout{}, fmt.Errorf("read a checkout: %w", err)
	}
	if len(rows) == 0 {
		return Checkout{}, ErrNotFound
	}
	c, err := rows[0].checkout()
	if err != nil {
		return c, err
	}
	c.Orders, err = fetchOrders(ctx, tx, `o.checkout_id = ?`, `o.merchant_id, o.id, l.n`+lockOrders, c.ID)
	return c, err
}

// lineRow is a row of order_line with the columns of its order.
type lineRow struct {
	MerchantID, ID, CheckoutID, BuyerID uuid.UUID
	Merchant, State                     string
	GoodsFen, ShippingFen               int64
	ShippingRefundedFen                 int64
	PlacedAt                            time.Time
	PaidAt                              *time.Time
	N                                   int
	SkuID, ProductID                    uuid.UUID
	Code, Name, Spec, Unit, ReturnRule  string
	VoucherDays                         int
	Quantity, PriceFen, TotalFen        int64
	RefundedQuantity, RefundedFen       int64
}

const lineColumns = `o.merchant_id, o.id, o.checkout_id, o.buyer_id, o.merchant, o.state, o.goods_fen, o.shipping_fen, o.shipping_refunded_fen,
	o.placed_at, o.paid_at, l.n, l.sku_id, l.product_id, l.code, l.name, l.spec, l.unit, l.return_rule, l.voucher_days, l.quantity, l.price_fen, l.total_fen,
	l.refunded_quantity, l.refunded_fen`

func fetchOrders(ctx context.Context, tx *postgres.Tx, where, order string, args ...any) ([]Order, error) {
	rows, err := postgres.Rows[lineRow](ctx, tx, `SELECT `+lineColumns+` FROM orders o
		JOIN order_line l ON l.merchant_id = o.merchant_id AND l.order_id = o.id WHERE `+where+` ORDER BY `+order, args...)
	if err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}
	return gather(rows), nil
}

// gather puts the lines of one order, which follow each other, together.
func gather(rows []lineRow) []Order {
	var all []Order
	for _, r := range rows {
		if n := len(all); n == 0 || all[n-1].ID.UUID() != r.ID {
			all = append(all, r.order())
		}
		o := &all[len(all)-1]
		o.Lines = append(o.Lines, r.line())
	}
	return all
}

// Any is one order, whosever it is, for an operator or an auditor. ErrNotFound.
func Any(ctx context.Context, tx *postgres.Tx, oid ID) (Order, error) {
	all, err := fetchOrders(ctx, tx, `o.id = ?`, `l.n`, oid)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Order{}, err
	}
	return all[0], nil
}

// savePaid writes what Pay changed.
func savePaid(ctx context.Context, tx *postgres.Tx, c Checkout) error {
	return save(ctx, tx, c, `paid_at = ?`, `, paid_at = ?`, c.PaidAt)
}

// saveClosed writes what Expire or Cancel changed.
func saveClosed(ctx context.Context, tx *postgres.Tx, c Checkout) error {
	return save(ctx, tx, c, `closed_at = ?`, ``, c.ClosedAt)
}

func save(ctx context.Context, tx *postgres.Tx, c Checkout, setCheckout, setOrders string, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE checkout SET state = ?, `+setCheckout+` WHERE buyer_id = ? AND id = ?`, string(c.State), at, c.Buyer, c.ID)
	if err != nil {
		return fmt.Errorf("save checkout %s: %w", c.ID, err)
	}
	args := []any{string(c.State)}
	if setOrders != "" {
		args = append(args, at)
	}
	args = append(args, postgres.Array(c.merchants()), c.ID)
	_, err = tx.Exec(ctx, `UPDATE orders SET state = ?`+setOrders+` WHERE merchant_id = ANY(?::uuid[]) AND checkout_id = ?`, args...)
	if err != nil {
		return fmt.Errorf("save the orders of checkout %s: %w", c.ID, err)
	}
	return nil
}

func due(ctx context.Context, tx *postgres.Tx, limit int) ([]CheckoutID, error) {
	rows, err := postgres.Rows[checkoutRow](ctx, tx,
		`SELECT id FROM checkout WHERE state = 'placed' AND expires_at <= ? ORDER BY expires_at LIMIT ?`, tx.Now, limit)
	if err != nil {
		return nil, fmt.Errorf("find checkouts that are due: %w", err)
	}
	ids := make([]CheckoutID, len(rows))
	for i, r := range rows {
		ids[i] = id.From[Checkout](r.ID)
	}
	return ids, nil
}

func checkouts(ctx context.Context, tx *postgres.Tx, buyer identity.ID, p page.Request) (page.Of[Checkout], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Checkout]{}, err
	}
	rows, err := postgres.Rows[checkoutRow](ctx, tx, `SELECT `+checkoutColumns+` FROM checkout
		WHERE buyer_id = ? AND (? OR id < ?) ORDER BY id DESC LIMIT ?`, buyer, last == uuid.Nil, last, p.Size()+1)
	if err != nil {
		return page.Of[Checkout]{}, fmt.Errorf("list checkouts: %w", err)
	}
	cut := page.Cut(rows, p.Size(), func(r checkoutRow) (string, uuid.UUID) { return "", r.ID })
	out := page.Of[Checkout]{Next: cut.Next, Data: make([]Checkout, len(cut.Data))}
	ids, place := make([]uuid.UUID, len(cut.Data)), map[CheckoutID]int{}
	for i, r := range cut.Data {
		if out.Data[i], err = r.checkout(); err != nil {
			return out, err
		}
		ids[i], place[out.Data[i].ID] = r.ID, i
	}
	orders, err := fetchOrders(ctx, tx, `o.checkout_id = ANY(?::uuid[])`, `o.merchant_id, o.id, l.n`, postgres.Array(ids))
	for _, o := range orders {
		c := &out.Data[place[o.Checkout]]
		c.Orders = append(c.Orders, o)
	}
	return out, err
}

func ordersOfBuyer(ctx context.Context, tx *postgres.Tx, buyer identity.ID, p page.Request) (page.Of[Order], error) {
	return listOrders(ctx, tx, p, `buyer_id = ?`, buyer)
}

func ordersOfMerchants(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, p page.Request) (page.Of[Order], error) {
	return listOrders(ctx, tx, p, `merchant_id = ANY(?::uuid[]) AND state IN ('paid', 'refunded')`, postgres.Array(merchants))
}

// listOrders gives a page of whole orders, newest first.
func listOrders(ctx context.Context, tx *postgres.Tx, p page.Request, where string, arg any) (page.Of[Order], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Order]{}, err
	}
	all, err := fetchOrders(ctx, tx, `(o.merchant_id, o.id) IN (
		SELECT merchant_id, id FROM orders WHERE `+where+` AND (? OR id < ?) ORDER BY id DESC LIMIT ?)`,
		`o.id DESC, l.n`, arg, last == uuid.Nil, last, p.Size()+1)
	if err != nil {
		return page.Of[Order]{}, err
	}
	return page.Cut(all, p.Size(), func(o Order) (string, uuid.UUID) { return "", o.ID.UUID() }), nil
}

func (r lineRow) order() Order {
	return Order{
		ID: id.From[Order](r.ID), Checkout: id.From[Checkout](r.CheckoutID), Buyer: id.From[identity.Account](r.BuyerID),
		Merchant: id.From[merchant.Merchant](r.MerchantID), MerchantName: r.Merchant, State: State(r.State),
		Goods: money.Fen(r.GoodsFen), Shipping: money.Fen(r.ShippingFen), ShippingRefunded: money.Fen(r.ShippingRefundedFen),
		PlacedAt: r.PlacedAt.UTC(), PaidAt: postgres.OrZero(r.PaidAt),
	}
}

func (r lineRow) line() Line {
	return Line{
		N: r.N, SKU: id.From[catalog.SKU](r.SkuID), Product: id.From[catalog.Product](r.ProductID), Code: r.Code, Name: r.Name, Spec: r.Spec, Unit: r.Unit,
		ReturnRule: r.ReturnRule, VoucherDays: r.VoucherDays, Quantity: r.Quantity, Price: money.Fen(r.PriceFen), Total: money.Fen(r.TotalFen),
		RefundedQty: r.RefundedQuantity, Refunded: money.Fen(r.RefundedFen),
	}
}

// Lock reads an order and keeps it from others until the caller's transaction
// ends. ErrNotFound. It locks in a statement of its own: one that waited for the
// lock would still see the lines as they were before.
func Lock(ctx context.Context, tx *postgres.Tx, oid ID) (Order, error) {
	if _, err := tx.Exec(ctx, `SELECT FROM orders WHERE id = ? FOR UPDATE`, oid); err != nil {
		return Order{}, fmt.Errorf("lock order %s: %w", oid, err)
	}
	return Any(ctx, tx, oid)
}

// Many are the orders of these ids, whosever they are, in the order of the ids. Those
// that there are not are missing.
func Many(ctx context.Context, tx *postgres.Tx, ids []uuid.UUID) ([]Order, error) {
	return fetchOrders(ctx, tx, `o.id = ANY(?::uuid[])`, `array_position(?::uuid[], o.id), l.n`, postgres.Array(ids), postgres.Array(ids))
}

// LockMany is Lock for many orders, by (merchant, id).
func LockMany(ctx context.Context, tx *postgres.Tx, ids []uuid.UUID) ([]Order, error) {
	_, err := tx.Exec(ctx, `SELECT FROM orders WHERE id = ANY(?::uuid[]) ORDER BY merchant_id, id FOR UPDATE`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("lock orders: %w", err)
	}
	return fetchOrders(ctx, tx, `o.id = ANY(?::uuid[])`, `o.merchant_id, o.id, l.n`, postgres.Array(ids))
}

// PaidBetween are the orders that were paid after one time and until another, and of
// which not every fen was given back, by (merchant, id).
func PaidBetween(ctx context.Context, tx *postgres.Tx, after, until time.Time) ([]Order, error) {
	return fetchOrders(ctx, tx, `o.state = 'paid' AND o.paid_at > ? AND o.paid_at <= ?`, `o.merchant_id, o.id, l.n`, after, until)
}

// Addresses are where the orders' checkouts go, for who ships them; nil where nothing
// is shipped.
func Addresses(ctx context.Context, tx *postgres.Tx, orders []Order) (map[CheckoutID]*quote.Address, error) {
	ids := make([]uuid.UUID, len(orders))
	for i, o := range orders {
		ids[i] = o.Checkout.UUID()
	}
	rows, err := postgres.Rows[checkoutRow](ctx, tx, `SELECT `+checkoutColumns+` FROM checkout WHERE id = ANY(?::uuid[])`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	all := make(map[CheckoutID]*quote.Address, len(rows))
	for _, r := range rows {
		c, err := r.checkout()
		if err != nil {
			return nil, err
		}
		all[c.ID] = c.ShipTo
	}
	return all, nil
}

// Waived reports whether the buyer confirmed, on the purchase that an order is of, that some
// of its goods cannot be returned (Consumer Protection Law 25).
func Waived(ctx context.Context, tx *postgres.Tx, o Order) (bool, error) {
	row, err := postgres.Row[checkoutRow](ctx, tx, `SELECT waiver_at FROM checkout WHERE buyer_id = ? AND id = ?`, o.Buyer, o.Checkout)
	if err != nil {
		return false, fmt.Errorf("read the waiver of order %s: %w", o.ID, err)
	}
	return row.WaiverAt != nil, nil
}

// SaveRefunded writes what Refund changed of a locked order.
func SaveRefunded(ctx context.Context, tx *postgres.Tx, o Order) error {
	_, err := tx.Exec(ctx, `UPDATE orders SET state = ?, shipping_refunded_fen = ? WHERE merchant_id = ? AND id = ?`,
		string(o.State), o.ShippingRefunded, o.Merchant, o.ID)
	if err != nil {
		return fmt.Errorf("save order %s: %w", o.ID, err)
	}
	n, quantity, refunded := make([]int32, len(o.Lines)), make([]int64, len(o.Lines)), make([]int64, len(o.Lines))
	for i, l := range o.Lines {
		n[i], quantity[i], refunded[i] = int32(l.N), l.RefundedQty, int64(l.Refunded)
	}
	_, err = tx.Exec(ctx, `UPDATE order_line l SET refunded_quantity = x.quantity, refunded_fen = x.refunded
		FROM unnest(?::integer[], ?::bigint[], ?::bigint[]) AS x(n, quantity, refunded)
		WHERE l.merchant_id = ? AND l.order_id = ? AND l.n = x.n`,
		postgres.Array(n), postgres.Array(quantity), postgres.Array(refunded), o.Merchant, o.ID)
	if err != nil {
		return fmt.Errorf("save the lines of order %s: %w", o.ID, err)
	}
	return nil
}
