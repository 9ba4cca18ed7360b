// Package api holds the contract and the catalogue of problems, as they are
// published.
package api

//go:generate go run ./bundle

import _ "embed"

// Contract is openapi.yaml: every path, every shape, who may call.
//
//go:embed openapi.yaml
var Contract []byte

// Problems is problems.md: every problem code with its meaning and remedy.
//
//go:embed problems.md
var Problems []byte
