package nets_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
)

// wanted says which of its things an operation takes, where that is not the first.
var wanted = map[string]int{"decideCase": 4, "executeDisbursement": 1, "receiveCaseGoods": 2, "receiveOrder": 1}

// allowed is an insider's request of an operation, for a thing of his own, if it is
// anybody's own.
func (s *stage) allowed(t testing.TB, op *operation) request {
	t.Helper()
	who := signedIn("insider", s.insider(t))
	in, f, owner := make(map[string]string), s.mine, who.person
	if op.authz.Owner != "merchant" { // nobody reviews or decides on what he sells himself
		f = s.nobodys
	}
	if op.authz.Owner == "none" { // nor on what he asked for
		owner = s.person(t)
	}
	for _, param := range op.pathParams() {
		in[param] = s.thingsFor(t, op, param, owner, f)[wanted[op.id]]
	}
	return s.sample(t, op, who, s.mine, in)
}

// place is an object in a body, and the schema that describes it.
type place struct {
	pointer string
	object  map[string]any
	schema  *openapi3.Schema
}

// places are the objects of a body, the outermost first.
func places(v any, schema *openapi3.Schema, at string) []place {
	var out []place
	switch v := v.(type) {
	case map[string]any:
		out = append(out, place{at, v, schema})
		for name, one := range v {
			if property := schema.Properties[name]; property != nil {
				out = append(out, places(one, property.Value, at+"/"+name)...)
			}
		}
	case []any:
		for i, one := range v {
			out = append(out, places(one, schema.Items.Value, at+"/"+strconv.Itoa(i))...)
		}
	}
	return out
}

// fields tries to set, at each place of the body, every property that any answer
// has and the request has not: each must be refused by name.
func (s *stage) fields(t testing.TB, op *operation, seen []string) []violation {
	t.Helper()
	r := s.allowed(t, op)
	if op.raw || op.upload {
		return nil
	}
	if op.body == nil {
		r.body = []byte(`{"state":"paid"}`)
		r.header.Set("Content-Type", "application/json")
		return s.refused(t, r, "")
	}
	var out []violation
	var body any
	if err := json.Unmarshal(r.body, &body); err != nil {
		t.Fatalf("%s: its sample: %v", op.id, err)
	}
	for _, p := range places(body, op.body, "") {
		var unknown []string
		for _, name := range seen {
			if p.schema.Properties[name] == nil {
				unknown = append(unknown, name)
			}
		}
		for some := range slices.Chunk(unknown, 40) { // a refusal names no more than some dozens of places
			var pointers []string
			for _, name := range some {
				p.object[name] = 1
				pointers = append(pointers, p.pointer+"/"+name)
			}
			raw, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			r.body = raw
			out = append(out, s.refused(t, r, pointers...)...)
			for _, name := range some {
				delete(p.object, name)
			}
		}
	}
	return out
}

// refused sends a request that the contract does not allow, which must be said of
// these places.
func (s *stage) refused(t testing.TB, r request, pointers ...string) []violation {
	t.Helper()
	a := s.ask(t, r)
	out := s.x.examine(r, a)
	if a.status != http.StatusBadRequest || a.code() != "request.invalid" {
		return append(out, violation{ruleFields, r.op.id, fmt.Sprintf("it must answer 400 request.invalid, and answered\n%v\nfor\n%v\n%s", a, r, s.errors.of(a))})
	}
	named := make(map[string]bool)
	for _, e := range a.problem().Errors {
		named[e.Pointer] = true
	}
	missed := slices.DeleteFunc(slices.Clone(pointers), func(p string) bool { return named[p] })
	if len(missed) > 0 {
		out = append(out, violation{ruleFields, r.op.id, fmt.Sprintf("the refusal does not name %q, but %v", missed, a.problem().Errors)})
	}
	return out
}

// keys holds an operation with an Idempotency-Key to it: it is needed, the same
// request again gives the same bytes, another one with the same key is refused,
// and somebody else's same key is another key.
func (s *stage) keys(t testing.TB, op *operation) []violation {
	t.Helper()
	const header = "Idempotency-Key"
	var out []violation
	r := s.allowed(t, op)
	for _, bad := range []string{"", "short", "with a space in it", strings.Repeat("k", 129), "schlüssel-schlüssel"} {
		one := r
		one.header = r.header.Clone()
		one.header.Set(header, bad)
		if bad == "" {
			one.header.Del(header)
		}
		out = append(out, s.refused(t, one, "header:"+header)...)
	}
	first := s.ask(t, r)
	again := s.ask(t, r)
	say := func(format string, args ...any) {
		out = append(out, violation{ruleReplay, op.id, fmt.Sprintf(format, args...)})
	}
	if first.status >= 300 {
		say("the first request was answered\n%v\nfor\n%v\n%s", first, r, s.errors.of(first))
		return out
	}
	if again.status != first.status || !bytes.Equal(again.body, first.body) || again.header.Get("Idempotent-Replayed") != "true" {
		say("the second answer was (Idempotent-Replayed: %q)\n%v\nand the first\n%v\n%s", again.header.Get("Idempotent-Replayed"), again, first, s.errors.of(again))
	}
	if first.header.Get("Idempotent-Replayed") != "" {
		say("the first answer says that it was replayed")
	}
	out = append(out, s.x.examine(r, again)...)
	other := s.allowed(t, op) // of somebody else, for something else
	other.header.Set(header, r.header.Get(header))
	if a := s.ask(t, other); a.status >= 300 || a.header.Get("Idempotent-Replayed") != "" {
		say("somebody else used the same key, and was answered\n%v\n%s", a, s.errors.of(a))
	}
	other.header.Set("Authorization", r.header.Get("Authorization"))
	if a := s.ask(t, other); a.status != http.StatusUnprocessableEntity || a.code() != "request.key_reused" {
		say("another request with the same key must be 422 request.key_reused, and was answered\n%v\nfor\n%v\n%s", a, other, s.errors.of(a))
	}
	return out
}

func TestNoOperationTakesWhatTheContractDoesNotName(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ops := contract(t)
	seen := answered(ops)
	for _, op := range ops {
		t.Run(op.id, func(t *testing.T) {
			t.Parallel()
			r := s.allowed(t, op)
			before := "?"
			if strings.Contains(r.target, before) {
				before = "&"
			}
			r.target += before + "is_admin=true"
			found := s.refused(t, r, "query:is_admin")
			if !op.safe() {
				found = append(found, s.fields(t, op, seen)...)
			}
			if op.param("header", "Idempotency-Key") != nil {
				found = append(found, s.keys(t, op)...)
			}
			for _, v := range found {
				t.Error(v)
			}
		})
	}
}

func TestPricesNeverComeFromTheClient(t *testing.T) {
	t.Parallel()
	ops := contract(t)
	seen := answered(ops)
	for _, name := range []string{"price_fen", "goods_fen", "levy_li", "roles", "state", "merchant_id", "total_fen", "refunded_fen", "id"} {
		if !slices.Contains(seen, name) {
			t.Errorf("no answer has %q any more: the net does not try to set it", name)
		}
	}
	for _, op := range ops {
		if op.id != "placeCheckout" && op.id != "previewCheckout" && op.id != "setCartLine" {
			continue
		}
		all := make(map[string]bool)
		names(op.body, all)
		for name := range all {
			if strings.Contains(name, "price") || strings.HasSuffix(name, "_fen") && name != "expected_total_fen" {
				t.Errorf("%s takes %q from the client", op.id, name)
			}
		}
	}
}

// fresh is a key that was never used.
func fresh() string { return uuid.NewString() }
