package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/recall"
)

// lots answers what the contract says of lots and recalls.
type lots struct {
	inventory *inventory.Service
	recalls   *recall.Service
}

// ListLots answers GET /v1/merchant/skus/{sku_id}/lots.
func (h lots) ListLots(ctx context.Context, r oas.ListLotsRequestObject) (oas.ListLotsResponseObject, error) {
	p, err := h.inventory.Lots(ctx, callerOf(ctx).Merchants(), r.SkuId, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireLot)
	return oas.ListLots200JSONResponse{Data: data, NextCursor: next}, nil
}

// ReceiveLot answers POST /v1/merchant/skus/{sku_id}/lots.
func (h lots) ReceiveLot(ctx context.Context, r oas.ReceiveLotRequestObject) (oas.ReceiveLotResponseObject, error) {
	caller := callerOf(ctx)
	render, answer := remember(http.StatusCreated, wireLot)
	receipt := fromLot(*r.Body)
	receipt.Actor, receipt.Merchants, receipt.SKU = caller.Account.UUID(), caller.Merchants(), r.SkuId
	if _, err := h.inventory.Receive(ctx, receipt, claimOf(ctx, r.Params.IdempotencyKey), render); err != nil {
		return nil, err
	}
	return answer, nil
}

// OpenMerchantRecall answers POST /v1/merchant/lots/{lot_id}/recall.
func (h lots) OpenMerchantRecall(ctx context.Context, r oas.OpenMerchantRecallRequestObject) (oas.OpenMerchantRecallResponseObject, error) {
	return h.open(ctx, asSeller(callerOf(ctx)), r.LotId, *r.Body, r.Params.IdempotencyKey)
}

// CloseMerchantRecall answers POST /v1/merchant/recalls/{recall_id}/close.
func (h lots) CloseMerchantRecall(ctx context.Context, r oas.CloseMerchantRecallRequestObject) (oas.CloseMerchantRecallResponseObject, error) {
	return h.close(ctx, asSeller(callerOf(ctx)), r.RecallId, r.Body.Result, r.Params.IdempotencyKey)
}

// ListMerchantRecallOrders answers GET /v1/merchant/recalls/{recall_id}/orders.
func (h lots) ListMerchantRecallOrders(ctx context.Context, r oas.ListMerchantRecallOrdersRequestObject) (oas.ListMerchantRecallOrdersResponseObject, error) {
	p, err := h.orders(ctx, asSeller(callerOf(ctx)), r.RecallId, r.Params.Cursor, r.Params.Limit)
	return oas.ListMerchantRecallOrders200JSONResponse(p), err
}

// OpenOpsRecall answers POST /v1/ops/lots/{lot_id}/recall.
func (h lots) OpenOpsRecall(ctx context.Context, r oas.OpenOpsRecallRequestObject) (oas.OpenOpsRecallResponseObject, error) {
	return h.open(ctx, callerOf(ctx), r.LotId, *r.Body, r.Params.IdempotencyKey)
}

// CloseOpsRecall answers POST /v1/ops/recalls/{recall_id}/close.
func (h lots) CloseOpsRecall(ctx context.Context, r oas.CloseOpsRecallRequestObject) (oas.CloseOpsRecallResponseObject, error) {
	return h.close(ctx, callerOf(ctx), r.RecallId, r.Body.Result, r.Params.IdempotencyKey)
}

// ListOpsRecallOrders answers GET /v1/ops/recalls/{recall_id}/orders.
func (h lots) ListOpsRecallOrders(ctx context.Context, r oas.ListOpsRecallOrdersRequestObject) (oas.ListOpsRecallOrdersResponseObject, error) {
	p, err := h.orders(ctx, callerOf(ctx), r.RecallId, r.Params.Cursor, r.Params.Limit)
	return oas.ListOpsRecallOrders200JSONResponse(p), err
}

// ListRecalls answers GET /v1/public/recalls.
func (h lots) ListRecalls(ctx context.Context, r oas.ListRecallsRequestObject) (oas.ListRecallsResponseObject, error) {
	p, err := h.recalls.Recalls(ctx, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wirePublicRecall)
	return oas.ListRecalls200JSONResponse{Data: data, NextCursor: next}, nil
}

// asSeller is the caller with what he may do as a seller alone: under /v1/merchant an
// operator who also sells reaches the goods of his own enterprise, and no others.
func asSeller(c identity.Caller) identity.Caller {
	c.Roles = slices.DeleteFunc(slices.Clone(c.Roles), func(g identity.Grant) bool { return g.Role != identity.Merchant })
	return c
}

func (h lots) open(ctx context.Context, caller identity.Caller, lot oas.Id, b oas.NewRecall, key string) (*remembered, error) {
	render, answer := remember(http.StatusCreated, wireRecall)
	_, err := h.recalls.Open(ctx, caller, id.From[inventory.Lot](lot),
		recall.Opening{Level: recall.Level(b.Level), Reason: b.Reason, Notice: b.Notice}, claimOf(ctx, key), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func (h lots) close(ctx context.Context, caller identity.Caller, rid oas.Id, result, key string) (*remembered, error) {
	render, answer := remember(http.StatusOK, wireRecall)
	if _, err := h.recalls.Close(ctx, caller, id.From[recall.Recall](rid), result, claimOf(ctx, key), render); err != nil {
		return nil, err
	}
	return answer, nil
}

func (h lots) orders(ctx context.Context, caller identity.Caller, rid oas.Id, cursor *oas.Cursor, limit *oas.Limit) (oas.LotDrawPage, error) {
	p, err := h.recalls.Orders(ctx, caller, id.From[recall.Recall](rid), fromPage(cursor, limit))
	if err != nil {
		return oas.LotDrawPage{}, err
	}
	data, next := wirePage(p, wireDraw)
	return oas.LotDrawPage{Data: data, NextCursor: next}, nil
}

// VisitReceiveLotResponse sends the answer.
func (r *remembered) VisitReceiveLotResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitOpenMerchantRecallResponse sends the answer.
func (r *remembered) VisitOpenMerchantRecallResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitCloseMerchantRecallResponse sends the answer.
func (r *remembered) VisitCloseMerchantRecallResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitOpenOpsRecallResponse sends the answer.
func (r *remembered) VisitOpenOpsRecallResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitCloseOpsRecallResponse sends the answer.
func (r *remembered) VisitCloseOpsRecallResponse(w http.ResponseWriter) error { return r.send(w) }

func fromLot(b oas.NewLot) inventory.Receipt {
	r := inventory.Receipt{
		Code: b.Code, Qty: b.Quantity, MadeOn: fromCalendar(b.MadeOn), BestBefore: fromCalendar(b.BestBefore),
		Certificate: inventory.Certificate{Kind: string(value(b.CertificateKind)), No: value(b.CertificateNo)},
	}
	for _, f := range b.FileIds {
		r.Certificate.Files = append(r.Certificate.Files, id.From[file.File](f))
	}
	return r
}

// fromCalendar is a day, or zero.
func fromCalendar(d *openapi_types.Date) time.Time {
	if d == nil {
		return time.Time{}
	}
	return d.Time
}

func wireLot(l inventory.Lot) oas.Lot {
	w := oas.Lot{
		Id: l.ID.UUID(), SkuId: l.SKU, Code: l.Code, MadeOn: wireDate(l.MadeOn), BestBefore: wireDate(l.BestBefore),
		CertificateKind: optional(oas.CertificateKind(l.Certificate.Kind)), CertificateNo: optional(l.Certificate.No),
		Received: l.Received, Remaining: l.Remaining, Withdrawn: l.Withdrawn, Drawn: l.Drawn, Lost: l.Lost,
		ReceivedAt: l.ReceivedAt.UTC(), RecalledAt: wireTime(l.StoppedAt),
	}
	for _, f := range l.Certificate.Files {
		w.FileIds = append(w.FileIds, f.UUID())
	}
	return w
}

func wireRecall(r recall.Recall) oas.Recall {
	return oas.Recall{
		Id: r.ID.UUID(), MerchantId: r.Merchant, LotId: r.Lot.UUID(), SkuId: r.SKU, LotCode: r.LotCode, Level: int(r.Level),
		Reason: r.Reason, Notice: r.Notice, Stopped: r.Stopped, State: oas.RecallState(r.State), OpenedAt: r.OpenedAt.UTC(),
		Result: optional(r.Result), ClosedAt: wireTime(r.ClosedAt),
	}
}

func wirePublicRecall(r recall.Recall) oas.PublicRecall {
	return oas.PublicRecall{
		MerchantId: r.Merchant, SkuId: r.SKU, LotCode: r.LotCode, Level: int(r.Level), Notice: r.Notice,
		State: oas.PublicRecallState(r.State), OpenedAt: r.OpenedAt.UTC(), Result: optional(r.Result), ClosedAt: wireTime(r.ClosedAt),
	}
}

func wireDraw(d inventory.Draw) oas.LotDraw {
	return oas.LotDraw{OrderId: d.Order, Quantity: d.Qty, Returned: d.Returned, At: d.At.UTC()}
}
