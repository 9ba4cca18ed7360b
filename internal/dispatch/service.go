package dispatch

import (
	"context"
	"io"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sheet"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// chunk is how many orders are shipped in one transaction: few enough that their buyers
// do not wait, and that the progress is seen.
const chunk = 250

// Service ships many orders.
type Service struct {
	db   *postgres.DB
	desk sheet.Desk
}

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db, sheet.NewDesk()} }

// PickList are the paid orders of the enterprises that the caller sells for of which
// something is still to be shipped, with where it goes: the overdue first, then by the
// day by which they are to leave.
func (s *Service) PickList(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Pick], error) {
	after, err := urgency(p)
	if err != nil {
		return page.Of[Pick]{}, err
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Pick], error) {
		picks, err := pick(ctx, tx, caller.Merchants(), after, p.Size()+1)
		return page.Cut(picks, p.Size(), func(p Pick) (string, uuid.UUID) { return pickedRow{p.Order.UUID(), p.ShipBy()}.key() }), err
	})
}

// pick reads the next orders that are to be shipped, with all that a packer must know.
func pick(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, after pickedRow, limit int) ([]Pick, error) {
	ids, err := picked(ctx, tx, merchants, after, limit)
	if err != nil {
		return nil, err
	}
	orders, err := order.Many(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	addresses, err := order.Addresses(ctx, tx, orders)
	if err != nil {
		return nil, err
	}
	found, err := fulfilment.Of(ctx, tx, orders)
	if err != nil {
		return nil, err
	}
	out := make([]Pick, len(orders))
	for i, o := range orders {
		f := found[o.ID]
		out[i] = Pick{Fulfilment: f, Of: o, ShipTo: addresses[o.Checkout], Overdue: f.ShipBy().Before(tx.Now)}
	}
	return out, nil
}

// Sums are the pieces of each SKU that are still to be shipped, over all orders of the
// enterprises that the caller sells for: what is to be fetched from the shelves.
func (s *Service) Sums(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Sum], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Sum], error) { return sums(ctx, tx, caller.Merchants(), p) })
}

// Template writes what an enterprise that the caller sells for (the zero id means the
// only one) is to ship, the most urgent 5,000 orders, with empty columns for who carries
// them. ErrMerchant.
func (s *Service) Template(ctx context.Context, caller identity.Caller, m merchant.ID, out io.Writer) error {
	m, err := sellsFor(caller, m)
	if err != nil {
		return err
	}
	picks, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) ([]Pick, error) {
		return pick(ctx, tx, []uuid.UUID{m.UUID()}, pickedRow{}, sheet.Usual().Rows)
	})
	if err != nil {
		return err
	}
	w, err := sheet.NewWriter(sheet.XLSX, out, book())
	if err != nil {
		return err
	}
	for _, p := range picks {
		if err := w.Row(p.cells()); err != nil {
			return err
		}
	}
	return w.Close()
}

// Check reads a sheet of parcels of an enterprise that the caller sells for (the zero id
// means the only one) and says what it would do. Nothing is shipped: it is kept to be
// committed, or with its bad cells. ErrMerchant, ErrFormat, ErrColumns, or the faults of
// package sheet.
func (s *Service) Check(ctx context.Context, caller identity.Caller, m merchant.ID, f sheet.Format, body []byte) (Batch, error) {
	m, err := sellsFor(caller, m)
	if err != nil {
		return Batch{}, err
	}
	if f != sheet.XLSX && f != sheet.CSV {
		return Batch{}, sheet.Placed(ErrFormat)
	}
	table, err := s.desk.Read(ctx, f, body)
	if err != nil {
		return Batch{}, sheet.Placed(err)
	}
	r, err := read(table)
	if err != nil {
		return Batch{}, sheet.Placed(err)
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Batch, error) {
		rest := reading{at: r.at, rows: r.rows, bad: r.bad[:len(r.bad):len(r.bad)]}
		if err := rest.compare(ctx, tx, m); err != nil {
			return Batch{}, err
		}
		b := Batch{
			ID: id.New[Batch](tx.Now), Merchant: m, Account: caller.Account, Format: f, State: Checked,
			Orders: len(rest.rows), BadCells: len(rest.bad), CreatedAt: tx.Now, UpdatedAt: tx.Now,
		}
		if len(rest.bad) > 0 || len(rest.rows) == 0 {
			b.State = Failed
		}
		if err := insert(ctx, tx, b, rest.rows, rest.sorted()); err != nil {
			return Batch{}, err
		}
		return b, note(ctx, tx, b, "dispatch.check")
	})
}

// compare finds what cannot be shipped of the rows as things stand: orders that there are
// not, that are not the enterprise's or that are not paid are all the same to it.
func (r *reading) compare(ctx context.Context, tx *postgres.Tx, m merchant.ID) error {
	orders, err := order.Many(ctx, tx, idsOf(r.rows))
	if err != nil {
		return err
	}
	known := make(map[order.ID]order.Order, len(orders))
	own := orders[:0]
	for _, o := range orders {
		if o.Merchant == m && !o.PaidAt.IsZero() {
			known[o.ID], own = o, append(own, o)
		}
	}
	found, err := fulfilment.Of(ctx, tx, own)
	if err != nil {
		return err
	}
	for _, one := range r.rows {
		o, ok := known[one.Order]
		if !ok {
			r.refuse(one, order.ErrNotFound)
		} else if err := found[o.ID].Check(o, one.Shipping, tx.Now); err != nil {
			r.refuse(one, err)
		}
	}
	return nil
}

func idsOf(rows []row) []uuid.UUID {
	ids := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		ids[i] = r.Order.UUID()
	}
	return ids
}

// Batch is a batch of an enterprise that the caller sells for, with how far it has come.
// ErrBatch.
func (s *Service) Batch(ctx context.Context, caller identity.Caller, b ID) (Batch, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Batch, error) { return one(ctx, tx, caller.Merchants(), b, "") })
}

// BadCells lists the cells of a batch that will not do, by row and column; behind them
// the orders that could not be shipped any more when it came to them. ErrBatch.
func (s *Service) BadCells(ctx context.Context, caller identity.Caller, b ID, p page.Request) (page.Of[BadCell], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[BadCell], error) {
		found, err := one(ctx, tx, caller.Merchants(), b, "")
		if err != nil {
			return page.Of[BadCell]{}, err
		}
		return badCells(ctx, tx, found, p)
	})
}

// Commit lets a job ship a batch that was checked. What is being shipped or was stays as
// it is, so that it may be asked for again. ErrBatch or ErrState.
func (s *Service) Commit(ctx context.Context, caller identity.Caller, b ID) (Batch, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Batch, error) {
		held, err := one(ctx, tx, caller.Merchants(), b, " FOR UPDATE")
		if err != nil {
			return Batch{}, err
		}
		begins, err := held.begin(tx.Now)
		if err != nil || !begins {
			return held, err
		}
		if err := update(ctx, tx, held); err != nil {
			return Batch{}, err
		}
		if err := tx.Enqueue(ctx, Ship{Merchant: held.Merchant, Batch: held.ID}); err != nil {
			return Batch{}, err
		}
		return held, note(ctx, tx, held, "dispatch.commit")
	})
}

// Ship does the job of the same name: chunk by chunk, each in a transaction of its own
// with the word that it is done. A job that is done again goes on where the last one
// ended, and ships nothing twice. An order that cannot be shipped any more (refunded, or
// shipped by hand since the check) is left out, and listed with the bad cells.
func (s *Service) Ship(ctx context.Context, j Ship) error {
	for more := true; more; {
		var err error
		more, err = postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (bool, error) { return next(ctx, tx, j) })
		if err != nil {
			return err
		}
	}
	return nil
}

// next ships the next chunk of a batch, and says whether there may be more.
func next(ctx context.Context, tx *postgres.Tx, j Ship) (bool, error) {
	held, err := one(ctx, tx, []uuid.UUID{j.Merchant.UUID()}, j.Batch, " FOR UPDATE")
	if err != nil || held.State != Shipping {
		return false, err
	}
	rows, err := waiting(ctx, tx, held, chunk)
	if err != nil {
		return false, err
	}
	if len(rows) == 0 {
		if err := held.end(tx.Now); err != nil {
			return false, err
		}
		if err := update(ctx, tx, held); err != nil {
			return false, err
		}
		return false, note(ctx, tx, held, "dispatch.ship")
	}
	orders, err := order.LockMany(ctx, tx, idsOf(rows))
	if err != nil {
		return false, err
	}
	what := make(map[order.ID]fulfilment.Shipping, len(rows))
	for _, r := range rows {
		what[r.Order] = r.Shipping
	}
	refused, err := fulfilment.ShipAll(ctx, tx, held.Account.UUID(), orders, what)
	if err != nil {
		return false, err
	}
	left := reading{at: map[string]int{orderKey: 0}}
	for _, r := range rows {
		if why := refused[r.Order]; why != nil {
			left.refuse(r, why)
		}
	}
	if err := insertBad(ctx, tx, held, left.bad, held.BadCells); err != nil {
		return false, err
	}
	held.Done, held.BadCells, held.UpdatedAt = held.Done+len(rows), held.BadCells+len(left.bad), tx.Now
	if err := finish(ctx, tx, held, rows); err != nil {
		return false, err
	}
	return true, update(ctx, tx, held)
}

// sellsFor is the enterprise that the caller means: the named one, or his only one.
func sellsFor(caller identity.Caller, m merchant.ID) (merchant.ID, error) {
	own := caller.Merchants()
	if m.IsZero() && len(own) == 1 {
		m = id.From[merchant.Merchant](own[0])
	}
	if !caller.SellsFor(m.UUID()) {
		return m, ErrMerchant
	}
	return m, nil
}

func note(ctx context.Context, tx *postgres.Tx, b Batch, operation string) error {
	return trail.Note(ctx, tx, trail.Entry{
		Actor: b.Account.UUID(), Operation: operation, Object: "shipment_batch:" + b.ID.String(),
		Detail: map[string]any{"merchant": b.Merchant.String(), "orders": b.Orders, "done": b.Done, "bad_cells": b.BadCells},
	})
}
