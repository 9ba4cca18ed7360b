// Package settlement gives enterprises and the fund their money. When an order can
// come back no more, its tenth matures and what is left is due to its enterprise:
// whole fen of it go to the enterprise's connected account at the provider, one
// payout for each order; what is less than a fen stays owed. A refund afterwards
// takes a part of a payout back, or makes the next one smaller.
package settlement

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payee"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Config says where the fund's money goes.
type Config struct {
	// FundAccount is the connected account of the fund ("acct_…"). Empty: its money stays at the provider, and is owed.
	FundAccount string `env:"FUND_ACCOUNT"`
}

// Blocked says of which orders something is open that keeps them from being
// settled, as part of tx: a case of after-sales, a dispute.
type Blocked func(ctx context.Context, tx *postgres.Tx, orders []order.Order) (map[order.ID]bool, error)

// Options are what the shop tells settlement of itself.
type Options struct {
	Mark    string    // of the shop, as on all that it makes at the provider
	Blocked []Blocked // what keeps an order from being settled
}

// Service settles, through one gateway.
type Service struct {
	db      *postgres.DB
	gateway gateway.Gateway
	cfg     Config
	options Options
}

// New returns a Service on db and the gateway.
func New(db *postgres.DB, g gateway.Gateway, cfg Config, o Options) *Service {
	return &Service{db: db, gateway: g, cfg: cfg, options: o}
}

const (
	// together is how many orders of one enterprise are closed in a transaction.
	together = 50
	// fresh is for how long after its beginning an attempt is repeated without looking first. The provider
	// forgets our keys after a day: what is older may be there already, and must not be made again.
	fresh = time.Hour
)

// CloseDue settles orders whose time to come back is over, limit of them at a time, until
// limit are settled or it has seen all: those of which something is open wait, and keep
// nobody behind them waiting. It returns how many it settled.
func (s *Service) CloseDue(ctx context.Context, limit int) (closed int, err error) {
	var after fulfilment.Fulfilment
	for more := true; more && closed < limit; {
		due, unread := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]fulfilment.Fulfilment, error) { return fulfilment.Due(ctx, tx, after, limit) })
		of := map[merchant.ID][]fulfilment.Key{}
		for _, after = range due {
			of[after.Merchant] = append(of[after.Merchant], after.Key)
		}
		for m, all := range of {
			for part := range slices.Chunk(all, together) {
				n, unsettled := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (int, error) { return s.closeAll(ctx, tx, m, part) })
				if closed += n; unsettled != nil {
					err = errors.Join(err, fmt.Errorf("settle orders of %s: %w", m, unsettled))
				}
			}
		}
		err, more = errors.Join(err, unread), len(due) == limit
	}
	return closed, err
}

// closeAll settles orders of one enterprise.
func (s *Service) closeAll(ctx context.Context, tx *postgres.Tx, m merchant.ID, keys []fulfilment.Key) (int, error) {
	orders, err := order.LockMany(ctx, tx, mapped(keys, func(k fulfilment.Key) uuid.UUID { return k.Order.UUID() }))
	if err == nil {
		orders, err = s.free(ctx, tx, orders)
	}
	if err != nil || len(orders) == 0 {
		return 0, err
	}
	var matured []ledger.Transfer
	var closed []order.Order
	for _, o := range orders {
		switch err := fulfilment.Close(ctx, tx, fulfilment.Key{Merchant: m, Order: o.ID}); {
		case errors.Is(err, fulfilment.ErrState): // somebody else has closed it meanwhile
			continue
		case err != nil:
			return 0, err
		}
		closed = append(closed, o)
		if payout.Left(o) > 0 {
			matured = append(matured, fund.Mature(m.UUID(), o.ID.String(), payout.Left(o)))
		}
	}
	if orders = closed; len(orders) == 0 {
		return 0, nil
	}
	if len(matured) > 0 {
		if err := ledger.Book(ctx, tx, matured); err != nil {
			return 0, err
		}
	}
	if err := insertSettled(ctx, tx, orders); err != nil {
		return 0, err
	}
	return len(orders), s.owe(ctx, tx, m.UUID(), orders)
}

// free leaves out the orders of which something is open.
func (s *Service) free(ctx context.Context, tx *postgres.Tx, orders []order.Order) ([]order.Order, error) {
	for _, blocked := range s.options.Blocked {
		held, err := blocked(ctx, tx, orders)
		if err != nil {
			return nil, err
		}
		orders = slices.DeleteFunc(orders, func(o order.Order) bool { return held[o.ID] })
	}
	return orders, nil
}

// owe adds to an account what these orders are due, and makes the payouts.
func (s *Service) owe(ctx context.Context, tx *postgres.Tx, owner uuid.UUID, orders []order.Order) error {
	a, err := payee.Lock(ctx, tx, owner)
	if err != nil {
		return err
	}
	room, err := roomOf(ctx, tx, a)
	if err != nil {
		return err
	}
	var payouts []payout.Payout
	for _, o := range orders {
		a.Owed += payout.Due(o)
		if p, ok := a.Pays(tx.Now, room); ok {
			p.Order, p.Group, room = o.ID, o.Checkout.UUID(), room-p.Amount
			payouts = append(payouts, p)
		}
	}
	if err := payee.Save(ctx, tx, a); err != nil {
		return err
	}
	return place(ctx, tx, payouts)
}

// roomOf is how much can be paid to an account without what it is owed by the book
// falling below zero: a dispute may have set aside what an order is due.
func roomOf(ctx context.Context, tx *postgres.Tx, a payout.Account) (money.Fen, error) {
	if !a.Ready(tx.Now) {
		return 0, nil
	}
	payable, err := ledger.Of(ctx, tx, ledger.Payable(a.Owner))
	if err != nil {
		return 0, err
	}
	going, err := underWay(ctx, tx, a.Owner)
	return payout.Whole(payable.Li()) - going, err
}

// place adds payouts and the jobs that perform them.
func place(ctx context.Context, tx *postgres.Tx, payouts []payout.Payout) error {
	if len(payouts) == 0 {
		return nil
	}
	if err := insertPayouts(ctx, tx, payouts); err != nil {
		return err
	}
	jobs := make([]river.JobArgs, len(payouts))
	for i, p := range payouts {
		jobs[i] = Pay{p.Merchant, p.ID}
	}
	return tx.EnqueueAll(ctx, jobs)
}

// PayArrears pays what has stayed owed to up to limit accounts that can be paid to:
// one payout each. It returns how many those were.
func (s *Service) PayArrears(ctx context.Context, limit int) (int, error) {
	all, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]payout.Account, error) { return payee.InArrears(ctx, tx, limit) })
	if err != nil {
		return 0, err
	}
	paid := 0
	var errs []error
	for _, each := range all {
		made, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (int, error) {
			a, err := payee.Lock(ctx, tx, each.Owner)
			if err != nil {
				return 0, err
			}
			room, err := roomOf(ctx, tx, a)
			if err != nil {
				return 0, err
			}
			p, ok := a.Pays(tx.Now, room)
			if !ok {
				return 0, nil
			}
			if err := payee.Save(ctx, tx, a); err != nil {
				return 0, err
			}
			return 1, place(ctx, tx, []payout.Payout{p})
		})
		paid += made
		if err != nil {
			errs = append(errs, fmt.Errorf("pay what is owed to %s: %w", each.Owner, err))
		}
	}
	return paid, errors.Join(errs...)
}

// Perform makes a pending payout at the provider and records what it says: Paid,
// with its booking, or Failed, and what it was for is owed again. ErrUnavailable
// when it is to be tried again: that has no second effect.
func (s *Service) Perform(ctx context.Context, pid payout.ID) error {
	p, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (payout.Payout, error) { return readPayout(ctx, tx, pid) })
	if err != nil || p.State != payout.Pending {
		return err
	}
	made, err := s.transfer(ctx, p)
	switch {
	case errors.Is(err, gateway.ErrDeclined):
		return s.fail(ctx, p, err.Error())
	case err != nil:
		return err
	}
	return s.pay(ctx, p, made.Ref)
}

// transfer makes the transfer of a payout; one whose attempt is not fresh is looked
// for first.
func (s *Service) transfer(ctx context.Context, p payout.Payout) (gateway.Transfer, error) {
	if s.db.Now().Sub(p.TriedAt) >= fresh {
		if made, ok, err := s.made(ctx, p); err != nil || ok {
			return made, err
		}
	}
	return s.gateway.Transfer(ctx, gateway.Transferring{
		Row: p.ID.UUID(), Attempt: p.Attempt, Account: p.Account, Amount: p.Amount, Group: p.Group, Mark: s.options.Mark,
	})
}

// made is the transfer of a payout if the provider has it.
func (s *Service) made(ctx context.Context, p payout.Payout) (gateway.Transfer, bool, error) {
	all, err := s.gateway.Transfers(ctx, p.Group)
	i := slices.IndexFunc(all, func(t gateway.Transfer) bool {
		return t.Row == p.ID.UUID() && t.Attempt == p.Attempt && t.Mark == s.options.Mark
	})
	if err != nil || i < 0 {
		return gateway.Transfer{}, false, err
	}
	return all[i], true, nil
}

// pay records that an attempt of a payout was paid, once.
func (s *Service) pay(ctx context.Context, p payout.Payout, ref string) error {
	p.Ref = ref
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return payAll(ctx, tx, []payout.Payout{p}) })
}

// payAll records that attempts of payouts of one account were paid, once.
func payAll(ctx context.Context, tx *postgres.Tx, made []payout.Payout) error {
	a, err := payee.Lock(ctx, tx, made[0].Merchant)
	if err != nil {
		return err
	}
	made, err = lockPending(ctx, tx, made)
	if err != nil || len(made) == 0 {
		return err
	}
	a.Failures, a.RetryAt = 0, time.Time{}
	return errors.Join(savePaid(ctx, tx, a.Owner, made), ledger.Book(ctx, tx, mapped(made, payout.Payout.Booking)), payee.Save(ctx, tx, a))
}

// fail records that an attempt of a payout was declined, once.
func (s *Service) fail(ctx context.Context, p payout.Payout, why string) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		a, err := payee.Lock(ctx, tx, p.Merchant)
		if err != nil {
			return err
		}
		held, err := lockPending(ctx, tx, []payout.Payout{p})
		if err != nil || len(held) == 0 {
			return err
		}
		p.State, p.Failure, p.SettledAt = payout.Failed, why, tx.Now
		a.Decline(p, tx.Now)
		return errors.Join(savePayout(ctx, tx, p), payee.Save(ctx, tx, a))
	})
}

// performAll performs pending payouts as Perform does, and records those of one account
// that were paid together. It returns what went wrong with how many.
func (s *Service) performAll(ctx context.Context, all []payout.Payout) (errs []error) {
	made := map[uuid.UUID][]payout.Payout{}
	for _, p := range all {
		t, err := s.transfer(ctx, p)
		if p.Ref = t.Ref; err == nil {
			made[p.Merchant] = append(made[p.Merchant], p)
			continue
		}
		if errors.Is(err, gateway.ErrDeclined) {
			err = s.fail(ctx, p, err.Error())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("payout %s: %w", p.ID, err))
		}
	}
	for _, of := range made {
		for part := range slices.Chunk(of, together) {
			if err := postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return payAll(ctx, tx, part) }); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errs
}

// PerformForgotten performs up to limit payouts and reversals that have been pending
// for longer than age: whoever was to do it was stopped.
func (s *Service) PerformForgotten(ctx context.Context, age time.Duration, limit int) (int, error) {
	var reversals []payout.Reversal
	payouts, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (all []payout.Payout, err error) {
		if reversals, err = waitingReversals(ctx, tx, tx.Now.Add(-age), limit); err != nil {
			return nil, err
		}
		return forgotten(ctx, tx, tx.Now.Add(-age), limit)
	})
	if err != nil {
		return 0, err
	}
	errs := s.performAll(ctx, payouts)
	for _, r := range reversals {
		if err := s.TakeBack(ctx, r.Merchant, r.ID); err != nil {
			errs = append(errs, fmt.Errorf("reversal %s: %w", r.ID, err))
		}
	}
	return len(payouts) + len(reversals) - len(errs), errors.Join(errs...)
}

// Follow looks what became of a payout or a reversal at the provider, because something
// there bears its row. What is none of ours has no effect.
func (s *Service) Follow(ctx context.Context, row uuid.UUID) error {
	var back []payout.Reversal
	p, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (p payout.Payout, err error) {
		if back, err = pendingReversals(ctx, tx, row); err != nil {
			return p, err
		}
		return readPayout(ctx, tx, id.From[payout.Payout](row))
	})
	switch {
	case errors.Is(err, payout.ErrNotFound): // a reversal's, or another program's
	case err != nil:
		return err
	case p.State == payout.Pending:
		made, ok, err := s.made(ctx, p)
		if err != nil || !ok {
			return err
		}
		return s.pay(ctx, p, made.Ref)
	}
	for _, r := range back {
		if err := s.TakeBack(ctx, r.Merchant, r.ID); err != nil {
			return err
		}
	}
	return nil
}
