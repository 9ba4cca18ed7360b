package pgtest_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/schema"
)

func TestEachTestHasItsOwnMigratedDatabase(t *testing.T) {
	t.Parallel()
	one, two := pgtest.New(t), pgtest.New(t)

	pending, err := schema.Pending(t.Context(), pgtest.Owner(t, one))
	if err != nil {
		t.Fatal(err)
	}
	if pending != 0 {
		t.Errorf("migrations pending: got %d, want 0", pending)
	}
	if _, err := pgtest.Owner(t, one).ExecContext(t.Context(), "CREATE TABLE mine ()"); err != nil {
		t.Fatal(err)
	}
	var there bool
	if err := two.SQL().QueryRowContext(t.Context(), "SELECT to_regclass('mine') IS NOT NULL").Scan(&there); err != nil {
		t.Fatal(err)
	}
	if there {
		t.Error("one test sees another's table")
	}
	if got := one.Now(); !got.Equal(pgtest.Noon) {
		t.Errorf("clock: got %v, want %v", got, pgtest.Noon)
	}
}

func TestTheApplicationMayNotAlterTables(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	_, err := db.SQL().ExecContext(t.Context(), "CREATE TABLE sneaked ()")
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "42501" {
		t.Errorf("got %v, want insufficient privilege", err)
	}
}

func TestManyClonesAtOnce(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { pgtest.Create(t) })
	}
	wg.Wait()
}

func TestClockMovesWhenItIsMoved(t *testing.T) {
	t.Parallel()
	clock := pgtest.NewClock(pgtest.Noon)
	db := pgtest.NewAt(t, clock.Now)
	clock.Advance(time.Hour)
	if got, want := db.Now(), pgtest.Noon.Add(time.Hour); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
