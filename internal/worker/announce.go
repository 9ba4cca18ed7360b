package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/webhook"
)

// longestSale bounds the time from a checkout to the moment when its payment is
// captured: half an hour to pay, and as long as a payment is tried for.
const longestSale = 2 * time.Hour

// expiring is how many days before its end a licence is told of.
const expiring = 30

// announce looks for what enterprises' systems want to hear of. The sale itself
// knows nothing of them, and costs no statement more: who wants to hear of sales
// has them looked for.
func (w *Worker) announce(ctx context.Context) (int, error) {
	wants, err := w.deps.Webhooks.Wanted(ctx, webhook.OrderPaid, webhook.OrderRefunded, webhook.LicenceExpiring)
	if err != nil {
		return 0, err
	}
	n := 0
	var errs []error
	for _, want := range wants {
		facts, err := w.facts(ctx, want)
		if err == nil {
			err = w.deps.Webhooks.Tell(ctx, facts...)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("tell %s of %s: %w", want.Merchant, want.Type, err))
			continue
		}
		n += len(facts)
	}
	return n, errors.Join(errs...)
}

func (w *Worker) facts(ctx context.Context, want webhook.Want) ([]webhook.Event, error) {
	switch want.Type {
	case webhook.OrderPaid:
		return w.sales(ctx, want)
	case webhook.OrderRefunded:
		return w.refunds(ctx, want)
	case webhook.LicenceExpiring:
		return w.licences(ctx, want)
	case webhook.ProductApproved: // told by the approval itself
	}
	return nil, nil
}

// sales are the orders of an enterprise that were paid since. The list of its
// orders is that of the times at which they were placed.
func (w *Worker) sales(ctx context.Context, want webhook.Want) ([]webhook.Event, error) {
	seller := identity.Caller{Roles: []identity.Grant{{Role: identity.Merchant, Merchant: want.Merchant}}}
	var out []webhook.Event
	for p := (page.Request{Limit: page.MaxSize}); ; {
		orders, err := w.deps.Orders.MerchantOrders(ctx, seller, p)
		if err != nil {
			return nil, err
		}
		for _, o := range orders.Data {
			if o.PlacedAt.Before(want.Since.Add(-longestSale)) {
				return out, nil
			}
			if !o.PaidAt.Before(want.Since) {
				out = append(out, paid(want.Merchant, o))
			}
		}
		if p.Cursor = orders.Next; p.Cursor == "" {
			return out, nil
		}
	}
}

// paid is what is told of a sale: enough to know it again, and nothing about who
// bought. The rest is read with GET /v1/merchant/orders/{order_id}.
func paid(m uuid.UUID, o order.Order) webhook.Event {
	return webhook.Event{Merchant: m, Type: webhook.OrderPaid, Ref: o.ID.String(), At: o.PaidAt, Data: struct {
		Order    order.ID `json:"order_id"`
		Goods    int64    `json:"goods_fen"`
		Shipping int64    `json:"shipping_fen"`
		Levy     int64    `json:"levy_li"`
	}{o.ID, int64(o.Goods), int64(o.Shipping), int64(o.Goods.Tenth())}}
}

func (w *Worker) refunds(ctx context.Context, want webhook.Want) ([]webhook.Event, error) {
	refunds, err := w.deps.Aftersales.Since(ctx, want.Merchant, want.Since)
	out := make([]webhook.Event, len(refunds))
	for i, r := range refunds {
		out[i] = webhook.Event{Merchant: want.Merchant, Type: webhook.OrderRefunded, Ref: r.ID.String(), At: r.At, Data: struct {
			Order    order.ID `json:"order_id"`
			Refund   string   `json:"refund_id"`
			Goods    int64    `json:"goods_fen"`
			Shipping int64    `json:"shipping_fen"`
		}{r.Order, r.ID.String(), int64(r.Goods), int64(r.Shipping)}}
	}
	return out, err
}

// licences is one fact while the first of an enterprise's licences is about to end,
// once for each last day.
func (w *Worker) licences(ctx context.Context, want webhook.Want) ([]webhook.Event, error) {
	m, err := w.deps.Merchants.Merchant(ctx, id.From[merchant.Merchant](want.Merchant))
	if err != nil {
		return nil, err
	}
	now := w.clock()
	if until := m.LicensedUntil; until < merchant.DateOf(now) || until > merchant.DateOf(now.AddDate(0, 0, expiring)) {
		return nil, nil
	}
	return []webhook.Event{{Merchant: want.Merchant, Type: webhook.LicenceExpiring, Ref: string(m.LicensedUntil), At: now, Data: struct {
		Until merchant.Date `json:"licensed_until"`
	}{m.LicensedUntil}}}, nil
}
