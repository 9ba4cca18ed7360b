package pgserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// port names the socket file; no port is opened.
const port = "5432"

// socketLimit is the longest path of a socket, in bytes, on Linux.
const socketLimit = 107

// socketPrefix begins the names of temporary socket folders.
const socketPrefix = "shiyi-pg-"

// credential is who the server runs as: PostgreSQL refuses to run as root, so
// root becomes the owner of the data, else postgres, else nobody. It is nil when
// we are an ordinary user.
func credential(data string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if st, err := os.Stat(data); err == nil {
		if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Uid != 0 {
			return &syscall.Credential{Uid: sys.Uid, Gid: sys.Gid}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil && uid != 0 {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody to run it as")
}

// reachable checks that the server's user may enter every folder above dir.
func reachable(dir string, run *syscall.Credential) error {
	if run == nil {
		return nil
	}
	for d := filepath.Dir(dir); ; d = filepath.Dir(d) {
		st, err := os.Stat(d)
		if err != nil {
			return err
		}
		sys, ok := st.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		may := st.Mode().Perm() & 0o001
		switch {
		case sys.Uid == run.Uid:
			may = st.Mode().Perm() & 0o100
		case sys.Gid == run.Gid:
			may = st.Mode().Perm() & 0o010
		}
		if may == 0 {
			return fmt.Errorf("user %d, whom PostgreSQL runs as, may not enter %s: choose another STATE_DIR, or chmod o+x %s", run.Uid, d, d)
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

// binaries is the folder of PostgreSQL's programs.
func binaries(cfg Config, data string) (string, error) {
	if cfg.Bin != "" {
		if !executable(filepath.Join(cfg.Bin, "postgres")) {
			return "", fmt.Errorf("no postgres in %s: %w", cfg.Bin, ErrNoBinaries)
		}
		return cfg.Bin, nil
	}
	made, _ := os.ReadFile(filepath.Join(data, "PG_VERSION")) // none before first use
	want := strings.TrimSpace(string(made))
	found, newest := "", -1
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	for _, dir := range dirs {
		name := filepath.Base(filepath.Dir(dir))
		major, err := strconv.Atoi(name)
		if err != nil || !executable(filepath.Join(dir, "postgres")) {
			continue
		}
		if name == want {
			return dir, nil
		}
		if major > newest {
			found, newest = dir, major
		}
	}
	if found != "" && want != "" {
		return "", fmt.Errorf("the data was made by PostgreSQL %s, but the newest installed is %d: install %s, or move the data by pg_dump", want, newest, want)
	}
	if found != "" {
		return found, nil
	}
	for _, dir := range filepath.SplitList(cfg.Path) {
		if executable(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", ErrNoBinaries
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o111 != 0
}

// takeLock takes the lock of a folder for as long as the file stays open. The
// kernel gives it back when the process ends, however it ends.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600) // the folder is not root's: no link out of it
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		holder, _ := os.ReadFile(path) // the error below is as good without
		return nil, fmt.Errorf("process %s has started it: %w", strings.TrimSpace(string(holder)), ErrRunning)
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		if err == nil {
			return f, nil
		}
	}
	_ = f.Close()
	return nil, fmt.Errorf("write %s: %w", path, err)
}

// postmaster is what a server wrote about itself into its data folder.
type postmaster struct {
	pid    int
	socket string
}

// readPostmaster reads postmaster.pid; ok is false if there is none.
func readPostmaster(data string) (p postmaster, ok bool) {
	f, err := os.Open(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return postmaster{}, false
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		switch n {
		case 1:
			p.pid, err = strconv.Atoi(strings.TrimSpace(lines.Text()))
			if err != nil || p.pid <= 1 {
				return postmaster{}, false
			}
		case 5:
			p.socket = lines.Text()
		}
	}
	return p, p.pid != 0
}

// serves reports whether the process is alive and a postmaster of the data
// folder: a postmaster works in its data folder.
func (p postmaster) serves(data string) bool {
	if err := syscall.Kill(p.pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	at, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", p.pid))
	if err != nil {
		return false
	}
	here, err := os.Stat(data)
	return err == nil && os.SameFile(at, here)
}

// stopOrphan stops a server that the process which started it left behind. We
// hold the lock, so nobody can be using it.
func (s *Server) stopOrphan(ctx context.Context) error {
	p, ok := readPostmaster(s.data())
	if !ok {
		return nil
	}
	if p.serves(s.data()) {
		s.log.WarnContext(ctx, "stopping an orphaned PostgreSQL", slogPid(p.pid))
		if err := p.stop(ctx, s.data()); err != nil {
			return err
		}
	}
	if strings.HasPrefix(filepath.Base(p.socket), socketPrefix) {
		_ = os.RemoveAll(p.socket) // its folder was temporary
	}
	// The number may belong to an innocent process by now, and PostgreSQL would
	// refuse to start because of it.
	if err := os.Remove(filepath.Join(s.data(), "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// stop shuts the process down fast, and at once if that takes longer than ten
// seconds.
func (p postmaster) stop(ctx context.Context, data string) error {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the orphaned PostgreSQL %d: %w", p.pid, err)
		}
		if ended, err := p.ended(ctx, data, 10*time.Second); ended || err != nil {
			return err
		}
	}
	return fmt.Errorf("the orphaned PostgreSQL %d does not stop", p.pid)
}

// ended waits until the process serves no more.
func (p postmaster) ended(ctx context.Context, data string, limit time.Duration) (bool, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(limit)
	for p.serves(data) {
		select {
		case <-tick.C:
		case <-late:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return true, nil
}

// chooseSocket picks the folder of the socket: beside the data, or a temporary
// one where that path would be too long for a socket or could not be written in
// a setting, which is a list.
func (s *Server) chooseSocket(context.Context) error {
	dir := filepath.Join(s.cfg.Dir, "run")
	if len(dir)+len("/.s.PGSQL."+port) <= socketLimit && !strings.ContainsAny(dir, `,"' `) {
		s.socket = dir
		return s.folder(dir)
	}
	dir, err := os.MkdirTemp("/tmp", socketPrefix)
	if err != nil {
		return err
	}
	s.socket, s.own = dir, true
	return s.folder(dir)
}

// Attached is a server that another living process started.
type Attached struct {
	// Pid is the process that started the server and holds its folder.
	Pid int
	// URL, OwnerURL and SuperURL are as those of Server.
	URL, OwnerURL, SuperURL string
}

// Attach finds the server that another process runs in dir, for commands that
// only look, such as verify while the shop is open. It starts nothing, and fails
// with ErrNotRunning if there is none. The caller should say whose server it
// talks to.
func Attach(dir string) (Attached, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Attached{}, err
	}
	path := filepath.Join(dir, "lock")
	f, err := os.Open(path)
	if err != nil {
		return Attached{}, fmt.Errorf("%s: %w", dir, ErrNotRunning)
	}
	defer func() { _ = f.Close() }()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		return Attached{}, fmt.Errorf("%s: %w", dir, ErrNotRunning)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Attached{}, err
	}
	holder, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return Attached{}, fmt.Errorf("%s: %w", path, err)
	}
	p, ok := readPostmaster(filepath.Join(dir, "data"))
	if !ok || p.socket == "" {
		return Attached{}, fmt.Errorf("process %d is still starting the server in %s: %w", holder, dir, ErrNotRunning)
	}
	return Attached{
		Pid:      holder,
		URL:      connection(p.socket, AppRole, Database),
		OwnerURL: connection(p.socket, OwnerRole, Database),
		SuperURL: connection(p.socket, SuperRole, "postgres"),
	}, nil
}

// Reachable says whether the user that a server in dir would run as may enter
// the folders above it; the error says which one not. Folders that do not exist
// yet are as good as their parents.
func Reachable(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	run, err := credential(filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	for {
		if _, err := os.Stat(filepath.Dir(dir)); err == nil || dir == filepath.Dir(dir) {
			return reachable(dir, run)
		}
		dir = filepath.Dir(dir)
	}
}
