// Package client talks to a Shiyi over its public API. The operations and
// shapes are generated from api/openapi.yaml.
package client

//go:generate go tool oapi-codegen -config config.yaml ../../api/openapi.yaml
