package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/shiyi-market/shiyi/internal/httpapi"
)

// maxHeader is how many bytes the header of a request may have.
const maxHeader = 16 << 10

// Serve runs the shop until ctx ends: jobs first, then requests. On the way out
// the program says that it is not ready, closes its port, lets requests under
// way end, and then the jobs. What a person at the terminal wants to know is
// written to out.
func (a *App) Serve(ctx context.Context, out io.Writer) (err error) {
	if o := a.cfg.Operator; o.Login != "" {
		if _, err := a.services.Identity.EnsureOperator(ctx, o.Login, o.Password.Reveal()); err != nil {
			return fmt.Errorf("OPERATOR_LOGIN: %w", err)
		}
	}
	handler, err := a.handler() //nolint:contextcheck // each request brings its own
	if err != nil {
		return err
	}
	if err := a.services.Transparency.Sign(ctx); err != nil {
		return fmt.Errorf("sign the log: %w", err)
	}
	policy, err := a.cfg.policy()
	if err != nil {
		return err
	}
	if err := a.services.Publications.Announce(ctx, policy); err != nil {
		return fmt.Errorf("publish the rules: %w", err)
	}
	switch shut, err := a.services.Pupils.Settle(ctx); {
	case err != nil:
		return fmt.Errorf("settle the pupils' records: %w", err)
	case shut > 0:
		a.log.LogAttrs(ctx, slog.LevelError, "no configured secret opens some pupils' records: is one missing in PUPIL_OLD_KEYS?", slog.Int("records", shut))
	}
	w, err := a.newWorker()
	if err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, within(ctx, stopLimit, w.Stop)) }()

	if box := a.till.sandbox; box != nil {
		life, cancel := context.WithCancel(context.WithoutCancel(ctx))
		var wg sync.WaitGroup
		wg.Go(func() { _ = box.Run(life, a.services.Payments.Receive) }) // it logs what it cannot deliver
		defer wg.Wait()
		defer cancel()
	}
	ln, err := a.listen(ctx)
	if err != nil {
		return err
	}
	server := a.server(handler)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	a.unready.Store(nil)
	a.greet(out, ln.Addr())

	var failed error
	select {
	case <-ctx.Done():
	case failed = <-ended:
		ended <- http.ErrServerClosed
	case <-a.place.ended():
		failed = fmt.Errorf("the private PostgreSQL ended: %w", a.place.server.Err())
	}
	a.unready.Store(&errStopping)
	a.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelInfo, "stopping", slog.Any("error", failed))
	// Shutdown closes the port before it waits.
	if err := within(ctx, a.cfg.Server.Drain, server.Shutdown); err != nil {
		failed = errors.Join(failed, fmt.Errorf("requests were cut off: %w", err), server.Close())
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		failed = errors.Join(failed, err)
	}
	return failed
}

// within calls f with a deadline of its own, although ctx has ended.
func within(ctx context.Context, limit time.Duration, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	return f(ctx)
}

// server is the public server. Its limits are what a slow client can hold.
func (a *App) server(handler http.Handler) *http.Server {
	s := a.cfg.Server
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: min(s.ReadTimeout, 5*time.Second),
		ReadTimeout:       s.ReadTimeout,
		WriteTimeout:      s.WriteTimeout,
		IdleTimeout:       s.IdleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug), // a stranger's bad handshake is no warning
	}
}

// handler answers every path.
func (a *App) handler() (http.Handler, error) {
	edge, err := httpapi.New(a.cfg.HTTP, httpapi.Deps{
		Services: a.services, Log: a.log, Clock: a.clock, Metrics: a.metrics.Registry(),
		Redis: a.redis, Ready: a.Ready, PublicURL: a.cfg.Server.PublicURL,
	})
	if err != nil {
		return nil, err
	}
	if a.till.pages == nil {
		return edge, nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, sandboxPages) {
			a.till.pages.ServeHTTP(w, r)
			return
		}
		edge.ServeHTTP(w, r)
	}), nil
}

// ServePrivate opens the private port, if there is one; Close closes it.
func (a *App) ServePrivate(ctx context.Context) error {
	addr := a.cfg.Telemetry.Addr
	if addr == "" {
		return nil
	}
	p, err := a.metrics.Serve(ctx, addr, a.Ready, a.log)
	if err != nil {
		return err
	}
	a.onClose("private port", p.Stop)
	return nil
}

// ended is closed when the private database is gone for good.
func (d database) ended() <-chan struct{} {
	if d.server == nil {
		return nil
	}
	return d.server.Done()
}
