package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/order"
)

// orders answers the operations tagged "orders".
type orders struct {
	orders     *order.Service
	aftersales *aftersale.Service
}

// ListOrders answers GET /v1/orders.
func (h orders) ListOrders(ctx context.Context, r oas.ListOrdersRequestObject) (oas.ListOrdersResponseObject, error) {
	p, err := h.orders.Orders(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireOrder)
	return oas.ListOrders200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetOrder answers GET /v1/orders/{order_id}.
func (h orders) GetOrder(ctx context.Context, r oas.GetOrderRequestObject) (oas.GetOrderResponseObject, error) {
	o, err := h.aftersales.Order(ctx, callerOf(ctx), id.From[order.Order](r.OrderId))
	if err != nil {
		return nil, err
	}
	return oas.GetOrder200JSONResponse(wireSale(lifecycle.Buyer)(o)), nil
}

func wireOrder(o order.Order) oas.Order {
	return oas.Order{
		Id: o.ID.UUID(), CheckoutId: o.Checkout.UUID(), Merchant: wireSeller(o.Merchant.UUID(), o.MerchantName),
		State: oas.OrderState(o.State), Lines: wireAll(o.Lines, wireOrderLine),
		GoodsFen: int64(o.Goods), ShippingFen: int64(o.Shipping), TotalFen: int64(o.Goods + o.Shipping), LevyLi: int64(o.Levy()),
		RefundedFen: int64(o.Returned() + o.ShippingRefunded), ReturnedLi: int64(o.Returned().Tenth()),
		PlacedAt: o.PlacedAt.UTC(), PaidAt: wireTime(o.PaidAt),
	}
}

// wireSale is an order with what was given back of it, as somebody in a role sees it.
func wireSale(who lifecycle.Role) func(aftersale.Sale) oas.Order {
	return func(s aftersale.Sale) oas.Order {
		w := wireOrder(s.Order)
		if len(s.Refunds) > 0 {
			w.Refunds = wireAll(s.Refunds, wireRefund)
		}
		next := s.Next(who)
		w.NextActions = &next
		return w
	}
}

func wireOrderLine(l order.Line) oas.OrderLine {
	return oas.OrderLine{
		Line: l.N, SkuId: l.SKU.UUID(), ProductId: l.Product.UUID(), SkuCode: l.Code, Name: l.Name, Spec: l.Spec,
		Unit: l.Unit, ReturnRule: l.ReturnRule, Quantity: l.Quantity, PriceFen: int64(l.Price), GoodsFen: int64(l.Total),
		RefundedQuantity: l.RefundedQty, RefundedFen: int64(l.Refunded),
	}
}

func wireRefund(r order.Refund) oas.Refund {
	return oas.Refund{
		Id: r.ID.UUID(), GoodsFen: int64(r.Goods), ShippingFen: int64(r.Shipping), ReturnedLi: int64(r.Goods.Tenth()),
		Reason: r.Reason, At: r.At.UTC(), Lines: wireAll(r.Lines, wireRefundLine),
	}
}

func wireRefundLine(l order.RefundLine) oas.RefundedLine {
	return oas.RefundedLine{Line: l.N, Quantity: l.Quantity, AmountFen: int64(l.Amount)}
}
