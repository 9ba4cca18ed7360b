package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"

	"github.com/shiyi-market/shiyi/internal/apikey"
	"github.com/shiyi-market/shiyi/internal/identity"
)

// operation is one operation of the contract, with what the edge must know of
// it at each request worked out beforehand.
type operation struct {
	id     string
	method string
	path   string // as gin writes it: /v1/orders/:order_id
	authz  authz
	scope  apikey.Scope // x-scope: what an API key needs to call, or "": no key is taken
	limit  string       // x-rate-limit: the name of the limit that applies, or ""
	cached bool         // x-cached: everybody gets the same answer, which may be some seconds old
	raw    bool         // x-raw-body: the body is somebody else's, and not checked here
	upload bool         // x-upload: the body is a form with a file, which the handler reads as it comes

	route  *routers.Route
	types  []string        // x-media-types, or those of its body
	most   int64           // x-max-body: the largest body that it takes, in bytes
	checks bool            // it has parameters or a body
	body   bool            // it takes a body
	query  map[string]bool // the query parameters that it knows
}

// authz is the contract's x-authz: who may call.
type authz struct {
	Public bool     `json:"public"`
	Roles  []string `json:"roles"` // any of these
	Owner  string   `json:"owner"` // whose objects: account, buyer, merchant, none; held by the services
}

// routeTable finds the operation of a request by what gin has matched already:
// method, then path pattern. Nothing is searched twice.
type routeTable map[string]map[string]*operation

// readContract works the contract out. An operation without a valid x-authz is an
// error: what nobody has thought about, nobody may call.
func readContract(raw []byte) (routeTable, error) {
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	// Who may call is decided by x-authz, and kin-openapi would ask a second time.
	doc.Security = nil
	table := make(routeTable)
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			o.Security = nil
			op, err := newOperation(doc, path, method, item, o)
			if err != nil {
				return nil, fmt.Errorf("contract: %s: %w", o.OperationID, err)
			}
			if table[method] == nil {
				table[method] = make(map[string]*operation)
			}
			table[method][op.path] = op
		}
	}
	return table, nil
}

func newOperation(doc *openapi3.T, path, method string, item *openapi3.PathItem, o *openapi3.Operation) (*operation, error) {
	op := &operation{
		id:     o.OperationID,
		method: method,
		body:   o.RequestBody != nil,
		query:  make(map[string]bool),
		most:   maxBody,
		route:  &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: o},
	}
	wildcard := false
	for name, into := range map[string]any{
		"x-authz": &op.authz, "x-scope": &op.scope, "x-rate-limit": &op.limit, "x-cached": &op.cached,
		"x-raw-body": &op.raw, "x-upload": &op.upload, "x-max-body": &op.most, "x-media-types": &op.types, "x-wildcard": &wildcard,
	} {
		if err := extension(o, name, into); err != nil {
			return nil, err
		}
	}
	if op.authz.Public == (len(op.authz.Roles) > 0) {
		return nil, errors.New("x-authz must be public or name roles")
	}
	if op.scope != "" && (!slices.Contains(apikey.Scopes(), op.scope) || !slices.Equal(op.authz.Roles, []string{string(identity.Merchant)})) {
		return nil, fmt.Errorf("x-scope %q is none of ours, or the operation is not the enterprises' own", op.scope)
	}
	if op.body && op.types == nil {
		op.types = slices.Sorted(maps.Keys(o.RequestBody.Value.Content))
	}
	op.path = ginPath(path, wildcard)
	for _, p := range slices.Concat(item.Parameters, o.Parameters) {
		op.checks = true
		if p.Value.In == openapi3.ParameterInQuery {
			op.query[p.Value.Name] = true
		}
	}
	op.checks = op.checks || op.body
	return op, nil
}

// extension reads an x- field of o into a variable, which stays as it is when
// there is none.
func extension(o *openapi3.Operation, name string, into any) error {
	value, ok := o.Extensions[name]
	if !ok {
		return nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// ginPath writes a path of the contract as gin does. The last parameter of a
// wildcard path runs over several segments.
func ginPath(path string, wildcard bool) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		name, ok := strings.CutPrefix(s, "{")
		if !ok {
			continue
		}
		mark := ":"
		if wildcard && i == len(segments)-1 {
			mark = "*"
		}
		segments[i] = mark + strings.TrimSuffix(name, "}")
	}
	return strings.Join(segments, "/")
}

// all are the operations, in an order that does not change.
func (t routeTable) all() []*operation {
	var out []*operation
	for _, byPath := range t {
		out = slices.AppendSeq(out, maps.Values(byPath))
	}
	slices.SortFunc(out, func(a, b *operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return out
}
