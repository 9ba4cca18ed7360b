package pgtest

import (
	"context"
	"database/sql"
	"sync"
	"testing"

	"github.com/shiyi-market/shiyi/internal/postgres"
)

// tampered holds the names of databases whose book a test has damaged on purpose.
var tampered sync.Map

// Tamper connects to the database of db as a superuser, for a test that damages
// the book on purpose. The book is not checked after that test.
func Tamper(tb testing.TB, db *postgres.DB) *sql.DB {
	tb.Helper()
	pool := Super(tb, db)
	var name string
	if err := pool.QueryRowContext(context.Background(), "SELECT current_database()").Scan(&name); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tampered.Store(name, true)
	return pool
}

// rules are queries of which each finds nothing in a right book, and else the
// names of what is wrong.
var rules = []struct{ name, query string }{
	{"a transfer's moves are those it was made with", `
		SELECT t.kind || ' ' || t.ref FROM transfer t
		CROSS JOIN LATERAL transfer_digest(t.home, t.id) d
		WHERE (d.moves, d.digest) IS DISTINCT FROM (t.moves, t.digest)`},
	{"a move belongs to a transfer", `
		SELECT m.transfer_id::text FROM move m LEFT JOIN transfer t ON t.home = m.home AND t.id = m.transfer_id
		WHERE t.id IS NULL`},
	{"all accounts together hold nothing", `
		SELECT sum(li)::text FROM (SELECT amount_li AS li FROM move UNION ALL SELECT -amount_li FROM move) s HAVING sum(li) <> 0`},
	{"no account is rolled up beyond its moves", `
		SELECT r.account FROM account_rollup r
		WHERE r.in_li  > coalesce((SELECT sum(amount_li) FROM move WHERE target = r.account), 0)
		   OR r.out_li > coalesce((SELECT sum(amount_li) FROM move WHERE source = r.account), 0)`},
}

// checkBook reports what is wrong in the book of a database that has one.
func checkBook(tb testing.TB, url string) {
	tb.Helper()
	ctx := context.Background()
	pool, err := sql.Open("pgx", url)
	if err != nil {
		tb.Errorf("pgtest: %v", err)
		return
	}
	defer func() { _ = pool.Close() }()
	var name string
	var book bool
	const has = `SELECT current_database(), to_regclass('public.move') IS NOT NULL AND to_regclass('public.account_rollup') IS NOT NULL`
	if err := pool.QueryRowContext(ctx, has).Scan(&name, &book); err != nil {
		tb.Errorf("pgtest: look for the book: %v", err)
		return
	}
	if _, skip := tampered.LoadAndDelete(name); skip || !book {
		return
	}
	for _, rule := range rules {
		wrong, err := texts(ctx, pool, rule.query+" LIMIT 5")
		if err != nil {
			tb.Errorf("pgtest: %s: %v", rule.name, err)
		}
		for _, what := range wrong {
			tb.Errorf("the book after the test: %s, but not %s", rule.name, what)
		}
	}
}

// texts runs a query of one column.
func texts(ctx context.Context, pool *sql.DB, query string, args ...any) ([]string, error) {
	rows, err := pool.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}
