package nets_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/shiyi-market/shiyi/api"
)

// request is a request as it would come over the wire. Its target may be no good;
// its header is one that net/http would let through.
type request struct {
	op     *operation // nil: the contract has none for it
	method string
	target string
	header http.Header
	body   []byte
}

// String shows the request whole, for whoever must do it again.
func (r request) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.method, r.target)
	for name, values := range r.header {
		if name == "Authorization" {
			values = []string{"…"}
		}
		fmt.Fprintf(&b, "%s: %q\n", name, values)
	}
	fmt.Fprintf(&b, "%s", shortened(r.body))
	return b.String()
}

func shortened(b []byte) string {
	if len(b) > 2000 {
		return fmt.Sprintf("%q… (%d bytes)", b[:2000], len(b))
	}
	return strconv.Quote(string(b))
}

// answer is what came back.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	panicked string // the panic that reached net/http, or ""
}

// String shows the answer whole.
func (a answer) String() string {
	if a.panicked != "" {
		return "panic: " + a.panicked
	}
	return fmt.Sprintf("%d %s\n%s", a.status, a.header.Get("Content-Type"), shortened(a.body))
}

// ask lets a handler answer the request, as net/http would.
func ask(t testing.TB, handler http.Handler, r request) (a answer) {
	t.Helper()
	hr, err := http.NewRequestWithContext(t.Context(), r.method, r.target, bytes.NewReader(r.body))
	if err != nil {
		t.Fatalf("%s %q cannot be sent: %v", r.method, r.target, err)
	}
	hr.RequestURI, hr.RemoteAddr, hr.Host = r.target, "192.0.2.1:1234", "shop.example"
	hr.Header = r.header.Clone()
	if hr.Header == nil {
		hr.Header = http.Header{}
	}
	w := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			a = answer{panicked: fmt.Sprintf("%v\n%s", p, debug.Stack())}
		}
	}()
	handler.ServeHTTP(w, hr)
	got := w.Result()
	return answer{status: got.StatusCode, header: got.Header, body: w.Body.Bytes()}
}

// violation is something that an answer should not have been.
type violation struct {
	rule string // one of the rules below
	op   string
	text string
}

// The rules that answers are held to.
const (
	ruleCrash    = "never 5xx"
	ruleContract = "keeps the contract"
	ruleHeaders  = "bears its headers"
	ruleInternal = "tells nothing of the inside"
	ruleAuthz    = "x-authz"
	ruleLeak     = "shows nobody what is another's"
	ruleFields   = "takes no field that the contract does not name"
	ruleLegal    = "takes nothing that the contract refuses"
	ruleReplay   = "an Idempotency-Key works once"
)

// String is a line of a report.
func (v violation) String() string { return fmt.Sprintf("%s: breaks %q: %s", v.op, v.rule, v.text) }

// examiner holds answers against the contract.
type examiner struct {
	codes map[string]int // the status of each problem, as api/problems.md has it
}

var problemRow = regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| ([0-9]{3}) \\|")

func newExaminer(t testing.TB) *examiner {
	t.Helper()
	x := &examiner{codes: make(map[string]int)}
	for _, row := range problemRow.FindAllSubmatch(api.Problems, -1) {
		status, err := strconv.Atoi(string(row[2]))
		if err != nil {
			t.Fatalf("api/problems.md: %v", err)
		}
		x.codes[string(row[1])] = status
	}
	if len(x.codes) < 40 {
		t.Fatalf("api/problems.md has %d rows that name a problem's code: is it in another form now?", len(x.codes))
	}
	return x
}

// problem is the body of a refusal.
type problem struct {
	Type, Title, Detail, Instance, Code string
	Status                              int
	RequestID                           string `json:"request_id"`
	Errors                              []struct{ Pointer, Keyword, Message string }
}

// code is the code of the problem that was answered, or "".
func (a answer) code() string { return a.problem().Code }

func (a answer) problem() problem {
	var p problem
	if a.status >= 400 {
		_ = json.Unmarshal(a.body, &p) // whether it is one, examine says
	}
	return p
}

// inside are words that only our own inside uses, and no random token happens to hold.
var inside = []string{
	"SQLSTATE", "goroutine ", "runtime error", ".go:", "panic:", "gorm:", "/internal/",
	"violates check", "violates unique", "violates foreign", "violates not-null",
}

// examine says what is wrong with an answer, whoever asked and whatever for.
func (x *examiner) examine(r request, a answer) []violation {
	id := r.method + " " + r.target
	if r.op != nil {
		id = r.op.id
	}
	var out []violation
	say := func(rule, format string, args ...any) {
		out = append(out, violation{rule, id, fmt.Sprintf(format, args...)})
	}
	if a.panicked != "" {
		say(ruleCrash, "the handler panicked: %s", a.panicked)
		return out
	}
	if a.status >= 500 && !busy(r.op, a) {
		say(ruleCrash, "answered %d", a.status)
	}
	x.headers(r, a, say)
	if r.op == nil {
		if a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed {
			say(ruleContract, "the contract has no such operation, and it was answered %d", a.status)
		}
		x.problem(a, say)
		return out
	}
	if a.status >= 400 {
		x.problem(a, say)
	}
	if a.status >= 400 || strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		for _, word := range inside {
			if bytes.Contains(a.body, []byte(word)) {
				say(ruleInternal, "the answer has %q", word)
			}
		}
	}
	x.contract(r.op, a, say)
	return out
}

// busy reports whether a 503 is one that the operation may give: it says so in
// the contract, and the answer says when to come back.
func busy(op *operation, a answer) bool {
	return a.status == http.StatusServiceUnavailable && op != nil && op.declares(a.status) &&
		a.header.Get("Retry-After") != "" && a.code() != "internal"
}

type sayer func(rule, format string, args ...any)

// headers are those that every answer bears.
func (x *examiner) headers(r request, a answer, say sayer) {
	h := a.header
	if len(h.Get("X-Request-Id")) < 8 {
		say(ruleHeaders, "X-Request-Id is %q", h.Get("X-Request-Id"))
	}
	if h.Get("X-Content-Type-Options") != "nosniff" {
		say(ruleHeaders, "X-Content-Type-Options is %q", h.Get("X-Content-Type-Options"))
	}
	for _, name := range []string{"Content-Security-Policy", "Referrer-Policy", "Cache-Control"} {
		if h.Get(name) == "" {
			say(ruleHeaders, "%s is missing", name)
		}
	}
	switch kept := r.op != nil && r.op.cached && a.status < 400; {
	case kept && h.Get("Etag") == "":
		say(ruleHeaders, "an x-cached answer has no ETag")
	case (r.op == nil || !r.op.authz.Public || a.status >= 400) && h.Get("Cache-Control") != "no-store":
		say(ruleHeaders, "Cache-Control of what is one caller's is %q", h.Get("Cache-Control"))
	}
	if a.status == http.StatusUnauthorized && h.Get("Www-Authenticate") == "" {
		say(ruleHeaders, "401 without WWW-Authenticate")
	}
	if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
		if n, err := strconv.Atoi(h.Get("Retry-After")); err != nil || n < 1 {
			say(ruleHeaders, "%d with Retry-After %q", a.status, h.Get("Retry-After"))
		}
	}
}

// problem checks a refusal: RFC 9457, with a code that is explained.
func (x *examiner) problem(a answer, say sayer) {
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		say(ruleContract, "%d is %q, not a problem", a.status, kind)
		return
	}
	p := a.problem()
	switch {
	case x.codes[p.Code] != a.status:
		say(ruleContract, "api/problems.md has the code %q with the status %d, and the answer's is %d", p.Code, x.codes[p.Code], a.status)
	case p.Status != a.status:
		say(ruleContract, "the problem's status is %d, the answer's %d", p.Status, a.status)
	case p.Type != "/problems/"+p.Code:
		say(ruleContract, "the type is %q for the code %q", p.Type, p.Code)
	case p.Title == "":
		say(ruleContract, "%s has no title", p.Code)
	case p.RequestID != a.header.Get("X-Request-Id") || p.Instance != p.RequestID:
		say(ruleContract, "request_id %q, instance %q, X-Request-Id %q", p.RequestID, p.Instance, a.header.Get("X-Request-Id"))
	case a.status == http.StatusBadRequest && len(p.Errors) == 0 && pointed(p.Code):
		say(ruleContract, "%s names no place of the request: %q", p.Code, p.Detail)
	}
	for _, e := range p.Errors {
		if e.Keyword == "" || e.Message == "" && e.Keyword != "cursor" || !pointer.MatchString(e.Pointer) {
			say(ruleContract, "%s has a place that says too little: %+v", p.Code, e)
		}
	}
}

// pointed reports whether a 400 of this code must say which place is bad: all do,
// but for what has no place inside the request.
func pointed(code string) bool { return !strings.HasPrefix(code, "payment.") }

var pointer = regexp.MustCompile(`^(|/.*|(query|path|header|cookie):.*)$`)

// contract checks status, type and shape against what the contract says.
func (x *examiner) contract(op *operation, a answer, say sayer) {
	response := op.responses.Status(a.status)
	if response == nil {
		if !ofTheEdge(a) {
			say(ruleContract, "%d is not declared (%s)", a.status, a.code())
			return
		}
		response = op.responses.Default()
	}
	if response == nil {
		say(ruleContract, "%d is not declared, nor a default", a.status)
		return
	}
	if len(response.Value.Content) == 0 || a.status == http.StatusNotModified {
		if len(a.body) > 0 {
			say(ruleContract, "%d has a body, which the contract does not give it: %s", a.status, shortened(a.body))
		}
		return
	}
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		say(ruleContract, "%d has the Content-Type %q", a.status, a.header.Get("Content-Type"))
		return
	}
	media := response.Value.Content[kind]
	if media == nil {
		say(ruleContract, "%d is %q, which is not declared", a.status, kind)
		return
	}
	if strings.HasSuffix(kind, "json") {
		if err := fits(media.Schema.Value, a.body); err != nil {
			say(ruleContract, "%d: %v", a.status, err)
		}
	}
}

// ofTheEdge reports whether a refusal is one that any operation may give by its
// `default`: what is wrong with the request as such.
func ofTheEdge(a answer) bool {
	edge := []int{http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType}
	return slices.Contains(edge, a.status) && strings.HasPrefix(a.code(), "request.")
}

// fits checks a body against a schema: also that it has no property that the
// schema does not name, for what an answer lets slip is seen by somebody.
func fits(schema *openapi3.Schema, body []byte) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return fmt.Errorf("not JSON: %w: %s", err, shortened(body))
	}
	if err := schema.VisitJSON(v, openapi3.VisitAsResponse(), openapi3.EnableFormatValidation()); err != nil {
		return err
	}
	return unnamed(schema, v, "")
}

func unnamed(schema *openapi3.Schema, v any, at string) error {
	switch v := v.(type) {
	case []any:
		for i, one := range v {
			if schema.Items == nil {
				break
			}
			if err := unnamed(schema.Items.Value, one, at+"/"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
	case map[string]any:
		open := schema.AdditionalProperties
		if len(schema.Properties) == 0 || open.Schema != nil || open.Has != nil && *open.Has {
			return nil
		}
		for name, one := range v {
			property := schema.Properties[name]
			if property == nil {
				return fmt.Errorf("%s/%s is in the answer and not in the contract", at, name)
			}
			if err := unnamed(property.Value, one, at+"/"+name); err != nil {
				return err
			}
		}
	}
	return nil
}
