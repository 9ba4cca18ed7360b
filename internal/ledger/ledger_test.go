package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

var seller = uuid.MustParse("0190a2b0-0000-7000-8000-0000000000aa")

func sale(ref string, fen int64) ledger.Transfer {
	owed := ledger.Payable(seller)
	return ledger.Transfer{Home: seller, Kind: "sale", Ref: ref, Public: true, Moves: []ledger.Move{
		{What: "goods", From: ledger.World("stripe"), To: owed, Amount: money.Fen(fen).Li()},
		{What: "tenth", From: owed, To: "fund:education:pending", Amount: money.Fen(fen).Tenth()},
	}}
}

func book(ctx context.Context, db *postgres.DB, transfers ...ledger.Transfer) error {
	return postgres.Do(ctx, db, func(tx *postgres.Tx) error { return ledger.Book(ctx, tx, transfers) })
}

func balances(t testing.TB, db *postgres.DB) map[ledger.Account]money.Li {
	t.Helper()
	all, err := postgres.Read(t.Context(), db, func(tx *postgres.Tx) ([]ledger.Balance, error) { return ledger.Below(t.Context(), tx, "") })
	if err != nil {
		t.Fatal(err)
	}
	out := map[ledger.Account]money.Li{}
	for _, b := range all {
		out[b.Account] = b.Li()
	}
	return out
}

func newLog(t *testing.T, db *postgres.DB) *transparency.Service {
	t.Helper()
	log, err := transparency.New(db, transparency.Config{Origin: "shiyi.example/test", Folder: t.TempDir()}, ledger.Roller{})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestBalancesAreTheSameBeforeAndAfterTheLogNumbersThem(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	if err := book(t.Context(), db, sale("a", 33), sale("b", 10000)); err != nil {
		t.Fatal(err)
	}
	want := map[ledger.Account]money.Li{"world:stripe": -100330, ledger.Payable(seller): 90297, "fund:education:pending": 10033}
	if diff := cmp.Diff(want, balances(t, db)); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
	log := newLog(t, db)
	if n, err := log.Drain(t.Context()); err != nil || n != 2 {
		t.Fatalf("numbered %d, %v", n, err)
	}
	if diff := cmp.Diff(want, balances(t, db)); diff != "" {
		t.Errorf("rolled up (-want +got):\n%s", diff)
	}
	if err := book(t.Context(), db, sale("c", 1)); err != nil {
		t.Fatal(err)
	}
	one, err := postgres.Read(t.Context(), db, func(tx *postgres.Tx) (ledger.Balance, error) {
		return ledger.Of(t.Context(), tx, "fund:education:pending")
	})
	if err != nil || one.Li() != 10034 {
		t.Errorf("rolled up and waiting: %v, %v", one, err)
	}
	flows, err := postgres.Read(t.Context(), db, func(tx *postgres.Tx) ([]ledger.Flow, error) { return ledger.Flows(t.Context(), tx) })
	if diff := cmp.Diff([]ledger.Flow{{"sale", "goods", 100340, 3}, {"sale", "tenth", 10034, 3}}, flows); diff != "" || err != nil {
		t.Errorf("flows (-want +got):\n%s %v", diff, err)
	}
	if report, err := ledger.Check(t.Context(), db); err != nil || len(report.Differences) > 0 || report.Transfers != 3 || report.Moves != 6 {
		t.Errorf("check: %+v, %v", report, err)
	}
}

func TestTheSameThingIsBookedOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	if err := book(t.Context(), db, sale("a", 33)); err != nil {
		t.Fatal(err)
	}
	if err := book(t.Context(), db, sale("b", 5), sale("a", 33)); !errors.Is(err, ledger.ErrBooked) {
		t.Errorf("again: %v, want %v", err, ledger.ErrBooked)
	}
	if got := balances(t, db)["fund:education:pending"]; got != 33 {
		t.Errorf("the fund holds %d li, want 33", got)
	}
}

func TestMovesThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for name, m := range map[string]ledger.Move{
		"nothing":      {What: "goods", From: "a", To: "b"},
		"less":         {What: "goods", From: "a", To: "b", Amount: -1},
		"to itself":    {What: "goods", From: "a", To: "a", Amount: 1},
		"a name apart": {What: "goods", From: "a b", To: "b", Amount: 1},
		"no name":      {What: "", From: "a", To: "b", Amount: 1},
	} {
		err := book(t.Context(), db, ledger.Transfer{Home: seller, Kind: "sale", Ref: "x", Moves: []ledger.Move{m}})
		if !errors.Is(err, ledger.ErrMove) {
			t.Errorf("%s: %v, want %v", name, err, ledger.ErrMove)
		}
	}
	if err := book(t.Context(), db, ledger.Transfer{Home: seller, Kind: "sale", Ref: "x"}); !errors.Is(err, ledger.ErrMove) {
		t.Errorf("no moves: %v", err)
	}
}

// TestTheDatabaseRefusesToAlterTheBook goes round the program: as the
// application's role, and as the owner of the tables, who is stopped by the
// triggers as long as he does not switch them off.
func TestTheDatabaseRefusesToAlterTheBook(t *testing.T) {
	t.Parallel()
	app := pgtest.New(t)
	owner := pgtest.Owner(t, app)
	if err := book(t.Context(), app, sale("a", 33)); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`UPDATE move SET amount_li = amount_li + 1`,
		`UPDATE transfer SET ref = 'b'`,
		`UPDATE move SET amount_li = 1 WHERE false`,
		`DELETE FROM move`,
		`DELETE FROM transfer`,
		`TRUNCATE move`,
		`TRUNCATE transfer`,
		`TRUNCATE transfer, move`,
		// A late move, added to an old transfer.
		`INSERT INTO move SELECT home, transfer_id, 99, what, source, target, 5 FROM move LIMIT 1`,
		// A move of no transfer, a transfer of no moves, and one that lies about them.
		`INSERT INTO move VALUES (gen_random_uuid(), gen_random_uuid(), 1, 'goods', 'a', 'b', 5)`,
		`INSERT INTO transfer SELECT home, gen_random_uuid(), kind, 'other', at, public, salt, moves, digest FROM transfer LIMIT 1`,
		`WITH t AS (INSERT INTO transfer SELECT home, gen_random_uuid(), kind, 'other', at, public, salt, moves, digest FROM transfer LIMIT 1 RETURNING *)
		 INSERT INTO move SELECT t.home, t.id, m.n, m.what, m.source, m.target, m.amount_li * 2 FROM t, move m`,
		`INSERT INTO transfer SELECT home, gen_random_uuid(), kind, ref, at, public, salt, moves, digest FROM transfer LIMIT 1`,
		// Amounts and accounts that make no sense.
		`WITH t AS (INSERT INTO transfer SELECT home, gen_random_uuid(), kind, 'zero', at, public, salt, moves, digest FROM transfer LIMIT 1 RETURNING *)
		 INSERT INTO move SELECT t.home, t.id, m.n, m.what, m.source, m.target, 0 FROM t, move m`,
		`SET session_replication_role = replica; UPDATE move SET amount_li = 1`,
		// A late move before whose transfer a temporary one stands.
		`CREATE TEMP TABLE transfer AS SELECT * FROM public.transfer; UPDATE pg_temp.transfer SET moves = 9;
		 INSERT INTO public.move SELECT home, transfer_id, n + 2, what, source, target, amount_li FROM public.move`,
		// One move more, after the check that was to come at commit was made to come early.
		`BEGIN;
		 WITH t AS (INSERT INTO transfer SELECT home, gen_random_uuid(), kind, 'early', at, public, salt, moves, digest FROM transfer LIMIT 1 RETURNING *)
		 INSERT INTO move SELECT t.home, t.id, m.n, m.what, m.source, m.target, m.amount_li FROM t, move m;
		 SET CONSTRAINTS ALL IMMEDIATE;
		 INSERT INTO move SELECT home, transfer_id, n + 2, what, source, target, amount_li FROM move
		 WHERE transfer_id = (SELECT id FROM transfer WHERE ref = 'early');
		 COMMIT`,
	} {
		for who, db := range map[string]*sql.DB{"the application": app.SQL(), "the owner": owner} {
			if _, err := db.ExecContext(t.Context(), statement); err == nil {
				t.Errorf("%s may: %s", who, statement)
			}
		}
	}
	want := map[ledger.Account]money.Li{"world:stripe": -330, ledger.Payable(seller): 297, "fund:education:pending": 33}
	if diff := cmp.Diff(want, balances(t, app)); diff != "" {
		t.Errorf("the book changed (-want +got):\n%s", diff)
	}
}

func TestTheApplicationReadsTheSumsAndDoesNotWriteThem(t *testing.T) {
	t.Parallel()
	app := pgtest.New(t)
	if err := book(t.Context(), app, sale("a", 33)); err != nil {
		t.Fatal(err)
	}
	if n, err := newLog(t, app).Drain(t.Context()); err != nil || n != 1 {
		t.Fatalf("numbered %d, %v", n, err)
	}
	for _, statement := range []string{
		`UPDATE account_rollup SET in_li = in_li + 1`,
		`INSERT INTO account_rollup VALUES ('fund:education:free', 1, 0)`,
		`DELETE FROM account_rollup`,
		`UPDATE flow_rollup SET sum_li = sum_li + 1`,
		`INSERT INTO flow_rollup VALUES ('gift', 'goods', 1, 1)`,
		`DELETE FROM flow_rollup`,
	} {
		if _, err := app.SQL().ExecContext(t.Context(), statement); err == nil {
			t.Errorf("the application may: %s", statement)
		}
	}
	want := map[ledger.Account]money.Li{"world:stripe": -330, ledger.Payable(seller): 297, "fund:education:pending": 33}
	if diff := cmp.Diff(want, balances(t, app)); diff != "" {
		t.Errorf("the sums changed (-want +got):\n%s", diff)
	}
}

// TestWhatAnOwnerDoesWithTheTriggersOffIsEvident is the canary of Check: what the
// database cannot forbid its owner must be found.
func TestWhatAnOwnerDoesWithTheTriggersOffIsEvident(t *testing.T) {
	t.Parallel()
	for name, deed := range map[string]struct{ do, found string }{
		"another amount":  {`UPDATE move SET amount_li = amount_li + 1 WHERE what = 'tenth'`, "digest"},
		"another account": {`UPDATE move SET target = 'world:pocket' WHERE what = 'tenth'`, "digest"},
		"another time":    {`UPDATE transfer SET at = at + interval '1 day'`, "leaf"},
		"a move less":     {`DELETE FROM move WHERE what = 'tenth'`, "digest"},
		"amount and digest": {`UPDATE move SET amount_li = 1 WHERE what = 'tenth';
			UPDATE transfer SET digest = (transfer_digest(home, id)).digest`, "leaf"},
		"a transfer less": {`DELETE FROM move; DELETE FROM transfer`, "no transfer"},
		"a roll-up":       {`UPDATE account_rollup SET in_li = in_li + 1 WHERE account = 'fund:education:pending'`, "account fund:education:pending"},
		"a flow":          {`UPDATE flow_rollup SET sum_li = sum_li + 1 WHERE what = 'tenth'`, "flow sale/tenth"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			if err := book(t.Context(), db, sale("a", 33)); err != nil {
				t.Fatal(err)
			}
			if _, err := newLog(t, db).Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, err := pgtest.Tamper(t, db).ExecContext(t.Context(), `ALTER TABLE move DISABLE TRIGGER ALL; ALTER TABLE transfer DISABLE TRIGGER ALL; `+deed.do)
			if err != nil {
				t.Fatal(err)
			}
			report, err := ledger.Check(t.Context(), db)
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(report.Differences, "\n"); !strings.Contains(all, deed.found) {
				t.Errorf("found %q, want a word on %q", all, deed.found)
			}
		})
	}
}

func TestALeafTellsTheTransferAndHidesTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := ledger.Entry{Transfer: sale(fmt.Sprintf("order-%d", rapid.Int().Draw(t, "n")), rapid.Int64Range(1, 1e12).Draw(t, "fen")), At: pgtest.Noon, Salt: make([]byte, 16)}
		text, err := e.Leaf()
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := verify.ParseLeaf(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify.CheckTenth(leaf); err != nil {
			t.Fatal(err)
		}
		if leaf.Ref != verify.Commitment(e.Kind, e.Ref, e.Salt) || strings.Contains(string(text), e.Ref) {
			t.Fatalf("the leaf is\n%s", text)
		}
		e.Public = false
		sealed, err := e.Leaf()
		if err != nil || strings.Contains(string(sealed), "sale") {
			t.Fatalf("sealed: %s %v", sealed, err)
		}
	})
}

func TestNewTransfersAndLeavesWithoutEachOtherAreCounted(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	log := newLog(t, db)
	if err := book(t.Context(), db, sale("a", 33), sale("b", 10000)); err != nil {
		t.Fatal(err)
	}
	want := func(n int64, when string) {
		t.Helper()
		if got, err := ledger.Unaccounted(t.Context(), db, time.Hour); got != n || err != nil {
			t.Errorf("%s: %d, %v; want %d", when, got, err, n)
		}
	}
	want(0, "waiting")
	if _, err := log.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := book(t.Context(), db, sale("c", 7)); err != nil {
		t.Fatal(err)
	}
	want(0, "numbered and waiting")
	super := pgtest.Tamper(t, db)
	for _, step := range []struct {
		statement string
		n         int64
	}{
		{"DELETE FROM log_pending", 1},
		{"ALTER TABLE log_entry DISABLE TRIGGER USER; DELETE FROM log_entry WHERE index = 1", 2},
		{"ALTER TABLE transfer DISABLE TRIGGER USER; DELETE FROM transfer WHERE id = (SELECT transfer_id FROM log_entry)", 3},
	} {
		if _, err := super.ExecContext(t.Context(), step.statement); err != nil {
			t.Fatal(err)
		}
		want(step.n, step.statement)
	}
}
