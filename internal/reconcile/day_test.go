package reconcile_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/reconcile"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

var noon = merchant.DateOf(pgtest.Noon)

// fees are what the provider keeps of what settled sells: 0.6 % of three payments, and 15
// yuan for a dispute.
const fees money.Fen = 3*114 + 1500

// settled is a shop of which an order was paid out, refunded afterwards and taken back,
// one disputed, and one refunded by hand.
func settled(t *testing.T) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 100)
	s.Enable(t, shoptest.Miller.UUID())
	s.Enable(t, shoptest.Distiller.UUID())
	for _, who := range []string{"ann", "bob", "cem"} {
		c := s.Place(t, who, shoptest.Choose("flour", 2, "liquor", 1))
		s.Pay(t, c.PayURL)
		switch who {
		case "ann":
			for _, o := range c.Orders {
				s.Receive(t, o.ID)
			}
			_, err := s.Settlements.CloseDue(t.Context(), 100)
			must(t, err)
			s.Perform(t)
			refund(t, s, c.Orders[0].ID)
			_, err = s.Settlements.Reclaim(t.Context(), 100)
			must(t, err)
		case "bob":
			_, err := s.Bank.Dispute(s.PaidAs(t, c.ID), int64(c.Total()), "fraudulent")
			must(t, err)
		case "cem":
			s.ByHand(t, "/v1/refunds", url.Values{"payment_intent": {s.PaidAs(t, c.ID)}, "amount": {"1000"}})
			refund(t, s, c.Orders[0].ID)
		}
	}
	s.Perform(t)
	return s
}

func refund(t *testing.T, s *shoptest.Shop, oid order.ID) {
	t.Helper()
	_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, oid, order.Refunding{
		Lines: []order.RefundLine{{N: 1, Amount: 500}}, Reason: "damaged",
	}, request.Claim{}, nil)
	must(t, err)
}

// reconciled runs a day once it is over, and gives the open breaks as "kind object".
func reconciled(t *testing.T, s *shoptest.Shop) []string {
	t.Helper()
	if _, err := s.Reconciler.Run(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	p, err := s.Reconciler.Breaks(t.Context(), reconcile.Open, page.Request{Limit: page.MaxSize})
	must(t, err)
	var all []string
	for _, b := range p.Data {
		all = append(all, b.Kind+" "+b.Object)
	}
	slices.Sort(all)
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestADayThatAgreesHasNoBreaks(t *testing.T) {
	t.Parallel()
	s := settled(t)
	if _, err := s.Reconciler.Run(t.Context(), noon); !errors.Is(err, reconcile.ErrDay) {
		t.Errorf("a day that is not over: %v", err)
	}
	s.Clock.Advance(24 * time.Hour)
	if found := reconciled(t, s); len(found) > 0 {
		t.Errorf("breaks: %q", found)
	}
	days, err := s.Reconciler.Days(t.Context(), page.Request{})
	if err != nil || len(days.Data) != 1 || days.Data[0].Entries < 6 || days.Data[0].Open != 0 {
		t.Errorf("the day is %+v, %v", days.Data, err)
	}
	if got := s.Held(t, payout.Fees); got != -fees.Li() || days.Data[0].Fees != fees {
		t.Errorf("the provider kept %s, by the book %s, want %s", days.Data[0].Fees, got, fees)
	}
	for _, want := range []int{0, 3, 0} { // the program was away for three days
		if n, err := s.Reconciler.RunDue(t.Context()); n != want || err != nil {
			t.Errorf("%d days were due, %v, want %d", n, err, want)
		}
		if want == 0 {
			s.Clock.Advance(72 * time.Hour)
		}
	}
}

// TestARefundThatIsTriedAnewIsNoBreak: its first attempt went, and came back.
func TestARefundThatIsTriedAnewIsNoBreak(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 100)
	c := s.Place(t, "ann", shoptest.Choose("flour", 2))
	s.Pay(t, c.PayURL)
	s.Bank.SetRefunds(sandbox.RefundsFail)
	refund(t, s, c.Orders[0].ID)
	s.Perform(t)
	s.Bank.SetRefunds(sandbox.RefundsArrive)
	for _, r := range s.Repayments(t, c.ID) {
		_, err := s.Services.Repayments.Retry(t.Context(), shoptest.Operator, r.ID, request.Claim{}, nil)
		must(t, err)
	}
	s.Perform(t)
	s.Clock.Advance(24 * time.Hour)
	if found := reconciled(t, s); len(found) > 0 {
		t.Errorf("breaks: %q", found)
	}
}

// TestEachPlantedBreakIsFoundAndNamed: one wrong of each kind, and what is said of it.
func TestEachPlantedBreakIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	s := settled(t)
	db := pgtest.Tamper(t, s.DB)
	one := func(query string) (name string) {
		t.Helper()
		must(t, db.QueryRowContext(t.Context(), query).Scan(&name))
		return name
	}
	do := func(query string, args ...any) {
		t.Helper()
		_, err := db.ExecContext(t.Context(), query, args...)
		must(t, err)
	}
	account := one(`SELECT ref FROM payee WHERE ref <> '' LIMIT 1`)
	var want []string

	sent := s.ByHand(t, "/v1/transfers", url.Values{"amount": {"70"}, "currency": {"cny"}, "destination": {account}})
	back := s.ByHand(t, "/v1/transfers/"+sent+"/reversals", url.Values{"amount": {"20"}})
	want = append(want, "transfer_unknown transfer:"+sent, "reversal_unknown reversal:"+back)

	// A page that bears our mark, for a checkout that we do not know, and one of another program's.
	for _, mark := range []string{"shop.test/log", "another program"} {
		page := s.ByHand(t, "/v1/checkout/sessions", url.Values{
			"mode": {"payment"}, "client_reference_id": {uuid.NewString()}, "success_url": {"https://shop.example"}, "cancel_url": {"https://shop.example"}, "payment_method_types[0]": {"card"},
			"line_items[0][quantity]": {"1"}, "line_items[0][price_data][currency]": {"cny"}, "line_items[0][price_data][unit_amount]": {"100"},
			"line_items[0][price_data][product_data][name]": {"?"}, "metadata[shop]": {mark}, "metadata[buyer]": {uuid.NewString()},
		})
		_, err := s.Bank.Pay(page, "")
		must(t, err)
	}

	paid := one(`SELECT payment FROM payment_intent WHERE id = (SELECT checkout_id FROM dispute)`)
	do(`UPDATE payment_intent SET amount_fen = amount_fen + 1 WHERE payment = $1`, paid)
	want = append(want, "payment_amount payment:"+paid, "payment_book payment:"+paid)

	ref := one(`SELECT ref FROM refund WHERE ref <> '' AND reason = 'damaged' LIMIT 1`)
	do(`UPDATE refund SET ref = 're_nowhere' WHERE ref = $1`, ref)
	want = append(want, "refund_unknown refund:"+ref, "refund_absent refund:re_nowhere")

	out := one(`SELECT ref FROM payout WHERE ref <> '' ORDER BY id LIMIT 1`)
	do(`ALTER TABLE move DISABLE TRIGGER USER`)
	do(`UPDATE move SET amount_li = amount_li + 10 WHERE transfer_id = (SELECT id FROM transfer WHERE kind = 'payout' AND ref = (SELECT id::text FROM payout WHERE ref = $1))`, out)
	want = append(want, "transfer_book transfer:"+out)

	s.Clock.Advance(24 * time.Hour)
	found := reconciled(t, s)
	stray := slices.DeleteFunc(slices.Clone(found), func(b string) bool { return !strings.HasPrefix(b, "payment_unknown payment:pi_") })
	if len(stray) != 1 {
		t.Errorf("of a payment for nothing that we know: %q", stray)
	}
	want = append(want, stray...)
	slices.Sort(want)
	if got := s.Held(t, payout.Fees); got != -fees.Li() {
		t.Errorf("%s of fees are booked, want %s: those of other programs' payments are theirs", got, fees)
	}
	if !slices.Equal(found, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}

	// Somebody takes one, and resolves it; one goes away by itself.
	p, err := s.Reconciler.Breaks(t.Context(), reconcile.Open, page.Request{})
	must(t, err)
	b := p.Data[0]
	if taken, err := s.Reconciler.Take(t.Context(), shoptest.Operator, b.ID); err != nil || taken.Owner != shoptest.Operator.Account {
		t.Errorf("taken: %+v, %v", taken, err)
	}
	if _, err := s.Reconciler.Resolve(t.Context(), shoptest.Operator, b.ID, " "); !errors.Is(err, reconcile.ErrReason) {
		t.Errorf("resolved without a word: %v", err)
	}
	if done, err := s.Reconciler.Resolve(t.Context(), shoptest.Operator, b.ID, "sent by hand, and asked for"); err != nil || done.State != reconcile.Resolved {
		t.Errorf("resolved: %+v, %v", done, err)
	}
	if _, err := s.Reconciler.Resolve(t.Context(), shoptest.Operator, b.ID, "again"); !errors.Is(err, reconcile.ErrState) {
		t.Errorf("resolved twice: %v", err)
	}
	do(`UPDATE payment_intent SET amount_fen = amount_fen - 1 WHERE payment = $1`, paid)
	do(`UPDATE move SET amount_li = amount_li + 10 WHERE what = 'fee'`)
	left := reconciled(t, s)
	if !slices.Contains(left, "fee_book fee:"+string(noon)) {
		t.Errorf("a fee was booked that was not kept, and left are\n%s", strings.Join(left, "\n"))
	}
	if slices.Contains(left, b.Kind+" "+b.Object) || slices.Contains(left, "payment_amount payment:"+paid) || len(left) < len(want)-3 {
		t.Errorf("open afterwards:\n%s", strings.Join(left, "\n"))
	}
}
