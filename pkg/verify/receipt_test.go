package verify_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"html"
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/pkg/verify"
)

// aReceipt is of two orders, one of them partly refunded and partly taken back by a bank, in a log of other leaves.
func aReceipt(tb testing.TB) (verify.Receipt, verify.Log) {
	tb.Helper()
	const order1, order2, refund, dispute = "order-1", "order-2", "refund-1", "dispute-1"
	salt := []byte("0123456789abcdef")
	leaf := func(l verify.Leaf, name string) string {
		l.Ref = verify.Commitment(l.Kind, name, salt)
		return string(bytesOf(tb, l))
	}
	entry := func(l verify.Leaf, name string) verify.Entry {
		return verify.Entry{State: verify.Proven, Name: name, Salt: hex.EncodeToString(salt), Leaf: leaf(l, name)}
	}
	e1, e2, e3 := entry(sale(90000, 8000, 9000), order1), entry(sale(330, 0, 33), order2), entry(mirrored(sale(10000, 0, 1000)), refund)
	taken, kept := entry(ofBank(verify.KindDispute), dispute), entry(ofBank(verify.KindDisputeLost), dispute)
	freed := matured(7900)
	freed.Home = merchant
	e4 := entry(freed, order1)
	p := newLog(tb, append(manyLeaves(300), []byte(e1.Leaf), []byte(e2.Leaf), []byte("between"), []byte(e3.Leaf), []byte(taken.Leaf), []byte(kept.Leaf), []byte(e4.Leaf))...)
	const size = 307
	e1.Proof, e2.Proof, e3.Proof, e4.Proof = p.prove(tb, size, 300), p.prove(tb, size, 301), p.prove(tb, size, 303), p.prove(tb, size, 306)
	taken.Proof, kept.Proof = p.prove(tb, size, 304), p.prove(tb, size, 305)
	at := sale(10, 0, 1).At
	return verify.Receipt{
		Format: verify.ReceiptFormat, CheckoutID: "checkout", PaidAt: at, GoodsFen: 9033, ShippingFen: 800, TotalFen: 9833,
		RefundedFen: -1100, LevyLi: 9033, ReturnedLi: -1100, NetLevyLi: 7933,
		Orders: []verify.ReceiptOrder{
			{
				OrderID: order1, Merchant: verify.ReceiptMerchant{ID: merchant, Name: "红喜"}, GoodsFen: 9000, ShippingFen: 800, LevyLi: 9000, Entry: e1,
				Lines:   []verify.ReceiptLine{{1, "羊肉", "5 kg", "袋", 2, 4000, 8000}, {2, "莜面", "1 kg", "袋", 1, 1000, 1000}},
				Refunds: []verify.ReceiptRefund{{RefundID: refund, RefundedAt: at, GoodsFen: -1000, LevyLi: -1000, Entry: e3}}, Maturing: &e4,
				Disputes: []verify.ReceiptDispute{{
					DisputeID: dispute, State: verify.DisputeLost, OpenedAt: at, ClosedAt: &at, GoodsFen: 100, LevyLi: 100, Opened: taken, Closed: &kept,
				}},
			},
			{
				OrderID: order2, Merchant: verify.ReceiptMerchant{ID: merchant, Name: "红喜"}, GoodsFen: 33, LevyLi: 33, Entry: e2,
				Lines: []verify.ReceiptLine{{1, "土豆", "", "个", 3, 11, 33}},
			},
		},
	}, p.log
}

// ofBank is a leaf of a dispute about one yuan of goods, before their tenth was free.
func ofBank(kind string) verify.Leaf {
	owed, aside := verify.Payable(merchant), verify.Disputed+"d"
	l := map[string]verify.Leaf{
		verify.KindDispute:     disputed(kind, 0, 100, owed, aside, verify.FundPending, verify.FundHeld),
		verify.KindDisputeWon:  disputed(kind, 0, 100, aside, owed, verify.FundHeld, verify.FundPending),
		verify.KindDisputeLost: disputed(kind, 0, 100, aside, verify.World+"stripe", verify.FundHeld, owed),
	}[kind]
	l.At = sale(10, 0, 1).At
	return l
}

func TestReceiptHolds(t *testing.T) {
	t.Parallel()
	r, log := aReceipt(t)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = verify.ParseReceipt(text); err != nil {
		t.Fatal(err)
	}
	findings, err := verify.CheckReceipt(r, log)
	if err != nil {
		t.Fatal(err)
	}
	if len(findings) != 6 || findings[0].Index != 300 || findings[1].RefundID != "refund-1" || findings[3].Dispute != verify.DisputeLost || findings[3].Index != 305 ||
		!findings[4].Maturing || findings[4].Index != 306 || findings[5].Amounts.Tenth != 33 {
		t.Errorf("findings: %+v", findings)
	}

	r.Orders[1].Entry.State, r.Orders[1].Entry.Proof = verify.Pending, ""
	if _, err := verify.CheckReceipt(r, log); !errors.Is(err, verify.ErrPending) {
		t.Errorf("a leaf that waits: %v", err)
	}
}

func TestReceiptBearsNoChange(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*verify.Receipt)
		want   error
	}{
		{"the sum paid", func(r *verify.Receipt) { r.TotalFen++ }, verify.ErrReceipt},
		{"the levy", func(r *verify.Receipt) { r.LevyLi++ }, verify.ErrReceipt},
		{"the net levy", func(r *verify.Receipt) { r.NetLevyLi++ }, verify.ErrReceipt},
		{"the returned", func(r *verify.Receipt) { r.ReturnedLi = 0 }, verify.ErrReceipt},
		{"a line's amount", func(r *verify.Receipt) { r.Orders[0].Lines[0].GoodsFen-- }, verify.ErrReceipt},
		{"a line's price", func(r *verify.Receipt) { r.Orders[0].Lines[0].PriceFen-- }, verify.ErrReceipt},
		{"a line's quantity", func(r *verify.Receipt) { r.Orders[0].Lines[0].Quantity = 0 }, verify.ErrReceipt},
		{"an order's levy", func(r *verify.Receipt) { r.Orders[0].LevyLi--; r.LevyLi--; r.NetLevyLi-- }, verify.ErrTenth},
		{"goods for shipping", func(r *verify.Receipt) {
			r.Orders[1].ShippingFen, r.ShippingFen, r.TotalFen = 1, 801, 9834
		}, verify.ErrReceipt},
		{"an order left out", func(r *verify.Receipt) { r.Orders = r.Orders[:1] }, verify.ErrReceipt},
		{"no order", func(r *verify.Receipt) { *r = verify.Receipt{Format: r.Format} }, verify.ErrReceipt},
		{"an order's name", func(r *verify.Receipt) { r.Orders[0].OrderID = "order-9" }, verify.ErrReceipt},
		{"an entry's name", func(r *verify.Receipt) { r.Orders[0].OrderID, r.Orders[0].Entry.Name = "order-9", "order-9" }, verify.ErrReceipt},
		{"the merchant", func(r *verify.Receipt) { r.Orders[0].Merchant.ID = "someone" }, verify.ErrReceipt},
		{"the time", func(r *verify.Receipt) { r.PaidAt = r.PaidAt.Add(1) }, verify.ErrReceipt},
		{"a refund's time", func(r *verify.Receipt) { r.Orders[0].Refunds[0].RefundedAt = r.PaidAt.Add(1) }, verify.ErrReceipt},
		{"the salt", func(r *verify.Receipt) { r.Orders[0].Entry.Salt = "00" }, verify.ErrReceipt},
		{"the leaf", func(r *verify.Receipt) { r.Orders[0].Entry.Leaf += "x" }, verify.ErrLeaf},
		{"the proof", func(r *verify.Receipt) { r.Orders[0].Entry.Proof = r.Orders[1].Entry.Proof }, verify.ErrProof},
		{"no proof", func(r *verify.Receipt) { r.Orders[0].Entry.Proof = "" }, verify.ErrProof},
		{"a state", func(r *verify.Receipt) { r.Orders[0].Entry.State = "trust me" }, verify.ErrReceipt},
		{"a sale for a refund", func(r *verify.Receipt) { r.Orders[0].Refunds[0].Entry = r.Orders[1].Entry }, verify.ErrReceipt},
		{"what a bank only asks about for a refund", func(r *verify.Receipt) {
			e := &r.Orders[0].Refunds[0].Entry
			e.Leaf = strings.Replace(strings.Replace(e.Leaf, "kind refund", "kind dispute", 1),
				verify.Commitment(verify.KindRefund, e.Name, []byte("0123456789abcdef")), verify.Commitment(verify.KindDispute, e.Name, []byte("0123456789abcdef")), 1)
		}, verify.ErrReceipt},
		{"a refund's amount", func(r *verify.Receipt) {
			r.Orders[0].Refunds[0].GoodsFen, r.Orders[0].Refunds[0].LevyLi = -999, -999
			r.RefundedFen, r.ReturnedLi, r.NetLevyLi = -1099, -1099, 7934
		}, verify.ErrReceipt},
		{"a refund above the price", func(r *verify.Receipt) { r.Orders[0].Refunds[0].GoodsFen, r.Orders[0].Refunds[0].LevyLi = -9001, -9001 }, verify.ErrReceipt},
		{"a refund of less than nothing", func(r *verify.Receipt) { r.Orders[0].Refunds[0].GoodsFen = 1 }, verify.ErrReceipt},
		{"the maturing of another order", func(r *verify.Receipt) { r.Orders[0].Maturing.Name = "order-2" }, verify.ErrReceipt},
		{"a maturing on another order", func(r *verify.Receipt) { r.Orders[1].Maturing = r.Orders[0].Maturing }, verify.ErrReceipt},
		{"a sale for a maturing", func(r *verify.Receipt) { r.Orders[0].Maturing = &r.Orders[0].Entry }, verify.ErrReceipt},
		{"a maturing without proof", func(r *verify.Receipt) { r.Orders[0].Maturing.Proof = r.Orders[0].Entry.Proof }, verify.ErrProof},
		{"more free than was left", func(r *verify.Receipt) {
			more := matured(7901)
			more.Home, more.Ref = merchant, verify.Commitment(verify.KindMature, "order-1", []byte("0123456789abcdef"))
			text, _ := more.Bytes()
			r.Orders[0].Maturing.Leaf, r.Orders[0].Maturing.State, r.Orders[0].Maturing.Proof = string(text), verify.Pending, ""
		}, verify.ErrReceipt},
		{"less free than was left", func(r *verify.Receipt) {
			less := matured(7899)
			less.Home, less.Ref = merchant, verify.Commitment(verify.KindMature, "order-1", []byte("0123456789abcdef"))
			text, _ := less.Bytes()
			r.Orders[0].Maturing.Leaf, r.Orders[0].Maturing.State, r.Orders[0].Maturing.Proof = string(text), verify.Pending, ""
		}, verify.ErrReceipt},
		{"a lost dispute left out", func(r *verify.Receipt) {
			r.Orders[0].Disputes, r.RefundedFen, r.ReturnedLi, r.NetLevyLi = nil, -1000, -1000, 8033
		}, verify.ErrReceipt},
		{"a lost dispute told as won", func(r *verify.Receipt) {
			r.Orders[0].Disputes[0].State, r.RefundedFen, r.ReturnedLi, r.NetLevyLi = verify.DisputeWon, -1000, -1000, 8033
		}, verify.ErrReceipt},
		{"a lost dispute told as open", func(r *verify.Receipt) {
			r.Orders[0].Disputes[0].State, r.RefundedFen, r.ReturnedLi, r.NetLevyLi = verify.DisputeOpen, -1000, -1000, 8033
		}, verify.ErrReceipt},
		{"a dispute of less", func(r *verify.Receipt) {
			r.Orders[0].Disputes[0].GoodsFen, r.Orders[0].Disputes[0].LevyLi = 99, 99
			r.RefundedFen, r.ReturnedLi, r.NetLevyLi = -1099, -1099, 7934
		}, verify.ErrReceipt},
		{"a dispute's tenth", func(r *verify.Receipt) { r.Orders[0].Disputes[0].LevyLi-- }, verify.ErrTenth},
		{"a dispute of more than was paid", func(r *verify.Receipt) { r.Orders[0].Disputes[0].GoodsFen, r.Orders[0].Disputes[0].LevyLi = 8001, 8001 }, verify.ErrReceipt},
		{"a dispute's end without proof", func(r *verify.Receipt) { r.Orders[0].Disputes[0].Closed.Proof = r.Orders[0].Disputes[0].Opened.Proof }, verify.ErrProof},
		{"a dispute's time", func(r *verify.Receipt) { r.Orders[0].Disputes[0].OpenedAt = r.PaidAt.Add(1) }, verify.ErrReceipt},
		{"a state of a dispute", func(r *verify.Receipt) { r.Orders[0].Disputes[0].State = "settled" }, verify.ErrReceipt},
		{"one leaf for two orders", func(r *verify.Receipt) {
			r.Orders[1] = r.Orders[0]
			r.Orders[1].Refunds, r.Orders[1].Disputes = nil, nil
			r.GoodsFen, r.ShippingFen, r.TotalFen, r.LevyLi, r.NetLevyLi = 18000, 1600, 19600, 18000, 16900
		}, verify.ErrReceipt},
		{"huge amounts", func(r *verify.Receipt) {
			r.Orders[0].Lines[0] = verify.ReceiptLine{Quantity: 1 << 62, PriceFen: 1 << 62, GoodsFen: 1 << 62}
		}, verify.ErrReceipt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, log := aReceipt(t)
			tt.change(&r)
			if _, err := verify.CheckReceipt(r, log); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func FuzzReceipt(f *testing.F) {
	r, log := aReceipt(f)
	text, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := verify.ParseReceipt(in)
		if err != nil {
			return
		}
		findings, err := verify.CheckReceipt(got, log)
		if err != nil {
			return
		}
		var levy int64
		for _, finding := range findings {
			if finding.RefundID == "" && finding.DisputeID == "" && !finding.Maturing {
				levy += finding.Amounts.Tenth
			}
		}
		if levy != got.LevyLi || got.LevyLi != got.GoodsFen {
			t.Fatalf("accepted with a levy of %d li, proven %d, on %d fen", got.LevyLi, levy, got.GoodsFen)
		}
	})
}

func TestAReceiptIsReadOutOfItsPage(t *testing.T) {
	t.Parallel()
	r, log := aReceipt(t)
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	escaped := html.EscapeString(string(text))
	for _, page := range []string{
		`<!doctype html><pre><code>x</code></pre><pre id="receipt">` + escaped + `</pre>`,
		`<HTML><PRE TABINDEX="0" ID=receipt>` + "\n" + escaped + `</PRE></HTML>`,
		`<pre tabindex="0" id='receipt'>` + strings.ReplaceAll(escaped, "&#34;", `"`) + `</pre>`,
	} {
		got, err := verify.ReceiptOfPage([]byte(page))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify.CheckReceipt(got, log); err != nil {
			t.Errorf("%.60s: %v", page, err)
		}
	}
	for _, page := range []string{"", "<pre>" + escaped + "</pre>", `<pre id="receipt">{}</pre>`, `<pre id="receipt">` + escaped, `<pre id="receipts">` + escaped + "</pre>"} {
		if _, err := verify.ReceiptOfPage([]byte(page)); !errors.Is(err, verify.ErrReceipt) {
			t.Errorf("%.60s: %v", page, err)
		}
	}
}
