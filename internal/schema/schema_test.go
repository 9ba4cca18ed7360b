package schema_test

import (
	"database/sql"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/schema"
)

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestUpMayBeRunAgain(t *testing.T) {
	t.Parallel()
	place := pgtest.Create(t)
	owner := open(t, place.OwnerURL)
	var login string
	if err := open(t, place.URL).QueryRowContext(t.Context(), `SELECT current_user`).Scan(&login); err != nil {
		t.Fatal(err)
	}
	if err := schema.Up(t.Context(), owner, login); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if n, err := schema.Pending(t.Context(), owner); err != nil || n != 0 {
		t.Errorf("%d migrations are pending, %v", n, err)
	}
	if n, err := schema.Pending(t.Context(), open(t, place.URL)); err != nil || n != 0 {
		t.Errorf("the application sees %d pending migrations, %v", n, err)
	}
}

func TestProgramsThatStartAtOnceWaitForOneAnother(t *testing.T) {
	t.Parallel()
	place := pgtest.Create(t)
	var login string
	if err := open(t, place.URL).QueryRowContext(t.Context(), `SELECT current_user`).Scan(&login); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 6 {
		owner := open(t, place.OwnerURL)
		all.Go(func() {
			if err := schema.Up(t.Context(), owner, login); err != nil {
				t.Errorf("migrate: %v", err)
			}
		})
	}
	all.Wait()
}

// TestEveryTableSaysItsHomeAndOwesNothingToTheApplication looks at what is
// easily forgotten in a new migration.
func TestEveryTableSaysItsHomeAndOwesNothingToTheApplication(t *testing.T) {
	t.Parallel()
	owner := open(t, pgtest.Create(t).OwnerURL)
	rows, err := owner.QueryContext(t.Context(), `
		SELECT c.relname, coalesce(obj_description(c.oid), ''), has_table_privilege('shiyi_app', c.oid, 'TRUNCATE'),
		       has_table_privilege('shiyi_app', c.oid, 'TRIGGER'), has_table_privilege('shiyi_app', c.oid, 'SELECT')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname NOT LIKE 'river%' AND c.relname <> 'goose_db_version'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	tables := 0
	for rows.Next() {
		var name, comment string
		var truncate, trigger, read bool
		if err := rows.Scan(&name, &comment, &truncate, &trigger, &read); err != nil {
			t.Fatal(err)
		}
		tables++
		if len(comment) < 6 || comment[:6] != "home: " {
			t.Errorf("table %s does not say its home: %q", name, comment)
		}
		if truncate || trigger || !read {
			t.Errorf("table %s: the application may truncate %v, make triggers %v, read %v", name, truncate, trigger, read)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if tables < 20 {
		t.Errorf("only %d tables were found", tables)
	}
}
