package programme

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Changes are the changes of purpose, the newest first: for fund administrators and auditors.
func (s *Service) Changes(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Change], error) {
	if err := caller.Must(identity.FundAdmin, identity.Auditor); err != nil {
		return page.Of[Change]{}, err
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Change], error) { return changes(ctx, tx, p) })
}

// ProposeChange asks for another kind or purpose of a programme, with a reason (慈善法 art. 57).
// ErrPlan, ErrPurpose, ErrPending, ErrUnknown, identity.ErrReason.
func (s *Service) ProposeChange(ctx context.Context, caller identity.Caller, pid ID, kind, purpose, reason string) (Change, error) {
	reason, err := reasoned(caller, reason)
	if err != nil {
		return Change{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Change, error) {
		p, err := Lock(ctx, tx, pid)
		if err != nil {
			return Change{}, err
		}
		c := Change{
			ID: id.New[Change](tx.Now), Programme: pid, Kind: kind, Purpose: purpose, OldKind: p.Kind, OldPurpose: p.Purpose,
			Reason: reason, State: Proposed, ProposedBy: caller.Account, ProposedAt: tx.Now,
		}
		plan := p.Plan
		plan.Kind, plan.Purpose = kind, purpose
		if err := Check(ctx, tx, plan, p.Budget); err != nil {
			return c, err
		}
		if err := insertChange(ctx, tx, c); err != nil {
			return c, err
		}
		return c, noteChange(ctx, tx, caller, c)
	})
}

// ApproveChange publishes what another administrator proposed: from now on anybody may object.
// ErrOwn, ErrState, ErrNoChange.
func (s *Service) ApproveChange(ctx context.Context, caller identity.Caller, cid ChangeID) (Change, error) {
	return s.change(ctx, caller, cid, func(tx *postgres.Tx, c *Change) error {
		if err := c.move(Published, caller.Account); err != nil {
			return err
		}
		o := c.notice()
		o.For, o.Involved = s.cfg.Period, []identity.ID{c.ProposedBy, caller.Account}
		p, err := objection.Publish(ctx, tx, o)
		c.Period, c.ApprovedBy, c.ApprovedAt = p.ID, caller.Account, tx.Now
		return err
	})
}

// notice is what is published of a change.
func (c *Change) notice() objection.Opening {
	return objection.Opening{
		Subject: objection.Change, ID: c.ID.UUID(), TitleZH: "项目用途变更公示", TitleEN: "A programme is to change its purpose",
		Detail: map[string]any{
			"programme_id": c.Programme.String(), "old_kind": c.OldKind, "old_purpose": c.OldPurpose, "kind": c.Kind, "purpose": c.Purpose, "reason": c.Reason,
		},
	}
}

// EnactChange puts a published change in force when the time for objections is over. Not for who
// proposed it. ErrOwn, ErrState, and what objection.Clear refuses.
func (s *Service) EnactChange(ctx context.Context, caller identity.Caller, cid ChangeID) (Change, error) {
	return s.change(ctx, caller, cid, func(tx *postgres.Tx, c *Change) error {
		if err := c.move(InForce, caller.Account); err != nil {
			return err
		}
		if err := objection.Clear(ctx, tx, c.Period); err != nil {
			return err
		}
		c.DecidedBy, c.DecidedAt = caller.Account, tx.Now
		return reword(ctx, tx, *c)
	})
}

// DeclineChange ends a change that is not in force, with a reason; who proposed it withdraws it so.
func (s *Service) DeclineChange(ctx context.Context, caller identity.Caller, cid ChangeID, reason string) (Change, error) {
	if _, err := reasoned(caller, reason); err != nil {
		return Change{}, err
	}
	return s.change(ctx, caller, cid, func(tx *postgres.Tx, c *Change) error {
		to := Declined
		if caller.Account == c.ProposedBy {
			to = Withdrawn
		}
		c.DecidedBy, c.DecidedAt = caller.Account, tx.Now
		return c.move(to, caller.Account)
	})
}

// change locks the programme and then the change, and writes what was decided.
func (s *Service) change(ctx context.Context, caller identity.Caller, cid ChangeID, f func(*postgres.Tx, *Change) error) (Change, error) {
	if err := caller.Must(identity.FundAdmin); err != nil {
		return Change{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Change, error) {
		c, err := lockedChange(ctx, tx, cid)
		if err != nil {
			return c, err
		}
		if err := f(tx, &c); err != nil {
			return c, err
		}
		if err := saveChange(ctx, tx, c); err != nil {
			return c, err
		}
		return c, noteChange(ctx, tx, caller, c)
	})
}

func lockedChange(ctx context.Context, tx *postgres.Tx, cid ChangeID) (Change, error) {
	c, err := changeByID(ctx, tx, cid)
	if err != nil {
		return c, err
	}
	if err := lock(ctx, tx, c.Programme); err != nil {
		return c, err
	}
	return changeByID(ctx, tx, cid)
}

// Hooks are what a change does about objections.
func Hooks() objection.Hooks {
	return objection.Hooks{
		Lock: func(ctx context.Context, tx *postgres.Tx, subject uuid.UUID) ([]identity.ID, error) {
			_, err := lockedChange(ctx, tx, id.From[Change](subject))
			return nil, err
		},
		Upheld: func(ctx context.Context, tx *postgres.Tx, subject uuid.UUID) error {
			c, err := changeByID(ctx, tx, id.From[Change](subject))
			if err != nil || c.State != Published {
				return err
			}
			if err := c.move(Declined, identity.ID{}); err != nil {
				return err
			}
			c.DecidedAt = tx.Now
			return saveChange(ctx, tx, c)
		},
	}
}

func noteChange(ctx context.Context, tx *postgres.Tx, caller identity.Caller, c Change) error {
	return note(ctx, tx, caller, "programme.change_"+string(c.State), c.Programme, map[string]any{"change": c.ID.String(), "reason": c.Reason, "kind": c.Kind})
}
