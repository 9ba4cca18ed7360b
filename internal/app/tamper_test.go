package app_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/shiyi-market/shiyi/internal/app"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// tampering is a table, and how the tamper suite makes and names rows of it.
type tampering struct {
	name   string
	names  string   // SQL: what a finding may call the row, parted by blanks
	key    []string // columns
	added  string   // SQL: what an added copy of a row has otherwise; "" where the table holds one row
	silent []string // columns that nothing is decided by and nothing published tells
	public []string // columns, and "removed": what a stranger sees with published data alone
}

var tamperings = []tampering{
	{name: "transfer", names: "id", key: []string{"home", "id"}, added: "id = gen_random_uuid(), ref = ref || 'x'"},
	{name: "move", names: "transfer_id", key: []string{"home", "transfer_id", "n"}, added: "n = n + 2"},
	{
		name: "log_entry", names: "'entry_' || index || ' leaf_' || index || ' ' || transfer_id", key: []string{"index"},
		added: "index = index + 1000, transfer_id = gen_random_uuid()", public: []string{"leaf", "index", "removed", "swapped"},
	},
	{
		name: "log_tile", names: "'tile/' || level || '/' || lpad(n::text, 3, '0')", key: []string{"level", "n"},
		added: "n = n + 5", public: []string{"level", "n", "data", "removed", "swapped"},
	},
	{
		name: "log_checkpoint", names: "'of_' || size || '_leaves'", key: []string{"signer", "size"},
		added: "size = size + 1", silent: []string{"signed_at"},
	},
	{name: "log_state", names: "'log_state log''s_state'", key: []string{"one"}},
	{name: "account_rollup", names: "account", key: []string{"account"}, added: "account = account || 'x'"},
	{name: "flow_rollup", names: "kind || '/' || what", key: []string{"kind", "what"}, added: "kind = kind || 'x'"},
	{name: "publication", names: "id", key: []string{"id"}, added: "id = gen_random_uuid()"},
}

// sealedBook is an app whose book has sales, sealed transfers and documents, all in the log.
func sealedBook(t *testing.T) *app.App {
	t.Helper()
	clock := pgtest.NewClock(pgtest.Noon)
	a := stocked(t, clock)
	sellers := []uuid.UUID{uuid.MustParse("0190a2b0-0000-7000-8000-0000000000aa"), uuid.MustParse("0190a2b0-0000-7000-8000-0000000000bb")}
	n := 0
	for _, lot := range []int{1, 150, 115} {
		err := postgres.Do(t.Context(), a.DB(), func(tx *postgres.Tx) error {
			book := make([]ledger.Transfer, lot)
			for i := range book {
				n++
				owed := ledger.Payable(sellers[n%len(sellers)])
				book[i] = ledger.Transfer{Home: sellers[n%len(sellers)], Kind: "sale", Ref: fmt.Sprint("order-", n), Public: true, Moves: []ledger.Move{
					{What: "goods", From: ledger.World("stripe"), To: owed, Amount: money.Fen(100 + n).Li()},
					{What: "tenth", From: owed, To: verify.FundPending, Amount: money.Fen(100 + n).Tenth()},
				}}
				if n%9 == 0 {
					book[i].Kind, book[i].Public, book[i].Moves = "payout", false, []ledger.Move{{What: "payout", From: owed, To: ledger.World("bank"), Amount: money.Li(n)}}
				}
			}
			if err := ledger.Book(t.Context(), tx, book); err != nil {
				return err
			}
			_, err := publication.Publish(t.Context(), tx, publication.Document{
				Kind: publication.Report, TitleZH: fmt.Sprint("报告", n), TitleEN: fmt.Sprint("Report ", n), MediaType: "text/plain", Body: fmt.Append(nil, "body ", n),
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Services().Transparency.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Minute)
	}
	return a
}

// tamperer changes rows as one who may do anything to the database, and puts them back.
type tamperer struct {
	*testing.T
	app   *app.App
	super *sql.DB
	saved []byte // a checkpoint that a stranger kept
	cases int
}

func (x *tamperer) exec(statement string) error {
	_, err := x.super.ExecContext(x.Context(), statement)
	return err
}

func (x *tamperer) must(statement string) {
	x.Helper()
	if err := x.exec(statement); err != nil {
		x.Fatalf("%s: %v", statement, err)
	}
}

// texts is the result of a query of one column.
func (x *tamperer) texts(query string) (all []string) {
	x.Helper()
	rows, err := x.super.QueryContext(x.Context(), query)
	if err != nil {
		x.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			x.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		x.Fatal(err)
	}
	return all
}

// try tampers, demands that it is found and named, and puts the table back.
func (x *tamperer) try(t tampering, what, statement string, rows ...string) {
	x.Helper()
	x.cases++
	names := func() []string {
		return strings.Fields(strings.Join(x.texts(fmt.Sprintf("SELECT %s FROM %s WHERE ctid = ANY('{%s}')", t.names, t.name, `"`+strings.Join(rows, `","`)+`"`)), " "))
	}
	called := names()
	news := x.texts(fmt.Sprintf(statement+" RETURNING ctid", t.name))
	rows = append(news, "(0,0)")
	called = append(called, names()...)
	var out strings.Builder
	err := x.app.Verify(x.Context(), &out)
	_, wrong, _ := strings.Cut(out.String(), "WRONG  ")
	first, _, _ := strings.Cut(wrong, "\n")
	named := false
	for _, name := range called {
		named = named || strings.Contains(strings.ReplaceAll(first, " ", "_"), name)
	}
	if !errors.Is(err, app.ErrDiffers) || !named {
		x.Errorf("%s, %s: not found or not named as one of %q: %v, %s\n%s", t.name, what, called, err, first, fmt.Sprintf(statement, t.name))
	}
	for _, public := range t.public {
		if public == what {
			if err := x.stranger(); err == nil {
				x.Errorf("%s, %s: a stranger sees nothing of it", t.name, what)
			}
		}
	}
	x.must(fmt.Sprintf("DELETE FROM %s; INSERT INTO %[1]s SELECT * FROM kept_%[1]s", t.name))
}

// stranger checks the log with published data alone, and a checkpoint that was kept.
func (x *tamperer) stranger() error {
	log := x.app.Services().Transparency
	known, err := verify.NewLog(log.VerifierKey())
	if err != nil {
		return err
	}
	signed, err := log.Checkpoint(x.Context())
	if err != nil {
		return err
	}
	now, err := known.Checkpoint(signed)
	if err != nil {
		return err
	}
	older, err := known.Checkpoint(x.saved)
	if err != nil {
		return err
	}
	var totals verify.Totals
	return verify.WalkKnown(x.Context(), files{log.Tile}, now, []verify.Checkpoint{older}, func(_ int64, leaf []byte) error {
		l, err := verify.ParseLeaf(leaf)
		if err != nil {
			return err
		}
		return totals.Add(l)
	})
}

// files are the published files of a log.
type files struct {
	tile func(ctx context.Context, path string) ([]byte, error)
}

// File implements verify.Source.
func (f files) File(ctx context.Context, path string) ([]byte, error) { return f.tile(ctx, path) }

// other is SQL for a value that a column of this type does not have.
func other(column, kind string) string {
	switch kind {
	case "uuid":
		return "gen_random_uuid()"
	case "text":
		return column + " || 'x'"
	case "bytea":
		return fmt.Sprintf("set_byte(%s, 0, get_byte(%[1]s, 0) # 1)", column)
	case "boolean":
		return "NOT " + column
	case "timestamp with time zone":
		return column + " + interval '1 second'"
	default:
		return "coalesce(" + column + ", 0) + 1000"
	}
}

// TestWhoeverTampersIsFoundAndNamed changes each column of, removes, adds and exchanges rows
// of everything that money and its proof stand in.
func TestWhoeverTampersIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	a := sealedBook(t)
	saved, err := a.Services().Transparency.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x := &tamperer{T: t, app: a, super: pgtest.Tamper(t, a.DB()), saved: saved}
	var out strings.Builder
	if err := errors.Join(a.Verify(t.Context(), &out), x.stranger()); err != nil {
		t.Fatalf("untouched: %v\n%s", err, out.String())
	}
	for _, table := range tamperings {
		x.must(fmt.Sprintf("ALTER TABLE %s DISABLE TRIGGER ALL; CREATE TABLE kept_%[1]s AS TABLE %[1]s", table.name))
		for _, check := range x.texts(fmt.Sprintf("SELECT conname FROM pg_constraint WHERE conrelid = '%s'::regclass AND (contype = 'c' AND conname <> 'log_state_one_row' OR conname IN ('transfer_once', 'log_entry_once'))", table.name)) {
			x.must(fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s", table.name, check))
		}
	}
	for _, table := range tamperings {
		x.changed(table)
		x.moved(table)
	}
	if x.cases < 80 {
		t.Errorf("only %d cases", x.cases)
	}
	t.Logf("%d cases", x.cases)
	out.Reset()
	if err := errors.Join(a.Verify(t.Context(), &out), x.stranger()); err != nil {
		t.Errorf("put back: %v\n%s", err, out.String())
	}
}

// A shop that sells while it is verified is not called wrong: the log was read before, the fund after.
func TestAShopThatSellsWhileItIsVerifiedIsNotWrong(t *testing.T) {
	t.Parallel()
	a := sealedBook(t)
	var sold sync.Once
	sell := func(string, int64, int64) {
		sold.Do(func() {
			home := uuid.New()
			owed := ledger.Payable(home)
			err := postgres.Do(t.Context(), a.DB(), func(tx *postgres.Tx) error {
				return ledger.Book(t.Context(), tx, []ledger.Transfer{{Home: home, Kind: "sale", Ref: "meanwhile", Public: true, Moves: []ledger.Move{
					{What: "goods", From: ledger.World("stripe"), To: owed, Amount: 1000}, {What: "tenth", From: owed, To: verify.FundPending, Amount: 100},
				}}})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	var out strings.Builder
	if err := a.Verify(t.Context(), &out, sell); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	// What differs and stays so is found, although the fund's figures are of another moment.
	super := pgtest.Tamper(t, a.DB())
	if _, err := super.ExecContext(t.Context(), `ALTER TABLE account_rollup DISABLE TRIGGER ALL; UPDATE account_rollup SET in_li = in_li + 10 WHERE account = 'fund:education:pending'`); err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(t.Context(), &out); !errors.Is(err, app.ErrDiffers) {
		t.Errorf("a sum that was changed: %v", err)
	}
}

// changed changes each column of a row in the middle.
func (x *tamperer) changed(t tampering) {
	columns := x.texts(fmt.Sprintf("SELECT column_name || '|' || data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '%s' ORDER BY ordinal_position", t.name))
	for i, column := range columns {
		name, kind, _ := strings.Cut(column, "|")
		if strings.Contains(strings.Join(t.silent, " "), name) {
			continue
		}
		row := x.row(t, i+3)
		statement := fmt.Sprintf("UPDATE %%s SET %s = %s WHERE ctid = '%s'", name, other(name, kind), row)
		if t.added == "" && kind == "boolean" {
			var refused *pgconn.PgError
			if err := x.exec(fmt.Sprintf(statement, t.name)); !errors.As(err, &refused) || refused.Code != "23514" {
				x.Errorf("%s: %v", statement, err)
			}
			continue
		}
		x.try(t, name, statement, row)
	}
}

// moved removes, adds and exchanges rows.
func (x *tamperer) moved(t tampering) {
	rows := x.texts("SELECT count(*) FROM " + t.name)[0]
	for _, n := range []int{0, 1, 7, -1} {
		row := x.row(t, n)
		x.try(t, "removed", fmt.Sprintf("DELETE FROM %%s WHERE ctid = '%s'", row), row)
		if t.added == "" {
			return
		}
	}
	for _, n := range []int{0, 5} {
		row := x.row(t, n)
		x.try(t, "added", fmt.Sprintf("INSERT INTO %%s SELECT (jsonb_populate_record(r, to_jsonb(c))).* FROM %[1]s r CROSS JOIN LATERAL (SELECT %[2]s) c WHERE r.ctid = '%[3]s'",
			t.name, overrides(t.added), row), row)
	}
	contents := x.texts(fmt.Sprintf(`SELECT string_agg(column_name, ', ') FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name = '%s' AND column_name <> ALL('{%s}')`, t.name, strings.Join(t.key, ",")))[0]
	one, two := x.row(t, 0), x.row(t, 1)
	_ = rows
	x.try(t, "swapped", fmt.Sprintf("UPDATE %%s SET (%[2]s) = (SELECT %[2]s FROM kept_%[1]s k WHERE %[5]s) WHERE ctid IN ('%[3]s', '%[4]s')",
		t.name, contents, one, two, x.counterpart(t, one, two)), one, two)
}

// row is the place of a row, counted by its key; -1 is the last.
func (x *tamperer) row(t tampering, n int) string {
	x.Helper()
	rows := x.texts(fmt.Sprintf("SELECT ctid FROM %s ORDER BY %s", t.name, strings.Join(t.key, ", ")))
	return rows[(n+len(rows))%len(rows)]
}

// counterpart is SQL that finds, in the kept copy k, the other of two rows.
func (x *tamperer) counterpart(t tampering, one, two string) string {
	key := func(alias string) string { return alias + "." + strings.Join(t.key, ", "+alias+".") }
	return fmt.Sprintf("(%[1]s) = (SELECT %[2]s FROM %[3]s o WHERE o.ctid IN ('%[4]s', '%[5]s') AND o.ctid <> %[3]s.ctid)", key("k"), key("o"), t.name, one, two)
}

// overrides turns "a = x, b = y" into a select list.
func overrides(set string) string {
	var list []string
	for _, part := range strings.Split(set, ", ") {
		column, value, _ := strings.Cut(part, " = ")
		list = append(list, value+" AS "+column)
	}
	return strings.Join(list, ", ")
}
