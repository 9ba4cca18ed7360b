package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/apikey"
	"github.com/shiyi-market/shiyi/internal/application"
	"github.com/shiyi-market/shiyi/internal/assistance"
	"github.com/shiyi-market/shiyi/internal/audit"
	"github.com/shiyi-market/shiyi/internal/carriage"
	"github.com/shiyi-market/shiyi/internal/cart"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/compensation"
	"github.com/shiyi-market/shiyi/internal/correction"
	"github.com/shiyi-market/shiyi/internal/courier"
	"github.com/shiyi-market/shiyi/internal/disbursement"
	"github.com/shiyi-market/shiyi/internal/disclosure"
	"github.com/shiyi-market/shiyi/internal/dispatch"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/file"
	findings "github.com/shiyi-market/shiyi/internal/finding"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/httpapi"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/intake"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/journal"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/onboarding"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/origin"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/pupil"
	"github.com/shiyi-market/shiyi/internal/recall"
	"github.com/shiyi-market/shiyi/internal/receipt"
	"github.com/shiyi-market/shiyi/internal/reconcile"
	"github.com/shiyi-market/shiyi/internal/redisdb"
	"github.com/shiyi-market/shiyi/internal/repayment"
	"github.com/shiyi-market/shiyi/internal/report"
	"github.com/shiyi-market/shiyi/internal/review"
	"github.com/shiyi-market/shiyi/internal/schema"
	"github.com/shiyi-market/shiyi/internal/scrutiny"
	"github.com/shiyi-market/shiyi/internal/search"
	"github.com/shiyi-market/shiyi/internal/standing"
	"github.com/shiyi-market/shiyi/internal/statement"
	"github.com/shiyi-market/shiyi/internal/telemetry"
	"github.com/shiyi-market/shiyi/internal/tidings"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/internal/trail"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/internal/voucher"
	"github.com/shiyi-market/shiyi/internal/webhook"
	"github.com/shiyi-market/shiyi/internal/witness"
	"github.com/shiyi-market/shiyi/internal/worker"
)

// Reasons for which requests are not taken.
var (
	errStarting = errors.New("the program is starting")
	errStopping = errors.New("the program is stopping")
)

// stopLimit bounds each step of stopping but the drain of requests, which has
// its own setting.
const stopLimit = 10 * time.Second

// App is the assembled program. Open assembles it, Serve runs it, Close takes it
// apart.
type App struct {
	cfg      Config
	clock    func() time.Time
	log      *slog.Logger
	metrics  *telemetry.Metrics
	place    database
	db       *postgres.DB
	redis    *redisdb.DB
	services httpapi.Services
	till     till
	listener net.Listener // open before its time, or nil
	demo     []demoUser

	unready atomic.Pointer[error] // why no requests are taken; nil: they are
	closers []closer
}

// closer undoes one step of Open.
type closer struct {
	name  string
	close func(ctx context.Context) error
}

// Open reaches the database, brings its schema up to date and assembles the
// contexts. Nothing runs yet but the private servers. The caller must Close.
func Open(ctx context.Context, cfg Config, clock func() time.Time, log *slog.Logger) (*App, error) {
	return open(ctx, cfg, clock, log, false)
}

// Look is Open for commands that only look: it looks into the private database
// of a shop that runs, and changes no schema. A schema that is not the program's
// own is an error.
func Look(ctx context.Context, cfg Config, clock func() time.Time, log *slog.Logger) (*App, error) {
	return open(ctx, cfg, clock, log, true)
}

// Migrate brings the schema up to date and touches nothing else: a shop may run
// beside it, on the release before.
func Migrate(ctx context.Context, cfg Config, log *slog.Logger) (err error) {
	place, err := findDatabase(ctx, cfg, false, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, within(ctx, stopLimit, place.stop)) }()
	return place.migrate(ctx)
}

func open(ctx context.Context, cfg Config, clock func() time.Time, log *slog.Logger, looks bool) (_ *App, err error) {
	a := &App{cfg: cfg, clock: clock, log: log}
	a.unready.Store(&errStarting)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close(ctx))
		}
	}()
	if a.metrics, err = telemetry.New(); err != nil {
		return nil, err
	}
	if err := a.openDatabase(ctx, looks); err != nil {
		return nil, err
	}
	if a.redis, err = redisdb.Open(ctx, cfg.Redis, log); err != nil {
		return nil, err
	}
	a.onClose("redis", func(context.Context) error { return a.redis.Close() })
	return a, a.assemble(ctx, looks)
}

func (a *App) onClose(name string, f func(ctx context.Context) error) {
	a.closers = append(a.closers, closer{name, f})
}

func (a *App) openDatabase(ctx context.Context, looks bool) (err error) {
	if a.place, err = findDatabase(ctx, a.cfg, looks, a.log); err != nil {
		return err
	}
	a.onClose("database server", a.place.stop)
	if looks {
		if err := a.place.current(ctx); err != nil {
			return err
		}
	} else if err := a.place.migrate(ctx); err != nil {
		return err
	}
	a.place.cfg.Observe = a.metrics.Transaction
	if a.db, err = postgres.Open(ctx, a.place.cfg, a.clock, a.log); err != nil {
		return err
	}
	a.onClose("database", func(context.Context) error { return a.db.Close() })
	return nil
}

// assemble makes the contexts, the lower ones first. Who only looks keeps his
// hands off the files of a shop that may run beside him.
func (a *App) assemble(ctx context.Context, looks bool) (err error) {
	s := &a.services
	if s.Identity, err = identity.New(a.db, a.cfg.Identity); err != nil {
		return err
	}
	if s.Transparency, err = transparency.New(a.db, a.cfg.Log, ledger.Roller{}, trace.Follower{}); err != nil {
		return err
	}
	peers, err := a.cfg.Witness.Peers()
	if err != nil {
		return err
	}
	if s.Witnesses, err = witness.New(a.db, s.Transparency, peers, nil); err != nil {
		return err
	}
	if s.Files, err = file.Open(a.db, a.cfg.Files); err != nil {
		return err
	}
	if err := a.openTill(ctx, looks); err != nil {
		return err
	}
	s.Trail = trail.New(a.db)
	s.Keys = apikey.New(a.db)
	s.Merchants = merchant.New(a.db)
	s.Onboarding = onboarding.New(a.db)
	s.Catalog = catalog.New(a.db, catalog.NewCache(a.redis))
	s.Scrutiny = scrutiny.New(a.db, s.Catalog)
	s.Origins = origin.New(a.db)
	s.Inventory = inventory.New(a.db)
	s.Search = search.New(a.db, inventory.InStock)
	s.Carts = cart.New(a.db)
	s.Carriage = carriage.New(a.db)
	s.Fund = fund.New(a.db)
	s.Orders = order.New(a.db, s.Payments, a.log)
	s.Goodwill = compensation.New(a.db, aftersale.Open, dispute.Unsettled)
	s.Aftersales, s.Disputes = aftersale.New(a.db, aftersale.Hooks{Disputed: dispute.Disputed, Aside: dispute.Aside, Granted: compensation.Granted, Used: voucher.Used, Void: voucher.Returned}), dispute.New(a.db)
	s.Repayments = repayment.New(a.db)
	s.Reconciler = reconcile.New(a.db, reconcile.Deps{
		Gateway: a.till.provider, Mark: a.till.shop.Mark, Payments: s.Payments, Orders: s.Orders, Aftersales: s.Aftersales, Disputes: s.Disputes,
		Settlements: s.Settlements, Log: a.log,
	})
	s.Fulfilment, s.Dispatch = fulfilment.New(a.db, aftersale.Open), dispatch.New(a.db)
	s.Intake = intake.New(a.db, s.Catalog)
	s.Recalls = recall.New(a.db)
	s.Claims = claim.New(a.db, s.Catalog, a.cfg.Claims)
	s.Reviews = review.New(a.db, s.Identity, s.Catalog)
	s.Receipts = receipt.New(a.db, s.Orders, s.Transparency, a.till.base)
	s.Standing = standing.New(a.db)
	s.Vouchers = voucher.New(a.db)
	s.Webhooks = webhook.New(a.db, a.cfg.Webhook, nil)
	couriers, err := courier.Open(a.cfg.Courier)
	if err != nil {
		return err
	}
	s.Notices = notice.New(a.db, couriers...)
	s.Statements = statement.New(a.db)
	s.Publications = publication.New(a.db, s.Transparency)
	s.Audit, s.Corrections, s.Findings = audit.New(a.db), correction.New(a.db), findings.New(a.db)
	s.Journals = journal.New(a.db, awards)
	s.Assistance, s.Reports, s.Disclosures = assistance.NewService(a.db), report.New(a.db), disclosure.New(a.db)
	s.Traces = trace.New(a.db, s.Orders)
	s.Programmes, s.Applications = programme.New(a.db, a.cfg.Programmes), application.New(a.db, a.cfg.Programmes)
	s.Grants, s.Disbursements = grant.New(a.db, a.cfg.Grants), disbursement.New(a.db, a.cfg.Grants)
	s.Objections = objection.New(a.db, map[objection.Subject]objection.Hooks{
		objection.Application: application.Hooks(), objection.Change: programme.Hooks(), objection.Grant: grant.Hooks(),
	})
	s.Pupils, err = pupil.Open(a.db, a.cfg.Pupils)
	return err
}

// Ready says why requests are not taken now, or nil.
func (a *App) Ready(ctx context.Context) error {
	if why := a.unready.Load(); why != nil {
		return *why
	}
	const limit = time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return a.db.Ping(ctx)
}

// Services are the contexts, for commands and tests that call them without HTTP.
func (a *App) Services() httpapi.Services { return a.services }

// DB is the database, with the application's role.
func (a *App) DB() *postgres.DB { return a.db }

// Redis is the door to Redis, whose counters tests read.
func (a *App) Redis() *redisdb.DB { return a.redis }

// Close undoes Open, in the reverse order, each step with a deadline of its own.
func (a *App) Close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var all []error
	for _, c := range slices.Backward(a.closers) {
		limited, cancel := context.WithTimeout(ctx, stopLimit)
		if err := c.close(limited); err != nil {
			all = append(all, fmt.Errorf("close the %s: %w", c.name, err))
		}
		cancel()
	}
	a.closers = nil
	return errors.Join(all...)
}

// current checks that the schema is the program's own.
func (d database) current(ctx context.Context) (err error) {
	owner, err := d.owner()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, owner.Close()) }()
	n, err := schema.Pending(ctx, owner)
	if err != nil {
		return fmt.Errorf("this database has no shop yet (shiyi migrate makes one): %w", err)
	}
	if n > 0 {
		return fmt.Errorf("the database lacks %d migrations: run shiyi migrate", n)
	}
	return nil
}

// newWorker makes the worker over the assembled contexts.
func (a *App) newWorker() (*worker.Worker, error) {
	return worker.New(a.cfg.Worker, a.db, worker.Deps{
		DB: a.db, Orders: a.services.Orders, Payments: a.services.Payments, Reconciler: a.services.Reconciler,
		Log: a.services.Transparency, Witnesses: a.services.Witnesses, Fund: a.services.Fund, Identity: a.services.Identity, Files: a.services.Files,
		Standing: a.services.Standing, Inventory: a.services.Inventory, Search: a.services.Search, Settlements: a.services.Settlements,
		Payees: a.services.Payees, Aftersales: a.services.Aftersales, Merchants: a.services.Merchants, Webhooks: a.services.Webhooks, Intake: a.services.Intake,
		Fulfilment: a.services.Fulfilment, Dispatch: a.services.Dispatch,
		Receipts: a.services.Receipts, Notices: a.services.Notices, Vouchers: a.services.Vouchers,
		Tidings: tidings.New(a.db), Disputes: a.services.Disputes, Disclosures: a.services.Disclosures,
	}, a.log, a.metrics)
}
