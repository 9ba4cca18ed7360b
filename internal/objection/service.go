package objection

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Publish publishes what anybody may object to, and opens the time for it, as part of tx.
func Publish(ctx context.Context, tx *postgres.Tx, o Opening) (Period, error) {
	p := Period{
		ID: id.New[Period](tx.Now), Subject: o.Subject, SubjectID: o.ID, TitleZH: o.TitleZH, TitleEN: o.TitleEN,
		Involved: o.Involved, OpenedAt: tx.Now, EndsAt: tx.Now.Add(o.For),
	}
	d, err := o.notice(p.ID, p.EndsAt)
	if err != nil {
		return p, err
	}
	if d, err = publication.Publish(ctx, tx, d); err != nil {
		return p, err
	}
	p.Document = d.ID
	return p, insertPeriod(ctx, tx, p)
}

// Clear locks a time for objections and refuses while what was published may not go on:
// ErrRunning, ErrOpen, ErrUpheld. Its caller has locked the subject.
func Clear(ctx context.Context, tx *postgres.Tx, pid PeriodID) error {
	p, err := period(ctx, tx, pid, " FOR UPDATE")
	if err != nil {
		return err
	}
	return p.clear(tx.Now)
}

// Notice is what was published when a time for objections began, as part of tx: nothing, if that is gone. ErrNoPeriod.
func Notice(ctx context.Context, tx *postgres.Tx, pid PeriodID) ([]byte, error) {
	p, err := period(ctx, tx, pid, "")
	if err != nil {
		return nil, err
	}
	return p.notice(ctx, tx)
}

// Hooks are what a subject does: Lock its row and say who has got a part in it since it was published,
// and stop for good when an objection is Upheld.
type Hooks struct {
	Lock   func(ctx context.Context, tx *postgres.Tx, subject uuid.UUID) (involved []identity.ID, err error)
	Upheld func(ctx context.Context, tx *postgres.Tx, subject uuid.UUID) error
}

// Service takes objections and their answers.
type Service struct {
	db    *postgres.DB
	hooks map[Subject]Hooks
}

// New makes the service. Each subject needs its hooks.
func New(db *postgres.DB, hooks map[Subject]Hooks) *Service { return &Service{db, hooks} }

// Periods are all times for objections, the newest first. Public.
func (s *Service) Periods(ctx context.Context, p page.Request) (page.Of[Period], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Period], error) { return periods(ctx, tx, p) })
}

// About are the times for objections to these subjects, the oldest first. Public.
func (s *Service) About(ctx context.Context, subjects []uuid.UUID) ([]Period, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) ([]Period, error) { return bySubject(ctx, tx, subjects) })
}

// Filed are the objections to what was published for a time, the newest first. Everybody may see them and their
// answers; what they say is for administrators and auditors alone, and is not here. ErrNoPeriod.
func (s *Service) Filed(ctx context.Context, pid PeriodID, p page.Request) (page.Of[Objection], error) {
	if pid.IsZero() { // which would list all
		return page.Of[Objection]{}, ErrNoPeriod
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Objection], error) {
		all, err := list(ctx, tx, pid, "", p)
		if err == nil && len(all.Data) == 0 { // only then is it asked for: to read it counts all objections
			_, err = period(ctx, tx, pid, "")
		}
		for i := range all.Data {
			all.Data[i].Body = ""
		}
		return all, err
	})
}

// File takes an objection from anybody. ErrText, ErrNoPeriod, ErrOver.
func (s *Service) File(ctx context.Context, pid PeriodID, body string) (Objection, error) {
	if err := checkBody(body); err != nil {
		return Objection{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Objection, error) {
		p, err := period(ctx, tx, pid, " FOR SHARE")
		if err != nil {
			return Objection{}, err
		}
		if !p.Running(s.db.Now()) { // not tx.Now: while it waited for the lock the time may have ended, and what was published gone on
			return Objection{}, ErrOver
		}
		o := Objection{ID: id.New[Objection](tx.Now), Period: pid, Body: body, FiledAt: tx.Now, State: Open}
		return o, insert(ctx, tx, o)
	})
}

// Objections are those in a state ("" is any), the newest first: for fund administrators and auditors.
func (s *Service) Objections(ctx context.Context, caller identity.Caller, state State, p page.Request) (page.Of[Objection], error) {
	if err := caller.Must(identity.FundAdmin, identity.Auditor); err != nil {
		return page.Of[Objection]{}, err
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Objection], error) { return list(ctx, tx, PeriodID{}, state, p) })
}

// Answer upholds or dismisses an objection, with reasons that are published. For fund
// administrators without a part in the matter. What was objected to stops for good when the
// objection is upheld. ErrUnknown, ErrState, ErrInvolved, identity.ErrReason.
func (s *Service) Answer(ctx context.Context, caller identity.Caller, oid ID, upheld bool, reason string) (Objection, error) {
	if err := caller.Must(identity.FundAdmin); err != nil {
		return Objection{}, err
	}
	if err := identity.CheckReason(reason); err != nil {
		return Objection{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Objection, error) {
		o, err := byID(ctx, tx, oid, "")
		if err != nil {
			return o, err
		}
		p, err := period(ctx, tx, o.Period, "")
		if err != nil {
			return o, err
		}
		hooks := s.hooks[p.Subject]
		since, err := hooks.Lock(ctx, tx, p.SubjectID)
		if err != nil {
			return o, err
		}
		p.Involved = append(p.Involved, since...)
		if _, err := period(ctx, tx, o.Period, " FOR UPDATE"); err != nil {
			return o, err
		}
		if o, err = byID(ctx, tx, oid, " FOR UPDATE"); err != nil {
			return o, err
		}
		if err := o.answer(p, upheld, caller.Account, reason, tx.Now); err != nil {
			return o, err
		}
		if err := save(ctx, tx, o); err != nil {
			return o, err
		}
		if upheld {
			if err := hooks.Upheld(ctx, tx, p.SubjectID); err != nil {
				return o, err
			}
		}
		return o, trail.Note(ctx, tx, trail.Entry{
			Actor: caller.Account.UUID(), Operation: "objection." + string(o.State), Object: "objection:" + o.ID.String(),
			Detail: map[string]any{"subject": string(p.Subject), "subject_id": p.SubjectID.String(), "reason": o.Answer},
		})
	})
}
