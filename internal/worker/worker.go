// Package worker is the edge that nobody calls: jobs and the passing of time
// become calls of the contexts.
//
// Jobs stand in the database's queue, put there by the transaction that wants
// them done. What is due only because time passes is found by sweeps, which any
// number of processes may make at once: each is safe to repeat.
package worker

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivertype"

	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/telemetry"
)

// Config says how busy the worker is.
type Config struct {
	// Jobs is how many jobs are worked at once.
	Jobs int `env:"WORKER_JOBS, default=8"`
	// Poll is how often the queue is looked at for new jobs.
	Poll time.Duration `env:"WORKER_POLL, default=100ms"`
	// Sequence is how often waiting leaves enter the public log.
	Sequence time.Duration `env:"WORKER_SEQUENCE, default=200ms"`
	// Sweep is how often the worker looks for what has become due.
	Sweep time.Duration `env:"WORKER_SWEEP, default=5s"`
}

// Worker works jobs and makes sweeps between Start and Stop.
type Worker struct {
	cfg     Config
	deps    Deps
	clock   func() time.Time
	log     *slog.Logger
	metrics *telemetry.Metrics

	queue  *river.Client[*sql.Tx]
	sweeps []sweep
	cancel context.CancelFunc // ends the sweeps
	wg     sync.WaitGroup
}

// jobLimit is how long a job may take, and rescue the age at which one that
// neither ended nor failed is given to another worker.
const (
	jobLimit = time.Minute
	rescue   = 90 * time.Second
)

// New makes a worker; it does nothing before Start.
func New(cfg Config, db *postgres.DB, deps Deps, log *slog.Logger, metrics *telemetry.Metrics) (*Worker, error) {
	w := &Worker{cfg: cfg, deps: deps, clock: db.Now, log: log, metrics: metrics}
	jobs := river.NewWorkers()
	if err := w.register(jobs); err != nil {
		return nil, err
	}
	w.sweeps = w.dues()
	queue, err := river.NewClient(riverdatabasesql.New(db.SQL()), &river.Config{
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: max(cfg.Jobs, 1)}},
		Workers:           jobs,
		PollOnly:          true,
		FetchCooldown:     max(cfg.Poll/10, time.Millisecond),
		FetchPollInterval: max(cfg.Poll, time.Millisecond),
		JobTimeout:        jobLimit,
		// A process that is killed leaves its jobs behind as running.
		RescueStuckJobsAfter: rescue,
		SoftStopTimeout:      5 * time.Second,
		Logger:               slog.New(severe{log.Handler()}),
		ErrorHandler:         w,
		// Only the owner of a table may rebuild its indexes.
		ReindexerSchedule: river.NeverSchedule(),
	})
	if err != nil {
		return nil, fmt.Errorf("open the job queue: %w", err)
	}
	w.queue = queue
	return w, nil
}

// Start begins to work. It goes on when ctx ends: Stop ends it.
func (w *Worker) Start(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if err := w.queue.Start(ctx); err != nil {
		return fmt.Errorf("start the job queue: %w", err)
	}
	ctx, w.cancel = context.WithCancel(ctx)
	for _, s := range w.sweeps {
		w.wg.Go(func() { w.repeat(ctx, s) })
	}
	return nil
}

// Stop takes no new jobs, lets those under way end, and ends the sweeps. When
// ctx ends first, jobs are cut off; they will be worked again.
func (w *Worker) Stop(ctx context.Context) error {
	w.cancel()
	err := w.queue.Stop(ctx)
	if err != nil {
		const last = time.Second
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), last)
		err = errors.Join(fmt.Errorf("stop the job queue: %w", err), w.queue.StopAndCancel(hard))
		cancel()
	}
	w.wg.Wait()
	return err
}

// sweep is something that becomes due as time passes.
type sweep struct {
	name  string
	every time.Duration
	// run does what is due now and says how much that was.
	run func(ctx context.Context) (int, error)
}

// repeat makes a sweep again and again, the first at once.
func (w *Worker) repeat(ctx context.Context, s sweep) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		w.once(ctx, s)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (w *Worker) once(ctx context.Context, s sweep) {
	start := w.clock()
	n, err := s.run(ctx)
	if ctx.Err() != nil {
		return
	}
	took := w.clock().Sub(start)
	if n > 0 || err != nil {
		w.metrics.Job(s.name, took, err)
	}
	switch {
	case err != nil:
		w.log.LogAttrs(ctx, slog.LevelError, "sweep", slog.String("kind", s.name), slog.Duration("took", took), slog.Any("error", err))
	case n > 0:
		w.log.LogAttrs(ctx, slog.LevelDebug, "sweep", slog.String("kind", s.name), slog.Duration("took", took), slog.Int("done", n))
	}
}

// answer makes a call out of a job.
type answer[T river.JobArgs] struct {
	river.WorkerDefaults[T]
	w    *Worker
	call func(ctx context.Context, args T) error
}

// Work makes the call, measures it and logs its one line.
func (a *answer[T]) Work(ctx context.Context, job *river.Job[T]) error {
	start := a.w.clock()
	err := a.call(ctx, job.Args)
	took := a.w.clock().Sub(start)
	a.w.metrics.Job(job.Kind, took, err)
	level, attrs := slog.LevelInfo, []slog.Attr{
		slog.String("kind", job.Kind), slog.Int64("job", job.ID), slog.Int("attempt", job.Attempt), slog.Duration("took", took),
	}
	if err != nil {
		level, attrs = slog.LevelError, append(attrs, slog.Any("error", err))
	}
	a.w.log.LogAttrs(ctx, level, "job", attrs...)
	return err
}

// on lets f answer the jobs of one kind.
func on[T river.JobArgs](w *Worker, jobs *river.Workers, f func(ctx context.Context, args T) error) error {
	if err := river.AddWorkerSafely(jobs, &answer[T]{w: w, call: f}); err != nil {
		return fmt.Errorf("register a job: %w", err)
	}
	return nil
}

// HandleError implements river.ErrorHandler: the job's own line has said it.
func (w *Worker) HandleError(context.Context, *rivertype.JobRow, error) *river.ErrorHandlerResult {
	return nil
}

// HandlePanic implements river.ErrorHandler.
func (w *Worker) HandlePanic(ctx context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	w.metrics.Job(job.Kind, 0, errPanic)
	w.log.LogAttrs(ctx, slog.LevelError, "job panicked", slog.String("kind", job.Kind), slog.Int64("job", job.ID),
		slog.Any("panic", value), slog.String("trace", trace))
	return nil
}

// errPanic stands for a job that panicked.
var errPanic = errors.New("worker: panic")

// severe lets only errors of the queue itself into the log; jobs have lines of
// their own.
type severe struct{ slog.Handler }

// Enabled implements slog.Handler.
func (severe) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

// WithAttrs implements slog.Handler.
func (s severe) WithAttrs(attrs []slog.Attr) slog.Handler { return severe{s.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (s severe) WithGroup(name string) slog.Handler { return severe{s.Handler.WithGroup(name)} }
