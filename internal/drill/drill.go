// Package drill runs the built program as a process of its own, with a private
// PostgreSQL and nothing of ours inside it, for those who measure it and those
// who pull its plugs. It is used by tests and by the benchmark only.
package drill

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shiyi-market/shiyi/internal/pgserver"
)

// Limits of patience: a start with a new database or one to recover, and a stop.
const (
	startLimit = 60 * time.Second
	stopLimit  = 30 * time.Second
)

// Build compiles the named programs of cmd/ into the folder dir. It must run
// inside the repository.
func Build(ctx context.Context, dir string, names ...string) error {
	for _, name := range names {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, name), "github.com/shiyi-market/shiyi/cmd/"+name)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", name, err, bytes.TrimSpace(out))
		}
	}
	return nil
}

// Room makes a temporary folder that PostgreSQL's user may pass through. The
// caller removes it.
func Room(prefix string) (string, error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711)
}

// Program is a shop that runs as a process of its own, or could. Its address
// stays the same however often it is started.
type Program struct {
	// URL is where it answers: http://127.0.0.1 and a port.
	URL string
	// State is its folder; its log is beside it.
	State string

	bin      string
	settings map[string]string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
	err  error         // how
}

// New prepares the built program at bin with a state folder of its own and
// further settings. Nothing runs yet.
func New(ctx context.Context, bin, state string, settings map[string]string) (*Program, error) {
	addr, err := free(ctx)
	if err != nil {
		return nil, err
	}
	p := &Program{URL: "http://" + addr, State: state, bin: bin, settings: map[string]string{
		"PATH": os.Getenv("PATH"), "STATE_DIR": state, "LISTEN_ADDR": addr, "PUBLIC_URL": "http://" + addr, "METRICS_ADDR": "127.0.0.1:0",
	}}
	maps.Copy(p.settings, settings)
	return p, nil
}

// lookup finds a setting, as the program does in its environment.
func (p *Program) lookup(name string) (string, bool) {
	value, ok := p.settings[name]
	return value, ok
}

// command is a command of the program with its settings.
func (p *Program) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.bin, args...)
	for name, value := range p.settings {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// Run runs another command of the program to its end, and gives what it said on
// both outputs.
func (p *Program) Run(ctx context.Context, args ...string) (string, error) {
	out, err := p.command(ctx, args...).CombinedOutput()
	return string(out), err
}

// RunMeasured is Run that says, too, how much memory the command took at most, in bytes, and
// how long it had a processor.
func (p *Program) RunMeasured(ctx context.Context, args ...string) (out string, peak int64, busy time.Duration, err error) {
	cmd := p.command(ctx, args...)
	text, err := cmd.CombinedOutput()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		peak = usage.Maxrss << 10 // Linux counts in KiB
	}
	return string(text), peak, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
}

// Start starts `shiyi serve --empty` and returns when it takes requests. One that
// ends instead is an error that holds the end of its log.
func (p *Program) Start(ctx context.Context) error {
	cmd := p.command(context.WithoutCancel(ctx), "serve", "--empty")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's interrupt is ours to pass on
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd.Stderr = log
	err = cmd.Start()
	_ = log.Close() // the program has its own handle
	if err != nil {
		return err
	}
	done := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.done, p.err = cmd, done, nil
	p.mu.Unlock()
	greeted := make(chan struct{})
	go p.attend(cmd, said, greeted, done)
	late := time.NewTimer(startLimit)
	defer late.Stop()
	select {
	case <-greeted:
		return nil
	case <-done:
		return fmt.Errorf("the program ended: %w: %s", errors.Join(p.err, errEnded), p.Log())
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.Kill())
	case <-late.C:
		return errors.Join(fmt.Errorf("the program takes no requests after %s: %s", startLimit, p.Log()), p.Kill())
	}
}

// errEnded says that a program ended that should have gone on.
var errEnded = errors.New("it should run")

// attend reads what the program says to its end, and reaps it.
func (p *Program) attend(cmd *exec.Cmd, said io.Reader, greeted, done chan struct{}) {
	lines := bufio.NewScanner(said)
	for open := true; lines.Scan(); {
		if open && strings.Contains(lines.Text(), p.URL) {
			close(greeted)
			open = false
		}
	}
	err := cmd.Wait()
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	close(done)
}

// Ended is closed when the program has ended, in whatever way.
func (p *Program) Ended() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

func (p *Program) logFile() string { return p.State + ".log" }

// Log is the end of what the program has written to its log.
func (p *Program) Log() string {
	const most = 8 << 10
	text, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-most):]))
}

// Stop ends the program gracefully and says how it ended.
func (p *Program) Stop(ctx context.Context) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	late := time.NewTimer(stopLimit)
	defer late.Stop()
	select {
	case <-p.Ended():
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.err != nil {
			return fmt.Errorf("the program ended: %w: %s", p.err, p.Log())
		}
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.Kill())
	case <-late.C:
		return errors.Join(fmt.Errorf("the program has not ended after %s: %s", stopLimit, p.Log()), p.Kill())
	}
}

// Kill kills the program as a loss of power would: it can do nothing any more.
// It returns when the process is gone; its PostgreSQL may take a moment longer.
func (p *Program) Kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.Ended()
	return nil
}

func (p *Program) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return errors.New("the program was never started")
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Database is the program's private PostgreSQL, while it runs.
func (p *Program) Database() (pgserver.Attached, error) {
	return pgserver.Attach(filepath.Join(p.State, "postgres"))
}

// Postmaster is the process id of the private PostgreSQL.
func (p *Program) Postmaster() (int, error) {
	text, err := os.ReadFile(filepath.Join(p.State, "postgres", "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}

// Crash stops the private PostgreSQL at once (pg_ctl stop -m immediate): what it
// has not written to disk is lost. It returns when the postmaster is gone.
func (p *Program) Crash(ctx context.Context) error {
	pid, err := p.Postmaster()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		return err
	}
	return Until(ctx, "the postmaster is gone", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
}

// Until waits until is answers true: the condition is asked again and again, for
// half a minute at most.
func Until(ctx context.Context, what string, is func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(stopLimit)
	defer late.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-late.C:
			return fmt.Errorf("not after %s: %s", stopLimit, what)
		}
	}
	return nil
}
