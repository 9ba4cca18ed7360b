// Package trace follows the tenth: where each li that a sale gave is now, and which
// payment of the fund it became. The fund's free and committed money is a queue (see
// verify.Queue): what came first leaves first. The log's sequencer writes down which li each
// move has, so that "which project did my tenth reach" is arithmetic with intervals, the
// same for anybody who has the log.
package trace

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Faults of the trace.
var (
	ErrNotPaid = fault.New(fault.Conflict, "trace.not_paid", "What was not paid gave no tenth to follow", "尚未付款，没有可追踪的十分之一")
	ErrNoFlow  = fault.New(fault.NotFound, "trace.no_such_outflow", "So much has not left the fund yet", "教育基金没有这一笔流出")
)

// Tenth is what became of tenths: Levied and Returned (≤ 0) sum to Pending, Held, Matured
// and Late (≤ 0), and Matured is Granted, Covered, Committed, Free and Waiting.
type Tenth struct {
	Levied   money.Li // one tenth of the goods
	Returned money.Li // ≤ 0: with goods, or their payment, that came back for good
	Pending  money.Li // the goods may still come back
	Held     money.Li // a bank is asked whether the buyer has to pay
	Matured  money.Li // came into the queue
	Late     money.Li // ≤ 0: taken out of the queue again, for what came back after the maturing

	Granted   money.Li // of the matured: paid to programmes
	Covered   money.Li // of the matured: gone for late returns, whosever, before it
	Committed money.Li // of the matured: promised to programmes, and not paid yet
	Free      money.Li // of the matured: promised to none
	Waiting   money.Li // of the matured: without a place yet, for a second or so
}

// Net is what the fund has of it.
func (t Tenth) Net() money.Li { return t.Levied + t.Returned }

// Plus is both together.
func (t Tenth) Plus(o Tenth) Tenth {
	return Tenth{
		t.Levied + o.Levied, t.Returned + o.Returned, t.Pending + o.Pending, t.Held + o.Held, t.Matured + o.Matured, t.Late + o.Late,
		t.Granted + o.Granted, t.Covered + o.Covered, t.Committed + o.Committed, t.Free + o.Free, t.Waiting + o.Waiting,
	}
}

// Position is a move's place in the queue, with the transfer that it is of.
type Position struct {
	verify.Position // without Home and Ref
	Home            uuid.UUID
	Transfer        uuid.UUID
	// Of a grant's payment, where that was asked for: its reference, and the title of the programme and who has
	// the good of it.
	Payment       uuid.UUID
	Title, School string
}

// Name is the programme that an outflow was paid to, for people: its title, or its id.
func (p Position) Name() string {
	if p.Title == "" {
		return p.Programme().String()
	}
	return p.Title + "（" + p.School + "）"
}

// Programme is the programme that an outflow was paid to; the zero UUID for a return.
func (p Position) Programme() uuid.UUID {
	name, is := strings.CutPrefix(p.Account, verify.Programme)
	if !is || p.Late() {
		return uuid.UUID{}
	}
	found, err := uuid.Parse(name)
	if err != nil {
		return uuid.UUID{}
	}
	return found
}

// Part is what an inflow gave to an outflow.
type Part struct {
	verify.Interval
	Of Position
}

// Inflow is a move of an order's tenth into the queue, and where its li are.
type Inflow struct {
	Position
	Parts           []Part // those that left, in their order
	Committed, Free verify.Interval
}

// Order is an order's tenth.
type Order struct {
	ID           order.ID
	Checkout     order.CheckoutID
	Merchant     merchant.ID
	MerchantName string
	PaidAt       time.Time
	Tenth
	Inflows []Inflow
	Returns []Position // what left for this order's own late returns
}

// Traced is a checkout's tenth.
type Traced struct {
	Queue  verify.Queue // as it stood
	Orders []Order
	Tenth  // of all
}

// Mine is a page of somebody's orders, and the sum of all of them.
type Mine struct {
	Queue  verify.Queue
	Orders []Order
	Next   string
	Count  int64 // orders, of all pages
	Tenth        // of all pages
}

// Outflow is what left the queue, and of which inflows it is.
type Outflow struct {
	Position
	Levies      int64    // inflows that it took li of, whole or in part
	First, Last Position // of these; zero where there is none yet
}

// Summary is the queue at one moment.
type Summary struct {
	Queue            verify.Queue
	Payments         int64 // of grants
	Granted, Covered money.Li
}

// moved is a move of an order's that touched the fund.
type moved struct {
	kind, source, target string
	li                   money.Li
}

// add counts a move.
func (t *Tenth) add(m moved) {
	for account, li := range map[string]money.Li{m.source: -m.li, m.target: m.li} {
		switch {
		case account == string(fund.Pending):
			t.Pending += li
		case account == string(fund.Held):
			t.Held += li
		case verify.Queued(account) && li > 0:
			t.Matured += li
		case verify.Queued(account):
			t.Late += li
		}
	}
	switch m.kind {
	case fund.Sale:
		t.Levied += m.li
	case fund.Refund, fund.DisputeLost:
		t.Returned -= m.li
	}
}

// place says where the li of the inflow are.
func (t *Tenth) place(f Inflow) {
	for _, p := range f.Parts {
		if p.Of.Late() {
			t.Covered += money.Li(p.Li())
		} else {
			t.Granted += money.Li(p.Li())
		}
	}
	t.Committed += money.Li(f.Committed.Li())
	t.Free += money.Li(f.Free.Li())
}

// settle finds what has no place yet.
func (t *Tenth) settle() {
	t.Waiting = t.Matured - t.Granted - t.Covered - t.Committed - t.Free
}

// key names an order by its home.
func (o Order) key() orderKey { return orderKey{o.Merchant.UUID(), o.ID.UUID()} }

// orderKey is an order by its home.
type orderKey struct{ home, id uuid.UUID }
