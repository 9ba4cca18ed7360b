// Package pgtest gives each test a database of its own: a clone of a template
// that the migrations made once, on a server that the tests share. When the test
// ends it looks at the book, and then drops the clone.
//
// The server is that of TEST_DATABASE_URL (a superuser's connection), else a
// private one that lives as long as the test's process; its data is kept for the
// next. Its durability is switched off.
package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/shiyi-market/shiyi/internal/pgserver"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/schema"
)

// Noon is what a test's clock says until the test moves it: 12:00 in Shanghai
// on 23 November 2026.
var Noon = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

// The login roles that tests connect as.
const (
	ownerRole = "shiyi_test_owner"
	appRole   = "shiyi_test"
	password  = "shiyi_test"
)

// Clock is a clock that stands still until it is moved. It may be used by many
// goroutines.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock is a clock that stands at the given time.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now is the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set moves the clock to a time, back or forth.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = at
}

// Advance moves the clock on by d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// New is a database with the newest schema and nothing in it, seen as the
// application's role, with a clock that stands at Noon. After the test its book
// is checked.
func New(tb testing.TB) *postgres.DB {
	tb.Helper()
	return NewAt(tb, NewClock(Noon).Now)
}

// NewAt is New with a clock of the test's own.
func NewAt(tb testing.TB, clock func() time.Time) *postgres.DB {
	tb.Helper()
	return Open(tb, Create(tb), clock)
}

// Place is a test's database, before anybody has connected to it.
type Place struct {
	// URL connects as the application's role, OwnerURL as the owner of the
	// tables, SuperURL as the superuser.
	URL, OwnerURL, SuperURL string
}

// Create makes a database of the newest schema for the test and gives its
// addresses, for tests that open it themselves. It is dropped after the test,
// when its book has been checked.
func Create(tb testing.TB) Place {
	tb.Helper()
	return create(tb, true)
}

// Empty makes a database without any table, for tests of the schema itself.
func Empty(tb testing.TB) Place {
	tb.Helper()
	return create(tb, false)
}

func create(tb testing.TB, migrated bool) Place {
	tb.Helper()
	ctx := context.Background()
	srv, err := server()
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	from := "template0"
	if migrated {
		if from, err = srv.template(ctx); err != nil {
			tb.Fatalf("pgtest: %v", err)
		}
	}
	name := "shiyi_test_" + random()
	if err := srv.clone(ctx, name, from); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	place := srv.place(name)
	tb.Cleanup(func() {
		if migrated && !tb.Failed() {
			checkBook(tb, place.SuperURL)
		}
		if _, err := srv.super.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			tb.Logf("pgtest: drop %s: %v", name, err)
		}
	})
	return place
}

// Open opens a test's database as the application does; it is closed after the
// test.
func Open(tb testing.TB, place Place, clock func() time.Time) *postgres.DB {
	tb.Helper()
	cfg := postgres.Config{URL: place.URL, OwnerURL: place.OwnerURL, MaxConns: 8}
	db, err := postgres.Open(context.Background(), cfg, clock, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("pgtest: close: %v", err)
		}
	})
	return db
}

// Owner connects to the database of db as the owner of its tables, to prepare
// or to tamper with what the application may not touch.
func Owner(tb testing.TB, db *postgres.DB) *sql.DB {
	tb.Helper()
	return connect(tb, db, func(p Place) string { return p.OwnerURL })
}

// Super connects to the database of db as a superuser.
func Super(tb testing.TB, db *postgres.DB) *sql.DB {
	tb.Helper()
	return connect(tb, db, func(p Place) string { return p.SuperURL })
}

func connect(tb testing.TB, db *postgres.DB, as func(Place) string) *sql.DB {
	tb.Helper()
	srv, err := server()
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	var name string
	if err := db.SQL().QueryRowContext(context.Background(), "SELECT current_database()").Scan(&name); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	pool, err := sql.Open("pgx", as(srv.place(name)))
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(func() { _ = pool.Close() })
	return pool
}

// Server is the superuser's address of the server that tests share.
func Server(tb testing.TB) string {
	tb.Helper()
	srv, err := server()
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return srv.url.String()
}

func random() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// cluster is the server that the tests of a process share.
type cluster struct {
	url   *url.URL
	super *sql.DB

	once sync.Once
	name string // of the template
	err  error
}

// server connects to the shared server, once in a process.
var server = sync.OnceValues(func() (*cluster, error) {
	ctx := context.Background()
	address := os.Getenv("TEST_DATABASE_URL")
	if address == "" {
		s, err := Private(ctx)
		if err != nil {
			return nil, err
		}
		address = s.SuperURL()
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("TEST_DATABASE_URL: %w", err)
	}
	super, err := sql.Open("pgx", address)
	if err != nil {
		return nil, fmt.Errorf("TEST_DATABASE_URL: %w", err)
	}
	super.SetMaxOpenConns(4)
	c := &cluster{url: u, super: super}
	return c, c.roles(ctx)
})

// slots is how many private test servers may run at once on a machine.
const slots = 32

// ground is where test servers have their data: in memory where the machine has room
// for it, since a clone is some 700 files that are gone a second later, and a busy disk
// takes seconds for them.
func ground() string {
	const memory, room = "/dev/shm", 2 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err == nil && int64(fs.Bavail)*int64(fs.Bsize) >= room { //nolint:unconvert // the types are not the same everywhere
		return memory
	}
	return os.TempDir()
}

// Private starts a private server without durability in the first free folder of
// those that this machine keeps for tests. It ends with the process at the latest.
func Private(ctx context.Context) (*pgserver.Server, error) {
	base := filepath.Join(ground(), "shiyi-pgtest-"+strconv.Itoa(os.Geteuid()))
	if err := os.Mkdir(base, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	for n := range slots {
		s, err := pgserver.Start(ctx, pgserver.Config{
			Dir:        filepath.Join(base, strconv.Itoa(n)),
			Path:       os.Getenv("PATH"),
			Disposable: true,
			Settings: map[string]string{
				"max_connections": "400", "shared_buffers": "128MB", "autovacuum": "off",
				"max_wal_size": "256MB", "min_wal_size": "32MB", "log_min_messages": "fatal", "log_min_error_statement": "panic",
			},
		}, slog.New(slog.DiscardHandler))
		if errors.Is(err, pgserver.ErrRunning) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return s, sweep(ctx, s.SuperURL())
	}
	return nil, fmt.Errorf("all %d test servers in %s are in use", slots, base)
}

// sweep drops what killed tests and older schemas left on a server that is ours
// alone.
func sweep(ctx context.Context, address string) error {
	super, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	defer func() { _ = super.Close() }()
	const query = `SELECT datname FROM pg_database
		WHERE datname LIKE 'shiyi\_test\_%' OR (datname LIKE 'shiyi\_template\_%' AND datname <> $1)`
	left, err := texts(ctx, super, query, templateName())
	if err != nil {
		return err
	}
	for _, name := range left {
		if _, err := super.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			return err
		}
	}
	return nil
}

// place gives the addresses of a database of the cluster.
func (c *cluster) place(database string) Place {
	at := func(role string) string {
		u := *c.url
		u.Path = "/" + database
		if role != "" {
			u.User = url.UserPassword(role, password)
		}
		return u.String()
	}
	return Place{URL: at(appRole), OwnerURL: at(ownerRole), SuperURL: at("")}
}

// lockKey is the advisory lock under which test processes change what they share.
const lockKey = 7231011

// locked runs f on a connection that holds the lock.
func (c *cluster) locked(ctx context.Context, f func(conn *sql.Conn) error) (err error) {
	conn, err := c.super.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lockKey); err != nil {
		return err
	}
	defer func() {
		_, unlock := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", lockKey)
		err = errors.Join(err, unlock)
	}()
	return f(conn)
}

// roles makes the login roles of tests.
func (c *cluster) roles(ctx context.Context) error {
	return c.locked(ctx, func(conn *sql.Conn) error {
		for role, options := range map[string]string{ownerRole: "LOGIN CREATEROLE", appRole: "LOGIN"} {
			var n int
			if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM pg_roles WHERE rolname = $1", role).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				continue
			}
			if _, err := conn.ExecContext(ctx, "CREATE ROLE "+role+" "+options+" PASSWORD '"+password+"'"); err != nil {
				return err
			}
		}
		return nil
	})
}

func templateName() string { return "shiyi_template_" + schema.Hash() }

// template is the name of the migrated database that tests clone. The first
// process that needs it makes it.
func (c *cluster) template(ctx context.Context) (string, error) {
	c.once.Do(func() {
		c.name = templateName()
		c.err = c.locked(ctx, func(conn *sql.Conn) error { return c.migrate(ctx, conn) })
	})
	return c.name, c.err
}

// migrate makes the template under another name, and renames it when it is whole.
func (c *cluster) migrate(ctx context.Context, conn *sql.Conn) error {
	var n int
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM pg_database WHERE datname = $1", c.name).Scan(&n); err != nil || n > 0 {
		return err
	}
	part := c.name + "_part"
	for _, statement := range []string{
		"DROP DATABASE IF EXISTS " + part + " WITH (FORCE)",
		"CREATE DATABASE " + part + " OWNER " + ownerRole + " TEMPLATE template0",
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	owner, err := sql.Open("pgx", c.place(part).OwnerURL)
	if err != nil {
		return err
	}
	err = schema.Up(ctx, owner, appRole)
	if err := errors.Join(err, owner.Close()); err != nil {
		return fmt.Errorf("make the template: %w", err)
	}
	if _, err := conn.ExecContext(ctx, "ALTER DATABASE "+part+" RENAME TO "+c.name); err != nil {
		return fmt.Errorf("name the template: %w", err)
	}
	return nil
}

// clone copies a template. A backend of the template's migration may take a
// moment to leave, so a busy template is tried again.
func (c *cluster) clone(ctx context.Context, name, from string) error {
	var err error
	for range 50 {
		_, err = c.super.ExecContext(ctx, "CREATE DATABASE "+name+" OWNER "+ownerRole+" TEMPLATE "+from+" STRATEGY file_copy")
		if err == nil || !strings.Contains(err.Error(), "55006") { // object_in_use
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("clone %s: %w", from, err)
	}
	return nil
}
