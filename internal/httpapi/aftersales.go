package httpapi

import (
	"cmp"
	"context"
	"encoding/hex"
	"net/http"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/compensation"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/returns"
)

// aftersales answers the operations tagged "aftersale".
type aftersales struct {
	sales         *aftersale.Service
	compensations *compensation.Service
}

// CancelOrder answers POST /v1/orders/{order_id}/cancel.
func (h aftersales) CancelOrder(ctx context.Context, r oas.CancelOrderRequestObject) (oas.CancelOrderResponseObject, error) {
	render, answer := remember(http.StatusOK, wireSale(lifecycle.Buyer))
	_, err := h.sales.Cancel(ctx, callerOf(ctx), id.From[order.Order](r.OrderId), claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// OpenCase answers POST /v1/orders/{order_id}/cases.
func (h aftersales) OpenCase(ctx context.Context, r oas.OpenCaseRequestObject) (oas.OpenCaseResponseObject, error) {
	c, err := h.sales.Ask(ctx, callerOf(ctx), id.From[order.Order](r.OrderId), fromNewCase(r.Body))
	if err != nil {
		return nil, err
	}
	return oas.OpenCase201JSONResponse(wireAftersale(lifecycle.Buyer)(c)), nil
}

// ListCases answers GET /v1/cases.
func (h aftersales) ListCases(ctx context.Context, r oas.ListCasesRequestObject) (oas.ListCasesResponseObject, error) {
	p, err := h.sales.Cases(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireAftersale(lifecycle.Buyer))
	return oas.ListCases200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetCase answers GET /v1/cases/{case_id}.
func (h aftersales) GetCase(ctx context.Context, r oas.GetCaseRequestObject) (oas.GetCaseResponseObject, error) {
	c, err := h.sales.Case(ctx, callerOf(ctx), id.From[returns.Case](r.CaseId))
	if err != nil {
		return nil, err
	}
	return oas.GetCase200JSONResponse(wireAftersale(lifecycle.Buyer)(c)), nil
}

// SendBackCase answers POST /v1/cases/{case_id}/send-back.
func (h aftersales) SendBackCase(ctx context.Context, r oas.SendBackCaseRequestObject) (oas.SendBackCaseResponseObject, error) {
	c, err := h.sales.SendBack(ctx, callerOf(ctx), id.From[returns.Case](r.CaseId), r.Body.Carrier, r.Body.TrackingNo)
	if err != nil {
		return nil, err
	}
	return oas.SendBackCase200JSONResponse(wireAftersale(lifecycle.Buyer)(c)), nil
}

// WithdrawCase answers POST /v1/cases/{case_id}/withdraw.
func (h aftersales) WithdrawCase(ctx context.Context, r oas.WithdrawCaseRequestObject) (oas.WithdrawCaseResponseObject, error) {
	c, err := h.sales.Withdraw(ctx, callerOf(ctx), id.From[returns.Case](r.CaseId))
	if err != nil {
		return nil, err
	}
	return oas.WithdrawCase200JSONResponse(wireAftersale(lifecycle.Buyer)(c)), nil
}

// EscalateCase answers POST /v1/cases/{case_id}/escalate.
func (h aftersales) EscalateCase(ctx context.Context, r oas.EscalateCaseRequestObject) (oas.EscalateCaseResponseObject, error) {
	c, err := h.sales.Escalate(ctx, callerOf(ctx), id.From[returns.Case](r.CaseId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.EscalateCase200JSONResponse(wireAftersale(lifecycle.Buyer)(c)), nil
}

// CancelMerchantOrder answers POST /v1/merchant/orders/{order_id}/cancel.
func (h aftersales) CancelMerchantOrder(ctx context.Context, r oas.CancelMerchantOrderRequestObject) (oas.CancelMerchantOrderResponseObject, error) {
	render, answer := remember(http.StatusOK, wireSale(lifecycle.Merchant))
	_, err := h.sales.CancelForMerchant(ctx, callerOf(ctx), id.From[order.Order](r.OrderId), r.Body.Reason, claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// ListMerchantCases answers GET /v1/merchant/cases.
func (h aftersales) ListMerchantCases(ctx context.Context, r oas.ListMerchantCasesRequestObject) (oas.ListMerchantCasesResponseObject, error) {
	p, err := h.sales.MerchantCases(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireAftersale(lifecycle.Merchant))
	return oas.ListMerchantCases200JSONResponse{Data: data, NextCursor: next}, nil
}

// ApproveCase answers POST /v1/merchant/cases/{case_id}/approve.
func (h aftersales) ApproveCase(ctx context.Context, r oas.ApproveCaseRequestObject) (oas.ApproveCaseResponseObject, error) {
	render, answer := remember(http.StatusOK, wireAftersale(lifecycle.Merchant))
	_, err := h.sales.Approve(ctx, callerOf(ctx), id.From[returns.Case](r.CaseId), claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// RefuseCase answers POST /v1/merchant/cases/{case_id}/refuse.
func (h aftersales) RefuseCase(ctx context.Context, r oas.RefuseCaseRequestObject) (oas.RefuseCaseResponseObject, error) {
	c, err := h.sales.Refuse(ctx, callerOf(ctx), id.From[returns.Case](r.CaseId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.RefuseCase200JSONResponse(wireAftersale(lifecycle.Merchant)(c)), nil
}

// ReceiveCaseGoods answers POST /v1/merchant/cases/{case_id}/goods-received.
func (h aftersales) ReceiveCaseGoods(ctx context.Context, r oas.ReceiveCaseGoodsRequestObject) (oas.ReceiveCaseGoodsResponseObject, error) {
	render, answer := remember(http.StatusOK, wireAftersale(lifecycle.Merchant))
	_, err := h.sales.GoodsReceived(ctx, callerOf(ctx), id.From[returns.Case](r.CaseId), r.Body.Restock, claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// ListOpsCases answers GET /v1/ops/cases.
func (h aftersales) ListOpsCases(ctx context.Context, r oas.ListOpsCasesRequestObject) (oas.ListOpsCasesResponseObject, error) {
	p, err := h.sales.CasesIn(ctx, cmp.Or(returns.State(value(r.Params.State)), returns.Escalated), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireAftersale(lifecycle.Operator))
	return oas.ListOpsCases200JSONResponse{Data: data, NextCursor: next}, nil
}

// DecideCase answers POST /v1/ops/cases/{case_id}/decide.
func (h aftersales) DecideCase(ctx context.Context, r oas.DecideCaseRequestObject) (oas.DecideCaseResponseObject, error) {
	render, answer := remember(http.StatusOK, wireAftersale(lifecycle.Operator))
	_, err := h.sales.Decide(ctx, callerOf(ctx), id.From[returns.Case](r.CaseId), r.Body.ForBuyer, r.Body.Reason, claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// ListCompensations answers GET /v1/ops/compensations.
func (h aftersales) ListCompensations(ctx context.Context, r oas.ListCompensationsRequestObject) (oas.ListCompensationsResponseObject, error) {
	p, err := h.compensations.Compensations(ctx, compensation.State(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireCompensation(callerOf(ctx).Account.UUID()))
	return oas.ListCompensations200JSONResponse{Data: data, NextCursor: next}, nil
}

// ProposeCompensation answers POST /v1/ops/compensations.
func (h aftersales) ProposeCompensation(ctx context.Context, r oas.ProposeCompensationRequestObject) (oas.ProposeCompensationResponseObject, error) {
	c, err := h.compensations.Propose(ctx, callerOf(ctx), id.From[order.Order](r.Body.OrderId), money.Fen(r.Body.AmountFen), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.ProposeCompensation201JSONResponse(wireCompensation(callerOf(ctx).Account.UUID())(c)), nil
}

// ApproveCompensation answers POST /v1/ops/compensations/{compensation_id}/approve.
func (h aftersales) ApproveCompensation(ctx context.Context, r oas.ApproveCompensationRequestObject) (oas.ApproveCompensationResponseObject, error) {
	render, answer := remember(http.StatusOK, wireCompensation(callerOf(ctx).Account.UUID()))
	_, err := h.compensations.Approve(ctx, callerOf(ctx), id.From[compensation.Compensation](r.CompensationId), fromDigest(r.Body.Digest), claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// RefuseCompensation answers POST /v1/ops/compensations/{compensation_id}/refuse.
func (h aftersales) RefuseCompensation(ctx context.Context, r oas.RefuseCompensationRequestObject) (oas.RefuseCompensationResponseObject, error) {
	c, err := h.compensations.Refuse(ctx, callerOf(ctx), id.From[compensation.Compensation](r.CompensationId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.RefuseCompensation200JSONResponse(wireCompensation(callerOf(ctx).Account.UUID())(c)), nil
}

// wireAftersale is a case as somebody in a role sees it.
func wireAftersale(who lifecycle.Role) func(returns.Case) oas.AftersaleCase {
	return func(c returns.Case) oas.AftersaleCase {
		w := oas.AftersaleCase{
			Id: c.ID.UUID(), OrderId: c.Order.UUID(), MerchantId: c.Merchant.UUID(), Kind: oas.CaseKind(c.Kind), Reason: oas.CaseReasonCode(c.Reason),
			Text: c.Text, PictureIds: wireAll(c.Pictures, file.ID.UUID), Lines: wireAll(c.Lines, wireRefundLine), State: oas.CaseState(c.State),
			OpenedAt: c.OpenedAt.UTC(), DueAt: wireTime(c.DueAt), ClosedAt: wireTime(c.ClosedAt), History: wireAll(c.Events, wireCaseEvent),
			NextActions: wireAll(c.Next(who), func(a string) oas.CaseAction { return oas.CaseAction(a) }),
		}
		if c.Tracking != "" {
			w.SentBack = &oas.SentBack{Carrier: c.Carrier, TrackingNo: c.Tracking}
		}
		if !c.Refund.IsZero() {
			w.Refund = &oas.CaseRefund{Id: c.Refund.UUID(), State: oas.CaseRefundState(c.Repayment.State), AmountFen: int64(c.Repayment.Amount)}
		}
		return w
	}
}

func wireCaseEvent(e returns.Event) oas.CaseEvent {
	return oas.CaseEvent{
		Action: oas.CaseAction(e.Action), State: oas.CaseState(e.State), Role: oas.CaseEventRole(e.Role), Note: optional(e.Note), At: e.At.UTC(),
	}
}

// wireCompensation is a compensation as an operator sees it: who proposed it may only
// withdraw it, and nobody else may.
func wireCompensation(caller uuid.UUID) func(compensation.Compensation) oas.Compensation {
	return func(c compensation.Compensation) oas.Compensation {
		w := oas.Compensation{
			Id: c.ID.UUID(), OrderId: c.Order.UUID(), AmountFen: int64(c.Amount), Reason: c.Reason, Digest: hex.EncodeToString(c.Digest[:]),
			State: oas.CompensationState(c.State), ProposedBy: c.ProposedBy.UUID(), ProposedAt: c.ProposedAt.UTC(), DecidedAt: wireTime(c.DecidedAt),
			Note: optional(c.Note), NextActions: wireAll(c.Next(caller), func(a string) oas.CompensationNextActions { return oas.CompensationNextActions(a) }),
		}
		if !c.DecidedBy.IsZero() {
			by := c.DecidedBy.UUID()
			w.DecidedBy = &by
		}
		return w
	}
}

func fromNewCase(b *oas.NewCase) returns.Asking {
	return returns.Asking{
		Kind: returns.Kind(b.Kind), Reason: returns.Reason(b.Reason), Text: value(b.Text), Lines: wireAll(b.Lines, fromRefundLine),
		Pictures: wireAll(b.PictureIds, id.From[file.File]),
	}
}

// fromDigest reads what the contract has checked to be 64 hexadecimal digits.
func fromDigest(s string) (digest [32]byte) {
	_, _ = hex.Decode(digest[:], []byte(s))
	return digest
}
