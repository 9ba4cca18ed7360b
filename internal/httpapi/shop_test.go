package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/httpapi"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/redisdb"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

// shop is the whole API over a stocked shop.
type shop struct {
	*shoptest.Shop
	http.Handler

	router routers.Router    // of the contract
	tokens map[string]string // name → session token
}

// The names of the shop's enterprises and goods, as conversations write them.
func names() map[string]uuid.UUID {
	all := map[string]uuid.UUID{"miller": shoptest.Miller.UUID(), "distiller": shoptest.Distiller.UUID()}
	for _, code := range []string{"flour", "liquor", "stay"} {
		all[code], all[code+"-product"] = shoptest.SKU(code).UUID(), shoptest.ProductID(code).UUID()
	}
	return all
}

// options change a shop before it opens.
type options struct {
	cfg   httpapi.Config
	redis *redisdb.DB
	url   string // PUBLIC_URL
	log   io.Writer
	ready func(context.Context) error
}

func newShop(t testing.TB, o options) *shop {
	t.Helper()
	if o.log == nil {
		o.log = io.Discard
	}
	log := slog.New(slog.NewJSONHandler(o.log, nil))
	s := &shop{Shop: shoptest.New(t, shoptest.Options{Log: log}), tokens: make(map[string]string)}
	s.StockUp(t, 10)
	var err error
	s.router, err = gorillamux.NewRouter(contract(t))
	must(t, err)
	if o.cfg.Timeout == 0 {
		o.cfg.Timeout = time.Minute
	}
	if o.ready == nil {
		o.ready = s.DB.Ping
	}
	s.Handler, err = httpapi.New(o.cfg, httpapi.Deps{
		Services: httpapi.Services(s.Services), Log: log, Clock: s.Clock.Now, Redis: o.redis, Ready: o.ready, PublicURL: o.url,
	})
	must(t, err)
	return s
}

// token signs somebody in. Who has the name of a role has the role; the others are
// buyers.
func (s *shop) token(t testing.TB, name string) string {
	t.Helper()
	if token, ok := s.tokens[name]; ok {
		return token
	}
	roles := map[string][]identity.Grant{
		"operator": {{Role: identity.Operator}}, "reviewer": {{Role: identity.Operator}}, "auditor": {{Role: identity.Auditor}}, "fund-admin": {{Role: identity.FundAdmin}},
		"tian": {{Role: identity.FundAdmin}}, "lin": {{Role: identity.FundAdmin}}, "zhou": {{Role: identity.FundAdmin}},
		"institution": {{Role: identity.Institution}},
		"county":      {{Role: identity.County, Region: "152527"}}, "neighbour": {{Role: identity.County, Region: "152528"}},
		"both":   {{Role: identity.County, Region: "152527"}, {Role: identity.Operator}},
		"miller": {{Role: identity.Merchant, Merchant: shoptest.Miller.UUID()}}, "distiller": {{Role: identity.Merchant, Merchant: shoptest.Distiller.UUID()}},
	}
	session, err := s.SignUp(t.Context(), identity.Registration{Email: name + "@example.org", Password: "correct-horse-battery", Name: name}, roles[name]...)
	must(t, err)
	s.tokens[name] = session.Token
	return session.Token
}

// signIn signs somebody in anew who was before.
func (s *shop) signIn(t testing.TB, name string) {
	t.Helper()
	session, _, err := s.Identity.SignIn(t.Context(), identity.Credentials{Login: name + "@example.org", Password: "correct-horse-battery"})
	must(t, err)
	s.tokens[name] = session.Token
}

// account is somebody who is signed in.
func (s *shop) account(t testing.TB, name string) (account uuid.UUID) {
	t.Helper()
	s.token(t, name)
	must(t, s.DB.SQL().QueryRowContext(t.Context(), "SELECT id FROM account WHERE email = $1", name+"@example.org").Scan(&account))
	return account
}

// call sends one request. A body that is no string is written as JSON.
func (s *shop) call(t testing.TB, method, path, token string, body any, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	var content io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(body)
	default:
		raw, err := json.Marshal(body)
		must(t, err)
		content = bytes.NewReader(raw)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, content)
	if content != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	s.promised(t, r, w)
	return w
}

// promised checks an answer against the contract.
func (s *shop) promised(t testing.TB, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	route, params, err := s.router.FindRoute(r)
	if err != nil {
		return // a page, or no path of ours
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 w.Code, Header: w.Header(),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	input.SetBodyBytes(w.Body.Bytes())
	if strings.HasSuffix(w.Header().Get("Content-Type"), "json") {
		if err := openapi3filter.ValidateResponse(t.Context(), input); err != nil {
			t.Errorf("%s %s: the answer is not as the contract promises: %v\n%s", r.Method, r.URL, err, w.Body)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
