package onboarding

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shiyi-market/shiyi/internal/dossier"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service leads applications from the first draft to the enterprise.
type Service struct{ db *postgres.DB }

// New returns a Service on db.
func New(db *postgres.DB) *Service { return &Service{db: db} }

// Start makes a draft of the caller's, however little is in it. file.ErrUnknown
// when it refers to a file that he has not uploaded.
func (s *Service) Start(ctx context.Context, caller identity.Caller, d dossier.Draft) (Application, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Application, error) {
		return start(ctx, tx, caller, id.New[Application](tx.Now), Given{Merchant: id.New[merchant.Merchant](tx.Now)}, d)
	})
}

// Record is Start for the program: an enterprise that brings its own name, and the
// application's with it. Again it gives the application as it has become.
func (s *Service) Record(ctx context.Context, caller identity.Caller, a ID, g Given, d dossier.Draft) (Application, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Application, error) {
		switch before, err := lock(ctx, tx, a); {
		case err == nil:
			return whole(ctx, tx, before, Applicant)
		case !errors.Is(err, ErrUnknown):
			return Application{}, err
		}
		return start(ctx, tx, caller, a, g, d)
	})
}

func start(ctx context.Context, tx *postgres.Tx, caller identity.Caller, as ID, g Given, d dossier.Draft) (Application, error) {
	d = d.Normal()
	a := Application{
		ID: as, Applicant: caller.Account, State: Drafted, Version: 1, Draft: d, Given: g, CreatedAt: tx.Now, UpdatedAt: tx.Now,
	}
	if err := file.Check(ctx, tx, caller.Account.UUID(), d.Files()...); err != nil {
		return Application{}, err
	}
	if err := insert(ctx, tx, a); err != nil {
		return Application{}, err
	}
	return done(ctx, tx, a, caller, Applicant, Start, "")
}

// Edit replaces the caller's draft, or what was returned to him. version is the one
// that he has read: ErrStale when it was edited since.
func (s *Service) Edit(ctx context.Context, caller identity.Caller, a ID, version int, d dossier.Draft) (Application, error) {
	return s.change(ctx, caller, a, Applicant, Edit, "", func(tx *postgres.Tx, a *Application) error {
		if a.Version != version {
			return ErrStale.With("it is version %d now", a.Version)
		}
		if err := file.Check(ctx, tx, caller.Account.UUID(), d.Files()...); err != nil {
			return err
		}
		a.Version, a.Draft = a.Version+1, d.Normal()
		return updateDraft(ctx, tx, *a)
	})
}

// Submit hands the caller's application to the county, for the first time or after
// it was returned. dossier.ErrIncomplete names all that is missing or wrong; ErrTaken says
// that the enterprise is here, or about to be.
func (s *Service) Submit(ctx context.Context, caller identity.Caller, a ID) (Application, error) {
	return s.change(ctx, caller, a, Applicant, Submit, "", func(tx *postgres.Tx, a *Application) error {
		if err := a.Check(merchant.DateOf(tx.Now)); err != nil {
			return err
		}
		if known, err := merchant.Enrolled(ctx, tx, a.Entity.USCC); err != nil || known {
			return orTaken(err)
		}
		a.Round, a.SubmittedAt = a.Round+1, tx.Now
		a.recommend(identity.ID{}, "")
		return nil
	})
}

func orTaken(err error) error {
	if err != nil {
		return err
	}
	return ErrTaken.At("/entity/uscc", "unique", "enrolled, or under another application")
}

// Recommend is the county's word for an enterprise; no is the number of its paper,
// 1 to 60 characters. For officials of the enterprise's county.
func (s *Service) Recommend(ctx context.Context, caller identity.Caller, a ID, no, reason string) (Application, error) {
	if !lengthIn(no, 1, 60) {
		return Application{}, ErrPaper.At("/recommendation_no", "length", "1 to 60 characters")
	}
	return s.decide(ctx, caller, a, County, Recommend, reason, func(tx *postgres.Tx, a *Application) error {
		a.recommend(caller.Account, no)
		a.RecommendedAt = tx.Now
		return nil
	})
}

// recommend notes by whom the application is recommended; by nobody takes it back.
func (a *Application) recommend(by identity.ID, no string) {
	a.RecommendedBy, a.RecommendationNo, a.RecommendedAt = by, no, time.Time{}
}

// Return gives an application back to its applicant, for the county or the
// platform, and says for what, place by place. ErrItems when it says nothing.
func (s *Service) Return(ctx context.Context, caller identity.Caller, side Side, a ID, list []Item, reason string) (Application, error) {
	return s.decide(ctx, caller, a, side, Return, reason, func(tx *postgres.Tx, a *Application) error {
		named, err := items(side, a.Round, list)
		if err != nil {
			return err
		}
		a.recommend(identity.ID{}, "")
		return insertItems(ctx, tx, a.ID, named)
	})
}

// Approve is the platform's word for a recommended enterprise, which is then to
// sign. For operators.
func (s *Service) Approve(ctx context.Context, caller identity.Caller, a ID, reason string) (Application, error) {
	return s.decide(ctx, caller, a, Platform, Approve, reason, func(tx *postgres.Tx, a *Application) error {
		a.ApprovedBy, a.ApprovedAt = caller.Account, tx.Now
		return nil
	})
}

// Refuse ends an application, for good. For operators.
func (s *Service) Refuse(ctx context.Context, caller identity.Caller, a ID, reason string) (Application, error) {
	return s.decide(ctx, caller, a, Platform, Refuse, reason, func(*postgres.Tx, *Application) error { return nil })
}

// decide is change with an obligatory reason.
func (s *Service) decide(ctx context.Context, caller identity.Caller, a ID, side Side, do Action, reason string,
	effect func(*postgres.Tx, *Application) error,
) (Application, error) {
	if err := identity.CheckReason(reason); err != nil {
		return Application{}, err
	}
	return s.change(ctx, caller, a, side, do, reason, effect)
}

// change locks an application that the caller sees, does an action that its state
// allows, and writes what became of it.
func (s *Service) change(ctx context.Context, caller identity.Caller, as ID, side Side, do Action, reason string,
	effect func(*postgres.Tx, *Application) error,
) (Application, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Application, error) {
		a, err := lock(ctx, tx, as)
		switch {
		case err != nil:
			return Application{}, err
		case !a.visible(caller, side):
			return Application{}, ErrUnknown
		}
		return take(ctx, tx, a, caller, side, do, reason, effect)
	})
}

// take is change for an application that is held.
func take(ctx context.Context, tx *postgres.Tx, a Application, caller identity.Caller, side Side, do Action, reason string,
	effect func(*postgres.Tx, *Application) error,
) (Application, error) {
	if err := a.act(side, do, caller.Account); err != nil {
		return Application{}, err
	}
	if err := effect(tx, &a); err != nil {
		return Application{}, err
	}
	a.UpdatedAt = tx.Now
	if err := update(ctx, tx, a); err != nil {
		return Application{}, err
	}
	return done(ctx, tx, a, caller, side, do, reason)
}

// done writes into the history and the trail what was done, and gives the
// application with its history.
func done(ctx context.Context, tx *postgres.Tx, a Application, caller identity.Caller, side Side, do Action, reason string) (Application, error) {
	err := insertEvent(ctx, tx, a, Event{At: tx.Now, Actor: caller.Account.UUID(), Side: side, Action: do, State: a.State, Round: a.Round, Reason: reason})
	if err != nil {
		return Application{}, err
	}
	detail := map[string]any{"state": string(a.State), "side": string(side), "version": a.Version}
	if reason != "" {
		detail["reason"] = reason
	}
	if err := note(ctx, tx, caller, do, a.ID, detail); err != nil {
		return Application{}, err
	}
	return whole(ctx, tx, a, side)
}

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, do Action, a ID, detail map[string]any) error {
	return trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: "onboarding." + string(do), Object: "application:" + a.String(), Detail: detail,
	})
}

// Agreement is the agreement in force, public.
func (s *Service) Agreement(ctx context.Context) (Agreement, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Agreement, error) { return inForce(ctx, tx) })
}

// Accept signs the agreement in force for the caller's approved enterprise, and
// lets it in at once: the enterprise is enrolled with its licences, and the caller
// sells for it. ErrAgreement when what he has read is not in force any more.
func (s *Service) Accept(ctx context.Context, caller identity.Caller, a ID, by Acceptance) (Application, error) {
	if !lengthIn(by.Name, 1, 64) || !lengthIn(by.Position, 1, 64) {
		return Application{}, ErrSignatory.At("/name", "length", "name and position, 1 to 64 characters each")
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Application, error) {
		held, err := lock(ctx, tx, a)
		switch {
		case err != nil:
			return Application{}, err
		case !held.visible(caller, Applicant):
			return Application{}, ErrUnknown
		}
		signed, err := take(ctx, tx, held, caller, Applicant, Sign, "", func(tx *postgres.Tx, a *Application) error {
			return sign(ctx, tx, a, by)
		})
		if err != nil {
			return Application{}, err
		}
		return take(ctx, tx, signed, identity.Caller{}, Program, Activate, "", func(tx *postgres.Tx, a *Application) error {
			return letIn(ctx, tx, a)
		})
	})
}

// sign gives an application its code and its agreement, and keeps who signed.
func sign(ctx context.Context, tx *postgres.Tx, a *Application, by Acceptance) error {
	now, err := inForce(ctx, tx)
	if err != nil {
		return err
	}
	if now.Version != by.Version || now.SHA256 != by.SHA256 {
		return ErrAgreement.With("version %d is in force", now.Version)
	}
	if a.Code == "" {
		if a.Code, err = merchant.NextCode(ctx, tx); err != nil {
			return err
		}
	}
	if a.AgreementNo == "" {
		a.AgreementNo = fmt.Sprintf("EDU-DON-%s-%s", merchant.DateOf(tx.Now)[:4], a.Code)
	}
	return insertAcceptance(ctx, tx, *a, by)
}

// letIn enrols the enterprise, for which the applicant then sells.
func letIn(ctx context.Context, tx *postgres.Tx, a *Application) error {
	e := a.Enrolment()
	e.ID, e.Code, e.AgreementNo, e.AgreementSignedOn = a.Merchant, a.Code, a.AgreementNo, merchant.DateOf(tx.Now)
	e.RecommendationNo, e.RecommendedOn = a.RecommendationNo, merchant.DateOf(a.RecommendedAt)
	m, err := merchant.Enrol(ctx, tx, e)
	if err != nil {
		return err
	}
	return identity.Give(ctx, tx, identity.Caller{}, a.Applicant, identity.Grant{Role: identity.Merchant, Merchant: m.ID.UUID()})
}

// Application is one that the caller sees on this side, with what it was returned
// for and its history; the rest is ErrUnknown. Contacts are the applicant's alone:
// officials ask for them by Contacts.
func (s *Service) Application(ctx context.Context, caller identity.Caller, side Side, as ID) (Application, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Application, error) {
		a, err := byID(ctx, tx, as)
		switch {
		case err != nil:
			return Application{}, err
		case !a.visible(caller, side):
			return Application{}, ErrUnknown
		}
		return whole(ctx, tx, a, side)
	})
}

// whole adds items and history, and keeps the contacts from officials.
func whole(ctx context.Context, tx *postgres.Tx, a Application, side Side) (Application, error) {
	if side == County || side == Platform {
		a.Contacts = nil
	}
	var err error
	if a.Items, err = itemsOf(ctx, tx, a); err != nil {
		return Application{}, err
	}
	a.Events, err = eventsOf(ctx, tx, a.ID)
	return a, err
}

// Mine lists the caller's applications, the newest first.
func (s *Service) Mine(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Application], error) {
	return s.list(ctx, p, filter{applicant: caller.Account})
}

// CountyQueue lists the applications of the caller's counties in a state, or in any
// but draft when none is given, the newest first.
func (s *Service) CountyQueue(ctx context.Context, caller identity.Caller, state State, p page.Request) (page.Of[Application], error) {
	f := filter{state: state, regions: []string{}}
	for _, g := range caller.Roles {
		if g.Role == identity.County {
			f.regions = append(f.regions, g.Region)
		}
	}
	return s.list(ctx, p, f)
}

// Queue lists all applications in a state, or in any but draft when none is given,
// the newest first. For operators.
func (s *Service) Queue(ctx context.Context, caller identity.Caller, state State, p page.Request) (page.Of[Application], error) {
	if err := caller.Must(identity.Operator); err != nil {
		return page.Of[Application]{}, err
	}
	return s.list(ctx, p, filter{state: state})
}

func (s *Service) list(ctx context.Context, p page.Request, f filter) (page.Of[Application], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Application], error) { return list(ctx, tx, p, f) })
}

// Contacts are the people whom an application names, for an official who sees it.
// That he asked is noted in the trail.
func (s *Service) Contacts(ctx context.Context, caller identity.Caller, side Side, as ID) ([]dossier.Contact, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) ([]dossier.Contact, error) {
		a, err := byID(ctx, tx, as)
		switch {
		case err != nil:
			return nil, err
		case !a.visible(caller, side):
			return nil, ErrUnknown
		}
		return a.Contacts, note(ctx, tx, caller, "read_contacts", a.ID, map[string]any{"side": string(side)})
	})
}

// Link opens a paper of an application to somebody who sees it, for file.LinkTTL. That
// he asked is noted in the trail, and whether the paper shows who somebody is (personal
// information protection law, articles 28 and 51). file.ErrUnknown for a file that is
// not among its papers now.
func (s *Service) Link(ctx context.Context, caller identity.Caller, side Side, as ID, f file.ID) (file.Link, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (file.Link, error) {
		a, err := byID(ctx, tx, as)
		switch {
		case err != nil:
			return file.Link{}, err
		case !a.visible(caller, side):
			return file.Link{}, ErrUnknown
		case !slices.Contains(a.Files(), f):
			return file.Link{}, file.ErrUnknown
		}
		detail := map[string]any{"side": string(side), "file": f.String(), "identity": a.Identifies(f)}
		if err := note(ctx, tx, caller, "read_paper", a.ID, detail); err != nil {
			return file.Link{}, err
		}
		return file.Lend(ctx, tx, f, caller.Account.UUID())
	})
}
