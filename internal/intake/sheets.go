package intake

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// The names of the sheets of a book.
const goodsSheet, guideSheet = "商品 Products", "说明 Guide"

// Template writes an empty sheet with a guide, for anybody who sells.
func (s *Service) Template(ctx context.Context, out io.Writer) error {
	all, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]column, error) { return columnsNow(ctx, tx) })
	if err != nil {
		return err
	}
	b := book(all)
	b.GuideName, b.Guide = guideSheet, guide(all)
	w, err := sheet.NewWriter(sheet.XLSX, out, b)
	if err != nil {
		return err
	}
	return w.Close()
}

func columnsNow(ctx context.Context, tx *postgres.Tx) ([]column, error) {
	categories, err := catalog.Categories(ctx, tx)
	return columns(categories), err
}

// book is the shape of all sheets of goods.
func book(all []column) sheet.Book {
	b := sheet.Book{Name: goodsSheet, Choosable: sheet.Usual().Rows + 1}
	for _, c := range all {
		shape := sheet.Column{Title: c.title(), Kind: c.kind, Width: 14}
		if c.key == "name" || c.key == "storage" {
			shape.Width = 28
		}
		for _, one := range c.choices {
			shape.Choices = append(shape.Choices, one.code)
		}
		b.Columns = append(b.Columns, shape)
	}
	return b
}

// guide explains the columns.
func guide(all []column) [][]string {
	rows := [][]string{
		{"一行是一个规格；同一商品的多个规格各占一行，商品各项须相同。", "A row is a SKU; SKUs of one product have a row each and say the same of the product."},
		{"按商品编号和规格编号识别：已有的会更新，没有的列保持原样，不会删除任何商品。新商品为草稿。", "Rows are known by product and SKU code: what there is is updated, columns left out stay as they are, nothing is deleted. New goods are drafts."},
		{"期初库存只在建立库存时填写。不接受公式。带 * 的列新商品必填。", "Opening stock is for stock that is not kept yet. Formulas are not taken. New goods need the columns with a *."},
		{},
		{"列", "Column", "必填 / Required", "示例 / Example", "可填的值 / Values"},
	}
	for _, c := range all {
		needed := ""
		if c.required {
			needed = "*"
		}
		var values []string
		for _, one := range c.choices {
			value := one.code
			if one.zh != one.code {
				value += "（" + one.zh + " / " + one.en + "）"
			}
			values = append(values, value)
		}
		rows = append(rows, []string{c.zh, c.en, needed, c.example, strings.Join(values, "；")})
	}
	return rows
}

// exported is how many products are read at once for an export.
const exported = 500

// Export writes all products of an enterprise that the caller sells for (the zero id
// means the only one), in any state, a row for each SKU, in the shape in which Check
// reads them. Nothing is written to out before the goods can be read. ErrMerchant.
func (s *Service) Export(ctx context.Context, caller identity.Caller, m merchant.ID, f sheet.Format, out io.Writer) error {
	m, err := sellsFor(caller, m)
	if err != nil {
		return err
	}
	all, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]column, error) { return columnsNow(ctx, tx) })
	if err != nil {
		return err
	}
	now, err := s.after(ctx, m, "")
	if err != nil {
		return err
	}
	w, err := sheet.NewWriter(f, out, book(all))
	if err != nil {
		return err
	}
	p := &planner{all: all}
	for len(now.products) > 0 {
		p.present = now
		for _, product := range now.products {
			for _, k := range product.SKUs {
				if err := w.Row(p.cells(product, k)); err != nil {
					return err
				}
			}
		}
		if len(now.products) < exported {
			break
		}
		if now, err = s.after(ctx, m, now.products[len(now.products)-1].Code); err != nil {
			return err
		}
	}
	return w.Close()
}

// after reads the next products of an enterprise.
func (s *Service) after(ctx context.Context, m merchant.ID, code string) (present, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (now present, err error) {
		if now.products, err = catalog.After(ctx, tx, m, code, exported); err != nil {
			return now, err
		}
		now.openings, err = inventory.Openings(ctx, tx, m.UUID(), skusOf(now.products))
		return now, err
	})
}

// cells are the row of a SKU.
func (p *planner) cells(product catalog.Product, k catalog.SKU) []sheet.Cell {
	e := p.entry(product, owned{product, k})
	cells := make([]sheet.Cell, len(p.all))
	for i, c := range p.all {
		cells[i].Text = c.get(&e)
	}
	return cells
}

// Returned writes the sheet of an import as it was brought, each bad cell marked with
// what is wrong, and all that is wrong with a row once more in a column of its own.
// ErrImport, or ErrGone.
func (s *Service) Returned(ctx context.Context, caller identity.Caller, i ID, out io.Writer) error {
	kept, bad, err := s.returned(ctx, caller, i)
	if err != nil {
		return err
	}
	table, err := s.table(ctx, kept.imp.Format, kept.body)
	if err != nil {
		return err
	}
	width := len(table.Header)
	if plain(table.Header[width-1]) == plain(reasons) {
		width-- // it was returned before, and comes anew
	}
	b := sheet.Book{Name: goodsSheet}
	for _, header := range table.Header[:width] {
		b.Columns = append(b.Columns, sheet.Column{Title: header, Width: 16})
	}
	b.Columns = append(b.Columns, sheet.Column{Title: reasons, Width: 60})
	w, err := sheet.NewWriter(sheet.XLSX, out, b)
	if err != nil {
		return err
	}
	if err := markedRows(w, table, width, bad); err != nil {
		return err
	}
	return w.Close()
}

func (s *Service) returned(ctx context.Context, caller identity.Caller, i ID) (kept stored, bad map[int][]BadCell, err error) {
	_, err = postgres.View(ctx, s.db, func(tx *postgres.Tx) (struct{}, error) {
		found, err := one(ctx, tx, caller.Merchants(), i)
		if err != nil {
			return struct{}{}, err
		}
		if kept, err = readWhole(ctx, tx, found.Merchant, i); err != nil {
			return struct{}{}, err
		}
		bad, err = allBad(ctx, tx, found)
		return struct{}{}, err
	})
	if err == nil && len(kept.body) == 0 {
		err = ErrGone
	}
	return kept, bad, err
}

// markedRows writes the rows of a table to their old places.
func markedRows(w sheet.Writer, t sheet.Table, width int, bad map[int][]BadCell) error {
	next := 2
	for _, row := range t.Rows {
		for ; next < row.N; next++ {
			if err := w.Row(nil); err != nil {
				return err
			}
		}
		next++
		cells := make([]sheet.Cell, width+1)
		for i := range width {
			cells[i].Text = row.Cells[i]
		}
		var why []string
		for _, b := range bad[row.N] {
			if b.Column <= width {
				cells[b.Column-1].Mark = b.MessageZH + "\n" + b.MessageEN
			}
			why = append(why, fmt.Sprintf("%s：%s / %s", b.Place, b.MessageZH, b.MessageEN))
		}
		cells[width].Text = strings.Join(why, "；")
		if err := w.Row(cells); err != nil {
			return err
		}
	}
	return nil
}

func skusOf(products []catalog.Product) []uuid.UUID {
	var out []uuid.UUID
	for _, p := range products {
		for _, k := range p.SKUs {
			out = append(out, k.ID.UUID())
		}
	}
	return out
}
