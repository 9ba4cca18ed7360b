package verify

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"
	"time"
)

// ReceiptFormat is the value of a receipt's member "format".
const ReceiptFormat = "shiyi.receipt/v1"

// States of an Entry.
const (
	Proven  = "proven"  // Proof leads to a signed checkpoint
	Pending = "pending" // not yet in a checkpoint: ask for the receipt again in a few seconds
)

// Receipt is what a buyer keeps of a paid checkout: what was paid, the tenth of
// each order, and the means to check both. Amounts of money are in fen (0.01
// yuan), levies in li (0.001 yuan). Refunds are negative.
type Receipt struct {
	Format     string    `json:"format"` // ReceiptFormat
	CheckoutID string    `json:"checkout_id"`
	PaidAt     time.Time `json:"paid_at"` // that of the leaves of its sales

	GoodsFen    int64 `json:"goods_fen"`
	ShippingFen int64 `json:"shipping_fen"`
	TotalFen    int64 `json:"total_fen"`    // goods and shipping: what was paid
	RefundedFen int64 `json:"refunded_fen"` // ≤ 0: goods and shipping, refunded or taken back by the buyer's bank for good
	LevyLi      int64 `json:"levy_li"`      // one tenth of the goods
	ReturnedLi  int64 `json:"returned_li"`  // ≤ 0: one tenth of the goods that came back so
	NetLevyLi   int64 `json:"net_levy_li"`  // what the fund has of this checkout

	Orders      []ReceiptOrder `json:"orders"`
	FundAccount string         `json:"fund_account"`
	Log         ReceiptLog     `json:"log"`
	HowToVerify string         `json:"how_to_verify"`
	PageURL     string         `json:"page_url,omitempty"` // the same for people; who has it has the receipt
}

// ReceiptLog names the log, for a reader to compare with what he knows. A
// verifier must have the key from elsewhere: this one proves nothing.
type ReceiptLog struct {
	Origin string `json:"origin"`
	Key    string `json:"key"` // verifier key, https://c2sp.org/signed-note
}

// ReceiptOrder is the part of one merchant.
type ReceiptOrder struct {
	OrderID     string           `json:"order_id"`
	Merchant    ReceiptMerchant  `json:"merchant"`
	Lines       []ReceiptLine    `json:"lines"`
	GoodsFen    int64            `json:"goods_fen"`
	ShippingFen int64            `json:"shipping_fen"`
	LevyLi      int64            `json:"levy_li"`
	Entry       Entry            `json:"entry"`
	Refunds     []ReceiptRefund  `json:"refunds"`            // oldest first
	Disputes    []ReceiptDispute `json:"disputes"`           // oldest first
	Maturing    *Entry           `json:"maturing,omitempty"` // when the goods could come back no more; its name is the order's id
}

// ReceiptMerchant is who sold.
type ReceiptMerchant struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ReceiptLine is one thing bought.
type ReceiptLine struct {
	Line     int    `json:"line"` // 1, 2, …
	Name     string `json:"name"`
	Spec     string `json:"spec"`
	Unit     string `json:"unit"`
	Quantity int64  `json:"quantity"`
	PriceFen int64  `json:"price_fen"` // of one
	GoodsFen int64  `json:"goods_fen"` // of all, after discounts: at most Quantity × PriceFen
}

// ReceiptRefund is money that came back: its amounts are ≤ 0.
type ReceiptRefund struct {
	RefundID    string    `json:"refund_id"`
	RefundedAt  time.Time `json:"refunded_at"`
	GoodsFen    int64     `json:"goods_fen"`
	ShippingFen int64     `json:"shipping_fen"`
	LevyLi      int64     `json:"levy_li"`
	Entry       Entry     `json:"entry"`
}

// States of a ReceiptDispute.
const (
	DisputeOpen = "open" // the bank has taken the money back and asks
	DisputeWon  = "won"  // it has given it back: nothing changed
	DisputeLost = "lost" // it keeps it for the buyer: as good as a refund
)

// ReceiptDispute is what the buyer's bank took back of an order: its amounts are ≥ 0.
type ReceiptDispute struct {
	DisputeID   string     `json:"dispute_id"` // of the part that the order has in it
	State       string     `json:"state"`
	OpenedAt    time.Time  `json:"opened_at"`
	ClosedAt    *time.Time `json:"closed_at,omitempty"`
	GoodsFen    int64      `json:"goods_fen"`
	ShippingFen int64      `json:"shipping_fen"`
	LevyLi      int64      `json:"levy_li"`
	Opened      Entry      `json:"opened"`
	Closed      *Entry     `json:"closed,omitempty"`
}

// lost is what of it came back to the buyer for good.
func (d ReceiptDispute) lost() (goods, shipping, levy int64) {
	if d.State != DisputeLost {
		return 0, 0, 0
	}
	return d.GoodsFen, d.ShippingFen, d.LevyLi
}

// Entry is the place of a sale, a refund or a dispute in the public log. Name and Salt
// open the leaf's commitment (see Commitment).
type Entry struct {
	State string `json:"state"` // Proven or Pending
	Name  string `json:"name"`  // the id of the order, the refund, or the order's part in a dispute
	Salt  string `json:"salt"`  // hexadecimal, at least 16 bytes
	Leaf  string `json:"leaf"`
	Proof string `json:"proof"` // https://c2sp.org/tlog-proof, "" while pending
}

// ErrReceipt says that a receipt contradicts itself or its leaves.
var ErrReceipt = errors.New("verify: the receipt does not hold")

// ErrPending says that all of a receipt holds as far as it goes, but that some
// of its leaves are not yet in a signed checkpoint.
var ErrPending = errors.New("verify: not yet in a signed checkpoint")

// ParseReceipt reads a receipt as the API answers it. Members that it does not
// know are passed over.
func ParseReceipt(b []byte) (Receipt, error) {
	var r Receipt
	if err := json.Unmarshal(b, &r); err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	if r.Format != ReceiptFormat {
		return Receipt{}, fmt.Errorf("%w: format %q, not %q", ErrReceipt, r.Format, ReceiptFormat)
	}
	return r, nil
}

// inPage finds the receipt in a page, however a browser has saved it.
var inPage = regexp.MustCompile(`(?is)<pre\b[^>]*\bid=["']?receipt["'\s>][^<]*</pre>`)

// ReceiptOfPage takes the receipt out of the page of it, as the shop sent it or a browser saved
// it: what stands in <pre id="receipt">. Anything else is ErrReceipt.
func ReceiptOfPage(page []byte) (Receipt, error) {
	found := inPage.Find(page)
	if found == nil {
		return Receipt{}, fmt.Errorf("%w: the page has none", ErrReceipt)
	}
	_, text, _ := strings.Cut(string(found), ">")
	text, _, _ = strings.Cut(text, "</")
	return ParseReceipt([]byte(html.UnescapeString(text)))
}

// Finding is what was proven of one leaf of a receipt.
type Finding struct {
	OrderID, RefundID  string // RefundID is "" for all but a refund
	DisputeID, Dispute string // "" for all but a dispute: whose, and which of its states the leaf begins
	Maturing           bool   // the order's tenth became free: Amounts has it and no goods
	Merchant           string // its name on the receipt
	Amounts            Amounts
	Proven             bool
	Index              int64 // in the log, if proven
	Under              Checkpoint
}

// Queued reports whether the finding's leaf brought a tenth into the fund's queue: a maturing, or
// a dispute that was won after it.
func (f Finding) Queued() bool {
	return f.Maturing || f.Dispute == DisputeWon && f.Amounts.Fund == FundFree
}

// CheckReceipt checks a receipt without any network: that lines, orders and
// totals sum up, that each order's leaf says the same amounts for the same order,
// merchant and time with exactly one tenth for the fund, each leaf of a refund or a dispute likewise, that what
// was left of the order's tenth, and no more, became free, and that the log has each leaf. What was found so far
// comes with every error: ErrReceipt, ErrLeaf, ErrTenth, ErrProof, ErrCheckpoint, or ErrPending when all
// else holds.
func CheckReceipt(r Receipt, log Log) ([]Finding, error) {
	if err := r.sums(); err != nil {
		return nil, err
	}
	c := receiptCheck{log: log, places: map[int64]bool{}}
	for _, o := range r.Orders {
		if err := c.order(o, r.PaidAt); err != nil {
			return c.findings, err
		}
	}
	if c.pending {
		return c.findings, ErrPending
	}
	return c.findings, nil
}

// receiptCheck is one run of CheckReceipt.
type receiptCheck struct {
	log      Log
	findings []Finding
	pending  bool
	places   map[int64]bool
}

// note adds what was found of an order.
func (c *receiptCheck) note(o ReceiptOrder, f Finding, err error) error {
	if err != nil {
		return err
	}
	f.OrderID, f.Merchant = o.OrderID, o.Merchant.Name
	c.findings = append(c.findings, f)
	if c.pending = c.pending || !f.Proven; f.Proven && c.places[f.Index] {
		return fmt.Errorf("%w: entry %d stands for two of its parts", ErrReceipt, f.Index)
	}
	c.places[f.Index] = c.places[f.Index] || f.Proven
	return nil
}

// order checks the leaves of an order.
func (c *receiptCheck) order(o ReceiptOrder, paidAt time.Time) error {
	f, err := o.Entry.check(c.log, KindSale, o.OrderID, o.Merchant.ID, paidAt, Amounts{o.GoodsFen * 10, o.ShippingFen * 10, o.LevyLi, ""})
	if err := c.note(o, f, err); err != nil {
		return fmt.Errorf("order %s: %w", o.OrderID, err)
	}
	left := o.LevyLi
	for _, b := range o.Refunds {
		f, err := b.Entry.check(c.log, KindRefund, b.RefundID, o.Merchant.ID, b.RefundedAt, Amounts{-b.GoodsFen * 10, -b.ShippingFen * 10, -b.LevyLi, ""})
		f.RefundID = b.RefundID
		if err := c.note(o, f, err); err != nil {
			return fmt.Errorf("refund %s: %w", b.RefundID, err)
		}
		if f.Amounts.Fund == FundPending {
			left -= f.Amounts.Tenth
		}
	}
	for _, d := range o.Disputes {
		early, err := c.dispute(o, d)
		if err != nil {
			return fmt.Errorf("dispute %s: %w", d.DisputeID, err)
		}
		left -= early
	}
	if o.Maturing == nil {
		return nil
	}
	f, err = o.matured(c.log, left)
	if err := c.note(o, f, err); err != nil {
		return fmt.Errorf("maturing of order %s: %w", o.OrderID, err)
	}
	return nil
}

// dispute checks the leaves of a dispute, and says how much of the tenth it took before that could
// become free.
func (c *receiptCheck) dispute(o ReceiptOrder, d ReceiptDispute) (early int64, err error) {
	kinds := map[string]string{DisputeOpen: "", DisputeWon: KindDisputeWon, DisputeLost: KindDisputeLost}
	kind, known := kinds[d.State]
	if closed := d.Closed != nil && d.ClosedAt != nil; !known || closed != (kind != "") || (d.Closed == nil) != (d.ClosedAt == nil) {
		return 0, fmt.Errorf("%w: it is %q", ErrReceipt, d.State)
	}
	want := Amounts{d.GoodsFen * 10, d.ShippingFen * 10, d.LevyLi, ""}
	f, err := d.Opened.check(c.log, KindDispute, d.DisputeID, o.Merchant.ID, d.OpenedAt, want)
	f.DisputeID, f.Dispute = d.DisputeID, DisputeOpen
	if err := c.note(o, f, err); err != nil {
		return 0, err
	}
	if f.Amounts.Fund == FundPending && d.State != DisputeWon {
		early = d.LevyLi
	}
	if kind != "" {
		f, err = d.Closed.check(c.log, kind, d.DisputeID, o.Merchant.ID, *d.ClosedAt, want)
		f.DisputeID, f.Dispute = d.DisputeID, d.State
		err = c.note(o, f, err)
	}
	return early, err
}

// matured checks the maturing of an order of whose tenth so much was left.
func (o ReceiptOrder) matured(log Log, left int64) (Finding, error) {
	f := Finding{Maturing: true}
	leaf, err := o.Maturing.open(KindMature, o.OrderID, o.Merchant.ID)
	if err == nil {
		err = CheckTenth(leaf)
	}
	if err != nil {
		return f, err
	}
	for _, m := range leaf.Moves {
		f.Amounts.Tenth += m.Li
	}
	f.Amounts.Fund = FundFree
	if len(leaf.Moves) != 1 || f.Amounts.Tenth != left {
		return f, fmt.Errorf("%w: %d li became free in %d moves, %d li were left", ErrReceipt, f.Amounts.Tenth, len(leaf.Moves), left)
	}
	return o.Maturing.prove(log, f)
}

// open reads an entry's leaf and opens its commitment: it is of this thing of this merchant's.
func (e Entry) open(kind, name, merchant string) (Leaf, error) {
	leaf, err := ParseLeaf([]byte(e.Leaf))
	if err != nil {
		return leaf, err
	}
	salt, err := hex.DecodeString(e.Salt)
	const shortest = 16
	switch {
	case err != nil || len(salt) < shortest:
		return leaf, fmt.Errorf("%w: salt %q", ErrReceipt, e.Salt)
	case leaf.Kind != kind || e.Name != name || leaf.Ref != Commitment(kind, name, salt):
		return leaf, fmt.Errorf("%w: the leaf is of another %s", ErrReceipt, kind)
	case leaf.Home != merchant:
		return leaf, fmt.Errorf("%w: the leaf is of merchant %s", ErrReceipt, leaf.Home)
	}
	return leaf, nil
}

// check holds an entry of goods against what the receipt says of it.
func (e Entry) check(log Log, kind, name, merchant string, at time.Time, want Amounts) (Finding, error) {
	leaf, err := e.open(kind, name, merchant)
	if err != nil {
		return Finding{}, err
	}
	if !leaf.At.Equal(at) {
		return Finding{}, fmt.Errorf("%w: the leaf is of %s, the receipt of %s", ErrReceipt, leaf.At, at)
	}
	got, err := SaleAmounts(leaf)
	if err != nil {
		return Finding{}, err
	}
	if want.Fund = got.Fund; got != want {
		return Finding{}, fmt.Errorf("%w: the leaf moves %+v li, the receipt says %+v", ErrReceipt, got, want)
	}
	return e.prove(log, Finding{Amounts: got})
}

// prove adds to a finding where the log has the entry's leaf.
func (e Entry) prove(log Log, f Finding) (_ Finding, err error) {
	switch {
	case e.State == Pending && e.Proof == "":
		return f, nil
	case e.State != Proven:
		return f, fmt.Errorf("%w: state %q", ErrReceipt, e.State)
	}
	f.Proven = true
	f.Index, f.Under, err = log.Included([]byte(e.Leaf), e.Proof)
	return f, err
}

// maxFen bounds every amount of a receipt, so that sums of them cannot overflow.
const maxFen = 1e13

// sums checks the arithmetic of a receipt.
func (r Receipt) sums() error {
	var goods, shipping, refunded, levy, returned int64
	if len(r.Orders) == 0 {
		return fmt.Errorf("%w: no order", ErrReceipt)
	}
	for _, o := range r.Orders {
		if err := o.sums(); err != nil {
			return fmt.Errorf("order %s: %w", o.OrderID, err)
		}
		goods, shipping, levy = goods+o.GoodsFen, shipping+o.ShippingFen, levy+o.LevyLi
		for _, b := range o.Refunds {
			refunded, returned = refunded+b.GoodsFen+b.ShippingFen, returned+b.LevyLi
		}
		for _, d := range o.Disputes {
			lostGoods, lostShipping, lostLevy := d.lost()
			refunded, returned = refunded-lostGoods-lostShipping, returned-lostLevy
		}
		if goods > maxFen || shipping > maxFen || refunded < -2*maxFen {
			return fmt.Errorf("%w: the amounts are out of range", ErrReceipt)
		}
	}
	for _, s := range []struct {
		name       string
		says, sums int64
	}{
		{"goods_fen", r.GoodsFen, goods},
		{"shipping_fen", r.ShippingFen, shipping},
		{"total_fen", r.TotalFen, goods + shipping},
		{"refunded_fen", r.RefundedFen, refunded},
		{"levy_li", r.LevyLi, levy},
		{"returned_li", r.ReturnedLi, returned},
		{"net_levy_li", r.NetLevyLi, levy + returned},
	} {
		if s.says != s.sums {
			return fmt.Errorf("%w: %s is %d, its parts sum to %d", ErrReceipt, s.name, s.says, s.sums)
		}
	}
	return nil
}

// sums checks the arithmetic of an order and of its refunds.
func (o ReceiptOrder) sums() error {
	var lines, goods, shipping int64
	for _, l := range o.Lines {
		if l.Quantity < 1 || l.Quantity > maxFen || l.PriceFen < 0 || l.PriceFen > maxFen/l.Quantity ||
			l.GoodsFen < 0 || l.GoodsFen > l.Quantity*l.PriceFen || lines > maxFen {
			return fmt.Errorf("%w: line %d: %d fen for %d at %d fen", ErrReceipt, l.Line, l.GoodsFen, l.Quantity, l.PriceFen)
		}
		lines += l.GoodsFen
	}
	if lines != o.GoodsFen || o.GoodsFen > maxFen || o.ShippingFen < 0 || o.ShippingFen > maxFen {
		return fmt.Errorf("%w: the lines sum to %d fen, goods are %d fen, shipping %d", ErrReceipt, lines, o.GoodsFen, o.ShippingFen)
	}
	if o.LevyLi != o.GoodsFen {
		return fmt.Errorf("%w: %d li of %d fen", ErrTenth, o.LevyLi, o.GoodsFen)
	}
	for _, b := range o.Refunds {
		if b.GoodsFen > 0 || b.ShippingFen > 0 || b.GoodsFen < -maxFen || b.ShippingFen < -maxFen {
			return fmt.Errorf("%w: refund %s: amounts", ErrReceipt, b.RefundID)
		}
		if b.LevyLi != b.GoodsFen {
			return fmt.Errorf("%w: refund %s: %d li of %d fen", ErrTenth, b.RefundID, b.LevyLi, b.GoodsFen)
		}
		goods, shipping = goods-b.GoodsFen, shipping-b.ShippingFen
		if goods > o.GoodsFen || shipping > o.ShippingFen {
			return fmt.Errorf("%w: more came back than was paid", ErrReceipt)
		}
	}
	for _, d := range o.Disputes {
		if d.GoodsFen < 0 || d.ShippingFen < 0 || d.GoodsFen > o.GoodsFen || d.ShippingFen > o.ShippingFen {
			return fmt.Errorf("%w: dispute %s: amounts", ErrReceipt, d.DisputeID)
		}
		if d.LevyLi != d.GoodsFen {
			return fmt.Errorf("%w: dispute %s: %d li of %d fen", ErrTenth, d.DisputeID, d.LevyLi, d.GoodsFen)
		}
		lostGoods, lostShipping, _ := d.lost()
		goods, shipping = goods+lostGoods, shipping+lostShipping
		if goods > o.GoodsFen || shipping > o.ShippingFen {
			return fmt.Errorf("%w: more came back than was paid", ErrReceipt)
		}
	}
	return nil
}
