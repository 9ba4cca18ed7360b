package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/apikey"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
)

// apiKeys answers the operations tagged "apikeys".
type apiKeys struct{ keys *apikey.Service }

// ListApiKeys answers GET /v1/merchant/api-keys.
func (h apiKeys) ListApiKeys(ctx context.Context, r oas.ListApiKeysRequestObject) (oas.ListApiKeysResponseObject, error) {
	p, err := h.keys.Keys(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireKey)
	return oas.ListApiKeys200JSONResponse{Data: data, NextCursor: next}, nil
}

// MakeApiKey answers POST /v1/merchant/api-keys.
func (h apiKeys) MakeApiKey(ctx context.Context, r oas.MakeApiKeyRequestObject) (oas.MakeApiKeyResponseObject, error) {
	making := apikey.Making{Merchant: r.Body.MerchantId, Name: r.Body.Name, ExpiresAt: r.Body.ExpiresAt}
	for _, s := range r.Body.Scopes {
		making.Scopes = append(making.Scopes, apikey.Scope(s))
	}
	k, secret, err := h.keys.Make(ctx, callerOf(ctx), making)
	if err != nil {
		return nil, err
	}
	return oas.MakeApiKey201JSONResponse{ApiKey: wireKey(k), Key: secret}, nil
}

// RevokeApiKey answers POST /v1/merchant/api-keys/{key_id}/revoke.
func (h apiKeys) RevokeApiKey(ctx context.Context, r oas.RevokeApiKeyRequestObject) (oas.RevokeApiKeyResponseObject, error) {
	k, err := h.keys.Revoke(ctx, callerOf(ctx), id.From[apikey.Key](r.KeyId))
	if err != nil {
		return nil, err
	}
	return oas.RevokeApiKey200JSONResponse(wireKey(k)), nil
}

func wireKey(k apikey.Key) oas.ApiKey {
	return oas.ApiKey{
		Id: k.ID.UUID(), MerchantId: k.Merchant, Name: k.Name, Prefix: k.Prefix, State: oas.ApiKeyState(k.State),
		Scopes:    wireAll(k.Scopes, func(s apikey.Scope) oas.ApiKeyScope { return oas.ApiKeyScope(s) }),
		CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, LastUsedAt: wireTime(k.LastUsedAt), RevokedAt: wireTime(k.RevokedAt),
	}
}
