package audit

import (
	"context"
	"io"
	"strconv"

	"github.com/shiyi-market/shiyi/internal/sheet"
)

// columns are those of the levy audit as a sheet.
func columns() []sheet.Column {
	return []sheet.Column{
		{Title: "日期 / day", Width: 12},
		{Title: "企业编号 / code", Width: 12},
		{Title: "企业 / enterprise", Width: 24},
		{Title: "订单数 / orders", Width: 10, Kind: sheet.Whole},
		{Title: "货款（元）/ goods", Width: 16, Kind: sheet.Amount},
		{Title: "退回货款（元）/ refunded", Width: 16, Kind: sheet.Amount},
		{Title: "应提什一（元）/ tenth", Width: 16, Kind: sheet.Exact},
		{Title: "账簿货款（元）/ goods in the book", Width: 18, Kind: sheet.Exact},
		{Title: "账簿什一（元）/ tenth in the book", Width: 18, Kind: sheet.Exact},
		{Title: "差额（元）/ difference", Width: 16, Kind: sheet.Exact},
	}
}

// Sheet writes the levy audit of a period by day and enterprise. A line that does not agree is
// marked. statement.ErrPeriod.
func (s *Service) Sheet(ctx context.Context, f sheet.Format, p Period, out io.Writer) error {
	if err := p.Check(); err != nil {
		return err
	}
	w, err := sheet.NewWriter(f, out, sheet.Book{Name: "什一审计 levy", Columns: columns()})
	if err != nil {
		return err
	}
	err = s.EveryLine(ctx, p, func(l Line) error {
		cells := []sheet.Cell{
			{Text: string(l.Day)},
			{Text: l.Code},
			{Text: l.Name},
			{Text: strconv.FormatInt(l.Orders, 10)},
			{Text: l.Goods.String()},
			{Text: l.Refunded.String()},
			{Text: l.Tenth().String()},
			{Text: l.BookGoods.String()},
			{Text: l.BookTenth.String()},
			{},
		}
		if !l.Agrees() {
			cells[len(cells)-1].Mark = "订单与账簿不一致 / orders and book differ"
		}
		cells[len(cells)-1].Text = (l.BookTenth - l.Tenth()).String()
		return w.Row(cells)
	})
	if err != nil {
		return err
	}
	return w.Close()
}
