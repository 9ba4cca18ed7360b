package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/shiyi-market/shiyi/internal/application"
	desk "github.com/shiyi-market/shiyi/internal/audit"
	"github.com/shiyi-market/shiyi/internal/disbursement"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

// ErrDiffers says that Verify found what does not agree.
var ErrDiffers = errors.New("the book and the log do not agree with themselves")

// Progress is told how far a part of Verify has come: so many of so many. Parts are told at once.
type Progress func(part string, done, of int64)

// Verify checks everything that the database says about money: the balances
// from the moves, the leaves from the transfers and documents, the tree from the leaves and the
// tenth in each of them, the fund's statement against both, the positions of its queue, each sealed month,
// and what is told of applications, programmes and grants against their notices. It writes what it
// found to out, the first that is wrong first, and fails with ErrDiffers if anything does not
// agree. Whoever watches is told of its progress.
func (a *App) Verify(ctx context.Context, out io.Writer, watches ...Progress) error {
	watch := func(part string) func(done, of int64) {
		return func(done, of int64) {
			for _, w := range watches {
				w(part, done, of)
			}
		}
	}
	before, err := a.services.Fund.Statement(ctx)
	if err != nil {
		return err
	}
	// The book, the log and the queue are read side by side: decoding them is work for two processors.
	var audit transparency.Audit
	var traced trace.Report
	var logErr, queueErr error
	var beside sync.WaitGroup
	beside.Go(func() { audit, logErr = a.services.Transparency.CheckWatched(ctx, watch("log")) })
	beside.Go(func() { traced, queueErr = trace.Check(ctx, a.db) })
	book, err := ledger.CheckWatched(ctx, a.db, watch("book"))
	beside.Wait()
	if err != nil {
		return err
	}
	st, err := a.services.Fund.Statement(ctx)
	if err != nil {
		return err
	}
	if errors.Is(logErr, transparency.ErrNoCheckpoint) {
		fmt.Fprintln(out, "log    no checkpoint has been signed yet: start the shop once")
		logErr = nil
	}
	faults := slices.Concat(book.Differences, a.found(ctx, publication.Check))
	if logErr != nil {
		faults = append(faults, strings.Split(logErr.Error(), "\n")...)
	}
	faults = append(faults, against(st, audit, st == before)...)
	if queueErr != nil {
		faults = append(faults, queueErr.Error())
	}
	faults = append(faults, traced.Differences...)
	// What was published, and what is told of it: the faults of the later follow from those of the earlier.
	faults = append(faults, a.found(ctx, desk.Check, objection.Check, application.Check, disbursement.Check)...)
	if err := ctx.Err(); err != nil {
		return err
	}

	fmt.Fprintf(out, "book   %d transfers, %d moves\n", book.Transfers, book.Moves)
	fmt.Fprintf(out, "fund   %d orders, sold %s yuan, levied %s yuan (pending %s, free %s, held %s)\n",
		st.Orders, st.SoldFen, st.LeviedLi, st.PendingLi, st.FreeLi, st.HeldLi)
	fmt.Fprintf(out, "log    %d leaves signed, %d numbered since, %d waiting\n", audit.Checkpoint.Size, audit.Unsigned, audit.Waiting)
	fmt.Fprintf(out, "queue  %d inflows, %d outflows, by %d leaves\n", traced.Queue.In.Count, traced.Queue.Out.Count, traced.Queue.Leaves)
	fmt.Fprintf(out, "key    %s\n", a.services.Transparency.VerifierKey())
	for _, f := range faults {
		fmt.Fprintf(out, "WRONG  %s\n", f)
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: %d differences", ErrDiffers, len(faults))
	}
	fmt.Fprintln(out, "all agrees: every balance with its moves, every leaf with its transfer, the tree with its leaves, one tenth of every sale, the place of each li, every grant with its money")
	return nil
}

// found are the faults that checks find, one after the other. What one cannot read is a fault itself: it would
// else keep the others from being told.
func (a *App) found(ctx context.Context, checks ...func(context.Context, *postgres.DB) ([]string, error)) (faults []string) {
	for _, check := range checks {
		some, err := check(ctx, a.db)
		if err != nil {
			some = append(some, err.Error())
		}
		faults = append(faults, some...)
	}
	return faults
}

// against holds the fund's statement against one tenth, and against the public
// log where that covers everything and the statement is what it was before the log was read: a
// shop may sell meanwhile.
func against(st fund.Statement, audit transparency.Audit, still bool) []string {
	var faults []string
	if tenth := st.SoldFen.Tenth(); st.LeviedLi != tenth {
		faults = append(faults, fmt.Sprintf("the fund was levied %s, one tenth of what was sold is %s", st.LeviedLi, tenth))
	}
	t := audit.Totals
	if still && audit.Unsigned == 0 && audit.Waiting == 0 && audit.Checkpoint.Size > 0 {
		sold, levied := money.Li(t.SoldLi-t.RefundedLi), money.Li(t.LeviedLi-t.ReturnedLi)
		if sold != st.SoldFen.Li() || levied != st.LeviedLi {
			faults = append(faults, fmt.Sprintf("the leaves sum to %s sold and %s levied, the book to %s and %s", sold, levied, st.SoldFen, st.LeviedLi))
		}
		// What left the fund under seal is in the book and in no leaf that can be read.
		for _, f := range []struct {
			name         string
			leaves, book money.Li
		}{
			{"pending", money.Li(t.PendingLi), st.PendingLi},
			{"free", money.Li(t.FreeLi), st.FreeLi},
			{"held", money.Li(t.HeldLi), st.HeldLi},
			{"committed", money.Li(t.CommittedLi), st.CommittedLi},
			{"spent", money.Li(t.SpentLi), st.SpentLi},
		} {
			if f.leaves != f.book {
				faults = append(faults, fmt.Sprintf("the leaves leave the fund %s %s, the book %s", f.leaves, f.name, f.book))
			}
		}
	}
	if parts := st.PendingLi + st.FreeLi + st.HeldLi + st.CommittedLi + st.SpentLi; parts != st.LeviedLi {
		faults = append(faults, fmt.Sprintf("the parts of the fund sum to %s, it was levied %s", parts, st.LeviedLi))
	}
	return faults
}
