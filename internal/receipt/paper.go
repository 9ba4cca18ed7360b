package receipt

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/pdf"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Paper writes the receipt of the buyer's own checkout as a PDF, with a QR code of its page, and
// returns the letters that its font has not, which are printed as pdf.Missing. It refuses what Receipt
// refuses.
func (s *Service) Paper(ctx context.Context, caller identity.Caller, cid order.CheckoutID, out io.Writer) (missing []rune, err error) {
	w, err := s.whole(ctx, caller, cid)
	if err != nil {
		return nil, err
	}
	return pdf.Write(out, w.paper())
}

// beijing is the county's time.
var beijing = time.FixedZone("UTC+8", 8*60*60) //nolint:gochecknoglobals // a constant that Go cannot write as one

func yuan(fen int64) string { return "¥" + money.Fen(fen).String() }

func li(n int64) string { return "¥" + money.Li(n).String() }

// paper is the receipt on paper. It says what the JSON says, to the li.
func (w Whole) paper() pdf.Paper {
	r := w.Receipt
	p := pdf.Paper{
		Title: "什一购物回执 / Receipt", At: r.PaidAt, Code: r.PageURL, Foot: "什一 Shiyi  " + r.CheckoutID,
		Lines: []pdf.Line{
			{Name: "结算 / checkout", Value: r.CheckoutID},
			{Name: "付款时间（北京时间）/ paid at", Value: r.PaidAt.In(beijing).Format("2006-01-02 15:04:05")},
			{Name: "商品 / goods", Value: yuan(r.GoodsFen)},
			{Name: "运费 / shipping", Value: yuan(r.ShippingFen)},
			{Name: "实付 / paid", Value: yuan(r.TotalFen)},
			{Name: "退款 / refunded", Value: yuan(r.RefundedFen)},
			{Name: "进入教育基金的十分之一 / one tenth", Value: li(r.LevyLi)},
			{Name: "随退款退回 / returned", Value: li(r.ReturnedLi)},
			{Name: "教育基金净得 / the fund has", Value: li(r.NetLevyLi)},
		},
	}
	for _, o := range r.Orders {
		p.Tables = append(p.Tables, goods(o))
	}
	p.Tables = append(p.Tables, w.where())
	if t := w.parts(); len(t.Rows) > 0 {
		p.Tables = append(p.Tables, t)
	}
	p.Texts = append(p.Texts, pdf.Text{Title: "核验 / how to check", Lines: []string{
		r.HowToVerify, "日志 / log: " + r.Log.Origin, "公钥 / key: " + r.Log.Key, "网页 / page: " + r.PageURL,
	}})
	for _, o := range r.Orders {
		p.Texts = append(p.Texts, proof("销售 / sale", o.Entry))
		for _, b := range o.Refunds {
			p.Texts = append(p.Texts, proof("退款 / refund", b.Entry))
		}
		for _, d := range o.Disputes {
			p.Texts = append(p.Texts, proof("银行争议 / dispute", d.Opened))
			if d.Closed != nil {
				p.Texts = append(p.Texts, proof(ended(d)+" / dispute "+d.State, *d.Closed))
			}
		}
		if o.Maturing != nil {
			p.Texts = append(p.Texts, proof("到期转入可拨付 / free", *o.Maturing))
		}
	}
	return p
}

// goods are the lines of an order, and what came back of it.
func goods(o verify.ReceiptOrder) pdf.Table {
	t := pdf.Table{Columns: []pdf.Column{
		{Title: o.Merchant.Name + "  " + o.OrderID, Width: 5},
		{Title: "规格 / spec", Width: 2},
		{Title: "单价 / price", Width: 1.3, Right: true},
		{Title: "数量 / qty", Width: 1, Right: true},
		{Title: "金额 / amount", Width: 1.4, Right: true},
	}}
	for _, l := range o.Lines {
		t.Rows = append(t.Rows, []string{l.Name, l.Spec, yuan(l.PriceFen), strconv.FormatInt(l.Quantity, 10) + " " + l.Unit, yuan(l.GoodsFen)})
	}
	if o.ShippingFen > 0 {
		t.Rows = append(t.Rows, []string{"运费 / shipping", "", "", "", yuan(o.ShippingFen)})
	}
	for _, b := range o.Refunds {
		day := b.RefundedAt.In(beijing).Format(time.DateOnly)
		t.Rows = append(t.Rows, []string{"退款 / refund " + day, "", "", "", yuan(b.GoodsFen + b.ShippingFen)})
	}
	for _, d := range o.Disputes {
		day, amount := d.OpenedAt.In(beijing).Format(time.DateOnly), d.GoodsFen+d.ShippingFen
		if d.State == verify.DisputeLost {
			amount = -amount
		}
		t.Rows = append(t.Rows, []string{ended(d) + " / dispute " + d.State + " " + day, "", "", "", yuan(amount)})
	}
	return t
}

// ended says how a dispute stands.
func ended(d verify.ReceiptDispute) string {
	switch d.State {
	case verify.DisputeWon:
		return "银行争议已撤回，款项退还商家"
	case verify.DisputeLost:
		return "银行已将款项退还买家"
	}
	return "银行争议中"
}

// where says where each order's tenth is.
func (w Whole) where() pdf.Table {
	t := pdf.Table{Columns: []pdf.Column{
		{Title: "在哪里 / where", Width: 1.8},
		{Title: "十分之一 / tenth", Width: 1.7, Right: true},
		{Title: "退回 / returned", Width: 1.6, Right: true},
		{Title: "待定 / pending", Width: 1.6, Right: true},
		{Title: "争议 / held", Width: 1.3, Right: true},
		{Title: "已拨付 / granted", Width: 1.7, Right: true},
		{Title: "抵迟退 / covered", Width: 1.7, Right: true},
		{Title: "结余 / balance", Width: 1.6, Right: true},
	}}
	row := func(name string, x trace.Tenth) {
		t.Rows = append(t.Rows, []string{
			name, li(int64(x.Levied)), li(int64(x.Returned)), li(int64(x.Pending)), li(int64(x.Held)),
			li(int64(x.Granted)), li(int64(x.Covered)), li(int64(x.Committed + x.Free + x.Waiting)),
		})
	}
	for _, o := range w.Traced.Orders {
		row(o.MerchantName, o.Tenth)
	}
	if len(w.Traced.Orders) > 1 {
		row("合计 / all", w.Traced.Tenth)
	}
	return t
}

// mostParts is how many parts of the tenths are printed.
const mostParts = 100

// parts are what left the fund's queue of this receipt's tenths.
func (w Whole) parts() pdf.Table {
	t := pdf.Table{Columns: []pdf.Column{
		{Title: "去了哪里 / where it went", Width: 5.5},
		{Title: "日志条目 / log entry", Width: 1.8, Right: true},
		{Title: "排队区间（厘）/ interval of li", Width: 2.6, Right: true},
		{Title: "金额 / amount", Width: 1.5, Right: true},
	}}
	for _, o := range w.Traced.Orders {
		for _, f := range o.Inflows {
			for _, p := range f.Parts {
				to := "项目 " + p.Of.Name()
				if p.Of.Late() {
					to = "抵付迟到的退款 / for a late return"
				}
				if len(t.Rows) < mostParts {
					t.Rows = append(t.Rows, []string{to, strconv.FormatInt(p.Of.Index, 10), fmt.Sprintf("%d – %d", p.From, p.To), li(p.Li())})
				}
			}
		}
	}
	return t
}

// proof prints an entry of the log in full.
func proof(what string, e verify.Entry) pdf.Text {
	t := pdf.Text{Title: what + "  " + e.Name, Lines: []string{"盐 / salt: " + e.Salt, "叶 / leaf:"}}
	t.Lines = append(t.Lines, strings.Split(strings.TrimRight(e.Leaf, "\n"), "\n")...)
	if e.State == verify.Pending {
		return pdf.Text{Title: t.Title, Lines: append(t.Lines, "证明 / proof: 尚未进入已签名的检查点 / not in a signed checkpoint yet")}
	}
	t.Lines = append(t.Lines, "证明 / proof:")
	t.Lines = append(t.Lines, strings.Split(strings.TrimRight(e.Proof, "\n"), "\n")...)
	return t
}
