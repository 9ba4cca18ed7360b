package programme

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/origin"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Check refuses a plan that is not whole, and one that the fund may not pay where it is to pay,
// as part of tx. ErrPlan, ErrPurpose, ErrRegion.
func Check(ctx context.Context, tx *postgres.Tx, p Plan, budget money.Fen) error {
	if err := p.check(); err != nil {
		return err
	}
	kind, err := kindOf(ctx, tx, p.Kind)
	if err != nil {
		return err
	}
	codes, err := origin.Codes(ctx, tx)
	if err != nil {
		return err
	}
	if err := fits(kind, p.Region, budget); err != nil {
		return err
	}
	if !slices.Contains(codes, p.Region) {
		return ErrPlan.At("/region", "enum", "no such region")
	}
	return nil
}

// Accept makes the programme of an application with its budget, as part of tx.
func Accept(ctx context.Context, tx *postgres.Tx, p Programme) (Programme, error) {
	p.ID, p.RecordedAt = id.New[Programme](tx.Now), tx.Now
	if err := Check(ctx, tx, p.Plan, p.Budget); err != nil {
		return p, err
	}
	return p, insert(ctx, tx, p)
}

// Lock reads a programme and keeps others from deciding on its money until the end of tx. ErrUnknown.
func Lock(ctx context.Context, tx *postgres.Tx, pid ID) (Programme, error) {
	if err := lock(ctx, tx, pid); err != nil {
		return Programme{}, err
	}
	return byID(ctx, tx, pid)
}

// Service keeps programmes.
type Service struct {
	db  *postgres.DB
	cfg Config
}

// New makes the service.
func New(db *postgres.DB, cfg Config) *Service { return &Service{db, cfg} }

// Kinds are the kinds of programmes, in their order. Public.
func (s *Service) Kinds(ctx context.Context) ([]Kind, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]Kind, error) { return kinds(ctx, tx) })
}

// Programmes are all, the newest first. Public.
func (s *Service) Programmes(ctx context.Context, p page.Request) (page.Of[Programme], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Programme], error) { return list(ctx, tx, p) })
}

// Programme is one. Public. ErrUnknown.
func (s *Service) Programme(ctx context.Context, pid ID) (Programme, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Programme, error) { return byID(ctx, tx, pid) })
}

// Subjects are what anybody may have objected to of a programme: its application, and its changes
// of purpose. Public.
func (s *Service) Subjects(ctx context.Context, p Programme) ([]uuid.UUID, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]uuid.UUID, error) {
		all, err := changesOf(ctx, tx, p.ID)
		if p.Application != uuid.Nil {
			all = append(all, p.Application)
		}
		return all, err
	})
}

// Record writes down a programme that has none of the fund's money, with the other money that
// it has. For fund administrators. It may be anything, anywhere: it takes nothing.
func (s *Service) Record(ctx context.Context, caller identity.Caller, plan Plan, other ...OtherMoney) (Programme, error) {
	if err := caller.Must(identity.FundAdmin); err != nil {
		return Programme{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Programme, error) {
		p := Programme{ID: id.New[Programme](tx.Now), Plan: plan, RecordedBy: caller.Account, RecordedAt: tx.Now}
		if err := Check(ctx, tx, plan, 0); err != nil {
			return p, err
		}
		if err := insert(ctx, tx, p); err != nil {
			return p, err
		}
		for _, o := range other {
			o.Shared = []ID{p.ID}
			if err := Tell(ctx, tx, caller, o); err != nil {
				return p, err
			}
		}
		if err := note(ctx, tx, caller, "programme.record", p.ID, map[string]any{"title": plan.Title, "kind": plan.Kind}); err != nil {
			return p, err
		}
		return byID(ctx, tx, p.ID)
	})
}

// AddOther tells of money beside the fund's that the programmes in o.Shared have, undivided. For
// fund administrators. ErrMoney, ErrUnknown.
func (s *Service) AddOther(ctx context.Context, caller identity.Caller, o OtherMoney) (OtherMoney, error) {
	if err := caller.Must(identity.FundAdmin); err != nil {
		return o, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (OtherMoney, error) {
		o.ID = id.New[OtherMoney](tx.Now).UUID()
		for i, pid := range o.Shared {
			if slices.Contains(o.Shared[:i], pid) {
				return o, ErrMoney.At("/programme_ids", "uniqueItems", "each programme once")
			}
			if _, err := byID(ctx, tx, pid); err != nil {
				return o, err
			}
		}
		return o, Tell(ctx, tx, caller, o)
	})
}

// WithdrawOther says that what was told of other money is not so, with a reason that is published: it stays
// to be seen, and is in no sum. For fund administrators. ErrNoMoney, ErrMoneyGone, identity.ErrReason.
func (s *Service) WithdrawOther(ctx context.Context, caller identity.Caller, oid uuid.UUID, reason string) (OtherMoney, error) {
	reason, err := reasoned(caller, reason)
	if err != nil {
		return OtherMoney{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (OtherMoney, error) {
		o, err := otherByID(ctx, tx, oid)
		if err != nil {
			return o, err
		}
		o.WithdrawnAt, o.Reason = tx.Now, reason
		if err := insertWithdrawal(ctx, tx, o, caller.Account); err != nil {
			return o, err
		}
		for _, pid := range o.Shared {
			if err := note(ctx, tx, caller, "programme.other_money_withdraw", pid, map[string]any{"reason": reason, "id": oid.String()}); err != nil {
				return o, err
			}
		}
		return o, nil
	})
}

// Tell writes down money beside the fund's that the programmes in o.Shared have, undivided, as
// part of tx. ErrMoney.
func Tell(ctx context.Context, tx *postgres.Tx, caller identity.Caller, o OtherMoney) error {
	if err := o.Check(); err != nil {
		return err
	}
	if o.ID == uuid.Nil {
		o.ID = id.New[OtherMoney](tx.Now).UUID()
	}
	if err := insertOther(ctx, tx, o, caller.Account); err != nil {
		return err
	}
	for _, pid := range o.Shared {
		if err := note(ctx, tx, caller, "programme.other_money", pid, map[string]any{"amount_fen": o.Amount, "source": o.Source, "id": o.ID.String()}); err != nil {
			return err
		}
	}
	return nil
}

// OtherTotal is all money beside the fund's that somebody names an amount of and nobody withdrew, each
// amount once, as part of tx.
func OtherTotal(ctx context.Context, tx *postgres.Tx) (money.Fen, error) { return otherTotal(ctx, tx) }

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, pid ID, detail map[string]any) error {
	return trail.Note(ctx, tx, trail.Entry{Actor: caller.Account.UUID(), Operation: operation, Object: "programme:" + pid.String(), Detail: detail})
}

func reasoned(caller identity.Caller, reason string) (string, error) {
	if err := caller.Must(identity.FundAdmin); err != nil {
		return "", err
	}
	return strings.TrimSpace(reason), identity.CheckReason(reason)
}
