package app_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/internal/app"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

// TestARestoredOlderBackupRefusesToSign copies the database, goes on selling, puts the copy in
// its place, as a restore from yesterday does, and goes on selling there.
func TestARestoredOlderBackupRefusesToSign(t *testing.T) {
	t.Parallel()
	place, folder := pgtest.Create(t), t.TempDir()
	cfg, err := app.Load(t.Context(), environment(map[string]string{
		"STATE_DIR": folder, "DATABASE_URL": place.URL, "DATABASE_OWNER_URL": place.OwnerURL, "LISTEN_ADDR": "127.0.0.1:0",
		"METRICS_ADDR": "", "PASSWORD_MEMORY_KIB": "64", "PASSWORD_ITERATIONS": "1", "DATABASE_MAX_CONNS": "4",
	}))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	sell := func(a *app.App, sales int) {
		t.Helper()
		err := postgres.Do(t.Context(), a.DB(), func(tx *postgres.Tx) error {
			all := make([]ledger.Transfer, sales)
			for i := range all {
				n++
				all[i] = ledger.Transfer{Home: ledger.FundHome, Kind: "note", Ref: strconv.Itoa(n), Moves: []ledger.Move{{What: "thing", From: "world:a", To: "world:b", Amount: 1}}}
			}
			return ledger.Book(t.Context(), tx, all)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	during := func(f func(a *app.App)) {
		t.Helper()
		a, err := app.Open(t.Context(), cfg, pgtest.NewClock(pgtest.Noon).Now, quiet())
		if err != nil {
			t.Fatal(err)
		}
		f(a)
		if err := a.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	during(func(a *app.App) {
		sell(a, 5)
		if _, err := a.Services().Transparency.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	server, err := sql.Open("pgx", pgtest.Server(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	address, err := url.Parse(place.URL)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(address.Path, "/")
	backup := name + "_backup"
	exec := func(statement string) {
		t.Helper()
		if _, err := server.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	exec("CREATE DATABASE " + backup + " TEMPLATE " + name)
	during(func(a *app.App) {
		sell(a, 3)
		if _, err := a.Services().Transparency.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	exec("DROP DATABASE " + name + " WITH (FORCE)")
	exec("ALTER DATABASE " + backup + " RENAME TO " + name)
	during(func(a *app.App) {
		sell(a, 30) // more than were lost: the size alone would not tell
		for range 2 {
			if numbered, err := a.Services().Transparency.Drain(t.Context()); numbered != 0 || !errors.Is(err, transparency.ErrFork) {
				t.Errorf("numbered %d, %v; want %v", numbered, err, transparency.ErrFork)
			}
		}
		var out strings.Builder
		if err := a.Verify(t.Context(), &out); !errors.Is(err, app.ErrDiffers) || !strings.Contains(out.String(), "8 leaves were signed, the database has 5") {
			t.Errorf("verify: %v\n%s", err, out.String())
		}
	})
}
