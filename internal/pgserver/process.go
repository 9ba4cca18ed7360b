package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// restarts is how many postmasters in a row may end within steady before the
// server is given up.
const (
	restarts = 3
	steady   = 10 * time.Second
)

func slogPid(pid int) slog.Attr { return slog.Int("pid", pid) }

// program is a command of PostgreSQL in a clean environment: the variables of
// the person who starts us (PGDATA, PGPORT, LC_ALL, …) change nothing.
func (s *Server) program(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.Dir = s.cfg.Dir
	cmd.SysProcAttr = attributes(s.run)
	return cmd
}

// initialize makes the data on first use, in a folder that gets its name only
// when it is whole.
func (s *Server) initialize(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.data(), "PG_VERSION")); err == nil {
		return nil
	}
	part := s.data() + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + part, "--username=" + SuperRole, "--auth=trust",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions",
	}
	if s.cfg.Disposable {
		args = append(args, "--no-sync")
	}
	out, err := s.program(ctx, "initdb", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return os.Rename(part, s.data())
}

// launch starts the postmaster and waits until it accepts connections.
func (s *Server) launch(ctx context.Context) error {
	if err := os.Rename(s.logFile(), s.logFile()+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s.launched = true
	go s.supervise(context.WithoutCancel(ctx))
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.SuperURL())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-s.done:
			return s.err
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// supervise runs postmasters one after another until Stop, or until they end too
// soon too often.
//
// The kernel sends the parent-death signal when the *thread* that started the
// child ends, so the goroutine keeps its thread for as long as the child lives.
func (s *Server) supervise(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.done)
	for failures := 0; failures < restarts; {
		old := time.NewTimer(steady)
		err := s.postmaster(ctx)
		if s.stopped() {
			old.Stop()
			return
		}
		if !old.Stop() {
			failures = 0
		}
		failures++
		s.err = fmt.Errorf("the postmaster ended (%w): %s", errOr(err), s.tail())
		s.log.ErrorContext(ctx, "PostgreSQL ended", slog.Any("error", err), slog.Int("failures", failures))
		select {
		case <-s.stopping:
			return
		case <-time.After(100 * time.Millisecond): // its children let go of the shared memory
		}
	}
}

// stopped reports whether Stop was called.
func (s *Server) stopped() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// errEnded stands for an exit with status 0 that nobody asked for.
var errEnded = errors.New("exit status 0")

func errOr(err error) error {
	if err == nil {
		return errEnded
	}
	return err
}

// postmaster runs one postmaster to its end.
func (s *Server) postmaster(ctx context.Context) error {
	out, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	cmd := s.program(ctx, "postgres", append([]string{"-D", s.data()}, s.settings()...)...)
	cmd.Stdout, cmd.Stderr = out, out
	s.mu.Lock()
	if s.stopped() {
		s.mu.Unlock()
		return nil
	}
	if err := cmd.Start(); err != nil {
		s.mu.Unlock()
		return err
	}
	s.proc = cmd.Process
	s.mu.Unlock()
	err = cmd.Wait()
	s.mu.Lock()
	s.proc = nil
	s.mu.Unlock()
	return err
}

// tail is the end of the server's log, for an error message.
func (s *Server) tail() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return "no log"
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "; ")
}

// bootstrap makes the roles and the database, where they are missing.
func (s *Server) bootstrap(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.SuperURL())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, thing := range []struct{ exists, name, make string }{
		{"SELECT count(*) FROM pg_roles WHERE rolname = $1", OwnerRole, "CREATE ROLE " + OwnerRole + " LOGIN CREATEROLE"},
		{"SELECT count(*) FROM pg_roles WHERE rolname = $1", AppRole, "CREATE ROLE " + AppRole + " LOGIN"},
		{"SELECT count(*) FROM pg_database WHERE datname = $1", Database, "CREATE DATABASE " + Database + " OWNER " + OwnerRole},
	} {
		var n int
		if err := conn.QueryRow(ctx, thing.exists, thing.name).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		if _, err := conn.Exec(ctx, thing.make); err != nil {
			return fmt.Errorf("%s: %w", thing.make, err)
		}
	}
	return nil
}
