// Package schema is the shape of the database: one linear history of SQL
// migrations, a file for each context, forward only.
package schema

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/*.sql
var files embed.FS

// Up brings the database to the newest shape and lets appRole, a login role,
// use it as the application. It needs the owner's connection, and may be run
// any number of times, by several programs at once: one waits for the other.
func Up(ctx context.Context, owner *sql.DB, appRole string) (err error) {
	held, err := owner.Conn(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	if _, err := held.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, lockKey); err != nil {
		return fmt.Errorf("wait for another migration: %w", err)
	}
	defer func() {
		_, free := held.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, lockKey)
		err = errors.Join(err, free)
	}()
	return up(ctx, owner, appRole)
}

// lockKey is the advisory lock under which the schema is changed.
const lockKey = 1527_2020

func up(ctx context.Context, owner *sql.DB, appRole string) error {
	history, err := provider(owner)
	if err != nil {
		return err
	}
	if _, err := history.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	jobs, err := rivermigrate.New(riverdatabasesql.New(owner), nil)
	if err != nil {
		return fmt.Errorf("open the queue's migrations: %w", err)
	}
	if _, err := jobs.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the queue: %w", err)
	}
	return grant(ctx, owner, appRole)
}

// grant gives the application's login its group roles and the queue's tables.
func grant(ctx context.Context, owner *sql.DB, appRole string) error {
	statements := []string{
		`GRANT SELECT, INSERT, UPDATE, DELETE ON river_job, river_leader, river_queue, river_notification TO shiyi_app`,
		`GRANT SELECT ON river_migration, goose_db_version TO shiyi_app`,
		`GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO shiyi_app`,
	}
	var current string
	if err := owner.QueryRowContext(ctx, `SELECT current_user`).Scan(&current); err != nil {
		return fmt.Errorf("who is the owner: %w", err)
	}
	login := pgx.Identifier{appRole}.Sanitize()
	statements = append(statements, `GRANT shiyi_app TO `+login, `GRANT shiyi_switch TO `+login)
	for _, s := range statements {
		if _, err := owner.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s (as %s): %w", s, current, err)
		}
	}
	return nil
}

// Pending is how many migrations the database still lacks.
func Pending(ctx context.Context, db *sql.DB) (int, error) {
	history, err := provider(db)
	if err != nil {
		return 0, err
	}
	have, err := history.GetDBVersion(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	pending := 0
	for _, source := range history.ListSources() {
		if source.Version > have {
			pending++
		}
	}
	return pending, nil
}

// Hash names this shape: it changes with any migration.
func Hash() string {
	sum := sha256.New()
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			panic(err) // embedded files can be read
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

func provider(db *sql.DB) (*goose.Provider, error) {
	migrations, err := fs.Sub(files, "migrations")
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	history, err := goose.NewProvider(goose.DialectPostgres, db, migrations)
	if err != nil {
		return nil, fmt.Errorf("open the migrations: %w", err)
	}
	return history, nil
}
