package intake

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/assortment"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/origin"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// Template writes an empty sheet with a guide, for anybody who sells.
func (s *Service) Template(ctx context.Context, out io.Writer) error {
	goods, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (assortment.Shape, error) { return shape(ctx, tx) })
	if err != nil {
		return err
	}
	b := goods.Book()
	b.GuideName, b.Guide = goods.Guide()
	w, err := sheet.NewWriter(sheet.XLSX, out, b)
	if err != nil {
		return err
	}
	return w.Close()
}

// shape is the shape of sheets by now.
func shape(ctx context.Context, tx *postgres.Tx) (assortment.Shape, error) {
	categories, err := origin.Categories(ctx, tx)
	if err != nil {
		return assortment.Shape{}, err
	}
	regions, err := origin.Codes(ctx, tx)
	return assortment.New(categories, regions), err
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
	goods, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (assortment.Shape, error) { return shape(ctx, tx) })
	if err != nil {
		return err
	}
	now, err := s.after(ctx, m, "")
	if err != nil {
		return err
	}
	w, err := sheet.NewWriter(f, out, goods.Book())
	if err != nil {
		return err
	}
	for len(now.Products) > 0 {
		for _, product := range now.Products {
			for _, k := range product.SKUs {
				if err := w.Row(goods.Row(now, product, k)); err != nil {
					return err
				}
			}
		}
		if len(now.Products) < exported {
			break
		}
		if now, err = s.after(ctx, m, now.Products[len(now.Products)-1].Code); err != nil {
			return err
		}
	}
	return w.Close()
}

// after reads the next products of an enterprise.
func (s *Service) after(ctx context.Context, m merchant.ID, code string) (assortment.Present, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (now assortment.Present, err error) {
		if now.Products, err = catalog.After(ctx, tx, m, code, exported); err != nil {
			return now, err
		}
		now.Openings, err = inventory.Openings(ctx, tx, m.UUID(), skusOf(now.Products))
		return now, err
	})
}

// Returned writes the sheet of an import as it was brought, each bad cell marked with
// what is wrong, and all that is wrong with a row once more in a column of its own.
// ErrImport, or ErrGone.
func (s *Service) Returned(ctx context.Context, caller identity.Caller, i ID, out io.Writer) error {
	kept, bad, err := s.returned(ctx, caller, i)
	if err != nil {
		return err
	}
	table, err := s.desk.Read(ctx, kept.imp.Format, kept.body)
	if err != nil {
		return err
	}
	width := len(table.Header)
	if assortment.IsReasons(table.Header[width-1]) {
		width-- // it was returned before, and comes anew
	}
	b := sheet.Book{Name: assortment.GoodsSheet}
	for _, header := range table.Header[:width] {
		b.Columns = append(b.Columns, sheet.Column{Title: header, Width: 16})
	}
	b.Columns = append(b.Columns, sheet.Column{Title: assortment.Reasons, Width: 60})
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
