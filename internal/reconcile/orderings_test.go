package reconcile_test

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

var orderings = flag.Int("orderings", 24, "how many orders of arrival of the seven events are tried, of each kind; 0 is all 5,040")

// told is an event as the provider sends it.
type told struct{ body, signature string }

// affair is a checkout to which everything has happened at the provider, and of which
// we have heard nothing yet: paid, 10.00 given back on the provider's own pages to a
// wallet (which comes later), 20.00 disputed and lost, 0.70 sent on and 0.20 taken back.
type affair struct {
	order.Checkout
	events [7]told // in the order in which they happened
	sent   string  // the provider's name of the transfer
}

func happened(t *testing.T, s *shoptest.Shop, account string) affair {
	t.Helper()
	a := affair{Checkout: s.Place(t, "ann", shoptest.Choose("flour", 1, "liquor", 1))}
	_, err := s.Bank.Pay(a.PayURL[strings.LastIndex(a.PayURL, "/")+1:], "alipay")
	must(t, err)
	paid := s.Bank.PaidAs(a.PayURL[strings.LastIndex(a.PayURL, "/")+1:])
	s.ByHand(t, "/v1/refunds", url.Values{"payment_intent": {paid}, "amount": {"1000"}})
	d, err := s.Bank.Dispute(paid, 2000, "product_not_received")
	must(t, err)
	must(t, s.Bank.CloseDispute(d, false))
	a.sent = s.ByHand(t, "/v1/transfers", url.Values{
		"amount": {"70"}, "currency": {"cny"}, "destination": {account}, "metadata[shop]": {"shop.test/log"}, "metadata[row]": {uuid.NewString()}, "metadata[attempt]": {"0"},
	})
	s.ByHand(t, "/v1/transfers/"+a.sent+"/reversals", url.Values{"amount": {"20"}})
	n := 0
	must(t, s.Bank.Flush(t.Context(), func(_ context.Context, body []byte, signature string) error {
		a.events[n] = told{string(body), signature}
		n++
		return nil
	}))
	if n != len(a.events) {
		t.Fatalf("%d events", n)
	}
	return a
}

// state is all that stands with us of an affair, in words that hold no id and no time.
func (a affair) state(t *testing.T, s *shoptest.Shop) string {
	t.Helper()
	var all strings.Builder
	for _, query := range []string{
		`SELECT 'checkout ' || c.state || ', payment ' || i.state || ' promised ' || i.promised_fen FROM checkout c JOIN payment_intent i ON i.id = c.id WHERE c.id = $1`,
		`SELECT 'order of ' || o.merchant || ' ' || o.state || ' refunded ' || (SELECT sum(refunded_fen) FROM order_line l WHERE l.order_id = o.id) FROM orders o WHERE o.checkout_id = $1 ORDER BY 1`,
		`SELECT 'refund ' || amount_fen || ' ' || state FROM refund WHERE intent_id = $1 ORDER BY 1`,
		`SELECT 'dispute ' || amount_fen || ' ' || state FROM dispute WHERE checkout_id = $1 ORDER BY 1`,
		`SELECT x.kind || ' ' || m.what || ' ' || regexp_replace(m.source, ':[0-9a-f-]{36}', '') || ' > ' || regexp_replace(m.target, ':[0-9a-f-]{36}', '') || ' ' || m.amount_li
		   FROM transfer x JOIN move m ON m.home = x.home AND m.transfer_id = x.id WHERE x.ref IN (
		     SELECT id::text FROM orders WHERE checkout_id = $1 UNION SELECT r.id::text FROM order_refund r JOIN orders o ON o.id = r.order_id WHERE o.checkout_id = $1
		     UNION SELECT p.id::text FROM dispute_part p JOIN dispute d ON d.id = p.dispute_id WHERE d.checkout_id = $1) ORDER BY 1`,
		`SELECT 'break ' || kind || ' ' || expected_li || ' ' || found_li FROM recon_break WHERE object = 'transfer:` + a.sent + `' AND $1::uuid IS NOT NULL ORDER BY 1`,
	} {
		rows, err := s.DB.SQL().QueryContext(t.Context(), query, a.ID)
		must(t, err)
		for rows.Next() {
			var line string
			must(t, rows.Scan(&line))
			fmt.Fprintln(&all, line)
		}
		must(t, rows.Err())
		must(t, rows.Close())
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

// TestEventsInAnyOrderLeadToTheSameState is the model test of arrival: the seven events
// of an affair come in any order, twice, or but for one until the provider is asked for
// what it told. What we have in the end is the same.
func TestEventsInAnyOrderLeadToTheSameState(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 100_000)
	account := s.Enable(t, shoptest.Miller.UUID())
	s.Perform(t)
	const want = `checkout paid, payment succeeded promised 3000
order of 磨坊 paid refunded 633
order of 酒坊 paid refunded 2367
refund 1000 succeeded
dispute 2000 lost
`
	affairs := map[string][]affair{}
	for name, orders := range arrivals(*orderings) {
		for _, arrival := range orders {
			a := happened(t, s, account)
			for _, e := range arrival {
				must(t, s.Payments.Receive(t.Context(), []byte(a.events[e].body), a.events[e].signature))
				s.Perform(t)
			}
			affairs[name] = append(affairs[name], a)
		}
		t.Logf("%s: %d", name, len(orders))
	}
	_, err := s.Payments.CatchUp(t.Context())
	must(t, err)
	s.Perform(t)
	s.Clock.Advance(24 * time.Hour)
	_, err = s.Reconciler.Run(t.Context(), noon)
	must(t, err)
	first := affairs["in order"][0].state(t, s)
	if !strings.HasPrefix(first, want) || strings.Count(first, "\nbreak ") != 1 {
		t.Errorf("in the order in which it happened:\n%s\nwant\n%s", first, want)
	}
	for name, all := range affairs {
		for i, a := range all {
			if diff := cmp.Diff(first, a.state(t, s)); diff != "" {
				t.Fatalf("%s, number %d (-in order +got):\n%s", name, i, diff)
			}
		}
	}
}
