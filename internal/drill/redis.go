package drill

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNoRedis says that redis-server is not installed.
var ErrNoRedis = errors.New("redis-server is not installed: install the package redis-server")

// Redis is a real Redis on a port of this machine, which keeps nothing on disk.
type Redis struct {
	// Addr is its host and port, the same after each Start.
	Addr string

	bin  string
	cmd  *exec.Cmd
	done chan struct{}
}

// NewRedis finds a Redis to start. ErrNoRedis if none is installed.
func NewRedis(ctx context.Context) (*Redis, error) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrNoRedis
	}
	addr, err := free(ctx)
	return &Redis{Addr: addr, bin: bin}, err
}

// free is an address of this machine whose port is free.
func free(ctx context.Context) (string, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// Start starts it and returns when it takes connections.
func (r *Redis) Start(ctx context.Context) error {
	_, port, err := net.SplitHostPort(r.Addr)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), r.bin, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", os.TempDir())
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	r.cmd, r.done = cmd, done
	go func() {
		_ = cmd.Wait() // it is killed
		close(done)
	}()
	err = Until(ctx, "redis-server takes connections", func() bool {
		select {
		case <-done:
			return true
		default:
		}
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.Addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	select {
	case <-done:
		return errors.Join(err, fmt.Errorf("redis-server on port %s ended", port))
	default:
		return err
	}
}

// Kill stops it at once.
func (r *Redis) Kill() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill() // it may be gone
	<-r.done
}

// Wire is a stretch of network before an address, which can be made to swallow
// all that comes from either side and answer nothing, as a host that vanished.
type Wire struct {
	ln   net.Listener
	to   string
	hole atomic.Bool

	mu    sync.Mutex
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// NewWire lays a wire to an address. The caller must Close it.
func NewWire(ctx context.Context, to string) (*Wire, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &Wire{ln: ln, to: to, conns: map[net.Conn]bool{}}
	w.wg.Go(func() { w.accept(context.WithoutCancel(ctx)) })
	return w, nil
}

// Addr is the near end of the wire.
func (w *Wire) Addr() string { return w.ln.Addr().String() }

// Swallow begins or ends to swallow everything.
func (w *Wire) Swallow(yes bool) {
	w.hole.Store(yes)
	if !yes {
		w.cut() // what was swallowed is lost: such connections are no good any more
	}
}

// Close cuts the wire for good.
func (w *Wire) Close() error {
	err := w.ln.Close()
	w.cut()
	w.wg.Wait()
	return err
}

func (w *Wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
	}
}

func (w *Wire) keep(c net.Conn, yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if yes {
		w.conns[c] = true
	} else {
		delete(w.conns, c)
	}
}

func (w *Wire) accept(ctx context.Context) {
	for {
		near, err := w.ln.Accept()
		if err != nil {
			return
		}
		w.wg.Go(func() { w.join(ctx, near) })
	}
}

// join carries bytes between near and the far end until either is closed.
func (w *Wire) join(ctx context.Context, near net.Conn) {
	w.keep(near, true)
	defer w.keep(near, false)
	defer func() { _ = near.Close() }()
	far, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", w.to)
	if err != nil {
		return
	}
	w.keep(far, true)
	defer w.keep(far, false)
	var both sync.WaitGroup
	both.Go(func() { w.carry(far, near) })
	both.Go(func() { w.carry(near, far) })
	both.Wait()
}

func (w *Wire) carry(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	b := make([]byte, 16<<10)
	for {
		n, err := from.Read(b)
		if n > 0 && !w.hole.Load() {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// RedisURL is the address of a Redis as the program's settings have it.
func RedisURL(addr string) string { return "redis://" + addr + "/0" }
