package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/big"
	"path"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// maxParts bounds how many files a book may be packed of.
const maxParts = 1000

// readXLSX reads the first sheet of a book. excelize shows each cell as a person
// sees it; beside it goes a reader of our own over the same sheet that tells
// formulas from texts, and what a number is before it is rounded to be shown.
func readXLSX(raw []byte, l Limits, t *taker) (err error) {
	pack, err := unpacked(raw, l)
	if err != nil {
		return err
	}
	defer func() {
		// The library is sure of what it reads, and a file may be anything.
		if r := recover(); r != nil {
			err = ErrUnreadable.With("the book is broken")
		}
	}()
	book, err := excelize.OpenReader(bytes.NewReader(raw), excelize.Options{UnzipSizeLimit: l.Unpacked, UnzipXMLSizeLimit: l.Unpacked})
	if err != nil {
		return ErrUnreadable.With("the book cannot be opened")
	}
	defer func() { err = errors.Join(err, book.Close()) }()
	names := book.GetSheetList()
	if len(names) == 0 {
		return ErrUnreadable.With("the book has no sheet")
	}
	rows, err := book.Rows(names[0])
	if err != nil {
		return ErrUnreadable.With("the first sheet cannot be read")
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	part, err := firstSheet(pack)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, part.Close()) }()
	facts := &factReader{d: xml.NewDecoder(part)}
	for n := 1; rows.Next(); n++ {
		seen, err := rows.Columns()
		if err != nil {
			return ErrUnreadable.With("row %d cannot be read", n)
		}
		of, err := facts.row(n)
		if err != nil {
			return err
		}
		if err := t.row(n, told(seen, of)); err != nil {
			return err
		}
	}
	return rows.Error()
}

// told puts together what is seen of a row and what is known of its cells.
func told(seen []string, facts []fact) []cell {
	cells := make([]cell, len(seen))
	for i, s := range seen {
		cells[i].text = s
	}
	for _, f := range facts {
		for len(cells) <= f.column-1 {
			cells = append(cells, cell{})
		}
		c := &cells[f.column-1]
		switch {
		case f.formula:
			c.why = Formula
		case f.kind == "e":
			c.why = Failed
		case f.kind == "" || f.kind == "n":
			c.text = asTyped(c.text, f.value)
		}
	}
	return cells
}

// unpacked is the zip that a book is, when it is none that becomes too large.
// archive/zip holds each part to the size that the directory gives it.
func unpacked(raw []byte, l Limits) (*zip.Reader, error) {
	pack, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil || len(pack.File) > maxParts {
		return nil, ErrUnreadable.With("the file is no XLSX; save the book as .xlsx")
	}
	var whole uint64
	for _, f := range pack.File {
		if f.UncompressedSize64 > uint64(l.Unpacked) {
			return nil, ErrTooLarge.With("the book becomes larger than %d bytes when it is unpacked", l.Unpacked)
		}
		whole += f.UncompressedSize64
	}
	const free = 1 << 20
	if whole > uint64(l.Unpacked) || whole > free+uint64(l.Ratio)*uint64(len(raw)) {
		return nil, ErrTooLarge.With("the book becomes larger than %d bytes, or %d times as large, when it is unpacked", l.Unpacked, l.Ratio)
	}
	return pack, nil
}

// firstSheet opens the part of the pack that holds the book's first sheet.
func firstSheet(pack *zip.Reader) (io.ReadCloser, error) {
	var book struct {
		Sheets []struct {
			ID string `xml:"http://schemas.openxmlformats.org/officeDocument/2006/relationships id,attr"`
		} `xml:"sheets>sheet"`
	}
	var links struct {
		Links []struct {
			ID     string `xml:"Id,attr"`
			Target string `xml:"Target,attr"`
		} `xml:"Relationship"`
	}
	if err := errors.Join(decodePart(pack, "xl/workbook.xml", &book), decodePart(pack, "xl/_rels/workbook.xml.rels", &links)); err != nil {
		return nil, ErrUnreadable.With("the book does not say which sheets it has")
	}
	if len(book.Sheets) > 0 {
		for _, link := range links.Links {
			if link.ID != book.Sheets[0].ID {
				continue
			}
			name := path.Join("xl", link.Target)
			if absolute, ok := strings.CutPrefix(link.Target, "/"); ok {
				name = path.Clean(absolute)
			}
			if part, err := open(pack, name); err == nil {
				return part, nil
			}
		}
	}
	return nil, ErrUnreadable.With("the book's first sheet is missing")
}

func open(pack *zip.Reader, name string) (io.ReadCloser, error) {
	for _, f := range pack.File {
		if strings.EqualFold(strings.ReplaceAll(f.Name, `\`, "/"), name) {
			return f.Open()
		}
	}
	return nil, fmt.Errorf("no part %q", name)
}

func decodePart(pack *zip.Reader, name string, into any) error {
	part, err := open(pack, name)
	if err != nil {
		return err
	}
	return errors.Join(xml.NewDecoder(part).Decode(into), part.Close())
}

// fact is what a sheet says of a cell, beside what is seen of it.
type fact struct {
	column  int
	formula bool
	kind    string // "" and "n": a number; "e": an error
	value   string
}

// factReader reads the facts of a sheet row by row.
type factReader struct {
	d       *xml.Decoder
	next    int    // the number of the row that was read ahead, 0 is none
	ahead   []fact // its cells
	last    int
	drained bool
}

// row gives the facts of row n, which must not be before the row asked last.
func (r *factReader) row(n int) ([]fact, error) {
	for r.next < n && !r.drained {
		if err := r.read(); err != nil {
			return nil, err
		}
	}
	if r.next == n {
		return r.ahead, nil
	}
	return nil, nil
}

// read reads one row ahead.
func (r *factReader) read() error {
	for {
		token, err := r.d.Token()
		if errors.Is(err, io.EOF) {
			r.drained = true
			return nil
		}
		if err != nil {
			return ErrUnreadable.With("the first sheet is broken after row %d", r.last)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "row" {
			return r.rowOf(start)
		}
	}
}

func (r *factReader) rowOf(start xml.StartElement) error {
	var row struct {
		Cells []struct {
			Ref     string `xml:"r,attr"`
			Kind    string `xml:"t,attr"`
			Formula *struct {
				Text string `xml:",chardata"`
			} `xml:"f"`
			Value string `xml:"v"`
		} `xml:"c"`
	}
	broken := ErrUnreadable.With("the first sheet is broken after row %d", r.last)
	if r.d.DecodeElement(&row, &start) != nil {
		return broken
	}
	n := r.last + 1
	for _, a := range start.Attr {
		if a.Name.Local == "r" {
			given, err := strconv.Atoi(a.Value)
			if err != nil || given < n {
				return broken
			}
			n = given
		}
	}
	r.last, r.next, r.ahead = n, n, r.ahead[:0]
	column := 0
	for _, c := range row.Cells {
		column++
		if c.Ref != "" {
			at, _, err := excelize.CellNameToCoordinates(c.Ref)
			if err != nil || at < column {
				return broken
			}
			column = at
		}
		if c.Formula == nil && (c.Value == "" || (c.Kind != "" && c.Kind != "n" && c.Kind != "e")) {
			continue
		}
		r.ahead = append(r.ahead, fact{column, c.Formula != nil, c.Kind, c.Value})
	}
	return nil
}

// asTyped is a number as somebody typed it. What is seen holds where it is the
// same number ("168.00", "007", "9%") or no number at all (a day); where it is
// shown rounded, the number itself holds, in the 15 digits that Excel keeps.
func asTyped(seen, value string) string {
	number, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return seen
	}
	plain := decimal(number)
	shown := strings.NewReplacer(",", "", "¥", "", "￥", "", "$", "", " ", "", "\u00a0", "").Replace(seen)
	percent := strings.HasSuffix(shown, "%")
	shown = strings.TrimSuffix(shown, "%")
	if _, err := strconv.ParseFloat(shown, 64); err != nil {
		return seen
	}
	exact, ok := new(big.Rat).SetString(plain)
	if !ok || len(shown) > 30 {
		return plain
	}
	is, ok := new(big.Rat).SetString(shown)
	if !ok || strings.ContainsAny(shown, "eE") {
		return plain
	}
	if percent {
		is.Quo(is, big.NewRat(100, 1))
	}
	switch {
	case is.Cmp(exact) != 0:
		return plain
	case percent:
		return shown + "%"
	}
	return shown
}

// decimal writes a number with the 15 digits that Excel keeps, and no exponent.
func decimal(number float64) string {
	kept, err := strconv.ParseFloat(strconv.FormatFloat(number, 'g', 15, 64), 64)
	if err != nil {
		kept = number
	}
	return strconv.FormatFloat(kept, 'f', -1, 64)
}
