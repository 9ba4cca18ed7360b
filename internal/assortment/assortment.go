// Package assortment is the goods of an enterprise as a sheet: which columns there
// are, what a row says, and what a sheet would change of the goods that there are.
// It reads no database and writes nothing.
package assortment

import (
	"strings"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/origin"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// ErrColumns says that the header lacks the columns by which rows are known.
var ErrColumns = fault.New(fault.Invalid, "assortment.wrong_columns", "The header lacks the columns that rows are known by", "表头缺少用于识别商品的列")

// Reasons is the column in which a returned sheet says what is wrong; it may be
// sent back as it is.
const Reasons = "问题 / Problems"

// IsReasons reports whether a header is that column's.
func IsReasons(header string) bool { return plain(header) == plain(Reasons) }

// GoodsSheet is the name of the sheet that holds goods.
const GoodsSheet = "商品 Products"

// Counts are rows of a sheet by what becomes of them.
type Counts struct {
	New       int // of a product or a SKU that there was not
	Changed   int
	Unchanged int
	Bad       int // with cells that will not do
}

// BadCell is a cell that will not do.
type BadCell struct {
	sheet.Place
	N         int    // its number among the bad cells, from 1, by row and column
	Key       string // its column: "price"; "" when the column is none of ours
	Code      string // what is wrong, for programs: "required", "duplicate"
	Value     string // as it was read, at most 100 characters
	MessageZH string
	MessageEN string
}

// message is the same thing in both languages.
type message struct{ code, zh, en string }

// Shape is the columns of all sheets of goods.
type Shape struct{ columns []column }

// New is the shape of sheets of goods that lie on these shelves and come from these
// regions, which are named by their codes.
func New(categories []origin.Category, regions []string) Shape {
	return Shape{columns(categories, regions)}
}

// Book is the shape of all sheets of goods.
func (s Shape) Book() sheet.Book {
	b := sheet.Book{Name: GoodsSheet, Choosable: sheet.Usual().Rows + 1}
	for _, c := range s.columns {
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

// Guide explains the columns, for a second sheet of that name.
func (s Shape) Guide() (name string, rows [][]string) {
	rows = [][]string{
		{"一行是一个规格；同一商品的多个规格各占一行，商品各项须相同。", "A row is a SKU; SKUs of one product have a row each and say the same of the product."},
		{"按商品编号和规格编号识别：已有的会更新，没有的列保持原样，不会删除任何商品。新商品为草稿。", "Rows are known by product and SKU code: what there is is updated, columns left out stay as they are, nothing is deleted. New goods are drafts."},
		{"期初库存只在建立库存时填写。不接受公式。带 * 的列新商品必填。", "Opening stock is for stock that is not kept yet. Formulas are not taken. New goods need the columns with a *."},
		{},
		{"列", "Column", "必填 / Required", "示例 / Example", "可填的值 / Values"},
	}
	for _, c := range s.columns {
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
	return "说明 Guide", rows
}

// Row is the row of a SKU of a product, as Read would read it.
func (s Shape) Row(now Present, product catalog.Product, k catalog.SKU) []sheet.Cell {
	e := now.entry(product, owned{product, k})
	cells := make([]sheet.Cell, len(s.columns))
	for i, c := range s.columns {
		cells[i].Text = c.get(&e)
	}
	return cells
}
