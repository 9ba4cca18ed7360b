package pgserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/shiyi-market/shiyi/internal/pgserver"
)

// childDir is the variable that makes the test's own program a parent to kill.
const childDir = "SHIYI_PGSERVER_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// child starts a server, says who it is, and waits to be killed.
func child(dir string) {
	s, err := pgserver.Start(context.Background(), config(dir), quiet())
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println(s.Pid(), s.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func config(dir string) pgserver.Config {
	return pgserver.Config{Dir: dir, Disposable: true, Path: os.Getenv("PATH"), Settings: map[string]string{"shared_buffers": "16MB"}}
}

// room is a folder that the server's user may reach.
func room(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pgserver-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func start(t *testing.T, cfg pgserver.Config) *pgserver.Server {
	t.Helper()
	s, err := pgserver.Start(t.Context(), cfg, quiet())
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.Stop(ctx)
	})
	return s
}

// ask runs a query of one text.
func ask(t *testing.T, url, query string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect to %s: %v", url, err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var text string
	if err := conn.QueryRow(t.Context(), query).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}

// eventually waits for a state of the machine that no channel tells.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	late := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestServerIsPrivateAndSeparatesRoles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(room(t), "postgres")
	s := start(t, config(dir))

	for query, want := range map[string]string{
		"SHOW listen_addresses":     "",
		"SHOW lc_collate":           "C.UTF-8",
		"SHOW server_encoding":      "UTF8",
		"SHOW timezone":             "UTC",
		"SELECT current_user":       pgserver.AppRole,
		"SELECT current_database()": pgserver.Database,
		"SELECT has_schema_privilege('public', 'CREATE')::text": "false",
	} {
		if got := ask(t, s.URL(), query); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	if got := ask(t, s.OwnerURL(), "SELECT has_schema_privilege('public', 'CREATE')::text"); got != "true" {
		t.Errorf("the owner may make tables: got %s, want true", got)
	}
	if got := ask(t, s.OwnerURL(), "SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user"); got != "false" {
		t.Errorf("the owner is a superuser: got %s, want false", got)
	}
	for _, folder := range []string{dir, filepath.Join(dir, "data"), filepath.Join(dir, "run")} {
		st, err := os.Stat(folder)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o700 {
			t.Errorf("mode of %s: got %o, want 700", folder, st.Mode().Perm())
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "data.part")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("data.part is left: %v", err)
	}
	st, err := os.Stat(fmt.Sprintf("/proc/%d", s.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	if uid := st.Sys().(*syscall.Stat_t).Uid; uid == 0 {
		t.Error("the server runs as root")
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", s.Pid()))
	if err == nil && strings.Contains(string(env), "HOME=") {
		t.Errorf("the server has our environment: %q", env)
	}
}

func TestSecondStartRefusesAndNamesThePid(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(room(t), "postgres")
	s := start(t, config(dir))

	_, err := pgserver.Start(t.Context(), config(dir), quiet())
	if !errors.Is(err, pgserver.ErrRunning) {
		t.Fatalf("second start: got %v, want %v", err, pgserver.ErrRunning)
	}
	if want := "process " + strconv.Itoa(os.Getpid()); !strings.Contains(err.Error(), want) {
		t.Errorf("second start: %q does not name %q", err, want)
	}
	if got := ask(t, s.URL(), "SELECT 'untouched'"); got != "untouched" {
		t.Errorf("first server: %s", got)
	}
	a, err := pgserver.Attach(dir)
	if err != nil {
		t.Fatalf("attach: %v", err)
	}
	if a.Pid != os.Getpid() || a.URL != s.URL() {
		t.Errorf("attach: got %+v, want pid %d and %s", a, os.Getpid(), s.URL())
	}
}

func TestDataOutlivesTheServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(room(t), "postgres")
	s := start(t, config(dir))
	ask(t, s.OwnerURL(), "SELECT lo_create(4711)::text")
	if err := s.Stop(t.Context()); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatalf("stop again: %v", err)
	}
	if _, err := pgserver.Attach(dir); !errors.Is(err, pgserver.ErrNotRunning) {
		t.Errorf("attach to a stopped server: got %v, want %v", err, pgserver.ErrNotRunning)
	}
	again := start(t, config(dir))
	if got := ask(t, again.OwnerURL(), "SELECT count(*)::text FROM pg_largeobject_metadata WHERE oid = 4711"); got != "1" {
		t.Errorf("objects after restart: got %s, want 1", got)
	}
}

func TestUnfinishedDataIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(room(t), "postgres")
	if err := os.MkdirAll(filepath.Join(dir, "data.part", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, start(t, config(dir)).URL(), "SELECT 'whole'"); got != "whole" {
		t.Errorf("got %s", got)
	}
}

func TestLongPathGetsAShortSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(room(t), strings.Repeat("long", 20), "postgres")
	s := start(t, config(dir))
	if got := ask(t, s.URL(), "SELECT 'reached'"); got != "reached" {
		t.Errorf("got %s", got)
	}
	socket := strings.TrimSuffix(ask(t, s.SuperURL(), "SHOW unix_socket_directories"), "/")
	if !strings.HasPrefix(socket, "/tmp/") {
		t.Fatalf("socket in %s, want a folder in /tmp", socket)
	}
	st, err := os.Stat(socket)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o700 {
		t.Errorf("mode of %s: got %o, want 700", socket, st.Mode().Perm())
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's folder is left: %v", err)
	}
}

func TestCrashedPostmasterIsStartedAnew(t *testing.T) {
	t.Parallel()
	s := start(t, config(filepath.Join(room(t), "postgres")))
	first := s.Pid()
	if err := syscall.Kill(first, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another postmaster answers", func() bool {
		if pid := s.Pid(); pid == 0 || pid == first {
			return false
		}
		conn, err := pgx.Connect(t.Context(), s.URL())
		if err != nil {
			return false
		}
		return conn.Close(t.Context()) == nil
	})
	if err := s.Err(); err != nil {
		t.Errorf("the server ended: %v", err)
	}
}

// parent runs a process that starts a server, and returns it with the pid of
// its postmaster and the URL.
func parent(t *testing.T, dir string) (cmd *exec.Cmd, pid int, url string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(self)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the parent said nothing: %v", err)
	}
	if _, err := fmt.Sscan(line, &pid, &url); err != nil {
		t.Fatalf("the parent said %q: %v", line, err)
	}
	return cmd, pid, url
}

func TestServerDiesWithItsParent(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(room(t), "postgres")
	cmd, pid, url := parent(t, dir)

	_, err := pgserver.Start(t.Context(), config(dir), quiet())
	if want := fmt.Sprintf("process %d ", cmd.Process.Pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("start beside another process: got %v, want an error naming %q", err, want)
	}
	if got := ask(t, url, "SELECT 'still there'"); got != "still there" {
		t.Errorf("got %s", got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, "the server is gone", func() bool { return !alive(pid) })
	start(t, config(dir))
}

func TestOrphanIsStoppedAndStartedAnew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(room(t), "postgres")
	s := start(t, config(dir))
	bin, data, socket := s.Version(), filepath.Join(dir, "data"), filepath.Join(dir, "run")
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	// A postmaster of the same folder that no parent holds.
	orphan := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "--listen_addresses=", "--unix_socket_directories="+socket)
	if st, err := os.Stat(data); err == nil && os.Geteuid() == 0 {
		owner := st.Sys().(*syscall.Stat_t)
		orphan.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	orphan.Dir = dir
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = orphan.Wait(); close(ended) }()
	eventually(t, "the orphan answers", func() bool {
		conn, err := pgx.Connect(t.Context(), s.URL())
		if err != nil {
			return false
		}
		return conn.Close(t.Context()) == nil
	})

	again := start(t, config(dir))
	select {
	case <-ended:
	default:
		t.Error("the orphan still runs")
	}
	if again.Pid() == orphan.Process.Pid {
		t.Error("the orphan was taken over")
	}
	if got := ask(t, again.URL(), "SELECT 'anew'"); got != "anew" {
		t.Errorf("got %s", got)
	}
}

func TestStalePidOfAnotherProgramDoesNotMatter(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(room(t), "postgres")
	if err := start(t, config(dir)).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	stale := fmt.Sprintf("%d\n%s\n", os.Getppid(), filepath.Join(dir, "data"))
	if err := os.WriteFile(filepath.Join(dir, "data", "postmaster.pid"), []byte(stale), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, start(t, config(dir)).URL(), "SELECT 'ours'"); got != "ours" {
		t.Errorf("got %s", got)
	}
}

func TestMissingBinariesAndUnreachableFolderAreExplained(t *testing.T) {
	t.Parallel()
	cfg := config(filepath.Join(room(t), "postgres"))
	cfg.Bin = "/nonexistent"
	if _, err := pgserver.Start(t.Context(), cfg, quiet()); !errors.Is(err, pgserver.ErrNoBinaries) {
		t.Errorf("no binaries: got %v, want %v", err, pgserver.ErrNoBinaries)
	}
	if os.Geteuid() != 0 {
		return
	}
	shut := room(t)
	if err := os.Chmod(shut, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := pgserver.Start(t.Context(), config(filepath.Join(shut, "postgres")), quiet())
	if err == nil || !strings.Contains(err.Error(), "may not enter "+shut) {
		t.Errorf("unreachable folder: got %v, want one that names %s", err, shut)
	}
}

func TestServerThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	cfg := config(filepath.Join(room(t), "postgres"))
	cfg.Settings = map[string]string{"no_such_setting": "1"}
	_, err := pgserver.Start(t.Context(), cfg, quiet())
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v, want the server's own words", err)
	}
}
