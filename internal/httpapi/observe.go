package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/shiyi-market/shiyi/internal/identity"
)

// exchange is what the edge knows about the request at hand.
type exchange struct {
	id     string
	r      *http.Request // as it came
	op     *operation    // nil: a page, or nothing
	body   []byte
	caller identity.Caller
	code   string // of the problem that was answered
	err    error  // what went wrong on our side, for the log
}

type exchangeKey struct{}

// exchangeOf is the exchange of a request that went through observe.
func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// english reports whether the caller would rather read English than Chinese.
func (x *exchange) english() bool {
	if x.r.URL.RawQuery != "" {
		if lang := x.r.URL.Query().Get("lang"); lang != "" {
			return lang == "en"
		}
	}
	return prefersEnglish(x.r.Header.Get("Accept-Language"))
}

// observe is the outermost middleware: it names the request, bounds its time,
// survives a panic, and writes the one line of log and the measures.
func (e *edge) observe(c *gin.Context) {
	start := e.deps.Clock()
	x := &exchange{id: requestID(c.Request), r: c.Request, op: e.routes[c.Request.Method][c.FullPath()]}
	ctx, cancel := context.WithTimeout(context.WithValue(c.Request.Context(), exchangeKey{}, x), e.timeout(c, x))
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	secure(c.Writer.Header(), x.id)
	defer func() {
		if r := recover(); r != nil {
			if r == http.ErrAbortHandler { //nolint:errorlint // net/http's own sentinel, passed by value
				panic(r)
			}
			e.fail(c, fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
		e.finish(c, x, e.deps.Clock().Sub(start))
	}()
	c.Next()
}

// finish logs and measures an answered request.
func (e *edge) finish(c *gin.Context, x *exchange, took time.Duration) {
	route, status := c.FullPath(), c.Writer.Status()
	if route == "" {
		route = "none"
	}
	e.metrics.seen(c.Request.Method, route, status, took)
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError && x.err != nil && !errors.Is(x.err, context.Canceled) {
		level = slog.LevelError
	}
	ctx := c.Request.Context()
	if !e.deps.Log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs, slog.String("request_id", x.id), slog.String("method", c.Request.Method),
		slog.String("route", route), slog.Int("status", status), slog.Duration("took", took))
	if !x.caller.Account.IsZero() {
		attrs = append(attrs, slog.String("caller", x.caller.Account.String()))
	}
	if x.caller.Key != uuid.Nil {
		attrs = append(attrs, slog.String("api_key", x.caller.Key.String()))
	}
	if x.code != "" {
		attrs = append(attrs, slog.String("code", x.code))
	}
	if x.err != nil {
		attrs = append(attrs, slog.Any("error", x.err))
	}
	e.deps.Log.LogAttrs(ctx, level, "request", attrs...)
}

// requestID takes the caller's X-Request-Id when it is a plain word, and makes
// one otherwise.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if len(id) < 8 || len(id) > 64 {
		return rand.Text()
	}
	for _, b := range []byte(id) {
		if (b < '0' || b > '9') && (b < 'A' || b > 'Z') && (b < 'a' || b > 'z') && b != '-' {
			return rand.Text()
		}
	}
	return id
}

// secure sets the headers that every answer bears.
func secure(h http.Header, requestID string) {
	h["X-Request-Id"] = []string{requestID}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Content-Security-Policy"] = []string{"default-src 'none'; frame-ancestors 'none'"}
	h["Referrer-Policy"] = []string{"no-referrer"}
	h["Cache-Control"] = []string{"no-store"}
}

// metrics measures requests by route and status.
type metrics struct {
	count *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shiyi_http_requests_total", Help: "Requests answered, by method, route and status.",
		}, []string{"method", "route", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "shiyi_http_request_seconds", Help: "Time to answer, by method and route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15},
		}, []string{"method", "route"}),
	}
	if r == nil {
		return m, nil
	}
	if err := errors.Join(r.Register(m.count), r.Register(m.took)); err != nil {
		return nil, fmt.Errorf("register the edge's metrics: %w", err)
	}
	return m, nil
}

func (m *metrics) seen(method, route string, status int, took time.Duration) {
	if route == "none" {
		method = "any" // whatever word a stranger sends is no label
	}
	m.count.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.took.WithLabelValues(method, route).Observe(took.Seconds())
}
