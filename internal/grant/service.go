package grant

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service promises the fund's money.
type Service struct {
	db  *postgres.DB
	cfg Config
}

// New makes the service.
func New(db *postgres.DB, cfg Config) *Service { return &Service{db, cfg} }

// Propose asks for money of the fund for a programme. For administrators of the fund, in person.
// ErrTerms, ErrBudget, ErrOwn for who would get it himself, programme.ErrUnknown, file.ErrUnknown.
func (s *Service) Propose(ctx context.Context, caller identity.Caller, t Terms) (Grant, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Grant, error) {
		signer, err := Sign(ctx, tx, caller, 0)
		if err != nil {
			return Grant{}, err
		}
		p, err := programme.Lock(ctx, tx, t.Programme)
		if err != nil {
			return Grant{}, err
		}
		t.Payee.Name, t.Payee.Account = strings.TrimSpace(t.Payee.Name), strings.TrimSpace(t.Payee.Account)
		if err := t.check(p); err != nil {
			return Grant{}, err
		}
		if t.Amount > p.Budget {
			return Grant{}, ErrBudget.With("at most %d fen", p.Budget)
		}
		g := Grant{
			ID: id.New[Grant](tx.Now), Programme: p.ID, Amount: t.Amount, Payee: t.Payee, Kind: p.Kind, Purpose: p.Purpose, Instalments: t.Instalments,
			State: Proposed, ProposedBy: signer.ID, ProposedAt: tx.Now, ExpiresAt: tx.Now.Add(s.cfg.Approval),
		}
		if err := g.Gain(signer); err != nil {
			return g, err
		}
		for i, part := range g.Instalments {
			if part.Milestone > 0 {
				g.Instalments[i].Title = p.Milestones[part.Milestone-1].Title
			}
		}
		if g.Attachments, err = file.Digests(ctx, tx, signer.ID.UUID(), t.Attachments...); err != nil {
			return g, err
		}
		if g.Digest, err = g.digest(); err != nil {
			return g, err
		}
		if g.Relations, err = found(ctx, tx, g.Payee); err != nil {
			return g, err
		}
		if err := insert(ctx, tx, g); err != nil {
			return g, err
		}
		return g, note(ctx, tx, caller, "grant.propose", g)
	})
}

// Approve approves what another administrator proposed: digest is that of what the caller has
// read. With it the money is committed, and what is committed is published so that anybody may
// object; a related party's grant needs two. For administrators of the fund who signed in of late.
// ErrOwn, ErrDigest, ErrState, ErrExpired, ErrFree, ErrBudget, ErrPurpose, ErrSignIn.
func (s *Service) Approve(ctx context.Context, caller identity.Caller, gid ID, digest [32]byte, claim request.Claim, render func(Grant) (request.Answer, error)) (Grant, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Grant, error) {
		signer, err := Sign(ctx, tx, caller, s.cfg.SignIn)
		if err != nil {
			return Grant{}, err
		}
		g, p, err := Lock(ctx, tx, gid)
		if err != nil {
			return g, err
		}
		if err := g.approve(s.cfg, signer, digest, tx.Now); err != nil {
			return g, err
		}
		if err := insertRelations(ctx, tx, g); err != nil {
			return g, err
		}
		if err := insertApproval(ctx, tx, g, g.Approvals[len(g.Approvals)-1]); err != nil {
			return g, err
		}
		if g.State == Proposed && g.backed(tx.Now) {
			if err := s.commit(ctx, tx, &g, p); err != nil {
				return g, err
			}
		}
		return g, note(ctx, tx, caller, "grant.approve", g)
	})
}

// commit promises the money: never more than is free, nor than the programme was accepted with.
func (s *Service) commit(ctx context.Context, tx *postgres.Tx, g *Grant, p programme.Programme) error {
	if err := g.Fits(p); err != nil {
		return err
	}
	used, err := spent(ctx, tx, p.ID)
	if err != nil {
		return err
	}
	if left := p.Budget.Li() - used; g.Amount.Li() > left {
		return ErrBudget.With("at most %d li", max(0, left))
	}
	if err := g.move(Committed); err != nil {
		return err
	}
	o := g.notice()
	o.For = s.cfg.Period
	period, err := objection.Publish(ctx, tx, o)
	if err != nil {
		return err
	}
	g.CommittedAt, g.Period = tx.Now, period.ID
	if err := save(ctx, tx, *g); err != nil {
		return err
	}
	if !s.cfg.unguarded {
		if err := within(ctx, tx, g.Amount); err != nil {
			return err
		}
	}
	return ledger.Book(ctx, tx, []ledger.Transfer{fund.Grant(g.ID.UUID(), g.Amount)})
}

// within is ErrFree if the fund has not so much free money. It waits for whoever else spends.
func within(ctx context.Context, tx *postgres.Tx, amount money.Fen) error {
	if err := ledger.Guard(ctx, tx, fund.Free); err != nil {
		return err
	}
	free, err := ledger.Of(ctx, tx, fund.Free)
	if err == nil && free.Li() < amount.Li() {
		err = ErrFree.With("%d li are free", max(0, free.Li()))
	}
	return err
}

// spent is what the book says of a programme: paid and not returned, and promised and not paid.
func spent(ctx context.Context, tx *postgres.Tx, pid programme.ID) (money.Li, error) {
	b, err := ledger.Of(ctx, tx, fund.Programme(pid.UUID()))
	if err != nil {
		return 0, err
	}
	sum := b.Li()
	open, err := committed(ctx, tx, pid)
	if err != nil {
		return 0, err
	}
	for _, g := range open {
		b, err := ledger.Of(ctx, tx, fund.Committed(g))
		if err != nil {
			return 0, err
		}
		sum += b.Li()
	}
	return sum, nil
}

// Refuse ends a proposal that was not approved, with a reason. Who proposed it withdraws it so.
func (s *Service) Refuse(ctx context.Context, caller identity.Caller, gid ID, reason string) (Grant, error) {
	if err := identity.CheckReason(reason); err != nil {
		return Grant{}, err
	}
	return s.act(ctx, caller, gid, "grant.refuse", func(tx *postgres.Tx, signer Signer, g *Grant) error {
		to := Refused
		if signer.ID == g.ProposedBy {
			to = Withdrawn
		}
		g.DecidedBy, g.DecidedAt, g.Note = signer.ID, tx.Now, strings.TrimSpace(reason)
		if err := g.move(to); err != nil {
			return err
		}
		return save(ctx, tx, *g)
	})
}

// Declare says that the payee is related to the fund, the shop or an administrator; own: to who
// declares it, who has then no hand in the grant any more. From then on two must have approved.
// ErrState, identity.ErrReason.
func (s *Service) Declare(ctx context.Context, caller identity.Caller, gid ID, own bool, why string) (Grant, error) {
	if err := identity.CheckReason(why); err != nil {
		return Grant{}, err
	}
	return s.act(ctx, caller, gid, "grant.declare_relation", func(tx *postgres.Tx, signer Signer, g *Grant) error {
		if err := g.move(g.State); err != nil || g.State != Proposed && g.State != Committed {
			return ErrState.With("it is %s", g.State)
		}
		g.Relations = append(g.Relations, Relation{Kind: "declared", Note: strings.TrimSpace(why), Own: own, DeclaredBy: signer.ID, At: tx.Now})
		return insertRelations(ctx, tx, *g)
	})
}

func (s *Service) act(ctx context.Context, caller identity.Caller, gid ID, operation string, f func(*postgres.Tx, Signer, *Grant) error) (Grant, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Grant, error) {
		signer, err := Sign(ctx, tx, caller, 0)
		if err != nil {
			return Grant{}, err
		}
		g, _, err := Lock(ctx, tx, gid)
		if err != nil {
			return g, err
		}
		if err := f(tx, signer, &g); err != nil {
			return g, err
		}
		return g, note(ctx, tx, caller, operation, g)
	})
}

// Read is one grant, as part of tx. ErrUnknown.
func Read(ctx context.Context, tx *postgres.Tx, gid ID) (Grant, error) { return byID(ctx, tx, gid) }

// Lock reads a grant and its programme and keeps others from acting on both until the end of tx:
// the programme first. Its relations are those of now: who sells in this shop since it was proposed is a
// related party, too. ErrUnknown.
func Lock(ctx context.Context, tx *postgres.Tx, gid ID) (Grant, programme.Programme, error) {
	g, err := byID(ctx, tx, gid)
	if err != nil {
		return g, programme.Programme{}, err
	}
	p, err := programme.Lock(ctx, tx, g.Programme)
	if err != nil {
		return g, p, err
	}
	if err := lock(ctx, tx, gid); err != nil {
		return g, p, err
	}
	if g, err = byID(ctx, tx, gid); err != nil {
		return g, p, err
	}
	now, err := found(ctx, tx, g.Payee)
	g.relate(now)
	return g, p, err
}

// Left is what a locked grant has promised and not paid, by the book, in li.
func Left(ctx context.Context, tx *postgres.Tx, g Grant) (money.Li, error) {
	b, err := ledger.Of(ctx, tx, fund.Committed(g.ID.UUID()))
	return b.Li(), err
}

// Close closes a locked grant of which nothing is left to pay.
func Close(ctx context.Context, tx *postgres.Tx, g Grant) error {
	if err := g.move(Closed); err != nil {
		return err
	}
	return save(ctx, tx, g)
}

// Hooks are what a grant does about objections: one that is upheld makes free again what is not paid.
func Hooks() objection.Hooks {
	return objection.Hooks{
		Lock: func(ctx context.Context, tx *postgres.Tx, subject uuid.UUID) ([]identity.ID, error) {
			g, _, err := Lock(ctx, tx, id.From[Grant](subject))
			return g.Involved(), err
		},
		Upheld: func(ctx context.Context, tx *postgres.Tx, subject uuid.UUID) error {
			g, err := byID(ctx, tx, id.From[Grant](subject))
			if err != nil || g.State != Committed {
				return err
			}
			if err := g.move(Struck); err != nil {
				return err
			}
			g.DecidedAt, g.Note = tx.Now, "异议成立"
			if err := save(ctx, tx, g); err != nil {
				return err
			}
			left, err := Left(ctx, tx, g)
			if whole, _ := left.Fen(); err == nil && whole > 0 {
				err = ledger.Book(ctx, tx, []ledger.Transfer{fund.ReleaseGrant(subject, subject, whole)})
			}
			return err
		},
	}
}

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, g Grant) error {
	return trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: operation, Object: "grant:" + g.ID.String(),
		Detail: map[string]any{"programme": g.Programme.String(), "amount_fen": g.Amount, "state": string(g.State), "reason": g.Note},
	})
}
