package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

type numberRow struct{ N int64 }

// categoryRow is a row of a table that every migrated database has.
type categoryRow struct{ Code, NameZH string }

// TableName is category.
func (categoryRow) TableName() string { return "category" }

func TestAQueryIsNotChangedByWhatIsMadeOfIt(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	_, err := postgres.Read(t.Context(), db, func(tx *postgres.Tx) (struct{}, error) {
		all := postgres.On[categoryRow](tx).Where("code < ?", "M")
		few, more := all.Where("code = ?", "EGG"), all.Where("code <> ?", "EGG")
		for name, q := range map[string]struct {
			query postgres.Query[categoryRow]
			want  int64
		}{"all": {all, 6}, "few": {few, 1}, "more": {more, 5}} {
			if got, err := q.query.Count(t.Context()); err != nil || got != q.want {
				t.Errorf("%s: %d rows, %v, want %d", name, got, err, q.want)
			}
		}
		if _, err := all.Updates(t.Context(), categoryRow{}); err == nil {
			t.Error("an update that selects no fields is taken")
		}
		return struct{}{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

type job struct {
	Name string `json:"name"`
}

func (job) Kind() string { return "test" }

// fresh is a database with one table of the test's own.
func fresh(t *testing.T) *postgres.DB {
	t.Helper()
	place := pgtest.Create(t)
	owner := pgtest.Open(t, postgresPlace(place), pgtest.NewClock(pgtest.Noon).Now)
	for _, s := range []string{
		`CREATE TABLE number (n bigint CONSTRAINT number_pkey PRIMARY KEY, at timestamptz NOT NULL)`,
		`GRANT SELECT, INSERT, UPDATE ON number TO shiyi_app`,
	} {
		if _, err := owner.SQL().ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return pgtest.Open(t, place, pgtest.NewClock(pgtest.Noon).Now)
}

// postgresPlace is the same database as its owner sees it.
func postgresPlace(p pgtest.Place) pgtest.Place {
	p.URL = p.OwnerURL
	return p
}

func add(ctx context.Context, tx *postgres.Tx, n int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO number (n, at) VALUES (?, ?)`, n, tx.Now)
	return err
}

func numbers(t *testing.T, db *postgres.DB) int {
	t.Helper()
	rows, err := postgres.Read(t.Context(), db, func(tx *postgres.Tx) ([]numberRow, error) {
		return postgres.Rows[numberRow](t.Context(), tx, `SELECT n FROM number`)
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(rows)
}

func TestATransactionIsAllOrNothing(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	oops := errors.New("oops")
	err := postgres.Do(t.Context(), db, func(tx *postgres.Tx) error {
		if err := add(t.Context(), tx, 1); err != nil {
			return err
		}
		return oops
	})
	if !errors.Is(err, oops) {
		t.Fatalf("got %v, want the function's own error", err)
	}
	if n := numbers(t, db); n != 0 {
		t.Errorf("%d rows of a refused transaction are left", n)
	}
	if err := postgres.Do(t.Context(), db, func(tx *postgres.Tx) error { return add(t.Context(), tx, 1) }); err != nil {
		t.Fatal(err)
	}
	err = postgres.Do(t.Context(), db, func(tx *postgres.Tx) error { return add(t.Context(), tx, 1) })
	if !postgres.Violates(err, "number_pkey") {
		t.Errorf("a second 1: %v, want a violation of number_pkey", err)
	}
}

func TestAPanicLeavesNothing(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	func() {
		defer func() { _ = recover() }()
		_ = postgres.Do(t.Context(), db, func(tx *postgres.Tx) error {
			if err := add(t.Context(), tx, 1); err != nil {
				return err
			}
			panic("half-way")
		})
	}()
	if n := numbers(t, db); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// TestADeadlockIsRunAgain makes two transactions lock two rows in opposite
// orders: PostgreSQL ends one of them, and both must succeed all the same.
func TestADeadlockIsRunAgain(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	for n := range int64(2) {
		if err := postgres.Do(t.Context(), db, func(tx *postgres.Tx) error { return add(t.Context(), tx, n) }); err != nil {
			t.Fatal(err)
		}
	}
	touch := func(tx *postgres.Tx, n int64) error {
		_, err := tx.Exec(t.Context(), `UPDATE number SET at = at + interval '1 second' WHERE n = ?`, n)
		return err
	}
	both := make(chan struct{}, 2)
	meet := make(chan struct{})
	errs := make(chan error, 2)
	for me := range int64(2) {
		go func() {
			first := true
			errs <- postgres.Do(t.Context(), db, func(tx *postgres.Tx) error {
				if err := touch(tx, me); err != nil {
					return err
				}
				if first {
					first = false
					both <- struct{}{}
					<-meet
				}
				return touch(tx, 1-me)
			})
		}()
	}
	<-both
	<-both
	close(meet)
	for range 2 {
		if err := <-errs; err != nil {
			t.Errorf("a transaction that lost a race was not run again: %v", err)
		}
	}
}

func TestEveryRowOfATransactionBearsTheSameTime(t *testing.T) {
	t.Parallel()
	clock := pgtest.NewClock(pgtest.Noon.Add(123456789 * time.Nanosecond))
	db := pgtest.NewAt(t, clock.Now)
	now, err := postgres.InTx(t.Context(), db, func(tx *postgres.Tx) (time.Time, error) { return tx.Now, nil })
	if err != nil {
		t.Fatal(err)
	}
	if want := pgtest.Noon.Add(123456 * time.Microsecond); !now.Equal(want) || now.Location() != time.UTC {
		t.Errorf("now is %v, want %v in UTC", now, want)
	}
	past := time.Date(2020, 1, 6, 0, 0, 0, 0, time.UTC)
	if got := db.At(past).Now(); !got.Equal(past) {
		t.Errorf("at %v it is %v", past, got)
	}
}

func TestAViewCannotWriteAndAReadCannotEnqueue(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	_, err := postgres.View(t.Context(), db, func(tx *postgres.Tx) (int, error) { return 0, add(t.Context(), tx, 1) })
	if err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a view wrote: %v", err)
	}
	_, err = postgres.Read(t.Context(), db, func(tx *postgres.Tx) (int, error) { return 0, tx.Enqueue(t.Context(), job{}) })
	if err == nil {
		t.Error("a read without a transaction enqueued a job")
	}
}

func TestAJobExistsIfAndOnlyIfItsTransactionCommitted(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	jobs := func() int64 {
		row, err := postgres.Read(t.Context(), db, func(tx *postgres.Tx) (numberRow, error) {
			return postgres.Row[numberRow](t.Context(), tx, `SELECT count(*) AS n FROM river_job`)
		})
		if err != nil {
			t.Fatal(err)
		}
		return row.N
	}
	oops := errors.New("oops")
	_ = postgres.Do(t.Context(), db, func(tx *postgres.Tx) error {
		return errors.Join(tx.Enqueue(t.Context(), job{"lost"}), oops)
	})
	if n := jobs(); n != 0 {
		t.Errorf("%d jobs of a refused transaction", n)
	}
	before := db.Statements()
	if err := postgres.Do(t.Context(), db, func(tx *postgres.Tx) error { return tx.Enqueue(t.Context(), job{"kept"}) }); err != nil {
		t.Fatal(err)
	}
	if n := db.Statements() - before; n != 3 {
		t.Errorf("enqueueing one job took %d statements, want BEGIN, INSERT, COMMIT", n)
	}
	if n := jobs(); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
}

func TestAnArrayIsOneParameter(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	want := []uuid.UUID{uuid.MustParse("0190a2b0-0000-7000-8000-000000000001"), uuid.MustParse("0190a2b0-0000-7000-8000-000000000002")}
	type row struct {
		ID   uuid.UUID
		Name string
		B    []byte
	}
	rows, err := postgres.Read(t.Context(), db, func(tx *postgres.Tx) ([]row, error) {
		return postgres.Rows[row](t.Context(), tx, `SELECT * FROM unnest(?::uuid[], ?::text[], ?::bytea[]) AS x(id, name, b)`,
			postgres.Array(want), postgres.Array([]string{"a, b", `"{}`}), postgres.Array([][]byte{{0, 1}, {}}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].ID != want[0] || rows[1].Name != `"{}` || len(rows[0].B) != 2 {
		t.Errorf("got %+v", rows)
	}
	if _, err := postgres.Read(t.Context(), db, func(tx *postgres.Tx) (row, error) {
		return postgres.Row[row](t.Context(), tx, `SELECT * FROM unnest(?::uuid[]) AS x(id)`, postgres.Array([]uuid.UUID{}))
	}); !errors.Is(err, postgres.ErrNoRows) {
		t.Errorf("no row: %v", err)
	}
}

func TestACollectingDatabaseHandsItsJobsOutWhenTheyAreTrue(t *testing.T) {
	t.Parallel()
	var got []string
	db := pgtest.New(t).Collecting(func(j river.JobArgs) {
		if j, ok := j.(job); ok {
			got = append(got, j.Name)
		}
	})
	oops := errors.New("oops")
	_ = postgres.Do(t.Context(), db, func(tx *postgres.Tx) error {
		return errors.Join(tx.Enqueue(t.Context(), job{"lost"}), oops)
	})
	if err := postgres.Do(t.Context(), db, func(tx *postgres.Tx) error {
		return errors.Join(tx.Enqueue(t.Context(), job{"one"}), tx.Enqueue(t.Context(), job{"two"}))
	}); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, " ") != "one two" {
		t.Errorf("collected %q, want one and two", got)
	}
}

// wideRow is a row of a table of the test's own.
type wideRow struct {
	N    int64 `gorm:"primaryKey"`
	Who  *uuid.UUID
	Name string
	At   time.Time
}

// TableName is wide.
func (wideRow) TableName() string { return "wide" }

func TestManyRowsAreOneStatement(t *testing.T) {
	t.Parallel()
	place := pgtest.Create(t)
	owner := pgtest.Open(t, postgresPlace(place), pgtest.NewClock(pgtest.Noon).Now)
	for _, s := range []string{
		`CREATE TABLE wide (n bigint CONSTRAINT wide_pkey PRIMARY KEY, who uuid, name text NOT NULL, at timestamptz NOT NULL)`,
		`GRANT SELECT, INSERT, UPDATE ON wide TO shiyi_app`,
	} {
		if _, err := owner.SQL().ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	db := pgtest.Open(t, place, pgtest.NewClock(pgtest.Noon.Add(time.Microsecond)).Now)
	who := uuid.MustParse("0190a2b0-0000-7000-8000-000000000001")
	rows := make([]wideRow, 20_000) // with 4 parameters each they would be too many
	for i := range rows {
		rows[i] = wideRow{N: int64(i) + 1<<62, Name: `"莜面" \ ?`, At: db.Now()}
	}
	rows[1].Who = &who
	before := db.Statements()
	err := postgres.Do(t.Context(), db, func(tx *postgres.Tx) error { return postgres.CreateAll(t.Context(), tx, rows) })
	if err != nil || db.Statements()-before != 3 {
		t.Fatalf("%v after %d statements, want BEGIN, INSERT, COMMIT", err, db.Statements()-before)
	}
	changed := []wideRow{{N: rows[1].N, Name: "new", At: pgtest.Noon}, {N: 1, Name: "of nobody", At: pgtest.Noon}}
	n, err := postgres.InTx(t.Context(), db, func(tx *postgres.Tx) (int64, error) { return postgres.UpdateAll(t.Context(), tx, changed, "who") })
	if err != nil || n != 1 {
		t.Fatalf("updated %d rows, %v, want 1", n, err)
	}
	got, err := postgres.Read(t.Context(), db, func(tx *postgres.Tx) ([]wideRow, error) {
		return postgres.On[wideRow](tx).Order("n").Limit(2).Find(t.Context())
	})
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	if got[0].N != rows[0].N || got[0].Name != rows[0].Name || !got[0].At.Equal(rows[0].At) || got[0].Who != nil {
		t.Errorf("the first row is %+v, want %+v", got[0], rows[0])
	}
	if got[1].Name != "new" || got[1].Who == nil || *got[1].Who != who || !got[1].At.Equal(pgtest.Noon) {
		t.Errorf("the second row is %+v, want it renamed and its who as it was", got[1])
	}
	err = postgres.Do(t.Context(), db, func(tx *postgres.Tx) error { return postgres.CreateAll(t.Context(), tx, rows[:1]) })
	if !postgres.Violates(err, "wide_pkey") {
		t.Errorf("a second one: %v, want a violation of wide_pkey", err)
	}
}
