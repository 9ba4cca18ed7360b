package application

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service takes applications and decides on them.
type Service struct {
	db  *postgres.DB
	cfg programme.Config
}

// New makes the service.
func New(db *postgres.DB, cfg programme.Config) *Service { return &Service{db, cfg} }

// File files what a school asks for: an official of its county does, or an administrator of the
// fund. ErrAmount, programme.ErrPlan, programme.ErrPurpose, programme.ErrRegion, file.ErrUnknown;
// identity.ErrForbidden for an official of another county.
func (s *Service) File(ctx context.Context, caller identity.Caller, ask Asking) (Application, error) {
	a := Application{Plan: ask.Plan, Amount: ask.Amount, Other: ask.Other, State: Filed, FiledBy: caller.Account}
	switch {
	case caller.Key != uuid.Nil, !caller.Is(identity.FundAdmin) && !caller.Is(identity.County):
		return a, identity.ErrForbidden
	case ask.Amount <= 0 || ask.Amount > money.Max:
		return a, ErrAmount.At("/amount_fen", "range", "above zero, and not beyond measure")
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Application, error) {
		if err := programme.Check(ctx, tx, a.Plan, a.Amount); err != nil {
			return a, err
		}
		for _, o := range a.Other {
			if err := o.Check(); err != nil {
				return a, err
			}
		}
		if !caller.Is(identity.FundAdmin) && !caller.ActsFor(a.county()) {
			return a, identity.ErrForbidden
		}
		papers, err := file.Digests(ctx, tx, caller.Account.UUID(), ask.Files...)
		if err != nil {
			return a, err
		}
		a.ID, a.FiledAt, a.Papers = id.New[Application](tx.Now), tx.Now, papers
		if err := insert(ctx, tx, a); err != nil {
			return a, err
		}
		return a, note(ctx, tx, caller, "application.file", a)
	})
}

// Assess gives another's application a score, 0 to 100, and an opinion. ErrOwn, ErrState, ErrScore,
// identity.ErrReason.
func (s *Service) Assess(ctx context.Context, caller identity.Caller, aid ID, score int, opinion string) (Application, error) {
	if score < 0 || score > 100 {
		return Application{}, ErrScore.At("/score", "range", "0 to 100")
	}
	if err := identity.CheckReason(opinion); err != nil {
		return Application{}, err
	}
	return s.decide(ctx, caller, aid, "application.assess", func(tx *postgres.Tx, a *Application) error {
		a.Score, a.Opinion, a.AssessedBy, a.AssessedAt = score, strings.TrimSpace(opinion), caller.Account, tx.Now
		return a.move(Assessed, caller.Account)
	})
}

// Publish lets anybody object to an application that was assessed. ErrOwn, ErrState.
func (s *Service) Publish(ctx context.Context, caller identity.Caller, aid ID) (Application, error) {
	return s.decide(ctx, caller, aid, "application.publish", func(tx *postgres.Tx, a *Application) error {
		if err := a.move(Published, caller.Account); err != nil {
			return err
		}
		o := a.notice()
		o.For = s.cfg.Period
		p, err := objection.Publish(ctx, tx, o)
		a.Period = p.ID
		return err
	})
}

// Accept makes a programme of an application when the time for objections is over and none is
// open. Neither who filed it does nor who assessed it. ErrOwn, ErrState, and what
// objection.Clear refuses.
func (s *Service) Accept(ctx context.Context, caller identity.Caller, aid ID) (Application, error) {
	return s.decide(ctx, caller, aid, "application.accept", func(tx *postgres.Tx, a *Application) error {
		if err := a.move(Accepted, caller.Account); err != nil {
			return err
		}
		if err := objection.Clear(ctx, tx, a.Period); err != nil {
			return err
		}
		p, err := programme.Accept(ctx, tx, programme.Programme{Plan: a.Plan, Budget: a.Amount, Application: a.ID.UUID(), RecordedBy: caller.Account})
		if err != nil {
			return err
		}
		for _, o := range a.Other {
			o.Shared = []programme.ID{p.ID}
			if err := programme.Tell(ctx, tx, caller, o); err != nil {
				return err
			}
		}
		a.Programme, a.DecidedBy, a.DecidedAt = p.ID, caller.Account, tx.Now
		return nil
	})
}

// Decline ends an application without a programme, with a reason; who filed it withdraws it so,
// and so do the officials of its county.
// ErrOwn, ErrState, identity.ErrReason.
func (s *Service) Decline(ctx context.Context, caller identity.Caller, aid ID, reason string) (Application, error) {
	if err := identity.CheckReason(reason); err != nil {
		return Application{}, err
	}
	return s.decide(ctx, caller, aid, declining, func(tx *postgres.Tx, a *Application) error {
		to := Declined
		if a.withdraws(caller) {
			to = Withdrawn
		}
		a.DecidedBy, a.DecidedAt, a.Reason = caller.Account, tx.Now, strings.TrimSpace(reason)
		return a.move(to, caller.Account)
	})
}

// Applications are those in a state ("" is any), the newest first: all for administrators of the
// fund and auditors, their own county's for officials.
func (s *Service) Applications(ctx context.Context, caller identity.Caller, state State, p page.Request) (page.Of[Application], error) {
	all := caller.Is(identity.FundAdmin) || caller.Is(identity.Auditor)
	if !all && !caller.Is(identity.County) {
		return page.Of[Application]{}, identity.ErrForbidden
	}
	regions := []string{}
	for _, g := range caller.Roles {
		if g.Role == identity.County {
			regions = append(regions, g.Region)
		}
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Application], error) {
		return list(ctx, tx, all, regions, state, p)
	})
}

// Application is one. ErrUnknown, also for an official of another county.
func (s *Service) Application(ctx context.Context, caller identity.Caller, aid ID) (Application, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Application, error) {
		a, err := byID(ctx, tx, aid, "")
		if err == nil && !a.sees(caller) {
			return Application{}, ErrUnknown
		}
		return a, err
	})
}

// declining is the one operation on an application that officials have a part in.
const declining = "application.decline"

// decide locks an application and writes what was decided.
func (s *Service) decide(ctx context.Context, caller identity.Caller, aid ID, operation string, f func(*postgres.Tx, *Application) error) (Application, error) {
	if caller.Key != uuid.Nil {
		return Application{}, identity.ErrForbidden
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Application, error) {
		a, err := byID(ctx, tx, aid, " FOR UPDATE")
		switch {
		case err != nil:
			return a, err
		case !a.sees(caller):
			return Application{}, ErrUnknown
		case !caller.Is(identity.FundAdmin) && operation != declining:
			return Application{}, identity.ErrForbidden
		}
		if err := f(tx, &a); err != nil {
			return a, err
		}
		if err := save(ctx, tx, a); err != nil {
			return a, err
		}
		return a, note(ctx, tx, caller, operation, a)
	})
}

// Hooks are what an application does about objections.
func Hooks() objection.Hooks {
	return objection.Hooks{
		Lock: func(ctx context.Context, tx *postgres.Tx, subject uuid.UUID) ([]identity.ID, error) {
			_, err := byID(ctx, tx, id.From[Application](subject), " FOR UPDATE")
			return nil, err
		},
		Upheld: func(ctx context.Context, tx *postgres.Tx, subject uuid.UUID) error {
			a, err := byID(ctx, tx, id.From[Application](subject), "")
			if err != nil || a.State != Published {
				return err
			}
			a.DecidedAt, a.Reason = tx.Now, "异议成立"
			if err := a.move(Declined, identity.ID{}); err != nil {
				return err
			}
			return save(ctx, tx, a)
		},
	}
}

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, a Application) error {
	return trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: operation, Object: "programme_application:" + a.ID.String(),
		Detail: map[string]any{"title": a.Plan.Title, "amount_fen": a.Amount, "state": string(a.State), "reason": a.Reason},
	})
}
