package merchant

import (
	"context"
	"slices"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service keeps the register of enterprises.
type Service struct{ db *postgres.DB }

// New returns a Service on db.
func New(db *postgres.DB) *Service { return &Service{db: db} }

// Enrol takes in an enterprise that has come through all of onboarding, which alone
// calls it. ErrInvalid, or ErrEnrolled when it is here already.
func Enrol(ctx context.Context, tx *postgres.Tx, e Enrolment) (Merchant, error) {
	if err := e.check(); err != nil {
		return Merchant{}, err
	}
	m := e.merchant(tx.Now)
	if err := insert(ctx, tx, m); err != nil {
		return Merchant{}, err
	}
	for _, l := range m.Licences {
		if err := insertLicence(ctx, tx, m.ID, l); err != nil {
			return Merchant{}, err
		}
	}
	return m, note(ctx, tx, identity.Caller{}, "merchant.enrol", m.ID, map[string]any{"code": m.Code, "agreement_no": m.AgreementNo})
}

// Merchant is one enterprise with its licences, public.
func (s *Service) Merchant(ctx context.Context, m ID) (Merchant, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Merchant, error) { return byID(ctx, tx, m) })
}

// Merchants lists the enterprises by their codes, public: those that left or
// are suspended too, for their history stays.
func (s *Service) Merchants(ctx context.Context, p page.Request) (page.Of[Merchant], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Merchant], error) { return enterprises(ctx, tx, p) })
}

// Suspend imposes a Suspension in its standing words.
func (s *Service) Suspend(ctx context.Context, caller identity.Caller, m ID, reason string) (Merchant, error) {
	return s.Sanction(ctx, caller, m, Sanctioning{Kind: Suspension, Reason: reason})
}

// Reinstate ends a suspension in its standing words.
func (s *Service) Reinstate(ctx context.Context, caller identity.Caller, m ID, reason string) (Merchant, error) {
	return s.Sanction(ctx, caller, m, Sanctioning{Kind: Reinstatement, Reason: reason})
}

// Sanction does something about an enterprise at once, and puts it on the public
// record. For operators, but not for who sells for it: ErrOwn. ErrState when the
// enterprise is not in the state for it.
func (s *Service) Sanction(ctx context.Context, caller identity.Caller, m ID, g Sanctioning) (Merchant, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return Merchant{}, err
	}
	if caller.SellsFor(m.UUID()) {
		return Merchant{}, ErrOwn
	}
	if err := g.check(); err != nil {
		return Merchant{}, err
	}
	return s.change(ctx, caller, m, g.Kind.measure().operation, map[string]any{"reason": g.Reason}, func(tx *postgres.Tx, m *Merchant) error {
		done, err := m.sanction(g, caller.Account, tx.Now)
		if err != nil {
			return err
		}
		return insertSanction(ctx, tx, m.ID, done)
	})
}

// Sanctions lists what was done about an enterprise, the newest first, with reasons
// and names. For operators and auditors. ErrUnknown.
func (s *Service) Sanctions(ctx context.Context, m ID, p page.Request) (page.Of[Sanction], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Sanction], error) {
		if _, err := byID(ctx, tx, m); err != nil {
			return page.Of[Sanction]{}, err
		}
		return sanctions(ctx, tx, m, p)
	})
}

// Leave lets an enterprise go for good. For operators.
func (s *Service) Leave(ctx context.Context, caller identity.Caller, m ID, reason string) (Merchant, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return Merchant{}, err
	}
	if err := identity.CheckReason(reason); err != nil {
		return Merchant{}, err
	}
	return s.change(ctx, caller, m, "merchant.leave", map[string]any{"reason": reason}, func(_ *postgres.Tx, m *Merchant) error { return m.Leave() })
}

// Lock reads an enterprise and keeps it from changing until the end of tx. ErrUnknown.
func Lock(ctx context.Context, tx *postgres.Tx, m ID) (Merchant, error) { return lock(ctx, tx, m) }

// Renew enters a licence that was accepted; of each kind the newest counts. ErrInvalid
// when it is no licence, ErrAccepted when it counts already, ErrState when the
// enterprise has left.
func Renew(ctx context.Context, tx *postgres.Tx, m ID, l Licence) (Merchant, error) {
	if err := l.Check(); err != nil {
		return Merchant{}, err
	}
	held, err := lock(ctx, tx, m)
	if err != nil {
		return Merchant{}, err
	}
	switch {
	case held.State == Left:
		return Merchant{}, ErrState.With("the enterprise has left")
	case held.Holds(l):
		return Merchant{}, ErrAccepted
	}
	if err := insertLicence(ctx, tx, m, l); err != nil {
		return Merchant{}, err
	}
	held.hold(append(held.Licences, l))
	return held, update(ctx, tx, held)
}

// Verified says that an enterprise was verified again, and is due in six months.
// ErrState when it has left.
func Verified(ctx context.Context, tx *postgres.Tx, m ID) (Merchant, error) {
	held, err := lock(ctx, tx, m)
	if err != nil {
		return Merchant{}, err
	}
	if held.State == Left {
		return Merchant{}, ErrState.With("the enterprise has left")
	}
	held.verify(tx.Now)
	return held, update(ctx, tx, held)
}

// WithdrawLicences lets the licences of a kind count no longer: what they were for is
// not made any more. For operators. ErrNoLicence when the enterprise holds none of
// the kind, ErrLastLicence when it holds no other.
func (s *Service) WithdrawLicences(ctx context.Context, caller identity.Caller, m ID, kind, reason string) (Merchant, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return Merchant{}, err
	}
	if err := identity.CheckReason(reason); err != nil {
		return Merchant{}, err
	}
	detail := map[string]any{"kind": kind, "reason": reason}
	return s.change(ctx, caller, m, "merchant.withdraw_licences", detail, func(tx *postgres.Tx, m *Merchant) error {
		others := slices.DeleteFunc(slices.Clone(m.Licences), func(l Licence) bool { return l.Kind == kind })
		switch len(others) {
		case len(m.Licences):
			return ErrNoLicence.With("it holds no %q", kind)
		case 0:
			return ErrLastLicence
		}
		m.hold(others)
		return insertWithdrawal(ctx, tx, m.ID, kind, reason, caller.Account.UUID())
	})
}

// change locks an enterprise, lets act change it, and writes it and the trail.
func (s *Service) change(ctx context.Context, caller identity.Caller, m ID, operation string, detail map[string]any,
	act func(*postgres.Tx, *Merchant) error,
) (Merchant, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Merchant, error) {
		held, err := lock(ctx, tx, m)
		if err != nil {
			return Merchant{}, err
		}
		if err := act(tx, &held); err != nil {
			return Merchant{}, err
		}
		if err := update(ctx, tx, held); err != nil {
			return Merchant{}, err
		}
		return held, note(ctx, tx, caller, operation, m, detail)
	})
}

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, m ID, detail map[string]any) error {
	return trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: operation, Object: "merchant:" + m.String(), Detail: detail,
	})
}
