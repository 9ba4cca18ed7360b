package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
)

// disputes answers the operations tagged "disputes".
type disputes struct{ disputes *dispute.Service }

// ListMerchantDisputes answers GET /v1/merchant/disputes.
func (h disputes) ListMerchantDisputes(ctx context.Context, r oas.ListMerchantDisputesRequestObject) (oas.ListMerchantDisputesResponseObject, error) {
	p, err := h.disputes.OfMerchants(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireDispute)
	return oas.ListMerchantDisputes200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListDisputes answers GET /v1/ops/disputes.
func (h disputes) ListDisputes(ctx context.Context, r oas.ListDisputesRequestObject) (oas.ListDisputesResponseObject, error) {
	p, err := h.disputes.Disputes(ctx, dispute.State(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireDispute)
	return oas.ListDisputes200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetDispute answers GET /v1/ops/disputes/{dispute_id}.
func (h disputes) GetDispute(ctx context.Context, r oas.GetDisputeRequestObject) (oas.GetDisputeResponseObject, error) {
	d, err := h.disputes.Dispute(ctx, id.From[dispute.Dispute](r.DisputeId))
	if err != nil {
		return nil, err
	}
	return oas.GetDispute200JSONResponse(wireDispute(d)), nil
}

func wireDispute(d dispute.Dispute) oas.Dispute {
	return oas.Dispute{
		Id: d.ID.UUID(), CheckoutId: d.Checkout.UUID(), Ref: d.Ref, AmountFen: int64(d.Amount), BeyondFen: int64(d.Beyond), Reason: d.Reason,
		State: oas.DisputeState(d.State), OpenedAt: d.OpenedAt, DueBy: wireTime(d.DueBy), ClosedAt: wireTime(d.ClosedAt),
		Parts: wireAll(d.Parts, func(p dispute.Part) oas.DisputePart {
			return oas.DisputePart{OrderId: p.Order.UUID(), MerchantId: p.Merchant.UUID(), GoodsFen: int64(p.Goods), ShippingFen: int64(p.Shipping)}
		}),
	}
}
