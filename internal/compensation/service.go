package compensation

import (
	"cmp"
	"context"
	"strings"

	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Blocked says of which orders something is open that may still give the buyer his money
// back, as part of tx: a case of after-sales, a dispute.
type Blocked func(ctx context.Context, tx *postgres.Tx, orders []order.Order) (map[order.ID]bool, error)

// Service gives goodwill.
type Service struct {
	db      *postgres.DB
	blocked []Blocked
}

// New makes the service.
func New(db *postgres.DB, blocked ...Blocked) *Service { return &Service{db, blocked} }

// Propose asks for so many fen for the buyer of an order whose window of returns is over,
// with a reason. For operators. ErrOpen, ErrLimit, identity.ErrReason, order.ErrNotFound.
func (s *Service) Propose(ctx context.Context, caller identity.Caller, oid order.ID, amount money.Fen, reason string) (Compensation, error) {
	if err := allowed(caller, reason); err != nil {
		return Compensation{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Compensation, error) {
		o, err := order.Lock(ctx, tx, oid)
		if err != nil {
			return Compensation{}, err
		}
		ways, err := fulfilment.Of(ctx, tx, []order.Order{o})
		if err != nil {
			return Compensation{}, err
		}
		if closes := ways[o.ID].ClosesAt; o.PaidAt.IsZero() || closes.IsZero() || tx.Now.Before(closes) {
			return Compensation{}, ErrOpen
		}
		c := Compensation{
			ID: id.New[Compensation](tx.Now), Order: o.ID, Merchant: o.Merchant, Buyer: o.Buyer, Amount: amount, Reason: strings.TrimSpace(reason),
			State: Proposed, ProposedBy: caller.Account, ProposedAt: tx.Now,
		}
		c.Digest = c.digest()
		if err := s.within(ctx, tx, &o, c); err != nil {
			return c, err
		}
		if err := insert(ctx, tx, c); err != nil {
			return c, err
		}
		return c, note(ctx, tx, caller, "compensation.propose", c)
	})
}

// Approve pays what another operator proposed: digest is that of what the caller has read.
// ErrOwn for who proposed it or gets it, ErrDigest, ErrState, ErrLimit.
func (s *Service) Approve(ctx context.Context, caller identity.Caller, cid ID, digest [32]byte, claim request.Claim, render func(Compensation) (request.Answer, error)) (Compensation, error) {
	return s.decide(ctx, caller, cid, claim, render, func(tx *postgres.Tx, o *order.Order, c *Compensation) error {
		if c.Digest != digest || c.Digest != c.digest() {
			return ErrDigest
		}
		if err := c.decide(Approved, caller.Account, "", tx.Now); err != nil {
			return err
		}
		if err := s.within(ctx, tx, o, *c); err != nil {
			return err
		}
		if err := ledger.Book(ctx, tx, []ledger.Transfer{c.transfer()}); err != nil {
			return err
		}
		return notice.Post(ctx, tx, notice.Compensated(c.Buyer, c.Order, c.ID, c.Amount))
	})
}

// Refuse ends a proposal without paying, with a reason. Who proposed it withdraws it so.
func (s *Service) Refuse(ctx context.Context, caller identity.Caller, cid ID, reason string) (Compensation, error) {
	if err := allowed(caller, reason); err != nil {
		return Compensation{}, err
	}
	return s.decide(ctx, caller, cid, request.Claim{}, nil, func(tx *postgres.Tx, _ *order.Order, c *Compensation) error {
		to := Refused
		if caller.Account == c.ProposedBy {
			to = Withdrawn
		}
		return c.decide(to, caller.Account, strings.TrimSpace(reason), tx.Now)
	})
}

// Compensations are those in a state ("" is any), newest first: for an operator or an auditor.
func (s *Service) Compensations(ctx context.Context, state State, p page.Request) (page.Of[Compensation], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Compensation], error) { return list(ctx, tx, state, p) })
}

// decide locks the order and then the compensation, and writes what was decided.
func (s *Service) decide(ctx context.Context, caller identity.Caller, cid ID, claim request.Claim, render func(Compensation) (request.Answer, error), f func(*postgres.Tx, *order.Order, *Compensation) error) (Compensation, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return Compensation{}, err
	}
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Compensation, error) {
		c, err := byID(ctx, tx, cid, "")
		if err != nil {
			return c, err
		}
		o, err := order.Lock(ctx, tx, c.Order)
		if err != nil {
			return c, err
		}
		if c, err = byID(ctx, tx, cid, " FOR UPDATE"); err != nil {
			return c, err
		}
		if err := f(tx, &o, &c); err != nil {
			return c, err
		}
		if err := save(ctx, tx, c); err != nil {
			return c, err
		}
		return c, note(ctx, tx, caller, "compensation."+string(c.State), c)
	})
}

// Granted is what was approved of a locked order: the buyer has it, and a refund gives back
// no more than the rest.
func Granted(ctx context.Context, tx *postgres.Tx, o order.Order) (money.Fen, error) {
	return granted(ctx, tx, Compensation{Merchant: o.Merchant, Order: o.ID}, Approved)
}

// within refuses more than is left of what was paid for a locked order, counting what
// else was proposed or approved; and anything while the money may still come back.
func (s *Service) within(ctx context.Context, tx *postgres.Tx, o *order.Order, c Compensation) error {
	for _, blocked := range s.blocked {
		if open, err := blocked(ctx, tx, []order.Order{*o}); err != nil || open[o.ID] {
			return cmp.Or(err, error(ErrOpen))
		}
	}
	others, err := granted(ctx, tx, c, Proposed, Approved)
	if err != nil {
		return err
	}
	if most := left(o, others); c.Amount <= 0 || c.Amount > most {
		return ErrLimit.With("at most %d fen", max(0, most))
	}
	return nil
}

func allowed(caller identity.Caller, reason string) error {
	if err := caller.Must(identity.Operator); err != nil {
		return err
	}
	return identity.CheckReason(reason)
}

// note writes down what an operator did; the reason stands in the compensation, for it
// may tell of the buyer.
func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, c Compensation) error {
	return trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: operation, Object: "compensation:" + c.ID.String(),
		Detail: map[string]any{"order": c.Order.String(), "amount_fen": c.Amount},
	})
}
