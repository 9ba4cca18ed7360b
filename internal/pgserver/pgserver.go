// Package pgserver runs a private PostgreSQL, so that the shop needs no database
// to be set up before it starts.
//
// The server is made of the PostgreSQL that is installed on the machine. It
// listens on a unix socket only, inside a folder that nobody else may enter, and
// it lives no longer than the process that started it. One folder is one server
// of one process: a second start refuses, and names the process that holds it.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// The roles that a private server has. The owner makes and changes tables; the
// application may only do what the owner granted it.
const (
	SuperRole = "postgres"
	OwnerRole = "shiyi_owner"
	AppRole   = "shiyi"
	Database  = "shiyi"
)

// ErrNoBinaries says that PostgreSQL is not installed.
var ErrNoBinaries = errors.New("PostgreSQL is not installed: install the package postgresql, or set DATABASE_URL")

// ErrRunning says that another living process holds the folder.
var ErrRunning = errors.New("the folder is in use by another process")

// ErrNotRunning says that no process holds the folder.
var ErrNotRunning = errors.New("no server runs in the folder")

// Config says where a private server lives.
type Config struct {
	// Dir is the folder that holds the server: its data, socket, log and lock.
	// It is made if it is missing.
	Dir string
	// Bin is the folder of PostgreSQL's programs. When empty, it is the newest
	// /usr/lib/postgresql/*/bin (of the version that made the data, if there is
	// any), else the folder of the postgres found by PATH.
	Bin string
	// Path is the search path for programs, as in the variable PATH.
	Path string
	// Disposable gives up durability for speed. For tests only: a crash of the
	// machine may lose or ruin the data.
	Disposable bool
	// Settings are further settings of the server, by name.
	Settings map[string]string
}

// Server is a running private PostgreSQL.
type Server struct {
	cfg    Config
	log    *slog.Logger
	bin    string
	run    *syscall.Credential // who the server runs as; nil: as we do
	socket string              // the folder of the socket
	own    bool                // socket is a temporary folder of ours
	lock   *os.File

	launched bool          // supervise runs, or ran
	stopping chan struct{} // closed by Stop
	done     chan struct{} // closed when the server has ended for good
	err      error         // why, if not by Stop; read after done

	mu   sync.Mutex
	proc *os.Process // the postmaster; nil between two of them
}

// Start starts the server in cfg.Dir, making its data on first use, and returns
// when it accepts connections. The caller must Stop it; if the caller dies
// instead, the server shuts down by itself.
//
// It fails with ErrNoBinaries, or with ErrRunning if another process has started
// a server there. A server that its process left behind is stopped first.
func Start(ctx context.Context, cfg Config, log *slog.Logger) (*Server, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("private PostgreSQL: %w", err)
	}
	cfg.Dir = dir
	s := &Server{cfg: cfg, log: log, stopping: make(chan struct{}), done: make(chan struct{})}
	if err := s.start(ctx); err != nil {
		if s.launched {
			_ = s.Stop(ctx)
		}
		s.release()
		return nil, fmt.Errorf("private PostgreSQL in %s: %w", dir, err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	steps := []func(context.Context) error{
		s.choose, s.prepare, s.stopOrphan, s.initialize, s.chooseSocket, s.launch, s.bootstrap,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// choose finds the programs to run and the user to run them as.
func (s *Server) choose(context.Context) error {
	run, err := credential(s.data())
	if err != nil {
		return err
	}
	s.run = run
	s.bin, err = binaries(s.cfg, s.data())
	return err
}

// prepare makes the folder and takes its lock.
func (s *Server) prepare(context.Context) error {
	if err := s.folder(s.cfg.Dir); err != nil {
		return err
	}
	if err := reachable(s.cfg.Dir, s.run); err != nil {
		return err
	}
	lock, err := takeLock(s.lockFile())
	if err != nil {
		return err
	}
	s.lock = lock
	return nil
}

// folder makes a folder that only the server's user may enter.
func (s *Server) folder(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil { //nolint:gosec // the server's user must be able to pass
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a folder: the owner must be able to enter
		return err
	}
	if s.run == nil {
		return nil
	}
	return os.Chown(dir, int(s.run.Uid), int(s.run.Gid))
}

func (s *Server) data() string     { return filepath.Join(s.cfg.Dir, "data") }
func (s *Server) lockFile() string { return filepath.Join(s.cfg.Dir, "lock") }
func (s *Server) logFile() string  { return filepath.Join(s.cfg.Dir, "server.log") }

// URL is the connection string of the application's role, which may not change
// the schema.
func (s *Server) URL() string { return connection(s.socket, AppRole, Database) }

// OwnerURL is the connection string of the role that owns the schema.
func (s *Server) OwnerURL() string { return connection(s.socket, OwnerRole, Database) }

// SuperURL is the connection string of the superuser, in the maintenance database.
func (s *Server) SuperURL() string { return connection(s.socket, SuperRole, "postgres") }

// Version is the folder of the programs that the server runs from, which names
// its major version on Debian.
func (s *Server) Version() string { return s.bin }

// Done is closed when the server has ended for good. A postmaster that crashes
// is started again first; Err says why that was given up.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err is why the server ended, nil while it runs and after Stop.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Pid is the process id of the postmaster, 0 while there is none.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return 0
	}
	return s.proc.Pid
}

// Stop shuts the server down fast: sessions are cut, the data is written. When
// ctx ends first, it shuts down at once, and the next start will recover. Stop
// may be called again.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopped() {
		close(s.stopping)
	}
	s.mu.Unlock()
	s.signal(syscall.SIGINT)
	select {
	case <-s.done:
	case <-ctx.Done():
		s.signal(syscall.SIGQUIT)
		select {
		case <-s.done:
		case <-time.After(5 * time.Second):
			s.signal(syscall.SIGKILL)
			<-s.done
		}
	}
	s.release()
	return nil
}

// release gives back what does not need the server to run.
func (s *Server) release() {
	if s.own {
		_ = os.RemoveAll(s.socket)
		s.own = false
	}
	if s.lock != nil {
		_ = s.lock.Close()
		s.lock = nil
	}
}

func (s *Server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		_ = s.proc.Signal(sig)
	}
}

// connection is the URL of a database behind the socket in a folder.
func connection(socket, role, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + database}
	u.RawQuery = url.Values{"host": {socket}, "port": {port}}.Encode()
	return u.String()
}

// settings are the server's settings as arguments, in a stable order.
func (s *Server) settings() []string {
	set := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": s.socket,
		"unix_socket_permissions": "0700",
		"port":                    port,
		"max_connections":         "200",
		"shared_buffers":          "256MB",
		"max_wal_size":            "2GB",
		"checkpoint_timeout":      "15min",
		"jit":                     "off",
		"random_page_cost":        "1.1",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"log_line_prefix":         "%m [%p] %u@%d ",
		"cluster_name":            "shiyi",
	}
	if s.cfg.Disposable {
		for _, off := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
			set[off] = "off"
		}
	}
	for name, value := range s.cfg.Settings {
		set[name] = value
	}
	var args []string
	for name, value := range set {
		args = append(args, "--"+name+"="+value)
	}
	slices.Sort(args)
	return args
}
