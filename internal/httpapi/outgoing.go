package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/webhook"
)

// outgoing answers the operations tagged "outgoing".
type outgoing struct{ webhooks *webhook.Service }

// ListWebhooks answers GET /v1/merchant/webhooks.
func (h outgoing) ListWebhooks(ctx context.Context, r oas.ListWebhooksRequestObject) (oas.ListWebhooksResponseObject, error) {
	p, err := h.webhooks.Endpoints(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireWebhook)
	return oas.ListWebhooks200JSONResponse{Data: data, NextCursor: next}, nil
}

// CreateWebhook answers POST /v1/merchant/webhooks.
func (h outgoing) CreateWebhook(ctx context.Context, r oas.CreateWebhookRequestObject) (oas.CreateWebhookResponseObject, error) {
	e, secret, err := h.webhooks.Create(ctx, callerOf(ctx), r.Body.MerchantId, r.Body.Url, fromEvents(r.Body.Events))
	if err != nil {
		return nil, err
	}
	return oas.CreateWebhook201JSONResponse{Webhook: wireWebhook(e), Secret: secret}, nil
}

// EditWebhook answers POST /v1/merchant/webhooks/{webhook_id}.
func (h outgoing) EditWebhook(ctx context.Context, r oas.EditWebhookRequestObject) (oas.EditWebhookResponseObject, error) {
	change := webhook.Change{URL: r.Body.Url, Events: fromEvents(r.Body.Events), Enabled: r.Body.Enabled}
	e, err := h.webhooks.Edit(ctx, callerOf(ctx), id.From[webhook.Endpoint](r.WebhookId), change)
	if err != nil {
		return nil, err
	}
	return oas.EditWebhook200JSONResponse(wireWebhook(e)), nil
}

// RotateWebhookSecret answers POST /v1/merchant/webhooks/{webhook_id}/rotate.
func (h outgoing) RotateWebhookSecret(ctx context.Context, r oas.RotateWebhookSecretRequestObject) (oas.RotateWebhookSecretResponseObject, error) {
	e, secret, err := h.webhooks.Rotate(ctx, callerOf(ctx), id.From[webhook.Endpoint](r.WebhookId))
	if err != nil {
		return nil, err
	}
	return oas.RotateWebhookSecret200JSONResponse{Webhook: wireWebhook(e), Secret: secret}, nil
}

// PingWebhook answers POST /v1/merchant/webhooks/{webhook_id}/ping.
func (h outgoing) PingWebhook(ctx context.Context, r oas.PingWebhookRequestObject) (oas.PingWebhookResponseObject, error) {
	d, err := h.webhooks.Ping(ctx, callerOf(ctx), id.From[webhook.Endpoint](r.WebhookId))
	if err != nil {
		return nil, err
	}
	return oas.PingWebhook202JSONResponse(wireDelivery(d)), nil
}

// ListWebhookDeliveries answers GET /v1/merchant/webhooks/{webhook_id}/deliveries.
func (h outgoing) ListWebhookDeliveries(ctx context.Context, r oas.ListWebhookDeliveriesRequestObject) (oas.ListWebhookDeliveriesResponseObject, error) {
	p, err := h.webhooks.Deliveries(ctx, callerOf(ctx), id.From[webhook.Endpoint](r.WebhookId), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireDelivery)
	return oas.ListWebhookDeliveries200JSONResponse{Data: data, NextCursor: next}, nil
}

// ResendWebhookDelivery answers POST /v1/merchant/webhook-deliveries/{delivery_id}/resend.
func (h outgoing) ResendWebhookDelivery(ctx context.Context, r oas.ResendWebhookDeliveryRequestObject) (oas.ResendWebhookDeliveryResponseObject, error) {
	d, err := h.webhooks.Resend(ctx, callerOf(ctx), id.From[webhook.Delivery](r.DeliveryId))
	if err != nil {
		return nil, err
	}
	return oas.ResendWebhookDelivery202JSONResponse(wireDelivery(d)), nil
}

// fromEvents is nil for none: a change that names none changes none.
func fromEvents(all []oas.WebhookEventType) []webhook.Type {
	var out []webhook.Type
	for _, t := range all {
		out = append(out, webhook.Type(t))
	}
	return out
}

func wireWebhook(e webhook.Endpoint) oas.Webhook {
	return oas.Webhook{
		Id: e.ID.UUID(), MerchantId: e.Merchant, Url: e.URL, State: oas.WebhookState(e.State),
		Events:          wireAll(e.Types(), func(t webhook.Type) oas.WebhookEventType { return oas.WebhookEventType(t) }),
		DisabledBecause: optional(oas.WebhookDisabledBecause(e.Because)), FailingSince: wireTime(e.FailingSince), CreatedAt: e.CreatedAt,
	}
}

func wireDelivery(d webhook.Delivery) oas.WebhookDelivery {
	return oas.WebhookDelivery{
		Id: d.ID.UUID(), WebhookId: d.Endpoint.UUID(), EventId: d.Event.String(), Type: string(d.Type), Ref: d.Ref,
		State: oas.WebhookDeliveryState(d.State), Attempts: d.Attempts, NextAt: wireTime(d.Next), LastAt: wireTime(d.LastAt),
		Status: optional(d.Status), Error: optional(oas.WebhookDeliveryError(d.Error)), Response: optional(d.Response), CreatedAt: d.CreatedAt,
	}
}
