package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/gin-gonic/gin"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/strictjson"
)

// maxBody is the largest body that is read where the contract says nothing else, in
// bytes.
const maxBody = 1 << 20

// Faults of requests that are not what the contract describes.
var (
	errInvalid   = fault.New(fault.Invalid, "request.invalid", "The request is not as the contract describes", "请求不符合接口约定")
	errJSON      = fault.New(fault.Invalid, "request.invalid_json", "The body is not a JSON text as the API takes it", "请求体不是有效的 JSON")
	errMediaType = fault.New(fault.Invalid, "request.wrong_media_type", "The body is not of a type that the operation takes", "不支持的内容类型")
	errTooLarge  = fault.New(fault.Invalid, "request.too_large", "The body is too large", "请求体过大")
)

// validate checks the request against the contract, so that no handler sees a
// value that the contract does not allow.
func (e *edge) validate(c *gin.Context) {
	x := exchangeOf(c.Request.Context())
	if x.op == nil {
		return
	}
	if err := e.check(c, x); err != nil {
		e.fail(c, err)
	}
}

func (e *edge) check(c *gin.Context, x *exchange) error {
	if err := checkQuery(x.op, c.Request.URL.RawQuery); err != nil {
		return err
	}
	if x.op.upload {
		if err := e.boundUpload(c); err != nil {
			return err
		}
	} else if err := readBody(c.Writer, c.Request, x); err != nil {
		return err
	}
	if !x.op.checks {
		return nil
	}
	options := e.validation
	if x.op.raw || x.op.upload {
		options = e.rawValidation
	}
	err := openapi3filter.ValidateRequest(c.Request.Context(), &openapi3filter.RequestValidationInput{
		Request:     c.Request,
		PathParams:  pathParams(c),
		QueryParams: c.Request.URL.Query(),
		Route:       x.op.route,
		Options:     options,
	})
	if err == nil {
		return nil
	}
	places := unique(placesOf("", err))
	if len(places) == 1 && places[0] == (place{"header:If-Match", "required", ""}) {
		return &misfit{request.ErrUnconditional, places}
	}
	return &misfit{errInvalid, places}
}

// validationOptions are those of every request: all faults at once, nothing
// filled in (handlers know the defaults), and no second question who is calling.
func validationOptions(raw bool) *openapi3filter.Options {
	return &openapi3filter.Options{
		ExcludeRequestBody:  raw,
		MultiError:          true,
		SkipSettingDefaults: true,
		AuthenticationFunc:  func(context.Context, *openapi3filter.AuthenticationInput) error { return nil },
	}
}

func pathParams(c *gin.Context) map[string]string {
	if len(c.Params) == 0 {
		return nil
	}
	params := make(map[string]string, len(c.Params))
	for _, p := range c.Params {
		params[p.Key] = strings.TrimPrefix(p.Value, "/")
	}
	return params
}

// checkQuery refuses a parameter that the operation does not know or that comes
// twice: whoever misspells `limit` should learn it.
func checkQuery(op *operation, raw string) error {
	if raw == "" {
		return nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return &misfit{errInvalid, []place{{"query:", "encoding", ""}}}
	}
	var places []place
	for _, name := range slices.Sorted(maps.Keys(values)) {
		given := values[name]
		switch {
		case !strictjson.Storable(name):
			places = append(places, place{"query:", "text", ""})
		case !op.query[name]:
			places = append(places, place{"query:" + name, "unknown", ""})
		case len(given) > 1:
			places = append(places, place{"query:" + name, "duplicate", ""})
		case !strictjson.Storable(given[0]):
			places = append(places, place{"query:" + name, "text", ""})
		}
	}
	if places == nil {
		return nil
	}
	return &misfit{errInvalid, places}
}

// readBody reads the body whole, once, and leaves it to be read again. What the
// contract gives no body must come without one (`{}` is nothing, too).
func readBody(w http.ResponseWriter, r *http.Request, x *exchange) error {
	if r.Body == nil || r.Body == http.NoBody {
		return requireJSON(r, x)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, x.op.most))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return errTooLarge.With("at most %d bytes", x.op.most)
		}
		return errInvalid.With("the body ended early")
	}
	x.body = body
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	switch {
	case x.op.body:
		return requireJSON(r, x)
	case len(bytes.TrimSpace(body)) > 0 && !bytes.Equal(bytes.TrimSpace(body), []byte("{}")):
		return &misfit{errInvalid, []place{{"", "body", ""}}}
	}
	return nil
}

// requireJSON refuses a body that is of another type than the contract has, or no
// JSON text that we would take.
func requireJSON(r *http.Request, x *exchange) error {
	if !x.op.body || len(x.body) == 0 {
		return nil // nothing is needed, or missing: which of these the contract says
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	foreign := kind == "application/json" && charset != "" && !strings.EqualFold(charset, "utf-8")
	if err != nil || foreign || !slices.Contains(x.op.types, kind) {
		return errMediaType.With("Content-Type must be %s", strings.Replace(strings.Join(x.op.types, " or "), "application/json", "application/json in UTF-8", 1))
	}
	if x.op.raw {
		return nil
	}
	if flaw := strictjson.Check(x.body); flaw != nil {
		return &misfit{errJSON, []place{{flaw.Pointer, flaw.Keyword, ""}}}
	}
	return nil
}

// placesOf turns what kin-openapi found below base ("" is the body) into places of
// the request.
func placesOf(base string, err error) []place {
	switch err := err.(type) { //nolint:errorlint // a tree of errors is walked here, level by level
	case openapi3.MultiError:
		var out []place
		for _, one := range err {
			out = append(out, placesOf(base, one)...)
		}
		return out
	case *openapi3filter.RequestError:
		if err.Parameter != nil {
			base = err.Parameter.In + ":" + err.Parameter.Name
		}
		if errors.Is(err.Err, openapi3filter.ErrInvalidRequired) {
			return []place{{base, "required", ""}}
		}
		return placesOf(base, err.Err)
	case *openapi3.SchemaError:
		return placesOfSchema(base, err)
	}
	return []place{{base, "format", ""}}
}

func placesOfSchema(base string, err *openapi3.SchemaError) []place {
	at := base
	if base == "" {
		at = pointerTo(err.JSONPointer())
	}
	// kin-openapi reports a name that the schema does not know under "properties",
	// at the object that has it.
	object, ok := err.Value.(map[string]any)
	if err.SchemaField != "properties" || !ok {
		return []place{{at, err.SchemaField, bound(err)}}
	}
	var out []place
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if err.Schema.Properties[name] == nil {
			out = append(out, place{at + "/" + strictjson.Escape(name), "unknown", ""})
		}
	}
	return out
}

// pointerTo is the JSON pointer with these parts.
func pointerTo(parts []string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteString("/" + strictjson.Escape(part))
	}
	return b.String()
}

// unique leaves out what was said before, and all beyond the first fifty: a body of
// 1 MiB can be wrong in many places.
func unique(places []place) []place {
	const most = 50
	var out []place
	for _, p := range places {
		if len(out) < most && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// bound is the value of the rule that was broken, as text: the 999 of a maximum.
func bound(err *openapi3.SchemaError) string {
	s := err.Schema
	switch err.SchemaField {
	case "minimum":
		return number(s.Min)
	case "maximum":
		return number(s.Max)
	case "minLength":
		return strconv.FormatUint(s.MinLength, 10)
	case "maxLength":
		return length(s.MaxLength)
	case "minItems":
		return strconv.FormatUint(s.MinItems, 10)
	case "maxItems":
		return length(s.MaxItems)
	case "type":
		return strings.Join(s.Type.Slice(), ", ")
	case "enum":
		return choices(s.Enum)
	case "pattern":
		return s.Pattern
	}
	return ""
}

// choices are the values that are allowed, one told from the next.
func choices(values []any) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = fmt.Sprint(v)
		if v == nil {
			out[i] = "null"
		}
	}
	return strings.Join(out, ", ")
}

func number(n *float64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatFloat(*n, 'f', -1, 64)
}

func length(n *uint64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatUint(*n, 10)
}
