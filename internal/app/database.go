package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/shiyi-market/shiyi/internal/pgserver"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/schema"
)

// database is PostgreSQL as this process reaches it.
type database struct {
	cfg    postgres.Config
	server *pgserver.Server // ours, or nil
	holder int              // the process whose private server we look into, or 0
}

// separated reports whether the application's role is not the owner's.
func (d database) separated() bool { return d.cfg.OwnerURL != "" && d.cfg.OwnerURL != d.cfg.URL }

// findDatabase reaches the configured database, or starts the private one. A
// command that only looks may look into the private database of a running shop.
func findDatabase(ctx context.Context, cfg Config, looks bool, log *slog.Logger) (database, error) {
	if cfg.Postgres.URL != "" {
		return database{cfg: cfg.Postgres}, nil
	}
	// PostgreSQL's user has to pass through the folder; what is secret in it has a mode of its own.
	const passable = 0o711
	if err := os.MkdirAll(cfg.StateDir, passable); err != nil {
		return database{}, fmt.Errorf("STATE_DIR: %w", err)
	}
	d := database{cfg: cfg.Postgres}
	private := pgserver.Config{Dir: filepath.Join(cfg.StateDir, "postgres"), Bin: cfg.Binaries, Path: cfg.Path}
	server, err := pgserver.Start(ctx, private, log)
	if err == nil {
		d.server, d.cfg.URL, d.cfg.OwnerURL = server, server.URL(), server.OwnerURL()
		return d, nil
	}
	if !looks || !errors.Is(err, pgserver.ErrRunning) {
		return database{}, err
	}
	there, err := pgserver.Attach(private.Dir)
	if err != nil {
		return database{}, err
	}
	log.InfoContext(ctx, "looking into the private database of a running shop", slog.Int("pid", there.Pid))
	d.holder, d.cfg.URL, d.cfg.OwnerURL = there.Pid, there.URL, there.OwnerURL
	return d, nil
}

// stop stops the server, if it is ours.
func (d database) stop(ctx context.Context) error {
	if d.server == nil {
		return nil
	}
	return d.server.Stop(ctx)
}

// owner connects as the owner of the tables.
func (d database) owner() (*sql.DB, error) {
	address := d.cfg.OwnerURL
	if address == "" {
		address = d.cfg.URL
	}
	owner, err := sql.Open("pgx", address)
	if err != nil {
		return nil, errors.New("DATABASE_OWNER_URL cannot be read") // without err: it may quote a password
	}
	return owner, nil
}

// migrate brings the schema up to date.
func (d database) migrate(ctx context.Context) (err error) {
	app, err := pgx.ParseConfig(d.cfg.URL)
	if err != nil {
		return errors.New("DATABASE_URL cannot be read")
	}
	owner, err := d.owner()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, owner.Close()) }()
	return schema.Up(ctx, owner, app.User)
}
