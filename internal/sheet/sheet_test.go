package sheet_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/sheet"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// book makes an XLSX by hand.
func book(t testing.TB, fill func(f *excelize.File, sheet string)) []byte {
	t.Helper()
	f := excelize.NewFile()
	fill(f, "Sheet1")
	var out bytes.Buffer
	must(t, f.Write(&out))
	must(t, f.Close())
	return out.Bytes()
}

// written is a table written by a Writer.
func written(t testing.TB, f sheet.Format, columns []sheet.Column, rows ...[]sheet.Cell) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := sheet.NewWriter(f, &out, sheet.Book{Name: "商品", Columns: columns, Choosable: 100, GuideName: "说明", Guide: [][]string{{"=1+1", "x"}}})
	must(t, err)
	for _, r := range rows {
		must(t, w.Row(r))
	}
	must(t, w.Close())
	return out.Bytes()
}

func TestNumbersAreReadAsTheyWereTyped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value  any
		format string
		want   string
	}{
		"whole":             {168, "", "168"},
		"two decimals":      {168.0, "0.00", "168.00"},
		"a float's tail":    {0.1 + 0.2, "", "0.3"},
		"nineteen":          {19.99, "", "19.99"},
		"rounded when seen": {168.55, "0", "168.55"},
		"thousands":         {1680.5, "#,##0.00", "1680.50"},
		"yuan":              {168.0, `"¥"#,##0.00`, "168.00"},
		"per cent":          {0.09, "0%", "9%"},
		"padded":            {7, "000", "007"},
		"many digits":       {123456789012.34, "", "123456789012.34"},
		"negative":          {-5, "", "-5"},
		"text":              {"168.00", "", "168.00"},
		"text with zeros":   {"007", "", "007"},
	} {
		raw := book(t, func(f *excelize.File, s string) {
			must(t, f.SetCellValue(s, "A1", "head"))
			must(t, f.SetCellValue(s, "A2", c.value))
			if c.format != "" {
				style, err := f.NewStyle(&excelize.Style{CustomNumFmt: &c.format})
				must(t, err)
				must(t, f.SetCellStyle(s, "A2", "A2", style))
			}
		})
		table, err := sheet.Read(raw, sheet.XLSX, sheet.Usual())
		must(t, err)
		if got := table.Rows[0].Cells[0]; got != c.want {
			t.Errorf("%s: read %q, want %q", name, got, c.want)
		}
	}
}

func TestADayIsReadAsItIsSeen(t *testing.T) {
	t.Parallel()
	format := "yyyy-mm-dd"
	raw := book(t, func(f *excelize.File, s string) {
		must(t, f.SetCellValue(s, "A1", "head"))
		must(t, f.SetCellValue(s, "A2", 46023)) // days since 1900
		style, err := f.NewStyle(&excelize.Style{CustomNumFmt: &format})
		must(t, err)
		must(t, f.SetCellStyle(s, "A2", "A2", style))
	})
	table, err := sheet.Read(raw, sheet.XLSX, sheet.Usual())
	must(t, err)
	if got := table.Rows[0].Cells[0]; got != "2026-01-01" {
		t.Errorf("read %q, want 2026-01-01", got)
	}
}

func TestFormulasAndErrorsAreNamedAndNotComputed(t *testing.T) {
	t.Parallel()
	raw := book(t, func(f *excelize.File, s string) {
		must(t, f.SetSheetRow(s, "A1", &[]any{"a", "b", "c"}))
		must(t, f.SetSheetRow(s, "A3", &[]any{"x", 1, 2}))
		must(t, f.SetCellFormula(s, "C3", "B3*2"))
		must(t, f.SetCellFormula(s, "C17", "1/0"))
	})
	table, err := sheet.Read(raw, sheet.XLSX, sheet.Usual())
	must(t, err)
	want := sheet.Table{
		Header: []string{"a", "b", "c"},
		Rows:   []sheet.Row{{N: 3, Cells: []string{"x", "1", ""}}, {N: 17, Cells: []string{"", "", ""}}},
		Flaws:  []sheet.Flaw{{Place: sheet.Place{Row: 3, Column: 3}, Why: sheet.Formula}, {Place: sheet.Place{Row: 17, Column: 3}, Why: sheet.Formula}},
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := table.Flaws[1].String(); got != "C17" {
		t.Errorf("the place is %s, want C17", got)
	}
}

func TestOnlyTheFirstSheetIsRead(t *testing.T) {
	t.Parallel()
	raw := book(t, func(f *excelize.File, s string) {
		must(t, f.SetCellValue(s, "A1", "first"))
		_, err := f.NewSheet("second")
		must(t, err)
		must(t, f.SetCellFormula("second", "A1", "1+1"))
	})
	table, err := sheet.Read(raw, sheet.XLSX, sheet.Usual())
	must(t, err)
	if len(table.Flaws) > 0 || table.Header[0] != "first" {
		t.Errorf("read %+v", table)
	}
}

func TestCSVIsReadInTheEncodingsThatExcelWrites(t *testing.T) {
	t.Parallel()
	text := "编号,名称\r\n\r\nP1,\"莜面,\n两行\"\r\nP2,草原,多\r\nP3\r\n"
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(text)
	must(t, err)
	want := sheet.Table{
		Header: []string{"编号", "名称"},
		Rows: []sheet.Row{
			{N: 3, Cells: []string{"P1", "莜面,\n两行"}}, {N: 4, Cells: []string{"P2", "草原"}}, {N: 5, Cells: []string{"P3", ""}},
		},
		Flaws: []sheet.Flaw{{Place: sheet.Place{Row: 4, Column: 3}, Why: sheet.Ragged}},
	}
	for name, raw := range map[string]string{"UTF-8": text, "with BOM": "\ufeff" + text, "GB18030": gb} {
		table, err := sheet.Read([]byte(raw), sheet.CSV, sheet.Usual())
		must(t, err)
		if diff := cmp.Diff(want, table); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// bomb is a zip whose parts become so many bytes.
func bomb(t *testing.T, size int) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create("xl/worksheets/sheet1.xml")
	must(t, err)
	_, err = w.Write(make([]byte, size))
	must(t, err)
	must(t, z.Close())
	return out.Bytes()
}

func TestWhatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	small := sheet.Limits{Bytes: 100_000, Unpacked: 4 << 20, Ratio: 100, Rows: 3, Columns: 4, Cell: 5}
	header := "a,b\n"
	for name, c := range map[string]struct {
		raw    []byte
		format sheet.Format
		want   error
	}{
		"bytes":             {make([]byte, 100_001), sheet.CSV, sheet.ErrTooLarge},
		"rows":              {[]byte(header + strings.Repeat("1,2\n", 4)), sheet.CSV, sheet.ErrTooLarge},
		"columns":           {[]byte("a,b,c,d,e\n"), sheet.CSV, sheet.ErrTooLarge},
		"unpacked":          {bomb(t, 5<<20), sheet.XLSX, sheet.ErrTooLarge},
		"ratio":             {bomb(t, 3<<20), sheet.XLSX, sheet.ErrTooLarge},
		"no zip":            {[]byte("PK not really"), sheet.XLSX, sheet.ErrUnreadable},
		"no book":           {bomb(t, 10), sheet.XLSX, sheet.ErrUnreadable},
		"nothing":           {nil, sheet.CSV, sheet.ErrUnreadable},
		"blank":             {[]byte("\n\n , \n"), sheet.CSV, sheet.ErrUnreadable},
		"an open quotation": {[]byte("a,\"b\n"), sheet.CSV, sheet.ErrUnreadable},
		"no encoding":       {[]byte("a,\xff\xff\n"), sheet.CSV, sheet.ErrUnreadable},
		"no format":         {[]byte(header), "ods", sheet.ErrUnreadable},
		"far to the right":  {book(t, func(f *excelize.File, s string) { must(t, f.SetCellValue(s, "XFD1", "x")) }), sheet.XLSX, sheet.ErrTooLarge},
	} {
		if _, err := sheet.Read(c.raw, c.format, small); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	table, err := sheet.Read([]byte("a,b\n一二三四五六,2\n1,2\n3,4\n"), sheet.CSV, small)
	must(t, err)
	want := []sheet.Flaw{{Place: sheet.Place{Row: 2, Column: 1}, Why: sheet.TooLong}}
	if diff := cmp.Diff(want, table.Flaws); diff != "" || table.Rows[0].Cells[0] != "一二三四五" {
		t.Errorf("a long cell: %v, -want +got:\n%s", table.Rows[0], diff)
	}
	table, err = sheet.Read([]byte("a,b\n1,x\x00\n"), sheet.CSV, small)
	must(t, err)
	want = []sheet.Flaw{{Place: sheet.Place{Row: 2, Column: 2}, Why: sheet.NoText}}
	if diff := cmp.Diff(want, table.Flaws); diff != "" || table.Rows[0].Cells[1] != "" {
		t.Errorf("a cell with U+0000: %v, -want +got:\n%s", table.Rows[0], diff)
	}
}

func TestMarkedCellsSayWhy(t *testing.T) {
	t.Parallel()
	raw := written(t, sheet.XLSX, []sheet.Column{{Title: "编号", Width: 12}, {Title: "价格", Kind: sheet.Amount}, {Title: "种类", Choices: []string{"A", "B"}}},
		[]sheet.Cell{{Text: "P1"}, {Text: "168.00"}, {Text: "C", Mark: "只能是 A、B"}})
	f, err := excelize.OpenReader(bytes.NewReader(raw))
	must(t, err)
	comments, err := f.GetComments("商品")
	must(t, err)
	if len(comments) != 1 || comments[0].Cell != "C2" || !strings.Contains(fmt.Sprint(comments[0].Text, comments[0].Paragraph), "只能是 A、B") {
		t.Errorf("the comments are %+v, want one on C2", comments)
	}
	plain, err := f.GetCellStyle("商品", "A2")
	must(t, err)
	marked, err := f.GetCellStyle("商品", "C2")
	must(t, err)
	if style, err := f.GetStyle(marked); err != nil || plain == marked || len(style.Fill.Color) != 1 {
		t.Errorf("the marked cell has the style %+v, %v", style, err)
	}
	lists, err := f.GetDataValidations("商品")
	must(t, err)
	if len(lists) != 1 || lists[0].Sqref != "C2:C100" {
		t.Errorf("the choices are %+v, want C2:C100", lists)
	}
	if kind, err := f.GetCellType("商品", "B2"); err != nil || kind != excelize.CellTypeUnset && kind != excelize.CellTypeNumber {
		t.Errorf("the price is of type %v, %v, want a number", kind, err)
	}
	if rows, err := f.GetRows("说明"); err != nil || rows[0][0] != "'=1+1" {
		t.Errorf("the guide is %q, %v", rows, err)
	}
	must(t, f.Close())
}

// TestWhatIsWrittenReadsBackAsItWas draws tables of any storable text, and holds
// that no cell of the file begins as a formula does.
func TestWhatIsWrittenReadsBackAsItWas(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(
		rapid.StringMatching(`'{0,3}[=+\-@\t]?[a-z0-9]{0,5}`),
		rapid.StringMatching(`[0-9]{1,14}(\.[0-9]{1,3})?`),
		rapid.StringMatching(`_x00[0-9A-F]{2}_|[<>&"',;]{1,4}|莜面 ?[A-Z]{1,3}|\r[a-z]`),
		rapid.StringOfN(rapid.RuneFrom([]rune("aé莜\U0001F600 ,;\"'\n=")), 0, 12, -1),
	)
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SliceOfN(rapid.SampledFrom([]sheet.Kind{sheet.Text, sheet.Whole, sheet.Amount, sheet.Exact}), 1, 5).Draw(t, "kinds")
		columns := make([]sheet.Column, len(kinds))
		for i, k := range kinds {
			columns[i] = sheet.Column{Title: fmt.Sprint("=", i), Kind: k}
		}
		want := sheet.Table{}
		for _, c := range columns {
			want.Header = append(want.Header, c.Title)
		}
		var rows [][]sheet.Cell
		for n := range rapid.IntRange(0, 5).Draw(t, "rows") {
			row := sheet.Row{N: n + 2}
			var cells []sheet.Cell
			for range kinds {
				s := strings.TrimRight(text.Draw(t, "text"), " \u3000")
				if strings.TrimSpace(s) == "" { // a cell of white space alone is an empty one
					s = ""
				}
				row.Cells = append(row.Cells, s)
				cells = append(cells, sheet.Cell{Text: s})
			}
			rows = append(rows, cells)
			if strings.TrimSpace(strings.Join(row.Cells, "")) != "" {
				want.Rows = append(want.Rows, row)
			}
		}
		for _, f := range []sheet.Format{sheet.XLSX, sheet.CSV} {
			var out bytes.Buffer
			w, err := sheet.NewWriter(f, &out, sheet.Book{Name: "s", Columns: columns})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				if err := w.Row(r); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			got, err := sheet.Read(out.Bytes(), f, sheet.Usual())
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s -want +got:\n%s", f, diff)
			}
		}
	})
}

// bounded holds what must be so of any table that was read within limits.
func bounded(t *testing.T, table sheet.Table, l sheet.Limits) {
	t.Helper()
	if len(table.Rows) > l.Rows || len(table.Header) > l.Columns || len(table.Header) == 0 {
		t.Fatalf("%d rows of %d columns", len(table.Rows), len(table.Header))
	}
	last := 1
	for _, r := range table.Rows {
		if len(r.Cells) != len(table.Header) || r.N <= last {
			t.Fatalf("row %d after %d has %d cells under a header of %d", r.N, last, len(r.Cells), len(table.Header))
		}
		last = r.N
		for _, c := range r.Cells {
			if len([]rune(c)) > l.Cell {
				t.Fatalf("a cell of %d characters", len([]rune(c)))
			}
		}
	}
}

// parts are what a fuzzer writes of a book: zip holds sums over its parts, which
// hardly any change of the packed bytes would keep.
var parts = []string{"xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml"}

// packed is a book with some of its parts replaced.
func packed(t testing.TB, raw []byte, by map[string][]byte) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	must(t, err)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, f := range in.File {
		body, ok := by[f.Name]
		if !ok {
			body = part(t, f)
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Store})
		must(t, err)
		_, err = w.Write(body)
		must(t, err)
	}
	must(t, z.Close())
	return out.Bytes()
}

func part(t testing.TB, f *zip.File) []byte {
	t.Helper()
	r, err := f.Open()
	must(t, err)
	defer r.Close()
	body, err := io.ReadAll(r)
	must(t, err)
	return body
}

func FuzzXLSX(f *testing.F) {
	l := sheet.Limits{Bytes: 1 << 20, Unpacked: 4 << 20, Ratio: 100, Rows: 50, Columns: 20, Cell: 100}
	whole := book(f, func(b *excelize.File, s string) {
		must(f, b.SetSheetRow(s, "A1", &[]any{"a", "b"}))
		must(f, b.SetSheetRow(s, "A2", &[]any{"x", 0.09}))
		must(f, b.SetCellFormula(s, "B3", "A1"))
		style, err := b.NewStyle(&excelize.Style{NumFmt: 14})
		must(f, err)
		must(f, b.SetCellStyle(s, "B2", "B2", style))
	})
	in, err := zip.NewReader(bytes.NewReader(whole), int64(len(whole)))
	must(f, err)
	seed := make(map[string][]byte)
	for _, p := range in.File {
		seed[p.Name] = part(f, p)
	}
	f.Add(seed[parts[0]], seed[parts[1]], seed[parts[2]], seed[parts[3]])
	f.Fuzz(func(t *testing.T, rows, texts, styles, workbook []byte) {
		raw := packed(t, whole, map[string][]byte{parts[0]: rows, parts[1]: texts, parts[2]: styles, parts[3]: workbook})
		for _, raw := range [][]byte{raw, rows} { // rows alone is no zip
			if table, err := sheet.Read(raw, sheet.XLSX, l); err == nil {
				bounded(t, table, l)
			}
		}
	})
}

func FuzzCSV(f *testing.F) {
	l := sheet.Limits{Bytes: 1 << 20, Rows: 50, Columns: 20, Cell: 100}
	f.Add([]byte("a,b\n\n1,\"2\n3\"\n'=x,y,z\n"))
	f.Add([]byte("\xb1\xe0\xba\xc5,b\n1,2\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if table, err := sheet.Read(raw, sheet.CSV, l); err == nil {
			bounded(t, table, l)
		}
	})
}
