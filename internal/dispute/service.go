package dispute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service follows disputes.
type Service struct{ db *postgres.DB }

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db: db} }

// Follow does what the provider says of a dispute of a checkout's payment. It may be
// told the same again, the end before the beginning, and what was true before: a
// dispute only goes forward. ErrUnpaid while the payment has not been heard of.
func (s *Service) Follow(ctx context.Context, checkout order.CheckoutID, said Said) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		c, err := order.LockCheckout(ctx, tx, checkout)
		if err != nil {
			return err
		}
		d, known, err := lock(ctx, tx, said)
		switch {
		case err != nil:
			return err
		case c.State != order.Paid:
			return ErrUnpaid.With("checkout %s is %s", c.ID, c.State)
		case !known:
			if d, err = open(ctx, tx, &c, said); err != nil {
				return err
			}
		}
		if said.State == Open || d.State != Open {
			return nil
		}
		return end(ctx, tx, &c, d, said.State)
	})
}

// open sets aside what is disputed.
func open(ctx context.Context, tx *postgres.Tx, c *order.Checkout, said Said) (Dispute, error) {
	d := Dispute{ID: id.FromName[Dispute](said.Provider, said.Ref), Checkout: c.ID, Said: said, HeardAt: tx.Now}
	d.State = Open
	withheld, err := payment.Withhold(ctx, tx, c.Buyer.UUID(), c.Intent().ID, said.Amount)
	if err != nil {
		return d, err
	}
	matured := make(map[order.ID]bool, len(c.Orders))
	for _, o := range c.Orders {
		if matured[o.ID], err = fund.Matured(ctx, tx, o.Merchant.UUID(), o.ID.String()); err != nil {
			return d, err
		}
	}
	aside, err := Aside(ctx, tx, c.ID)
	if err != nil {
		return d, err
	}
	d.Parts, d.Beyond = parts(d.ID, withheld, c.Orders, aside, matured), said.Amount-withheld
	if err := insert(ctx, tx, d); err != nil {
		return d, err
	}
	if err := ledger.Book(ctx, tx, d.opened()); err != nil {
		return d, err
	}
	if err := tell(ctx, tx, d, notice.DisputeOpenedKind); err != nil {
		return d, err
	}
	return d, note(ctx, tx, d, "dispute.open")
}

// end lets go of what was set aside, or gives it up: then each order has a refund that
// nobody asked for.
func end(ctx context.Context, tx *postgres.Tx, c *order.Checkout, d Dispute, to State) error {
	d.State, d.ClosedAt = to, tx.Now
	if err := saveEnd(ctx, tx, d); err != nil {
		return err
	}
	if to == Won {
		if err := payment.LetGo(ctx, tx, c.Buyer.UUID(), c.Intent().ID, d.Amount-d.Beyond); err != nil {
			return err
		}
	} else {
		for _, p := range d.Parts {
			i := slices.IndexFunc(c.Orders, func(o order.Order) bool { return o.ID == p.Order })
			if i < 0 {
				return fmt.Errorf("dispute %s is of order %s, which checkout %s does not have", d.ID, p.Order, c.ID)
			}
			o := &c.Orders[i]
			if err := aftersale.Forfeit(ctx, tx, o, p.ID.UUID(), o.Take(order.Share{Goods: p.Goods, Shipping: p.Shipping}, "dispute lost: "+d.Reason)); err != nil {
				return err
			}
		}
	}
	if err := ledger.Book(ctx, tx, d.closed()); err != nil {
		return err
	}
	if err := tell(ctx, tx, d, notice.DisputeClosedKind); err != nil {
		return err
	}
	return note(ctx, tx, d, "dispute."+string(to))
}

// tell tells the enterprises of what is disputed of their orders, and the operators of all of it.
func tell(ctx context.Context, tx *postgres.Tx, d Dispute, k notice.Kind) error {
	day := ""
	if !d.DueBy.IsZero() {
		day = string(merchant.DateOf(d.DueBy))
	}
	told := []notice.Event{notice.Dispute(notice.Operators(), k, d.Checkout, d.ID, d.Amount, day)}
	for _, p := range d.Parts {
		told = append(told, notice.Dispute(notice.Sellers(p.Merchant.UUID()), k, p.Order, d.ID, p.Goods+p.Shipping, day))
	}
	return notice.Post(ctx, tx, told...)
}

// remindBefore is how long before the last day for evidence people are told of it again.
const remindBefore = 3 * 24 * time.Hour

// Remind tells those whom an open dispute concerns that the last day for evidence is
// near, once for each dispute, and returns of how many disputes it told. It passes over
// those that were opened later than that.
func (s *Service) Remind(ctx context.Context) (int, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (int, error) {
		near, err := due(ctx, tx, remindBefore)
		for _, d := range near {
			err = errors.Join(err, tell(ctx, tx, d, notice.DisputeDueKind))
		}
		return len(near), err
	})
}

func note(ctx context.Context, tx *postgres.Tx, d Dispute, operation string) error {
	return trail.Note(ctx, tx, trail.Entry{Operation: operation, Object: "dispute:" + d.ID.String(), Detail: map[string]any{
		"amount_fen": d.Amount, "beyond_fen": d.Beyond, "reason": d.Reason, "ref": d.Ref,
	}})
}

// Unsettled says which of these orders a bank has an open question about: nothing of
// them is refunded, and their tenths do not mature.
func Unsettled(ctx context.Context, tx *postgres.Tx, orders []order.Order) (map[order.ID]bool, error) {
	return unsettled(ctx, tx, orders)
}

// Aside is what of the orders of a locked checkout is set aside by open disputes: it is
// neither refunded nor disputed a second time.
func Aside(ctx context.Context, tx *postgres.Tx, checkout order.CheckoutID) (map[order.ID]order.Share, error) {
	parts, err := openParts(ctx, tx, checkout)
	all := make(map[order.ID]order.Share, len(parts))
	for _, p := range parts {
		of := all[p.Order]
		of.Goods, of.Shipping = of.Goods+p.Goods, of.Shipping+p.Shipping
		all[p.Order] = of
	}
	return all, err
}

// Disputes are all disputes in a state ("" is any), newest first: for an operator or an
// auditor.
func (s *Service) Disputes(ctx context.Context, state State, p page.Request) (page.Of[Dispute], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Dispute], error) { return list(ctx, tx, state, nil, p) })
}

// OfMerchants are the disputes that the caller's enterprises have a part in, with
// their own parts and the sum of them alone: what else the buyer bought is none of theirs.
func (s *Service) OfMerchants(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Dispute], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Dispute], error) {
		mine := caller.Merchants()
		if mine == nil {
			return page.Of[Dispute]{}, nil
		}
		all, err := list(ctx, tx, "", mine, p)
		for i := range all.Data {
			d := &all.Data[i]
			d.Parts = slices.DeleteFunc(d.Parts, func(p Part) bool { return !caller.SellsFor(p.Merchant.UUID()) })
			d.Amount, d.Beyond = 0, 0
			for _, p := range d.Parts {
				d.Amount += p.Goods + p.Shipping
			}
		}
		return all, err
	})
}

// Dispute is one of them, or ErrNotFound.
func (s *Service) Dispute(ctx context.Context, did ID) (Dispute, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Dispute, error) { return read(ctx, tx, did) })
}

// Stake is the part that an order has in a dispute, and how that stands.
type Stake struct {
	Part
	State State
}

// Stakes are those of these orders, oldest first, by order.
func Stakes(ctx context.Context, tx *postgres.Tx, orders []order.Order) (map[order.ID][]Stake, error) {
	found, err := stakes(ctx, tx, orders)
	all := make(map[order.ID][]Stake, len(found))
	for _, s := range found {
		all[s.Order] = append(all[s.Order], s)
	}
	return all, err
}

// Disputed is Unsettled for one order, as aftersale asks it before it gives anything back.
func Disputed(ctx context.Context, tx *postgres.Tx, o order.Order) (bool, error) {
	found, err := unsettled(ctx, tx, []order.Order{o})
	return found[o.ID], err
}
