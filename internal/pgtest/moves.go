package pgtest

import (
	"database/sql"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Moves tries to bring rows of a table from each state to each other one, as the
// application's role and without the application: the database must let it do what
// allowed names ("from>to") and refuse the rest. rows has a row's id for each
// state; set is what an UPDATE sets, $1 being the new state, so that no other rule
// stands in the way. Nothing of it stays.
func Moves(tb testing.TB, db *postgres.DB, table, set string, rows map[string]uuid.UUID, allowed ...string) {
	tb.Helper()
	states := slices.Sorted(maps.Keys(rows))
	for _, from := range states {
		for _, to := range states {
			n, err := tried(tb, db.SQL(), "UPDATE "+table+" SET "+set+" WHERE id = $2 AND state = $3", to, rows[from], from)
			switch {
			case from == to || slices.Contains(allowed, from+">"+to):
				if err != nil || n != 1 {
					tb.Errorf("%s from %s to %s: %d rows, %v, want 1", table, from, to, n, err)
				}
			case !postgres.Violates(err, table+"_state_moves"):
				tb.Errorf("%s from %s to %s: %d rows, %v, want a refusal", table, from, to, n, err)
			}
		}
	}
}

// tried is what a statement would have done.
func tried(tb testing.TB, db *sql.DB, statement string, args ...any) (int64, error) {
	tb.Helper()
	tx, err := db.BeginTx(tb.Context(), nil)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	defer func() { _ = tx.Rollback() }()
	done, err := tx.ExecContext(tb.Context(), statement, args...)
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}
