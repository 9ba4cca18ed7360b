package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/cart"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
)

// carts answers the operations tagged "cart".
type carts struct{ carts *cart.Service }

// GetCart answers GET /v1/cart.
func (h carts) GetCart(ctx context.Context, _ oas.GetCartRequestObject) (oas.GetCartResponseObject, error) {
	c, err := h.cart(ctx)
	return oas.GetCart200JSONResponse(c), err
}

// SetCartLine answers POST /v1/cart/lines.
func (h carts) SetCartLine(ctx context.Context, r oas.SetCartLineRequestObject) (oas.SetCartLineResponseObject, error) {
	if err := h.carts.SetLine(ctx, callerOf(ctx).Account, id.From[catalog.SKU](r.Body.SkuId), r.Body.Quantity); err != nil {
		return nil, err
	}
	c, err := h.cart(ctx)
	return oas.SetCartLine200JSONResponse(c), err
}

// RemoveCartLine answers DELETE /v1/cart/lines/{sku_id}.
func (h carts) RemoveCartLine(ctx context.Context, r oas.RemoveCartLineRequestObject) (oas.RemoveCartLineResponseObject, error) {
	if err := h.carts.Remove(ctx, callerOf(ctx).Account, id.From[catalog.SKU](r.SkuId)); err != nil {
		return nil, err
	}
	c, err := h.cart(ctx)
	return oas.RemoveCartLine200JSONResponse(c), err
}

func (h carts) cart(ctx context.Context) (oas.Cart, error) {
	lines, err := h.carts.Lines(ctx, callerOf(ctx).Account)
	if err != nil {
		return oas.Cart{}, err
	}
	return wireCart(lines), nil
}

// wireCart is a cart with the sum of what can be bought. A line costs at most
// money.Max times 999, and a hundred of them still fit.
func wireCart(lines []cart.Shown) oas.Cart {
	w := oas.Cart{Lines: wireAll(lines, wireCartLine)}
	for _, l := range w.Lines {
		if l.OnSale {
			w.GoodsFen += l.GoodsFen
		}
	}
	return w
}

func wireCartLine(l cart.Shown) oas.CartLine {
	each := l.Offer.PriceFor(l.Qty)
	w := oas.CartLine{
		SkuId: l.SKU.UUID(), ProductId: l.Offer.Product.UUID(), Merchant: wireSeller(l.Offer.Merchant.UUID(), l.Offer.MerchantName),
		Name: l.Offer.ProductName, Spec: l.Offer.Spec, Quantity: l.Qty,
		PriceFen: int64(each), GoodsFen: int64(each) * l.Qty, OnSale: l.Problem == nil,
	}
	if l.Problem != nil {
		w.Problem = &faultOf(l.Problem).Code
	}
	return w
}
