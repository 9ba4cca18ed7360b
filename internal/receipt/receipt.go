// Package receipt makes what a buyer keeps of a paid checkout: what was paid,
// the tenth of each merchant's order, and the proof that each sale and each refund
// stands in the public log. A receipt is checked by pkg/verify, without us.
package receipt

import (
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/dispute"
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

// came is what came back of an order: refunds, and what the buyer's bank took.
type came struct {
	refunds  []order.Refund
	disputes []dispute.Stake
}

// reference names a transfer of the book: a sale by its order, a refund by its own id, a dispute by the
// order's part in it.
type reference struct {
	home uuid.UUID
	kind string
	name string
}

// saleOf is how the sale of an order is named in the book.
func saleOf(o order.Order) reference {
	return reference{o.Merchant.UUID(), fund.Sale, o.ID.String()}
}

// refundOf is how a refund of an order is named in the book.
func refundOf(o order.Order, r order.Refund) reference {
	return reference{o.Merchant.UUID(), fund.Refund, r.ID.String()}
}

// disputeOf is how the beginning or an end of a dispute is named in the book.
func disputeOf(d dispute.Stake, kind string) reference {
	return reference{d.Merchant.UUID(), kind, d.ID.String()}
}

// transfers are all that the book must have of these orders, sales before what
// came back. A maturing has the name of its sale, and the end of a dispute that of its beginning, so that they are
// found with them.
func transfers(orders []order.Order, back map[order.ID]came) []reference {
	var all []reference
	for _, o := range orders {
		all = append(all, saleOf(o))
		for _, r := range back[o.ID].refunds {
			all = append(all, refundOf(o, r))
		}
		for _, d := range back[o.ID].disputes {
			all = append(all, disputeOf(d, fund.Dispute))
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
func compose(c order.Checkout, back map[order.ID]came, book map[reference]proven) (verify.Receipt, error) {
	r := verify.Receipt{
		Format: verify.ReceiptFormat, CheckoutID: c.ID.String(), PaidAt: c.PaidAt.UTC(),
		GoodsFen: int64(c.Goods), ShippingFen: int64(c.Shipping), TotalFen: int64(c.Goods + c.Shipping),
		FundAccount: verify.FundAccount, HowToVerify: how,
	}
	for _, o := range c.Orders {
		wired, err := composeOrder(o, back[o.ID], book)
		if err != nil {
			return verify.Receipt{}, err
		}
		r.Orders = append(r.Orders, wired)
		r.LevyLi += wired.LevyLi
		for _, b := range wired.Refunds {
			r.RefundedFen += b.GoodsFen + b.ShippingFen
			r.ReturnedLi += b.LevyLi
		}
		for _, d := range wired.Disputes {
			if d.State == verify.DisputeLost {
				r.RefundedFen -= d.GoodsFen + d.ShippingFen
				r.ReturnedLi -= d.LevyLi
			}
		}
	}
	r.NetLevyLi = r.LevyLi + r.ReturnedLi
	return r, nil
}

func composeOrder(o order.Order, back came, book map[reference]proven) (verify.ReceiptOrder, error) {
	sale, ok := book[saleOf(o)]
	if !ok {
		return verify.ReceiptOrder{}, fmt.Errorf("order %s is paid, and its sale is not in the book", o.ID)
	}
	w := verify.ReceiptOrder{
		OrderID: o.ID.String(), Merchant: verify.ReceiptMerchant{ID: o.Merchant.String(), Name: o.MerchantName},
		GoodsFen: int64(o.Goods), ShippingFen: int64(o.Shipping), LevyLi: int64(levied(sale.entry)),
		Lines: make([]verify.ReceiptLine, len(o.Lines)), Entry: sale.wire(),
		Refunds: make([]verify.ReceiptRefund, len(back.refunds)), Disputes: make([]verify.ReceiptDispute, len(back.disputes)),
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
	for i, b := range back.refunds {
		gone, ok := book[refundOf(o, b)]
		if !ok {
			return verify.ReceiptOrder{}, fmt.Errorf("refund %s of order %s is not in the book", b.ID, o.ID)
		}
		w.Refunds[i] = verify.ReceiptRefund{
			RefundID: b.ID.String(), RefundedAt: b.At.UTC(),
			GoodsFen: -int64(b.Goods), ShippingFen: -int64(b.Shipping), LevyLi: -int64(levied(gone.entry)), Entry: gone.wire(),
		}
	}
	for i, d := range back.disputes {
		wired, err := composeDispute(d, book)
		if err != nil {
			return verify.ReceiptOrder{}, err
		}
		w.Disputes[i] = wired
	}
	return w, nil
}

func composeDispute(d dispute.Stake, book map[reference]proven) (verify.ReceiptDispute, error) {
	opened, ok := book[disputeOf(d, fund.Dispute)]
	if !ok {
		return verify.ReceiptDispute{}, fmt.Errorf("dispute %s of order %s is not in the book", d.ID, d.Order)
	}
	w := verify.ReceiptDispute{
		DisputeID: d.ID.String(), State: verify.DisputeOpen, OpenedAt: opened.entry.At,
		GoodsFen: int64(d.Goods), ShippingFen: int64(d.Shipping), LevyLi: int64(levied(opened.entry)), Opened: opened.wire(),
	}
	kind, ended := map[dispute.State]string{dispute.Won: fund.DisputeWon, dispute.Lost: fund.DisputeLost}[d.State]
	if !ended {
		return w, nil
	}
	closed, ok := book[disputeOf(d, kind)]
	if !ok {
		return w, fmt.Errorf("the end of dispute %s of order %s is not in the book", d.ID, d.Order)
	}
	entry := closed.wire()
	w.State, w.ClosedAt, w.Closed = string(d.State), &closed.entry.At, &entry
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
