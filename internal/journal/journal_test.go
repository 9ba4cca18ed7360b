package journal_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/xuri/excelize/v2"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/journal"
	"github.com/shiyi-market/shiyi/internal/journal/journaltest"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/statement"
)

var (
	seller = uuid.MustParse("0190a2b0-0000-7000-8000-0000000000aa")
	grant  = uuid.MustParse("0190a2b0-0000-7000-8000-0000000000bb")
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// trade is a book of three days: two sales, a refund, what matures of them, a payout, and a
// grant that is promised and paid.
func trade(t *testing.T) *postgres.DB {
	t.Helper()
	clock := pgtest.NewClock(time.Date(2026, 11, 23, 15, 59, 59, 0, time.UTC)) // a second before midnight in the county
	db := pgtest.NewAt(t, clock.Now)
	owed := ledger.Payable(seller)
	book := func(kind, ref string, moves ...ledger.Move) {
		t.Helper()
		clock.Advance(time.Millisecond)
		must(t, postgres.Do(t.Context(), db, func(tx *postgres.Tx) error {
			return ledger.Book(t.Context(), tx, []ledger.Transfer{{Home: seller, Kind: kind, Ref: ref, Moves: moves}})
		}))
	}
	book("sale", "s1", ledger.Move{What: fund.Goods, From: "world:stripe", To: owed, Amount: 123450}, ledger.Move{What: fund.Levy, From: owed, To: fund.Pending, Amount: 12345})
	clock.Advance(24 * time.Hour)
	book("sale", "s,2", ledger.Move{What: fund.Goods, From: "world:stripe", To: owed, Amount: 10}, ledger.Move{What: fund.Levy, From: owed, To: fund.Pending, Amount: 1})
	book("refund", "=r1", ledger.Move{What: fund.Goods, From: owed, To: "world:stripe", Amount: 3450}, ledger.Move{What: fund.Levy, From: fund.Pending, To: owed, Amount: 345})
	clock.Advance(24 * time.Hour)
	book("mature", "s1", ledger.Move{What: fund.Levy, From: fund.Pending, To: fund.Free, Amount: 12000})
	book("payout", "p1", ledger.Move{What: "payout", From: owed, To: "world:merchant:x_y-z", Amount: 7})
	must(t, postgres.Do(t.Context(), db, func(tx *postgres.Tx) error {
		return ledger.Book(t.Context(), tx, []ledger.Transfer{fund.Grant(grant, 1000), fund.PayGrant(grant, grant, uuid.Max, 300)})
	}))
	return db
}

func days(from, until string) journal.Period {
	return journal.Period{From: merchant.Date(from), Until: merchant.Date(until)}
}

func TestOtherProgramsAddTheBookUpAndAgree(t *testing.T) {
	t.Parallel()
	db := trade(t)
	journaltest.Agree(t, db, days("2026-11-23", "2026-11-26"))
	journaltest.Agree(t, db, days("2026-11-24", "2026-11-24")) // with an opening
	journaltest.Agree(t, db, days("2026-11-27", "2026-11-30")) // in which nothing happens
}

// The programs must be able to disagree: a li more in one posting, and each of them says so.
func TestOtherProgramsFindALiThatIsOff(t *testing.T) {
	t.Parallel()
	db := trade(t)
	for format, tried := range map[journal.Format][]string{
		journal.Hledger:   {"hledger", "check", "--strict", "-f"},
		journal.Beancount: {"bean-check", "--no-cache"},
	} {
		path := journaltest.Written(t, db, format, days("2026-11-23", "2026-11-26"))
		raw, err := os.ReadFile(path)
		must(t, err)
		off := bytes.ReplaceAll(bytes.Replace(raw, []byte(" -3.450 CNY"), []byte(" -3.449 CNY"), 1), []byte(" 3.450 CNY"), []byte(" 3.449 CNY"))
		if bytes.Equal(off, raw) {
			t.Fatalf("%s: the move is not in the journal:\n%s", format, raw)
		}
		must(t, os.WriteFile(path, off, 0o600))
		if said := journaltest.Refused(t, tried[0], append(tried[1:], path)...); !bytes.Contains(said, []byte("0.001")) {
			t.Errorf("%s: %s", tried[0], said)
		}
	}
}

func TestASheetOfTheBookHasEachMoveAndNoFormula(t *testing.T) {
	t.Parallel()
	db := trade(t)
	var text, book bytes.Buffer
	journals := journal.New(db, nil)
	must(t, journals.Write(t.Context(), journal.CSV, days("2026-11-24", "2026-11-24"), &text))
	raw, marked := strings.CutPrefix(text.String(), "\ufeff")
	rows, err := csv.NewReader(strings.NewReader(raw)).ReadAll()
	must(t, err)
	var got []string
	for _, r := range rows[1:] {
		got = append(got, strings.Join(append(r[4:5], r[6:]...), " "))
	}
	owed := string(ledger.Payable(seller))
	want := []string{
		"sale s,2 1 goods world:stripe " + owed + " 0.010", "sale s,2 2 tenth " + owed + " fund:education:pending 0.001",
		"refund '=r1 1 goods " + owed + " world:stripe 3.450", "refund '=r1 2 tenth fund:education:pending " + owed + " 0.345",
	}
	if diff := cmp.Diff(want, got); diff != "" || !marked {
		t.Errorf("marked %v (-want +got):\n%s", marked, diff)
	}
	must(t, journals.Write(t.Context(), journal.XLSX, days("2026-11-24", "2026-11-24"), &book))
	x, err := excelize.OpenReader(&book)
	must(t, err)
	sheets := x.GetSheetList()
	lines, err := x.GetRows(sheets[0])
	must(t, err)
	if len(sheets) != 2 || len(lines) != 1+4 || lines[1][11] != "0.010" {
		t.Errorf("%v: %v", sheets, lines)
	}
}

// bean is what beancount takes for the name of an account (parser/lexer.l of version 2).
var bean = regexp.MustCompile(`^Equity(:[\p{Lu}\p{Nd}][\p{L}\p{Nd}-]*)+$`)

func TestEveryAccountHasANameInBeancountThatLeadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := ledger.Account(rapid.StringMatching(`[a-z0-9:_-]{1,40}`).Draw(t, "account"))
		name := journal.BeancountName(a)
		if back, err := journal.AccountName(name); err != nil || back != a || !bean.MatchString(name) {
			t.Fatalf("%q is %q, which is %q, %v", a, name, back, err)
		}
	})
	for _, name := range []string{"", "Assets:Bank", "Equity", "Equity:", "Equity:World::Stripe"} {
		if back, err := journal.AccountName(name); err == nil {
			t.Errorf("%q is %q", name, back)
		}
	}
}

func TestGrantsAreWrittenAs360GivingHasThem(t *testing.T) {
	t.Parallel()
	db := trade(t)
	for _, tt := range []struct {
		awards journal.Awards
		title  string
	}{
		{nil, "Grant " + grant.String()},
		{func(context.Context, *postgres.Tx, []uuid.UUID) (map[uuid.UUID]journal.Award, error) {
			return map[uuid.UUID]journal.Award{grant: {Title: "云课堂（虚构示例）", Description: "d", Recipient: journal.Organisation{ID: "CN-1", Name: "school"}}}, nil
		}, "云课堂（虚构示例）"},
	} {
		var out bytes.Buffer
		must(t, journal.New(db, tt.awards).Grants(t.Context(), days("2026-11-23", "2026-11-26"), &out))
		var got struct{ Grants []map[string]any }
		must(t, json.Unmarshal(out.Bytes(), &got))
		if len(got.Grants) != 1 || got.Grants[0]["title"] != tt.title || got.Grants[0]["amountAwarded"] != 10.0 {
			t.Fatalf("%s", out.Bytes())
		}
		for _, required := range []string{"id", "title", "description", "currency", "amountAwarded", "awardDate", "recipientOrganization", "fundingOrganization"} {
			if got.Grants[0][required] == nil {
				t.Errorf("%s is missing in %s", required, out.Bytes())
			}
		}
	}
}

func TestAPeriodThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	journals := journal.New(pgtest.New(t), nil)
	for _, p := range []journal.Period{days("2026-11-24", "2026-11-23"), days("2025-01-01", "2026-11-23"), days("x", "y")} {
		var out bytes.Buffer
		if err := journals.Write(t.Context(), journal.Hledger, p, &out); !errors.Is(err, statement.ErrPeriod) || out.Len() > 0 {
			t.Errorf("%v: %v", p, err)
		}
	}
}
