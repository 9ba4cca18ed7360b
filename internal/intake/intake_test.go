package intake_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/xuri/excelize/v2"

	"github.com/shiyi-market/shiyi/internal/assortment"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/intake"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sheet"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/trail"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var miller = shoptest.Seller(shoptest.Miller)

func stocked(t testing.TB) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10)
	return s
}

// header is that of most tests: what a new product needs, and what tests look at.
var header = []string{
	"code", "name", "category", "spec", "net_content", "net_unit", "sale_unit", "kind", "cold_chain",
	"vat_treatment", "return_rule", "ship_zone", "sku_code", "price", "stock",
}

// goods is a good row of a new product.
func goods(n int) []string {
	return []string{
		fmt.Sprintf("P%05d", n), "莜面（虚构示例）", "FLOUR_MIAN", "1kg/袋", "1000", "g", "袋", "PACKAGED_FOOD", "N",
		"9%", "NO_REASON_7D", "NATIONWIDE", fmt.Sprintf("K%05d", n), "168.00", "50",
	}
}

// with is a row with one cell changed.
func with(row []string, key, value string) []string {
	out := append([]string(nil), row...)
	for i, k := range header {
		if k == key {
			out[i] = value
		}
	}
	return out
}

// file is a CSV of rows below the header.
func file(t testing.TB, rows ...[]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	must(t, w.Write(header))
	must(t, w.WriteAll(rows))
	return out.Bytes()
}

// xlsx is the same as a book, its amounts numbers.
func xlsx(t testing.TB, rows ...[]string) []byte {
	t.Helper()
	columns := make([]sheet.Column, len(header))
	for i, k := range header {
		columns[i].Title = k
		switch k {
		case "price":
			columns[i].Kind = sheet.Amount
		case "stock", "net_content":
			columns[i].Kind = sheet.Whole
		}
	}
	var out bytes.Buffer
	w, err := sheet.NewWriter(sheet.XLSX, &out, sheet.Book{Name: "x", Columns: columns})
	must(t, err)
	for _, r := range rows {
		cells := make([]sheet.Cell, len(r))
		for i, text := range r {
			cells[i].Text = text
		}
		must(t, w.Row(cells))
	}
	must(t, w.Close())
	return out.Bytes()
}

func check(t testing.TB, s *shoptest.Shop, f sheet.Format, body []byte) intake.Import {
	t.Helper()
	i, err := s.Intake.Check(t.Context(), miller, merchant.ID{}, f, body)
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	return i
}

// brought checks a sheet, commits it and lets the job write it.
func brought(t testing.TB, s *shoptest.Shop, f sheet.Format, body []byte) intake.Import {
	t.Helper()
	i := check(t, s, f, body)
	if i.State != intake.Checked {
		t.Fatalf("the sheet is %s: %v", i.State, bad(t, s, i))
	}
	_, err := s.Intake.Commit(t.Context(), miller, i.ID)
	must(t, err)
	s.Perform(t)
	return again(t, s, i)
}

func again(t testing.TB, s *shoptest.Shop, i intake.Import) intake.Import {
	t.Helper()
	now, err := s.Intake.Import(t.Context(), miller, i.ID)
	must(t, err)
	return now
}

// bad are the bad cells of an import: "N7 price: message".
func bad(t testing.TB, s *shoptest.Shop, i intake.Import) []string {
	t.Helper()
	var out []string
	for p := (page.Request{Limit: 10}); ; {
		of, err := s.Intake.BadCells(t.Context(), miller, i.ID, p)
		must(t, err)
		for _, b := range of.Data {
			out = append(out, fmt.Sprintf("%s %s: %s", b.Place, b.Code, b.MessageEN))
		}
		if of.Next == "" {
			return out
		}
		p.Cursor = of.Next
	}
}

// tables is how many rows there are of goods, and a digest of all of them.
func tables(t testing.TB, s *shoptest.Shop) (out [6]string) {
	t.Helper()
	for i, table := range []string{"product", "sku", "price_history", "stock", "stock_move", "catalog_directory"} {
		must(t, s.DB.SQL().QueryRowContext(t.Context(),
			`SELECT format('%s %s %s', '`+table+`', count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))) FROM `+table+` t`).Scan(&out[i]))
	}
	return out
}

func product(t testing.TB, s *shoptest.Shop, code string) catalog.Product {
	t.Helper()
	found, err := postgres.Read(t.Context(), s.DB, func(tx *postgres.Tx) ([]catalog.Product, error) {
		return catalog.Known(t.Context(), tx, shoptest.Miller, []string{code}, nil)
	})
	must(t, err)
	if len(found) != 1 {
		t.Fatalf("%d products are called %s", len(found), code)
	}
	return found[0]
}

func TestASheetOfNewGoodsIsTakenOverWhole(t *testing.T) {
	t.Parallel()
	for _, f := range []sheet.Format{sheet.XLSX, sheet.CSV} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			s := stocked(t)
			write := file
			if f == sheet.XLSX {
				write = xlsx
			}
			second := with(with(with(goods(1), "sku_code", "K1-BIG"), "price", "300.5"), "stock", "")
			before := tables(t, s)
			body := write(t, goods(1), second, goods(2))
			i := check(t, s, f, body)
			if i.State != intake.Checked || i.Rows != (intake.Counts{New: 3}) || tables(t, s) != before {
				t.Fatalf("after the check: %+v, goods %v, were %v", i, tables(t, s), before)
			}
			i = brought(t, s, f, body)
			if i.State != intake.Committed || i.Done != 3 || i.All() != 3 {
				t.Errorf("after the commit: %+v", i)
			}
			p := product(t, s, "P00001")
			if p.State != catalog.Draft || p.Name != "莜面（虚构示例）" || p.NetContent != 1000 || len(p.SKUs) != 2 {
				t.Errorf("the product is %+v", p)
			}
			if p.SKUs[0].Price != 16800 || p.SKUs[1].Price != 30050 || p.SKUs[1].Code != "K1-BIG" {
				t.Errorf("its SKUs are %+v", p.SKUs)
			}
			levels, err := s.Inventory.Levels(t.Context(), skus(p))
			must(t, err)
			if levels[skus(p)[0]].Available != 50 || levels[skus(p)[1]].Available != 0 || len(levels) != 2 {
				t.Errorf("the stock is %+v", levels)
			}
			prices, err := s.Catalog.Prices(t.Context(), p.SKUs[0].ID, 10)
			must(t, err)
			if len(prices) != 1 || prices[0].Actor != miller.Account.UUID() {
				t.Errorf("the prices were %+v", prices)
			}
			done := tables(t, s)
			i = brought(t, s, f, body)
			if i.Rows != (intake.Counts{Unchanged: 3}) || tables(t, s) != done {
				t.Errorf("the same sheet again: %+v, goods %v, were %v", i.Rows, tables(t, s), done)
			}
		})
	}
}

func TestASheetChangesWhatItNamesAndNothingElse(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	brought(t, s, sheet.CSV, file(t, goods(1), goods(2)))
	s.Clock.Advance(time.Second)
	before := product(t, s, "P00001")
	i := brought(t, s, sheet.CSV, []byte("价格（元）,商品编号,规格编号\n199.90,P00001,K00001\n168.00,P00002,K00002\n"))
	if i.Rows != (intake.Counts{Changed: 1, Unchanged: 1}) {
		t.Errorf("the rows are %+v", i.Rows)
	}
	after := product(t, s, "P00001")
	want := before
	want.SKUs = append([]catalog.SKU(nil), before.SKUs...)
	want.SKUs[0].Price = 19990
	if diff := cmp.Diff(want, after, cmp.Comparer(func(a, b catalog.SKUID) bool { return a == b }), cmp.Comparer(func(a, b catalog.ProductID) bool { return a == b }), cmp.Comparer(func(a, b merchant.ID) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	prices, err := s.Catalog.Prices(t.Context(), after.SKUs[0].ID, 10)
	must(t, err)
	if len(prices) != 2 || prices[0].Price != 19990 {
		t.Errorf("the prices were %+v", prices)
	}
	renamed := with(goods(2), "name", "荞面（虚构示例）")
	i = brought(t, s, sheet.CSV, file(t, renamed, with(with(renamed, "sku_code", "NEW"), "stock", "7")))
	p := product(t, s, "P00002")
	if i.Rows != (intake.Counts{New: 1, Changed: 1}) || p.Name != "荞面（虚构示例）" || len(p.SKUs) != 2 || p.SKUs[1].Position != 2 {
		t.Errorf("%+v made %+v", i.Rows, p)
	}
}

func TestASheetThatDescribesGoodsAnewTakesThemOffSaleUntilTheyAreReviewed(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	sold, err := s.Sell(t.Context(), shoptest.Product(shoptest.Miller, "oats", 100, catalog.Description{Category: "FLOUR_MIAN", Name: "莜面（虚构示例）"}), 5)
	must(t, err)
	s.Clock.Advance(time.Second)
	brought(t, s, sheet.CSV, []byte("商品编号,规格编号,价格（元）\noats,OATS,1.20\n"))
	if p := product(t, s, "oats"); p.State != catalog.OnSale || p.SKUs[0].Price != 120 || p.Version != sold.Version {
		t.Errorf("a price needs no review: %+v", p)
	}
	brought(t, s, sheet.CSV, []byte("商品编号,规格编号,名称\noats,OATS,莜麦面（虚构示例）\n"))
	if p := product(t, s, "oats"); p.State != catalog.Draft || p.Name != "莜麦面（虚构示例）" {
		t.Errorf("described anew it is %s: %+v", p.State, p)
	}
	if _, err := s.Catalog.Product(t.Context(), sold.ID); err == nil {
		t.Error("what nobody has reviewed is shown")
	}
}

func TestEachBadCellIsNamedWithItsReason(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	brought(t, s, sheet.CSV, file(t, goods(1)))
	before := tables(t, s)
	i := check(t, s, sheet.CSV, file(t,
		with(goods(1), "stock", "51"),
		with(goods(2), "price", "168.001"),
		with(goods(3), "price", "0"),
		with(goods(4), "category", "SHOES"),
		with(goods(5), "name", ""),
		with(goods(6), "net_unit", ""),
		with(goods(7), "return_rule", "NEVER"),
		with(goods(8), "stock", "-1"),
		with(goods(9), "code", ""),
		with(goods(10), "sku_code", "K00008"),
		with(goods(11), "sku_code", "FLOUR"),
		with(with(goods(8), "sku_code", "K8-2"), "name", "另一个"),
		with(goods(12), "name", strings.Repeat("长", 121)),
		with(goods(13), "net_content", "1.5"),
		with(goods(14), "cold_chain", "冷藏"),
		with(goods(15), "code", strings.Repeat("P", 33)),
		with(goods(16), "name", "a\tb"),
	))
	want := []string{
		"O2 stock_opened: stock was opened with 50; adjust the stock instead",
		"N3 price: must be an amount in yuan above zero with at most two decimals, such as 168.00",
		"N4 price: must be an amount in yuan above zero with at most two decimals, such as 168.00",
		"C5 enum: must be one of MEAT, LIQUOR, OIL, GRAIN_MAI, FLOUR_MIAN, POTATO_SHU, DAIRY, EGG, LAMP, TOURISM",
		"B6 required: is required",
		"E7 unit: grams (g) or millilitres (mL) above zero, or neither",
		"K8 enum: must be one of NO_REASON_7D, NO_REASON_7D_UNOPENED, EXEMPT_FRESH, VOUCHER_RULE",
		"O9 integer: must be a whole number from 0 to 1000000000",
		"A10 required: is required",
		"M11 duplicate: row 9 has the same SKU code",
		"M12 taken: product flour has this SKU code",
		"B13 differs: row 9 is the same product and says something else",
		"B14 length: 1 to 120 characters",
		"E15 integer: must be a whole number from 0 to 1000000000",
		"A17 length: 1 to 32 characters",
		"B18 length: 1 to 120 characters",
	}
	if diff := cmp.Diff(want, bad(t, s, i)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if i.State != intake.Failed || i.BadCells != len(want) || i.Rows.Bad != len(want) || i.Rows.New != 1 {
		t.Errorf("the import is %+v", i)
	}
	if _, err := s.Intake.Commit(t.Context(), miller, i.ID); !errors.Is(err, intake.ErrState) {
		t.Errorf("its commit: %v, want %v", err, intake.ErrState)
	}
	s.Perform(t)
	if got := tables(t, s); got != before {
		t.Errorf("goods were written: %v, were %v", got, before)
	}
}

func TestHeadersAreKnownByAnyOfTheirNames(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	for name, c := range map[string]struct {
		head string
		want error
	}{
		"no SKU code":  {"商品编号,名称\nP,x\n", assortment.ErrColumns},
		"no sheet":     {"", sheet.ErrUnreadable},
		"both strange": {"a,b\n1,2\n", assortment.ErrColumns},
	} {
		if _, err := s.Intake.Check(t.Context(), miller, merchant.ID{}, sheet.CSV, []byte(c.head)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	i := check(t, s, sheet.CSV, []byte("商品编号 / Product code *,SKU CODE, 价格（元）*,价格（元）,colour\nflour,FLOUR,33.00,1,red\n"))
	want := []string{
		"D1 duplicate_column: this column comes more than once", "E1 unknown_column: there is no such column; use the header of the template",
	}
	if diff := cmp.Diff(want, bad(t, s, i)); diff != "" || i.Rows != (intake.Counts{Unchanged: 1}) {
		t.Errorf("%+v -want +got:\n%s", i.Rows, diff)
	}
	i = check(t, s, sheet.CSV, []byte("code,sku_code,price\nnew,NEW,33.00\n"))
	if got := bad(t, s, i); len(got) != 1 || !strings.HasPrefix(got[0], "A2 missing_columns: new goods need these columns, too: Name, Category") {
		t.Errorf("a new product without its columns: %q", got)
	}
}

// large is a sheet of so many new products.
func large(n int) [][]string {
	rows := make([][]string, n)
	for i := range rows {
		rows[i] = goods(i)
	}
	return rows
}

func TestThirtySevenBadCellsInFiveThousandRowsAreAllFound(t *testing.T) {
	t.Parallel()
	if pgtest.Raced {
		t.Skip("five thousand rows take the race detector minutes")
	}
	s := stocked(t)
	before := tables(t, s)
	rows := large(5000)
	var want, places []string
	for n := range 37 {
		at := 17 + n*133
		plant := [][4]string{
			{"price", "16,8", "N", "price: must be an amount in yuan above zero with at most two decimals, such as 168.00"},
			{"category", "x", "C", "enum: must be one of MEAT, LIQUOR, OIL, GRAIN_MAI, FLOUR_MIAN, POTATO_SHU, DAIRY, EGG, LAMP, TOURISM"},
			{"stock", "many", "O", "integer: must be a whole number from 0 to 1000000000"},
			{"name", "", "B", "required: is required"},
		}[n%4]
		rows[at] = with(rows[at], plant[0], plant[1])
		places = append(places, fmt.Sprintf("%s%d", plant[2], at+2))
		want = append(want, places[n]+" "+plant[3])
	}
	body := xlsx(t, rows...)
	start := time.Now()
	i := check(t, s, sheet.XLSX, body)
	t.Logf("5,000 rows (%d bytes) are checked in %v", len(body), time.Since(start))
	if diff := cmp.Diff(want, bad(t, s, i)); diff != "" || i.Rows != (intake.Counts{New: 4963, Bad: 37}) || tables(t, s) != before {
		t.Errorf("%+v -want +got:\n%s", i.Rows, diff)
	}
	start = time.Now()
	var out bytes.Buffer
	must(t, s.Intake.Returned(t.Context(), miller, i.ID, &out))
	t.Logf("it is returned in %v", time.Since(start))
	f, err := excelize.OpenReader(&out)
	must(t, err)
	defer f.Close()
	comments, err := f.GetComments(f.GetSheetList()[0])
	must(t, err)
	var got []string
	for _, c := range comments {
		got = append(got, c.Cell)
	}
	if diff := cmp.Diff(places, got); diff != "" {
		t.Errorf("the comments of the returned sheet: -want +got:\n%s", diff)
	}
}

func TestFiveThousandRowsAreWrittenAtOnce(t *testing.T) {
	t.Parallel()
	if pgtest.Raced {
		t.Skip("five thousand rows take the race detector minutes")
	}
	s := stocked(t)
	body := xlsx(t, large(5000)...)
	start, statements := time.Now(), s.DB.Statements()
	i := check(t, s, sheet.XLSX, body)
	checked := time.Since(start)
	_, err := s.Intake.Commit(t.Context(), miller, i.ID)
	must(t, err)
	s.Perform(t)
	t.Logf("checked in %v, written in %v, with %d statements", checked, time.Since(start)-checked, s.DB.Statements()-statements)
	if i = again(t, s, i); i.State != intake.Committed || i.Done != 5000 {
		t.Fatalf("the import is %+v", i)
	}
	if n := s.DB.Statements() - statements; n > 500 { // 500 products are written at once, and 200 found anew
		t.Errorf("%d statements for 5,000 rows: they go row by row", n)
	}
	done := tables(t, s)
	i = brought(t, s, sheet.XLSX, body)
	if i.Rows != (intake.Counts{Unchanged: 5000}) || tables(t, s) != done {
		t.Errorf("the same sheet again: %+v", i.Rows)
	}
	for _, f := range []sheet.Format{sheet.XLSX, sheet.CSV} {
		var out bytes.Buffer
		start = time.Now()
		must(t, s.Intake.Export(t.Context(), miller, merchant.ID{}, f, &out))
		t.Logf("exported as %s (%d bytes) in %v", f, out.Len(), time.Since(start))
		body, err := firstRows(out.Bytes(), f, 5000)
		must(t, err)
		if i := check(t, s, f, body); i.Rows != (intake.Counts{Unchanged: 5000}) {
			t.Errorf("the export as %s brought again: %+v %v", f, i.Rows, bad(t, s, i)[:1])
		}
	}
}

// firstRows cuts a file down to so many rows: an export may be longer than what is
// taken at once.
func firstRows(body []byte, f sheet.Format, n int) ([]byte, error) {
	l := sheet.Usual()
	l.Rows++
	table, err := sheet.Read(body, f, l)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	b := sheet.Book{Name: "x"}
	for _, h := range table.Header {
		b.Columns = append(b.Columns, sheet.Column{Title: h})
	}
	w, err := sheet.NewWriter(f, &out, b)
	if err != nil {
		return nil, err
	}
	for _, r := range table.Rows[:n] {
		cells := make([]sheet.Cell, len(r.Cells))
		for i, c := range r.Cells {
			cells[i].Text = c
		}
		if err := w.Row(cells); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return out.Bytes(), err
}

func TestAnExportBroughtAgainChangesNothing(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	odd := with(with(goods(2), "name", "=1+1 “莜面”, 'x'"), "spec", "-5 @ +7")
	brought(t, s, sheet.CSV, file(t, goods(1), with(with(goods(1), "sku_code", "B"), "price", "99999999.99"), odd))
	before := tables(t, s)
	for _, f := range []sheet.Format{sheet.XLSX, sheet.CSV} {
		var out bytes.Buffer
		must(t, s.Intake.Export(t.Context(), miller, shoptest.Miller, f, &out))
		if f == sheet.CSV && (!strings.HasPrefix(out.String(), "\ufeff") || strings.Contains(out.String(), ",=") || strings.Contains(out.String(), `"=`)) {
			t.Errorf("the CSV could compute: %s", out.String())
		}
		i := brought(t, s, f, out.Bytes())
		if i.Rows != (intake.Counts{Unchanged: 4}) || tables(t, s) != before {
			t.Errorf("%s: %+v", f, i.Rows)
		}
	}
	if err := s.Intake.Export(t.Context(), miller, shoptest.Distiller, sheet.CSV, &bytes.Buffer{}); !errors.Is(err, intake.ErrMerchant) {
		t.Errorf("another enterprise's goods: %v, want %v", err, intake.ErrMerchant)
	}
}

func TestTheTemplateIsTakenAndExplainsItself(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	var out bytes.Buffer
	must(t, s.Intake.Template(t.Context(), &out))
	if i := check(t, s, sheet.XLSX, out.Bytes()); i.State != intake.Checked || i.Rows != (intake.Counts{}) {
		t.Errorf("the empty template: %+v", i)
	}
	f, err := excelize.OpenReader(&out)
	must(t, err)
	defer f.Close()
	if names := f.GetSheetList(); len(names) != 2 {
		t.Errorf("the sheets are %q, want goods and a guide", names)
	}
}

// A returned sheet may be mended and brought again as it is.
func TestAReturnedSheetIsMendedAndBroughtAgain(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	i := check(t, s, sheet.CSV, file(t, goods(1), with(goods(2), "price", "=168")))
	var out bytes.Buffer
	must(t, s.Intake.Returned(t.Context(), miller, i.ID, &out))
	f, err := excelize.OpenReader(&out)
	must(t, err)
	name := f.GetSheetList()[0]
	if why, err := f.GetCellValue(name, "P3"); err != nil || !strings.Contains(why, "N3") || !strings.Contains(why, "168.00") {
		t.Errorf("the reasons of row 3 are %q, %v", why, err)
	}
	must(t, f.SetCellValue(name, "N3", 168))
	var mended bytes.Buffer
	must(t, f.Write(&mended))
	must(t, f.Close())
	if i := brought(t, s, sheet.XLSX, mended.Bytes()); i.Rows != (intake.Counts{New: 2}) {
		t.Errorf("the mended sheet: %+v", i.Rows)
	}
}

func TestAnotherEnterprisesImportIsNotFound(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	i := check(t, s, sheet.CSV, file(t, goods(1)))
	for name, other := range map[string]identity.Caller{"distiller": shoptest.Seller(shoptest.Distiller), "buyer": shoptest.Buyer("ann"), "operator": shoptest.Operator} {
		_, err1 := s.Intake.Import(t.Context(), other, i.ID)
		_, err2 := s.Intake.BadCells(t.Context(), other, i.ID, page.Request{})
		_, err3 := s.Intake.Commit(t.Context(), other, i.ID)
		err4 := s.Intake.Returned(t.Context(), other, i.ID, &bytes.Buffer{})
		for n, err := range []error{err1, err2, err3, err4} {
			if !errors.Is(err, intake.ErrImport) {
				t.Errorf("%s, call %d: %v, want %v", name, n, err, intake.ErrImport)
			}
		}
		if all, err := s.Intake.Imports(t.Context(), other, page.Request{}); err != nil || len(all.Data) > 0 {
			t.Errorf("%s lists %v, %v", name, all.Data, err)
		}
		if _, err := s.Intake.Check(t.Context(), other, shoptest.Miller, sheet.CSV, file(t, goods(1))); !errors.Is(err, intake.ErrMerchant) {
			t.Errorf("%s brings a sheet of the miller's: %v, want %v", name, err, intake.ErrMerchant)
		}
	}
}

func TestImportsAreListedTheNewestFirst(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	var want []intake.Import
	for n := range 3 {
		s.Clock.Advance(time.Minute)
		want = slices.Insert(want, 0, again(t, s, check(t, s, sheet.CSV, file(t, goods(n)))))
	}
	var got []intake.Import
	for p := (page.Request{Limit: 2}); ; {
		all, err := s.Intake.Imports(t.Context(), miller, p)
		must(t, err)
		got = append(got, all.Data...)
		if p.Cursor = all.Next; p.Cursor == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %+v, want %+v", got, want)
	}
}

func TestTwoCommitsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	i := check(t, s, sheet.CSV, file(t, goods(1)))
	s.Clock.Advance(time.Second)
	pgtest.AtOnce(t, 4, func(int) error {
		_, err := s.Intake.Commit(t.Context(), miller, i.ID)
		return err
	})
	s.Clock.Advance(time.Second)
	w := intake.Write{Merchant: shoptest.Miller, Import: i.ID}
	pgtest.AtOnce(t, 3, func(int) error { return s.Intake.Write(t.Context(), w) })
	s.Perform(t)
	var prices int
	must(t, s.DB.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM price_history h JOIN sku s ON s.id = h.sku_id WHERE s.code = 'K00001'`).Scan(&prices))
	if prices != 1 || again(t, s, i).State != intake.Committed {
		t.Errorf("%d prices, the import is %+v", prices, again(t, s, i))
	}
	entries, err := s.Trail.Entries(t.Context(), page.Request{}, trailOf(i))
	must(t, err)
	var ops []string
	for _, e := range entries.Data {
		ops = append(ops, e.Operation)
	}
	if diff := cmp.Diff([]string{"intake.write", "intake.commit", "intake.check"}, ops); diff != "" {
		t.Errorf("the trail: -want +got:\n%s", diff)
	}
}

func TestGoodsThatChangedAfterTheCheckAreNotWrittenOver(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	brought(t, s, sheet.CSV, file(t, goods(1), goods(2)))
	i := check(t, s, sheet.CSV, file(t, with(goods(1), "price", "1.00"), with(goods(2), "price", "2.00"), goods(3)))
	p := product(t, s, "P00002")
	_, err := s.Catalog.SetPrice(t.Context(), miller, p.SKUs[0].ID, 777)
	must(t, err)
	before := tables(t, s)
	_, err = s.Intake.Commit(t.Context(), miller, i.ID)
	must(t, err)
	s.Perform(t)
	if got := again(t, s, i); got.State != intake.Failed || got.Rows.Bad != 1 || got.Done != 0 || tables(t, s) != before {
		t.Errorf("the import is %+v", got)
	}
	if got := bad(t, s, i); len(got) != 1 || !strings.HasPrefix(got[0], "A3 overtaken") {
		t.Errorf("the bad cells are %q", got)
	}
}

// TestAJobThatEndsHalfWayWritesNothing ends the job's context while it holds the
// goods, as a worker that is killed would.
func TestAJobThatEndsHalfWayWritesNothing(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	i := check(t, s, sheet.CSV, file(t, large(1500)...))
	_, err := s.Intake.Commit(t.Context(), miller, i.ID)
	must(t, err)
	before := tables(t, s)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	ended := make(chan error, 1)
	go func() { ended <- s.Intake.Write(ctx, intake.Write{Merchant: shoptest.Miller, Import: i.ID}) }()
	for done := 0; done == 0; { // what is seen while it runs
		now := again(t, s, i)
		if done = now.Done; now.State == intake.Committed {
			t.Fatal("it was written before anybody saw how far it is")
		}
		if done > 0 && (done >= now.All() || done%500 != 0) {
			t.Errorf("%d of %d rows are written", done, now.All())
		}
	}
	kill()
	if err := <-ended; err == nil {
		t.Skip("the job was faster than its end")
	}
	if got := tables(t, s); got != before || again(t, s, i).State != intake.Committing {
		t.Errorf("goods %v, were %v; the import is %+v", got, before, again(t, s, i))
	}
	s.Perform(t)
	if got := again(t, s, i); got.State != intake.Committed || got.Done != 1500 {
		t.Errorf("after the second attempt: %+v", got)
	}
}

func TestSheetsAreForgotten(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	i := check(t, s, sheet.CSV, file(t, goods(1)))
	failed := check(t, s, sheet.CSV, file(t, with(goods(1), "price", "x")))
	s.Clock.Advance(intake.KeptBody + time.Second)
	if n, err := s.Intake.Forget(t.Context(), 10); n != 2 || err != nil {
		t.Errorf("%d sheets are forgotten, %v, want 2", n, err)
	}
	if n, err := s.Intake.Forget(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("%d sheets are forgotten again, %v", n, err)
	}
	if _, err := s.Intake.Commit(t.Context(), miller, i.ID); !errors.Is(err, intake.ErrGone) {
		t.Errorf("its commit: %v, want %v", err, intake.ErrGone)
	}
	if err := s.Intake.Returned(t.Context(), miller, failed.ID, &bytes.Buffer{}); !errors.Is(err, intake.ErrGone) {
		t.Errorf("its sheet: %v, want %v", err, intake.ErrGone)
	}
	if got := bad(t, s, failed); got != nil {
		t.Errorf("its bad cells are kept: %q", got)
	}
	for n := range 21 {
		check(t, s, sheet.CSV, file(t, goods(n)))
		s.Clock.Advance(time.Second)
	}
	var kept int
	must(t, s.DB.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM import WHERE length(body) > 0`).Scan(&kept))
	if kept != 20 {
		t.Errorf("%d sheets are kept, want 20", kept)
	}
}

func TestTheDatabaseGuardsTheStates(t *testing.T) {
	t.Parallel()
	s := stocked(t)
	checked := check(t, s, sheet.CSV, file(t, goods(1)))
	failed := check(t, s, sheet.CSV, file(t, with(goods(2), "price", "x")))
	committing := check(t, s, sheet.CSV, file(t, goods(3)))
	committed := brought(t, s, sheet.CSV, file(t, goods(4)))
	_, err := s.Intake.Commit(t.Context(), miller, committing.ID)
	must(t, err)
	pgtest.Moves(t, s.DB, "import", "state = $1, bad_cells = 0", rowsOf(map[string]intake.Import{
		"checked": checked, "failed": failed, "committing": committing, "committed": committed,
	}), "checked>committing", "committing>committed", "committing>failed")
}

func rowsOf(imports map[string]intake.Import) map[string]uuid.UUID {
	out := make(map[string]uuid.UUID)
	for state, i := range imports {
		out[state] = i.ID.UUID()
	}
	return out
}

func skus(p catalog.Product) []uuid.UUID {
	var out []uuid.UUID
	for _, k := range p.SKUs {
		out = append(out, k.ID.UUID())
	}
	return out
}

func trailOf(i intake.Import) trail.Filter { return trail.Filter{Object: "import:" + i.ID.String()} }
