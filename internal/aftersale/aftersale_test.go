package aftersale_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/trail"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

const pieces = 10

func newShop(t testing.TB) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, pieces)
	return s
}

// sell sells ann what she chooses: one order for each enterprise.
func sell(t testing.TB, s *shoptest.Shop, pairs ...any) []order.Order {
	t.Helper()
	c := s.Place(t, "ann", shoptest.Choose(pairs...))
	s.Pay(t, c.PayURL)
	return s.Checkout(t, c).Orders
}

// of is the order of an enterprise.
func of(orders []order.Order, m merchant.ID) order.Order {
	return orders[slices.IndexFunc(orders, func(o order.Order) bool { return o.Merchant == m })]
}

// ask asks for a refund, as an operator.
func ask(ctx context.Context, s *shoptest.Shop, o order.Order, r order.Refunding) (aftersale.Sale, error) {
	return s.Aftersales.Refund(ctx, shoptest.Operator, o.ID, r, request.Claim{}, nil)
}

// give asks for a refund that must be given.
func give(t testing.TB, s *shoptest.Shop, o order.Order, r order.Refunding) aftersale.Sale {
	t.Helper()
	r.Reason = "one bag was torn"
	got, err := ask(t.Context(), s, o, r)
	if err != nil {
		t.Fatalf("refund %+v: %v", r, err)
	}
	return got
}

// standing is everything that a refund moves, wherever it stands.
type standing struct {
	State           order.State
	Goods, Shipping money.Fen // given back, by the order
	Quantities      []int64   // given back, by line
	Refunds         int       // by the list of them
	Asked           money.Fen // of the provider
	Fund, Payable   money.Li
	Provider        money.Li
	Shelf           int64 // of flour
	Leaves          int64 // that wait for the log
	Trail           int
}

func stand(t testing.TB, s *shoptest.Shop, oid order.ID) standing {
	t.Helper()
	o, err := s.Aftersales.AnyOrder(t.Context(), oid)
	if err != nil {
		t.Fatalf("read the order: %v", err)
	}
	now := standing{
		State: o.State, Goods: o.Returned(), Shipping: o.ShippingRefunded, Refunds: len(o.Refunds),
		Fund: s.Held(t, fund.Pending), Payable: s.Held(t, o.Payable()), Provider: s.Held(t, order.Provider), Shelf: s.Pieces(t, "flour")[0],
	}
	for _, l := range o.Lines {
		now.Quantities = append(now.Quantities, l.RefundedQty)
	}
	for _, r := range s.Repayments(t, o.Checkout) {
		now.Asked += r.Amount
	}
	now.Leaves, err = s.Transparency.Waiting(t.Context())
	if err != nil {
		t.Fatalf("count the leaves: %v", err)
	}
	now.Trail = len(told(t, s, oid))
	return now
}

// told is what the trail says of an order.
func told(t testing.TB, s *shoptest.Shop, oid order.ID) []trail.Entry {
	t.Helper()
	all, err := s.Trail.Entries(t.Context(), page.Request{}, trail.Filter{Object: "order:" + oid.String()})
	if err != nil {
		t.Fatalf("read the trail: %v", err)
	}
	return all.Data
}

// stands compares everything that a refund moves with what it should be.
func stands(t testing.TB, s *shoptest.Shop, oid order.ID, when string, want standing) {
	t.Helper()
	if diff := cmp.Diff(want, stand(t, s, oid)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

func TestARefundMovesGoodsMoneyAndExactlyTheirTenth(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := sell(t, s, "flour", 3)[0]
	want := standing{
		State: order.Paid, Quantities: []int64{0}, Fund: 9900, Payable: 99000 - 9900, Provider: -99000, Shelf: pieces - 3, Leaves: 1,
	}
	stands(t, s, o.ID, "sold", want)

	got := give(t, s, o, order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Restock: true})

	if len(got.Refunds) != 1 || got.Refunds[0].Goods != 3300 || got.Returned() != 3300 || !got.Refunds[0].At.Equal(s.DB.Now()) {
		t.Errorf("one bag back: %+v", got)
	}
	want.Goods, want.Quantities, want.Refunds, want.Asked = 3300, []int64{1}, 1, 3300
	want.Fund, want.Payable, want.Provider = 6600, 66000-6600, -66000
	want.Shelf, want.Leaves, want.Trail = pieces-2, 2, 1
	stands(t, s, o.ID, "one bag back", want)

	// A reduction of the price brings nothing onto the shelf, and 7 fen have a tenth, too.
	give(t, s, o, order.Refunding{Lines: []order.RefundLine{{N: 1, Amount: 7}}, Restock: true})
	want.Goods, want.Refunds, want.Asked = 3307, 2, 3307
	want.Fund, want.Payable, want.Provider = 6593, 65930-6593, -65930
	want.Leaves, want.Trail = 3, 2
	stands(t, s, o.ID, "and seven fen", want)

	// Goods that cannot be sold again do not come back onto the shelf.
	give(t, s, o, order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 2}}})
	want.State, want.Goods, want.Quantities, want.Refunds, want.Asked = order.Refunded, 9900, []int64{3}, 3, 9900
	want.Fund, want.Payable, want.Provider = 0, 0, 0
	want.Leaves, want.Trail = 4, 3
	stands(t, s, o.ID, "and the rest", want)

	s.Perform(t)
	for _, r := range s.Repayments(t, o.Checkout) {
		if r.Ref == "" || r.State != gateway.RefundSucceeded {
			t.Errorf("at the provider: %+v", r)
		}
	}
	st, err := s.Fund.Statement(t.Context())
	if diff := cmp.Diff(fund.Statement{Orders: 1, RefundFen: 9900, ReturnedLi: 9900}, st); diff != "" || err != nil {
		t.Errorf("statement (-want +got):\n%s%v", diff, err)
	}
}

func TestARefundThatFailsAtAnyStepChangesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := sell(t, s, "flour", 3)[0]
	owner := pgtest.Owner(t, s.DB)
	r := order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Restock: true, Reason: "one bag was torn"}
	before := stand(t, s, o.ID)
	for _, table := range []string{"orders", "order_line", "order_refund", "payment_intent", "refund", "stock", "transfer", "move", "log_pending", "trail_entry"} {
		// From now on the table takes no row, old or new.
		if _, err := owner.ExecContext(t.Context(), "ALTER TABLE "+table+" ADD CONSTRAINT broken CHECK (false) NOT VALID"); err != nil {
			t.Fatal(err)
		}
		if _, err := ask(t.Context(), s, o, r); !postgres.Violates(err, "broken") {
			t.Errorf("%s takes nothing, and the refund came to %v", table, err)
		}
		if _, err := owner.ExecContext(t.Context(), "ALTER TABLE "+table+" DROP CONSTRAINT broken"); err != nil {
			t.Fatal(err)
		}
		stands(t, s, o.ID, table+" takes nothing", before)
	}
	s.Perform(t)
	stands(t, s, o.ID, "no job was left", before)
	give(t, s, o, r)
}

// Whatever is given back first, by the piece or by the fen, the book never loses
// or invents a li: the fund holds one tenth of what stays sold, and nothing at the end.
func TestPartialRefundsInAnyOrderSumExactly(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 1000) // of which no sequence sees the end
	rapid.Check(t, func(r *rapid.T) {
		before, owed := s.Held(t, fund.Pending), s.Held(t, ledger.Payable(shoptest.Distiller.UUID()))
		o := sell(t, s, "liquor", rapid.IntRange(1, 4).Draw(r, "bottles"), "stay", rapid.IntRange(1, 3).Draw(r, "nights"))[0]
		back := money.Fen(0)
		comesBack := func(amount money.Fen, lines ...order.RefundLine) {
			o = give(t, s, o, order.Refunding{Lines: lines, Restock: true}).Order
			back += amount
			if got := o.Returned(); got != back {
				r.Fatalf("%d fen came back, want %d", got, back)
			}
			if got := s.Held(t, fund.Pending) - before; got != (o.Goods - back).Tenth() {
				r.Fatalf("the fund holds %d li of %d fen that stay sold", got, o.Goods-back)
			}
		}
		for range rapid.IntRange(1, 3).Draw(r, "parts") {
			if l := rapid.SampledFrom(o.Lines).Draw(r, "of"); l.Refunded < l.Total {
				part, amount := drawPart(r, l)
				comesBack(amount, part)
			}
		}
		var rest []order.RefundLine
		for _, l := range o.Lines {
			if l.Refunded < l.Total {
				rest = append(rest, order.RefundLine{N: l.N, Quantity: l.Quantity - l.RefundedQty, Amount: l.Total - l.Refunded})
			}
		}
		if len(rest) > 0 {
			comesBack(o.Goods-back, rest...)
		}
		asked := money.Fen(0)
		for _, each := range s.Repayments(t, o.Checkout) {
			asked += each.Amount
		}
		if got := s.Held(t, o.Payable()); o.State != order.Refunded || got != owed || asked != o.Goods {
			r.Fatalf("after everything the order is %s, the merchant is owed %d li, and %d of %d fen were asked of the provider", o.State, got-owed, asked, o.Goods)
		}
	})
}

// drawPart draws some of what is left of a line, and says what it is worth.
func drawPart(r *rapid.T, l order.Line) (order.RefundLine, money.Fen) {
	left := l.Total - l.Refunded
	part := order.RefundLine{N: l.N, Quantity: rapid.Int64Range(0, l.Quantity-l.RefundedQty).Draw(r, "pieces")}
	if part.Quantity == 0 || rapid.Bool().Draw(r, "by the fen") {
		part.Amount = money.Fen(rapid.Int64Range(1, int64(left)).Draw(r, "fen"))
		return part, part.Amount
	}
	return part, min(l.Price*money.Fen(part.Quantity), left)
}

// down is the way to a provider that is away.
type down struct{}

func (down) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no route to host")
}

// sellShipped is sell of flour whose order bears a shipping fee, which no shop asks
// for yet: it is written down while the provider is away, and paid when it is back.
func sellShipped(t testing.TB, s *shoptest.Shop, bags int, fee money.Fen) order.Order {
	t.Helper()
	provider, err := gateway.NewSandbox(down{}, "secret")
	if err != nil {
		t.Fatal(err)
	}
	orders := order.New(s.DB, payment.New(s.DB, provider, payment.Shop{}), slog.New(slog.DiscardHandler))
	c, err := orders.Place(t.Context(), shoptest.Buyer("ann"), shoptest.Choose("flour", bags), request.Claim{}, nil)
	if err != nil {
		t.Fatalf("place: %v", err)
	}
	owner := pgtest.Owner(t, s.DB)
	for _, statement := range []string{
		"UPDATE checkout SET shipping_fen = $2 WHERE id = $1", "UPDATE orders SET shipping_fen = $2 WHERE checkout_id = $1",
		"UPDATE payment_intent SET amount_fen = amount_fen + $2 WHERE id = $1",
	} {
		if _, err := owner.ExecContext(t.Context(), statement, c.ID.UUID(), int64(fee)); err != nil {
			t.Fatal(err)
		}
	}
	s.Clock.Advance(time.Second)
	if n, err := s.Payments.OpenForgotten(t.Context(), 0, 1); n != 1 || err != nil {
		t.Fatalf("%d payments were opened, %v", n, err)
	}
	s.Pay(t, s.Checkout(t, c).PayURL)
	return s.Checkout(t, c).Orders[0]
}

func TestShippingComesBackWithoutATenth(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := sellShipped(t, s, 1, 800)
	want := standing{
		State: order.Paid, Quantities: []int64{0}, Fund: 3300, Payable: 33000 + 8000 - 3300, Provider: -41000, Shelf: pieces - 1, Leaves: 1,
	}
	stands(t, s, o.ID, "sold and shipped", want)

	give(t, s, o, order.Refunding{Shipping: 500})
	want.Shipping, want.Refunds, want.Asked, want.Leaves, want.Trail = 500, 1, 500, 2, 1
	want.Payable, want.Provider = 33000+3000-3300, -36000
	stands(t, s, o.ID, "a part of the shipping back", want)

	if _, err := ask(t.Context(), s, o, order.Refunding{Shipping: 301, Reason: "late"}); !errors.Is(err, order.ErrRefundLimit) {
		t.Errorf("more than is left of the shipping: %v, want %v", err, order.ErrRefundLimit)
	}
	stands(t, s, o.ID, "more than is left", want)

	give(t, s, o, order.Refunding{Shipping: 300, Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Restock: true})
	want = standing{
		State: order.Refunded, Goods: 3300, Shipping: 800, Quantities: []int64{1}, Refunds: 2, Asked: 4100, Shelf: pieces, Leaves: 3, Trail: 2,
	}
	stands(t, s, o.ID, "everything back", want)
}

// Whoever gives the goods of an order back, at once or in parts, before anything of it has left,
// leaves an order that ends: the enterprise gets what was not refunded.
func TestAnOrderOfWhichNothingIsLeftToShipEnds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	seller := shoptest.Seller(shoptest.Miller)
	for name, tt := range map[string]struct {
		packed  bool
		refunds [][]order.RefundLine
		due     money.Li
	}{
		"all pieces at once":             {false, [][]order.RefundLine{{{N: 1, Quantity: 2}}}, 8000},
		"one after the other, packed":    {true, [][]order.RefundLine{{{N: 1, Quantity: 1}}, {{N: 1, Quantity: 1}}}, 8000},
		"every fen, whatever the pieces": {false, [][]order.RefundLine{{{N: 1, Amount: 6600}}}, 8000},
		"all pieces for a part of it":    {false, [][]order.RefundLine{{{N: 1, Quantity: 2, Amount: 6500}}}, 8000 + 900},
	} {
		o := sellShipped(t, s, 2, 800)
		if tt.packed {
			if _, err := s.Fulfilment.Pack(t.Context(), seller, o.ID); err != nil {
				t.Fatalf("%s: pack: %v", name, err)
			}
		}
		before := s.Held(t, o.Payable())
		for i, lines := range tt.refunds {
			if n, err := s.Settlements.CloseDue(t.Context(), 10); n != 0 || err != nil {
				t.Errorf("%s: %d orders settled before refund %d, %v", name, n, i, err)
			}
			give(t, s, o, order.Refunding{Lines: lines, Restock: true})
		}
		if _, err := s.Fulfilment.Pack(t.Context(), seller, o.ID); !errors.Is(err, fulfilment.ErrState) {
			t.Errorf("%s: it is packed afterwards: %v", name, err)
		}
		if now, err := s.Aftersales.Order(t.Context(), ann, o.ID); err != nil || now.State != order.Paid || now.Way.State != fulfilment.Received || len(now.Next(lifecycle.Buyer)) != 0 {
			t.Errorf("%s: the order is %s and %s, its buyer may %v, %v", name, now.State, now.Way.State, now.Next(lifecycle.Buyer), err)
		}
		if n, err := s.Settlements.CloseDue(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("%s: %d orders settled, %v", name, n, err)
		}
		if got := before - s.Held(t, o.Payable()); got != 66000-6600-tt.due+8000 {
			t.Errorf("%s: the enterprise lost %d li", name, got)
		}
	}
	whole := sellShipped(t, s, 1, 500)
	c, err := s.Aftersales.Cancel(t.Context(), ann, whole.ID, request.Claim{}, nil)
	if err != nil || c.State != order.Refunded || c.ShippingRefunded != 500 {
		t.Errorf("canceled before it shipped, it is %s with %d fen of the shipping back, %v", c.State, c.ShippingRefunded, err)
	}
}

// The other order of the checkout leaves room in the payment, so that only what
// the line itself remembers stands between two refunds and too much money.
func TestManyRefundsAtOnceNeverGiveALineBackTwice(t *testing.T) {
	t.Parallel()
	const bags, times = 3, 12
	s := newShop(t)
	o := of(sell(t, s, "flour", bags, "stay", 1), shoptest.Miller)
	given := pgtest.AtOnce(t, times, func(int) error {
		_, err := ask(t.Context(), s, o, order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Restock: true, Reason: "damaged"})
		return err
	}, order.ErrRefundLimit, order.ErrState)
	if given != bags {
		t.Errorf("%d refunds were given, want %d", given, bags)
	}
	stands(t, s, o.ID, "after all of them", standing{
		State: order.Refunded, Goods: 9900, Quantities: []int64{bags}, Refunds: bags, Asked: 9900,
		Fund: 29900, Provider: -299000, Shelf: pieces, Leaves: 2 + bags, Trail: bags,
	})
}

func TestTheSameKeyIsOneRefund(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := sell(t, s, "flour", 5)[0]
	claim := request.Claim{Caller: shoptest.Operator.Account.UUID(), Operation: "refundOrder", Key: "torn-bag-17", Hash: sha256.Sum256([]byte("one bag"))}
	ask := func(claim request.Claim) ([]byte, error) {
		var answer []byte
		_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, o.ID,
			order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Restock: true, Reason: "one bag was torn"}, claim,
			func(c aftersale.Sale) (request.Answer, error) {
				answer = []byte(c.Refunds[len(c.Refunds)-1].ID.String())
				return request.Answer{Status: http.StatusCreated, Body: answer}, nil
			})
		if replay := (*request.ReplayError)(nil); errors.As(err, &replay) && replay.Status == http.StatusCreated {
			return replay.Body, nil
		}
		return answer, err
	}
	answers := make([][]byte, 8)
	pgtest.AtOnce(t, len(answers), func(i int) (err error) {
		answers[i], err = ask(claim)
		return err
	})
	for _, again := range answers {
		if len(again) == 0 || !bytes.Equal(again, answers[0]) {
			t.Errorf("the same request was answered %q and %q", answers[0], again)
		}
	}
	want := standing{
		State: order.Paid, Goods: 3300, Quantities: []int64{1}, Refunds: 1, Asked: 3300,
		Fund: 4 * 3300, Payable: 4 * (33000 - 3300), Provider: -4 * 33000, Shelf: pieces - 4, Leaves: 2, Trail: 1,
	}
	stands(t, s, o.ID, "eight times one key", want)

	other := claim
	other.Hash = sha256.Sum256([]byte("two bags"))
	if _, err := ask(other); !errors.Is(err, request.ErrReused) {
		t.Errorf("the key with another request: %v, want %v", err, request.ErrReused)
	}
	stands(t, s, o.ID, "the key with another request", want)

	s.Clock.Advance(time.Second)
	other.Key = "torn-bag-18"
	if answer, err := ask(other); err != nil || bytes.Equal(answer, answers[0]) {
		t.Errorf("another key: %q, %v, want another refund than %q", answer, err, answers[0])
	}
}

func TestNobodySeesWhatWasGivenBackToAnother(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := of(sell(t, s, "flour", 2, "stay", 1), shoptest.Miller)
	given := give(t, s, o, order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}})
	var missing order.ID
	anybody := func(ctx context.Context, _ identity.Caller, oid order.ID) (aftersale.Sale, error) {
		return s.Aftersales.AnyOrder(ctx, oid)
	}
	for _, tt := range []struct {
		who    string
		read   func(context.Context, identity.Caller, order.ID) (aftersale.Sale, error)
		caller identity.Caller
		order  order.ID
		sees   bool
	}{
		{"the buyer", s.Aftersales.Order, shoptest.Buyer("ann"), o.ID, true},
		{"another buyer", s.Aftersales.Order, shoptest.Buyer("bob"), o.ID, false},
		{"nobody", s.Aftersales.Order, identity.Caller{}, o.ID, false},
		{"the seller as a buyer", s.Aftersales.Order, shoptest.Seller(shoptest.Miller), o.ID, false},
		{"an operator as a buyer", s.Aftersales.Order, shoptest.Operator, o.ID, false},
		{"the buyer of an order that is not there", s.Aftersales.Order, shoptest.Buyer("ann"), missing, false},
		{"the seller", s.Aftersales.MerchantOrder, shoptest.Seller(shoptest.Miller), o.ID, true},
		{"the seller of the rest of the checkout", s.Aftersales.MerchantOrder, shoptest.Seller(shoptest.Distiller), o.ID, false},
		{"the buyer as a seller", s.Aftersales.MerchantOrder, shoptest.Buyer("ann"), o.ID, false},
		{"an operator as a seller", s.Aftersales.MerchantOrder, shoptest.Operator, o.ID, false},
		{"an auditor", anybody, identity.Caller{}, o.ID, true},
		{"an auditor of an order that is not there", anybody, identity.Caller{}, missing, false},
	} {
		got, err := tt.read(t.Context(), tt.caller, tt.order)
		if tt.sees && (err != nil || got.ID != o.ID || len(got.Refunds) != 1 || got.Refunds[0].ID != given.Refunds[0].ID) {
			t.Errorf("%s sees %+v, %v", tt.who, got, err)
		}
		if !tt.sees && (!errors.Is(err, order.ErrNotFound) || !got.ID.IsZero() || len(got.Refunds) != 0) {
			t.Errorf("%s sees %+v, %v, want %v", tt.who, got, err, order.ErrNotFound)
		}
	}
}

func TestRefundsAreListedByOrderOldestFirst(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	both := sell(t, s, "flour", 3, "liquor", 2)
	sell(t, s, "flour", 1) // which nobody asks for
	flour, liquor := of(both, shoptest.Miller), of(both, shoptest.Distiller)
	want := map[order.ID][]money.Fen{flour.ID: {3300, 5}, liquor.ID: {12345}}
	give(t, s, flour, order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}})
	s.Clock.Advance(time.Second)
	give(t, s, liquor, order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}})
	s.Clock.Advance(time.Second)
	give(t, s, flour, order.Refunding{Lines: []order.RefundLine{{N: 1, Amount: 5}}})

	all, err := postgres.Read(t.Context(), s.DB, func(tx *postgres.Tx) (map[order.ID][]order.Refund, error) {
		return aftersale.Refunds(t.Context(), tx, both)
	})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[order.ID][]money.Fen)
	for oid, refunds := range all {
		for _, r := range refunds {
			got[oid] = append(got[oid], r.Goods)
			if r.Order != oid || len(r.Lines) != 1 || r.Lines[0].Amount != r.Goods || r.Reason != "one bag was torn" || r.Actor != shoptest.Operator.Account {
				t.Errorf("of order %s: %+v", oid, r)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refunds (-want +got):\n%s", diff)
	}
}

func TestARefundSaysWhy(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := sell(t, s, "flour", 3)[0]
	before := stand(t, s, o.ID)
	r := order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}}
	for _, r.Reason = range []string{"", " ", "\n\t\u3000"} {
		_, err := ask(t.Context(), s, o, r)
		if f := fault.Of(err); !errors.Is(err, order.ErrReason) || len(f.Fields) != 1 || f.Fields[0].Pointer != "/reason" {
			t.Errorf("because of %q: %+v, want %v at /reason", r.Reason, err, order.ErrReason)
		}
	}
	stands(t, s, o.ID, "without a reason", before)
	r.Reason = "  到货破损\n"
	if got, err := ask(t.Context(), s, o, r); err != nil || got.Refunds[0].Reason != "到货破损" {
		t.Errorf("with a reason: %+v, %v", got.Refunds, err)
	}
}

func TestARefundIsInTheTrailAndTellsNothingOfTheBuyer(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := sellShipped(t, s, 2, 800)
	if _, err := ask(t.Context(), s, o, order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 3}}, Reason: "too many"}); !errors.Is(err, order.ErrRefundLimit) {
		t.Fatalf("too many: %v, want %v", err, order.ErrRefundLimit)
	}
	got := give(t, s, o, order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Shipping: 300})

	entries := told(t, s, o.ID)
	if len(entries) != 1 {
		t.Fatalf("%d entries, want the one of the refund that was given: %+v", len(entries), entries)
	}
	e := entries[0]
	if e.Operation != "order.refund" || e.Actor != shoptest.Operator.Account.UUID() || !e.At.Equal(s.DB.Now()) {
		t.Errorf("entry: %+v", e)
	}
	want := map[string]any{"refund": got.Refunds[0].ID.String(), "goods_fen": 3300.0, "shipping_fen": 300.0, "reason": "one bag was torn"}
	if diff := cmp.Diff(want, e.Detail); diff != "" {
		t.Errorf("detail (-want +got):\n%s", diff)
	}
}

func TestOnlyAPaidOrderGivesAnythingBack(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	whole := order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: "changed my mind", Restock: true}
	placed := s.Place(t, "ann", shoptest.Choose("flour", 1))
	canceled := s.Place(t, "bob", shoptest.Choose("flour", 1))
	if _, err := s.Orders.Cancel(t.Context(), shoptest.Buyer("bob"), canceled.ID, request.Claim{}, nil); err != nil {
		t.Fatal(err)
	}
	refunded := sell(t, s, "flour", 1)[0]
	if _, err := ask(t.Context(), s, refunded, whole); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, o order.Order, want error) {
		t.Helper()
		if _, err := ask(t.Context(), s, o, whole); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	refused("placed", placed.Orders[0], order.ErrState)
	refused("canceled", canceled.Orders[0], order.ErrState)
	refused("refunded", refunded, order.ErrState)
	refused("unknown", order.Order{}, order.ErrNotFound)
	s.Clock.Advance(order.Hold)
	if n, err := s.Orders.ExpireDue(t.Context(), 10); n != 1 || err != nil {
		t.Fatalf("%d expired, %v", n, err)
	}
	refused("expired", placed.Orders[0], order.ErrState)
	if got := s.Pieces(t, "flour"); got != [2]int64{pieces, 0} {
		t.Errorf("stock is %v, want all %d", got, pieces)
	}
}

func TestEachRefundIsOneLeafThatAnybodyCanCheck(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := sellShipped(t, s, 3, 800)
	var refunds []order.Refund
	for _, r := range []order.Refunding{
		{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Shipping: 300}, {Shipping: 500}, {Lines: []order.RefundLine{{N: 1, Amount: 7}}},
	} {
		s.Clock.Advance(time.Second) // what is booked later stands later in the log
		refunds = give(t, s, o, r).Refunds
	}
	s.Sequence(t)

	names := [][]byte{[]byte(o.ID.String()), []byte(o.Checkout.String()), []byte(o.Buyer.String()), []byte("one bag was torn")}
	for _, r := range refunds {
		names = append(names, []byte(r.ID.String()))
	}
	got := make(map[string][]verify.Amounts)
	for _, raw := range read(t, s, 4) {
		l, err := verify.ParseLeaf(raw)
		if err != nil {
			t.Fatalf("%v in\n%s", err, raw)
		}
		amounts, err := verify.SaleAmounts(l)
		if err != nil || l.Home != o.Merchant.String() {
			t.Errorf("%v in\n%s", err, raw)
		}
		got[l.Kind] = append(got[l.Kind], amounts)
		for _, name := range names {
			if bytes.Contains(raw, name) {
				t.Errorf("the leaf tells %s:\n%s", name, raw)
			}
		}
	}
	want := map[string][]verify.Amounts{
		verify.KindSale: {{Goods: 99000, Shipping: 8000, Tenth: 9900, Fund: verify.FundPending}},
		verify.KindRefund: {
			{Goods: 33000, Shipping: 3000, Tenth: 3300, Fund: verify.FundPending}, {Shipping: 5000}, {Goods: 70, Tenth: 7, Fund: verify.FundPending},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("leaves (-want +got):\n%s", diff)
	}
	if _, err := s.Transparency.Check(t.Context()); err != nil {
		t.Errorf("the whole log: %v", err)
	}
}

// read reads the log as a stranger does: it holds so many leaves and not one more.
func read(t testing.TB, s *shoptest.Shop, n int) [][]byte {
	t.Helper()
	at := func(width int) ([]byte, error) {
		return s.Transparency.Tile(t.Context(), verify.Tile{Level: verify.EntriesLevel, W: width}.Path())
	}
	bundle, err := at(n)
	if err != nil {
		t.Fatalf("read %d leaves: %v", n, err)
	}
	if _, err := at(n + 1); err == nil {
		t.Errorf("the log has more than %d leaves", n)
	}
	leaves, err := verify.SplitBundle(bundle)
	if err != nil || len(leaves) != n {
		t.Fatalf("%d leaves, %v, want %d", len(leaves), err, n)
	}
	return leaves
}

func TestWhatWasGivenBackIsNeverRewritten(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := sell(t, s, "flour", 3)[0]
	give(t, s, o, order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}})
	before := stand(t, s, o.ID)
	// A superuser in the role of a replica, which ordinary triggers sleep for.
	replica, err := pgtest.Super(t, s.DB).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = replica.Close() }()
	if _, err := replica.ExecContext(t.Context(), "SET session_replication_role = replica"); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"UPDATE order_refund SET goods_fen = 1", "DELETE FROM order_refund", "TRUNCATE order_refund"} {
		_, err := s.DB.SQL().ExecContext(t.Context(), statement)
		if pg := (*pgconn.PgError)(nil); !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("the program: %s: %v, want insufficient privilege", statement, err)
		}
		if _, err := pgtest.Owner(t, s.DB).ExecContext(t.Context(), statement); !postgres.Violates(err, "order_refund_append_only") {
			t.Errorf("the owner: %s: %v, want a refusal", statement, err)
		}
		if _, err := replica.ExecContext(t.Context(), statement); !postgres.Violates(err, "order_refund_append_only") {
			t.Errorf("a replica: %s: %v, want a refusal", statement, err)
		}
	}
	stands(t, s, o.ID, "after all that", before)
}

func TestAnOrderAndItsRefundsAreReadAsOfOneMoment(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := s.Place(t, "ann", shoptest.Choose("flour", pieces))
	s.Pay(t, c.PayURL)
	oid := c.Orders[0].ID
	var readers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				got, err := s.Aftersales.AnyOrder(t.Context(), oid)
				var sum money.Fen
				for _, r := range got.Refunds {
					sum += r.Goods
				}
				if err != nil || got.Returned() != sum {
					t.Errorf("%d fen came back, and %d refunds are of %d; %v", got.Returned(), len(got.Refunds), sum, err)
					return
				}
			}
		})
	}
	for range pieces {
		_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, oid,
			order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: "damaged"}, request.Claim{}, nil)
		if err != nil {
			t.Errorf("refund: %v", err)
		}
	}
	stop()
	readers.Wait()
	s.Perform(t)
}
