package voucher_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/voucher"
)

var (
	ann, bob = shoptest.Buyer("ann"), shoptest.Buyer("bob")
	inn      = shoptest.Seller(shoptest.Distiller) // which sells the stays
	other    = shoptest.Seller(shoptest.Miller)
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bought sells ann some stays, and what else is said, and issues the vouchers.
func bought(t *testing.T, s *shoptest.Shop, pairs ...any) order.Order {
	t.Helper()
	c := s.Place(t, "ann", shoptest.Choose(pairs...))
	s.Pay(t, c.PayURL)
	s.Clock.Advance(time.Second)
	_, err := s.Vouchers.IssueDue(t.Context(), 10)
	must(t, err)
	return s.Checkout(t, c).Orders[0]
}

func held(t *testing.T, s *shoptest.Shop, o order.Order) []voucher.Voucher {
	t.Helper()
	p, err := s.Vouchers.OfOrder(t.Context(), ann, o.ID, page.Request{Limit: page.MaxSize})
	must(t, err)
	return p.Data
}

// states are those of an order's vouchers, newest first.
func states(t *testing.T, s *shoptest.Shop, o order.Order) string {
	t.Helper()
	var all []string
	for _, v := range held(t, s, o) {
		all = append(all, string(v.State))
	}
	return strings.Join(all, " ")
}

func redeem(t *testing.T, s *shoptest.Shop, who identity.Caller, code string) error {
	t.Helper()
	_, err := s.Vouchers.Redeem(t.Context(), who, code, request.Claim{}, nil)
	return err
}

func void(t *testing.T, s *shoptest.Shop, o order.Order, line int, quantity int64) error {
	t.Helper()
	return postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		locked, err := order.Lock(t.Context(), tx, o.ID)
		if err != nil {
			return err
		}
		return voucher.Void(t.Context(), tx, locked, line, quantity)
	})
}

func way(t *testing.T, s *shoptest.Shop, o order.Order) fulfilment.Fulfilment {
	t.Helper()
	all, err := postgres.Read(t.Context(), s.DB, func(tx *postgres.Tx) (map[order.ID]fulfilment.Fulfilment, error) {
		return fulfilment.Of(t.Context(), tx, []order.Order{o})
	})
	must(t, err)
	return all[o.ID]
}

func newShop(t *testing.T) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 20)
	return s
}

func TestACodeIsReadAsItWasDrawnAndNoOtherWay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		code := voucher.NewCode()
		for _, typed := range []string{string(code), code.String(), strings.ToLower(code.String()), " " + strings.ReplaceAll(code.String(), "-", " ")} {
			if got, err := voucher.ParseCode(typed); got != code || err != nil {
				t.Fatalf("%q is read as %q, %v", typed, got, err)
			}
		}
		const alphabet = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
		i, j := rapid.IntRange(0, len(code)-1).Draw(t, "where"), rapid.IntRange(0, len(code)-2).Draw(t, "which two")
		wrong, turned := []byte(code), []byte(code)
		wrong[i] = alphabet[rapid.IntRange(0, len(alphabet)-1).Draw(t, "what")]
		turned[j], turned[j+1] = turned[j+1], turned[j]
		for _, typed := range []string{string(wrong), string(turned)} {
			if _, err := voucher.ParseCode(typed); typed != string(code) && !errors.Is(err, voucher.ErrMistyped) {
				t.Fatalf("%q of %q: %v, want %v", typed, code, err, voucher.ErrMistyped)
			}
		}
	})
	for _, typed := range []string{"", "ABC", strings.Repeat("0", 13), strings.Repeat("A", 4000), "\x00\xff"} {
		if _, err := voucher.ParseCode(typed); !errors.Is(err, voucher.ErrMistyped) {
			t.Errorf("%.20q: %v, want %v", typed, err, voucher.ErrMistyped)
		}
	}
}

func TestEachUnitThatIsPaidForHasACodeOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.Place(t, "ann", shoptest.Choose("stay", 1)) // and never paid
	c := s.Place(t, "ann", shoptest.Choose("stay", 3, "liquor", 1, "flour", 1))
	s.Pay(t, c.PayURL)
	pgtest.AtOnce(t, 4, func(int) error { _, err := s.Vouchers.IssueDue(t.Context(), 10); return err })
	if n, err := s.Vouchers.IssueDue(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
	all, err := s.Vouchers.Own(t.Context(), ann, page.Request{})
	must(t, err)
	codes := map[voucher.Code]bool{}
	for _, v := range all.Data {
		codes[v.Code] = true
		if v.State != voucher.Issued || v.ValidUntil != "2027-05-22" || v.Name != "农家院一晚" || v.Line != 1 {
			t.Errorf("issued: %+v", v)
		}
	}
	if len(all.Data) != 3 || len(codes) != 3 {
		t.Errorf("%d vouchers with %d codes for three stays", len(all.Data), len(codes))
	}
	if others, err := s.Vouchers.Own(t.Context(), bob, page.Request{}); err != nil || len(others.Data) != 0 {
		t.Errorf("bob has %+v, %v", others, err)
	}
	if _, err := s.Vouchers.OfOrder(t.Context(), bob, all.Data[0].Order, page.Request{}); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("bob looks at ann's order: %v, want %v", err, order.ErrNotFound)
	}
}

func TestAVoucherIsTakenOnceByItsOwnEnterpriseAndTheLastEndsTheOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := bought(t, s, "stay", 2)
	all := held(t, s, o)
	if err := redeem(t, s, other, all[0].Code.String()); !errors.Is(err, voucher.ErrUnknown) {
		t.Errorf("another enterprise: %v, want %v", err, voucher.ErrUnknown)
	}
	if err := redeem(t, s, inn, string(voucher.NewCode())); !errors.Is(err, voucher.ErrUnknown) {
		t.Errorf("a code of nobody's: %v, want %v", err, voucher.ErrUnknown)
	}
	if err := redeem(t, s, inn, all[0].Code.String()[1:]); !errors.Is(err, voucher.ErrMistyped) {
		t.Errorf("a character too few: %v, want %v", err, voucher.ErrMistyped)
	}
	if n := pgtest.AtOnce(t, 8, func(int) error { return redeem(t, s, inn, all[0].Code.String()) }, voucher.ErrRedeemed); n != 1 {
		t.Errorf("it was taken %d times", n)
	}
	if got := way(t, s, o); got.State != fulfilment.Unfulfilled {
		t.Errorf("with one left the order is %+v", got)
	}
	must(t, redeem(t, s, inn, strings.ToLower(string(all[1].Code))))
	now := s.DB.Now()
	if got := way(t, s, o); got.State != fulfilment.Received || !got.ReceivedAt.Equal(now) || !got.ClosesAt.Equal(now) {
		t.Errorf("with none left the order is %+v, want it received and at its end", got)
	}
}

func TestAVoucherExpiresWhenItsLastDayIsOver(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := bought(t, s, "stay", 2)
	all := held(t, s, o)
	s.Clock.Set(time.Date(2027, 5, 22, 15, 59, 59, 0, time.UTC)) // the last second of it, in the county
	must(t, redeem(t, s, inn, string(all[0].Code)))
	if n, err := s.Vouchers.ExpireDue(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("a second too early: %d, %v", n, err)
	}
	s.Clock.Advance(time.Second)
	if err := redeem(t, s, inn, string(all[1].Code)); !errors.Is(err, voucher.ErrExpired) {
		t.Errorf("before the sweep: %v, want %v", err, voucher.ErrExpired)
	}
	for _, want := range []int{1, 0} {
		if n, err := s.Vouchers.ExpireDue(t.Context(), 10); n != want || err != nil {
			t.Errorf("%d orders, %v; want %d", n, err, want)
		}
	}
	if err := redeem(t, s, inn, string(all[1].Code)); !errors.Is(err, voucher.ErrExpired) {
		t.Errorf("after it: %v, want %v", err, voucher.ErrExpired)
	}
	if got := way(t, s, o); got.State != fulfilment.Received || states(t, s, o) != "redeemed expired" && states(t, s, o) != "expired redeemed" {
		t.Errorf("the order is %s with %s", got.State, states(t, s, o))
	}
}

func TestARefundTakesUnusedVouchersAndNoOthers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := bought(t, s, "stay", 3, "liquor", 1)
	all := held(t, s, o)
	must(t, redeem(t, s, inn, string(all[0].Code)))
	must(t, void(t, s, o, 2, 1)) // liquor has none
	if err := void(t, s, o, 1, 3); !errors.Is(err, voucher.ErrTooFew) {
		t.Errorf("three of two: %v, want %v", err, voucher.ErrTooFew)
	}
	if strings.Contains(states(t, s, o), "void") {
		t.Errorf("a refused refund left %s", states(t, s, o))
	}
	asked := all[1]
	_, err := s.Vouchers.Ask(t.Context(), ann, asked.ID, "2026-12-01", 2)
	must(t, err)
	must(t, void(t, s, o, 1, 1))
	if err := redeem(t, s, inn, string(all[2].Code)); !errors.Is(err, voucher.ErrVoid) {
		t.Errorf("the one without an appointment: %v, want %v", err, voucher.ErrVoid)
	}
	must(t, void(t, s, o, 1, 1))
	for _, v := range held(t, s, o) {
		if v.ID == asked.ID && (v.State != voucher.Voided || v.Appointment.State != voucher.Canceled) {
			t.Errorf("the last is %+v, its appointment %+v", v, v.Appointment)
		}
	}
	if got := way(t, s, o); got.State == fulfilment.Received || got.ServicesAt.IsZero() {
		t.Errorf("the services have ended, the liquor has not come: %+v", got)
	}

	early := s.Place(t, "ann", shoptest.Choose("stay", 2)) // refunded before its vouchers are issued
	s.Pay(t, early.PayURL)
	o = s.Checkout(t, early).Orders[0]
	must(t, void(t, s, o, 1, 1))
	_, err = s.Vouchers.IssueDue(t.Context(), 10)
	must(t, err)
	if got := states(t, s, o); got != "void issued" && got != "issued void" {
		t.Errorf("refunded early: %s", got)
	}
}

func TestALineThatIsGivenBackByAmountBeforeItsVouchersAreIssuedEndsItsServices(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := s.Place(t, "ann", shoptest.Choose("stay", 2, "liquor", 1))
	s.Pay(t, c.PayURL)
	o := s.Checkout(t, c).Orders[0]
	line := slices.IndexFunc(o.Lines, func(l order.Line) bool { return l.VoucherDays > 0 })
	_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, o.ID,
		order.Refunding{Lines: []order.RefundLine{{N: line + 1, Amount: o.Lines[line].Total}}, Reason: "for a test"}, request.Claim{}, nil)
	must(t, err)
	if got := way(t, s, o); got.ServicesAt.IsZero() || states(t, s, o) != "void void" {
		t.Errorf("the services: %+v, its vouchers %s", got, states(t, s, o))
	}
}

// An inn that closes gives back what nobody has slept in yet, and keeps what was.
func TestACanceledOrderGivesBackWhatWasNotUsed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := bought(t, s, "stay", 3)
	must(t, redeem(t, s, inn, string(held(t, s, o)[0].Code)))
	now, err := s.Aftersales.CancelForMerchant(t.Context(), inn, o.ID, "歇业（虚构示例）", request.Claim{}, nil)
	must(t, err)
	if l := now.Lines[0]; l.RefundedQty != 2 || l.Refunded != 2*29900 || now.State != order.Paid {
		t.Errorf("the order is %s, of its line %d pieces and %d fen went back", now.State, l.RefundedQty, l.Refunded)
	}
	if got := strings.Fields(states(t, s, o)); len(got) != 3 || strings.Count(strings.Join(got, " "), "void") != 2 {
		t.Errorf("its vouchers are %s", got)
	}
	if n, err := s.Settlements.CloseDue(t.Context(), 10); n != 1 || err != nil {
		t.Errorf("%d orders settled, %v", n, err)
	}
}

// A buyer gives all of them back for a part of the money: what is left of it is settled.
func TestAnOrderWhoseVouchersAreAllVoidEnds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := bought(t, s, "stay", 2)
	_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, o.ID,
		order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 2, Amount: 100}}, Reason: "for a test"}, request.Claim{}, nil)
	must(t, err)
	if got := way(t, s, o); got.State != fulfilment.Received || !got.ClosesAt.Equal(s.Clock.Now()) || states(t, s, o) != "void void" {
		t.Errorf("it is %+v, its vouchers %s", got, states(t, s, o))
	}
	if n, err := s.Settlements.CloseDue(t.Context(), 10); n != 1 || err != nil {
		t.Errorf("%d orders settled, %v", n, err)
	}
}

func TestADayIsAskedForAndConfirmedDeclinedOrGivenUp(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	v := held(t, s, bought(t, s, "stay", 1))[0]
	ctx := t.Context()
	ask := func(who identity.Caller, day string, people int) (voucher.Appointment, error) {
		s.Clock.Advance(time.Second)
		return s.Vouchers.Ask(ctx, who, v.ID, merchant.Date(day), people)
	}
	for name, tt := range map[string]struct {
		who    identity.Caller
		day    string
		people int
		want   error
	}{
		"another buyer": {bob, "2026-12-01", 2, voucher.ErrUnknown}, "today": {ann, "2026-11-23", 2, voucher.ErrInvalid}, "nobody": {ann, "2026-12-01", 0, voucher.ErrInvalid},
		"a crowd": {ann, "2026-12-01", 100, voucher.ErrInvalid}, "after its last day": {ann, "2027-05-23", 2, voucher.ErrInvalid}, "no day": {ann, "2026-13-40", 2, voucher.ErrInvalid},
	} {
		if _, err := s.Vouchers.Ask(ctx, tt.who, v.ID, merchant.Date(tt.day), tt.people); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	first, err := ask(ann, "2026-12-01", 2)
	must(t, err)
	if _, err := ask(ann, "2026-12-02", 2); !errors.Is(err, voucher.ErrOpen) {
		t.Errorf("a second: %v, want %v", err, voucher.ErrOpen)
	}
	if _, err := s.Vouchers.Confirm(ctx, other, first.ID); !errors.Is(err, voucher.ErrAppointment) {
		t.Errorf("another enterprise: %v, want %v", err, voucher.ErrAppointment)
	}
	if _, err := s.Vouchers.Decline(ctx, inn, first.ID, " "); !errors.Is(err, voucher.ErrInvalid) {
		t.Errorf("without a reason: %v, want %v", err, voucher.ErrInvalid)
	}
	_, err = s.Vouchers.Decline(ctx, inn, first.ID, "当日已满")
	must(t, err)
	second, err := ask(ann, "2026-12-02", 2)
	must(t, err)
	n := pgtest.AtOnce(t, 4, func(int) error { _, err := s.Vouchers.Confirm(ctx, inn, second.ID); return err }, voucher.ErrState)
	if n != 1 {
		t.Errorf("confirmed %d times", n)
	}
	if _, err := s.Vouchers.Cancel(ctx, bob, v.ID); !errors.Is(err, voucher.ErrUnknown) {
		t.Errorf("another buyer: %v, want %v", err, voucher.ErrUnknown)
	}
	s.Clock.Set(time.Date(2026, 12, 1, 15, 59, 59, 0, time.UTC)) // the last second of the day before
	_, err = s.Vouchers.Cancel(ctx, ann, v.ID)
	must(t, err)
	if _, err := s.Vouchers.Cancel(ctx, ann, v.ID); !errors.Is(err, voucher.ErrAppointment) {
		t.Errorf("again: %v, want %v", err, voucher.ErrAppointment)
	}
	third, err := ask(ann, "2026-12-03", 2)
	must(t, err)
	_, err = s.Vouchers.Confirm(ctx, inn, third.ID)
	must(t, err)
	s.Clock.Advance(24 * time.Hour)
	if _, err := s.Vouchers.Cancel(ctx, ann, v.ID); !errors.Is(err, voucher.ErrLate) {
		t.Errorf("on the day: %v, want %v", err, voucher.ErrLate)
	}
	list := func(who identity.Caller, state voucher.AppointmentState) (got []voucher.AppointmentID) {
		p, err := s.Vouchers.Appointments(ctx, who, state, page.Request{})
		must(t, err)
		for _, a := range p.Data {
			got = append(got, a.ID)
		}
		return got
	}
	if diff := cmp.Diff([]voucher.AppointmentID{third.ID, second.ID, first.ID}, list(inn, ""), equal); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]voucher.AppointmentID{third.ID}, list(inn, voucher.Confirmed), equal); diff != "" || list(other, "") != nil {
		t.Errorf("confirmed (-want +got):\n%s", diff)
	}
}

var equal = cmp.Comparer(func(a, b voucher.AppointmentID) bool { return a == b })

func TestTheDatabaseLetsNoVoucherBeUsedTwice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := bought(t, s, "stay", 4)
	at := map[string]uuid.UUID{}
	for i, to := range []string{"issued", "redeemed", "expired", "void"} {
		v := held(t, s, o)[i]
		at[to] = v.ID.UUID()
		if to == "issued" {
			continue
		}
		_, err := s.DB.SQL().ExecContext(context.WithoutCancel(t.Context()), `UPDATE voucher SET state = $1::text, ended_at = now(),
			ended_by = CASE WHEN $1 = 'redeemed' THEN gen_random_uuid() END WHERE id = $2`, to, v.ID.UUID())
		must(t, err)
	}
	pgtest.Moves(t, s.DB, "voucher", `state = $1::text, ended_at = CASE WHEN $1 <> 'issued' THEN now() END,
		ended_by = CASE WHEN $1 = 'redeemed' THEN gen_random_uuid() END`, at, "issued>redeemed", "issued>expired", "issued>void")
}

func TestAVoucherWhoseMoneyWentBackIsNotTaken(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for name, back := range map[string]func(o order.Order){
		"on the provider's own pages": func(o order.Order) {
			s.ByHand(t, "/v1/refunds", url.Values{"payment_intent": {s.PaidAs(t, o.Checkout)}})
			s.Perform(t)
		},
		"by the bank": func(o order.Order) {
			must(t, s.Disputes.Follow(t.Context(), o.Checkout, dispute.Said{
				Provider: "sandbox", Ref: "dp_1", Payment: s.PaidAs(t, o.Checkout), Amount: o.Goods, Currency: "cny", State: dispute.Lost, OpenedAt: pgtest.Noon,
			}))
		},
		"without a number of pieces": func(o order.Order) {
			_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, o.ID, order.Refunding{Lines: []order.RefundLine{{N: 1, Amount: o.Goods}}, Reason: "关门"}, request.Claim{}, nil)
			must(t, err)
		},
	} {
		o := bought(t, s, "stay", 2)
		back(o)
		if err := redeem(t, s, inn, string(held(t, s, o)[0].Code)); !errors.Is(err, voucher.ErrVoid) {
			t.Errorf("all given back %s: %v, want %v", name, err, voucher.ErrVoid)
		}
		if got := states(t, s, o); got != "void void" && name != "by the bank" {
			t.Errorf("all given back %s: %s", name, got)
		}
	}
}
