package trace

import (
	"context"
	"math"
	"strconv"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
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
	var inflows []*Inflow
	for i := range orders {
		o := &orders[i]
		for _, m := range booked[o.key()] {
			o.add(m.moved())
			switch {
			case m.Way == nil:
			case verify.Way(*m.Way) == verify.Out:
				o.Returns = append(o.Returns, m.position())
			default:
				o.Inflows = append(o.Inflows, Inflow{Position: m.position()})
			}
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

// Summary is the queue, as anybody may see it.
func (s *Service) Summary(ctx context.Context) (Summary, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Summary, error) {
		q, err := queue(ctx, tx)
		if err != nil {
			return Summary{}, err
		}
		paid, err := payments(ctx, tx)
		return Summary{Queue: q, Payments: paid.Count, Granted: money.Li(paid.SumLi), Covered: money.Li(q.Out.Li - paid.SumLi)}, err
	})
}

// Outflows are all that left the queue, the newest first.
func (s *Service) Outflows(ctx context.Context, p page.Request) (page.Of[Outflow], error) {
	before, err := beyond(p, math.MaxInt64)
	if err != nil {
		return page.Of[Outflow]{}, err
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Outflow], error) {
		found, err := outflows(ctx, tx, before, p.Size()+1)
		if err != nil {
			return page.Of[Outflow]{}, err
		}
		cut := page.Cut(found, p.Size(), func(o Position) (string, uuid.UUID) { return strconv.FormatInt(o.N, 10), uuid.Nil })
		between, err := ends(ctx, tx, cut.Data)
		if err != nil {
			return page.Of[Outflow]{}, err
		}
		out := page.Of[Outflow]{Data: make([]Outflow, len(cut.Data)), Next: cut.Next}
		for i, o := range cut.Data {
			out.Data[i] = Outflow{Position: o, First: between[i][0], Last: between[i][1]}
			if between[i][0].Way != "" {
				out.Data[i].Levies = between[i][1].N - between[i][0].N + 1
			}
		}
		return out, nil
	})
}

// Levies are what the n-th outflow took of each inflow, in the order of the queue. ErrNoFlow.
func (s *Service) Levies(ctx context.Context, n int64, p page.Request) (page.Of[Part], error) {
	after, err := beyond(p, 0)
	if err != nil {
		return page.Of[Part]{}, err
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Part], error) {
		one, err := outflows(ctx, tx, n+1, 1)
		if err != nil {
			return page.Of[Part]{}, err
		}
		if len(one) == 0 || one[0].N != n {
			return page.Of[Part]{}, ErrNoFlow
		}
		found, err := levies(ctx, tx, one[0].Interval, after, p.Size()+1)
		parts := make([]Part, len(found))
		for i, f := range found {
			parts[i] = Part{one[0].Overlap(f.Interval), f}
		}
		return page.Cut(parts, p.Size(), func(p Part) (string, uuid.UUID) { return strconv.FormatInt(p.Of.To, 10), uuid.Nil }), err
	})
}

// beyond is the number that a cursor stands at; first where there is none.
func beyond(p page.Request, first int64) (int64, error) {
	key, _, err := p.After()
	if err != nil || p.Cursor == "" {
		return first, err
	}
	n, err := strconv.ParseInt(key, 10, 64)
	if err != nil || n < 0 {
		return 0, page.ErrCursor
	}
	return n, nil
}
