package reconcile_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/riverqueue/river"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

var orderings = flag.Int("orderings", 12, "how many orders of arrival of the seven events are tried, of each kind; 0 is all 5,040")

// told is an event as the provider sends it.
type told struct{ body, signature string }

// affair is all that can happen at the provider, of which we have heard nothing yet: a
// checkout was paid, 10.00 of it given back on the provider's own pages to a wallet (which
// comes later), 20.00 disputed and lost; and of an earlier checkout one enterprise was paid,
// and 9.00 were taken back from the other, and both times the answer was lost.
type affair struct {
	order.Checkout
	earlier order.Checkout
	events  [7]told // in the order in which they happened
	arrival []int   // in which they are received
}

// mute is a gateway that does what it is asked, and whose answers are lost.
type mute struct {
	gateway.Gateway
	account string // to which no transfer is answered; "": all is answered
}

func (m *mute) Transfer(ctx context.Context, to gateway.Transferring) (gateway.Transfer, error) {
	made, err := m.Gateway.Transfer(ctx, to)
	if err == nil && to.Account == m.account {
		err = errDied
	}
	return made, err
}

func (m *mute) Reverse(ctx context.Context, r gateway.Reversing) (string, error) {
	ref, err := m.Gateway.Reverse(ctx, r)
	if err == nil && m.account != "" {
		err = errDied
	}
	return ref, err
}

// yard is a shop in which affairs happen, many at a time.
type yard struct {
	*shoptest.Shop
	t      *testing.T
	mute   *mute
	miller string // its account
}

func newYard(t *testing.T) yard {
	t.Helper()
	y := yard{t: t, mute: new(mute)}
	y.Shop = shoptest.New(t, shoptest.Options{Between: func(g gateway.Gateway) gateway.Gateway { y.mute.Gateway = g; return y.mute }})
	y.Failed = func(j river.JobArgs, err error) {
		if !errors.Is(err, errDied) {
			t.Errorf("the job %s %+v: %v", j.Kind(), j, err)
		}
	}
	y.StockUp(t, 100_000)
	y.miller = y.Enable(t, shoptest.Miller.UUID())
	y.Enable(t, shoptest.Distiller.UUID())
	y.Perform(t)
	return y
}

// happen lets one affair happen for each arrival.
func (y yard) happen(arrivals [][]int) []affair {
	y.t.Helper()
	all := make([]affair, len(arrivals))
	for i := range all {
		all[i].arrival = arrivals[i]
		all[i].earlier = y.Place(y.t, "ann", shoptest.Choose("flour", 1, "stay", 1))
		_, err := y.Bank.Pay(path.Base(all[i].earlier.PayURL), "")
		must(y.t, err)
	}
	y.Perform(y.t)
	y.pay(all)
	for i := range all {
		y.sell(&all[i])
	}
	return all
}

// pay lets the earlier checkouts be received, settled and refunded, and loses what the
// provider says of that.
func (y yard) pay(all []affair) {
	y.t.Helper()
	y.mute.account = y.miller
	y.Bank.Inject(sandbox.Faults{Event: func(kind string) sandbox.Mishap {
		if strings.HasPrefix(kind, "transfer.") {
			return sandbox.Delayed
		}
		return sandbox.Arrives
	}})
	for i := range all {
		for _, o := range all[i].earlier.Orders {
			y.Receive(y.t, o.ID)
		}
	}
	for range all {
		n, err := y.Settlements.CloseDue(y.t.Context(), 1000)
		must(y.t, err)
		if n == 0 {
			break
		}
	}
	y.Perform(y.t)
	of := map[string]*affair{} // by the row that the transfer bears
	for i := range all {
		for _, o := range all[i].earlier.Orders {
			of[y.payout(o.ID)] = &all[i]
			if o.Merchant != shoptest.Distiller {
				continue
			}
			asked := order.Refunding{Reason: "late", Lines: []order.RefundLine{{N: 1, Amount: 1000}}}
			_, err := y.Aftersales.Refund(y.t.Context(), shoptest.Operator, o.ID, asked, request.Claim{}, nil)
			must(y.t, err)
		}
	}
	y.Perform(y.t)
	_, err := y.Settlements.Reclaim(y.t.Context(), 1000)
	must(y.t, err)
	y.Perform(y.t)
	y.mute.account = ""
	y.Bank.Inject(sandbox.Faults{})
	const created, reversed = 5, 6
	must(y.t, y.Bank.Flush(y.t.Context(), func(ctx context.Context, body []byte, signature string) error {
		var e struct {
			Type string
			Data struct {
				Object struct {
					Destination string
					Metadata    struct{ Row string }
				}
			}
		}
		must(y.t, json.Unmarshal(body, &e))
		switch a := of[e.Data.Object.Metadata.Row]; {
		case e.Type == "transfer.reversed":
			a.events[reversed] = told{string(body), signature}
		case e.Data.Object.Destination == y.miller:
			a.events[created] = told{string(body), signature}
		default: // of the one whose answer came
			return y.Payments.Receive(ctx, body, signature)
		}
		return nil
	}))
	y.Perform(y.t)
}

// payout is the row of what an order was paid out with.
func (y yard) payout(of order.ID) (row string) {
	y.t.Helper()
	must(y.t, y.DB.SQL().QueryRowContext(y.t.Context(), "SELECT id FROM payout WHERE order_id = $1", of).Scan(&row))
	return row
}

// sell lets a checkout be paid, refunded and disputed, and keeps what is told of it.
func (y yard) sell(a *affair) {
	y.t.Helper()
	a.Checkout = y.Place(y.t, "bob", shoptest.Choose("flour", 1, "liquor", 1))
	page := path.Base(a.PayURL)
	_, err := y.Bank.Pay(page, "alipay")
	must(y.t, err)
	paid := y.Bank.PaidAs(page)
	y.ByHand(y.t, "/v1/refunds", url.Values{"payment_intent": {paid}, "amount": {"1000"}})
	d, err := y.Bank.Dispute(paid, 2000, "product_not_received")
	must(y.t, err)
	must(y.t, y.Bank.CloseDispute(d, false))
	n := 0
	must(y.t, y.Bank.Flush(y.t.Context(), func(_ context.Context, body []byte, signature string) error {
		a.events[n] = told{string(body), signature}
		n++
		return nil
	}))
	if n != 5 || slices.Contains(a.events[:], told{}) {
		y.t.Fatalf("%d events of the checkout, and all are %+v", n, a.events)
	}
}

// state is all that stands with us of an affair, in words that hold no id and no time.
func (y yard) state(a affair) string {
	y.t.Helper()
	var all strings.Builder
	for _, query := range []string{
		`SELECT 'checkout ' || c.state || ', payment ' || i.state || ' promised ' || i.promised_fen FROM checkout c JOIN payment_intent i ON i.id = c.id WHERE c.id = $1 AND $2::uuid IS NOT NULL`,
		`SELECT 'order of ' || o.merchant || ' ' || o.state || ' refunded ' || (SELECT sum(refunded_fen) FROM order_line l WHERE l.order_id = o.id) FROM orders o WHERE o.checkout_id IN ($1, $2) ORDER BY 1`,
		`SELECT 'refund ' || amount_fen || ' ' || state FROM refund WHERE intent_id IN ($1, $2) ORDER BY 1`,
		`SELECT 'dispute ' || amount_fen || ' ' || state FROM dispute WHERE checkout_id IN ($1, $2) ORDER BY 1`,
		`SELECT 'payout ' || p.amount_fen || ' ' || p.state || ' reversed ' || p.reversed_fen FROM payout p JOIN orders o ON o.id = p.order_id WHERE o.checkout_id IN ($1, $2) ORDER BY 1`,
		`SELECT 'reversal ' || r.amount_fen || ' ' || r.state FROM payout_reversal r JOIN orders o ON o.id = r.order_id WHERE o.checkout_id IN ($1, $2) ORDER BY 1`,
		`SELECT x.kind || ' ' || m.what || ' ' || regexp_replace(m.source, ':[0-9a-f-]{36}', '') || ' > ' || regexp_replace(m.target, ':[0-9a-f-]{36}', '') || ' ' || m.amount_li
		   FROM transfer x JOIN move m ON m.home = x.home AND m.transfer_id = x.id WHERE x.ref IN (
		     SELECT id::text FROM orders WHERE checkout_id IN ($1, $2)
		     UNION SELECT r.id::text FROM order_refund r JOIN orders o ON o.id = r.order_id WHERE o.checkout_id IN ($1, $2)
		     UNION SELECT p.id::text FROM dispute_part p JOIN dispute d ON d.id = p.dispute_id WHERE d.checkout_id IN ($1, $2)
		     UNION SELECT p.id::text FROM payout p JOIN orders o ON o.id = p.order_id WHERE o.checkout_id IN ($1, $2)
		     UNION SELECT r.id::text FROM payout_reversal r JOIN orders o ON o.id = r.order_id WHERE o.checkout_id IN ($1, $2)) ORDER BY 1`,
	} {
		rows, err := y.DB.SQL().QueryContext(y.t.Context(), query, a.ID, a.earlier.ID)
		must(y.t, err)
		for rows.Next() {
			var line string
			must(y.t, rows.Scan(&line))
			fmt.Fprintln(&all, line)
		}
		must(y.t, rows.Err())
		must(y.t, rows.Close())
	}
	return all.String()
}

// permutations are all orders of n things.
func permutations(n int) (all [][]int) {
	var grow func(done []int)
	grow = func(done []int) {
		if len(done) == n {
			all = append(all, slices.Clone(done))
			return
		}
		for i := range n {
			if !slices.Contains(done, i) {
				grow(append(done, i))
			}
		}
	}
	grow(nil)
	return all
}

// arrivals are the orders in which the events of an affair arrive: all orders of the
// seven, the same with each event twice, and all orders of six, with each of the seven
// missing. Of each kind, so many are chosen evenly.
func arrivals(of int) map[string][][]int {
	plain := permutations(7)
	var doubled, dropped [][]int
	for _, p := range plain {
		var twice []int
		for _, e := range p {
			twice = append(twice, e, e)
		}
		doubled = append(doubled, twice)
	}
	for missing := range 7 {
		for _, p := range permutations(6) {
			for i := range p {
				if p[i] >= missing {
					p[i]++
				}
			}
			dropped = append(dropped, p)
		}
	}
	all := map[string][][]int{"in order": plain, "twice": doubled, "but one": dropped}
	for name, each := range all {
		if of > 0 && of < len(each) {
			var some [][]int
			for i := range of {
				some = append(some, each[i*len(each)/of])
			}
			all[name] = some
		}
	}
	return all
}

// once is what we have of an affair in the end, with all of its moves in the book.
const once = `checkout paid, payment succeeded promised 3000
order of 磨坊 paid refunded 0
order of 磨坊 paid refunded 633
order of 酒坊 paid refunded 1000
order of 酒坊 paid refunded 2367
refund 1000 succeeded
refund 1000 succeeded
dispute 2000 lost
payout 26910 paid reversed 900
payout 2970 paid reversed 0
reversal 900 succeeded
dispute goods merchant:payable > disputed 15780
dispute goods merchant:payable > disputed 4220
dispute tenth fund:education:pending > fund:education:held 1578
dispute tenth fund:education:pending > fund:education:held 422
dispute_lost goods disputed > world:stripe 15780
dispute_lost goods disputed > world:stripe 4220
dispute_lost tenth fund:education:held > merchant:payable 1578
dispute_lost tenth fund:education:held > merchant:payable 422
mature tenth fund:education:pending > fund:education:free 29900
mature tenth fund:education:pending > fund:education:free 3300
payout payout merchant:payable > world:merchant 269100
payout payout merchant:payable > world:merchant 29700
payout_reversal payout world:merchant > merchant:payable 9000
refund goods merchant:payable > world:stripe 10000
refund goods merchant:payable > world:stripe 2110
refund goods merchant:payable > world:stripe 7890
refund tenth fund:education:free > merchant:payable 1000
refund tenth fund:education:pending > merchant:payable 211
refund tenth fund:education:pending > merchant:payable 789
sale goods world:stripe > merchant:payable 123450
sale goods world:stripe > merchant:payable 299000
sale goods world:stripe > merchant:payable 33000
sale goods world:stripe > merchant:payable 33000
sale tenth merchant:payable > fund:education:pending 12345
sale tenth merchant:payable > fund:education:pending 29900
sale tenth merchant:payable > fund:education:pending 3300
sale tenth merchant:payable > fund:education:pending 3300
`

// TestEventsInAnyOrderLeadToTheSameState is the model test of arrival: the seven events
// of an affair come in any order, twice, or but for one until the provider is asked for
// what it told. What we have in the end is the same, and the provider agrees.
func TestEventsInAnyOrderLeadToTheSameState(t *testing.T) {
	t.Parallel()
	const together = 100
	for name, orders := range arrivals(*orderings) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := newYard(t)
			owner := pgtest.Owner(t, y.DB) // no autovacuum tells the planner how tables have grown
			var all []affair
			for some := range slices.Chunk(orders, together) {
				happened := y.happen(some)
				for n := range some[0] { // the n-th event of each affair
					for _, a := range happened {
						e := a.events[a.arrival[n]]
						must(t, y.Payments.Receive(t.Context(), []byte(e.body), e.signature))
					}
					y.Perform(t)
				}
				all = append(all, happened...)
				y.Sequence(t) // what is numbered need not be looked through again
				_, err := owner.ExecContext(t.Context(), "ANALYZE")
				must(t, err)
			}
			y.Clock.Advance(24 * time.Hour)
			day, err := y.Reconciler.Run(t.Context(), noon)
			must(t, err)
			breaks, err := y.Reconciler.OpenBreaks(t.Context())
			must(t, err)
			if breaks != 0 {
				t.Errorf("%d breaks: %+v", breaks, day)
			}
			for _, a := range all {
				if diff := cmp.Diff(once, y.state(a)); diff != "" {
					t.Fatalf("%v (-want +got):\n%s", a.arrival, diff)
				}
			}
			t.Logf("%d affairs", len(all))
		})
	}
}
