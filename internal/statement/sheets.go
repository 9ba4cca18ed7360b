package statement

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// figure is one figure of a statement, with its sign in the sum that leads from the
// opening to the closing.
type figure struct {
	label string // Chinese / English
	li    money.Li
}

// figures are those of a statement in their order; the sum of all but the last is the last.
func (s Statement) figures() []figure {
	return []figure{
		{"期初应付 / owed at the beginning", s.Opening},
		{"商品销售 / goods sold", s.Sums.Goods},
		{"运费收入 / shipping sold", s.Sums.Shipping},
		{"什一提取 / tenth to the education fund", -s.Sums.Tenth},
		{"商品退款 / goods refunded", -s.Sums.RefundedGoods},
		{"运费退款 / shipping refunded", -s.Sums.RefundedShipping},
		{"什一退回 / tenth returned", s.Sums.ReturnedTenth},
		{"付款争议 / disputes", s.Sums.Disputes},
		{"已结算 / paid out", -s.Sums.Payouts},
		{"结算退回 / payouts that came back", s.Sums.Reversals},
		{"其他 / other", s.Sums.Other},
		{"期末应付 / owed at the end", s.Closing},
	}
}

// row are the figures of a line, as they add up to its net.
func (s Sums) row() []money.Li {
	return []money.Li{
		s.Goods - s.RefundedGoods, s.Shipping - s.RefundedShipping, s.ReturnedTenth - s.Tenth,
		s.Disputes, s.Reversals - s.Payouts, s.Other, s.Net(),
	}
}

// lineColumns are those of the lines: after the first four, what Sums.row gives.
func lineColumns() []sheet.Column {
	return []sheet.Column{
		{Title: "时间 / time", Width: 20},
		{Title: "类型 / kind", Width: 16},
		{Title: "订单 / order", Width: 38},
		{Title: "凭据 / reference", Width: 38},
		{Title: "商品（元）/ goods", Kind: sheet.Exact, Width: 14},
		{Title: "运费（元）/ shipping", Kind: sheet.Exact, Width: 14},
		{Title: "什一（元）/ tenth", Kind: sheet.Exact, Width: 14},
		{Title: "争议（元）/ disputes", Kind: sheet.Exact, Width: 14},
		{Title: "结算（元）/ payouts", Kind: sheet.Exact, Width: 14},
		{Title: "其他（元）/ other", Kind: sheet.Exact, Width: 14},
		{Title: "应付变动（元）/ owed more", Kind: sheet.Exact, Width: 16},
	}
}

// whole is a statement with all of its lines, of one moment.
type whole struct {
	statement Statement
	lines     []Line
}

// readAtOnce is how many lines one statement reads.
const readAtOnce = 1000

func (s *Service) whole(ctx context.Context, caller identity.Caller, m merchant.ID, p Period) (whole, error) {
	m, err := sellsFor(caller, m, p)
	if err != nil {
		return whole{}, err
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (whole, error) {
		st, err := statement(ctx, tx, m, p)
		w := whole{statement: st}
		for last := uuid.Nil; err == nil; {
			var some []Line
			if some, err = lines(ctx, tx, m, p, last, readAtOnce); len(some) > 0 {
				w.lines, last = append(w.lines, some...), some[len(some)-1].ID
			}
			if len(some) < readAtOnce {
				break
			}
		}
		return w, err
	})
}

// Sheet writes a statement as a book: a sheet with all lines and their sum, and one with
// the figures. ErrMerchant, or ErrPeriod.
func (s *Service) Sheet(ctx context.Context, caller identity.Caller, m merchant.ID, p Period, out io.Writer) error {
	w, err := s.whole(ctx, caller, m, p)
	if err != nil {
		return err
	}
	st := w.statement
	guide := [][]string{
		{"对账单 / statement"},
		{"企业 / enterprise", st.Enterprise.LegalName},
		{"统一社会信用代码 / credit code", st.Enterprise.USCC},
		{"期间 / period", string(p.From) + " – " + string(p.Until)},
		{"订单数 / orders", strconv.FormatInt(st.Sums.Orders, 10)},
		{"退款数 / refunds", strconv.FormatInt(st.Sums.Refunds, 10)},
		{},
	}
	for _, f := range st.figures() {
		guide = append(guide, []string{f.label, f.li.String()})
	}
	rows := make([][]string, 0, len(w.lines)+1)
	for _, l := range w.lines {
		rows = append(rows, append([]string{shown(l.At), l.Kind, text(l.Order), l.Ref}, strs(l.Sums.row())...))
	}
	rows = append(rows, append([]string{"合计 / sum", "", "", ""}, strs(st.Sums.row())...))
	return write(out, sheet.Book{Name: "明细", Columns: lineColumns(), GuideName: "对账单", Guide: guide}, rows)
}

// IncomeSheet writes the quarterly report of sellers' identity and income. ErrPeriod. For
// operators.
func (s *Service) IncomeSheet(ctx context.Context, p Period, out io.Writer) error {
	all, err := s.Incomes(ctx, p)
	if err != nil {
		return err
	}
	rows := make([][]string, len(all))
	for i, in := range all {
		rows[i] = append([]string{in.Enterprise.LegalName, in.Enterprise.USCC, string(p.From), string(p.Until), strconv.FormatInt(in.Orders, 10)},
			strs([]money.Li{in.Gross, in.Refunded, in.Net()})...)
	}
	return write(out, sheet.Book{Name: "收入信息", Columns: []sheet.Column{
		{Title: "经营者名称 / seller", Width: 36},
		{Title: "统一社会信用代码 / credit code", Width: 22},
		{Title: "期间起 / from", Width: 12},
		{Title: "期间止 / until", Width: 12},
		{Title: "订单数 / orders", Kind: sheet.Whole, Width: 10},
		{Title: "收入总额（元）/ gross income", Kind: sheet.Exact, Width: 16},
		{Title: "退款金额（元）/ refunded", Kind: sheet.Exact, Width: 16},
		{Title: "收入净额（元）/ net income", Kind: sheet.Exact, Width: 16},
	}}, rows)
}

func write(out io.Writer, b sheet.Book, rows [][]string) (err error) {
	w, err := sheet.NewWriter(sheet.XLSX, out, b)
	if err != nil {
		return err
	}
	for _, row := range rows {
		cells := make([]sheet.Cell, len(row))
		for i, t := range row {
			cells[i] = sheet.Cell{Text: t}
		}
		if err := w.Row(cells); err != nil {
			return errors.Join(fmt.Errorf("write a row: %w", err), w.Close())
		}
	}
	return w.Close()
}

// shown is a time as it is in the county.
func shown(t time.Time) string {
	return t.In(time.FixedZone("Asia/Shanghai", 8*60*60)).Format(time.DateTime)
}

// text is an id, or nothing for none.
func text(u uuid.UUID) string {
	if u == uuid.Nil {
		return ""
	}
	return u.String()
}

func strs(all []money.Li) []string {
	out := make([]string, len(all))
	for i, l := range all {
		out[i] = l.String()
	}
	return out
}
