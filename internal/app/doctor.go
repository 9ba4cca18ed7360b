package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shiyi-market/shiyi/internal/redisdb"
	"github.com/shiyi-market/shiyi/internal/schema"
)

// ErrUnwell says that the doctor found something that must be mended.
var ErrUnwell = errors.New("something must be mended")

// levels of a finding.
const (
	fine = "ok"
	weak = "weak" // works, but not as it should in production
	bad  = "BAD"
)

// finding is one thing that the doctor looked at.
type finding struct{ level, what, remedy string }

// Doctor looks at everything that the program stands on and writes to out what
// it is, and for what is wrong a remedy. It fails with ErrUnwell if the program
// could not sell like this.
func Doctor(ctx context.Context, cfg Config, clock func() time.Time, log *slog.Logger, out io.Writer) error {
	var all []finding
	see := func(f ...finding) { all = append(all, f...) }
	see(examineState(cfg))
	see(examineDatabase(ctx, cfg, clock, log)...)
	see(examineRedis(ctx, cfg, log))
	see(examineTill(cfg))
	see(examineFund(cfg)...)
	see(examineProxies(cfg))
	see(examineLog(cfg))
	sick := 0
	for _, f := range all {
		fmt.Fprintf(out, "%-5s %s\n", f.level, f.what)
		if f.remedy != "" {
			fmt.Fprintf(out, "      → %s\n", f.remedy)
		}
		if f.level == bad {
			sick++
		}
	}
	if sick > 0 {
		return fmt.Errorf("%w: %d of %d", ErrUnwell, sick, len(all))
	}
	return nil
}

func examineState(cfg Config) finding {
	probe, err := os.CreateTemp(cfg.StateDir, ".doctor-*")
	switch {
	case errors.Is(err, os.ErrNotExist):
		return finding{fine, "state: " + cfg.StateDir + " will be made at the first start", ""}
	case err != nil:
		return finding{bad, "state: " + err.Error(), "let this user write to STATE_DIR, or choose another"}
	}
	_, _ = probe.Close(), os.Remove(probe.Name())
	return finding{fine, "state: " + cfg.StateDir, ""}
}

func examineDatabase(ctx context.Context, cfg Config, clock func() time.Time, log *slog.Logger) []finding {
	place, err := findDatabase(ctx, cfg, true, log)
	if err != nil {
		return []finding{{bad, "PostgreSQL: " + err.Error(), "install the package postgresql, or set DATABASE_URL to a server that runs"}}
	}
	defer func() { _ = within(ctx, stopLimit, place.stop) }()
	owner, err := place.owner()
	if err != nil {
		return []finding{{bad, err.Error(), "write it as postgres://user:password@host:5432/database"}}
	}
	defer func() { _ = owner.Close() }()
	var version string
	var now time.Time
	// The server's own clock is what is compared, so here, and only here, the database is asked for it.
	if err := owner.QueryRowContext(ctx, "SELECT current_setting('server_version'), clock_timestamp()").Scan(&version, &now); err != nil {
		return []finding{{bad, "PostgreSQL does not answer: " + err.Error(), "start it, and check DATABASE_URL and DATABASE_OWNER_URL"}}
	}
	all := []finding{{fine, "PostgreSQL " + version + ", " + place.kind(), ""}, place.examineRoles()}
	all = append(all, place.examineSchema(ctx, owner), place.examineCommit(ctx, owner))
	if off := clock().Sub(now).Abs(); off > time.Minute {
		all = append(all, finding{bad, fmt.Sprintf("clock: %s away from the database's", off.Round(time.Second)), "synchronize both clocks (timedatectl set-ntp true)"})
	} else {
		all = append(all, finding{fine, "clock: " + clock().UTC().Format(time.RFC3339) + ", as the database's", ""})
	}
	return all
}

// kind says whose server it is.
func (d database) kind() string {
	switch {
	case d.holder != 0:
		return fmt.Sprintf("the private one of process %d", d.holder)
	case d.server != nil:
		return "private, from " + d.server.Version()
	default:
		return "at DATABASE_URL"
	}
}

func (d database) examineRoles() finding {
	if d.separated() {
		return finding{fine, "roles: the application cannot alter the book's tables", ""}
	}
	return finding{
		weak, "roles: the application owns the tables, so a fault in it could switch the book's guards off",
		"set DATABASE_OWNER_URL to the owner, and DATABASE_URL to another login role",
	}
}

func (d database) examineSchema(ctx context.Context, owner *sql.DB) finding {
	var there bool
	if err := owner.QueryRowContext(ctx, "SELECT to_regclass('goose_db_version') IS NOT NULL").Scan(&there); err != nil {
		return finding{bad, "schema: " + err.Error(), ""}
	}
	if !there {
		return finding{fine, "schema: none yet; the first start makes it", ""}
	}
	n, err := schema.Pending(ctx, owner)
	switch {
	case err != nil:
		return finding{bad, "schema: " + err.Error(), "was the database made by a newer program?"}
	case n > 0:
		return finding{weak, fmt.Sprintf("schema: %d migrations behind", n), "shiyi migrate, or start the shop"}
	default:
		return finding{fine, "schema: up to date", ""}
	}
}

func (d database) examineCommit(ctx context.Context, owner *sql.DB) finding {
	var lax string
	const settings = `SELECT coalesce(string_agg(name, ', '), '') FROM pg_settings
		WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'`
	if err := owner.QueryRowContext(ctx, settings).Scan(&lax); err != nil {
		return finding{bad, "durability: " + err.Error(), ""}
	}
	if lax != "" {
		return finding{bad, "durability: " + lax + " off: a sale could be acknowledged and lost", "switch it on"}
	}
	return finding{fine, "durability: a sale is on disk before it is acknowledged", ""}
}

func examineRedis(ctx context.Context, cfg Config, log *slog.Logger) finding {
	r, err := redisdb.Open(ctx, cfg.Redis, log)
	if err != nil {
		return finding{bad, "Redis: " + err.Error(), "write it as redis://host:6379/0, or leave it empty"}
	}
	defer func() { _ = r.Close() }()
	switch {
	case r.Inside():
		return finding{fine, "Redis: inside the process (limits are counted for each process alone)", ""}
	case !r.Ready():
		return finding{weak, "Redis: does not answer; the shop sells without it, slower and without limits", "start it, or empty REDIS_URL"}
	default:
		return finding{fine, "Redis: answers", ""}
	}
}

// examineProxies asks whether callers can be told apart: the program itself speaks
// no TLS, so what is reached by https has a proxy in front.
func examineProxies(cfg Config) finding {
	behind := strings.HasPrefix(strings.ToLower(cfg.Server.PublicURL), "https:")
	switch {
	case len(cfg.HTTP.TrustedProxies) > 0:
		return finding{fine, "proxies: X-Forwarded-For is believed from " + strings.Join(cfg.HTTP.TrustedProxies, ", "), ""}
	case behind:
		return finding{
			weak, "proxies: PUBLIC_URL is https, and no proxy is trusted: the limits by address count everybody as one",
			"set HTTP_TRUSTED_PROXIES to the address that the proxy's requests come from, such as 127.0.0.1/32",
		}
	default:
		return finding{fine, "proxies: none; a caller's address is that of his connection", ""}
	}
}

func examineLog(cfg Config) finding {
	path := cfg.Log.KeyFile
	if path == "" {
		path = filepath.Join(cfg.StateDir, "log.key")
	}
	const others = 0o077
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && cfg.Log.KeyFile == "":
		return finding{fine, "log key: is made at the first start, in " + path, ""}
	case err != nil:
		return finding{bad, "log key: " + err.Error(), "LOG_KEY_FILE names the signing key of the public log"}
	case st.Mode().Perm()&others != 0:
		return finding{bad, "log key: others may read " + path, "chmod 600 " + path}
	default:
		return finding{fine, "log key: " + path + " (back it up, apart from the database)", ""}
	}
}
