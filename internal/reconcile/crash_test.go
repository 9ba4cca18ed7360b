package reconcile_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/settlement"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

var crashes = flag.Bool("crashes", false, "be cut off in all ways, soon and late, with the job and without it; else late and without it")

var errDied = errors.New("the program died")

// mortal is a gateway at one call of which the program dies: before it, or when it is done
// and nothing of it is written down. It counts the calls that have an effect at the provider.
type mortal struct {
	gateway.Gateway
	calls []string // the names of the calls that had an effect, or were to have one
	at    int      // which of them is the end; negative: none
	after bool
	down  bool // since then, until somebody starts the program again, or mends the line
	alive bool // it is the line that fails
}

func dies[T any](m *mortal, name string, call func() (T, error)) (T, error) {
	var none T
	if m.down && !m.alive {
		return none, errDied
	}
	m.calls = append(m.calls, name)
	m.down = m.down || len(m.calls)-1 == m.at
	if m.alive || !m.down {
		return call()
	}
	if m.after {
		if _, err := call(); err != nil {
			return none, err
		}
	}
	return none, errDied
}

func (m *mortal) Open(ctx context.Context, o gateway.Opening) (gateway.Opened, error) {
	return dies(m, "open", func() (gateway.Opened, error) { return m.Gateway.Open(ctx, o) })
}

func (m *mortal) Expire(ctx context.Context, session string) error {
	_, err := dies(m, "expire", func() (struct{}, error) { return struct{}{}, m.Gateway.Expire(ctx, session) })
	return err
}

func (m *mortal) Refund(ctx context.Context, r gateway.Refunding) (gateway.Refunded, error) {
	return dies(m, "refund", func() (gateway.Refunded, error) { return m.Gateway.Refund(ctx, r) })
}

func (m *mortal) CreateAccount(ctx context.Context, owner uuid.UUID, mark string) (gateway.Account, error) {
	return dies(m, "account", func() (gateway.Account, error) { return m.Gateway.CreateAccount(ctx, owner, mark) })
}

func (m *mortal) Transfer(ctx context.Context, t gateway.Transferring) (gateway.Transfer, error) {
	return dies(m, "transfer", func() (gateway.Transfer, error) { return m.Gateway.Transfer(ctx, t) })
}

func (m *mortal) Reverse(ctx context.Context, r gateway.Reversing) (string, error) {
	return dies(m, "reverse", func() (string, error) { return m.Gateway.Reverse(ctx, r) })
}

// end is one way to be cut off from the provider.
type end struct {
	name  string
	after bool          // the program dies after the call, else before it
	fault sandbox.Fault // or it lives, and this befalls the request
	later time.Duration // until somebody starts the program again, or the line
	lost  bool          // the job is not done again: only the sweeps are left
}

// ends are all ways, soon and after the provider has forgotten our keys.
func ends() (all []end) {
	for _, e := range []end{
		{name: "dies before the call"},
		{name: "dies before the record", after: true},
		{name: "the request is lost", fault: sandbox.LoseRequest},
		{name: "the answer is lost", fault: sandbox.LoseAnswer},
		{name: "an error after the effect", fault: sandbox.FailAfter},
		{name: "too many requests", fault: sandbox.TooMany},
	} {
		for _, e.later = range []time.Duration{2 * time.Minute, 73 * time.Hour} {
			for _, e.lost = range []bool{false, true} {
				all = append(all, e)
			}
		}
	}
	return all
}

// life is a shop through one story, which is cut off once.
type life struct {
	*shoptest.Shop
	m      *mortal
	how    end
	cut    string          // the call at which it was cut off
	jobs   []river.JobArgs // that failed
	fund   string          // its account
	first  order.Checkout
	second order.Checkout
}

func born(t *testing.T, at int, how end) *life {
	t.Helper()
	l := &life{m: &mortal{at: -1, after: how.after, alive: how.fault != sandbox.Fine}, how: how}
	l.Shop = shoptest.New(t, shoptest.Options{Between: func(g gateway.Gateway) gateway.Gateway { l.m.Gateway = g; return l.m }})
	l.StockUp(t, 100)
	l.Failed = func(j river.JobArgs, err error) {
		if !l.m.down || !errors.Is(err, errDied) && !errors.Is(err, gateway.ErrUnavailable) {
			t.Errorf("the job %s %+v: %v", j.Kind(), j, err)
		}
		l.jobs = append(l.jobs, j)
	}
	made, err := l.m.Gateway.CreateAccount(t.Context(), ledger.FundHome, "shop.test/log")
	must(t, err)
	must(t, l.Bank.Onboard(made.Ref))
	l.fund = made.Ref
	l.Settlements = settlement.New(l.DB, l.m, settlement.Config{FundAccount: l.fund}, settlement.Options{Mark: "shop.test/log"})
	l.Perform(t)
	l.Bank.Inject(sandbox.Faults{
		Request: func(method, _ string) sandbox.Fault {
			if l.m.down && method == http.MethodPost {
				return how.fault
			}
			return sandbox.Fine
		},
		Event: func(string) sandbox.Mishap {
			switch {
			case l.m.down && how.lost:
				return sandbox.Dropped
			case l.m.down:
				return sandbox.Delayed
			}
			return sandbox.Arrives
		},
	})
	l.Bank.SetRefunds(sandbox.RefundsWait)
	l.m.at = at
	return l
}

// live does what people and time do in a shop, once; whatever was cut off is begun anew as
// they would, and as the worker does.
func (l *life) live(t *testing.T) {
	t.Helper()
	seller, ann := shoptest.Distiller, shoptest.Buyer("ann")
	choice := shoptest.Choose("stay", 1)
	place := func(into *order.Checkout) func() error {
		return func() error { *into = l.Place(t, "ann", choice); return nil }
	}
	for _, step := range []struct {
		do   func() error
		anew bool // a person who sees that it failed tries again
	}{
		{do: func() error {
			_, err := l.Payees.Open(t.Context(), seller.UUID(), shoptest.Operator.Account.UUID())
			return err
		}, anew: true},
		{do: func() error { return l.Bank.Onboard(l.account(t)) }},
		{do: place(&l.first)},
		{do: func() error { l.Pay(t, l.Checkout(t, l.first).PayURL); return nil }},
		{do: func() error { l.Receive(t, l.Checkout(t, l.first).Orders[0].ID); return nil }},
		{do: func() error { _, err := l.Settlements.CloseDue(t.Context(), 10); return err }},
		{do: func() error {
			asked := order.Refunding{Lines: []order.RefundLine{{N: 1, Amount: 1000}}, Reason: "late"}
			_, err := l.Aftersales.Refund(t.Context(), shoptest.Operator, l.Checkout(t, l.first).Orders[0].ID, asked, request.Claim{}, nil)
			return err
		}},
		{do: func() error { // the bank takes its time, and all that was ordered arrives
			for _, ref := range l.list(t, "refunds?payment_intent="+l.PaidAs(t, l.first.ID)) {
				must(t, l.Bank.SettleRefund(ref, true))
			}
			return nil
		}},
		{do: func() error { _, err := l.Settlements.Reclaim(t.Context(), 10); return err }},
		{do: place(&l.second)},
		{do: func() error {
			_, err := l.Orders.Cancel(t.Context(), identity.Caller{Account: ann.Account}, l.second.ID, request.Claim{}, nil)
			return err
		}},
		{do: func() error {
			l.Clock.Advance(31 * 24 * time.Hour)
			_, err := l.Settlements.PayFund(t.Context(), slog.New(slog.DiscardHandler))
			return err
		}},
	} {
		err := step.do()
		if err != nil && !l.m.down {
			t.Fatal(err)
		}
		l.Perform(t)
		if l.m.down {
			l.start(t)
			if err != nil && step.anew {
				must(t, step.do())
			}
			l.Perform(t)
		}
	}
	for range 2 {
		l.sweep(t)
	}
}

// account is the provider's name of the enterprise's account.
func (l *life) account(t *testing.T) string {
	t.Helper()
	a, err := l.Payees.Account(t.Context(), shoptest.Seller(shoptest.Distiller), shoptest.Distiller)
	must(t, err)
	return a.Ref
}

// start starts the program again, or mends the line: an unpaid page lives for half an hour
// only, so that what had to be opened is opened soon.
func (l *life) start(t *testing.T) {
	t.Helper()
	l.cut = l.m.calls[l.m.at]
	l.m.at, l.m.down = -1, false
	later := l.how.later
	if l.cut == "open" {
		later = 2 * time.Minute
	}
	l.Clock.Advance(later)
	l.sweep(t)
	if !l.how.lost || l.cut == "expire" { // a page that is not closed here closes by itself
		l.Again(l.jobs...)
	}
	l.jobs = nil
	l.sweep(t)
}

// sweep does what the worker does again and again.
func (l *life) sweep(t *testing.T) {
	t.Helper()
	for _, step := range []func() (int, error){
		func() (int, error) { return l.Payments.OpenForgotten(t.Context(), time.Minute, 10) },
		func() (int, error) { return l.Payments.FollowPending(t.Context(), time.Minute, 10) },
		func() (int, error) { return l.Settlements.PerformForgotten(t.Context(), time.Minute, 10) },
		func() (int, error) { return l.Payments.CatchUp(t.Context()) },
		func() (int, error) { return l.Settlements.PayArrears(t.Context(), 10) },
	} {
		_, err := step()
		must(t, err)
		l.Perform(t)
	}
}

// end is how it all stands: with us, in the book and at the provider.
func (l *life) end(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, query := range []string{
		`SELECT 'checkout ' || c.state || ', payment ' || i.state || ' promised ' || i.promised_fen || ', page: ' || (i.session <> '') FROM checkout c JOIN payment_intent i ON i.id = c.id ORDER BY 1`,
		`SELECT 'refund ' || amount_fen || ' ' || state || ', attempt ' || attempt FROM refund ORDER BY 1`,
		`SELECT 'payout ' || month || ' ' || amount_fen || ' ' || state || ', reversed ' || reversed_fen || ', attempt ' || attempt FROM payout ORDER BY 1`,
		`SELECT 'reversal ' || amount_fen || ' ' || state FROM payout_reversal ORDER BY 1`,
		`SELECT 'account, enabled: ' || enabled || ', owed ' || owed_li FROM payee ORDER BY 1`,
		`SELECT x.kind || ' ' || m.what || ' ' || m.amount_li FROM transfer x JOIN move m ON m.home = x.home AND m.transfer_id = x.id ORDER BY 1`,
	} {
		rows, err := l.DB.SQL().QueryContext(t.Context(), query)
		must(t, err)
		for rows.Next() {
			var line string
			must(t, rows.Scan(&line))
			fmt.Fprintln(&all, line)
		}
		must(t, rows.Err())
		must(t, rows.Close())
	}
	fmt.Fprintf(&all, "the provider: enterprise %d, fund %d", l.Bank.Holds(l.account(t)), l.Bank.Holds(l.fund))
	for _, list := range []string{"accounts", "transfers", "refunds?payment_intent=" + l.PaidAs(t, l.first.ID)} {
		fmt.Fprintf(&all, ", %d %s", len(l.list(t, list)), strings.SplitN(list, "?", 2)[0])
	}
	return all.String()
}

// list are the names of the things of a list of the provider's.
func (l *life) list(t *testing.T, list string) (names []string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.stripe.com/v1/"+list, http.NoBody)
	must(t, err)
	r.Header.Set("Authorization", "Bearer sk_test_hand")
	answer, err := l.Bank.RoundTrip(r)
	must(t, err)
	defer func() { must(t, answer.Body.Close()) }()
	var found struct{ Data []struct{ ID string } }
	must(t, json.NewDecoder(answer.Body).Decode(&found))
	for _, each := range found.Data {
		names = append(names, each.ID)
	}
	return names
}

// TestWhereverTheProgramDiesTheEndIsTheSame cuts a shop off from its provider at each call
// that has an effect there: opening an account and a page, a payout, a refund, a reversal,
// closing a page, the fund's payout. It dies before the call, or before it could write down
// what the call did, or the line fails; soon afterwards or three days later it goes on.
func TestWhereverTheProgramDiesTheEndIsTheSame(t *testing.T) {
	t.Parallel()
	whole := born(t, -1, end{name: "nothing happens"})
	whole.live(t)
	want, calls := whole.end(t), whole.m.calls
	if got := strings.Join(calls, " "); got != "account open transfer refund reverse open expire transfer" {
		t.Fatalf("the calls with an effect: %s", got)
	}
	t.Log(want)
	for at, call := range calls {
		for _, how := range ends() {
			if !*crashes && (!how.lost || how.later < 24*time.Hour) {
				continue
			}
			t.Run(fmt.Sprintf("%s (%d)/%s/%s/%t", call, at, how.name, how.later, how.lost), func(t *testing.T) {
				t.Parallel()
				l := born(t, at, how)
				l.live(t)
				if l.cut != call {
					t.Fatalf("it was cut off at %q", l.cut)
				}
				if diff := cmp.Diff(want, l.end(t)); diff != "" {
					t.Errorf("the end (-whole +cut off):\n%s", diff)
				}
			})
		}
	}
}
