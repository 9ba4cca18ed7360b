// Package sheet reads and writes tables as people keep them: XLSX and CSV. It
// knows cells and their places, and nothing of what they mean. What comes from
// outside is bounded before it is unpacked, no formula is ever computed, and no
// text that is written becomes one.
package sheet

import (
	"strconv"
	"strings"

	"github.com/shiyi-market/shiyi/internal/fault"
)

// Faults of sheets.
var (
	// ErrUnreadable says that the bytes are no sheet of the format that they are said to be.
	ErrUnreadable = fault.New(fault.Invalid, "sheet.unreadable", "The file is not a sheet that can be read", "文件不是可读取的表格")
	// ErrTooLarge says that a sheet is larger than its reader takes: bytes, rows or columns.
	ErrTooLarge = fault.New(fault.Invalid, "sheet.too_large", "The sheet is too large", "表格过大")
)

// Format is how a sheet is written down.
type Format string

// The formats.
const (
	XLSX Format = "xlsx" // Office Open XML; the first sheet of a book is read
	CSV  Format = "csv"  // with commas; UTF-8, or GB18030 as Excel writes it in China
)

// The media types of the formats.
const (
	TypeXLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	TypeCSV  = "text/csv"
)

// MediaType is the format's media type, without parameters.
func (f Format) MediaType() string {
	if f == CSV {
		return TypeCSV
	}
	return TypeXLSX
}

// FormatOf is the format of a media type (without parameters), or "".
func FormatOf(mediaType string) Format {
	switch strings.ToLower(mediaType) {
	case TypeXLSX:
		return XLSX
	case TypeCSV:
		return CSV
	}
	return ""
}

// Limits bound what is read.
type Limits struct {
	Bytes    int64 // of the file
	Unpacked int64 // bytes of an XLSX that is unpacked
	Ratio    int64 // how many bytes one byte of an XLSX may become, above the first MiB
	Rows     int   // below the header, blank ones left out
	Columns  int
	Cell     int // characters in a cell
}

// Usual are limits that a file of some thousand rows keeps with ease.
func Usual() Limits {
	return Limits{Bytes: 10 << 20, Unpacked: 96 << 20, Ratio: 100, Rows: 5000, Columns: 100, Cell: 2000}
}

// Place is a cell's place in its sheet, both from 1.
type Place struct{ Row, Column int }

// String is the place as programs show it: "C17".
func (p Place) String() string { return Letters(p.Column) + strconv.Itoa(p.Row) }

// Letters names a column as programs do: 1 is "A", 27 is "AA".
func Letters(column int) string {
	var out string
	for ; column > 0; column = (column - 1) / 26 {
		out = string(rune('A'+(column-1)%26)) + out
	}
	return out
}

// Table is a sheet that was read: a header, and rows that are as long as it is.
type Table struct {
	Header []string
	Rows   []Row
	Flaws  []Flaw
}

// Row is a row that is not blank.
type Row struct {
	N     int // its number in the sheet, from 1; the header is 1
	Cells []string
}

// Why says what is wrong with a cell as such, whatever it should hold.
type Why string

// The flaws of cells.
const (
	Formula Why = "formula"  // it computes, and nothing is computed here; it is read as ""
	TooLong Why = "too_long" // more characters than Limits.Cell; it is read cut off
	Ragged  Why = "ragged"   // the row goes on beyond the header; the rest is not read
	Failed  Why = "error"    // an error such as #DIV/0!; it is read as ""
	NoText  Why = "no_text"  // it holds U+0000, which no text does; it is read as ""
)

// Flaw is a cell that could not be taken as it is.
type Flaw struct {
	Place
	Why Why
}

// Read reads the first sheet of a file. Trailing blanks of cells are taken off,
// numbers are read as they were typed, dates as they are shown. ErrUnreadable,
// or ErrTooLarge.
func Read(raw []byte, f Format, l Limits) (Table, error) {
	if int64(len(raw)) > l.Bytes {
		return Table{}, ErrTooLarge.With("%d bytes, at most %d are read", len(raw), l.Bytes)
	}
	t := &taker{limits: l}
	var err error
	switch f {
	case XLSX:
		err = readXLSX(raw, l, t)
	case CSV:
		err = readCSV(raw, t)
	default:
		err = ErrUnreadable.With("no such format: %q", f)
	}
	if err != nil {
		return Table{}, err
	}
	if t.table.Header == nil {
		return Table{}, ErrUnreadable.With("the first row has no header")
	}
	return t.table, nil
}

// taker makes a table of rows as they come, within its limits.
type taker struct {
	limits Limits
	table  Table
}

// cell is what a format says of one cell.
type cell struct {
	text string
	why  Why // "" is fine
}

// row takes the row of that number. The first one must be row 1, the header.
func (t *taker) row(n int, cells []cell) error {
	for len(cells) > 0 && cells[len(cells)-1].why == "" && strings.TrimSpace(cells[len(cells)-1].text) == "" {
		cells = cells[:len(cells)-1]
	}
	if len(cells) == 0 {
		return nil
	}
	if len(cells) > t.limits.Columns {
		return ErrTooLarge.With("row %d has %d columns, at most %d are read", n, len(cells), t.limits.Columns)
	}
	if t.table.Header == nil && n > 1 {
		return ErrUnreadable.With("the first row has no header")
	}
	width := len(t.table.Header)
	if t.table.Header == nil {
		width = len(cells)
	} else if len(t.table.Rows) == t.limits.Rows {
		return ErrTooLarge.With("more than %d rows below the header", t.limits.Rows)
	}
	texts := make([]string, width)
	for i, c := range cells {
		if i == width {
			t.flaw(n, i, Ragged)
			break
		}
		texts[i] = t.text(n, i, c)
	}
	if t.table.Header == nil {
		t.table.Header = texts
		return nil
	}
	t.table.Rows = append(t.table.Rows, Row{N: n, Cells: texts})
	return nil
}

func (t *taker) text(n, i int, c cell) string {
	if c.why != "" {
		t.flaw(n, i, c.why)
		return ""
	}
	if strings.ContainsRune(c.text, 0) {
		t.flaw(n, i, NoText)
		return ""
	}
	text := strings.TrimRight(refuse(c.text), " \u3000")
	if len(text) <= t.limits.Cell {
		return text
	}
	runes := []rune(text)
	if len(runes) <= t.limits.Cell {
		return text
	}
	t.flaw(n, i, TooLong)
	return string(runes[:t.limits.Cell])
}

func (t *taker) flaw(n, i int, why Why) {
	t.table.Flaws = append(t.table.Flaws, Flaw{Place{n, i + 1}, why})
}

// begins reports whether s, apostrophes before it left out, begins as a program
// would begin a formula.
func begins(s string) bool {
	s = strings.TrimLeft(s, "'")
	return s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0]))
}

// defuse puts an apostrophe before what a program might take for a formula. One
// that is there already gets another, so that refuse gives back what was.
func defuse(s string) string {
	if begins(s) {
		return "'" + s
	}
	return s
}

// refuse takes off what defuse has put before s.
func refuse(s string) string {
	if rest, ok := strings.CutPrefix(s, "'"); ok && begins(rest) {
		return rest
	}
	return s
}
