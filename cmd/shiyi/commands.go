package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shiyi-market/shiyi/internal/app"
	"github.com/shiyi-market/shiyi/internal/config"
	"github.com/shiyi-market/shiyi/internal/telemetry"
)

// program is what the commands share.
type program struct {
	lookup         func(name string) (string, bool)
	stdout, stderr io.Writer
}

// root is the command line.
func (p program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "shiyi",
		Short:         "A shop that gives one tenth of every sale to the education fund, for all to check",
		Long:          "Shiyi (什一, one tenth) is a shop that gives one tenth of every sale to the education fund.\nEvery setting is an environment variable: `shiyi config` shows them all.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(p.serve(), p.migrate(), p.replay(), p.verify(), p.doctor(), p.config(), p.version())
	return root
}

// command is a command without arguments that has read the configuration.
func (p program) command(use, short string, run func(ctx context.Context, cfg app.Config, log *slog.Logger) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		cfg, err := app.Load(cmd.Context(), p.lookup)
		if err != nil {
			return err
		}
		log, err := telemetry.Logger(p.stderr, cfg.Telemetry)
		if err != nil {
			return err
		}
		return run(cmd.Context(), cfg, log)
	}}
}

func (p program) serve() *cobra.Command {
	var empty bool
	cmd := p.command("serve", "Run the shop; an empty database is filled with the recorded year first",
		func(ctx context.Context, cfg app.Config, log *slog.Logger) (err error) {
			a, err := app.Open(ctx, cfg, time.Now, log)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.Close(ctx)) }()
			if err := a.ServePrivate(ctx); err != nil {
				return err
			}
			half, err := a.HalfReplayed(ctx)
			if err != nil {
				return err
			}
			if !empty || half {
				if _, err := a.Replay(ctx, p.stdout); err != nil {
					return err
				}
			}
			if !empty {
				if err := a.MakeDemo(ctx); err != nil {
					return err
				}
			}
			return a.Serve(ctx, p.stdout)
		})
	cmd.Flags().BoolVar(&empty, "empty", false, "leave an empty database empty")
	return cmd
}

// opened is a command over the assembled program.
func (p program) opened(use, short string, open func(context.Context, app.Config, func() time.Time, *slog.Logger) (*app.App, error), run func(ctx context.Context, a *app.App) error) *cobra.Command {
	return p.command(use, short, func(ctx context.Context, cfg app.Config, log *slog.Logger) (err error) {
		a, err := open(ctx, cfg, time.Now, log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, a.Close(ctx)) }()
		return run(ctx, a)
	})
}

func (p program) migrate() *cobra.Command {
	return p.command("migrate", "Bring the database's schema up to date", func(ctx context.Context, cfg app.Config, log *slog.Logger) error {
		err := app.Migrate(ctx, cfg, log)
		if err == nil {
			fmt.Fprintln(p.stdout, "the schema is up to date")
		}
		return err
	})
}

func (p program) replay() *cobra.Command {
	return p.opened("replay", "Put the recorded year into an empty database, or go on with it where it was broken off", app.Open,
		func(ctx context.Context, a *app.App) error {
			done, err := a.Replay(ctx, p.stdout)
			if err == nil && !done {
				fmt.Fprintln(p.stdout, "nothing to replay: the shop has a life of its own")
			}
			return err
		})
}

func (p program) verify() *cobra.Command {
	return p.opened("verify", "Check the book, the fund and the public log of the database against one another", app.Look,
		func(ctx context.Context, a *app.App) error { return a.Verify(ctx, p.stdout, app.Watch(p.stderr)) })
}

func (p program) doctor() *cobra.Command {
	return p.command("doctor", "Look at everything the shop stands on, and say what is wrong and what to do",
		func(ctx context.Context, cfg app.Config, log *slog.Logger) error {
			return app.Doctor(ctx, cfg, time.Now, log, p.stdout)
		})
}

func (p program) config() *cobra.Command {
	return p.command("config", "Print the configuration in effect, secrets hidden",
		func(_ context.Context, cfg app.Config, _ *slog.Logger) error {
			for _, s := range config.Settings(cfg) {
				fmt.Fprintf(p.stdout, "%s=%s\n", s.Name, s.Value)
			}
			return nil
		})
}

func (p program) version() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs, Run: func(*cobra.Command, []string) {
		fmt.Fprintln(p.stdout, version())
	}}
}

// version is what the Go tool wrote into the program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "shiyi (unknown)"
	}
	parts := []string{"shiyi", info.Main.Version}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			parts = append(parts, s.Value)
		}
	}
	return strings.Join(append(parts, info.GoVersion), " ")
}
