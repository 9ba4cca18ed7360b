// Package oas is what the contract (api/openapi.yaml) generates: the routes, the
// shapes and the interface that httpapi answers.
package oas

//go:generate go tool oapi-codegen -config config.yaml ../../../api/openapi.yaml
