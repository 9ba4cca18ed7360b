// Package client calls a Shiyi over its public API, as any program may:
//
//	shop, err := client.Connect("http://localhost:8080", client.Config{})
//	if _, err := shop.SignIn(ctx, "li@example.org", password); err != nil { … }
//	answer, err := shop.API.PlaceCheckoutWithResponse(ctx,
//		&client.PlaceCheckoutParams{IdempotencyKey: client.NewKey()}, client.Placing{…})
//
// The operations and shapes are generated from api/openapi.yaml; credentials,
// repeated attempts and problems as errors are written here.
package client

//go:generate go tool oapi-codegen -config config.yaml ../../api/openapi.yaml
