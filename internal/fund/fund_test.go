package fund_test

import (
	"strconv"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

// TestTheFundHoldsOneTenthOfNetSales sells and refunds in parts of any size and
// any order: the levies of the parts are the levy of the whole, to the li.
func TestTheFundHoldsOneTenthOfNetSales(t *testing.T) {
	t.Parallel()
	seller := ledger.Payable(uuid.MustParse("0190a2b0-0000-7000-8000-0000000000aa"))
	rapid.Check(t, func(t *rapid.T) {
		var sold money.Fen
		var held money.Li
		for _, n := range rapid.SliceOfN(rapid.Int64Range(1, 1e9), 1, 50).Draw(t, "sales") {
			m := fund.Tenth(seller, money.Fen(n))
			if m.From != seller || m.To != fund.Pending {
				t.Fatalf("the tenth goes from %s to %s", m.From, m.To)
			}
			sold, held = sold+money.Fen(n), held+m.Amount
			if back := rapid.Int64Range(0, n).Draw(t, "refunded"); back > 0 {
				m := fund.Return(seller, money.Fen(back), false)
				if m.From != fund.Pending || m.To != seller {
					t.Fatalf("the tenth returns from %s to %s", m.From, m.To)
				}
				sold, held = sold-money.Fen(back), held-m.Amount
			}
		}
		if held*10 != sold.Li() {
			t.Fatalf("the fund holds %v of %v net sales: not one tenth", held, sold)
		}
	})
}

func TestTheStatementIsTheBooks(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	home := uuid.MustParse("0190a2b0-0000-7000-8000-0000000000aa")
	owed := ledger.Payable(home)
	err := postgres.Do(t.Context(), db, func(tx *postgres.Tx) error {
		return ledger.Book(t.Context(), tx, []ledger.Transfer{
			{Home: home, Kind: fund.Sale, Ref: "a", Public: true, Moves: []ledger.Move{
				{What: fund.Goods, From: "world:stripe", To: owed, Amount: money.Fen(1003).Li()},
				{What: "shipping", From: "world:stripe", To: owed, Amount: money.Fen(800).Li()},
				fund.Tenth(owed, 1003),
			}},
			{Home: home, Kind: fund.Refund, Ref: "b", Public: true, Moves: []ledger.Move{
				{What: fund.Goods, From: owed, To: "world:stripe", Amount: money.Fen(3).Li()},
				fund.Return(owed, 3, false),
			}},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := fund.New(db).Statement(t.Context())
	want := fund.Statement{Orders: 1, SoldFen: 1000, RefundFen: 3, LeviedLi: 1000, ReturnedLi: 3, PendingLi: 1000}
	if err != nil || got != want {
		t.Errorf("statement %+v, %v; want %+v: shipping is no base of the levy", got, err, want)
	}
	accounts, err := fund.New(db).Accounts(t.Context())
	if err != nil || len(accounts) != 1 || accounts[0].Account != fund.Pending || accounts[0].Li() != 1000 {
		t.Errorf("accounts %+v, %v", accounts, err)
	}
}

// What the log has numbered is a statement of its own: what waits is not in it.
func TestTheLoggedStatementIsTheSumOfTheLeaves(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	log, err := transparency.New(db, transparency.Config{Origin: "shiyi.example/test", Folder: t.TempDir()}, ledger.Roller{})
	if err != nil {
		t.Fatal(err)
	}
	svc, home := fund.New(db), uuid.MustParse("0190a2b0-0000-7000-8000-0000000000aa")
	owed := ledger.Payable(home)
	for i, want := range []fund.Statement{
		{}, {Orders: 1, SoldFen: 1000, LeviedLi: 1000, PendingLi: 1000}, {Orders: 2, SoldFen: 2000, LeviedLi: 2000, PendingLi: 2000},
	} {
		st, leaves, err := svc.Logged(t.Context())
		if err != nil || st != want || leaves != int64(i) {
			t.Errorf("of %d leaves (%d): %+v, %v", leaves, i, st, err)
		}
		err = postgres.Do(t.Context(), db, func(tx *postgres.Tx) error {
			return ledger.Book(t.Context(), tx, []ledger.Transfer{{Home: home, Kind: fund.Sale, Ref: strconv.Itoa(i), Public: true, Moves: []ledger.Move{
				{What: fund.Goods, From: "world:stripe", To: owed, Amount: money.Fen(1000).Li()}, fund.Tenth(owed, 1000),
			}}})
		})
		if err != nil {
			t.Fatal(err)
		}
		if before, leaves, err := svc.Logged(t.Context()); err != nil || before != want || leaves != int64(i) {
			t.Errorf("while one waits: %d leaves, %+v, %v", leaves, before, err)
		}
		if _, err := log.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
