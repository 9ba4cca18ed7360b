// Package postgres is the only way to the database. A unit of work is a
// function of a *Tx; whether it has a transaction of its own can be read off
// its signature.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	gormpg "gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

// ErrNoRows says that a query for one row found none.
var ErrNoRows = gorm.ErrRecordNotFound

// Config says where the database is and how many connections to keep.
type Config struct {
	// URL is the application's role; it reads and inserts, and cannot alter the book.
	URL string `env:"DATABASE_URL"`
	// OwnerURL is the role that owns the tables and migrates them. Empty: URL does both, and the guard is weaker.
	OwnerURL string `env:"DATABASE_OWNER_URL"`
	// MaxConns bounds the pool. More than some six a processor of the database make sales slower.
	MaxConns int `env:"DATABASE_MAX_CONNS, default=12"`
	// RelaxedCommit lets commits return before they are on disk. Only the replay of a recorded year may, which can be started again.
	RelaxedCommit bool
	// Observe is told of each finished transaction: "committed", "rolled_back" or "failed", and how often it was run again. It may be nil.
	Observe func(outcome string, retries int)
}

// DB is a pool of connections, a clock and a queue of jobs.
type DB struct {
	sql     *sql.DB
	gorm    *gorm.DB
	jobs    *river.Client[*sql.Tx]
	clock   func() time.Time
	trace   *tracer
	observe func(outcome string, retries int)
	collect func(river.JobArgs) // nil: jobs go into the queue
}

// Open connects to the database. The clock gives every transaction its time.
func Open(ctx context.Context, cfg Config, clock func() time.Time, log *slog.Logger) (*DB, error) {
	conn, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("read the database's address: %w", err)
	}
	trace := &tracer{log: log, clock: clock}
	conn.Tracer = trace
	if cfg.RelaxedCommit {
		conn.RuntimeParams["synchronous_commit"] = "off"
	}
	pool := stdlib.OpenDB(*conn)
	pool.SetMaxOpenConns(max(cfg.MaxConns, 2))
	pool.SetMaxIdleConns(max(cfg.MaxConns, 2))
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("reach the database: %w", err), pool.Close())
	}
	g, err := gorm.Open(gormpg.New(gormpg.Config{Conn: pool}), &gorm.Config{
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		Logger:                 logger.Discard,
		NowFunc:                clock,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open gorm: %w", err), pool.Close())
	}
	jobs, err := river.NewClient(riverdatabasesql.New(pool), &river.Config{
		// Workers poll, so nobody listens; and a NOTIFY makes all commits that have one queue up.
		// The least time between two of them is the first of these settings.
		FetchCooldown: never, FetchPollInterval: never, Logger: log,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the job queue: %w", err), pool.Close())
	}
	observe := cfg.Observe
	if observe == nil {
		observe = func(string, int) {}
	}
	return &DB{sql: pool, gorm: g, jobs: jobs, clock: clock, trace: trace, observe: observe}, nil
}

// Close closes all connections.
func (d *DB) Close() error { return d.sql.Close() }

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error { return d.sql.PingContext(ctx) }

// SQL is the pool itself, for the job queue and the schema.
func (d *DB) SQL() *sql.DB { return d.sql }

// Now is the clock's time in UTC, to the microsecond that PostgreSQL can hold.
func (d *DB) Now() time.Time { return d.clock().UTC().Truncate(time.Microsecond) }

// At is the same pool with a clock that stands at t: so a recorded year is put
// through the services with its own times.
func (d *DB) At(t time.Time) *DB {
	at := *d
	at.clock = func() time.Time { return t }
	return &at
}

// Collecting is the same database with a queue of the caller's own: the jobs of a
// transaction are handed to perform when it has committed, in their order, and
// are not stored. Replaying a recorded year performs its jobs itself.
func (d *DB) Collecting(perform func(river.JobArgs)) *DB {
	c := *d
	c.collect = perform
	return &c
}

// Statements is how many statements this pool has sent since it was opened,
// BEGIN and COMMIT among them.
func (d *DB) Statements() int64 { return d.trace.statements.Load() }

// Tx is one unit of work. Every row that it writes bears the same Now.
type Tx struct {
	gorm *gorm.DB
	sql  *sql.Tx // nil in Read
	jobs *river.Client[*sql.Tx]
	held *[]river.JobArgs // of a DB that collects them
	Now  time.Time
}

// never is longer than any program runs.
const never = 10_000 * time.Hour

// attempts bounds how often a transaction that loses a race is run.
const attempts = 5

// InTx runs f in a READ COMMITTED transaction, which commits if f returns nil.
// A transaction that loses a race (deadlock, serialization) is run again, so f
// must have no effect outside tx.
func InTx[T any](ctx context.Context, db *DB, f func(tx *Tx) (T, error)) (T, error) {
	return retried(ctx, db, nil, f)
}

// Do is InTx for work without a result.
func Do(ctx context.Context, db *DB, f func(tx *Tx) error) error {
	_, err := InTx(ctx, db, func(tx *Tx) (struct{}, error) { return struct{}{}, f(tx) })
	return err
}

// View runs f in a read-only REPEATABLE READ transaction: all of its queries
// see one moment, so a report agrees with itself.
func View[T any](ctx context.Context, db *DB, f func(tx *Tx) (T, error)) (T, error) {
	return retried(ctx, db, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, f)
}

// Read runs f without BEGIN, for use cases of one reading statement: one
// statement sees one moment anyhow, and a round trip is one instead of three.
// What f enqueues is refused; what it writes would commit by itself.
func Read[T any](ctx context.Context, db *DB, f func(tx *Tx) (T, error)) (T, error) {
	return f(&Tx{gorm: db.gorm.WithContext(ctx), Now: db.Now()})
}

func retried[T any](ctx context.Context, db *DB, opts *sql.TxOptions, f func(tx *Tx) (T, error)) (T, error) {
	for n := range attempts {
		out, err := once(ctx, db, opts, f)
		if !lostRace(err) || n == attempts-1 {
			db.observe(outcome(err), n)
			return out, err
		}
		pause := time.NewTimer(time.Duration(rand.Int64N(int64(10*time.Millisecond) << n)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return out, errors.Join(ctx.Err(), err)
		}
	}
	panic("unreachable: the last attempt returns")
}

func once[T any](ctx context.Context, db *DB, opts *sql.TxOptions, f func(tx *Tx) (T, error)) (out T, err error) {
	raw, err := db.sql.BeginTx(ctx, opts)
	if err != nil {
		return out, fmt.Errorf("begin: %w", err)
	}
	committed := false
	defer func() {
		if !committed {
			// After a failure there is nothing better to say than the failure itself.
			_ = raw.Rollback()
		}
	}()
	g := db.gorm.WithContext(ctx)
	g.Statement.ConnPool = raw
	tx := &Tx{gorm: g, sql: raw, jobs: db.jobs, Now: db.Now()}
	if db.collect != nil {
		tx.held = new([]river.JobArgs)
	}
	if out, err = f(tx); err != nil {
		return out, err
	}
	if err := raw.Commit(); err != nil {
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
			err = ctx.Err() // database/sql rolled it back when the context ended
		}
		var zero T
		return zero, fmt.Errorf("commit: %w", err)
	}
	committed = true
	if tx.held != nil {
		for _, job := range *tx.held {
			db.collect(job)
		}
	}
	return out, nil
}

func outcome(err error) string {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return "committed"
	case errors.As(err, &pg):
		return "failed"
	default:
		return "rolled_back"
	}
}

// lostRace reports whether err is a deadlock or a serialization failure, after
// which the same work may well succeed.
func lostRace(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40P01" || pg.Code == "40001")
}

// Violates reports whether err was raised by the named constraint, or by a
// trigger that names it.
func Violates(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.ConstraintName == constraint
}

// Exec runs one statement with `?` placeholders and returns the number of rows
// it touched. Only store files call it.
func (tx *Tx) Exec(ctx context.Context, statement string, args ...any) (int64, error) {
	done := tx.gorm.WithContext(ctx).Exec(statement, bare(args)...)
	return done.RowsAffected, done.Error
}

// Rows runs one query with `?` placeholders and gives its rows as structs, by
// column name. Only store files call it.
func Rows[R any](ctx context.Context, tx *Tx, query string, args ...any) ([]R, error) {
	var rows []R
	if err := tx.gorm.WithContext(ctx).Raw(query, bare(args)...).Scan(&rows).Error; err != nil {
		return nil, err
	}
	return rows, nil
}

// Row is Rows for a query that gives one row; none is ErrNoRows.
func Row[R any](ctx context.Context, tx *Tx, query string, args ...any) (R, error) {
	rows, err := Rows[R](ctx, tx, query, args...)
	if err != nil || len(rows) == 0 {
		var zero R
		if err == nil {
			err = ErrNoRows
		}
		return zero, err
	}
	return rows[0], nil
}

// Array passes a slice to a statement as one PostgreSQL array, as in
// `id = ANY(?::uuid[])`; without it gorm would spread the slice over many
// placeholders.
func Array[T any](values []T) clause.Expression {
	if ids, ok := any(values).([]uuid.UUID); ok {
		raw := make([][16]byte, len(ids))
		for i, u := range ids {
			raw[i] = u
		}
		return bound{raw}
	}
	return bound{values}
}

// bare strips ids down to the sixteen bytes that they are, in place. pgx sends
// those as they are; from an id it would make a text, and of the text the bytes
// again, which was a tenth of the program's work on the sale's path.
func bare(args []any) []any {
	for i, a := range args {
		switch a := a.(type) {
		case uuid.UUID:
			args[i] = bound{[16]byte(a)}
		case interface {
			UUID() uuid.UUID
			IsZero() bool
		}:
			if a.IsZero() {
				args[i] = nil
			} else {
				args[i] = bound{[16]byte(a.UUID())}
			}
		}
	}
	return args
}

// bound is one parameter, whatever its kind: a struct, because gorm spreads what
// is a slice or an array.
type bound struct{ value any }

// Build binds the value to one placeholder.
func (b bound) Build(builder clause.Builder) {
	statement, ok := builder.(*gorm.Statement)
	if !ok {
		return
	}
	statement.Vars = append(statement.Vars, b.value)
	statement.BindVarTo(builder, statement, b.value)
}

// EnqueueAll is Enqueue for many jobs, in one statement.
func (tx *Tx) EnqueueAll(ctx context.Context, jobs []river.JobArgs) error {
	switch {
	case len(jobs) == 0:
		return nil
	case tx.sql == nil:
		return fmt.Errorf("enqueue %s: outside a transaction", jobs[0].Kind())
	case tx.held != nil:
		*tx.held = append(*tx.held, jobs...)
		return nil
	}
	params := make([]river.InsertManyParams, len(jobs))
	for i, job := range jobs {
		params[i].Args = job
	}
	if _, err := tx.jobs.InsertManyTx(ctx, tx.sql, params); err != nil {
		return fmt.Errorf("enqueue %s: %w", jobs[0].Kind(), err)
	}
	return nil
}

// Enqueue puts a job into the queue as part of tx: it exists if and only if tx
// commits. Jobs carry ids, not data.
func (tx *Tx) Enqueue(ctx context.Context, job river.JobArgs, opts ...*river.InsertOpts) error {
	if tx.sql == nil {
		return fmt.Errorf("enqueue %s: outside a transaction", job.Kind())
	}
	if tx.held != nil {
		*tx.held = append(*tx.held, job)
		return nil
	}
	var opt *river.InsertOpts
	if len(opts) > 0 {
		opt = opts[0]
	}
	if _, err := tx.jobs.InsertTx(ctx, tx.sql, job, opt); err != nil {
		return fmt.Errorf("enqueue %s: %w", job.Kind(), err)
	}
	return nil
}
