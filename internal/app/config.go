// Package app is the program assembled: it finds the database, wires the
// contexts to one another, and owns the order in which things start and stop.
package app

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/config"
	"github.com/shiyi-market/shiyi/internal/courier"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/httpapi"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/pgserver"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/pupil"
	"github.com/shiyi-market/shiyi/internal/redisdb"
	"github.com/shiyi-market/shiyi/internal/settlement"
	"github.com/shiyi-market/shiyi/internal/telemetry"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/internal/webhook"
	"github.com/shiyi-market/shiyi/internal/witness"
	"github.com/shiyi-market/shiyi/internal/worker"
)

// Config is the whole configuration.
type Config struct {
	// StateDir holds what must outlive the program: the private database, the
	// log's key, the sandbox's journal, the files. Empty: see Load.
	StateDir string `env:"STATE_DIR"`
	// WholeYear lets the recorded year, when it is replayed, go on after its sales: see replay.Replay.
	WholeYear bool `env:"REPLAY_WHOLE, default=false"`
	Server    Server
	Operator  Operator
	Postgres  postgres.Config
	// Binaries is the folder of PostgreSQL's programs, for the private database.
	Binaries string `env:"POSTGRES_BIN"`
	// Path is the variable PATH, where programs are found.
	Path       string
	Redis      redisdb.Config
	Payment    gateway.Config
	Log        transparency.Config
	Witness    witness.Config
	Files      file.Config
	Identity   identity.Config
	HTTP       httpapi.Config
	Worker     worker.Config
	Webhook    webhook.Config
	Claims     claim.Config
	Settlement settlement.Config
	Programmes programme.Config
	Grants     grant.Config
	Courier    courier.Config
	Pupils     pupil.Config
	Telemetry  telemetry.Config
}

// Server says where requests are taken and how long they may last. All times
// bound what a slow client can hold.
type Server struct {
	// Addr is the address of the public port.
	Addr string `env:"LISTEN_ADDR, default=127.0.0.1:8080"`
	// PublicURL is how the shop is reached from outside. Empty: http://localhost and the port.
	PublicURL string `env:"PUBLIC_URL"`
	// ReadTimeout bounds the arrival of a request, its body included.
	ReadTimeout time.Duration `env:"HTTP_READ_TIMEOUT, default=15s"`
	// WriteTimeout bounds a request from the end of its header to the end of its answer.
	WriteTimeout time.Duration `env:"HTTP_WRITE_TIMEOUT, default=30s"`
	// IdleTimeout is how long a connection without a request is kept.
	IdleTimeout time.Duration `env:"HTTP_IDLE_TIMEOUT, default=60s"`
	// Drain is how long requests under way may take when the program stops.
	Drain time.Duration `env:"HTTP_DRAIN, default=15s"`
}

// Operator is the first operator, who is made at the start if both are given.
type Operator struct {
	// Login is a phone number or an e-mail address.
	Login string `env:"OPERATOR_LOGIN"`
	// Password opens it.
	Password config.Secret `env:"OPERATOR_PASSWORD"`
}

// defaultState is the state's folder below the working folder, and rootState
// where root keeps it when PostgreSQL's user cannot enter that.
const (
	defaultState = ".shiyi"
	rootState    = "/var/lib/shiyi"
)

// errNoSecret keeps the program from starting: forged events could not be told
// from Stripe's.
var errNoSecret = errors.New("STRIPE_SECRET_KEY is set, but STRIPE_WEBHOOK_SECRET is not")

// Load reads the configuration from what lookup finds and completes it. It
// refuses a configuration that would not be safe to run.
func Load(ctx context.Context, lookup func(name string) (string, bool)) (Config, error) {
	cfg, err := config.Load[Config](ctx, lookup)
	if err != nil {
		return cfg, err
	}
	if cfg.StateDir == "" {
		cfg.StateDir = defaultState
		if pgserver.Reachable(filepath.Join(cfg.StateDir, "postgres")) != nil {
			cfg.StateDir = rootState
		}
	}
	if cfg.StateDir, err = filepath.Abs(cfg.StateDir); err != nil {
		return cfg, err
	}
	cfg.Log.Folder, cfg.Pupils.Folder = cfg.StateDir, cfg.StateDir
	if cfg.Files.Folder == "" {
		cfg.Files.Folder = filepath.Join(cfg.StateDir, "files")
	}
	if cfg.Courier.Folder == "" {
		cfg.Courier.Folder = filepath.Join(cfg.StateDir, "notices")
	}
	if s3 := cfg.Files.S3; s3.Endpoint != "" && (s3.Bucket == "" || s3.Key == "" || s3.Secret == "") {
		return cfg, errors.New("FILE_S3_ENDPOINT is set, but not all of FILE_S3_BUCKET, FILE_S3_KEY and FILE_S3_SECRET")
	}
	cfg.Path, _ = lookup("PATH")
	if cfg.Payment.StripeKey != "" && cfg.Payment.StripeWebhookSecret == "" {
		return cfg, errNoSecret
	}
	if (cfg.Operator.Login == "") != (cfg.Operator.Password == "") {
		return cfg, errors.New("OPERATOR_LOGIN and OPERATOR_PASSWORD belong together")
	}
	if cfg.Postgres.URL == "" && cfg.Postgres.OwnerURL != "" {
		return cfg, errors.New("DATABASE_OWNER_URL is set, but DATABASE_URL is not")
	}
	return cfg, nil
}
