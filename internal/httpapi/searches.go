package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/search"
)

// searches answers the operations at /v1/search.
type searches struct {
	search    *search.Service
	inventory *inventory.Service
	claims    *claim.Service
}

// SearchProducts answers GET /v1/search.
func (h searches) SearchProducts(ctx context.Context, r oas.SearchProductsRequestObject) (oas.SearchProductsResponseObject, error) {
	p, err := h.search.Find(ctx, fromSearch(r.Params), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	inStock, err := h.inventory.Available(ctx, skusOf(p.Data...))
	if err != nil {
		return nil, err
	}
	live, err := h.claims.Live(ctx, p.Data...)
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, func(p catalog.Product) oas.Product { return wireShown(p, inStock, live) })
	return oas.SearchProducts200JSONResponse{Data: data, NextCursor: next}, nil
}

// SuggestSearches answers GET /v1/search/suggestions.
func (h searches) SuggestSearches(ctx context.Context, r oas.SuggestSearchesRequestObject) (oas.SuggestSearchesResponseObject, error) {
	all, err := h.search.Suggest(ctx, r.Params.Q)
	if err != nil {
		return nil, err
	}
	return oas.SuggestSearches200JSONResponse{Data: wireAll(all, wireSuggestion)}, nil
}

func fromSearch(p oas.SearchProductsParams) search.Query {
	return search.Query{
		Words: p.Q, Category: value(p.Category), Merchant: id.From[merchant.Merchant](value(p.MerchantId)),
		Village: value(p.Village), InStock: value(p.InStock), Claimed: value(p.ClaimLive),
	}
}

func wireSuggestion(s search.Suggestion) oas.Suggestion {
	return oas.Suggestion{Text: s.Text, CategoryCode: optional(s.Category)}
}
