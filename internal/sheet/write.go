package sheet

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/xuri/excelize/v2"
)

// Kind is what a column holds, for programs that show it.
type Kind int

// The kinds of columns. What is no number is written as text in each of them.
const (
	Text   Kind = iota
	Whole       // an integer
	Amount      // with two decimals
	Exact       // with three decimals: li
)

// Column describes a column that is written.
type Column struct {
	Title   string
	Width   float64 // in characters; 0 is as wide as programs make it
	Kind    Kind
	Choices []string // what may be chosen in it; nil is anything
}

// Cell is a cell that is written. A mark colours it and is its comment; CSV has none.
type Cell struct {
	Text string
	Mark string
}

// Writer writes a sheet row by row. Memory does not grow with the rows beyond
// what the format needs; Close ends the file, and does not close what it writes to.
type Writer interface {
	Row(cells []Cell) error
	Close() error
}

// Book is what a book holds beside its rows. CSV has only rows.
type Book struct {
	Name    string // of the sheet, at most 31 characters
	Columns []Column
	// Choosable is to which row cells offer the choices of their column.
	Choosable int
	// Guide is a second sheet of text, in which amounts of three decimals are numbers; nil is none.
	GuideName string
	Guide     [][]string
}

// NewWriter begins a sheet with its header.
func NewWriter(f Format, out io.Writer, b Book) (Writer, error) {
	if f == CSV {
		return newCSV(out, b.Columns)
	}
	return newXLSX(out, b)
}

// maxComments bounds the comments of a sheet, and maxNote the characters of one;
// beyond it cells are coloured only.
const (
	maxComments = 1000
	maxNote     = 500
)

// xlsxWriter writes through excelize's stream.
type xlsxWriter struct {
	out    io.Writer
	book   *excelize.File
	sheet  *excelize.StreamWriter
	b      Book
	row    int
	notes  int
	plain  map[Kind]int
	marked map[Kind]int
}

func newXLSX(out io.Writer, b Book) (w *xlsxWriter, err error) {
	w = &xlsxWriter{out: out, book: excelize.NewFile(), b: b, plain: make(map[Kind]int), marked: make(map[Kind]int)}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("begin a book: %w", err), w.book.Close())
		}
	}()
	if err := w.book.SetSheetName("Sheet1", b.Name); err != nil {
		return nil, err
	}
	if err := w.styles(); err != nil {
		return nil, err
	}
	if err := w.guide(); err != nil {
		return nil, err
	}
	if err := w.choices(); err != nil {
		return nil, err
	}
	if w.sheet, err = w.book.NewStreamWriter(b.Name); err != nil {
		return nil, err
	}
	for i, c := range b.Columns {
		if c.Width == 0 {
			continue
		}
		if err := w.sheet.SetColWidth(i+1, i+1, c.Width); err != nil {
			return nil, err
		}
	}
	if err := w.sheet.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return nil, err
	}
	return w, w.header()
}

func (w *xlsxWriter) header() error {
	style, err := w.book.NewStyle(&excelize.Style{
		Font:      &excelize.Font{Bold: true},
		Fill:      excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"DDEBF7"}},
		Alignment: &excelize.Alignment{WrapText: true, Vertical: "center"},
	})
	if err != nil {
		return err
	}
	values := make([]any, len(w.b.Columns))
	for i, c := range w.b.Columns {
		values[i] = excelize.Cell{StyleID: style, Value: defuse(c.Title)}
	}
	w.row++
	return w.sheet.SetRow("A1", values)
}

// styles makes one for each kind of column, plain and marked.
func (w *xlsxWriter) styles() error {
	thousandths := "0.000"
	red := excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"FFC7CE"}}
	for kind, format := range map[Kind]int{Text: 49, Whole: 1, Amount: 2, Exact: 0} { // "@", "0", "0.00"
		var own *string
		if kind == Exact {
			own = &thousandths
		}
		var err error
		if w.plain[kind], err = w.book.NewStyle(&excelize.Style{NumFmt: format, CustomNumFmt: own}); err != nil {
			return err
		}
		if w.marked[kind], err = w.book.NewStyle(&excelize.Style{NumFmt: format, CustomNumFmt: own, Fill: red}); err != nil {
			return err
		}
	}
	return nil
}

// choices offers in each cell of a column what may be chosen. A list is written
// into the sheet itself, so that it may be at most 255 characters long.
func (w *xlsxWriter) choices() error {
	for i, c := range w.b.Columns {
		if len(c.Choices) == 0 || w.b.Choosable < 2 {
			continue
		}
		letters := Letters(i + 1)
		v := excelize.NewDataValidation(true)
		v.Sqref = letters + "2:" + letters + strconv.Itoa(w.b.Choosable)
		if v.SetDropList(c.Choices) != nil {
			continue // too long a list is a convenience less, and no error
		}
		if err := w.book.AddDataValidation(w.b.Name, v); err != nil {
			return err
		}
	}
	return nil
}

func (w *xlsxWriter) guide() error {
	if w.b.Guide == nil {
		return nil
	}
	if _, err := w.book.NewSheet(w.b.GuideName); err != nil {
		return err
	}
	sheet, err := w.book.NewStreamWriter(w.b.GuideName)
	if err != nil {
		return err
	}
	if err := sheet.SetColWidth(1, 6, 26); err != nil {
		return err
	}
	for i, row := range w.b.Guide {
		values := make([]any, len(row))
		for j, text := range row {
			values[j] = value(Exact, text)
			if _, number := values[j].(float64); number {
				values[j] = excelize.Cell{StyleID: w.plain[Exact], Value: values[j]}
			}
		}
		if err := sheet.SetRow("A"+strconv.Itoa(i+1), values); err != nil {
			return err
		}
	}
	return sheet.Flush()
}

// Row writes a row. Cells beyond the columns are text.
func (w *xlsxWriter) Row(cells []Cell) error {
	w.row++
	values := make([]any, len(cells))
	for i, c := range cells {
		kind := Text
		if i < len(w.b.Columns) {
			kind = w.b.Columns[i].Kind
		}
		style := w.plain[kind]
		if c.Mark != "" {
			style = w.marked[kind]
			if err := w.comment(Place{w.row, i + 1}, c.Mark); err != nil {
				return err
			}
		}
		values[i] = excelize.Cell{StyleID: style, Value: value(kind, c.Text)}
	}
	return w.sheet.SetRow("A"+strconv.Itoa(w.row), values)
}

func (w *xlsxWriter) comment(at Place, mark string) error {
	if w.notes++; w.notes > maxComments {
		return nil
	}
	if runes := []rune(mark); len(runes) > maxNote {
		mark = string(runes[:maxNote])
	}
	return w.book.AddComment(w.b.Name, excelize.Comment{
		Cell: at.String(), Author: " ", Paragraph: []excelize.RichTextRun{{Text: mark}}, Width: 260, Height: 90,
	})
}

// value is the number that a text is, if its column holds numbers and the number
// is exactly that text; otherwise the text.
func value(kind Kind, text string) any {
	if kind == Text || text == "" || len(text) > 15 {
		return defuse(text)
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(number, 0) || math.IsNaN(number) || number == 0 && math.Signbit(number) { // no cell holds −0
		return defuse(text)
	}
	places := map[Kind]int{Amount: 2, Exact: 3}[kind]
	if strconv.FormatFloat(number, 'f', places, 64) != text {
		return defuse(text)
	}
	return number
}

// Close ends the book and writes it.
func (w *xlsxWriter) Close() error {
	err := w.sheet.Flush()
	if err == nil {
		err = w.book.Write(w.out)
	}
	if err = errors.Join(err, w.book.Close()); err != nil {
		return fmt.Errorf("write a book: %w", err)
	}
	return nil
}
