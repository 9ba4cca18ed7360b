package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/quote"
	"github.com/shiyi-market/shiyi/internal/receipt"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// checkouts answers the operations tagged "checkouts".
type checkouts struct {
	orders   *order.Service
	receipts *receipt.Service
	clock    func() time.Time
}

// PreviewCheckout answers POST /v1/checkouts/preview.
func (h checkouts) PreviewCheckout(ctx context.Context, r oas.PreviewCheckoutRequestObject) (oas.PreviewCheckoutResponseObject, error) {
	p := quote.Placing{Lines: fromLines(r.Body.Lines), FromCart: value(r.Body.FromCart)}
	if to := r.Body.ShipTo; to != nil {
		p.ShipTo = &quote.Address{Province: to.Province}
	}
	c, needs, err := h.orders.Preview(ctx, callerOf(ctx), p)
	if err != nil {
		return nil, err
	}
	return oas.PreviewCheckout200JSONResponse(wirePreview(c, needs)), nil
}

// PlaceCheckout answers POST /v1/checkouts.
func (h checkouts) PlaceCheckout(ctx context.Context, r oas.PlaceCheckoutRequestObject) (oas.PlaceCheckoutResponseObject, error) {
	render, answer := remember(http.StatusCreated, h.wire)
	_, err := h.orders.Place(ctx, callerOf(ctx), quote.Placing{
		Lines: fromLines(r.Body.Lines), FromCart: value(r.Body.FromCart), ShipTo: fromAddress(r.Body.ShipTo),
		AdultDeclared: value(r.Body.AdultDeclared), WaiverConfirmed: value(r.Body.WaiverConfirmed),
		ExpectedTotal: money.Fen(value(r.Body.ExpectedTotalFen)),
	}, claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// ListCheckouts answers GET /v1/checkouts.
func (h checkouts) ListCheckouts(ctx context.Context, r oas.ListCheckoutsRequestObject) (oas.ListCheckoutsResponseObject, error) {
	p, err := h.orders.Checkouts(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, h.wire)
	return oas.ListCheckouts200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetCheckout answers GET /v1/checkouts/{checkout_id}.
func (h checkouts) GetCheckout(ctx context.Context, r oas.GetCheckoutRequestObject) (oas.GetCheckoutResponseObject, error) {
	c, err := h.orders.Checkout(ctx, callerOf(ctx), id.From[order.Checkout](r.CheckoutId))
	if err != nil {
		return nil, err
	}
	return oas.GetCheckout200JSONResponse(h.wire(c)), nil
}

// CancelCheckout answers POST /v1/checkouts/{checkout_id}/cancel.
func (h checkouts) CancelCheckout(ctx context.Context, r oas.CancelCheckoutRequestObject) (oas.CancelCheckoutResponseObject, error) {
	render, answer := remember(http.StatusOK, h.wire)
	_, err := h.orders.Cancel(ctx, callerOf(ctx), id.From[order.Checkout](r.CheckoutId), claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// GetReceipt answers GET /v1/checkouts/{checkout_id}/receipt.
func (h checkouts) GetReceipt(ctx context.Context, r oas.GetReceiptRequestObject) (oas.GetReceiptResponseObject, error) {
	receipt, err := h.receipts.Receipt(ctx, callerOf(ctx), id.From[order.Checkout](r.CheckoutId))
	return kept{receipt}, err
}

// GetReceiptPdf answers GET /v1/checkouts/{checkout_id}/receipt.pdf.
func (h checkouts) GetReceiptPdf(ctx context.Context, r oas.GetReceiptPdfRequestObject) (oas.GetReceiptPdfResponseObject, error) {
	var out bytes.Buffer
	missing, err := h.receipts.Paper(ctx, callerOf(ctx), id.From[order.Checkout](r.CheckoutId), &out)
	return paper{"receipt-" + r.CheckoutId.String() + ".pdf", out.Bytes(), len(missing)}, err
}

// VisitGetReceiptPdfResponse sends the PDF.
func (p paper) VisitGetReceiptPdfResponse(w http.ResponseWriter) error { return p.send(w) }

// kept is a receipt, sent in the very shape that pkg/verify reads.
type kept struct{ verify.Receipt }

// VisitGetReceiptResponse sends the receipt.
func (k kept) VisitGetReceiptResponse(w http.ResponseWriter) error {
	body, err := json.Marshal(k.Receipt)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, err = w.Write(body)
	return err
}

func fromLines(lines []oas.PlacingLine) []quote.Chosen {
	out := make([]quote.Chosen, len(lines))
	for i, l := range lines {
		out[i] = quote.Chosen{SKU: id.From[catalog.SKU](l.SkuId), Quantity: l.Quantity}
	}
	return out
}

func fromAddress(a *oas.Address) *quote.Address {
	if a == nil {
		return nil
	}
	return &quote.Address{
		Recipient: a.Recipient, Phone: a.Phone,
		Province: a.Province, City: a.City, District: a.District, Detail: a.Detail,
	}
}

// wire is a checkout at this moment: what may be done next depends on the time.
func (h checkouts) wire(c order.Checkout) oas.Checkout {
	w := oas.Checkout{
		Id: c.ID.UUID(), State: oas.CheckoutState(c.State), Orders: wireAll(c.Orders, wireOrder),
		GoodsFen: int64(c.Goods), ShippingFen: int64(c.Shipping), TotalFen: int64(c.Total()), LevyLi: int64(c.Levy()),
		PlacedAt: c.PlacedAt.UTC(), ExpiresAt: c.ExpiresAt.UTC(), PaidAt: wireTime(c.PaidAt), ClosedAt: wireTime(c.ClosedAt),
		NextActions: c.NextActions(h.clock()),
	}
	if c.State == order.Placed {
		w.PayUrl = optional(c.PayURL)
	}
	if a := c.ShipTo; a != nil {
		w.ShipTo = &oas.Address{
			Recipient: a.Recipient, Phone: a.Phone,
			Province: a.Province, City: a.City, District: a.District, Detail: a.Detail,
		}
	}
	return w
}

func wirePreview(c order.Checkout, needs quote.Needs) oas.CheckoutPreview {
	w := oas.CheckoutPreview{
		GoodsFen: int64(c.Goods), ShippingFen: int64(c.Shipping), TotalFen: int64(c.Total()), LevyLi: int64(c.Levy()),
		Orders: wireAll(c.Orders, wirePreviewOrder), Needs: []oas.CheckoutPreviewNeeds{},
	}
	for _, need := range []struct {
		is   bool
		name oas.CheckoutPreviewNeeds
	}{
		{needs.Address, oas.ShipTo},
		{needs.Adult, oas.AdultDeclared},
		{needs.Waiver, oas.WaiverConfirmed},
	} {
		if need.is {
			w.Needs = append(w.Needs, need.name)
		}
	}
	return w
}

func wirePreviewOrder(o order.Order) oas.PreviewOrder {
	return oas.PreviewOrder{
		Merchant: wireSeller(o.Merchant.UUID(), o.MerchantName), Lines: wireAll(o.Lines, wireOrderLine),
		GoodsFen: int64(o.Goods), ShippingFen: int64(o.Shipping), TotalFen: int64(o.Goods + o.Shipping), LevyLi: int64(o.Levy()),
	}
}
