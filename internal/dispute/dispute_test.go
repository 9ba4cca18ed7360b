package dispute_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/carriage"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

// story is what the book and the fund tell, in li.
type story struct{ Pending, Free, Held, Miller, Distiller, Losses, Outside money.Li }

func told(t *testing.T, s *shoptest.Shop) story {
	t.Helper()
	return story{
		s.Held(t, fund.Pending), s.Held(t, fund.Free), s.Held(t, fund.Held), s.Held(t, ledger.Payable(shoptest.Miller.UUID())),
		s.Held(t, ledger.Payable(shoptest.Distiller.UUID())), s.Held(t, dispute.Losses), s.Held(t, order.Provider),
	}
}

// bought is a paid checkout of 33.00 yuan from the one and 123.45 from the other.
func bought(t *testing.T) (*shoptest.Shop, order.Checkout) {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10)
	c := s.Place(t, "ann", shoptest.Choose("flour", 1, "liquor", 1))
	s.Pay(t, c.PayURL)
	return s, c
}

func said(amount money.Fen, to dispute.State) dispute.Said {
	return dispute.Said{Provider: "sandbox", Ref: "dp_1", Payment: "pi_1", Amount: amount, Currency: "cny", Reason: "fraudulent", State: to, OpenedAt: pgtest.Noon}
}

func TestBookAndFundFollowADispute(t *testing.T) {
	t.Parallel()
	paid := story{Pending: 15645, Miller: 29700, Distiller: 111105, Outside: -156450}
	// The tenth that is held is the enterprise's to lose meanwhile: it was taken out of what is disputed.
	aside := story{Held: 15645, Miller: -3300, Distiller: -12345, Outside: -156450}
	for name, way := range map[string]struct {
		hears []dispute.State
		want  story
	}{
		"opened":                      {[]dispute.State{dispute.Open}, aside},
		"opened, heard of twice":      {[]dispute.State{dispute.Open, dispute.Open}, aside},
		"won":                         {[]dispute.State{dispute.Open, dispute.Won}, paid},
		"lost":                        {[]dispute.State{dispute.Open, dispute.Lost}, story{}},
		"the end heard of alone":      {[]dispute.State{dispute.Lost}, story{}},
		"the end before the opening":  {[]dispute.State{dispute.Won, dispute.Open}, paid},
		"lost, and told so again":     {[]dispute.State{dispute.Lost, dispute.Open, dispute.Lost}, story{}},
		"an end is not another's end": {[]dispute.State{dispute.Won, dispute.Lost}, paid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := bought(t)
			for _, to := range way.hears {
				if err := s.Disputes.Follow(t.Context(), c.ID, said(15645, to)); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(way.want, told(t, s)); diff != "" {
				t.Errorf("the book (-want +got):\n%s", diff)
			}
			st, err := s.Fund.Statement(t.Context())
			if err != nil || st.LeviedLi != st.SoldFen.Tenth() || st.LeviedLi != st.PendingLi+st.FreeLi+st.HeldLi {
				t.Errorf("the fund's statement is %+v, %v", st, err)
			}
			lost := way.want == story{}
			for _, o := range s.Checkout(t, c).Orders {
				if (o.State == order.Refunded) != lost {
					t.Errorf("order %s is %s", o.ID, o.State)
				}
			}
		})
	}
}

func TestAPartOfADisputeIsWhatIsLeftOfItsOrder(t *testing.T) {
	t.Parallel()
	s, c := bought(t)
	flour := c.Orders[0]
	if flour.Goods != 3300 {
		flour = c.Orders[1]
	}
	// 33.00 yuan are on their way back when the bank takes all 156.45.
	if _, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, flour.ID, order.Refunding{
		Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: "damaged",
	}, request.Claim{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Disputes.Follow(t.Context(), c.ID, said(15645, dispute.Open)); err != nil {
		t.Fatal(err)
	}
	want := story{Held: 12345, Distiller: -12345, Losses: -33000, Outside: -123450}
	if diff := cmp.Diff(want, told(t, s)); diff != "" {
		t.Errorf("opened (-want +got):\n%s", diff)
	}
	if err := s.Disputes.Follow(t.Context(), c.ID, said(15645, dispute.Lost)); err != nil {
		t.Fatal(err)
	}
	// What the buyer has twice is our loss: neither the fund's nor an enterprise's.
	if diff := cmp.Diff(story{Losses: -33000, Outside: 33000}, told(t, s)); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
}

func TestWhatWasNotPaidIsNotDisputedYet(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10)
	c := s.Place(t, "ann", shoptest.Choose("flour", 1))
	if err := s.Disputes.Follow(t.Context(), c.ID, said(3300, dispute.Open)); !errors.Is(err, dispute.ErrUnpaid) {
		t.Errorf("a dispute of an unpaid checkout: %v", err)
	}
}

func TestADisputeIsSeenByItsEnterprisesAndHoldsUpTheirOrders(t *testing.T) {
	t.Parallel()
	s, c := bought(t)
	if err := s.Disputes.Follow(t.Context(), c.ID, said(15645, dispute.Open)); err != nil {
		t.Fatal(err)
	}
	all, err := s.Disputes.Disputes(t.Context(), dispute.Open, page.Request{})
	if err != nil || len(all.Data) != 1 || len(all.Data[0].Parts) != 2 {
		t.Fatalf("the operator sees %+v, %v", all.Data, err)
	}
	one, err := s.Disputes.Dispute(t.Context(), all.Data[0].ID)
	if err != nil || one.Amount != 15645 {
		t.Errorf("the dispute itself is %+v, %v", one, err)
	}
	mine, err := s.Disputes.OfMerchants(t.Context(), shoptest.Seller(shoptest.Miller), page.Request{})
	if err != nil || len(mine.Data) != 1 || len(mine.Data[0].Parts) != 1 || mine.Data[0].Parts[0].Goods != 3300 || mine.Data[0].Amount != 3300 {
		t.Errorf("the miller sees %+v, %v", mine.Data, err)
	}
	if none, err := s.Disputes.OfMerchants(t.Context(), shoptest.Buyer("ann"), page.Request{}); err != nil || len(none.Data) != 0 {
		t.Errorf("who sells nothing sees %+v, %v", none.Data, err)
	}
	open, err := postgres.Read(t.Context(), s.DB, func(tx *postgres.Tx) (map[order.ID]bool, error) {
		return dispute.Unsettled(t.Context(), tx, c.Orders)
	})
	if err != nil || len(open) != 2 {
		t.Errorf("%v are held up, %v", open, err)
	}
}

func TestNothingIsTakenBackTwiceWhileADisputeIsOpen(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10)
	var rates []carriage.Rate
	for _, r := range carriage.Regions() {
		rates = append(rates, carriage.Rate{Region: r.Code, First: 800})
	}
	if _, err := s.Carriage.Set(t.Context(), shoptest.Seller(shoptest.Miller), shoptest.Miller, 0, rates); err != nil {
		t.Fatal(err)
	}
	for name, rest := range map[string]func(c order.Checkout, first, second dispute.Said) error{
		"a refund by hand": func(c order.Checkout, first, _ dispute.Said) error {
			s.ByHand(t, "/v1/refunds", url.Values{"payment_intent": {s.PaidAs(t, c.ID)}, "amount": {"1100"}})
			s.Perform(t)
			first.State = dispute.Lost
			return s.Disputes.Follow(t.Context(), c.ID, first)
		},
		"another dispute": func(c order.Checkout, first, second dispute.Said) error {
			second.State, first.State = dispute.Lost, dispute.Lost
			return errors.Join(s.Disputes.Follow(t.Context(), c.ID, second), s.Disputes.Follow(t.Context(), c.ID, first))
		},
	} {
		// Goods for 33.00 and shipping for 8.00 yuan, of which the bank takes 30.00 back, and then the rest goes.
		c := s.Place(t, "ann", shoptest.Choose("flour", 1))
		s.Pay(t, c.PayURL)
		first, second := said(3000, dispute.Open), said(1100, dispute.Open)
		first.Ref, second.Ref = "dp_1 "+name, "dp_2 "+name
		if err := s.Disputes.Follow(t.Context(), c.ID, first); err != nil {
			t.Fatal(err)
		}
		if err := rest(c, first, second); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(story{}, told(t, s)); diff != "" {
			t.Errorf("%s: all was given back (-want +got):\n%s", name, diff)
		}
		if o := s.Checkout(t, c).Orders[0]; o.State != order.Refunded || o.Returned() != 3300 || o.ShippingRefunded != 800 {
			t.Errorf("%s: the order is %s, %s and %s are returned", name, o.State, o.Returned(), o.ShippingRefunded)
		}
	}
}
