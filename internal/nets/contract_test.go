package nets_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/shiyi-market/shiyi/api"
)

// authz is x-authz: who may call an operation, and whose objects he reaches.
type authz struct {
	Public bool     `json:"public"`
	Roles  []string `json:"roles"`
	Owner  string   `json:"owner"`
}

// operation is one operation of the contract, as the nets see it.
type operation struct {
	id, method, path string
	authz            authz
	scope            string   // x-scope: what an API key needs to call it, or "": it takes none
	raw              bool     // x-raw-body: somebody else's body, which the contract does not describe
	upload           bool     // x-upload: a form with a file, which its handler reads
	cached           bool     // x-cached
	media            []string // x-media-types: what its body may be, where that is no JSON
	params           []*openapi3.Parameter
	body             *openapi3.Schema // nil: it takes none
	responses        *openapi3.Responses
}

// owners are the words that x-authz has for whose objects a caller reaches.
var owners = []string{"account", "buyer", "merchant", "none"}

// object says of a path parameter whose the thing is that it names. A thing that
// belongs to nobody in particular (a product) has no owners: everybody who may
// call reaches it.
type object struct {
	owners []string
}

// objects are the path parameters of which the shop (shop_test.go) has things.
var objects = map[string]object{
	"application_id":           {owners: []string{"account"}},
	"session_id":               {owners: []string{"account"}},
	"checkout_id":              {owners: []string{"buyer"}},
	"order_id":                 {owners: []string{"buyer", "merchant"}},
	"sku_id":                   {owners: []string{"merchant", "account"}}, // an enterprise's, or in somebody's cart
	"product_id":               {owners: []string{"merchant"}},
	"merchant_id":              {owners: []string{"merchant"}},
	"account_id":               {owners: []string{"account"}},
	"refund_id":                {owners: []string{"buyer"}},
	"dispute_id":               {},
	"break_id":                 {},
	"key_id":                   {owners: []string{"merchant"}},
	"notice_id":                {owners: []string{"account"}},
	"path":                     {},
	"code":                     {},
	"import_id":                {owners: []string{"merchant"}},
	"shipment_id":              {owners: []string{"merchant"}},
	"batch_id":                 {owners: []string{"merchant"}},
	"licence_id":               {owners: []string{"merchant"}},
	"alert_id":                 {owners: []string{"merchant"}},
	"webhook_id":               {owners: []string{"merchant"}},
	"delivery_id":              {owners: []string{"merchant"}},
	"file_id":                  {owners: []string{"account"}},
	"lot_id":                   {owners: []string{"merchant"}},
	"recall_id":                {owners: []string{"merchant"}},
	"review_id":                {owners: []string{"buyer", "merchant"}},
	"voucher_id":               {owners: []string{"buyer"}},
	"appointment_id":           {owners: []string{"merchant"}},
	"claim_id":                 {owners: []string{"merchant"}},
	"report_id":                {owners: []string{"account"}},
	"listing_id":               {owners: []string{"merchant"}}, // a product in any state
	"case_id":                  {owners: []string{"buyer", "merchant"}},
	"compensation_id":          {},
	"payout_id":                {owners: []string{"merchant"}},
	"document_id":              {},
	"programme_id":             {},
	"programme_application_id": {},
	"programme_change_id":      {},
	"other_money_id":           {},
	"objection_period_id":      {},
	"objection_id":             {},
	"grant_id":                 {},
	"disbursement_id":          {},
	"duty_id":                  {},
	"pupil_id":                 {},
	"pupil_request_id":         {},
	"outflow":                  {},
	"correction_id":            {},
	"finding_id":               {},
}

// headers are the required parameters of which the nets know a good value.
var headers = []string{"Idempotency-Key", "If-Match", "Stripe-Signature", "q", "from", "until", "year", "quarter", "day", "merchant_id"}

// contract is the operations, in an order that does not change.
func contract(t testing.TB) []*operation {
	t.Helper()
	ops, flaws := readContract(api.Contract)
	for _, flaw := range flaws {
		t.Error(flaw)
	}
	if t.Failed() {
		t.FailNow()
	}
	return ops
}

// readContract reads the operations, and says what the nets cannot do without.
func readContract(raw []byte) (ops []*operation, flaws []string) {
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		return nil, []string{err.Error()}
	}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			op := newOperation(path, method, item, o)
			flaws = append(flaws, op.flaws(doc, o)...)
			ops = append(ops, op)
		}
	}
	slices.SortFunc(ops, func(a, b *operation) int { return strings.Compare(a.path+" "+a.method, b.path+" "+b.method) })
	slices.Sort(flaws)
	return ops, flaws
}

func newOperation(path, method string, item *openapi3.PathItem, o *openapi3.Operation) *operation {
	op := &operation{id: o.OperationID, method: method, path: path, responses: o.Responses}
	extension(o, "x-authz", &op.authz)
	extension(o, "x-scope", &op.scope)
	extension(o, "x-raw-body", &op.raw)
	extension(o, "x-upload", &op.upload)
	extension(o, "x-cached", &op.cached)
	extension(o, "x-media-types", &op.media)
	for _, p := range slices.Concat(item.Parameters, o.Parameters) {
		op.params = append(op.params, p.Value)
	}
	if o.RequestBody != nil {
		if media := o.RequestBody.Value.Content.Get("application/json"); media != nil {
			op.body = media.Schema.Value
		}
	}
	return op
}

func extension(o *openapi3.Operation, name string, into any) {
	if raw, err := json.Marshal(o.Extensions[name]); err == nil {
		_ = json.Unmarshal(raw, into) // what does not fit is empty, and flaws says so
	}
}

// flaws says what the operation lacks for the nets to reach it.
func (op *operation) flaws(doc *openapi3.T, o *openapi3.Operation) []string {
	var out []string
	say := func(format string, args ...any) {
		out = append(out, fmt.Sprintf("%s %s (%s): %s", op.method, op.path, op.id, fmt.Sprintf(format, args...)))
	}
	switch {
	case op.id == "":
		say("it has no operationId")
	case o.Extensions["x-authz"] == nil:
		say("it has no x-authz: say `{ public: true }`, or `{ roles: […], owner: %s }`", strings.Join(owners, "|"))
	case op.authz.Public && (len(op.authz.Roles) > 0 || op.authz.Owner != ""):
		say("x-authz is public and names roles or an owner: it is one or the other")
	case !op.authz.Public && len(op.authz.Roles) == 0:
		say("x-authz is neither public nor does it name roles (`consumer` is everybody who is signed in)")
	case !op.authz.Public && !slices.Contains(owners, op.authz.Owner):
		say("x-authz says not whose objects the caller reaches: owner is one of %s", strings.Join(owners, ", "))
	}
	for _, role := range op.authz.Roles {
		if !slices.Contains(roles(doc), role) {
			say("x-authz names the role %q, which the schema Role does not have", role)
		}
	}
	for _, p := range op.params {
		switch _, known := objects[p.Name]; {
		case p.In == openapi3.ParameterInPath && !known:
			say("the nets have nothing for the path parameter {%s}: add it to objects in contract_test.go, and things of that kind to shop.things in shop_test.go", p.Name)
		case p.In != openapi3.ParameterInPath && p.Required && !slices.Contains(headers, p.Name):
			say("the nets know no good value for the required parameter %s: add it to headers in contract_test.go and to shop.header in shop_test.go", p.Name)
		}
	}
	if o.RequestBody != nil && op.body == nil && !op.upload {
		say("its body is not application/json: teach sample in sample_test.go to write such a body")
	}
	if op.body != nil && !op.raw && op.body.Example == nil && len(op.body.Required) > 0 {
		say("the schema of its body has no example, which is what the nets send: add one")
	}
	return out
}

// roles are those of the contract; consumer is everybody who is signed in.
func roles(doc *openapi3.T) []string {
	out := []string{"consumer"}
	if role := doc.Components.Schemas["Role"]; role != nil {
		for _, r := range role.Value.Enum {
			out = append(out, fmt.Sprint(r))
		}
	}
	return out
}

// safe reports whether the operation only reads.
func (op *operation) safe() bool { return op.method == http.MethodGet || op.method == http.MethodHead }

// param is a parameter, or nil.
func (op *operation) param(in, name string) *openapi3.Parameter {
	for _, p := range op.params {
		if p.In == in && p.Name == name {
			return p
		}
	}
	return nil
}

// path parameters, in the order of the path.
func (op *operation) pathParams() []string {
	var out []string
	for segment := range strings.SplitSeq(op.path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			out = append(out, strings.TrimSuffix(name, "}"))
		}
	}
	return out
}

// owned reports whether the things that a path parameter names belong to
// somebody, as far as this operation goes: then those of others are not found.
func (op *operation) owned(param string) bool {
	return !op.authz.Public && slices.Contains(objects[param].owners, op.authz.Owner)
}

// declares reports whether the contract names this status for the operation
// (default aside).
func (op *operation) declares(status int) bool {
	return op.responses.Value(strconv.Itoa(status)) != nil
}

// names are the properties of all that a schema describes, at any depth.
func names(schema *openapi3.Schema, into map[string]bool) {
	if schema == nil {
		return
	}
	for name, property := range schema.Properties {
		into[name] = true
		names(property.Value, into)
	}
	if schema.Items != nil {
		names(schema.Items.Value, into)
	}
}

// answered are the properties of all answers of the contract: what a client has
// seen, and may try to set.
func answered(ops []*operation) []string {
	all := map[string]bool{"is_admin": true, "__proto__": true, "Roles": true}
	for _, op := range ops {
		for _, response := range op.responses.Map() {
			for _, media := range response.Value.Content {
				names(media.Schema.Value, all)
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func TestTheContractHasAllThatTheNetsNeed(t *testing.T) {
	t.Parallel()
	if n := len(contract(t)); n < 40 {
		t.Errorf("the contract has %d operations: was it read whole?", n)
	}
}

// broken is a contract of one operation, of which a part is replaced.
const broken = `
openapi: 3.0.3
info: { title: x, version: 1.0.0 }
paths:
  /v1/things/{checkout_id}:
    post:
      operationId: changeThing
      x-authz: { roles: [operator], owner: none }
      parameters:
        - { name: checkout_id, in: path, required: true, schema: { type: string } }
        - { name: Idempotency-Key, in: header, required: true, schema: { type: string } }
      requestBody: { required: true, content: { application/json: { schema: { type: object, required: [a], properties: { a: { type: string } }, example: { a: b } } } } }
      responses: { default: { description: Any } }
components:
  schemas:
    Role: { type: string, enum: [merchant, operator] }
`

func TestAnOperationThatTheNetsCannotReachIsNamed(t *testing.T) {
	t.Parallel()
	if _, flaws := readContract([]byte(broken)); len(flaws) > 0 {
		t.Fatalf("the whole contract has flaws: %v", flaws)
	}
	tests := []struct{ name, old, replaced, says string }{
		{"no x-authz", "x-authz: { roles: [operator], owner: none }", "x-other: 1", "it has no x-authz: say `{ public: true }`"},
		{"an empty x-authz", "x-authz: { roles: [operator], owner: none }", "x-authz: {}", "neither public nor does it name roles"},
		{"public and roles", "x-authz: { roles", "x-authz: { public: true, roles", "it is one or the other"},
		{"a role that is none", "roles: [operator]", "roles: [admin]", `the role "admin"`},
		{"no owner", ", owner: none", "", "owner is one of account, buyer"},
		{"an owner that is none", "owner: none", "owner: me", "owner is one of account, buyer"},
		{"no operationId", "operationId: changeThing", "summary: x", "no operationId"},
		{"a path parameter without things", "checkout_id", "planet_id", "nothing for the path parameter {planet_id}"},
		{"a required header without a value", "Idempotency-Key", "If-Range", "required parameter If-Range"},
		{"a body that is not JSON", "application/json", "text/csv", "not application/json"},
		{"a body without an example", ", example: { a: b }", "", "has no example"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, flaws := readContract([]byte(strings.ReplaceAll(broken, tt.old, tt.replaced)))
			if all := strings.Join(flaws, "\n"); !strings.Contains(all, tt.says) {
				t.Errorf("flaws:\n%s\nwant one that says %q", all, tt.says)
			}
		})
	}
}
