package httpapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/shiyi-market/shiyi/api"
)

func contract(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Contract)
	if err != nil {
		t.Fatalf("load the contract: %v", err)
	}
	return doc
}

// operations calls f for each operation of the contract.
func operations(doc *openapi3.T, f func(where string, item *openapi3.PathItem, o *openapi3.Operation)) {
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			f(method+" "+path, item, o)
		}
	}
}

func TestTheContractIsValidIncludingItsExamples(t *testing.T) {
	t.Parallel()
	if err := contract(t).Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestEveryOperationSaysWhoMayCall(t *testing.T) {
	t.Parallel()
	roles := []string{"consumer", "merchant", "operator", "fund_admin", "auditor", "institution", "county"}
	owners := []string{"account", "buyer", "merchant", "none"}
	operations(contract(t), func(where string, _ *openapi3.PathItem, o *openapi3.Operation) {
		authz, ok := o.Extensions["x-authz"].(map[string]any)
		if !ok {
			t.Errorf("%s has no x-authz", where)
			return
		}
		public := authz["public"] == true
		if public != (o.Security != nil && len(*o.Security) == 0) {
			t.Errorf("%s: x-authz says public: %v, and security says otherwise", where, public)
		}
		if public {
			return
		}
		given, ok := authz["roles"].([]any)
		if !ok || len(given) == 0 {
			t.Errorf("%s names no roles", where)
		}
		for _, role := range given {
			if name, ok := role.(string); !ok || !slices.Contains(roles, name) {
				t.Errorf("%s: %v is no role", where, role)
			}
		}
		if owner, ok := authz["owner"].(string); !ok || !slices.Contains(owners, owner) {
			t.Errorf("%s: owner %v is none of %v", where, authz["owner"], owners)
		}
	})
}

// What moves goods or money, and must therefore happen once.
func TestWhatMovesGoodsOrMoneyNeedsAKey(t *testing.T) {
	t.Parallel()
	want := []string{
		"adjustStock", "approveCase", "approveCompensation", "approveCorrection", "approveDisbursement", "approveGrant", "cancelCheckout", "cancelMerchantOrder", "cancelOrder", "closeMerchantRecall", "closeOpsRecall",
		"decideCase", "executeDisbursement", "givePupil", "openMerchantRecall", "openOpsRecall", "placeCheckout", "receiveCaseGoods", "receiveLot", "receiveOrder", "redeemVoucher", "refundOrder", "reportDuty",
		"retryPayout", "retryRefund", "shipOrder",
	}
	var got []string
	operations(contract(t), func(_ string, _ *openapi3.PathItem, o *openapi3.Operation) {
		if p := o.Parameters.GetByInAndName("header", "Idempotency-Key"); p != nil && p.Required {
			got = append(got, o.OperationID)
		}
	})
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("a key is needed by %v, want %v", got, want)
	}
}

func TestEverythingThatComesFromOutsideIsBounded(t *testing.T) {
	t.Parallel()
	operations(contract(t), func(where string, item *openapi3.PathItem, o *openapi3.Operation) {
		for _, p := range slices.Concat(item.Parameters, o.Parameters) {
			bounded(t, where+" "+p.Value.In+":"+p.Value.Name, p.Value.Schema.Value)
		}
		if o.RequestBody == nil || o.Extensions["x-raw-body"] == true || o.Extensions["x-upload"] == true {
			return
		}
		for kind, media := range o.RequestBody.Value.Content {
			if kind != "application/json" {
				t.Errorf("%s takes %s", where, kind)
			}
			bounded(t, where, media.Schema.Value)
		}
	})
}

func bounded(t *testing.T, at string, s *openapi3.Schema) {
	t.Helper()
	switch {
	case len(s.Enum) > 0 || s.Type.Is("boolean"):
	case s.Type.Is("string"):
		if s.MaxLength == nil {
			t.Errorf("%s: a string without maxLength", at)
		}
	case s.Type.Is("integer"):
		if s.Min == nil || s.Max == nil {
			t.Errorf("%s: a number without minimum and maximum", at)
		}
	case s.Type.Is("array"):
		if s.MaxItems == nil {
			t.Errorf("%s: an array without maxItems", at)
		}
		bounded(t, at+"/-", s.Items.Value)
	case s.Type.Is("object"):
		if has := s.AdditionalProperties.Has; has == nil || *has {
			t.Errorf("%s: an object that takes unknown fields", at)
		}
		for name, property := range s.Properties {
			bounded(t, at+"/"+name, property.Value)
		}
	default:
		t.Errorf("%s: of no known type", at)
	}
}

// Money has its unit in its name, and is whole.
func TestMoneyIsWholeAndSaysItsUnit(t *testing.T) {
	t.Parallel()
	for name, schema := range contract(t).Components.Schemas {
		for field, property := range schema.Value.Properties {
			at := fmt.Sprintf("%s.%s", name, field)
			if property.Value.Type.Is("number") {
				t.Errorf("%s is a number that need not be whole", at)
			}
			isMoney := strings.HasSuffix(field, "_fen") || strings.HasSuffix(field, "_li")
			if isMoney && (!property.Value.Type.Is("integer") || property.Value.Format != "int64") {
				t.Errorf("%s is money and not an int64", at)
			}
		}
	}
}

// A list may say more beside its rows, such as their sum.
func TestListsHaveOneShape(t *testing.T) {
	t.Parallel()
	operations(contract(t), func(where string, _ *openapi3.PathItem, o *openapi3.Operation) {
		if o.Parameters.GetByInAndName("query", "cursor") == nil {
			return
		}
		page := o.Responses.Value("200").Value.Content["application/json"].Schema.Value
		if !slices.Contains(page.Required, "data") || !slices.Contains(page.Required, "next_cursor") || o.Parameters.GetByInAndName("query", "limit") == nil {
			t.Errorf("%s takes a cursor, and is no list of {data, next_cursor} with a limit", where)
		}
	})
}
