package postgres

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// slow is the time above which a statement is worth a line in the log.
const slow = 200 * time.Millisecond

// tracer counts statements and logs the slow ones, without their arguments:
// those may be personal.
type tracer struct {
	log        *slog.Logger
	clock      func() time.Time
	statements atomic.Int64
}

type traced struct {
	at  time.Time
	sql string
}

type traceKey struct{}

// TraceQueryStart counts a statement.
func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	t.statements.Add(1)
	return context.WithValue(ctx, traceKey{}, traced{t.clock(), d.SQL})
}

// TraceQueryEnd logs the statement if it was slow.
func (t *tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryEndData) {
	started, ok := ctx.Value(traceKey{}).(traced)
	if !ok {
		return
	}
	if took := t.clock().Sub(started.at); took > slow {
		t.log.LogAttrs(ctx, slog.LevelWarn, "slow statement",
			slog.Duration("took", took), slog.String("sql", started.sql), slog.Bool("failed", d.Err != nil))
	}
}
