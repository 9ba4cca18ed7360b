package merchant

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service keeps the register of enterprises.
type Service struct{ db *postgres.DB }

// New returns a Service on db.
func New(db *postgres.DB) *Service { return &Service{db: db} }

// Enrol takes in an enterprise that was vetted elsewhere: the recorded year's.
// No request reaches it. ErrInvalid, or ErrEnrolled when it is here already.
func (s *Service) Enrol(ctx context.Context, e Enrolment) (Merchant, error) {
	if err := e.check(); err != nil {
		return Merchant{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Merchant, error) {
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
	})
}

// Merchant is one enterprise with its licences, public.
func (s *Service) Merchant(ctx context.Context, m ID) (Merchant, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Merchant, error) { return byID(ctx, tx, m) })
}

// Merchants lists the enterprises by their codes, public: those that left or
// are suspended too, for their history stays.
func (s *Service) Merchants(ctx context.Context, p page.Request) (page.Of[Merchant], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Merchant], error) { return list(ctx, tx, p) })
}

// Places are where enterprises are: township or village, by id.
func Places(ctx context.Context, tx *postgres.Tx, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	return places(ctx, tx, ids)
}

// Suspend stops an enterprise's sale at once. For operators.
func (s *Service) Suspend(ctx context.Context, caller identity.Caller, m ID, reason string) (Merchant, error) {
	return s.decide(ctx, caller, m, "merchant.suspend", reason, (*Merchant).Suspend)
}

// Reinstate lets an enterprise sell again. For operators.
func (s *Service) Reinstate(ctx context.Context, caller identity.Caller, m ID, reason string) (Merchant, error) {
	return s.decide(ctx, caller, m, "merchant.reinstate", reason, (*Merchant).Reinstate)
}

func (s *Service) decide(ctx context.Context, caller identity.Caller, m ID, operation, reason string, act func(*Merchant) error) (Merchant, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return Merchant{}, err
	}
	if err := identity.CheckReason(reason); err != nil {
		return Merchant{}, err
	}
	return s.change(ctx, caller, m, operation, map[string]any{"reason": reason}, func(_ *postgres.Tx, m *Merchant) error { return act(m) })
}

// RenewLicence files a further licence; the newest of its kind counts. No
// request reaches it in this part of the shop. ErrInvalid when it is no
// licence, and filing the same one again changes nothing.
func (s *Service) RenewLicence(ctx context.Context, m ID, l Licence) (Merchant, error) {
	if err := l.check(); err != nil {
		return Merchant{}, err
	}
	detail := map[string]any{"kind": l.Kind, "number": l.No, "expires_on": string(l.ExpiresOn)}
	return s.change(ctx, identity.Caller{}, m, "merchant.renew_licence", detail, func(tx *postgres.Tx, m *Merchant) error {
		for _, have := range m.Licences {
			if have == l {
				return nil
			}
		}
		m.file(l)
		return insertLicence(ctx, tx, m.ID, l)
	})
}

// Review marks the enterprise as verified again; the next review is due in six
// months. No request reaches it in this part of the shop.
func (s *Service) Review(ctx context.Context, m ID) (Merchant, error) {
	return s.change(ctx, identity.Caller{}, m, "merchant.review", nil, func(tx *postgres.Tx, m *Merchant) error {
		m.review(tx.Now)
		return nil
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
