package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
)

// sellers answers the operations tagged "merchant".
type sellers struct {
	catalog    *catalog.Service
	inventory  *inventory.Service
	orders     *order.Service
	aftersales *aftersale.Service
}

// ListMerchantProducts answers GET /v1/merchant/products.
func (h sellers) ListMerchantProducts(ctx context.Context, r oas.ListMerchantProductsRequestObject) (oas.ListMerchantProductsResponseObject, error) {
	p, err := h.catalog.Own(ctx, callerOf(ctx), catalog.State(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	levels, err := h.inventory.Levels(ctx, skusOf(p.Data...))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, func(p catalog.Product) oas.MerchantProduct { return wireOwnProduct(p, levels) })
	return oas.ListMerchantProducts200JSONResponse{Data: data, NextCursor: next}, nil
}

// SetSkuPrice answers POST /v1/merchant/skus/{sku_id}.
func (h sellers) SetSkuPrice(ctx context.Context, r oas.SetSkuPriceRequestObject) (oas.SetSkuPriceResponseObject, error) {
	k, err := h.catalog.SetPrice(ctx, callerOf(ctx), id.From[catalog.SKU](r.SkuId), money.Fen(r.Body.PriceFen))
	if err != nil {
		return nil, err
	}
	return oas.SetSkuPrice200JSONResponse(wireSKU(k)), nil
}

// AdjustStock answers POST /v1/merchant/skus/{sku_id}/stock.
func (h sellers) AdjustStock(ctx context.Context, r oas.AdjustStockRequestObject) (oas.AdjustStockResponseObject, error) {
	caller := callerOf(ctx)
	render, answer := remember(http.StatusOK, wireStock)
	_, err := h.inventory.Adjust(ctx, inventory.Adjustment{
		Actor: caller.Account.UUID(), Merchants: caller.Merchants(), SKU: r.SkuId, Delta: r.Body.Delta, Reason: r.Body.Reason,
	}, claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// ListMerchantOrders answers GET /v1/merchant/orders.
func (h sellers) ListMerchantOrders(ctx context.Context, r oas.ListMerchantOrdersRequestObject) (oas.ListMerchantOrdersResponseObject, error) {
	p, err := h.orders.MerchantOrders(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireOrder)
	return oas.ListMerchantOrders200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetMerchantOrder answers GET /v1/merchant/orders/{order_id}.
func (h sellers) GetMerchantOrder(ctx context.Context, r oas.GetMerchantOrderRequestObject) (oas.GetMerchantOrderResponseObject, error) {
	o, err := h.aftersales.MerchantOrder(ctx, callerOf(ctx), id.From[order.Order](r.OrderId))
	if err != nil {
		return nil, err
	}
	return oas.GetMerchantOrder200JSONResponse(wireSale(lifecycle.Merchant)(o)), nil
}

// wireOwnProduct is a product as its seller sees it.
func wireOwnProduct(p catalog.Product, levels map[uuid.UUID]inventory.Level) oas.MerchantProduct {
	w := oas.MerchantProduct{State: oas.ListingState(p.State), Version: p.Version, SubmittedAt: wireTime(p.SubmittedAt), Stock: []oas.Stock{}}
	inStock := make(map[uuid.UUID]bool)
	for _, k := range p.SKUs {
		if l, ok := levels[k.ID.UUID()]; ok {
			inStock[l.SKU] = l.Available > 0
			w.Stock = append(w.Stock, wireStock(l))
		}
	}
	w.Product = wireProduct(p, inStock)
	return w
}

func wireStock(l inventory.Level) oas.Stock {
	return oas.Stock{SkuId: l.SKU, Available: l.Available, Reserved: l.Reserved}
}
