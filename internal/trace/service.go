package trace

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Service follows tenths. It writes nothing: Follower does.
type Service struct {
	db     *postgres.DB
	orders *order.Service
}

// New makes the service.
func New(db *postgres.DB, orders *order.Service) *Service { return &Service{db, orders} }

// Checkout is what became of the tenths of the buyer's own checkout; another's is
// order.ErrNotFound, one that was not paid ErrNotPaid.
func (s *Service) Checkout(ctx context.Context, caller identity.Caller, cid order.CheckoutID) (Traced, error) {
	c, err := s.orders.Checkout(ctx, caller, cid)
	if err != nil {
		return Traced{}, err
	}
	if c.State != order.Paid {
		return Traced{}, ErrNotPaid.With("the checkout is %s", c.State)
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Traced, error) { return Of(ctx, tx, c) })
}

// Of is what became of the tenths of a paid checkout, as part of tx.
func Of(ctx context.Context, tx *postgres.Tx, c order.Checkout) (Traced, error) {
	orders := make([]Order, len(c.Orders))
	for i, o := range c.Orders {
		orders[i] = Order{ID: o.ID, Checkout: o.Checkout, Merchant: o.Merchant, MerchantName: o.MerchantName, PaidAt: o.PaidAt}
	}
	q, err := follow(ctx, tx, orders)
	t := Traced{Queue: q, Orders: orders}
	for _, o := range orders {
		t.Tenth = t.Plus(o.Tenth)
	}
	return t, err
}

// Mine are the orders of the caller that were paid, the newest first, with the sum of all of them.
func (s *Service) Mine(ctx context.Context, caller identity.Caller, p page.Request) (Mine, error) {
	_, before, err := p.After()
	if err != nil {
		return Mine{}, err
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Mine, error) {
		shown, err := paid(ctx, tx, caller.Account, before, p.Size()+1)
		if err != nil {
			return Mine{}, err
		}
		cut := page.Cut(shown, p.Size(), func(o Order) (string, uuid.UUID) { return "", o.ID.UUID() })
		m := Mine{Orders: cut.Data, Next: cut.Next}
		if m.Queue, err = follow(ctx, tx, m.Orders); err != nil {
			return m, err
		}
		return m, m.total(ctx, tx, caller.Account)
	})
}

// total sums all orders of a buyer, a hundred pages at a time.
func (m *Mine) total(ctx context.Context, tx *postgres.Tx, buyer identity.ID) error {
	const some = 100 * page.MaxSize
	for before := uuid.Nil; ; {
		orders, err := paid(ctx, tx, buyer, before, some)
		if err != nil || len(orders) == 0 {
			return err
		}
		if _, err := follow(ctx, tx, orders); err != nil {
			return err
		}
		for _, o := range orders {
			m.Count++
			m.Tenth = m.Plus(o.Tenth)
		}
		if len(orders) < some {
			return nil
		}
		before = orders[len(orders)-1].ID.UUID()
	}
}

// follow fills in what became of the tenths of orders.
func follow(ctx context.Context, tx *postgres.Tx, orders []Order) (verify.Queue, error) {
	q, err := queue(ctx, tx)
	if err != nil || len(orders) == 0 {
		return q, err
	}
	booked, err := moves(ctx, tx, orders)
	if err != nil {
		return q, err
	}
	placed, err := ofOrders(ctx, tx, orders)
	if err != nil {
		return q, err
	}
	var inflows []*Inflow
	for i := range orders {
		o := &orders[i]
		for _, m := range booked[o.key()] {
			o.add(m)
		}
		for _, p := range placed[o.key()] {
			if p.Way == verify.Out {
				o.Returns = append(o.Returns, p)
				continue
			}
			o.Inflows = append(o.Inflows, Inflow{Position: p})
		}
		for j := range o.Inflows {
			inflows = append(inflows, &o.Inflows[j])
		}
	}
	if err := split(ctx, tx, q, inflows); err != nil {
		return q, err
	}
	for i := range orders {
		for _, f := range orders[i].Inflows {
			orders[i].place(f)
		}
		orders[i].settle()
	}
	return q, nil
}

// split says where the li of inflows are.
func split(ctx context.Context, tx *postgres.Tx, q verify.Queue, inflows []*Inflow) error {
	if len(inflows) == 0 {
		return nil
	}
	intervals := make([]verify.Interval, len(inflows))
	for i, f := range inflows {
		intervals[i] = f.Interval
	}
	all, err := crossed(ctx, tx, intervals)
	if err != nil {
		return err
	}
	for i, f := range inflows {
		for _, p := range all[i] {
			f.Parts = append(f.Parts, Part{f.Overlap(p.Interval), p})
		}
		f.Committed, f.Free = q.Left(f.Interval)
	}
	return nil
}
