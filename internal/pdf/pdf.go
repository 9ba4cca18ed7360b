// Package pdf writes papers for people: a title, lines, tables, in Chinese and Latin,
// on A4. The same paper is the same bytes. It does not know what papers are about.
package pdf

import (
	_ "embed" // the font
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/sfnt"
	"rsc.io/qr"
)

// font is Noto Sans SC, cut down to GB 2312 and Latin (see README.md).
//
//go:embed NotoSansSC-subset.ttf
var font []byte

// Missing stands for what the font has no glyph for: the geta mark, as in print.
const Missing = '〓'

// Paper is what is written.
type Paper struct {
	Title  string
	At     time.Time // the paper's date in the file; the same bytes need the same
	Lines  []Line
	Lead   []Text // before the tables
	Tables []Table
	Texts  []Text // after them
	Code   string // printed as a QR code beside the lines; "" for none
	Foot   string // at the end of each page, before its number
}

// Text is small print: lines that are broken where the page ends, and never cut.
type Text struct {
	Title string
	Lines []string
}

// Line is a name and what it stands for.
type Line struct{ Name, Value string }

// Table is rows of cells. One that does not fit on a page goes on, with its header, on
// the next.
type Table struct {
	Columns []Column
	Rows    [][]string
	Note    string // in small print below it, never cut
}

// Column is a column of a table. Texts that are too wide for it are cut, and end in "…".
type Column struct {
	Title string
	Width float64 // a share of the page's width
	Right bool    // its texts end at the right, as amounts do
}

// Measures in millimetres, and the sizes of letters in points.
const (
	margin      = 15.0
	pageWidth   = 210.0
	bottom      = 297.0 - 18.0
	rowHeight   = 5.5
	smallHeight = 3.8
	lineName    = 60.0
	codeSize    = 38.0
	bigSize     = 15.0
	textSize    = 9.0
	smallSize   = 7.5
	family      = "noto"
)

// glyphs knows which runes the font has.
var glyphs = sync.OnceValues(func() (*sfnt.Font, error) { return sfnt.Parse(font) }) //nolint:gochecknoglobals // parsed once

// writer writes one paper.
type writer struct {
	f       *fpdf.Fpdf
	glyphs  *sfnt.Font
	buffer  sfnt.Buffer
	missing []rune
	err     error
}

// Write writes a paper. What the font has no glyph for is printed as Missing and
// returned, each rune once, in their order: the paper is written nevertheless.
func Write(out io.Writer, p Paper) (missing []rune, err error) {
	known, err := glyphs()
	if err != nil {
		return nil, fmt.Errorf("read the font: %w", err)
	}
	w := &writer{f: fpdf.New("P", "mm", "A4", ""), glyphs: known}
	w.f.SetCatalogSort(true)
	w.f.SetCreationDate(p.At.UTC())
	w.f.SetModificationDate(p.At.UTC())
	w.f.SetProducer("Shiyi", true)
	w.f.SetTitle(p.Title, true)
	w.f.SetLang("zh-CN")
	w.f.SetMargins(margin, margin, margin)
	w.f.SetAutoPageBreak(false, 0)
	w.f.AddUTF8FontFromBytes(family, "", slices.Clone(font))
	foot := w.known(p.Foot)
	w.f.SetFooterFunc(func() {
		w.f.SetFont(family, "", smallSize)
		w.f.SetXY(margin, bottom+5)
		w.f.CellFormat(pageWidth-2*margin, rowHeight, w.fit(foot, pageWidth-2*margin-20), "", 0, "L", false, 0, "")
		w.f.SetXY(margin, bottom+5)
		w.f.CellFormat(pageWidth-2*margin, rowHeight, strconv.Itoa(w.f.PageNo()), "", 0, "R", false, 0, "")
	})
	w.f.AddPage()
	w.head(p)
	for _, t := range p.Lead {
		w.text(t)
	}
	for _, t := range p.Tables {
		w.table(t)
	}
	for _, t := range p.Texts {
		w.text(t)
	}
	if err := errors.Join(w.err, w.f.Error(), w.f.Output(out)); err != nil {
		return nil, fmt.Errorf("write a PDF: %w", err)
	}
	slices.Sort(w.missing)
	return slices.Compact(w.missing), nil
}

func (w *writer) head(p Paper) {
	whole := pageWidth - 2*margin
	if p.Code != "" {
		whole -= codeSize + 4
		w.code(p.Code, pageWidth-margin-codeSize, margin)
	}
	w.f.SetFont(family, "", bigSize)
	w.f.CellFormat(0, 10, w.fit(w.known(p.Title), whole), "", 1, "L", false, 0, "")
	w.f.Ln(2)
	w.f.SetFont(family, "", textSize)
	for _, l := range p.Lines {
		w.room()
		w.f.CellFormat(lineName, rowHeight, w.fit(w.known(l.Name), lineName), "", 0, "L", false, 0, "")
		w.f.CellFormat(0, rowHeight, w.fit(w.known(l.Value), whole-lineName), "", 1, "L", false, 0, "")
	}
	if p.Code != "" && w.f.PageNo() == 1 && w.f.GetY() < margin+codeSize {
		w.f.SetY(margin + codeSize)
	}
	w.f.Ln(3)
}

// code draws a QR code of black squares, with its top left corner there.
func (w *writer) code(text string, x, y float64) {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		w.err = fmt.Errorf("make a QR code of %d letters: %w", len(text), err)
		return
	}
	side := codeSize / float64(c.Size)
	w.f.SetFillColor(0, 0, 0)
	for row := range c.Size {
		for from := 0; from < c.Size; from++ {
			to := from
			for to < c.Size && c.Black(to, row) {
				to++
			}
			if to > from { // one rectangle for neighbours, so that no hair of white parts them
				w.f.Rect(x+float64(from)*side, y+float64(row)*side, float64(to-from)*side, side, "F")
				from = to
			}
		}
	}
}

// text prints small print.
func (w *writer) text(t Text) {
	w.room()
	w.f.SetFont(family, "", textSize)
	w.f.CellFormat(0, rowHeight, w.fit(w.known(t.Title), pageWidth-2*margin), "", 1, "L", false, 0, "")
	for _, line := range t.Lines {
		w.small(line)
	}
	w.f.Ln(2)
}

// small prints a line of small print, broken where it must.
func (w *writer) small(line string) {
	w.f.SetFont(family, "", smallSize)
	for _, part := range w.broken(w.known(line), pageWidth-2*margin-2) {
		w.room()
		w.f.SetFont(family, "", smallSize)
		w.f.CellFormat(0, smallHeight, part, "", 1, "L", false, 0, "")
	}
}

// broken is a text in parts that are no wider than that, in the size that is set.
func (w *writer) broken(s string, width float64) []string {
	var parts []string
	runes := []rune(s)
	for len(runes) > 0 {
		n := len(runes)
		for n > 1 && w.f.GetStringWidth(string(runes[:n])) > width {
			n -= max(1, n/16)
		}
		parts, runes = append(parts, string(runes[:n])), runes[n:]
	}
	return parts
}

// room begins a new page where there is no room for another row, and says whether.
func (w *writer) room() bool {
	if w.f.GetY()+rowHeight <= bottom {
		return false
	}
	w.f.AddPage()
	w.f.SetFont(family, "", textSize)
	return true
}

func (w *writer) table(t Table) {
	whole := 0.0
	for _, c := range t.Columns {
		whole += c.Width
	}
	titles := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		titles[i] = c.Title
	}
	row := func(cells []string, border string, fill bool) {
		w.f.SetFont(family, "", smallSize)
		for i, c := range t.Columns {
			text := ""
			if i < len(cells) {
				text = w.known(cells[i])
			}
			align, width := "L", c.Width/whole*(pageWidth-2*margin)
			if c.Right {
				align = "R"
			}
			w.f.CellFormat(width, rowHeight, w.fit(text, width-2), border, 0, align, fill, 0, "")
		}
		w.f.Ln(rowHeight)
	}
	w.f.SetFillColor(221, 235, 247)
	w.room()
	row(titles, "B", true)
	for _, cells := range t.Rows {
		if w.room() {
			row(titles, "B", true)
		}
		row(cells, "B", false)
	}
	if t.Note != "" {
		w.f.Ln(1)
		w.small(t.Note)
	}
	w.f.Ln(3)
}

// known is a text of one line that the font has all glyphs for.
func (w *writer) known(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		n, err := w.glyphs.GlyphIndex(&w.buffer, r)
		if err != nil {
			w.err = fmt.Errorf("look for the glyph of %q: %w", r, err)
		}
		if n == 0 {
			w.missing = append(w.missing, r)
			return Missing
		}
		return r
	}, s)
}

// fit is a text that is no wider than that, in the size that is set.
func (w *writer) fit(s string, width float64) string {
	if w.f.GetStringWidth(s) <= width {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && w.f.GetStringWidth(string(runes)+"…") > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}
