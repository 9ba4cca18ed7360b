package journal

import (
	"io"
	"strconv"

	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// maxRows is how many rows a sheet of an XLSX has below its header (ECMA-376: 2^20 in all).
const maxRows = 1<<20 - 1

// table writes a row for each move.
type table struct {
	format sheet.Format
	out    io.Writer
	w      sheet.Writer
	rows   int
}

func newTable(f sheet.Format) func(io.Writer) pen {
	return func(out io.Writer) pen { return &table{format: f, out: out} }
}

// open begins a sheet of the moves, with one of the accounts behind it.
func (t *table) open(p Period, accounts []ledger.Turnover) error {
	guide := [][]string{
		{"分录 / journal", string(p.From), string(p.Until)},
		{"账户 / account", "期初（元）/ opening", "转入（元）/ in", "转出（元）/ out", "期末（元）/ closing"},
	}
	for _, a := range accounts {
		guide = append(guide, []string{string(a.Account), a.Opening.String(), a.In.String(), a.Out.String(), a.Closing().String()})
	}
	w, err := sheet.NewWriter(t.format, t.out, sheet.Book{Name: "分录 journal", GuideName: "余额 balances", Guide: guide, Columns: []sheet.Column{
		{Title: "时间（UTC）/ time", Width: 28},
		{Title: "日期 / day", Width: 12},
		{Title: "日志序号 / leaf", Width: 10, Kind: sheet.Whole},
		{Title: "分录编号 / transfer", Width: 38},
		{Title: "类型 / kind", Width: 16},
		{Title: "归属 / home", Width: 38},
		{Title: "凭据 / reference", Width: 38},
		{Title: "行 / move", Width: 6, Kind: sheet.Whole},
		{Title: "事项 / what", Width: 12},
		{Title: "转出账户 / from", Width: 44},
		{Title: "转入账户 / to", Width: 44},
		{Title: "金额（元）/ amount", Width: 16, Kind: sheet.Exact},
	}})
	t.w = w
	return err
}

func (t *table) transfer(day merchant.Date, n ledger.Numbered) error {
	leaf := ""
	if n.Index >= 0 {
		leaf = strconv.FormatInt(n.Index, 10)
	}
	for i, m := range n.Moves {
		if t.rows++; t.format == sheet.XLSX && t.rows > maxRows {
			return ErrTooLong
		}
		texts := []string{
			at(n), string(day), leaf, n.ID.String(), n.Kind, home(n), n.Ref, strconv.Itoa(i + 1), m.What,
			string(m.From), string(m.To), m.Amount.String(),
		}
		cells := make([]sheet.Cell, len(texts))
		for j, text := range texts {
			cells[j].Text = text
		}
		if err := t.w.Row(cells); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) holds(merchant.Date, []ledger.Turnover) error { return nil }

func (t *table) close() error { return t.w.Close() }
