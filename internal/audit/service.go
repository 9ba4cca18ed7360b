package audit

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Summary is the levy audit of a period in one line, of one moment. statement.ErrPeriod.
func (s *Service) Summary(ctx context.Context, p Period) (Summary, error) {
	if err := p.Check(); err != nil {
		return Summary{}, err
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Summary, error) { return summary(ctx, tx, p) })
}

// Lines is the levy audit by day and enterprise, oldest first, without those where nothing
// happened. statement.ErrPeriod.
func (s *Service) Lines(ctx context.Context, p Period, r page.Request) (page.Of[Line], error) {
	key, last, err := begun(p, r, time.DateOnly)
	if err != nil {
		return page.Of[Line]{}, err
	}
	all, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) ([]Line, error) {
		return lines(ctx, tx, p, merchant.Date(key), last, r.Size()+1)
	})
	return page.Cut(all, r.Size(), func(l Line) (string, uuid.UUID) { return string(l.Day), l.Merchant.UUID() }), err
}

// EveryLine calls f for each line of the levy audit, a page at a time. statement.ErrPeriod.
func (s *Service) EveryLine(ctx context.Context, p Period, f func(Line) error) error {
	for cursor := ""; ; {
		some, err := s.Lines(ctx, p, page.Request{Cursor: cursor, Limit: page.MaxSize})
		if err != nil {
			return err
		}
		for _, l := range some.Data {
			if err := f(l); err != nil {
				return err
			}
		}
		if cursor = some.Next; cursor == "" {
			return nil
		}
	}
}

// Events are the sales and returns of an enterprise's day, oldest first, each with what the
// book has of it. statement.ErrPeriod.
func (s *Service) Events(ctx context.Context, day merchant.Date, m merchant.ID, r page.Request) (page.Of[Event], error) {
	p := Period{From: day, Until: day}
	key, last, err := begun(p, r, stampForm)
	if err != nil {
		return page.Of[Event]{}, err
	}
	all, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) ([]Event, error) { return events(ctx, tx, p, m, key, last, r.Size()+1) })
	return page.Cut(all, r.Size(), func(e Event) (string, uuid.UUID) { return stamp(e.At), e.Ref }), err
}

// Differences is everything of a period on which orders, book and provider do not agree,
// oldest first; none is what should be. statement.ErrPeriod.
func (s *Service) Differences(ctx context.Context, p Period, r page.Request) (page.Of[Difference], error) {
	key, _, err := begun(p, r, "")
	if err != nil {
		return page.Of[Difference]{}, err
	}
	all, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) ([]Difference, error) {
		return differences(ctx, tx, p, key, r.Size()+1)
	})
	return page.Cut(all, r.Size(), func(d Difference) (string, uuid.UUID) { return d.key(), uuid.Max }), err
}

// key is how a difference is placed in the list.
func (d Difference) key() string { return stamp(d.At) + " " + d.Kind + " " + d.Object }

// Trial is the trial balance of a period; that of a moment is the closing of a period that
// ends with it. Its openings and its closings sum to zero. statement.ErrPeriod.
func (s *Service) Trial(ctx context.Context, p Period) (Balance, error) {
	if err := p.Check(); err != nil {
		return Balance{}, err
	}
	from, until := p.Bounds()
	all, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) ([]ledger.Turnover, error) { return ledger.Trial(ctx, tx, from, until) })
	return Balance{p, all}, err
}

// Transfers are those of a period that touch an account ("": all), oldest first.
// statement.ErrPeriod.
func (s *Service) Transfers(ctx context.Context, p Period, account ledger.Account, r page.Request) (page.Of[ledger.Numbered], error) {
	key, last, err := begun(p, r, "")
	if err != nil {
		return page.Of[ledger.Numbered]{}, err
	}
	from, until := p.Bounds()
	after := ledger.Place{}
	if key != "" {
		at, home, err := place(key)
		if err != nil {
			return page.Of[ledger.Numbered]{}, err
		}
		after = ledger.Place{At: at, Home: home, ID: last}
	}
	all, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) ([]ledger.Numbered, error) {
		return ledger.Walk(ctx, tx, ledger.Span{From: from, Until: until, Account: account}, after, r.Size()+1)
	})
	return page.Cut(all, r.Size(), func(n ledger.Numbered) (string, uuid.UUID) { return stamp(n.At) + n.Home.String(), n.ID.UUID() }), err
}

// stampForm is a time in a cursor, to the microsecond; it sorts as the time does.
const stampForm = "2006-01-02T15:04:05.000000Z"

func stamp(t time.Time) string { return t.UTC().Format(stampForm) }

// place reads what Transfers wrote into a cursor. page.ErrCursor.
func place(key string) (at time.Time, home uuid.UUID, err error) {
	if len(key) < len(stampForm) {
		return at, home, page.ErrCursor
	}
	if at, err = time.Parse(stampForm, key[:len(stampForm)]); err != nil {
		return at, home, page.ErrCursor
	}
	if home, err = uuid.Parse(key[len(stampForm):]); err != nil {
		return at, home, page.ErrCursor
	}
	return at, home, nil
}

// begun checks the period of a list, and reads its cursor, whose key is of a form of time, if
// one is named. statement.ErrPeriod, page.ErrCursor.
func begun(p Period, r page.Request, form string) (key string, last uuid.UUID, err error) {
	if err := p.Check(); err != nil {
		return "", uuid.Nil, err
	}
	if key, last, err = r.After(); err == nil && key != "" && form != "" {
		if at, err := time.Parse(form, key); err != nil || at.Year() < 1 { // the database has no year 0
			return "", uuid.Nil, page.ErrCursor
		}
	}
	return key, last, err
}
