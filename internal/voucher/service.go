package voucher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service issues vouchers and takes them.
type Service struct{ db *postgres.DB }

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db: db} }

// recent is how far back orders are looked through for vouchers that were not issued: far
// longer than a worker is away, and not so long that the years before are searched.
const recent = 30 * 24 * time.Hour

// IssueDue issues the vouchers of up to limit orders that were placed in the last thirty
// days and paid, and returns how many orders that were. The sale itself knows nothing
// of it, and costs no statement more.
func (s *Service) IssueDue(ctx context.Context, limit int) (int, error) {
	return s.each(ctx, limit, unissued, func(ctx context.Context, tx *postgres.Tx, o order.Order) error {
		if o.State != order.Paid {
			return nil
		}
		n, err := issue(ctx, tx, o, func(l order.Line) int64 {
			if l.Refunded == l.Total {
				return 0
			}
			return l.Quantity - l.RefundedQty
		})
		if err != nil || n == 0 {
			return err
		}
		return notice.Post(ctx, tx, notice.VoucherIssued(o.Buyer, o.ID, n))
	})
}

// ExpireDue ends the vouchers of up to limit orders whose last day is over, and returns
// how many orders that were.
func (s *Service) ExpireDue(ctx context.Context, limit int) (int, error) {
	return s.each(ctx, limit, overdue, func(ctx context.Context, tx *postgres.Tx, o order.Order) error {
		if err := expire(ctx, tx, o); err != nil {
			return err
		}
		return ended(ctx, tx, o)
	})
}

// each does something to orders that find finds, each in a transaction of its own that
// has locked the order: one of them holds up none.
func (s *Service) each(ctx context.Context, limit int, find func(context.Context, *postgres.Tx, int) ([]order.ID, error),
	do func(context.Context, *postgres.Tx, order.Order) error,
) (int, error) {
	ids, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]order.ID, error) { return find(ctx, tx, limit) })
	if err != nil {
		return 0, err
	}
	n := 0
	var errs []error
	for _, oid := range ids {
		err := postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
			o, err := order.Lock(ctx, tx, oid)
			if err != nil {
				return err
			}
			return do(ctx, tx, o)
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("vouchers of order %s: %w", oid, err))
			continue
		}
		n++
	}
	return n, errors.Join(errs...)
}

// issue makes the vouchers of a locked order, unless it has some: they are all made at
// once, so many of each line. It returns how many it made.
func issue(ctx context.Context, tx *postgres.Tx, o order.Order, quantity func(order.Line) int64) (int, error) {
	if held, err := count(ctx, tx, o); err != nil || held.All > 0 {
		return 0, err
	}
	var all []Voucher
	for _, l := range o.Lines {
		if l.VoucherDays == 0 {
			continue
		}
		for n := range quantity(l) {
			all = append(all, made(o, l, int(n)+1, tx.Now))
		}
	}
	return len(all), insert(ctx, tx, all)
}

// Returned ends the vouchers of what was refunded of a locked order, piece by piece; of a
// line whose every fen was given back, all that are unused, whatever number that was for.
func Returned(ctx context.Context, tx *postgres.Tx, o order.Order, back order.Refund) error {
	for _, l := range back.Lines {
		if err := Void(ctx, tx, o, l.N, l.Quantity); err != nil {
			return err
		}
		if !unpaid(o, l.N) || o.Lines[l.N-1].VoucherDays == 0 {
			continue
		}
		// What was not issued yet is, so that it can be void.
		if _, err := issue(ctx, tx, o, func(l order.Line) int64 { return l.Quantity }); err != nil {
			return err
		}
		n, err := void(ctx, tx, o, l.N, o.Lines[l.N-1].Quantity)
		if err == nil && n > 0 {
			err = ended(ctx, tx, o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unpaid reports whether every fen of a line was given back: by us, on the provider's own
// pages or by the buyer's bank. Nobody is owed its service any more.
func unpaid(o order.Order, line int) bool {
	return line >= 1 && line <= len(o.Lines) && o.Lines[line-1].Refunded == o.Lines[line-1].Total
}

// Used is how many vouchers of each line of a locked order were taken or have expired.
func Used(ctx context.Context, tx *postgres.Tx, o order.Order) (map[int]int64, error) {
	for _, l := range o.Lines {
		if l.VoucherDays > 0 {
			return used(ctx, tx, o)
		}
	}
	return nil, nil
}

// Void makes so many vouchers of a line of a locked order void: those that are not used.
// ErrTooFew, and nothing is done, when there are not so many. It does nothing for goods.
func Void(ctx context.Context, tx *postgres.Tx, o order.Order, line int, quantity int64) error {
	if line < 1 || line > len(o.Lines) || o.Lines[line-1].VoucherDays == 0 || quantity == 0 {
		return nil
	}
	// What was not issued yet is, so that it can be void.
	if _, err := issue(ctx, tx, o, func(l order.Line) int64 { return l.Quantity }); err != nil {
		return err
	}
	switch n, err := void(ctx, tx, o, line, quantity); {
	case err != nil:
		return err
	case n < quantity:
		return ErrTooFew.With("%d of line %d are unused", n, line)
	}
	return ended(ctx, tx, o)
}

// ended tells fulfilment that the services of a locked order have ended, once none of
// its vouchers can be used any more. Of an order that was wholly refunded nothing is told.
func ended(ctx context.Context, tx *postgres.Tx, o order.Order) error {
	c, err := count(ctx, tx, o)
	if err != nil || c.Open > 0 || o.State != order.Paid {
		return err
	}
	return fulfilment.Receive(ctx, tx, o, tx.Now, tx.Now)
}

// Redeem takes a voucher by its code, once, for who sells for its enterprise; the claim
// makes it happen once however often it is asked. ErrMistyped; another enterprise's
// code is ErrUnknown; ErrRedeemed, ErrExpired, ErrVoid.
func (s *Service) Redeem(ctx context.Context, caller identity.Caller, typed string, claim request.Claim, render func(Voucher) (request.Answer, error)) (Voucher, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Voucher, error) {
		code, err := ParseCode(typed)
		if err != nil {
			return Voucher{}, err
		}
		v, err := byCode(ctx, tx, caller.Merchants(), code)
		if err != nil {
			return Voucher{}, err
		}
		// The order is locked before its vouchers, as everywhere; what was read before may have passed.
		o, err := order.Lock(ctx, tx, v.Order)
		if err != nil {
			return Voucher{}, err
		}
		if v, err = lock(ctx, tx, v.ID); err != nil {
			return Voucher{}, err
		}
		if v.State == Issued && unpaid(o, v.Line) {
			return Voucher{}, ErrVoid
		}
		if err := v.Redeem(tx.Now); err != nil {
			return Voucher{}, err
		}
		if err := saveRedeemed(ctx, tx, v, caller.Account); err != nil {
			return Voucher{}, err
		}
		if err := note(ctx, tx, caller, "voucher.redeem", "voucher:"+v.ID.String(), map[string]any{"order": v.Order.String(), "line": v.Line, "n": v.N}); err != nil {
			return Voucher{}, err
		}
		return v, ended(ctx, tx, o)
	})
}

// OfOrder lists the vouchers of the buyer's own order, with their codes; another's order is
// order.ErrNotFound. They are there some seconds after the payment.
func (s *Service) OfOrder(ctx context.Context, caller identity.Caller, oid order.ID, p page.Request) (page.Of[Voucher], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Voucher], error) {
		o, err := order.OfBuyer(ctx, tx, caller, oid)
		if err != nil {
			return page.Of[Voucher]{}, err
		}
		return list(ctx, tx, p, `merchant_id = ? AND order_id = ?`, o.Merchant, o.ID)
	})
}

// Own lists the buyer's own vouchers, with their codes, the newest first.
func (s *Service) Own(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Voucher], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Voucher], error) {
		return list(ctx, tx, p, `buyer_id = ?`, caller.Account)
	})
}

// Ask asks the enterprise for a day on which the buyer may come. ErrInvalid; ErrOpen when
// he has asked before; another's voucher is ErrUnknown.
func (s *Service) Ask(ctx context.Context, caller identity.Caller, vid ID, day merchant.Date, people int) (Appointment, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Appointment, error) {
		v, err := lockOwn(ctx, tx, caller, vid)
		if err != nil {
			return Appointment{}, err
		}
		a, err := v.Ask(day, people, tx.Now)
		if err != nil {
			return Appointment{}, err
		}
		return a, insertAppointment(ctx, tx, a)
	})
}

// Cancel gives up the day for which the buyer asked. ErrAppointment when there is none,
// ErrLate on a day that was confirmed; another's voucher is ErrUnknown.
func (s *Service) Cancel(ctx context.Context, caller identity.Caller, vid ID) (Appointment, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Appointment, error) {
		v, err := lockOwn(ctx, tx, caller, vid)
		if err != nil {
			return Appointment{}, err
		}
		a, err := lockOpen(ctx, tx, v)
		if err != nil {
			return Appointment{}, err
		}
		if err := a.Cancel(tx.Now); err != nil {
			return Appointment{}, err
		}
		return a, saveAppointment(ctx, tx, a)
	})
}

func lockOwn(ctx context.Context, tx *postgres.Tx, caller identity.Caller, vid ID) (Voucher, error) {
	v, err := lock(ctx, tx, vid)
	if err == nil && v.Buyer != caller.Account {
		return Voucher{}, ErrUnknown
	}
	return v, err
}

// Appointments lists those of the enterprises that the caller sells for, the newest first;
// in one state, or in all when it is "".
func (s *Service) Appointments(ctx context.Context, caller identity.Caller, state AppointmentState, p page.Request) (page.Of[Appointment], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Appointment], error) {
		return appointments(ctx, tx, caller.Merchants(), state, p)
	})
}

// Confirm says that the buyer may come. Another enterprise's appointment is ErrAppointment.
func (s *Service) Confirm(ctx context.Context, caller identity.Caller, aid AppointmentID) (Appointment, error) {
	return s.decide(ctx, caller, aid, "voucher.confirm", func(a *Appointment, at time.Time) error { return a.Confirm(at) })
}

// Decline says that the buyer cannot come on that day, and why. Another enterprise's
// appointment is ErrAppointment.
func (s *Service) Decline(ctx context.Context, caller identity.Caller, aid AppointmentID, reason string) (Appointment, error) {
	return s.decide(ctx, caller, aid, "voucher.decline", func(a *Appointment, at time.Time) error { return a.Decline(reason, at) })
}

func (s *Service) decide(ctx context.Context, caller identity.Caller, aid AppointmentID, operation string, how func(*Appointment, time.Time) error) (Appointment, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Appointment, error) {
		a, err := lockAppointment(ctx, tx, caller.Merchants(), aid)
		if err != nil {
			return Appointment{}, err
		}
		if err := how(&a, tx.Now); err != nil {
			return Appointment{}, err
		}
		if err := saveAppointment(ctx, tx, a); err != nil {
			return Appointment{}, err
		}
		return a, note(ctx, tx, caller, operation, "appointment:"+a.ID.String(), map[string]any{"voucher": a.Voucher.String(), "day": string(a.Day)})
	})
}

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation, object string, detail map[string]any) error {
	return trail.Note(ctx, tx, trail.Entry{Actor: caller.Account.UUID(), Operation: operation, Object: object, Detail: detail})
}
