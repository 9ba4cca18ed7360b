package sheet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// bom marks a text as UTF-8; Excel takes one without it for the local encoding.
const bom = "\ufeff"

// readCSV reads with commas. Row numbers are those that a program shows: blank
// lines count, and a row whose cells hold line breaks is one.
func readCSV(raw []byte, t *taker) error {
	text, err := decode(raw)
	if err != nil {
		return err
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.ReuseRecord = -1, true
	row, next := 0, 1 // next: the line after the last row
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return ErrUnreadable.With("%v", err)
		}
		line, _ := r.FieldPos(0)
		row += 1 + line - next
		next = line + 1
		cells := make([]cell, len(record))
		for i, field := range record {
			next += strings.Count(field, "\n")
			cells[i].text = field
		}
		if err := t.row(row, cells); err != nil {
			return err
		}
	}
}

// decode is the text of a CSV: UTF-8 with or without its mark, or GB18030.
func decode(raw []byte) (string, error) {
	if raw, ok := bytes.CutPrefix(raw, []byte(bom)); ok || utf8.Valid(raw) {
		if !utf8.Valid(raw) {
			return "", ErrUnreadable.With("the text is not UTF-8, as its first bytes say")
		}
		return string(raw), nil
	}
	text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(raw)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
		return "", ErrUnreadable.With("the text is neither UTF-8 nor GB18030")
	}
	return string(text), nil
}

// csvWriter writes rows as they come.
type csvWriter struct{ w *csv.Writer }

func newCSV(out io.Writer, columns []Column) (*csvWriter, error) {
	if _, err := io.WriteString(out, bom); err != nil {
		return nil, err
	}
	w := &csvWriter{csv.NewWriter(out)}
	header := make([]Cell, len(columns))
	for i, c := range columns {
		header[i].Text = c.Title
	}
	return w, w.Row(header)
}

// Row writes a row; marks are left out.
func (w *csvWriter) Row(cells []Cell) error {
	record := make([]string, len(cells))
	for i, c := range cells {
		record[i] = defuse(c.Text)
	}
	return w.w.Write(record)
}

// Close writes what is held back.
func (w *csvWriter) Close() error {
	w.w.Flush()
	return w.w.Error()
}
