package settlement_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
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
var options = settlement.Options{Mark: "shop.test/log"}

func newShop(t testing.TB) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 100)
	return s
}

// enabled opens the payout account of an enterprise, whose holder says who he is.
func enabled(t testing.TB, s *shoptest.Shop, m merchant.ID) string {
	t.Helper()
	o, err := s.Payees.Onboard(t.Context(), shoptest.Seller(m), m)
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
	a, err := s.Payees.Account(t.Context(), shoptest.Seller(m), m)
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
	if _, err := s.Payees.Onboard(t.Context(), shoptest.Seller(shoptest.Miller), shoptest.Distiller); !errors.Is(err, merchant.ErrUnknown) {
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

// copied are n orders like one that was received, which were received a second before it.
func copied(t testing.TB, s *shoptest.Shop, o order.Order, n int) map[order.ID]bool {
	t.Helper()
	rows, err := pgtest.Owner(t, s.DB).QueryContext(t.Context(), `WITH n AS (
			SELECT gen_random_uuid() AS c, gen_random_uuid() AS o FROM generate_series(1, $2::integer)
		), c AS (
			INSERT INTO checkout (buyer_id, id, state, merchants, goods_fen, shipping_fen, placed_at, expires_at)
			SELECT buyer_id, c, 'placed', merchants, goods_fen, shipping_fen, placed_at, expires_at FROM n, checkout WHERE id = $3
		), o AS (
			INSERT INTO orders (merchant_id, id, checkout_id, buyer_id, merchant, state, goods_fen, shipping_fen, placed_at)
			SELECT merchant_id, o, c, buyer_id, merchant, 'placed', goods_fen, shipping_fen, placed_at FROM n, orders WHERE id = $1 RETURNING merchant_id, id
		), f AS (
			INSERT INTO fulfilment (merchant_id, order_id, state, created_at) SELECT merchant_id, id, 'unfulfilled', now() FROM o
		) SELECT o FROM n`, o.ID, n, o.Checkout)
	must(t, err)
	defer func() { _ = rows.Close() }()
	all := make(map[order.ID]bool)
	for rows.Next() {
		var oid uuid.UUID
		must(t, rows.Scan(&oid))
		all[id.From[order.Order](oid)] = true
	}
	must(t, rows.Err())
	for _, update := range []string{
		`UPDATE orders SET state = 'paid', paid_at = placed_at WHERE state = 'placed' AND merchant_id = $1`,
		`UPDATE fulfilment SET state = 'received', received_at = now.at, closes_at = now.at
			FROM (SELECT min(received_at) - interval '1 second' AS at FROM fulfilment) now WHERE state = 'unfulfilled' AND merchant_id = $1`,
	} {
		_, err := pgtest.Owner(t, s.DB).ExecContext(t.Context(), update, o.Merchant)
		must(t, err)
	}
	return all
}

func TestWhatWaitsKeepsNobodyBehindItWaiting(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	enabled(t, s, shoptest.Distiller)
	o := received(t, s)
	held := copied(t, s, o, 250)
	waiting := options
	waiting.Blocked = []settlement.Blocked{func(context.Context, *postgres.Tx, []order.Order) (map[order.ID]bool, error) { return held, nil }}
	provider, err := gateway.NewSandbox(s.Bank, s.Bank.Secret())
	must(t, err)
	s.Settlements = settlement.New(s.DB, provider, settlement.Config{}, waiting)
	if n := settle(t, s); n != 1 {
		t.Errorf("%d orders settled behind 250 that are held, a hundred at a time", n)
	}
	if all := payouts(t, s, shoptest.Distiller); len(all) != 1 || all[0].Order != o.ID {
		t.Errorf("payouts: %+v", all)
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
	must(t, s.Payees.Refresh(t.Context(), shoptest.Distiller.UUID()))
	if _, err := retry(t, s, failed.ID); !errors.Is(err, payout.ErrDisabled) {
		t.Errorf("retry while the account is closed: %v", err)
	}
	must(t, s.Bank.Onboard(account))
	s.Clock.Advance(2 * time.Hour)
	n, err := s.Payees.RefreshStale(t.Context(), time.Hour, 10)
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
	must(t, s.Bank.Suspend(fundAccount.Ref))
	if n, err := s.Settlements.PayFund(t.Context(), discard()); n != 1 || err != nil {
		t.Errorf("%d payouts of the fund that the provider will decline, %v", n, err)
	}
	s.Perform(t)
	declined, err := s.Settlements.PayoutsIn(t.Context(), payout.Failed, page.Request{Limit: 10})
	if err != nil || len(declined.Data) != 1 {
		t.Fatalf("declined: %+v, %v", declined, err)
	}
	must(t, s.Bank.Onboard(fundAccount.Ref))
	s.Clock.Advance(31 * 24 * time.Hour) // the next month pays what the last could not
	for _, want := range []int{1, 0} {
		if n, err := s.Settlements.PayFund(t.Context(), discard()); n != want || err != nil {
			t.Errorf("%d payouts of the fund, %v, want %d", n, err, want)
		}
		s.Perform(t)
	}
	if got := s.Held(t, payout.FundBank); got != 29900 {
		t.Errorf("the fund's bank holds %d li", got)
	}
	if _, err := retry(t, s, declined.Data[0].ID); !errors.Is(err, payout.ErrState) {
		t.Errorf("pay the last month's once more: %v", err)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
