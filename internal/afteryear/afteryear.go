// Package afteryear does what follows the sales of a recorded year, at its own times and
// through the services of live orders: goods are shipped and received, vouchers are used,
// and what can come back no more is settled and paid out. All of it is invented, by the
// terms below, and may be done again without effect.
package afteryear

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payee"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/settlement"
	"github.com/shiyi-market/shiyi/internal/trail"
	"github.com/shiyi-market/shiyi/internal/voucher"
)

// The terms, from the payment of an order.
const (
	day      = 24 * time.Hour
	Shipped  = day      // goods
	Received = 4 * day  // goods
	Redeemed = 30 * day // vouchers, at the next midnight
)

// Span is how much of the year Carry looks at: the orders that were received in it.
const Span = 7 * day

// atOnce is how many orders or payouts are read at once.
const atOnce = 1000

// After does it, for the shop and the provider at which the year is sold.
type After struct {
	DB      *postgres.DB
	Sandbox *sandbox.Sandbox
	Mark    string                              // of the shop, as on all that it makes at the provider
	Seller  func(m merchant.ID) identity.Caller // who acts for an enterprise
}

// at is the database as of a time. What it leaves to be done is found by who looks for it.
func (a After) at(t time.Time) *postgres.DB { return a.DB.At(t).Collecting(func(river.JobArgs) {}) }

// bank is the provider as of a time.
func (a After) bank(t time.Time) (*sandbox.Sandbox, gateway.Gateway, error) {
	bank := a.Sandbox.At(t)
	provider, err := gateway.NewSandbox(bank, bank.Secret())
	return bank, provider, err
}

// Connect opens the payout account of an enterprise, whose holder tells the provider all
// that it asks.
func (a After) Connect(ctx context.Context, at time.Time, m merchant.ID) error {
	bank, provider, err := a.bank(at)
	if err != nil {
		return err
	}
	s := payee.New(a.at(at), provider, payee.Shop{Mark: a.Mark})
	held, err := s.Open(ctx, m.UUID(), a.Seller(m).Account.UUID())
	if err != nil || held.Enabled {
		return err
	}
	if err := bank.Onboard(held.Ref); err != nil {
		return err
	}
	return s.Refresh(ctx, m.UUID())
}

// Carry ships the goods that were received in the Span before, and lets them be received.
func (a After) Carry(ctx context.Context, at time.Time) error {
	db := a.at(at)
	paid, err := postgres.Read(ctx, db, func(tx *postgres.Tx) ([]order.Order, error) {
		return order.PaidBetween(ctx, tx, at.Add(-Received-Span), at.Add(-Received))
	})
	if err != nil {
		return err
	}
	for len(paid) > 0 {
		m := paid[0].Merchant
		n := slices.IndexFunc(paid, func(o order.Order) bool { return o.Merchant != m })
		if n < 0 {
			n = len(paid)
		}
		if err := postgres.Do(ctx, db, func(tx *postgres.Tx) error { return a.carry(ctx, tx, m, paid[:n]) }); err != nil {
			return fmt.Errorf("ship for %s: %w", m, err)
		}
		paid = paid[n:]
	}
	return nil
}

// carry ships orders of one enterprise to which nothing has happened.
func (a After) carry(ctx context.Context, tx *postgres.Tx, m merchant.ID, paid []order.Order) error {
	ids := make([]uuid.UUID, len(paid))
	for i, o := range paid {
		ids[i] = o.ID.UUID()
	}
	orders, err := order.LockMany(ctx, tx, ids)
	if err != nil {
		return err
	}
	held, err := fulfilment.Of(ctx, tx, orders)
	if err != nil {
		return err
	}
	what, received := map[order.ID]fulfilment.Shipping{}, map[order.ID]time.Time{}
	orders = slices.DeleteFunc(orders, func(o order.Order) bool {
		f := held[o.ID]
		if f.State != fulfilment.Unfulfilled || f.Left() == 0 {
			return true
		}
		what[o.ID] = parcel(o)
		received[o.ID] = o.PaidAt.Add(Received)
		return false
	})
	if len(orders) == 0 {
		return nil
	}
	by := a.Seller(m).Account.UUID()
	refused, err := fulfilment.ShipAll(ctx, tx, by, orders, what)
	for oid, why := range refused {
		err = fmt.Errorf("order %s: %w", oid, why)
	}
	if err != nil {
		return err
	}
	if err := fulfilment.ReceiveAll(ctx, tx, orders, received); err != nil {
		return err
	}
	return trail.Note(ctx, tx, trail.Entry{Actor: by, Operation: "fulfilment.record", Object: "merchant:" + m.String(), Detail: map[string]any{"orders": len(orders)}})
}

// parcel is how an order was shipped: its carrier and number are invented. The zero makes it a number even where the
// name of an order ends in letters alone.
func parcel(o order.Order) fulfilment.Shipping {
	const digits = 12
	name := strings.ToUpper(strings.ReplaceAll(o.ID.String(), "-", ""))
	return fulfilment.Shipping{Carrier: "SF", Number: "SF0" + name[len(name)-digits:], Temperature: "-18 ℃（虚构示例）", At: o.PaidAt.Add(Shipped)}
}

// Serve issues vouchers, and takes those that are old enough.
func (a After) Serve(ctx context.Context, at time.Time) error {
	vouchers := voucher.New(a.at(at))
	seller := func(o order.Order) identity.Caller { return a.Seller(o.Merchant) }
	return all(ctx, vouchers.IssueDue, func(ctx context.Context, limit int) (int, error) {
		return vouchers.RedeemPast(ctx, seller, at.Add(-Redeemed), limit)
	})
}

// Settle settles and pays out what can come back no more, and takes back what was
// refunded since.
func (a After) Settle(ctx context.Context, at time.Time) error {
	bank, provider, err := a.bank(at)
	if err != nil {
		return err
	}
	s := settlement.New(a.at(at), provider, settlement.Config{}, settlement.Options{
		Mark: a.Mark, Blocked: []settlement.Blocked{aftersale.Open, dispute.Unsettled},
	})
	err = all(ctx, s.CloseDue, s.Reclaim, s.PayArrears, func(ctx context.Context, limit int) (int, error) {
		return s.PerformForgotten(ctx, 0, limit)
	})
	if err != nil {
		return err
	}
	// What it tells of that is known.
	return bank.Flush(ctx, func(context.Context, []byte, string) error { return nil })
}

// all does each of these until nothing of it is left.
func all(ctx context.Context, each ...func(ctx context.Context, limit int) (int, error)) error {
	for _, do := range each {
		for n := atOnce; n == atOnce; {
			var err error
			if n, err = do(ctx, atOnce); err != nil {
				return err
			}
		}
	}
	return nil
}
