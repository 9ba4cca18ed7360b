package reconcile

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/settlement"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// slack is how much longer than a day its entries are looked for, on both sides: our
// times are those at which we heard.
const slack = time.Hour

// Run compares a day that is over with the provider: it keeps the provider's entries,
// follows what we had not heard of, books what the provider kept, and writes down what
// still differs. Running it again
// finds nothing twice, and resolves the breaks that have gone away by themselves. ErrDay.
func (s *Service) Run(ctx context.Context, day merchant.Date) (Day, error) {
	from := begin(day)
	to, now := from.Add(24*time.Hour), s.db.Now()
	if now.Before(to) {
		return Day{}, ErrDay
	}
	if _, err := s.payments.CatchUp(ctx); err != nil {
		return Day{}, err
	}
	entries, err := s.fetch(ctx, from.Add(-slack), earlier(to.Add(slack), now))
	if err != nil {
		return Day{}, err
	}
	foreign, err := s.followUnknown(ctx, entries)
	if err != nil {
		return Day{}, err
	}
	if err := s.bookFees(ctx, from, to); err != nil {
		return Day{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Day, error) {
		found, err := compare(ctx, tx, s.gateway.Name(), day, foreign)
		if err != nil {
			return Day{}, err
		}
		if err := saveBreaks(ctx, tx, day, found); err != nil {
			return Day{}, err
		}
		return saveDay(ctx, tx, s.gateway.Name(), day)
	})
}

// RunDue compares the days that are over, from the one after the last that was compared
// on; before the first, the last alone. It returns how many those were.
func (s *Service) RunDue(ctx context.Context) (int, error) {
	last := merchant.DateOf(s.db.Now().Add(-24 * time.Hour))
	done, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (merchant.Date, error) { return ranUntil(ctx, tx) })
	if err != nil {
		return 0, err
	}
	day := last
	if done != "" {
		day = next(done)
	}
	n := 0
	for ; day <= last; day = next(day) {
		if _, err := s.Run(ctx, day); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// BookFees books what the provider kept on days that are over, from one to before
// another, each day once: of a past that was not compared day by day.
func (s *Service) BookFees(ctx context.Context, from, until merchant.Date) error {
	if _, err := s.fetch(ctx, begin(from), begin(until)); err != nil {
		return err
	}
	return s.bookFees(ctx, begin(from), begin(until))
}

// bookFees books the fees of the entries that are kept, unless their day was booked.
func (s *Service) bookFees(ctx context.Context, from, until time.Time) error {
	err := postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		kept, err := unbooked(ctx, tx, s.gateway.Name(), from, until)
		if err != nil {
			return err
		}
		return settlement.BookFees(ctx, tx, kept)
	})
	if errors.Is(err, ledger.ErrBooked) { // by somebody else, just now
		return nil
	}
	return err
}

// fetch keeps what the provider says moved our balance.
func (s *Service) fetch(ctx context.Context, from, to time.Time) ([]gateway.Entry, error) {
	var all []gateway.Entry
	for e, err := range s.gateway.Entries(ctx, from, to) {
		if err != nil {
			return nil, err
		}
		if e.Mark == "" || e.Mark == s.mark { // else another program's
			all = append(all, e)
		}
	}
	return all, postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return keep(ctx, tx, s.gateway.Name(), all) })
}

// followUnknown follows what the provider has and we do not, and returns the names of
// those payments that are not for anything of this shop's.
func (s *Service) followUnknown(ctx context.Context, entries []gateway.Entry) (foreign []string, err error) {
	unknown, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (map[string]bool, error) {
		return unknown(ctx, tx, s.gateway.Name(), entries)
	})
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if !unknown[e.Ref] || seen[e.Source] {
			continue
		}
		seen[e.Source] = true
		switch {
		case e.Payment != "":
			ours, err := s.follow(ctx, e.Payment)
			if err != nil {
				return nil, err
			}
			if !ours {
				foreign = append(foreign, e.Payment)
			}
		case e.Row != uuid.Nil:
			if err := s.settlements.Follow(ctx, e.Row); err != nil {
				return nil, err
			}
		}
	}
	return foreign, nil
}

// begin is when a day begins in the county (UTC+8).
func begin(day merchant.Date) time.Time { return day.Time().Add(-8 * time.Hour) }

// next is the day after.
func next(day merchant.Date) merchant.Date { return merchant.DateOf(begin(day).Add(24 * time.Hour)) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Days are the comparisons, the newest first.
func (s *Service) Days(ctx context.Context, p page.Request) (page.Of[Day], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Day], error) { return days(ctx, tx, p) })
}

// Breaks are those in a state ("" is any), the newest first.
func (s *Service) Breaks(ctx context.Context, state BreakState, p page.Request) (page.Of[Break], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Break], error) { return breaks(ctx, tx, state, p) })
}

// OpenBreaks is how many breaks are open.
func (s *Service) OpenBreaks(ctx context.Context) (int64, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (int64, error) { return countOpen(ctx, tx) })
}

// Take makes the caller the one who answers for an open break. ErrNotFound, ErrState.
func (s *Service) Take(ctx context.Context, caller identity.Caller, bid ID) (Break, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Break, error) {
		b, err := lockOpen(ctx, tx, bid)
		if err != nil {
			return b, err
		}
		b.Owner = caller.Account
		return b, settled(ctx, tx, caller, b, "break.take")
	})
}

// Resolve says how an open break was resolved; who resolves it answers for it.
// ErrNotFound, ErrState, ErrReason.
func (s *Service) Resolve(ctx context.Context, caller identity.Caller, bid ID, resolution string) (Break, error) {
	resolution = strings.TrimSpace(resolution)
	if resolution == "" {
		return Break{}, ErrReason.At("/resolution", "required", "say how")
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Break, error) {
		b, err := lockOpen(ctx, tx, bid)
		if err != nil {
			return b, err
		}
		b.State, b.Resolution, b.ResolvedBy, b.ResolvedAt = Resolved, resolution, caller.Account, tx.Now
		if b.Owner.IsZero() {
			b.Owner = caller.Account
		}
		return b, settled(ctx, tx, caller, b, "break.resolve")
	})
}

// settled writes what a person did about a break.
func settled(ctx context.Context, tx *postgres.Tx, caller identity.Caller, b Break, operation string) error {
	if err := saveBreak(ctx, tx, b); err != nil {
		return err
	}
	return trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: operation, Object: "break:" + b.ID.String(),
		Detail: map[string]any{"kind": b.Kind, "object": b.Object, "resolution": b.Resolution},
	})
}
