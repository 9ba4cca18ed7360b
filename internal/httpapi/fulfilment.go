package httpapi

import (
	"context"
	"io"
	"mime"
	"net/http"

	"github.com/shiyi-market/shiyi/internal/carrier"
	"github.com/shiyi-market/shiyi/internal/dispatch"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/sheet"
	"github.com/shiyi-market/shiyi/internal/shipment"
)

// fulfilments answers the operations tagged "fulfilment".
type fulfilments struct {
	fulfilment *fulfilment.Service
	dispatch   *dispatch.Service
}

// ListCarriers answers GET /v1/carriers.
func (h fulfilments) ListCarriers(context.Context, oas.ListCarriersRequestObject) (oas.ListCarriersResponseObject, error) {
	return oas.ListCarriers200JSONResponse{Data: wireAll(carrier.All(), func(c carrier.Carrier) oas.Carrier {
		return oas.Carrier{Code: c.Code, NameZh: c.NameZH, NameEn: c.NameEN, ColdChain: c.Cold}
	})}, nil
}

// ListPicks answers GET /v1/merchant/pick-list.
func (h fulfilments) ListPicks(ctx context.Context, r oas.ListPicksRequestObject) (oas.ListPicksResponseObject, error) {
	p, err := h.dispatch.PickList(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wirePick)
	return oas.ListPicks200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListPickSums answers GET /v1/merchant/pick-list/skus.
func (h fulfilments) ListPickSums(ctx context.Context, r oas.ListPickSumsRequestObject) (oas.ListPickSumsResponseObject, error) {
	p, err := h.dispatch.Sums(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wirePickSum)
	return oas.ListPickSums200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetMerchantFulfilment answers GET /v1/merchant/orders/{order_id}/fulfilment.
func (h fulfilments) GetMerchantFulfilment(ctx context.Context, r oas.GetMerchantFulfilmentRequestObject) (oas.GetMerchantFulfilmentResponseObject, error) {
	c, err := h.fulfilment.MerchantCourse(ctx, callerOf(ctx), id.From[order.Order](r.OrderId))
	if err != nil {
		return nil, err
	}
	return oas.GetMerchantFulfilment200JSONResponse(wireCourse(c)), nil
}

// PackOrder answers POST /v1/merchant/orders/{order_id}/pack.
func (h fulfilments) PackOrder(ctx context.Context, r oas.PackOrderRequestObject) (oas.PackOrderResponseObject, error) {
	c, err := h.fulfilment.Pack(ctx, callerOf(ctx), id.From[order.Order](r.OrderId))
	if err != nil {
		return nil, err
	}
	return oas.PackOrder200JSONResponse(wireCourse(c)), nil
}

// ShipOrder answers POST /v1/merchant/orders/{order_id}/shipments.
func (h fulfilments) ShipOrder(ctx context.Context, r oas.ShipOrderRequestObject) (oas.ShipOrderResponseObject, error) {
	render, answer := remember(http.StatusCreated, wireCourse)
	_, err := h.fulfilment.Ship(ctx, callerOf(ctx), id.From[order.Order](r.OrderId), fromShipment(*r.Body), claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// CorrectTracking answers POST /v1/merchant/shipments/{shipment_id}/tracking.
func (h fulfilments) CorrectTracking(ctx context.Context, r oas.CorrectTrackingRequestObject) (oas.CorrectTrackingResponseObject, error) {
	c, err := h.fulfilment.Correct(ctx, callerOf(ctx), id.From[shipment.Shipment](r.ShipmentId), r.Body.Carrier, r.Body.TrackingNumber, r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.CorrectTracking200JSONResponse(wireCourse(c)), nil
}

// DeliverShipment answers POST /v1/merchant/shipments/{shipment_id}/delivered.
func (h fulfilments) DeliverShipment(ctx context.Context, r oas.DeliverShipmentRequestObject) (oas.DeliverShipmentResponseObject, error) {
	c, err := h.fulfilment.Deliver(ctx, callerOf(ctx), id.From[shipment.Shipment](r.ShipmentId))
	if err != nil {
		return nil, err
	}
	return oas.DeliverShipment200JSONResponse(wireCourse(c)), nil
}

// GetFulfilment answers GET /v1/orders/{order_id}/fulfilment.
func (h fulfilments) GetFulfilment(ctx context.Context, r oas.GetFulfilmentRequestObject) (oas.GetFulfilmentResponseObject, error) {
	c, err := h.fulfilment.Course(ctx, callerOf(ctx), id.From[order.Order](r.OrderId))
	if err != nil {
		return nil, err
	}
	return oas.GetFulfilment200JSONResponse(wireCourse(c)), nil
}

// ReceiveOrder answers POST /v1/orders/{order_id}/receive.
func (h fulfilments) ReceiveOrder(ctx context.Context, r oas.ReceiveOrderRequestObject) (oas.ReceiveOrderResponseObject, error) {
	render, answer := remember(http.StatusOK, wireCourse)
	_, err := h.fulfilment.Confirm(ctx, callerOf(ctx), id.From[order.Order](r.OrderId), claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// GetShipmentTemplate answers GET /v1/merchant/shipment-batches/template.xlsx.
func (h fulfilments) GetShipmentTemplate(ctx context.Context, r oas.GetShipmentTemplateRequestObject) (oas.GetShipmentTemplateResponseObject, error) {
	return download{"shipments.xlsx", sheet.XLSX, func(out io.Writer) error {
		return h.dispatch.Template(ctx, callerOf(ctx), id.From[merchant.Merchant](value(r.Params.Merchant)), out)
	}}, nil
}

// CheckShipmentBatch answers POST /v1/merchant/shipment-batches. The body is the file as it came.
func (h fulfilments) CheckShipmentBatch(ctx context.Context, r oas.CheckShipmentBatchRequestObject) (oas.CheckShipmentBatchResponseObject, error) {
	x := exchangeOf(ctx)
	kind, _, _ := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	b, err := h.dispatch.Check(ctx, callerOf(ctx), id.From[merchant.Merchant](value(r.Params.Merchant)), sheet.FormatOf(kind), x.body)
	if err != nil {
		return nil, err
	}
	cells, err := h.dispatch.BadCells(ctx, callerOf(ctx), b.ID, page.Request{})
	if err != nil {
		return nil, err
	}
	return oas.CheckShipmentBatch201JSONResponse{Batch: wireShipmentBatch(b), Cells: wireShipmentCells(cells, x.english())}, nil
}

// GetShipmentBatch answers GET /v1/merchant/shipment-batches/{batch_id}.
func (h fulfilments) GetShipmentBatch(ctx context.Context, r oas.GetShipmentBatchRequestObject) (oas.GetShipmentBatchResponseObject, error) {
	b, err := h.dispatch.Batch(ctx, callerOf(ctx), id.From[dispatch.Batch](r.BatchId))
	if err != nil {
		return nil, err
	}
	return oas.GetShipmentBatch200JSONResponse(wireShipmentBatch(b)), nil
}

// ListShipmentBadCells answers GET /v1/merchant/shipment-batches/{batch_id}/cells.
func (h fulfilments) ListShipmentBadCells(ctx context.Context, r oas.ListShipmentBadCellsRequestObject) (oas.ListShipmentBadCellsResponseObject, error) {
	cells, err := h.dispatch.BadCells(ctx, callerOf(ctx), id.From[dispatch.Batch](r.BatchId), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	return oas.ListShipmentBadCells200JSONResponse(wireShipmentCells(cells, exchangeOf(ctx).english())), nil
}

// CommitShipmentBatch answers POST /v1/merchant/shipment-batches/{batch_id}/commit.
func (h fulfilments) CommitShipmentBatch(ctx context.Context, r oas.CommitShipmentBatchRequestObject) (oas.CommitShipmentBatchResponseObject, error) {
	b, err := h.dispatch.Commit(ctx, callerOf(ctx), id.From[dispatch.Batch](r.BatchId))
	if err != nil {
		return nil, err
	}
	return oas.CommitShipmentBatch202JSONResponse(wireShipmentBatch(b)), nil
}

// VisitShipOrderResponse sends the answer.
func (r *remembered) VisitShipOrderResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitReceiveOrderResponse sends the answer.
func (r *remembered) VisitReceiveOrderResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitGetShipmentTemplateResponse sends the sheet.
func (d download) VisitGetShipmentTemplateResponse(w http.ResponseWriter) error { return d.send(w) }

func fromShipment(b oas.NewShipment) fulfilment.Shipping {
	s := fulfilment.Shipping{Carrier: b.Carrier, Number: b.TrackingNumber, Temperature: value(b.Temperature)}
	for _, l := range b.Lines {
		s.Lines = append(s.Lines, shipment.Line{N: l.Line, Quantity: l.Quantity, Lot: value(l.Lot)})
	}
	return s
}

func wireCourse(c fulfilment.Course) oas.Fulfilment {
	return oas.Fulfilment{
		OrderId: c.Order.UUID(), State: oas.FulfilmentState(c.State), ShipBy: wireTime(c.ShipBy()), PackedAt: wireTime(c.PackedAt),
		ShippedAt: wireTime(c.ShippedAt), DeliveredAt: wireTime(c.DeliveredAt), ReceivedAt: wireTime(c.ReceivedAt), ClosesAt: wireTime(c.ClosesAt),
		Lines: wireAll(c.Lines, func(l fulfilment.Line) oas.FulfilmentLine {
			return oas.FulfilmentLine{Line: l.N, Quantity: l.Quantity, Shipped: l.Shipped, Left: l.Left, ColdChain: l.ColdChain, ShipBy: wireTime(l.ShipBy)}
		}),
		Shipments: wireAll(c.Shipments, wireShipment),
	}
}

func wireShipment(s shipment.Shipment) oas.Shipment {
	return oas.Shipment{
		Id: s.ID.UUID(), Carrier: s.Now().Carrier, TrackingNumber: s.Now().Number, Temperature: optional(s.Temperature),
		ShippedAt: s.ShippedAt.UTC(), DeliveredAt: wireTime(s.DeliveredAt),
		Lines: wireAll(s.Lines, func(l shipment.Line) oas.ShippedLine {
			return oas.ShippedLine{Line: l.N, Quantity: l.Quantity, Lot: optional(l.Lot)}
		}),
		Tracking: wireAll(s.Tracking, func(t shipment.Tracking) oas.Tracking {
			return oas.Tracking{Carrier: t.Carrier, TrackingNumber: t.Number, Reason: optional(t.Reason), At: t.At.UTC()}
		}),
	}
}

func wirePick(p dispatch.Pick) oas.Pick {
	w := oas.Pick{
		OrderId: p.Of.ID.UUID(), Merchant: wireSeller(p.Of.Merchant.UUID(), p.Of.MerchantName), State: oas.FulfilmentState(p.State),
		ShipBy: p.ShipBy(), Overdue: p.Overdue, PaidAt: p.Of.PaidAt.UTC(), Lines: []oas.PickLine{},
	}
	if a := p.ShipTo; a != nil {
		w.ShipTo = &oas.Address{Recipient: a.Recipient, Phone: a.Phone, Province: a.Province, City: a.City, District: a.District, Detail: a.Detail}
	}
	for i, l := range p.Lines {
		if of := p.Of.Lines[i]; l.Left > 0 {
			w.Lines = append(w.Lines, oas.PickLine{
				Line: l.N, SkuId: of.SKU.UUID(), SkuCode: of.Code, Name: of.Name, Spec: of.Spec, Unit: of.Unit, Left: l.Left, ColdChain: l.ColdChain,
			})
		}
	}
	return w
}

func wirePickSum(s dispatch.Sum) oas.PickSum {
	return oas.PickSum{SkuId: s.SKU, SkuCode: s.Code, Name: s.Name, Spec: s.Spec, Unit: s.Unit, Quantity: s.Quantity, Orders: s.Orders, ShipBy: s.ShipBy}
}

func wireShipmentBatch(b dispatch.Batch) oas.ShipmentBatch {
	return oas.ShipmentBatch{
		Id: b.ID.UUID(), MerchantId: b.Merchant.UUID(), Format: oas.ShipmentBatchFormat(b.Format), State: oas.ShipmentBatchState(b.State),
		Orders: b.Orders, Done: b.Done, BadCells: b.BadCells, CreatedAt: b.CreatedAt, UpdatedAt: b.UpdatedAt,
	}
}

func wireShipmentCells(p page.Of[dispatch.BadCell], english bool) oas.BadCellPage {
	data, next := wirePage(p, func(b dispatch.BadCell) oas.BadCell {
		w := oas.BadCell{Cell: b.String(), Row: b.Row, Column: b.Column, Field: b.Key, Code: b.Code, Value: b.Value, Message: b.MessageZH}
		if english {
			w.Message = b.MessageEN
		}
		return w
	})
	return oas.BadCellPage{Data: data, NextCursor: next}
}
