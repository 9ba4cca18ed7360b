package disclosure

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/report"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service keeps the calendar.
type Service struct{ db *postgres.DB }

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db} }

// Plan enters into the calendar what has become a duty, and returns how much that is. It may be called at any
// time by anybody: a duty is entered once.
func (s *Service) Plan(ctx context.Context) (int, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (int, error) {
		first, some, err := began(ctx, tx)
		if err != nil || !some {
			return 0, err
		}
		var wanted []Duty
		for year := first.In(zone()).Year(); year < tx.Now.In(zone()).Year(); year++ {
			wanted = append(wanted, annual(year))
		}
		paid, err := programmes(ctx, tx)
		if err != nil {
			return 0, err
		}
		for _, p := range paid {
			wanted = append(wanted, p.duties(tx.Now)...)
		}
		for i := range wanted {
			wanted[i] = wanted[i].opened(tx.Now)
		}
		return insert(ctx, tx, wanted, nil)
	})
}

// Open enters a major event, which is to be published within thirty days of its day. For administrators of
// the fund. ErrText.
func (s *Service) Open(ctx context.Context, caller identity.Caller, e Event) (Duty, error) {
	if err := caller.Must(identity.FundAdmin); err != nil {
		return Duty{}, err
	}
	e.Subject, e.Title = strings.TrimSpace(e.Subject), strings.TrimSpace(e.Title)
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Duty, error) {
		d := e.duty().opened(tx.Now)
		switch {
		case e.HappenedOn.After(tx.Now):
			return d, ErrText.At("/happened_on", "past", "it has not happened yet")
		case e.HappenedOn.Year() < 1:
			return d, ErrText.At("/happened_on", "range", "there is no such year")
		}
		who := caller.Account.UUID()
		n, err := insert(ctx, tx, []Duty{d}, &who)
		if err == nil && n == 0 {
			err = ErrText.At("/subject", "unique", "the event is in the calendar")
		}
		if err != nil {
			return d, err
		}
		return d, note(ctx, tx, caller, "disclosure.open", d)
	})
}

// Duties are those in a state ("": in any), the first due first. Public.
func (s *Service) Duties(ctx context.Context, state State, p page.Request) (page.Of[Duty], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Duty], error) { return list(ctx, tx, state, p) })
}

// Report fulfils a duty: it publishes what was written with the figures of this moment, which are of one moment,
// and nothing of it changes any more. For administrators of the fund. ErrText, ErrFulfilled, ErrEarly, ErrUnknown.
func (s *Service) Report(ctx context.Context, caller identity.Caller, did ID, text Text, claim request.Claim, render func(Duty) (request.Answer, error)) (Duty, error) {
	if err := cmp.Or(caller.Must(identity.FundAdmin), text.check()); err != nil {
		return Duty{}, err
	}
	snapshot, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) (Snapshot, error) {
		d, err := byID(ctx, tx, did, "")
		if err != nil {
			return Snapshot{}, err
		}
		return compose(ctx, tx, d, text)
	})
	if err != nil {
		return Duty{}, err
	}
	body, err := json.MarshalIndent(snapshot, "", " ")
	if err != nil {
		return Duty{}, fmt.Errorf("write a report: %w", err)
	}
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Duty, error) {
		d, err := byID(ctx, tx, did, " FOR UPDATE")
		switch {
		case err != nil:
			return d, err
		case !d.Document.IsZero():
			return d, ErrFulfilled
		}
		doc, err := publication.Publish(ctx, tx, publication.Document{
			Kind: publication.Report, TitleZH: text.TitleZH, TitleEN: text.TitleEN, MediaType: "application/json", Body: append(body, '\n'),
		})
		if err != nil {
			return d, err
		}
		d.Document, d.FulfilledAt = doc.ID, tx.Now
		if err := fulfil(ctx, tx, d, caller.Account); err != nil {
			return d, err
		}
		return d, note(ctx, tx, caller, "disclosure.report", d)
	})
}

// compose is what a report says, in figures of one moment.
func compose(ctx context.Context, tx *postgres.Tx, d Duty, text Text) (Snapshot, error) {
	s := Snapshot{
		Format: SnapshotFormat, Kind: d.Kind, Subject: d.Subject, Period: d.Period, At: tx.Now,
		TitleZH: text.TitleZH, TitleEN: text.TitleEN, BodyZH: text.BodyZH, BodyEN: text.BodyEN,
	}
	st, err := fund.Stand(ctx, tx)
	if err != nil {
		return s, err
	}
	s.Fund = figures(st)
	if year, is := d.year(); is {
		if tx.Now.Before(time.Date(year+1, time.January, 1, 0, 0, 0, 0, zone())) {
			return s, ErrEarly
		}
		impact, err := report.Of(ctx, tx, year)
		s.Year = &impact
		return s, err
	}
	if programme, is := d.programme(); is {
		if d.Kind == Progress && d.State(tx.Now) == Upcoming {
			return s, ErrEarly.With("not more than 30 days before %s", d.DueOn.In(zone()).Format(time.DateOnly))
		}
		paid, err := ledger.Of(ctx, tx, fund.Programme(programme))
		s.Programme = &PaidFigures{programme, paid.Li()}
		return s, err
	}
	return s, nil
}

// Snapshot is a published report, read back from its bytes. Public. ErrUnknown.
func (s *Service) Snapshot(ctx context.Context, did publication.ID) (Snapshot, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Snapshot, error) {
		var snapshot Snapshot
		doc, err := publication.Of(ctx, tx, did)
		switch {
		case errors.Is(err, publication.ErrUnknown):
			return snapshot, ErrUnknown
		case err != nil:
			return snapshot, err
		}
		if err := json.Unmarshal(doc.Body, &snapshot); err != nil || snapshot.Format != SnapshotFormat {
			return snapshot, ErrUnknown
		}
		return snapshot, nil
	})
}

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, d Duty) error {
	return trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: operation, Object: "duty:" + d.ID.String(),
		Detail: map[string]any{"kind": string(d.Kind), "subject": d.Subject, "period": d.Period},
	})
}
