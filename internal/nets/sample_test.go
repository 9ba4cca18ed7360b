package nets_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/internal/id"
)

// caller is somebody, or nobody, who sends requests.
type caller struct {
	kind     string
	person   *person
	firm     *firm // whom he sells for, or nil
	header   http.Header
	standing standing
	roles    []string // those in force
	scopes   []string // of the API key that he calls with; nil: he is a person
}

// standing is what a caller's credential is worth.
type standing int

const (
	stranger  standing = iota // no credential that is good
	suspended                 // a good one, of an account that may not be used
	elsewhere                 // a good one, sent by the page of another site
	known
)

// may reports whether x-authz lets the caller call the operation at all.
func (c caller) may(op *operation) bool {
	for _, want := range op.authz.Roles {
		for _, has := range c.roles {
			if want == has {
				return true
			}
		}
	}
	return op.authz.Public
}

// sample is a request as the contract wants it, made of its examples: with these
// values of path parameters, and what belongs to the caller where a name says so.
func (s *shop) sample(t testing.TB, op *operation, who caller, f *firm, in map[string]string) request {
	t.Helper()
	r := request{op: op, method: op.method, target: op.target(in), header: who.header.Clone()}
	if r.header == nil {
		r.header = http.Header{}
	}
	switch {
	case op.id == "checkShipmentBatch":
		r.body = s.parcels(t, s.person(t), f)
	case op.media != nil:
		r.body = s.sheet(f)
	case op.raw:
		r.body = s.event()
	case op.upload:
		r.body = form(t)
		r.header.Set("Content-Type", formType)
	case op.body != nil:
		raw, err := json.Marshal(s.body(t, op, who, f, in))
		if err != nil {
			t.Fatalf("%s: write the example: %v", op.id, err)
		}
		r.body = raw
	}
	if op.body != nil {
		r.header.Set("Content-Type", op.mediaType())
	}
	for _, p := range op.params {
		switch {
		case p.In == "header" && p.Required:
			r.header.Set(p.Name, s.header(p.Name, r.body))
		case p.In == "query" && p.Required:
			r.target += separator(r.target) + p.Name + "=" + s.header(p.Name, nil)
		}
	}
	return r
}

// mediaType is what the nets send it.
func (op *operation) mediaType() string {
	if op.media != nil {
		return "text/csv"
	}
	return "application/json"
}

// sheet is a sheet that gives goods of an enterprise a price.
func (s *shop) sheet(f *firm) []byte {
	p := f.products[0]
	return fmt.Appendf(nil, "code,sku_code,price\n%s,%s,%d.00\n", p.Code, p.SKUs[0].Code, 10+s.next()%100)
}

// formType is the Content-Type of form.
const formType = "multipart/form-data; boundary=nets"

// form is a form with a small picture for everybody.
func form(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	err := errors.Join(w.SetBoundary("nets"), w.WriteField("private", "false"))
	part, failed := w.CreateFormFile("file", "a.png")
	if err = errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(png.Encode(part, image.NewGray(image.Rect(0, 0, 2, 2))), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// target is the path with its parameters filled in.
func (op *operation) target(in map[string]string) string {
	target := op.path
	for name, value := range in {
		segments := strings.Split(value, "/")
		for i := range segments {
			segments[i] = url.PathEscape(segments[i])
		}
		target = strings.ReplaceAll(target, "{"+name+"}", strings.Join(segments, "/"))
	}
	return target
}

// example is the contract's example of the body, as a copy of one's own.
func (op *operation) example(t testing.TB) any {
	t.Helper()
	example := op.body.Example
	if example == nil {
		example = map[string]any{}
	}
	raw, err := json.Marshal(example)
	if err != nil {
		t.Fatalf("%s: the example: %v", op.id, err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: the example: %v", op.id, err)
	}
	return v
}

// body is the contract's example with what belongs to the caller, and with what cannot be
// made up: it must be that of a thing which is there.
func (s *shop) body(t testing.TB, op *operation, who caller, f *firm, in map[string]string) any {
	t.Helper()
	v := s.fill(op.example(t), who, f)
	body, ok := v.(map[string]any)
	if !ok {
		return v
	}
	switch op.id {
	case "redeemVoucher":
		body["code"] = s.voucher(t, s.person(t), f).Code
	case "proposeCompensation":
		body["order_id"], body["amount_fen"] = s.over(t, s.person(t), f).String(), 100
	case "approveCompensation":
		if digest := s.digest(t, in["compensation_id"]); digest != "" {
			body["digest"] = digest
		}
	case "recordPupil": // each in another programme
		body["programme_id"] = s.recorded(t).String()
	case "openDuty":
		body["subject"] = id.New[shop](s.DB.Now()).String()
	case "proposeGrant":
		body["programme_id"] = s.funds(t).programme.String()
	case "recordOtherMoney":
		body["programme_ids"] = []any{s.funds(t).programme.String()}
	case "approveGrant":
		s.fundDigest(t, body, "fund_grant", in["grant_id"])
	case "approveDisbursement":
		s.fundDigest(t, body, "disbursement", in["disbursement_id"])
	case "proposeCorrection":
		body["transfer_id"] = s.fee(t).String()
	case "approveCorrection":
		if digest := s.digest(t, in["correction_id"]); digest != "" {
			body["digest"] = digest
		}
	case "setShippingFees":
		body["version"] = s.feesVersion(t, f)
	}
	return body
}

// fill puts into an example what its names say.
func (s *shop) fill(v any, who caller, f *firm) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = s.fill(v[i], who, f)
		}
	case map[string]any:
		for name, value := range v {
			switch good, leave := s.good(name, who, f); {
			case leave:
				delete(v, name)
			case good != nil:
				v[name] = good
			default:
				v[name] = s.fill(value, who, f)
			}
		}
	}
	return v
}

// good is a value for a property of this name: nil, that of the example; leave
// takes the property out.
func (s *shop) good(name string, who caller, f *firm) (value any, leave bool) {
	switch name {
	case "sku_id":
		return f.sku(), false
	case "code":
		return fmt.Sprintf("C%d", s.next()), false
	case "merchant_id":
		return f.id.String(), false
	case "phone":
		return fmt.Sprintf("+86137%08d", s.next()), false
	case "email":
		return fmt.Sprintf("mail%d@shop.example", s.next()), false
	case "bank_reference":
		return fmt.Sprintf("ICBC-%d", s.next()), false
	case "login":
		return who.person.phone, false
	case "password", "old_password":
		return who.person.password, false
	case "new_password":
		return fmt.Sprintf("another-horse-%d", s.next()), false
	case "expected_total_fen":
		return nil, true // what the example's goods cost is not known here
	}
	return nil, false
}

// separator is what comes before the next parameter of a query.
func separator(target string) string {
	if strings.Contains(target, "?") {
		return "&"
	}
	return "?"
}
