package worker_test

import (
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/webhook"
)

// listen makes an endpoint of an enterprise.
func listen(t *testing.T, s *shoptest.Shop, m merchant.ID, types ...webhook.Type) webhook.EndpointID {
	t.Helper()
	e, _, err := s.Webhooks.Create(t.Context(), shoptest.Seller(m), m.UUID(), "https://erp.example/hook", types)
	must(t, err)
	return e.ID
}

// told is what an enterprise was sent: of which type, and about what.
func told(t *testing.T, s *shoptest.Shop, m merchant.ID, e webhook.EndpointID) []string {
	t.Helper()
	p, err := s.Webhooks.Deliveries(t.Context(), shoptest.Seller(m), e, page.Request{Limit: 100})
	must(t, err)
	out := []string{}
	for _, d := range p.Data {
		if d.State == webhook.Delivered {
			out = append(out, string(d.Type)+" "+d.Ref)
		}
	}
	slices.Sort(out)
	return out
}

// sold sells ann something of both enterprises, and gives the orders of the miller
// and of the distiller.
func sold(t *testing.T, s *shoptest.Shop) (mill, still order.ID) {
	t.Helper()
	c := s.Place(t, "ann", shoptest.Choose("flour", 1, "liquor", 1))
	s.Clock.Advance(10 * time.Minute)
	s.Pay(t, c.PayURL)
	s.Clock.Advance(time.Minute)
	for _, o := range s.Checkout(t, c).Orders {
		if o.Merchant == shoptest.Miller {
			mill = o.ID
		} else {
			still = o.ID
		}
	}
	return mill, still
}

func TestEnterprisesAreToldOfEachSaleAndRefundOnce(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10)
	sold(t, s) // before anybody listens
	mill := listen(t, s, shoptest.Miller, webhook.OrderPaid, webhook.OrderRefunded)
	still := listen(t, s, shoptest.Distiller, webhook.OrderRefunded)
	flour, _ := sold(t, s)
	more, liquor := sold(t, s)
	s.Place(t, "ann", shoptest.Choose("flour", 1)) // and never paid
	var refunds []string
	for _, o := range []order.ID{flour, liquor} {
		back, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, o,
			order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: "damaged"}, request.Claim{}, nil)
		must(t, err)
		refunds = append(refunds, back.Refunds[0].ID.String())
	}
	s.Perform(t)
	want := []string{"order.paid " + flour.String(), "order.paid " + more.String(), "order.refunded " + refunds[0]}
	slices.Sort(want)

	for range 2 { // what the second finds again is told no more
		work(t, s)
	}

	until(t, "the mill was told of two sales and a refund", func() bool { return len(told(t, s, shoptest.Miller, mill)) >= len(want) })
	until(t, "the still was told of a refund", func() bool { return len(told(t, s, shoptest.Distiller, still)) > 0 })
	if diff := gocmp.Diff(want, told(t, s, shoptest.Miller, mill)); diff != "" {
		t.Errorf("the mill was told (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff([]string{"order.refunded " + refunds[1]}, told(t, s, shoptest.Distiller, still)); diff != "" {
		t.Errorf("the still was told (-want +got):\n%s", diff)
	}
}

func TestAnEnterpriseIsToldThirtyDaysBeforeALicenceEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		now  time.Time // licences end on the first of January, in Shanghai
		want []string
	}{
		{"a day too early", time.Date(2026, 12, 1, 15, 59, 0, 0, time.UTC), []string{}},
		{"in time", time.Date(2026, 12, 1, 16, 0, 0, 0, time.UTC), []string{"licence.expiring 2027-01-01"}},
		{"on the last day", time.Date(2027, 1, 1, 15, 59, 0, 0, time.UTC), []string{"licence.expiring 2027-01-01"}},
		{"too late", time.Date(2027, 1, 1, 16, 0, 0, 0, time.UTC), []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := shoptest.New(t, shoptest.Options{})
			s.StockUp(t, 10)
			s.Clock.Set(tt.now)
			e := listen(t, s, shoptest.Miller, webhook.LicenceExpiring)
			must(t, announce(t, s))
			s.Clock.Advance(time.Second)
			must(t, announce(t, s))
			s.Tell(t)
			if diff := gocmp.Diff(tt.want, told(t, s, shoptest.Miller, e)); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}
