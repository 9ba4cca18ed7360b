package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/payment"
)

// webhooks answers the operations tagged "webhooks".
type webhooks struct{ payments *payment.Service }

// ReceiveStripeEvent answers POST /v1/webhooks/stripe. The signature is over the
// bytes as they came, so these go on, not what was read out of them.
func (h webhooks) ReceiveStripeEvent(ctx context.Context, r oas.ReceiveStripeEventRequestObject) (oas.ReceiveStripeEventResponseObject, error) {
	if err := h.payments.Receive(ctx, exchangeOf(ctx).body, r.Params.StripeSignature); err != nil {
		return nil, err
	}
	return oas.ReceiveStripeEvent200JSONResponse{Received: true}, nil
}
