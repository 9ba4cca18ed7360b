package statement

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/pdf"
)

// mostOnPaper is how many lines a PDF holds; the book holds all.
const mostOnPaper = 2000

// Paper writes a statement as a PDF, and returns the letters that its font has not, which
// are printed as pdf.Missing. ErrMerchant, or ErrPeriod.
func (s *Service) Paper(ctx context.Context, caller identity.Caller, m merchant.ID, p Period, out io.Writer) (missing []rune, err error) {
	w, err := s.whole(ctx, caller, m, p)
	if err != nil {
		return nil, err
	}
	return pdf.Write(out, w.paper())
}

func (w whole) paper() pdf.Paper {
	st := w.statement
	_, end := st.Period.Bounds()
	figures := pdf.Table{Columns: []pdf.Column{{Title: "项目 / item", Width: 3}, {Title: "金额（元）/ CNY", Width: 1, Right: true}}}
	for _, f := range st.figures() {
		figures.Rows = append(figures.Rows, []string{f.label, f.li.String()})
	}
	paper := pdf.Paper{
		Title: "企业对账单 / Statement", At: end, Foot: st.Enterprise.Code + "  " + string(st.Period.From) + " – " + string(st.Period.Until),
		Lines: []pdf.Line{
			{Name: "企业 / enterprise", Value: st.Enterprise.LegalName},
			{Name: "统一社会信用代码 / credit code", Value: st.Enterprise.USCC},
			{Name: "期间 / period", Value: string(st.Period.From) + " – " + string(st.Period.Until)},
			{Name: "订单数 / orders", Value: strconv.FormatInt(st.Sums.Orders, 10)},
			{Name: "退款数 / refunds", Value: strconv.FormatInt(st.Sums.Refunds, 10)},
		},
		Tables: []pdf.Table{figures, w.table()},
	}
	if n := len(w.lines) - mostOnPaper; n > 0 {
		paper.Lines = append(paper.Lines, pdf.Line{Name: "明细 / lines", Value: fmt.Sprintf("另有 %d 条见电子表格 / %d more are in the XLSX", n, n)})
		paper.Tables = append(paper.Tables, w.rest())
	}
	return paper
}

// rest says behind the last line that is printed how many there are.
func (w whole) rest() pdf.Table {
	all := len(w.lines)
	return pdf.Table{Columns: []pdf.Column{{Title: "未列出的明细 / lines that are not printed", Width: 1}}, Rows: [][]string{
		{fmt.Sprintf("共 %d 条，此处列出前 %d 条，其余 %d 条见电子表格（XLSX）；合计包括全部", all, mostOnPaper, all-mostOnPaper)},
		{fmt.Sprintf("Of %d lines the first %d are printed; the other %d are in the XLSX. The sums are of all.", all, mostOnPaper, all-mostOnPaper)},
	}}
}

// table is the lines, each in the columns that the book has, but for the reference.
func (w whole) table() pdf.Table {
	var t pdf.Table
	for i, c := range lineColumns() {
		if i == 3 {
			continue
		}
		zh, _, _ := strings.Cut(c.Title, " / ")
		zh, _, _ = strings.Cut(zh, "（")
		t.Columns = append(t.Columns, pdf.Column{Title: zh, Width: c.Width, Right: i > 3})
	}
	t.Columns[0].Width, t.Columns[2].Width = 26, 40
	for i, l := range w.lines {
		if i == mostOnPaper {
			break
		}
		t.Rows = append(t.Rows, append([]string{shown(l.At), l.Kind, text(l.Order)}, strs(l.Sums.row())...))
	}
	t.Rows = append(t.Rows, append([]string{"合计", "", ""}, strs(w.statement.Sums.row())...))
	return t
}
