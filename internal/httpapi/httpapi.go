// Package httpapi is the edge: it turns requests that keep the contract
// (api/openapi.yaml) into calls of the contexts, and what these answer into
// HTTP. It decides nothing: who may call is in the contract, whose objects he
// may see is in the services, and every refusal is a fault.
package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/shiyi-market/shiyi/api"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/redisdb"
	"github.com/shiyi-market/shiyi/internal/web"
)

// Config is how the edge behaves.
type Config struct {
	// Timeout ends a request that is still at work.
	Timeout time.Duration `env:"HTTP_REQUEST_TIMEOUT, default=15s"`
	// TrustedProxies are the addresses (CIDR) whose X-Forwarded-For is believed.
	TrustedProxies []string `env:"HTTP_TRUSTED_PROXIES"`
	// PublicAge is how long an answer that everybody gets (products, merchants, the fund) is given again; up
	// to lateness longer while the next one is made. What the catalogue remembers comes on top. 0: not kept.
	PublicAge time.Duration `env:"HTTP_PUBLIC_AGE, default=1s"`
	// Limits bound what one caller may do.
	Limits Limits
}

// Deps are what the edge stands on. All are needed but Metrics, Redis and PublicURL.
type Deps struct {
	Services
	Log     *slog.Logger
	Clock   func() time.Time
	Metrics prometheus.Registerer
	Redis   *redisdb.DB
	// PublicURL is how the shop is reached from outside. Empty: as the request has it.
	PublicURL string
	// Ready says why no requests are taken now, or nil.
	Ready func(ctx context.Context) error
}

// edge is what the middleware shares.
type edge struct {
	cfg           Config
	deps          Deps
	routes        routeTable
	validation    *openapi3filter.Options
	rawValidation *openapi3filter.Options
	site          *web.Site
	answers       *answers
	limiter       *limiter
	metrics       *metrics
	csrf          *http.CrossOriginProtection
}

// New assembles the handler of all paths of the contract.
func New(cfg Config, deps Deps) (http.Handler, error) {
	routes, err := readContract(api.Contract)
	if err != nil {
		return nil, err
	}
	site, err := web.New(summaries(routes), api.Problems)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(deps.Metrics)
	if err != nil {
		return nil, err
	}
	e := &edge{
		cfg: cfg, deps: deps, routes: routes,
		validation: validationOptions(false), rawValidation: validationOptions(true),
		site:    site,
		answers: newAnswers(cfg.PublicAge),
		limiter: newLimiter(cfg.Limits, deps.Redis),
		metrics: m,
		csrf:    http.NewCrossOriginProtection(),
	}
	engine, err := e.engine()
	if err != nil {
		return nil, err
	}
	return withoutHead(engine), nil
}

// engine is gin with our middleware and every route.
func (e *edge) engine() (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.ContextWithFallback = true // else a handler's ctx is never done
	g.HandleMethodNotAllowed = true
	g.RedirectTrailingSlash = false
	g.RedirectFixedPath = false
	if err := g.SetTrustedProxies(e.cfg.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	g.Use(e.observe, e.answerFromMemory, e.authenticate, e.validate, e.limit)
	g.NoRoute(func(c *gin.Context) { e.fail(c, errNoPath) })
	g.NoMethod(func(c *gin.Context) { e.fail(c, errMethod) })
	strict := oas.NewStrictHandlerWithOptions(newSurface(e.deps, e.site), []oas.StrictMiddlewareFunc{detached}, oas.StrictGinServerOptions{
		RequestErrorHandlerFunc:  func(c *gin.Context, err error) { e.fail(c, &misfit{errJSON, []place{{"", "json", ""}}}) },
		HandlerErrorFunc:         e.fail,
		ResponseErrorHandlerFunc: e.fail,
	})
	oas.RegisterHandlersWithOptions(g, strict, oas.GinServerOptions{
		ErrorHandler: func(c *gin.Context, _ error, _ int) { e.fail(c, errInvalid) },
	})
	g.GET("/log/tile/*path", e.tile)
	g.GET("/", e.home)
	g.GET("/assets/*name", e.asset)
	g.GET("/receipts/:checkout_id", e.receipt)
	return g, nil
}

// detached hands the operation a context of its own. Gin reuses its contexts,
// and database/sql may still be looking at one when its request is over.
func detached(f oas.StrictHandlerFunc, _ string) oas.StrictHandlerFunc {
	return func(c *gin.Context, request any) (any, error) { return f(c.Copy(), request) }
}

// withoutHead answers HEAD as GET; net/http leaves the body out.
func withoutHead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			get := *r
			get.Method = http.MethodGet
			r = &get
		}
		next.ServeHTTP(w, r)
	})
}
