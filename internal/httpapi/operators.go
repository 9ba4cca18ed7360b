package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/repayment"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// operators answers the operations tagged "ops".
type operators struct {
	identity   *identity.Service
	merchants  *merchant.Service
	catalog    *catalog.Service
	aftersales *aftersale.Service
	repayments *repayment.Service
	trail      *trail.Service
	clock      func() time.Time
}

// ListAccounts answers GET /v1/ops/accounts.
func (h operators) ListAccounts(ctx context.Context, r oas.ListAccountsRequestObject) (oas.ListAccountsResponseObject, error) {
	p, err := h.identity.Accounts(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireAccount)
	return oas.ListAccounts200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetAccount answers GET /v1/ops/accounts/{account_id}.
func (h operators) GetAccount(ctx context.Context, r oas.GetAccountRequestObject) (oas.GetAccountResponseObject, error) {
	a, err := h.identity.Account(ctx, callerOf(ctx), id.From[identity.Account](r.AccountId))
	if err != nil {
		return nil, err
	}
	return oas.GetAccount200JSONResponse(wireAccount(a)), nil
}

// SuspendAccount answers POST /v1/ops/accounts/{account_id}/suspend.
func (h operators) SuspendAccount(ctx context.Context, r oas.SuspendAccountRequestObject) (oas.SuspendAccountResponseObject, error) {
	a, err := h.identity.Suspend(ctx, callerOf(ctx), id.From[identity.Account](r.AccountId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.SuspendAccount200JSONResponse(wireAccount(a)), nil
}

// ReinstateAccount answers POST /v1/ops/accounts/{account_id}/reinstate.
func (h operators) ReinstateAccount(ctx context.Context, r oas.ReinstateAccountRequestObject) (oas.ReinstateAccountResponseObject, error) {
	a, err := h.identity.Reinstate(ctx, callerOf(ctx), id.From[identity.Account](r.AccountId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.ReinstateAccount200JSONResponse(wireAccount(a)), nil
}

// GrantRole answers POST /v1/ops/accounts/{account_id}/roles. Identity knows no
// enterprises, so whether there is one is asked here.
func (h operators) GrantRole(ctx context.Context, r oas.GrantRoleRequestObject) (oas.GrantRoleResponseObject, error) {
	grant := fromRole(r.Body)
	if grant.Merchant != uuid.Nil {
		if _, err := h.merchants.Merchant(ctx, id.From[merchant.Merchant](grant.Merchant)); err != nil {
			return nil, err
		}
	}
	a, err := h.identity.Grant(ctx, callerOf(ctx), id.From[identity.Account](r.AccountId), grant)
	if err != nil {
		return nil, err
	}
	return oas.GrantRole200JSONResponse(wireAccount(a)), nil
}

// RevokeRole answers POST /v1/ops/accounts/{account_id}/roles/revoke.
func (h operators) RevokeRole(ctx context.Context, r oas.RevokeRoleRequestObject) (oas.RevokeRoleResponseObject, error) {
	a, err := h.identity.Revoke(ctx, callerOf(ctx), id.From[identity.Account](r.AccountId), fromRole(r.Body))
	if err != nil {
		return nil, err
	}
	return oas.RevokeRole200JSONResponse(wireAccount(a)), nil
}

// SuspendMerchant answers POST /v1/ops/merchants/{merchant_id}/suspend. From then on
// no checkout takes its goods. They leave the lists as remembered answers grow too
// old: after Config.PublicAge and lateness here, and in other processes up to
// catalog.MaxAge later.
func (h operators) SuspendMerchant(ctx context.Context, r oas.SuspendMerchantRequestObject) (oas.SuspendMerchantResponseObject, error) {
	m, err := h.merchants.Sanction(ctx, callerOf(ctx), id.From[merchant.Merchant](r.MerchantId), fromSanctioning(merchant.Suspension, r.Body))
	if err != nil {
		return nil, err
	}
	h.catalog.Forget(ctx)
	return oas.SuspendMerchant200JSONResponse(wireMerchant(m, h.clock())), nil
}

// ReinstateMerchant answers POST /v1/ops/merchants/{merchant_id}/reinstate.
func (h operators) ReinstateMerchant(ctx context.Context, r oas.ReinstateMerchantRequestObject) (oas.ReinstateMerchantResponseObject, error) {
	m, err := h.merchants.Sanction(ctx, callerOf(ctx), id.From[merchant.Merchant](r.MerchantId), fromSanctioning(merchant.Reinstatement, r.Body))
	if err != nil {
		return nil, err
	}
	h.catalog.Forget(ctx)
	return oas.ReinstateMerchant200JSONResponse(wireMerchant(m, h.clock())), nil
}

// GetOpsOrder answers GET /v1/ops/orders/{order_id}.
func (h operators) GetOpsOrder(ctx context.Context, r oas.GetOpsOrderRequestObject) (oas.GetOpsOrderResponseObject, error) {
	o, err := h.aftersales.AnyOrder(ctx, id.From[order.Order](r.OrderId))
	if err != nil {
		return nil, err
	}
	return oas.GetOpsOrder200JSONResponse(wireSale(lifecycle.Operator)(o)), nil
}

// RefundOrder answers POST /v1/ops/orders/{order_id}/refunds.
func (h operators) RefundOrder(ctx context.Context, r oas.RefundOrderRequestObject) (oas.RefundOrderResponseObject, error) {
	render, answer := remember(http.StatusCreated, wireSale(lifecycle.Operator))
	_, err := h.aftersales.Refund(ctx, callerOf(ctx), id.From[order.Order](r.OrderId), order.Refunding{
		Lines: wireAll(r.Body.Lines, fromRefundLine), Shipping: money.Fen(value(r.Body.ShippingFen)),
		Restock: value(r.Body.Restock), Reason: r.Body.Reason,
	}, claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// ListRefunds answers GET /v1/ops/refunds.
func (h operators) ListRefunds(ctx context.Context, r oas.ListRefundsRequestObject) (oas.ListRefundsResponseObject, error) {
	state := cmp.Or(gateway.RefundState(value(r.Params.State)), gateway.RefundFailed)
	p, err := h.repayments.In(ctx, state, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireRepayment)
	return oas.ListRefunds200JSONResponse{Data: data, NextCursor: next}, nil
}

// RetryRefund answers POST /v1/ops/refunds/{refund_id}/retry.
func (h operators) RetryRefund(ctx context.Context, r oas.RetryRefundRequestObject) (oas.RetryRefundResponseObject, error) {
	render, answer := remember(http.StatusOK, wireRepayment)
	_, err := h.repayments.Retry(ctx, callerOf(ctx), id.From[payment.Refund](r.RefundId), claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// ListTrail answers GET /v1/ops/trail.
func (h operators) ListTrail(ctx context.Context, r oas.ListTrailRequestObject) (oas.ListTrailResponseObject, error) {
	p, err := h.trail.Entries(ctx, fromPage(r.Params.Cursor, r.Params.Limit), trail.Filter{
		Actor: value(r.Params.ActorId), Object: value(r.Params.Object),
	})
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireEntry)
	return oas.ListTrail200JSONResponse{Data: data, NextCursor: next}, nil
}

func fromRole(r *oas.RoleChange) identity.Grant {
	return identity.Grant{Role: identity.Role(r.Role), Merchant: value(r.MerchantId), Region: value(r.Region)}
}

func fromRefundLine(l oas.RefundLine) order.RefundLine {
	return order.RefundLine{N: l.Line, Quantity: l.Quantity, Amount: money.Fen(value(l.AmountFen))}
}

func wireRepayment(r repayment.Repayment) oas.Repayment {
	return oas.Repayment{
		Id: r.ID.UUID(), CheckoutId: r.Intent.UUID(), OrderId: optional(r.Order.UUID()), AmountFen: int64(r.Amount),
		State: oas.RepaymentState(r.State), Late: r.Late, Reason: r.Reason, Failure: optional(r.Failure), Attempt: r.Attempt,
		CreatedAt: r.CreatedAt.UTC(), SettledAt: wireTime(r.SettledAt),
	}
}

func wireEntry(e trail.Entry) oas.TrailEntry {
	w := oas.TrailEntry{
		Id: e.ID.UUID(), At: e.At.UTC(), ActorId: e.Actor, Operation: e.Operation, Object: e.Object, Detail: e.Detail,
	}
	if w.Detail == nil {
		w.Detail = map[string]any{}
	}
	return w
}
