package httpapi

import (
	"cmp"
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/payee"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/settlement"
)

// payouts answers the operations tagged "payouts".
type payouts struct {
	payees      *payee.Service
	settlements *settlement.Service
}

// OpenPayoutAccount answers POST /v1/merchant/payout-accounts.
func (h payouts) OpenPayoutAccount(ctx context.Context, r oas.OpenPayoutAccountRequestObject) (oas.OpenPayoutAccountResponseObject, error) {
	o, err := h.payees.Onboard(ctx, callerOf(ctx), id.From[merchant.Merchant](r.Body.MerchantId))
	if err != nil {
		return nil, err
	}
	return oas.OpenPayoutAccount200JSONResponse(wirePayoutAccount(o)), nil
}

// GetPayoutAccount answers GET /v1/merchant/payout-accounts/{merchant_id}.
func (h payouts) GetPayoutAccount(ctx context.Context, r oas.GetPayoutAccountRequestObject) (oas.GetPayoutAccountResponseObject, error) {
	a, err := h.payees.Account(ctx, callerOf(ctx), id.From[merchant.Merchant](r.MerchantId))
	if err != nil {
		return nil, err
	}
	return oas.GetPayoutAccount200JSONResponse(wirePayoutAccount(payee.Onboarding{Account: a})), nil
}

// ListMerchantPayouts answers GET /v1/merchant/payouts.
func (h payouts) ListMerchantPayouts(ctx context.Context, r oas.ListMerchantPayoutsRequestObject) (oas.ListMerchantPayoutsResponseObject, error) {
	p, err := h.settlements.Payouts(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wirePayout)
	return oas.ListMerchantPayouts200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetMerchantPayout answers GET /v1/merchant/payouts/{payout_id}.
func (h payouts) GetMerchantPayout(ctx context.Context, r oas.GetMerchantPayoutRequestObject) (oas.GetMerchantPayoutResponseObject, error) {
	p, err := h.settlements.Payout(ctx, callerOf(ctx), id.From[payout.Payout](r.PayoutId))
	if err != nil {
		return nil, err
	}
	return oas.GetMerchantPayout200JSONResponse(wirePayout(p)), nil
}

// ListPayouts answers GET /v1/ops/payouts.
func (h payouts) ListPayouts(ctx context.Context, r oas.ListPayoutsRequestObject) (oas.ListPayoutsResponseObject, error) {
	state := cmp.Or(payout.State(value(r.Params.State)), payout.Failed)
	p, err := h.settlements.PayoutsIn(ctx, state, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wirePayout)
	return oas.ListPayouts200JSONResponse{Data: data, NextCursor: next}, nil
}

// RetryPayout answers POST /v1/ops/payouts/{payout_id}/retry.
func (h payouts) RetryPayout(ctx context.Context, r oas.RetryPayoutRequestObject) (oas.RetryPayoutResponseObject, error) {
	render, answer := remember(http.StatusOK, wirePayout)
	_, err := h.settlements.Retry(ctx, callerOf(ctx), id.From[payout.Payout](r.PayoutId), claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func wirePayoutAccount(o payee.Onboarding) oas.PayoutAccount {
	return oas.PayoutAccount{
		MerchantId: o.Owner, Opened: o.Ref != "", Submitted: o.Submitted, Enabled: o.Enabled, OwedLi: int64(o.Owed), OnboardingUrl: optional(o.URL),
	}
}

func wirePayout(p payout.Payout) oas.Payout {
	out := oas.Payout{
		Id: p.ID.UUID(), MerchantId: p.Merchant, Month: optional(p.Month), AmountFen: int64(p.Amount), ReversedFen: int64(p.Reversed),
		State: oas.PayoutState(p.State), Failure: optional(p.Failure), Attempt: int32(p.Attempt), CreatedAt: p.CreatedAt, SettledAt: wireTime(p.SettledAt),
	}
	if of := p.Order.UUID(); of != uuid.Nil {
		out.OrderId = &of
	}
	return out
}
