// Package receipt makes what a buyer keeps of a paid checkout: what was paid,
// the tenth of each merchant's order, and the proof that each sale and each refund
// stands in the public log. A receipt is checked by pkg/verify, without us.
package receipt

import (
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Faults of receipts.
var (
	// ErrNotPaid says that there is nothing to have a receipt of.
	ErrNotPaid = fault.New(fault.Conflict, "receipt.not_paid", "Only what was paid has a receipt", "付款后才有回执")
	// ErrNoPage says that there is no receipt, or that the key is not that of it.
	ErrNoPage = fault.New(fault.NotFound, "receipt.no_such_page", "There is no such receipt, or the address is not whole", "没有这份回执，或网址不完整")
)

// Whole is a receipt, and what became of its tenths, at one moment.
type Whole struct {
	Receipt verify.Receipt
	Traced  trace.Traced
}

// key opens the page of a receipt: the salt of its first sale, 128 random bits that only who has the
// receipt knows. A receipt always has a sale.
func key(r verify.Receipt) string { return r.Orders[0].Entry.Salt }

// page is where the receipt is shown to who has the key, below the shop's own address.
func page(base string, r verify.Receipt) string {
	return base + "/receipts/" + r.CheckoutID + "?key=" + key(r)
}

// how tells a reader what to do with a receipt.
const how = "保存为 receipt.json（或保存回执网页），从别处取得日志公钥后离线核验 / save as receipt.json, or save the page, get the log's key from elsewhere and check it offline: shiyi-verify receipt --key KEY receipt.json"

// reference names a transfer of the book: a sale by its order, a refund by its own id.
type reference struct {
	home uuid.UUID
	kind string
	name string
}

// saleOf is how the sale of an order is named in the book.
func saleOf(o order.Order) reference {
	return reference{o.Merchant.UUID(), fund.Sale, o.ID.String()}
}

// refundOf is how a refund of an order is named in the book. One that a buyer's bank took by a
// dispute has another kind: see backOf.
func refundOf(o order.Order, r order.Refund) reference {
	return reference{o.Merchant.UUID(), fund.Refund, r.ID.String()}
}

// backOf is the transfer by which the money of a refund came back.
func backOf(o order.Order, r order.Refund, book map[reference]proven) (proven, bool) {
	ref := refundOf(o, r)
	if back, ok := book[ref]; ok {
		return back, true
	}
	ref.kind = fund.DisputeLost
	back, ok := book[ref]
	return back, ok
}

// transfers are all that the book must have of these orders, sales before
// refunds. A maturing has the name of its sale, and a lost dispute that of the refund which it
// became, so that they are found with these.
func transfers(orders []order.Order, refunds map[order.ID][]order.Refund) []reference {
	var all []reference
	for _, o := range orders {
		all = append(all, saleOf(o))
		for _, r := range refunds[o.ID] {
			all = append(all, refundOf(o, r))
		}
	}
	return all
}

// proven is a transfer with its place in the log.
type proven struct {
	entry ledger.Entry
	proof transparency.Proof
}

// wire is the transfer as the receipt shows it.
func (p proven) wire() verify.Entry {
	e := verify.Entry{
		State: verify.Proven, Name: p.entry.Ref, Salt: hex.EncodeToString(p.entry.Salt),
		Leaf: string(p.proof.Leaf), Proof: p.proof.TlogProof,
	}
	if p.proof.Pending {
		e.State = verify.Pending
	}
	return e
}

// compose makes the receipt of a paid checkout. A transfer that the book lacks is
// an error: it would mean that something was sold and not booked.
func compose(c order.Checkout, refunds map[order.ID][]order.Refund, book map[reference]proven) (verify.Receipt, error) {
	r := verify.Receipt{
		Format: verify.ReceiptFormat, CheckoutID: c.ID.String(), PaidAt: c.PaidAt.UTC(),
		GoodsFen: int64(c.Goods), ShippingFen: int64(c.Shipping), TotalFen: int64(c.Goods + c.Shipping),
		FundAccount: verify.FundAccount, HowToVerify: how,
	}
	for _, o := range c.Orders {
		wired, err := composeOrder(o, refunds[o.ID], book)
		if err != nil {
			return verify.Receipt{}, err
		}
		r.Orders = append(r.Orders, wired)
		r.LevyLi += wired.LevyLi
		for _, b := range wired.Refunds {
			r.RefundedFen += b.GoodsFen + b.ShippingFen
			r.ReturnedLi += b.LevyLi
		}
	}
	r.NetLevyLi = r.LevyLi + r.ReturnedLi
	return r, nil
}

func composeOrder(o order.Order, refunds []order.Refund, book map[reference]proven) (verify.ReceiptOrder, error) {
	sale, ok := book[saleOf(o)]
	if !ok {
		return verify.ReceiptOrder{}, fmt.Errorf("order %s is paid, and its sale is not in the book", o.ID)
	}
	w := verify.ReceiptOrder{
		OrderID: o.ID.String(), Merchant: verify.ReceiptMerchant{ID: o.Merchant.String(), Name: o.MerchantName},
		GoodsFen: int64(o.Goods), ShippingFen: int64(o.Shipping), LevyLi: int64(levied(sale.entry)),
		Lines: make([]verify.ReceiptLine, len(o.Lines)), Entry: sale.wire(), Refunds: make([]verify.ReceiptRefund, len(refunds)),
	}
	for i, l := range o.Lines {
		w.Lines[i] = verify.ReceiptLine{
			Line: l.N, Name: l.Name, Spec: l.Spec, Unit: l.Unit,
			Quantity: l.Quantity, PriceFen: int64(l.Price), GoodsFen: int64(l.Total),
		}
	}
	if freed, ok := book[reference{o.Merchant.UUID(), fund.Maturing, o.ID.String()}]; ok {
		entry := freed.wire()
		w.Maturing = &entry
	}
	for i, b := range refunds {
		back, ok := backOf(o, b, book)
		if !ok {
			return verify.ReceiptOrder{}, fmt.Errorf("refund %s of order %s is not in the book", b.ID, o.ID)
		}
		w.Refunds[i] = verify.ReceiptRefund{
			RefundID: b.ID.String(), RefundedAt: b.At.UTC(),
			GoodsFen: -int64(b.Goods), ShippingFen: -int64(b.Shipping), LevyLi: -int64(levied(back.entry)), Entry: back.wire(),
		}
	}
	return w, nil
}

// levied is the tenth as the book has it: the receipt tells what happened, and
// does not compute it again.
func levied(e ledger.Entry) money.Li {
	var sum money.Li
	for _, m := range e.Moves {
		if m.What == fund.Levy {
			sum += m.Amount
		}
	}
	return sum
}
