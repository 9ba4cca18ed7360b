package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"

	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/replay"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

// errReplaying is why no requests are taken meanwhile.
var errReplaying = errors.New("the recorded year is being replayed")

// ErrRealMoney says that a recorded year has no place where real money moves.
var ErrRealMoney = errors.New("the recorded year is paid in the sandbox: it is not replayed where Stripe takes the payments; start with `shiyi serve --empty`")

// Replay puts the recorded year into an empty shop, and goes on where it was
// broken off; a shop that has a life of its own is left alone. It shows its
// progress on out, and returns whether there was anything to do.
func (a *App) Replay(ctx context.Context, out io.Writer) (done bool, err error) {
	wanted, err := replay.Wanted(ctx, a.db)
	if err != nil || !wanted {
		return false, err
	}
	if a.till.sandbox == nil {
		return false, ErrRealMoney
	}
	a.unready.Store(&errReplaying)
	defer a.unready.Store(&errStarting)
	// The year can be started again, so it need not wait for the disk; what the
	// log signs waits all the same.
	relaxed := a.place.cfg
	relaxed.RelaxedCommit = true
	db, err := postgres.Open(ctx, relaxed, a.clock, a.log)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	log, err := transparency.New(db, a.cfg.Log, ledger.Roller{}, trace.Follower{})
	if err != nil {
		return false, err
	}
	r := replay.Replay{
		DB: db, Sandbox: a.till.sandbox, Shop: a.till.shop, Log: log, Files: a.cfg.Files, Claims: a.cfg.Claims, Logger: a.log, Progress: progress(out),
		Whole: a.cfg.WholeYear,
	}
	st, err := r.Run(ctx)
	if err != nil {
		return false, fmt.Errorf("replay the recorded year: %w", err)
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "the recorded year is replayed", slog.Int64("orders", st.Orders), slog.Int64("sold_fen", int64(st.SoldFen)))
	return true, nil
}

// progress shows how far the year is: a bar to somebody at a terminal, a line for
// each tenth in a file.
func progress(out io.Writer) func(done, all int) {
	if f, ok := out.(*os.File); !ok || !isatty.IsTerminal(f.Fd()) {
		return func(done, all int) {
			if done*10/all != (done-1)*10/all {
				fmt.Fprintf(out, "回放 2020 年 · replaying 2020: %d of %d\n", done, all)
			}
		}
	}
	var bar *progressbar.ProgressBar
	var begin sync.Once
	return func(done, all int) {
		begin.Do(func() { bar = newBar(out, all) })
		_ = bar.Set(done) // a bar that cannot be drawn stops nothing
	}
}

func newBar(out io.Writer, all int) *progressbar.ProgressBar {
	const often, width = 200 * time.Millisecond, 40
	return progressbar.NewOptions(all,
		progressbar.OptionSetWriter(out), progressbar.OptionSetDescription("回放 2020 年 · replaying 2020"),
		progressbar.OptionThrottle(often), progressbar.OptionSetWidth(width), progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionOnCompletion(func() { fmt.Fprintln(out) }),
	)
}
