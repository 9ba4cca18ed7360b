package settlement_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/settlement"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// options are those of the shop of tests.
var options = settlement.Options{Mark: "shop.test/log", ReturnURL: "https://shop.example/merchant"}

func newShop(t testing.TB) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 100)
	return s
}

// enabled opens the payout account of an enterprise, whose holder says who he is.
func enabled(t testing.TB, s *shoptest.Shop, m merchant.ID) string {
	t.Helper()
	o, err := s.Settlements.Onboard(t.Context(), shoptest.Seller(m), m)
	must(t, err)
	must(t, s.Bank.Onboard(o.Ref))
	s.Perform(t)
	return o.Ref
}

// received sells somebody one night at a farm, which he
// has received, and of which nothing can come back any more.
func received(t testing.TB, s *shoptest.Shop) order.Order {
	t.Helper()
	c := s.Place(t, "ann", shoptest.Choose("stay", 1))
	s.Pay(t, c.PayURL)
	o := s.Checkout(t, c).Orders[0]
	must(t, postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		return fulfilment.Receive(t.Context(), tx, o, tx.Now, tx.Now)
	}))
	return o
}

// settle closes all that is due and pays it, and says how many orders those were.
func settle(t testing.TB, s *shoptest.Shop) int {
	t.Helper()
	n, err := s.Settlements.CloseDue(t.Context(), 100)
	must(t, err)
	s.Perform(t)
	return n
}

func payouts(t testing.TB, s *shoptest.Shop, m merchant.ID) []payout.Payout {
	t.Helper()
	all, err := s.Settlements.Payouts(t.Context(), shoptest.Seller(m), page.Request{Limit: 100})
	must(t, err)
	return all.Data
}

// owed is what stays owed to an enterprise.
func owed(t testing.TB, s *shoptest.Shop, m merchant.ID) money.Li {
	t.Helper()
	a, err := s.Settlements.Account(t.Context(), shoptest.Seller(m), m)
	must(t, err)
	return a.Owed
}

// at is what the provider's accounts hold of one enterprise, and the book.
type money3 struct{ Payable, Outside, Owed money.Li }

func books(t testing.TB, s *shoptest.Shop, m merchant.ID) money3 {
	t.Helper()
	return money3{s.Held(t, ledger.Payable(m.UUID())), s.Held(t, payout.World(m.UUID())), owed(t, s, m)}
}

func TestAnOrderThatCanComeBackNoMoreIsPaidOut(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	account := enabled(t, s, shoptest.Distiller)
	o := received(t, s)
	if n := settle(t, s); n != 1 {
		t.Fatalf("%d orders settled", n)
	}
	if n := settle(t, s); n != 0 {
		t.Errorf("%d orders settled again", n)
	}
	all := payouts(t, s, shoptest.Distiller)
	if len(all) != 1 || all[0].State != payout.Paid || all[0].Amount != 26910 || all[0].Order != o.ID || all[0].Account != account || all[0].Ref == "" {
		t.Fatalf("payouts: %+v", all)
	}
	if diff := cmp.Diff(money3{0, 269100, 0}, books(t, s, shoptest.Distiller)); diff != "" {
		t.Errorf("the book (-want +got):\n%s", diff)
	}
	if free, pending := s.Held(t, fund.Free), s.Held(t, fund.Pending); free != 29900 || pending != 0 {
		t.Errorf("%d li are free and %d pending", free, pending)
	}
	if _, err := s.Settlements.Payout(t.Context(), shoptest.Seller(shoptest.Miller), all[0].ID); !errors.Is(err, payout.ErrNotFound) {
		t.Errorf("another enterprise's payout: %v", err)
	}
	if got := payouts(t, s, shoptest.Miller); len(got) != 0 {
		t.Errorf("another enterprise's payouts: %+v", got)
	}
	if _, err := s.Settlements.Onboard(t.Context(), shoptest.Seller(shoptest.Miller), shoptest.Distiller); !errors.Is(err, merchant.ErrUnknown) {
		t.Errorf("open another's account: %v", err)
	}
}

func TestWhatCannotBePaidStaysOwed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	received(t, s)
	received(t, s)
	if n := settle(t, s); n != 2 || len(payouts(t, s, shoptest.Distiller)) != 0 {
		t.Errorf("%d settled, payouts %+v before there is an account", n, payouts(t, s, shoptest.Distiller))
	}
	enabled(t, s, shoptest.Distiller)
	for _, want := range []int{1, 0} {
		if n, err := s.Settlements.PayArrears(t.Context(), 10); n != want || err != nil {
			t.Errorf("%d accounts paid, %v, want %d", n, err, want)
		}
		s.Perform(t)
	}
	all := payouts(t, s, shoptest.Distiller)
	if len(all) != 1 || all[0].Amount != 2*26910 || all[0].State != payout.Paid || !all[0].Order.IsZero() {
		t.Errorf("payouts: %+v", all)
	}
}

func TestADisputedOrderWaits(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	enabled(t, s, shoptest.Distiller)
	o := received(t, s)
	held := true
	waiting := options
	waiting.Blocked = []settlement.Blocked{func(_ context.Context, _ *postgres.Tx, orders []order.Order) (map[order.ID]bool, error) {
		return map[order.ID]bool{o.ID: held}, nil
	}}
	provider, err := gateway.NewSandbox(s.Bank, s.Bank.Secret())
	must(t, err)
	s.Settlements = settlement.New(s.DB, provider, settlement.Config{}, waiting)
	if n := settle(t, s); n != 0 || s.Held(t, fund.Free) != 0 {
		t.Errorf("%d settled while something is open", n)
	}
	held = false
	if n := settle(t, s); n != 1 || s.Held(t, fund.Free) != 29900 {
		t.Errorf("%d settled afterwards", n)
	}
}

func TestADeclinedPayoutIsOwedAgainAndRetried(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	account := enabled(t, s, shoptest.Distiller)
	received(t, s)
	must(t, s.Bank.Suspend(account)) // and we have not heard
	s.Bank.Inject(sandbox.Faults{Event: func(string) sandbox.Mishap { return sandbox.Dropped }})
	settle(t, s)
	failed := payouts(t, s, shoptest.Distiller)[0]
	if failed.State != payout.Failed || failed.Failure == "" || owed(t, s, shoptest.Distiller) != 269100 {
		t.Fatalf("declined: %+v, %d li owed", failed, owed(t, s, shoptest.Distiller))
	}
	if n, err := s.Settlements.PayArrears(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("%d accounts paid at once, %v", n, err)
	}
	operators, err := s.Settlements.PayoutsIn(t.Context(), payout.Failed, page.Request{})
	if err != nil || len(operators.Data) != 1 {
		t.Errorf("failed payouts: %+v, %v", operators.Data, err)
	}
	must(t, s.Settlements.Refresh(t.Context(), shoptest.Distiller.UUID()))
	if _, err := retry(t, s, failed.ID); !errors.Is(err, payout.ErrDisabled) {
		t.Errorf("retry while the account is closed: %v", err)
	}
	must(t, s.Bank.Onboard(account))
	s.Clock.Advance(2 * time.Hour)
	n, err := s.Settlements.RefreshStale(t.Context(), time.Hour, 10)
	must(t, err)
	wins := pgtest.AtOnce(t, 4, func(int) error { _, err := retry(t, s, failed.ID); return err }, payout.ErrState)
	if wins != 1 || n != 1 {
		t.Errorf("%d retries of 4 began, %d accounts refreshed", wins, n)
	}
	s.Perform(t)
	again := payouts(t, s, shoptest.Distiller)
	if len(again) != 1 || again[0].State != payout.Paid || again[0].Attempt != 1 || owed(t, s, shoptest.Distiller) != 0 {
		t.Errorf("retried: %+v", again)
	}
	if _, err := retry(t, s, failed.ID); !errors.Is(err, payout.ErrState) {
		t.Errorf("retry what is paid: %v", err)
	}
}

func retry(t testing.TB, s *shoptest.Shop, pid payout.ID) (payout.Payout, error) {
	t.Helper()
	return s.Settlements.Retry(t.Context(), shoptest.Operator, pid, request.Claim{}, nil)
}

// dying is a gateway in front of which, or behind which, the program dies.
type dying struct {
	gateway.Gateway
	before, after bool
}

var errDied = errors.New("the program died")

func (d dying) Transfer(ctx context.Context, to gateway.Transferring) (gateway.Transfer, error) {
	if d.before {
		return gateway.Transfer{}, errDied
	}
	made, err := d.Gateway.Transfer(ctx, to)
	if d.after {
		err = errDied
	}
	return made, err
}

// Wherever the program dies, and whatever of the provider's words is lost, there is
// one transfer in the end, and the book says so.
func TestAPayoutIsMadeOnceWhereverTheProgramDies(t *testing.T) {
	t.Parallel()
	type crash struct {
		dying
		fault sandbox.Fault
		later time.Duration // after which somebody looks again
		event sandbox.Mishap
	}
	for name, c := range map[string]crash{
		"before the call":                           {dying{before: true}, sandbox.Fine, time.Minute, sandbox.Arrives},
		"before the record":                         {dying{after: true}, sandbox.Fine, time.Minute, sandbox.Dropped},
		"before the record, and the event tells":    {dying{after: true}, sandbox.Fine, time.Minute, sandbox.Doubled},
		"before the record, looked at 3 days later": {dying{after: true}, sandbox.Fine, 72 * time.Hour, sandbox.Dropped},
		"the request is lost":                       {dying{}, sandbox.LoseRequest, time.Minute, sandbox.Arrives},
		"the answer is lost":                        {dying{}, sandbox.LoseAnswer, time.Minute, sandbox.Dropped},
		"an internal error after the effect":        {dying{}, sandbox.FailAfter, 72 * time.Hour, sandbox.Dropped},
		"too many requests":                         {dying{}, sandbox.TooMany, time.Minute, sandbox.Swapped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			enabled(t, s, shoptest.Distiller)
			o := received(t, s)
			provider, err := gateway.NewSandbox(s.Bank, s.Bank.Secret())
			must(t, err)
			if _, err := s.Settlements.CloseDue(t.Context(), 10); err != nil {
				t.Fatal(err)
			}
			pid := payouts(t, s, shoptest.Distiller)[0].ID
			s.Bank.Inject(sandbox.Faults{Event: func(string) sandbox.Mishap { return c.event }, Request: func(method, path string) sandbox.Fault {
				if method == http.MethodPost && strings.HasSuffix(path, "/transfers") {
					return c.fault
				}
				return sandbox.Fine
			}})
			c.Gateway = provider
			if err := settlement.New(s.DB, c.dying, settlement.Config{}, options).Perform(t.Context(), pid); err == nil {
				t.Fatal("nothing went wrong")
			}
			s.Bank.Inject(sandbox.Faults{Event: func(string) sandbox.Mishap { return c.event }})
			s.Clock.Advance(c.later)
			s.Settlements = settlement.New(s.DB, provider, settlement.Config{}, options) // after a restart
			for range 2 {
				_, err := s.Settlements.PerformForgotten(t.Context(), time.Minute, 10)
				must(t, err)
				s.Perform(t)
			}
			made, err := provider.Transfers(t.Context(), o.Checkout.UUID())
			if err != nil || len(made) != 1 || made[0].Amount != 26910 || made[0].Row != pid.UUID() {
				t.Errorf("the provider made %+v, %v", made, err)
			}
			if diff := cmp.Diff(money3{0, 269100, 0}, books(t, s, shoptest.Distiller)); diff != "" {
				t.Errorf("the book (-want +got):\n%s", diff)
			}
			if p := payouts(t, s, shoptest.Distiller); len(p) != 1 || p[0].State != payout.Paid || p[0].Ref != made[0].Ref {
				t.Errorf("payouts: %+v", p)
			}
		})
	}
}

func TestAtTheSameTimeAnOrderIsSettledOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	enabled(t, s, shoptest.Distiller)
	received(t, s)
	pgtest.AtOnce(t, 4, func(int) error { _, err := s.Settlements.CloseDue(t.Context(), 10); return err })
	pid := payouts(t, s, shoptest.Distiller)[0].ID
	pgtest.AtOnce(t, 4, func(int) error { return s.Settlements.Perform(t.Context(), pid) })
	s.Perform(t)
	if diff := cmp.Diff(money3{0, 269100, 0}, books(t, s, shoptest.Distiller)); diff != "" {
		t.Errorf("the book (-want +got):\n%s", diff)
	}
}

// refund gives so much of an order's first line back.
func refund(t testing.TB, s *shoptest.Shop, o order.Order, amount money.Fen) {
	t.Helper()
	_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, o.ID,
		order.Refunding{Lines: []order.RefundLine{{N: 1, Amount: amount}}, Reason: "damaged"}, request.Claim{}, nil)
	must(t, err)
	s.Perform(t)
}

func TestARefundAfterThePayoutIsTakenBack(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	account := enabled(t, s, shoptest.Distiller)
	o := received(t, s)
	settle(t, s)
	refund(t, s, o, 1001) // 900.9 fen of it were the enterprise's: 901 come back, and 1 li is owed
	for _, want := range []int{1, 0} {
		if n, err := s.Settlements.Reclaim(t.Context(), 10); n != want || err != nil {
			t.Errorf("%d orders reckoned anew, %v, want %d", n, err, want)
		}
		s.Perform(t)
	}
	if diff := cmp.Diff(money3{1, 269100 - 9010, 1}, books(t, s, shoptest.Distiller)); diff != "" {
		t.Errorf("the book (-want +got):\n%s", diff)
	}
	if p := payouts(t, s, shoptest.Distiller)[0]; p.Reversed != 901 {
		t.Errorf("the payout: %+v", p)
	}

	must(t, s.Bank.Withdraw(account))
	refund(t, s, o, 1000)
	if _, err := s.Settlements.Reclaim(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	s.Perform(t)
	if diff := cmp.Diff(money3{1 - 9000, 269100 - 9010, 1 - 9000}, books(t, s, shoptest.Distiller)); diff != "" {
		t.Errorf("the book after the provider declined (-want +got):\n%s", diff)
	}
	s.Clock.Advance(time.Second)
	received(t, s)
	settle(t, s)
	if p := payouts(t, s, shoptest.Distiller)[0]; p.Amount != 26910-900 || p.State != payout.Paid {
		t.Errorf("the next payout: %+v, want it smaller", p)
	}
	if diff := cmp.Diff(money3{1, 2*269100 - 9010 - 9000, 1}, books(t, s, shoptest.Distiller)); diff != "" {
		t.Errorf("the book in the end (-want +got):\n%s", diff)
	}
}

func TestTheFundIsPaidOnceAMonth(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	received(t, s)
	settle(t, s)
	provider, err := gateway.NewSandbox(s.Bank, s.Bank.Secret())
	must(t, err)
	fundAccount, err := provider.CreateAccount(t.Context(), uuid.New(), options.Mark)
	must(t, err)
	must(t, s.Bank.Onboard(fundAccount.Ref))
	if n, err := s.Settlements.PayFund(t.Context(), discard()); n != 0 || err != nil {
		t.Errorf("without an account %d, %v", n, err)
	}
	s.Settlements = settlement.New(s.DB, provider, settlement.Config{FundAccount: fundAccount.Ref}, options)
	for _, want := range []int{1, 0} {
		if n, err := s.Settlements.PayFund(t.Context(), discard()); n != want || err != nil {
			t.Errorf("%d payouts of the fund, %v, want %d", n, err, want)
		}
		s.Perform(t)
	}
	if got := s.Held(t, payout.FundBank); got != 29900 {
		t.Errorf("the fund's bank holds %d li", got)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
