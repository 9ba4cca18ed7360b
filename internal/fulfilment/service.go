package fulfilment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shipment"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Blocked says which of the orders must not be received by themselves now, because a
// case of after-sales is open: it is asked in the transaction that would receive them.
type Blocked func(ctx context.Context, tx *postgres.Tx, orders []order.Order) (map[order.ID]bool, error)

// Service brings orders to their buyers.
type Service struct {
	db      *postgres.DB
	blocked Blocked
}

// New makes the service. Where blocked is nil, nothing holds up an order.
func New(db *postgres.DB, blocked Blocked) *Service { return &Service{db, blocked} }

// Of says how far orders have come, read as part of tx; each of them has an entry.
// One that nothing has happened to is Unfulfilled.
func Of(ctx context.Context, tx *postgres.Tx, orders []order.Order) (map[order.ID]Fulfilment, error) {
	all, err := find(ctx, tx, orders, "")
	of := make(map[order.ID]Fulfilment, len(all))
	for _, f := range all {
		f.settle()
		of[f.Order] = f
	}
	return of, err
}

// Lock says how far an order has come and keeps it from others until tx ends, after
// order.Lock. ErrUnpaid for one that was never paid.
func Lock(ctx context.Context, tx *postgres.Tx, o order.Order) (Fulfilment, error) {
	all, err := lockAll(ctx, tx, []order.Order{o})
	if err != nil {
		return Fulfilment{}, err
	}
	return all[0], nil
}

// lockAll is Lock for many orders, which are locked by (merchant, id) before.
func lockAll(ctx context.Context, tx *postgres.Tx, orders []order.Order) ([]Fulfilment, error) {
	for _, o := range orders {
		if o.PaidAt.IsZero() {
			return nil, ErrUnpaid.With("order %s is %s", o.ID, o.State)
		}
	}
	if err := begin(ctx, tx, orders); err != nil {
		return nil, err
	}
	all, err := find(ctx, tx, orders, " FOR UPDATE OF f")
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].settle() {
			if err := save(ctx, tx, all[i]); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// Receive says that the services of a locked order ended at that time: its vouchers are
// used or void. An order of vouchers alone is received with that, and its window of
// returns ends at closesAt; one with goods as well is received when those are, too.
// ErrState if it was said before.
func Receive(ctx context.Context, tx *postgres.Tx, o order.Order, at, closesAt time.Time) error {
	f, err := Lock(ctx, tx, o)
	if err != nil {
		return err
	}
	if err := f.servicesEnded(at, closesAt); err != nil {
		return err
	}
	return save(ctx, tx, f)
}

// GiveUp ends the way of a locked order of which nothing has left and nothing will, because all
// of its goods were refunded, once its vouchers have ended, too. Nothing has come that could go
// back: its window of returns ends with that, and what is left of the payment, such as the
// shipping fee, is settled. It does nothing to other orders.
func GiveUp(ctx context.Context, tx *postgres.Tx, o order.Order) error {
	f, err := Lock(ctx, tx, o)
	if err != nil || f.State == Received || f.Left() > 0 || !f.ShippedAt.IsZero() {
		return err
	}
	if f.receive(tx.Now); f.State != Received {
		return nil
	}
	return save(ctx, tx, f)
}

// ofSeller locks an order that was paid, for who sells for its merchant; else it is
// order.ErrNotFound.
func ofSeller(ctx context.Context, tx *postgres.Tx, caller identity.Caller, oid order.ID) (order.Order, Course, error) {
	o, err := order.Lock(ctx, tx, oid)
	if err != nil {
		return o, Course{}, err
	}
	if o.PaidAt.IsZero() || !caller.SellsFor(o.Merchant.UUID()) {
		return o, Course{}, order.ErrNotFound
	}
	c, err := lockCourse(ctx, tx, o)
	return o, c, err
}

// lockCourse is Lock with the parcels.
func lockCourse(ctx context.Context, tx *postgres.Tx, o order.Order) (Course, error) {
	f, err := Lock(ctx, tx, o)
	if err != nil {
		return Course{}, err
	}
	parcels, err := shipment.Of(ctx, tx, f.Merchant, f.Order)
	return Course{f, parcels}, err
}

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, oid order.ID, detail map[string]any) error {
	return trail.Note(ctx, tx, trail.Entry{Actor: caller.Account.UUID(), Operation: operation, Object: "order:" + oid.String(), Detail: detail})
}

// Pack says that an order is packed and waits for its carrier. order.ErrNotFound,
// ErrUnpaid, ErrNothing or ErrState.
func (s *Service) Pack(ctx context.Context, caller identity.Caller, oid order.ID) (Course, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Course, error) {
		o, c, err := ofSeller(ctx, tx, caller, oid)
		if err != nil {
			return Course{}, err
		}
		if err := c.pack(o, tx.Now); err != nil {
			return Course{}, err
		}
		if err := save(ctx, tx, c.Fulfilment); err != nil {
			return Course{}, err
		}
		return c, note(ctx, tx, caller, "fulfilment.pack", oid, nil)
	})
}

// Ship gives a parcel of an order to its carrier: so much of its lines, by lot where the
// enterprise says so, never more than is left of them. order.ErrNotFound, ErrUnpaid,
// ErrNothing, ErrLine, ErrTooMany, ErrLot, or shipment.ErrCarrier, ErrNumber, ErrColdCarrier
// or ErrTemperature.
func (s *Service) Ship(ctx context.Context, caller identity.Caller, oid order.ID, what Shipping, claim request.Claim, render func(Course) (request.Answer, error)) (Course, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Course, error) {
		o, c, err := ofSeller(ctx, tx, caller, oid)
		if err != nil {
			return Course{}, err
		}
		parcel, err := c.ship(o, what, caller.Account.UUID(), tx.Now)
		if err != nil {
			return Course{}, err
		}
		if err := checkLots(ctx, tx, o, parcel); err != nil {
			return Course{}, err
		}
		if err := insert(ctx, tx, []Fulfilment{c.Fulfilment}, []shipment.Shipment{parcel}); err != nil {
			return Course{}, err
		}
		c.Shipments = append(c.Shipments, parcel)
		return c, note(ctx, tx, caller, "fulfilment.ship", oid, map[string]any{"shipment": parcel.ID.String(), "carrier": parcel.Now().Carrier, "left": c.Left()})
	})
}

// ShipAll ships orders, which are locked and whose seller the actor is, each with one
// parcel that needs no check of lots. What cannot be shipped is left as it is, with why.
func ShipAll(ctx context.Context, tx *postgres.Tx, actor uuid.UUID, orders []order.Order, what map[order.ID]Shipping) (refused map[order.ID]error, err error) {
	all, err := lockAll(ctx, tx, orders)
	if err != nil {
		return nil, err
	}
	var shipped []Fulfilment
	var parcels []shipment.Shipment
	refused = make(map[order.ID]error)
	for i, o := range orders {
		at := tx.Now
		if !what[o.ID].At.IsZero() {
			at = what[o.ID].At
		}
		parcel, err := all[i].ship(o, what[o.ID], actor, at)
		if err != nil {
			refused[o.ID] = err
			continue
		}
		shipped, parcels = append(shipped, all[i]), append(parcels, parcel)
	}
	return refused, insert(ctx, tx, shipped, parcels)
}

// ReceiveAll says that the goods of locked orders were received, each at its time. ErrState.
func ReceiveAll(ctx context.Context, tx *postgres.Tx, orders []order.Order, at map[order.ID]time.Time) error {
	all, err := lockAll(ctx, tx, orders)
	for i := range all {
		err = errors.Join(err, all[i].goodsReceived(at[all[i].Order]))
	}
	if err != nil {
		return err
	}
	return save(ctx, tx, all...)
}

// checkLots refuses lots that there are not, or that may not leave.
func checkLots(ctx context.Context, tx *postgres.Tx, o order.Order, parcel shipment.Shipment) error {
	for i, l := range parcel.Lines {
		if l.Lot == "" {
			continue
		}
		may, err := shippable(ctx, tx, o.Merchant, o.Lines[l.N-1].SKU.UUID(), l.Lot)
		if err != nil {
			return err
		}
		if !may {
			return ErrLot.At(fmt.Sprintf("/lines/%d/lot", i), "lot", "no such lot of this SKU may leave")
		}
	}
	return nil
}

// ofShipment locks the order of a shipment, for who sells for its merchant, and gives
// the place of the shipment among the order's. shipment.ErrUnknown.
func ofShipment(ctx context.Context, tx *postgres.Tx, caller identity.Caller, sid shipment.ID) (Course, int, error) {
	oid, err := shipment.OrderOf(ctx, tx, sid)
	if err != nil {
		return Course{}, 0, err
	}
	_, c, err := ofSeller(ctx, tx, caller, oid)
	if errors.Is(err, order.ErrNotFound) {
		err = shipment.ErrUnknown
	}
	if err != nil {
		return Course{}, 0, err
	}
	return c, slices.IndexFunc(c.Shipments, func(s shipment.Shipment) bool { return s.ID == sid }), nil
}

// Correct says who really carries a parcel, under which number, and why that was wrong;
// what was said before stays to be read. shipment.ErrUnknown, ErrCarrier, ErrNumber,
// ErrColdCarrier, ErrReason or ErrState.
func (s *Service) Correct(ctx context.Context, caller identity.Caller, sid shipment.ID, carrier, number, reason string) (Course, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Course, error) {
		c, i, err := ofShipment(ctx, tx, caller, sid)
		if err != nil {
			return Course{}, err
		}
		right, err := shipment.Track(carrier, number, caller.Account.UUID(), tx.Now)
		if err != nil {
			return Course{}, err
		}
		parcel := &c.Shipments[i]
		if err := parcel.Correct(c.cold(*parcel), right, reason); err != nil {
			return Course{}, err
		}
		if err := shipment.InsertTracking(ctx, tx, c.Merchant, *parcel); err != nil {
			return Course{}, err
		}
		return c, note(ctx, tx, caller, "fulfilment.correct", c.Order, map[string]any{"shipment": sid.String(), "carrier": carrier})
	})
}

// Deliver says that a parcel was handed over to the buyer. shipment.ErrUnknown or shipment.ErrState.
func (s *Service) Deliver(ctx context.Context, caller identity.Caller, sid shipment.ID) (Course, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Course, error) {
		c, i, err := ofShipment(ctx, tx, caller, sid)
		if err != nil {
			return Course{}, err
		}
		if err := c.deliver(&c.Shipments[i], tx.Now); err != nil {
			return Course{}, err
		}
		if err := shipment.SaveDelivered(ctx, tx, c.Merchant, c.Shipments[i]); err != nil {
			return Course{}, err
		}
		if err := save(ctx, tx, c.Fulfilment); err != nil {
			return Course{}, err
		}
		return c, note(ctx, tx, caller, "fulfilment.deliver", c.Order, map[string]any{"shipment": sid.String()})
	})
}

// Confirm says that the buyer has his goods: the window of returns begins.
// order.ErrNotFound for another's order; ErrState while something is still to be shipped,
// or when it was said before.
func (s *Service) Confirm(ctx context.Context, caller identity.Caller, oid order.ID, claim request.Claim, render func(Course) (request.Answer, error)) (Course, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Course, error) {
		o, err := order.Lock(ctx, tx, oid)
		if err != nil {
			return Course{}, err
		}
		if o.Buyer != caller.Account {
			return Course{}, order.ErrNotFound
		}
		c, err := lockCourse(ctx, tx, o)
		if err != nil {
			return Course{}, err
		}
		if err := c.goodsReceived(tx.Now); err != nil {
			return Course{}, err
		}
		if err := save(ctx, tx, c.Fulfilment); err != nil {
			return Course{}, err
		}
		return c, note(ctx, tx, caller, "fulfilment.receive", oid, nil)
	})
}

// ReceiveDue receives orders whose last piece left ReceivedAfter ago and whose buyers
// said nothing, but for those that are blocked; it reads batch of them at once. It
// returns how many it received and what went wrong with others: one holds up none.
func (s *Service) ReceiveDue(ctx context.Context, batch int) (int, error) {
	var errs []error
	n := 0
	for after := (fulfilmentRow{}); ; {
		rows, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]fulfilmentRow, error) {
			return late(ctx, tx, tx.Now.Add(-ReceivedAfter), after, batch)
		})
		if err != nil {
			return n, errors.Join(append(errs, err)...)
		}
		for _, r := range rows {
			received, err := s.arrive(ctx, keyOf(r.MerchantID, r.OrderID))
			if err != nil {
				errs = append(errs, fmt.Errorf("receive order %s: %w", r.OrderID, err))
			} else if received {
				n++
			}
		}
		if len(rows) < batch {
			return n, errors.Join(errs...)
		}
		after = rows[len(rows)-1]
	}
}

// arrive receives one order, unless that happened in between or it is blocked.
func (s *Service) arrive(ctx context.Context, k Key) (bool, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (bool, error) {
		o, err := order.Lock(ctx, tx, k.Order)
		if err != nil {
			return false, err
		}
		f, err := Lock(ctx, tx, o)
		if err != nil || !f.GoodsAt.IsZero() || f.Left() > 0 || f.ShippedAt.IsZero() || tx.Now.Sub(f.ShippedAt) < ReceivedAfter {
			return false, err
		}
		if s.blocked != nil {
			open, err := s.blocked(ctx, tx, []order.Order{o})
			if err != nil || open[o.ID] {
				return false, err
			}
		}
		if err := f.goodsReceived(tx.Now); err != nil {
			return false, err
		}
		if err := save(ctx, tx, f); err != nil {
			return false, err
		}
		return true, note(ctx, tx, identity.Caller{}, "fulfilment.arrive", o.ID, map[string]any{"shipped_at": f.ShippedAt.Format(time.RFC3339)})
	})
}

// Course is how far the buyer's own order has come; another's is order.ErrNotFound, one
// that is not paid ErrUnpaid.
func (s *Service) Course(ctx context.Context, caller identity.Caller, oid order.ID) (Course, error) {
	return s.course(ctx, func(tx *postgres.Tx) (order.Order, error) { return order.OfBuyer(ctx, tx, caller, oid) })
}

// MerchantCourse is the same for who sells for the order's merchant.
func (s *Service) MerchantCourse(ctx context.Context, caller identity.Caller, oid order.ID) (Course, error) {
	return s.course(ctx, func(tx *postgres.Tx) (order.Order, error) { return order.OfMerchant(ctx, tx, caller, oid) })
}

func (s *Service) course(ctx context.Context, find func(*postgres.Tx) (order.Order, error)) (Course, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Course, error) {
		o, err := find(tx)
		if err != nil {
			return Course{}, err
		}
		if o.PaidAt.IsZero() {
			return Course{}, ErrUnpaid.With("the order is %s", o.State)
		}
		all, err := Of(ctx, tx, []order.Order{o})
		if err != nil {
			return Course{}, err
		}
		parcels, err := shipment.Of(ctx, tx, o.Merchant, o.ID)
		return Course{all[o.ID], parcels}, err
	})
}
