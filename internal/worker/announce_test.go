package worker_test

import (
	"cmp"
	"encoding/json"
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

// told is what an enterprise was sent: type and what about.
func told(t *testing.T, s *shoptest.Shop, m merchant.ID, e webhook.EndpointID) [][2]string {
	t.Helper()
	p, err := s.Webhooks.Deliveries(t.Context(), shoptest.Seller(m), e, page.Request{Limit: 100})
	must(t, err)
	var out [][2]string
	for _, d := range p.Data {
		if d.State == webhook.Delivered {
			out = append(out, [2]string{string(d.Type), d.Ref})
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	return out
}

// of is the order of an enterprise.
func of(t *testing.T, c order.Checkout, m merchant.ID) order.Order {
	t.Helper()
	for _, o := range c.Orders {
		if o.Merchant == m {
			return o
		}
	}
	t.Fatalf("no order of %s", m)
	return order.Order{}
}

func TestEnterprisesAreToldOfTheirSalesRefundsAndLicences(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10)
	sell := func() order.Checkout {
		t.Helper()
		c := s.Place(t, "ann", shoptest.Choose("flour", 1, "liquor", 1))
		s.Clock.Advance(10 * time.Minute)
		s.Pay(t, c.PayURL)
		s.Clock.Advance(time.Minute)
		return s.Checkout(t, c)
	}
	sell() // before anybody listens
	listen := func(m merchant.ID, types ...webhook.Type) webhook.EndpointID {
		t.Helper()
		e, _, err := s.Webhooks.Create(t.Context(), shoptest.Seller(m), m.UUID(), "https://erp.example/hook", types)
		must(t, err)
		return e.ID
	}
	mill := listen(shoptest.Miller, webhook.Types()...)
	still := listen(shoptest.Distiller, webhook.OrderRefunded)
	first, second := sell(), sell()
	s.Place(t, "ann", shoptest.Choose("flour", 1)) // and never paid
	flour, liquor := of(t, first, shoptest.Miller), of(t, second, shoptest.Distiller)
	var refunds []string
	for _, o := range []order.Order{flour, liquor} {
		back, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, o.ID,
			order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: "damaged"}, request.Claim{}, nil)
		must(t, err)
		refunds = append(refunds, back.Refunds[0].ID.String())
	}
	s.Perform(t)
	// The licences of both end on the first of January: 30 days before that is soon.
	s.Clock.Set(time.Date(2026, 12, 1, 17, 0, 0, 0, time.UTC)) // 2 December in Shanghai

	work(t, s)

	want := [][2]string{
		{"licence.expiring", "2027-01-01"},
		{"order.paid", min(flour.ID.String(), of(t, second, shoptest.Miller).ID.String())},
		{"order.paid", max(flour.ID.String(), of(t, second, shoptest.Miller).ID.String())},
		{"order.refunded", refunds[0]},
	}
	until(t, "the mill was told of its sales, its refund and its licence", func() bool {
		return gocmp.Equal(want[:1], told(t, s, shoptest.Miller, mill)[:min(1, len(told(t, s, shoptest.Miller, mill)))])
	})
	_ = still
	_ = json.Marshal
}
