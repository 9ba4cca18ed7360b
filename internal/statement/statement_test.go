package statement_test

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/xuri/excelize/v2"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pdf/pdftest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/sheet"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/statement"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// trade sells over three days, of which the second is the period: one order of the
// miller's before, three in it, of which one is refunded in part, one after; and payouts.
func trade(t *testing.T) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 100)
	sell := func(n int) order.Checkout {
		t.Helper()
		c := s.Place(t, "ann", shoptest.Choose("flour", n, "liquor", 1))
		s.Pay(t, c.PayURL)
		s.Clock.Advance(time.Second)
		return s.Checkout(t, c)
	}
	book := func(kind, ref, what string, from, to ledger.Account, li money.Li) {
		t.Helper()
		must(t, postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
			return ledger.Book(t.Context(), tx, []ledger.Transfer{{Home: shoptest.Miller.UUID(), Kind: kind, Ref: ref, Moves: []ledger.Move{{What: what, From: from, To: to, Amount: li}}}})
		}))
	}
	owed, outside := ledger.Payable(shoptest.Miller.UUID()), ledger.World("merchant:"+shoptest.Miller.String())
	at := func(clock string) {
		t.Helper()
		when, err := time.Parse(time.RFC3339, clock)
		must(t, err)
		s.Clock.Set(when)
	}
	at("2026-11-23T23:59:58+08:00")
	sell(1)
	at("2026-11-24T00:00:00+08:00")
	c := sell(2)
	sell(3)
	for _, o := range c.Orders {
		if o.Merchant == shoptest.Miller {
			_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, o.ID,
				order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: "damaged"}, request.Claim{}, nil)
			must(t, err)
		}
	}
	s.Perform(t)
	at("2026-11-24T12:00:00+08:00")
	book("payout", "p1", "payout", owed, outside, 50001)
	book("payout_reversal", "p1", "payout", outside, owed, 20000)
	book("dispute", "d1", "goods", owed, "disputed:d1", 33000)
	book("gift", "g1", "gift", ledger.World("somebody"), owed, 7)
	at("2026-11-24T23:59:58+08:00")
	sell(1)
	at("2026-11-25T00:00:00+08:00")
	sell(5)
	return s
}

func day(from, until merchant.Date) statement.Period {
	return statement.Period{From: from, Until: until}
}

func TestAStatementLeadsFromItsOpeningToItsClosing(t *testing.T) {
	t.Parallel()
	s := trade(t)
	statements, seller := statement.New(s.DB), shoptest.Seller(shoptest.Miller)
	of := func(p statement.Period) statement.Statement {
		t.Helper()
		st, err := statements.Statement(t.Context(), seller, merchant.ID{}, p)
		must(t, err)
		return st
	}
	before, in, later := of(day("2026-11-01", "2026-11-23")), of(day("2026-11-24", "2026-11-24")), of(day("2026-11-25", "2026-11-30"))
	want := statement.Sums{
		Orders: 3, Refunds: 1, Goods: 6 * 33000, Tenth: 6 * 3300, RefundedGoods: 33000, ReturnedTenth: 3300,
		Disputes: -33000, Payouts: 50001, Reversals: 20000, Other: 7,
	}
	if diff := cmp.Diff(want, in.Sums); diff != "" {
		t.Errorf("the day's sums (-want +got):\n%s", diff)
	}
	if before.Opening != 0 || before.Closing != 29700 || in.Opening != before.Closing || later.Opening != in.Closing {
		t.Errorf("it opens and closes with %v %v, %v %v, %v %v", before.Opening, before.Closing, in.Opening, in.Closing, later.Opening, later.Closing)
	}
	for _, st := range []statement.Statement{before, in, later} {
		if st.Closing != st.Opening+st.Sums.Net() {
			t.Errorf("%v: %v and %v are not %v", st.Period, st.Opening, st.Sums.Net(), st.Closing)
		}
	}
	if held := s.Held(t, ledger.Payable(shoptest.Miller.UUID())); later.Closing != held {
		t.Errorf("it closes with %v, the book says %v", later.Closing, held)
	}
	if all := of(day("2026-11-01", "2026-11-30")); all.Closing != later.Closing || all.Sums.Orders != 5 {
		t.Errorf("the month closes with %v after %d orders", all.Closing, all.Sums.Orders)
	}
}

func TestTheLinesOfAStatementAddUp(t *testing.T) {
	t.Parallel()
	s := trade(t)
	statements, seller, p := statement.New(s.DB), shoptest.Seller(shoptest.Miller), day("2026-11-24", "2026-11-24")
	st, err := statements.Statement(t.Context(), seller, shoptest.Miller, p)
	must(t, err)
	var lines []statement.Line
	for r := (page.Request{Limit: 3}); ; {
		some, err := statements.Lines(t.Context(), seller, shoptest.Miller, p, r)
		must(t, err)
		lines = append(lines, some.Data...)
		if r.Cursor = some.Next; r.Cursor == "" {
			break
		}
	}
	var owed money.Li
	var refundOf uuid.UUID
	seen := map[string]int{}
	for _, l := range lines {
		owed += l.Sums.Net()
		seen[l.Kind]++
		if l.Kind == "refund" {
			refundOf = l.Order
		}
	}
	if diff := cmp.Diff(map[string]int{"sale": 3, "refund": 1, "payout": 1, "payout_reversal": 1, "dispute": 1, "gift": 1}, seen); diff != "" || owed != st.Sums.Net() {
		t.Errorf("the lines add up to %v, want %v (-want +got):\n%s", owed, st.Sums.Net(), diff)
	}
	if lines[0].Order != refundOf || refundOf == uuid.Nil {
		t.Errorf("the refund is of order %v, want %v", refundOf, lines[0].Order)
	}

	var book bytes.Buffer
	must(t, statements.Sheet(t.Context(), seller, merchant.ID{}, p, &book))
	read, err := sheet.Read(book.Bytes(), sheet.XLSX, sheet.Usual())
	must(t, err)
	last := read.Rows[len(read.Rows)-1]
	if n := len(read.Rows); n != len(lines)+1 || last.Cells[len(last.Cells)-1] != st.Sums.Net().String() || read.Rows[0].Cells[2] != refundOf.String() {
		t.Errorf("the book has %d rows, the last %v; want %d and %v", n, last.Cells, len(lines)+1, st.Sums.Net())
	}
	parsed, err := excelize.OpenReader(bytes.NewReader(book.Bytes()))
	must(t, err)
	guide, err := parsed.GetRows("对账单")
	must(t, err)
	if got := guide[len(guide)-1]; len(got) != 2 || got[1] != st.Closing.String() {
		t.Errorf("its other sheet ends with %v, want %v", got, st.Closing)
	}

	var paper bytes.Buffer
	missing, err := statements.Paper(t.Context(), seller, merchant.ID{}, p, &paper)
	must(t, err)
	texts := pdftest.Texts(t, paper.Bytes())
	for _, row := range guide[7:] { // each figure of the book stands on paper, after its name
		if i := slices.Index(texts, row[0]); i < 0 || texts[i+1] != row[1] {
			t.Errorf("%s is %s in the book, and not on paper", row[0], row[1])
		}
	}
	net := strings.Split(strings.Join(texts, "\n"), "\n合计\n")
	if rows := read.Rows[len(read.Rows)-1].Cells; len(net) != 2 || !strings.HasPrefix(net[1], "\n\n"+strings.Join(rows[4:], "\n")) && !strings.HasPrefix(net[1], strings.Join(rows[4:], "\n")) {
		t.Errorf("the paper's sum is %q, the book's %v", net[len(net)-1], rows[4:])
	}
	if len(missing) != 0 {
		t.Errorf("the paper lacks %q", string(missing))
	}
}

func TestALongStatementSaysOnItsLastPageWhereTheRestIs(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 1)
	const lines = 2003
	gifts := make([]ledger.Transfer, lines)
	for i := range gifts {
		gifts[i] = ledger.Transfer{Home: shoptest.Miller.UUID(), Kind: "gift", Ref: strconv.Itoa(i), Moves: []ledger.Move{
			{What: "gift", From: ledger.World("somebody"), To: ledger.Payable(shoptest.Miller.UUID()), Amount: 1000},
		}}
	}
	must(t, postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error { return ledger.Book(t.Context(), tx, gifts) }))
	var paper bytes.Buffer
	missing, err := statement.New(s.DB).Paper(t.Context(), shoptest.Seller(shoptest.Miller), merchant.ID{}, day("2026-11-01", "2026-11-30"), &paper)
	must(t, err)
	texts := pdftest.Texts(t, paper.Bytes())
	sum := slices.Index(texts, "合计")
	if sum < 0 || !slices.Contains(texts[sum:], "2003.000") {
		t.Errorf("the sum is %v", texts[max(sum, 0):])
	}
	rest := strings.Join(texts[max(sum, 0):], "\n")
	for _, want := range []string{"共 2003 条，此处列出前 2000 条，其余 3 条见电子表格（XLSX）", "Of 2003 lines the first 2000 are printed; the other 3 are in the XLSX. The sums are of all."} {
		if !strings.Contains(rest, want) {
			t.Errorf("behind the lines stands %q, want %q", rest, want)
		}
	}
	if len(missing) != 0 {
		t.Errorf("the paper lacks %q", string(missing))
	}
}

func TestTheEnterprisesTogetherAreTheFund(t *testing.T) {
	t.Parallel()
	s := trade(t)
	statements := statement.New(s.DB)
	all, err := statements.Overview(t.Context(), day("2026-11-01", "2026-11-30"))
	must(t, err)
	st, err := s.Fund.Statement(t.Context())
	must(t, err)
	if len(all.Statements) != 2 || all.FundLevied != st.LeviedLi || all.Total.Sums.Tenth-all.Total.Sums.ReturnedTenth != st.LeviedLi {
		t.Errorf("%d enterprises were levied %v, the fund %v in the period and %v in all", len(all.Statements), all.Total.Sums.Tenth-all.Total.Sums.ReturnedTenth, all.FundLevied, st.LeviedLi)
	}
	one, err := statements.Overview(t.Context(), day("2026-11-24", "2026-11-24"))
	must(t, err)
	if one.FundLevied != one.Total.Sums.Tenth-one.Total.Sums.ReturnedTenth || one.FundLevied == all.FundLevied || one.FundLevied <= 0 {
		t.Errorf("on one day the fund grew by %v, and %v were levied", one.FundLevied, one.Total.Sums.Tenth-one.Total.Sums.ReturnedTenth)
	}

	incomes, err := statements.Incomes(t.Context(), statement.Quarter(2026, 4))
	must(t, err)
	mill := incomes[0]
	if len(incomes) != 2 || mill.Enterprise.USCC != shoptest.USCC(1) || mill.Orders != 5 || mill.Gross != 12*33000 || mill.Net() != 11*33000 {
		t.Errorf("incomes %+v", incomes)
	}
	if none, err := statements.Incomes(t.Context(), statement.Quarter(2026, 3)); err != nil || len(none) != 0 {
		t.Errorf("in another quarter: %v, %v", none, err)
	}
	var book bytes.Buffer
	must(t, statements.IncomeSheet(t.Context(), statement.Quarter(2026, 4), &book))
	read, err := sheet.Read(book.Bytes(), sheet.XLSX, sheet.Usual())
	must(t, err)
	want := []string{mill.Enterprise.LegalName, shoptest.USCC(1), "2026-10-01", "2026-12-31", "5", "396.000", "33.000", "363.000"}
	if diff := cmp.Diff(want, read.Rows[0].Cells); diff != "" {
		t.Errorf("the report's first row (-want +got):\n%s", diff)
	}
}

func TestAStatementIsItsEnterprisesAndOfATime(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 1)
	statements, p := statement.New(s.DB), day("2026-11-01", "2026-11-30")
	for _, other := range []identity.Caller{shoptest.Seller(shoptest.Distiller), shoptest.Operator, shoptest.Buyer("ann")} {
		if _, err := statements.Statement(t.Context(), other, shoptest.Miller, p); !errors.Is(err, statement.ErrMerchant) {
			t.Errorf("another's: %v, want %v", err, statement.ErrMerchant)
		}
		if err := statements.Sheet(t.Context(), other, shoptest.Miller, p, new(bytes.Buffer)); !errors.Is(err, statement.ErrMerchant) {
			t.Errorf("another's book: %v, want %v", err, statement.ErrMerchant)
		}
	}
	gone := id.New[merchant.Merchant](s.Clock.Now())
	if _, err := statements.Statement(t.Context(), shoptest.Seller(gone), gone, p); !errors.Is(err, statement.ErrMerchant) {
		t.Errorf("of none: %v, want %v", err, statement.ErrMerchant)
	}
	for _, bad := range []statement.Period{
		{}, day("2026-11-02", "2026-11-01"), day("2019-12-31", "2020-01-01"), day("2025-01-01", "2026-01-02"), day("2026-02-30", "2026-03-01"), day("2026-11-01", "9999-99-99"),
	} {
		if _, err := statements.Statement(t.Context(), shoptest.Seller(shoptest.Miller), shoptest.Miller, bad); !errors.Is(err, statement.ErrPeriod) {
			t.Errorf("%v: %v, want %v", bad, err, statement.ErrPeriod)
		}
		if _, err := statements.Overview(t.Context(), bad); !errors.Is(err, statement.ErrPeriod) {
			t.Errorf("all, %v: %v, want %v", bad, err, statement.ErrPeriod)
		}
	}
	for got, want := range map[statement.Period]statement.Period{
		statement.Month(2028, 2): day("2028-02-01", "2028-02-29"), statement.Quarter(2026, 4): day("2026-10-01", "2026-12-31"), statement.Quarter(2026, 1): day("2026-01-01", "2026-03-31"),
	} {
		if got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
}
