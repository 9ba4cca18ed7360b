// Package nets holds two nets that catch the mistakes of operations nobody has
// written yet, for they are made of the contract and not of the code. It has
// tests only.
//
// The authorization matrix sends each operation as each kind of caller, for an
// object of his own, of somebody else, and that is not there; what must come back
// follows from x-authz. The fuzzer sends each operation requests that keep the
// contract and requests that do not; what comes back must always keep it.
//
// Whoever adds an operation to api/openapi.yaml has it in both nets at once. A
// test says so when the nets lack something for it: what x-authz means for it, an
// object for a parameter of its path, an example of its body.
package nets
