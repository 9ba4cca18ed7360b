package nets_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// placing is a checkout as it should be, %s a SKU.
const placing = `{"lines":[{"sku_id":"SKU","quantity":2}],"ship_to":{"recipient":"李梅","phone":"13812345678","province":"北京市","city":"北京市","district":"朝阳区","detail":"建国路1号"}}`

func TestBadInputIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	buyer := s.person(t)
	replace := func(old, replaced string) string {
		if !strings.Contains(placing, old) {
			t.Fatalf("%q is not in %s", old, placing)
		}
		return strings.Replace(placing, old, replaced, 1)
	}
	quantity := func(q string) string { return replace(`"quantity":2`, `"quantity":`+q) }
	recipient := func(name string) string { return replace(`"李梅"`, name) }
	nested := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	tests := []struct {
		name, method, target, body string
		status                     int
		code, pointer              string // pointer "-": none
	}{
		// Wrong types and numbers.
		{"a text for a number", "POST", "/v1/checkouts", quantity(`"2"`), 400, "request.invalid", "/lines/0/quantity"},
		{"a list for a number", "POST", "/v1/checkouts", quantity(`[2]`), 400, "request.invalid", "/lines/0/quantity"},
		{"null for a number", "POST", "/v1/checkouts", quantity(`null`), 400, "request.invalid", "/lines/0/quantity"},
		{"a number for a text", "POST", "/v1/checkouts", recipient(`1`), 400, "request.invalid", "/ship_to/recipient"},
		{"an object for a list", "POST", "/v1/checkouts", `{"lines":{}}`, 400, "request.invalid", "/lines"},
		{"a list for the whole", "POST", "/v1/checkouts", `[]`, 400, "request.invalid", ""},
		{"a text for the whole", "POST", "/v1/checkouts", `"x"`, 400, "request.invalid", ""},
		{"a text for a boolean", "POST", "/v1/checkouts", `{"from_cart":"true"}`, 400, "request.invalid", "/from_cart"},
		{"a fraction", "POST", "/v1/checkouts", quantity(`1.5`), 400, "request.invalid_json", "/lines/0/quantity"},
		{"an exponent", "POST", "/v1/checkouts", quantity(`1e3`), 400, "request.invalid_json", "/lines/0/quantity"},
		{"a number beyond 64 bits", "POST", "/v1/checkouts", quantity(`99999999999999999999`), 400, "request.invalid_json", "/lines/0/quantity"},
		{"a number beyond all bounds", "POST", "/v1/checkouts", quantity(`1e400`), 400, "request.invalid_json", "/lines/0/quantity"},
		{"the largest of 64 bits", "POST", "/v1/checkouts", quantity(`9223372036854775807`), 400, "request.invalid", "/lines/0/quantity"},
		{"a negative quantity", "POST", "/v1/checkouts", quantity(`-1`), 400, "request.invalid", "/lines/0/quantity"},
		{"a quantity of none", "POST", "/v1/checkouts", quantity(`0`), 400, "request.invalid", "/lines/0/quantity"},
		{"a quantity that nobody carries", "POST", "/v1/checkouts", quantity(`1000`), 400, "request.invalid", "/lines/0/quantity"},
		{"a negative quantity in the cart", "POST", "/v1/cart/lines", `{"sku_id":"SKU","quantity":-1}`, 400, "request.invalid", "/quantity"},
		// Prices and other things that are not the client's to say.
		{"a price", "POST", "/v1/checkouts", quantity(`2,"price_fen":1`), 400, "request.invalid", "/lines/0/price_fen"},
		{"a price in the cart", "POST", "/v1/cart/lines", `{"sku_id":"SKU","quantity":1,"price_fen":1}`, 400, "request.invalid", "/price_fen"},
		{"a total", "POST", "/v1/checkouts", replace(`{"lines"`, `{"total_fen":1,"lines"`), 400, "request.invalid", "/total_fen"},
		{"a levy", "POST", "/v1/checkouts", replace(`{"lines"`, `{"levy_li":0,"lines"`), 400, "request.invalid", "/levy_li"},
		{"a state", "POST", "/v1/checkouts", replace(`{"lines"`, `{"state":"paid","lines"`), 400, "request.invalid", "/state"},
		{"a negative total that was shown", "POST", "/v1/checkouts", replace(`{"lines"`, `{"expected_total_fen":-1,"lines"`), 400, "request.invalid", "/expected_total_fen"},
		{"a total that was never shown", "POST", "/v1/checkouts", replace(`{"lines"`, `{"expected_total_fen":1,"lines"`), 409, "order.total_changed", "/expected_total_fen"},
		{"roles for oneself", "POST", "/v1/accounts", `{"email":"x@shop.example","password":"correct-horse","name":"x","roles":["operator"]}`, 400, "request.invalid", "/roles"},
		{"an unknown field", "POST", "/v1/checkouts", recipient(`"x","zip":"1"`), 400, "request.invalid", "/ship_to/zip"},
		{"a name in other letters", "POST", "/v1/cart/lines", `{"SKU_ID":"SKU","quantity":1}`, 400, "request.invalid", "/SKU_ID"},
		{"a missing field", "POST", "/v1/checkouts", `{"lines":[{"quantity":2}]}`, 400, "request.invalid", "/lines/0/sku_id"},
		{"the same name twice", "POST", "/v1/checkouts", quantity(`2,"quantity":1`), 400, "request.invalid_json", "/lines/0/quantity"},
		{"no lines", "POST", "/v1/checkouts", `{"lines":[]}`, 400, "request.invalid", "/lines"},
		{"too many lines", "POST", "/v1/checkouts", `{"lines":[` + strings.Repeat(`{"sku_id":"SKU","quantity":1},`, 100) + `{"sku_id":"SKU","quantity":1}]}`, 400, "request.invalid", "/lines"},
		{"the same SKU twice", "POST", "/v1/checkouts", replace(`[{`, `[{"sku_id":"SKU","quantity":1},{`), 422, "order.duplicate_sku", "/lines/1/sku_id"},
		// Texts.
		{"broken UTF-8", "POST", "/v1/checkouts", recipient("\"\xff\xfe\""), 400, "request.invalid_json", ""},
		{"overlong UTF-8", "POST", "/v1/checkouts", recipient("\"\xc0\x80\""), 400, "request.invalid_json", ""},
		{"half a surrogate pair", "POST", "/v1/checkouts", recipient(`"\ud800"`), 400, "request.invalid_json", "/ship_to/recipient"},
		{"NUL", "POST", "/v1/checkouts", recipient(`"a\u0000b"`), 400, "request.invalid_json", "/ship_to/recipient"},
		{"NUL in a name", "POST", "/v1/checkouts", `{"a\u0000":1}`, 400, "request.invalid_json", ""},
		{"a raw line break", "POST", "/v1/checkouts", recipient("\"a\nb\""), 400, "request.invalid_json", "/ship_to/recipient"},
		{"a long text", "POST", "/v1/checkouts", recipient(`"` + strings.Repeat("长", 65) + `"`), 400, "request.invalid", "/ship_to/recipient"},
		{"an empty text", "POST", "/v1/checkouts", recipient(`""`), 400, "request.invalid", "/ship_to/recipient"},
		{"an id that is none", "POST", "/v1/checkouts", replace("SKU", "1"), 400, "request.invalid", "/lines/0/sku_id"},
		{"an id of other letters", "POST", "/v1/checkouts", replace(`"SKU"`, `"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"`), 400, "request.invalid", "/lines/0/sku_id"},
		// Bodies.
		{"nothing", "POST", "/v1/checkouts", ``, 400, "request.invalid", ""},
		{"no JSON", "POST", "/v1/checkouts", `a=1`, 400, "request.invalid_json", ""},
		{"half of it", "POST", "/v1/checkouts", placing[:40], 400, "request.invalid_json", ""},
		{"one and a half", "POST", "/v1/checkouts", placing + `{`, 400, "request.invalid_json", ""},
		{"deep nesting", "POST", "/v1/checkouts", nested, 400, "request.invalid_json", strings.Repeat("/a", 16)},
		{"10 MB", "POST", "/v1/checkouts", recipient(`"` + strings.Repeat("x", 10<<20) + `"`), 413, "request.too_large", "-"},
		{"10 MB of spaces", "POST", "/v1/checkouts", placing + strings.Repeat(" ", 10<<20), 413, "request.too_large", "-"},
		{"10 MB for nobody", "POST", "/v1/accounts", strings.Repeat("[", 10<<20), 413, "request.too_large", "-"},
		{"10 MB for an event", "POST", "/v1/webhooks/stripe", strings.Repeat("[", 10<<20), 413, "request.too_large", "-"},
		{"a body where none belongs", "GET", "/v1/cart", `{"a":1}`, 400, "request.invalid", ""},
		// Parameters.
		{"no page size", "GET", "/v1/products?limit=0", ``, 400, "request.invalid", "query:limit"},
		{"a negative page size", "GET", "/v1/products?limit=-1", ``, 400, "request.invalid", "query:limit"},
		{"a large page size", "GET", "/v1/products?limit=101", ``, 400, "request.invalid", "query:limit"},
		{"a page size beyond all bounds", "GET", "/v1/products?limit=99999999999999999999999", ``, 400, "request.invalid", "query:limit"},
		{"a page size that is none", "GET", "/v1/products?limit=many", ``, 400, "request.invalid", "query:limit"},
		{"two page sizes", "GET", "/v1/products?limit=1&limit=2", ``, 400, "request.invalid", "query:limit"},
		{"a misspelt parameter", "GET", "/v1/products?limits=1", ``, 400, "request.invalid", "query:limits"},
		{"a broken escape", "GET", "/v1/products?limit=%zz", ``, 400, "request.invalid", "query:"},
		{"broken UTF-8 in the query", "GET", "/v1/products?category=%ff", ``, 400, "request.invalid", "query:category"},
		{"NUL in the query", "GET", "/v1/products?category=%00", ``, 400, "request.invalid", "query:category"},
		{"a cursor that was never given", "GET", "/v1/products?cursor=AAAA", ``, 400, "request.invalid_cursor", "query:cursor"},
		{"a cursor that cannot be", "GET", "/v1/products?cursor=%27", ``, 400, "request.invalid", "query:cursor"},
		{"an id that is none in the path", "GET", "/v1/products/1", ``, 400, "request.invalid", "path:product_id"},
		{"NUL in the path", "GET", "/v1/products/%00", ``, 400, "request.invalid", "path:product_id"},
		{"broken UTF-8 in the path", "GET", "/v1/products/%ff", ``, 400, "request.invalid", "path:product_id"},
		{"a tile beyond the tree", "GET", "/log/tile/64/000", ``, 400, "request.invalid", "path:path"},
		{"a way out of the tiles", "GET", "/log/tile/0/../../key", ``, 400, "request.invalid", "path:path"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := request{method: tt.method, target: tt.target, header: bearer(buyer.token), body: []byte(strings.ReplaceAll(tt.body, "SKU", s.mine.sku()))}
			if strings.Contains(tt.body, "SKU_ID") {
				r.body = []byte(tt.body)
			}
			if tt.method == http.MethodPost {
				r.header.Set("Content-Type", "application/json")
				r.header.Set("Idempotency-Key", fresh())
				r.header.Set("Stripe-Signature", "t=1,v1=00")
			}
			a := s.ask(t, r)
			if a.status != tt.status || a.code() != tt.code {
				t.Fatalf("answered\n%v\nwant %d %s\n%s", a, tt.status, tt.code, s.errors.of(a))
			}
			var pointers []string
			for _, e := range a.problem().Errors {
				pointers = append(pointers, e.Pointer)
			}
			if tt.pointer == "-" && len(pointers) > 0 || tt.pointer != "-" && !slices.Contains(pointers, tt.pointer) {
				t.Errorf("it points at %q, want %q: %s", pointers, tt.pointer, a.body)
			}
		})
	}
}

func TestBodiesOfAnotherTypeAreRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	buyer := s.person(t)
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=gbk", "application/jsonx", ";;;", "application/json, text/plain"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := request{method: http.MethodPost, target: "/v1/checkouts", header: bearer(buyer.token), body: []byte(strings.ReplaceAll(placing, "SKU", s.mine.sku()))}
			r.header.Set("Idempotency-Key", fresh())
			if kind != "" {
				r.header.Set("Content-Type", kind)
			}
			if a := s.ask(t, r); a.status != http.StatusUnsupportedMediaType || a.code() != "request.wrong_media_type" {
				t.Errorf("answered\n%v", a)
			}
		})
	}
}

func TestABodyWithoutALengthIsBoundedToo(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	// As a body in chunks comes: nobody has said how long it is.
	body := io.MultiReader(strings.NewReader(`{"login":"`), bytes.NewReader(bytes.Repeat([]byte("x"), 10<<20)))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/sessions", io.NopCloser(body))
	r.ContentLength = -1
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
}
