package reconcile_test

import (
	"net/url"
	"testing"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

func TestARefundFromTheProvidersOwnPagesIsAdopted(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10)
	c := s.Place(t, "ann", shoptest.Choose("flour", 1, "liquor", 1))
	s.Pay(t, c.PayURL)
	back := s.ByHand(t, "/v1/refunds", url.Values{"payment_intent": {s.PaidAs(t, c.ID)}, "amount": {"1000"}})
	s.Perform(t)
	s.Perform(t)
	if got := s.Held(t, fund.Pending); got != 14645 {
		t.Errorf("the fund holds %s after a refund of 10.00 by hand", got)
	}
	var returned, owed int64
	for _, o := range s.Checkout(t, c).Orders {
		returned += int64(o.Returned())
		owed += int64(s.Held(t, ledger.Payable(o.Merchant.UUID())))
	}
	if returned != 1000 || owed != (15645-1000)*9 {
		t.Errorf("refund %s: %d fen are returned, %d li are owed", back, returned, owed)
	}
	if got := s.Held(t, order.Provider); got != -(15645-1000)*10 {
		t.Errorf("the provider owes %s", got)
	}
}
