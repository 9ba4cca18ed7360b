package disbursement

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service moves the money of grants.
type Service struct {
	db  *postgres.DB
	cfg grant.Config
}

// New makes the service.
func New(db *postgres.DB, cfg grant.Config) *Service { return &Service{db, cfg} }

// Render turns a disbursement into the answer that is remembered.
type Render = func(Disbursement) (request.Answer, error)

// RequestPayment asks for an instalment (from 1) of a grant, with evidence that its milestone was
// reached: at least one file of the caller's for every instalment that waits for one. ErrInstalment,
// ErrOrder, ErrTwice, ErrEvidence, ErrState, grant.ErrRelated, file.ErrUnknown.
func (s *Service) RequestPayment(ctx context.Context, caller identity.Caller, gid grant.ID, instalment int, evidence []file.ID) (Disbursement, error) {
	return s.request(ctx, caller, gid, func(tx *postgres.Tx, a Account, p programme.Programme, d *Disbursement) error {
		switch {
		case instalment < 1 || instalment > len(a.Instalments):
			return ErrInstalment.At("/instalment", "enum", "no such instalment")
		case a.Instalments[instalment-1].Milestone > 0 && len(evidence) == 0:
			return ErrEvidence.At("/evidence_ids", "required", "is missing")
		case len(evidence) > maxEvidence:
			return ErrEvidence.At("/evidence_ids", "maxItems", "at most 20")
		}
		if err := payable(&a.Grant, p); err != nil {
			return err
		}
		done := func(n int) bool {
			return slices.ContainsFunc(a.Disbursements, func(o Disbursement) bool { return o.Instalment == n && o.State == Done })
		}
		for n := 1; n < instalment; n++ {
			if !done(n) {
				return ErrOrder.With("instalment %d", n)
			}
		}
		var err error
		d.Kind, d.Instalment, d.Amount = Payment, instalment, a.Instalments[instalment-1].Amount
		d.Evidence, err = file.Digests(ctx, tx, caller.Account.UUID(), evidence...)
		return err
	})
}

// payable refuses payments of a grant that is not in order.
func payable(g *grant.Grant, p programme.Programme) error {
	if g.State != grant.Committed {
		return ErrState.With("the grant is %s", g.State)
	}
	return cmp.Or(g.Fits(p), g.Backed())
}

// RequestRelease asks to make free again what is not needed of a grant, with a reason.
func (s *Service) RequestRelease(ctx context.Context, caller identity.Caller, gid grant.ID, amount money.Fen, reason string) (Disbursement, error) {
	return s.back(ctx, caller, gid, Release, amount, reason, "")
}

// RecordReturn says that a programme gave back what it had been paid and did not use, with the
// bank's reference; another confirms it. ErrReference, ErrReturned, ErrPaid, ErrState.
func (s *Service) RecordReturn(ctx context.Context, caller identity.Caller, gid grant.ID, amount money.Fen, reason, reference string) (Disbursement, error) {
	if !line(reference, 2, 64) {
		return Disbursement{}, ErrReference.At("/bank_reference", "length", "2 to 64 characters")
	}
	return s.back(ctx, caller, gid, Return, amount, reason, strings.TrimSpace(reference))
}

func (s *Service) back(ctx context.Context, caller identity.Caller, gid grant.ID, kind Kind, amount money.Fen, reason, reference string) (Disbursement, error) {
	if err := identity.CheckReason(reason); err != nil {
		return Disbursement{}, err
	}
	if amount <= 0 || amount > money.Max {
		return Disbursement{}, ErrAmount.At("/amount_fen", "range", "above zero, and not beyond measure")
	}
	return s.request(ctx, caller, gid, func(_ *postgres.Tx, a Account, _ programme.Programme, d *Disbursement) error {
		d.Kind, d.Amount, d.Reason, d.Reference = kind, amount, strings.TrimSpace(reason), reference
		return movable(a, d)
	})
}

// movable refuses what is beyond a grant's figures.
func movable(a Account, d *Disbursement) error {
	switch {
	case d.Kind == Return && a.CommittedAt.IsZero(), d.Kind != Return && a.State != grant.Committed:
		return ErrState.With("the grant is %s", a.State)
	case d.Kind == Return && d.Amount > a.Paid:
		return ErrPaid.With("at most %d fen", a.Paid)
	case d.Kind != Return && d.Amount > a.Left:
		return ErrCommitted.With("at most %d fen", a.Left)
	}
	return nil
}

func (s *Service) request(ctx context.Context, caller identity.Caller, gid grant.ID, f func(*postgres.Tx, Account, programme.Programme, *Disbursement) error) (Disbursement, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Disbursement, error) {
		signer, err := grant.Sign(ctx, tx, caller, 0)
		if err != nil {
			return Disbursement{}, err
		}
		a, p, err := account(ctx, tx, gid)
		if err != nil {
			return Disbursement{}, err
		}
		d := Disbursement{
			ID: id.New[Disbursement](tx.Now), Grant: gid, ProposedBy: a.ProposedBy, State: Requested, RequestedBy: signer.ID, RequestedAt: tx.Now,
		}
		if err := f(tx, a, p, &d); err != nil {
			return d, err
		}
		if err := a.Gain(signer); err != nil {
			return d, err
		}
		if d.Digest, err = d.digest(a.Grant); err != nil {
			return d, err
		}
		if err := insert(ctx, tx, d); err != nil {
			return d, err
		}
		return d, note(ctx, tx, caller, "disbursement.request", d)
	})
}

// Approve approves what another asked for: digest is that of what the caller has read. A release
// or a return is done by it; a payment waits for a third person. For administrators of the fund
// who signed in of late. grant.ErrOwn, grant.ErrDigest, grant.ErrExpired, grant.ErrSignIn,
// ErrState, ErrCommitted, ErrPaid.
func (s *Service) Approve(ctx context.Context, caller identity.Caller, did ID, digest [32]byte, claim request.Claim, render Render) (Disbursement, error) {
	return s.decide(ctx, caller, did, claim, render, true, func(tx *postgres.Tx, signer grant.Signer, a Account, p programme.Programme, d *Disbursement) error {
		if d.Kind == Payment {
			if err := payable(&a.Grant, p); err != nil {
				return err
			}
		}
		if err := movable(a, d); err != nil {
			return err
		}
		if err := d.approve(s.cfg, a.Grant, signer, digest, tx.Now); err != nil || d.State != Done {
			return err
		}
		d.ExecutedAt = tx.Now
		return s.book(ctx, tx, a, p, d)
	})
}

// Execute says that a payment that was approved went out, with the bank's reference: a third
// person does, when nobody objects any more. grant.ErrOwn, grant.ErrExpired, grant.ErrSignIn,
// ErrReference, ErrPaidBefore, ErrState, ErrCommitted, grant.ErrPurpose, and what objection.Clear refuses.
func (s *Service) Execute(ctx context.Context, caller identity.Caller, did ID, reference string, claim request.Claim, render Render) (Disbursement, error) {
	if !line(reference, 2, 64) {
		return Disbursement{}, ErrReference.At("/bank_reference", "length", "2 to 64 characters")
	}
	return s.decide(ctx, caller, did, claim, render, true, func(tx *postgres.Tx, signer grant.Signer, a Account, p programme.Programme, d *Disbursement) error {
		if err := payable(&a.Grant, p); err != nil {
			return err
		}
		if err := d.execute(s.cfg, a.Grant, signer, strings.TrimSpace(reference), tx.Now); err != nil {
			return err
		}
		if err := objection.Clear(ctx, tx, a.Period); err != nil {
			return err
		}
		if err := movable(a, d); err != nil {
			return err
		}
		return s.book(ctx, tx, a, p, d)
	})
}

// book writes down what moves, never beyond what the book says is there, and closes a grant of
// which nothing is left.
func (s *Service) book(ctx context.Context, tx *postgres.Tx, a Account, p programme.Programme, d *Disbursement) error {
	g, ref := a.ID.UUID(), d.ID.UUID()
	left, err := grant.Left(ctx, tx, a.Grant)
	if err != nil {
		return err
	}
	var t ledger.Transfer
	switch d.Kind {
	case Return:
		t = fund.ReturnGrant(p.ID.UUID(), ref, d.Amount)
	case Release:
		t = fund.ReleaseGrant(g, ref, d.Amount)
	case Payment:
		t = fund.PayGrant(g, p.ID.UUID(), ref, d.Amount)
	}
	if d.Kind != Return {
		if left -= d.Amount.Li(); left < 0 {
			return ErrCommitted
		}
	}
	if d.Kind != Return && left == 0 {
		if err := grant.Close(ctx, tx, a.Grant); err != nil {
			return err
		}
	}
	return ledger.Book(ctx, tx, []ledger.Transfer{t})
}

// Refuse ends what is not done, with a reason; who asked for it withdraws it so.
func (s *Service) Refuse(ctx context.Context, caller identity.Caller, did ID, reason string) (Disbursement, error) {
	if err := identity.CheckReason(reason); err != nil {
		return Disbursement{}, err
	}
	return s.decide(ctx, caller, did, request.Claim{}, nil, false, func(_ *postgres.Tx, signer grant.Signer, _ Account, _ programme.Programme, d *Disbursement) error {
		to := Refused
		if signer.ID == d.RequestedBy {
			to = Withdrawn
		}
		d.DecidedBy, d.Note = signer.ID, strings.TrimSpace(reason)
		return d.move(to)
	})
}

// decide locks the grant and then the disbursement, and writes what was decided.
func (s *Service) decide(ctx context.Context, caller identity.Caller, did ID, claim request.Claim, render Render, fresh bool,
	f func(*postgres.Tx, grant.Signer, Account, programme.Programme, *Disbursement) error,
) (Disbursement, error) {
	age := s.cfg.SignIn
	if !fresh {
		age = 0
	}
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Disbursement, error) {
		signer, err := grant.Sign(ctx, tx, caller, age)
		if err != nil {
			return Disbursement{}, err
		}
		d, err := byID(ctx, tx, did)
		if err != nil {
			return d, err
		}
		a, p, err := account(ctx, tx, d.Grant)
		if err != nil {
			return d, err
		}
		if d, err = byID(ctx, tx, did); err != nil {
			return d, err
		}
		if err := f(tx, signer, a, p, &d); err != nil {
			return d, err
		}
		if err := save(ctx, tx, d); err != nil {
			return d, err
		}
		return d, note(ctx, tx, caller, "disbursement."+string(d.State), d)
	})
}

// account locks a grant and reads what was done about it.
func account(ctx context.Context, tx *postgres.Tx, gid grant.ID) (Account, programme.Programme, error) {
	g, p, err := grant.Lock(ctx, tx, gid)
	if err != nil {
		return Account{}, p, err
	}
	all, err := with(ctx, tx, []grant.Grant{g})
	if err != nil {
		return Account{}, p, err
	}
	return all[0], p, nil
}

// with puts what was done to grants.
func with(ctx context.Context, tx *postgres.Tx, grants []grant.Grant) ([]Account, error) {
	ids, at, all := make([]uuid.UUID, len(grants)), make(map[grant.ID]int, len(grants)), make([]Account, len(grants))
	for i, g := range grants {
		ids[i], at[g.ID], all[i].Grant = g.ID.UUID(), i, g
	}
	done, err := of(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	for _, d := range done {
		a := &all[at[d.Grant]]
		a.Disbursements = append(a.Disbursements, d)
	}
	for i := range all {
		all[i].Position = position(all[i].Grant, all[i].Disbursements)
	}
	return all, nil
}

// Disbursements are those in a state ("" is any), the newest first: for administrators and auditors.
func (s *Service) Disbursements(ctx context.Context, caller identity.Caller, state State, p page.Request) (page.Of[Disbursement], error) {
	if err := caller.Must(identity.FundAdmin, identity.Auditor); err != nil {
		return page.Of[Disbursement]{}, err
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Disbursement], error) { return list(ctx, tx, state, p) })
}

// Accounts are the grants in a state ("" is any), the newest first: for administrators and auditors.
func (s *Service) Accounts(ctx context.Context, caller identity.Caller, state grant.State, p page.Request) (page.Of[Account], error) {
	if err := caller.Must(identity.FundAdmin, identity.Auditor); err != nil {
		return page.Of[Account]{}, err
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Account], error) {
		grants, err := grant.List(ctx, tx, state, p)
		return accounts(ctx, tx, grants, err)
	})
}

// Account is one grant, for administrators and auditors. grant.ErrUnknown.
func (s *Service) Account(ctx context.Context, caller identity.Caller, gid grant.ID) (Account, error) {
	if err := caller.Must(identity.FundAdmin, identity.Auditor); err != nil {
		return Account{}, err
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Account, error) {
		g, err := grant.Read(ctx, tx, gid)
		if err != nil {
			return Account{}, err
		}
		all, err := with(ctx, tx, []grant.Grant{g})
		return append(all, Account{})[0], err
	})
}

// Promised are the grants that were ever committed, the newest first. Public.
func (s *Service) Promised(ctx context.Context, p page.Request) (page.Of[Account], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Account], error) {
		grants, err := grant.Promised(ctx, tx, programme.ID{}, p)
		return accounts(ctx, tx, grants, err)
	})
}

// Programme are all grants of a programme that were ever committed, the newest first, and where
// their money is. Public.
func (s *Service) Programme(ctx context.Context, pid programme.ID) (all []Account, sum Position, err error) {
	_, err = postgres.View(ctx, s.db, func(tx *postgres.Tx) (struct{}, error) {
		all = nil
		for p := (page.Request{Limit: page.MaxSize}); ; {
			grants, err := grant.Promised(ctx, tx, pid, p)
			some, err := accounts(ctx, tx, grants, err)
			if err != nil {
				return struct{}{}, err
			}
			all = append(all, some.Data...)
			if p.Cursor = some.Next; p.Cursor == "" {
				return struct{}{}, nil
			}
		}
	})
	for _, a := range all {
		sum.Paid, sum.Left, sum.Released, sum.Returned = sum.Paid+a.Paid, sum.Left+a.Left, sum.Released+a.Released, sum.Returned+a.Returned
	}
	return all, sum, err
}

func accounts(ctx context.Context, tx *postgres.Tx, grants page.Of[grant.Grant], err error) (page.Of[Account], error) {
	if err != nil {
		return page.Of[Account]{}, err
	}
	all, err := with(ctx, tx, grants.Data)
	return page.Of[Account]{Data: all, Next: grants.Next}, err
}

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, d Disbursement) error {
	return trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: operation, Object: "disbursement:" + d.ID.String(),
		Detail: map[string]any{
			"grant": d.Grant.String(), "kind": string(d.Kind), "amount_fen": d.Amount, "state": string(d.State), "reason": cmp.Or(d.Note, d.Reason),
		},
	})
}
