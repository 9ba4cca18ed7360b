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
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/cart"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/httpapi"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/receipt"
	"github.com/shiyi-market/shiyi/internal/redisdb"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/trail"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

// shop is the whole API over a small shop of two enterprises: a real database, a
// payment provider inside the process, and jobs that the test performs.
type shop struct {
	http.Handler
	httpapi.Services
	db    *postgres.DB
	clock *pgtest.Clock
	bank  *sandbox.Sandbox

	router routers.Router // of the contract

	mu     sync.Mutex
	jobs   []river.JobArgs
	tokens map[string]string // name → session token
}

// The names of the shop's enterprises and goods, as conversations write them.
func names() map[string]uuid.UUID {
	return map[string]uuid.UUID{
		"miller": millerID().UUID(), "distiller": distillerID().UUID(),
		"flour": skuID("flour").UUID(), "liquor": skuID("liquor").UUID(), "stay": skuID("stay").UUID(),
		"flour-product":  id.FromName[catalog.Product]("product", "flour").UUID(),
		"liquor-product": id.FromName[catalog.Product]("product", "liquor").UUID(),
		"stay-product":   id.FromName[catalog.Product]("product", "stay").UUID(),
	}
}

func millerID() merchant.ID           { return id.FromName[merchant.Merchant]("test", "miller") }
func distillerID() merchant.ID        { return id.FromName[merchant.Merchant]("test", "distiller") }
func skuID(code string) catalog.SKUID { return id.FromName[catalog.SKU]("test", code) }

// options change a shop before it opens.
type options struct {
	cfg   httpapi.Config
	redis *redisdb.DB
	log   io.Writer
	ready func(context.Context) error
}

func newShop(t testing.TB, o options) *shop {
	t.Helper()
	s := &shop{clock: pgtest.NewClock(pgtest.Noon), tokens: make(map[string]string)}
	var err error
	s.router, err = gorillamux.NewRouter(contract(t))
	must(t, err)
	s.db = pgtest.NewAt(t, s.clock.Now).Collecting(func(j river.JobArgs) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.jobs = append(s.jobs, j)
	})
	if o.log == nil {
		o.log = io.Discard
	}
	log := slog.New(slog.NewJSONHandler(o.log, nil))
	s.assemble(t, log)
	if o.cfg.Timeout == 0 {
		o.cfg.Timeout = time.Minute
	}
	if o.ready == nil {
		o.ready = s.db.Ping
	}
	s.Handler, err = httpapi.New(o.cfg, httpapi.Deps{
		Services: s.Services, Log: log, Clock: s.clock.Now, Redis: o.redis, Ready: o.ready,
	})
	must(t, err)
	s.stockUp(t)
	return s
}

func (s *shop) assemble(t testing.TB, log *slog.Logger) {
	t.Helper()
	var err error
	s.bank, err = sandbox.Open(sandbox.Config{PageURL: "http://localhost/sandbox/pay/", Clock: s.clock.Now}, log)
	must(t, err)
	gateway, err := payment.NewSandbox(s.bank, s.bank.Secret())
	must(t, err)
	s.Payments = payment.New(s.db, gateway, payment.Shop{
		Name: "test", SuccessURL: "http://localhost/?paid={checkout}", CancelURL: "http://localhost/?unpaid={checkout}", Mark: "shop.test/log",
	})
	s.Identity, err = identity.New(s.db, identity.Config{MemoryKiB: 64, Iterations: 1, Concurrency: 4, Queue: 64})
	must(t, err)
	s.Transparency, err = transparency.New(s.db, transparency.Config{Origin: "shop.test/log", Folder: t.TempDir()}, ledger.Roller{})
	must(t, err)
	must(t, s.Transparency.Sign(t.Context()))
	s.Trail, s.Merchants, s.Inventory = trail.New(s.db), merchant.New(s.db), inventory.New(s.db)
	s.Catalog, s.Carts, s.Fund = catalog.New(s.db, nil), cart.New(s.db), fund.New(s.db)
	s.Orders = order.New(s.db, s.Payments, log)
	s.Aftersales = aftersale.New(s.db)
	s.Receipts = receipt.New(s.db, s.Orders, s.Transparency)
}

// stockUp enrols the two enterprises and lists ten pieces of each of their goods.
func (s *shop) stockUp(t testing.TB) {
	t.Helper()
	for i, m := range []merchant.Enrolment{
		{ID: millerID(), Code: "E01", ShortName: "磨坊", USCC: "91152527XXXXXX01E1"},
		{ID: distillerID(), Code: "E02", ShortName: "酒坊", USCC: "91152527XXXXXX02E2"},
	} {
		m.LegalName, m.EntityType, m.Fictional, m.Region, m.Township = m.ShortName+"（虚构示例）", "农民专业合作社", true, "152527", "红旗镇"
		m.RecommendationNo, m.RecommendedOn = "R-"+m.Code, "2026-01-01"
		m.AgreementNo, m.AgreementSignedOn = "A-"+m.Code, "2026-01-02"
		m.Licences = []merchant.Licence{{Kind: "SC", No: "SC10115252799011", ExpiresOn: "2027-01-01"}}
		m.Linkage.Households = int64(100 + i)
		_, err := s.Merchants.Enrol(t.Context(), m)
		must(t, err)
	}
	s.list(t, millerID(), "flour", 3300, catalog.Description{Category: "FLOUR_MIAN", Name: "莜面", ReturnRule: catalog.NoReason})
	s.list(t, distillerID(), "liquor", 12345, catalog.Description{Category: "LIQUOR", Name: "草原白酒", ReturnRule: catalog.NoReasonUnopened, AgeRestricted: true})
	s.list(t, distillerID(), "stay", 29900, catalog.Description{
		Category: "TOURISM", Name: "农家院一晚", ReturnRule: catalog.VoucherRule,
		Voucher: true, VoucherValidDays: 180, ColdChain: "VOUCHER", ShipZone: "NONE",
	})
}

func (s *shop) list(t testing.TB, m merchant.ID, code string, price money.Fen, d catalog.Description) {
	t.Helper()
	d.Spec, d.SaleUnit, d.Kind, d.VATTreatment = "一份", "份", "PACKAGED_FOOD", "9%"
	if d.ColdChain == "" {
		d.ColdChain, d.ShipZone = "N", "NATIONWIDE"
	}
	_, err := s.Catalog.Add(t.Context(), sellerOf(m), catalog.NewProduct{
		ID: id.FromName[catalog.Product]("product", code), Merchant: m, Code: code, Description: d,
		SKUs: []catalog.NewSKU{{ID: skuID(code), Code: strings.ToUpper(code), Price: price}},
	})
	must(t, err)
	must(t, s.Inventory.Open(t.Context(), uuid.Nil, inventory.Line{Merchant: m.UUID(), SKU: skuID(code).UUID(), Qty: 10}))
}

func sellerOf(m merchant.ID) identity.Caller {
	return identity.Caller{Account: id.FromName[identity.Account]("test", "seller"), Roles: []identity.Grant{{Role: identity.Merchant, Merchant: m.UUID()}}}
}

// token signs somebody in. Who has the name of a role has the role; the others are
// buyers.
func (s *shop) token(t testing.TB, name string) string {
	t.Helper()
	if token, ok := s.tokens[name]; ok {
		return token
	}
	email, password := name+"@example.org", "correct-horse-battery"
	a, err := s.Identity.Register(t.Context(), identity.Registration{Email: email, Password: password, Name: name})
	must(t, err)
	grants := map[string]identity.Grant{
		"operator": {Role: identity.Operator}, "auditor": {Role: identity.Auditor}, "fund-admin": {Role: identity.FundAdmin},
		"institution": {Role: identity.Institution},
		"miller":      {Role: identity.Merchant, Merchant: millerID().UUID()}, "distiller": {Role: identity.Merchant, Merchant: distillerID().UUID()},
	}
	if grant, ok := grants[name]; ok {
		boss, err := s.Identity.EnsureOperator(t.Context(), "boss@example.org", password)
		must(t, err)
		_, err = s.Identity.Grant(t.Context(), identity.Caller{Account: boss.ID, Roles: boss.Roles}, a.ID, grant)
		must(t, err)
	}
	session, _, err := s.Identity.SignIn(t.Context(), identity.Credentials{Login: email, Password: password})
	must(t, err)
	s.tokens[name] = session.Token
	return session.Token
}

// perform does all jobs that wait, and those that they make.
func (s *shop) perform(t testing.TB) {
	t.Helper()
	for {
		s.mu.Lock()
		jobs := s.jobs
		s.jobs = nil
		s.mu.Unlock()
		if len(jobs) == 0 {
			return
		}
		for _, j := range jobs {
			must(t, s.do(t.Context(), j))
		}
	}
}

func (s *shop) do(ctx context.Context, j river.JobArgs) error {
	switch j := j.(type) {
	case payment.Received:
		return s.Orders.Capture(ctx, j.Event)
	case payment.PerformRefund:
		return s.Payments.PerformRefund(ctx, j.Buyer, j.Refund)
	case payment.RefundMoved:
		return s.Payments.SettleRefund(ctx, j.Event)
	case payment.Close:
		return s.Payments.Close(ctx, j.Buyer, j.Intent)
	}
	return nil
}

// pay pays a checkout at the provider and performs what follows.
func (s *shop) pay(t testing.TB, checkout, buyer uuid.UUID) {
	t.Helper()
	intent, err := s.Payments.Intent(t.Context(), buyer, id.From[payment.Intent](checkout))
	must(t, err)
	event, err := s.bank.Pay(intent.Session, "")
	must(t, err)
	must(t, s.bank.Send(t.Context(), event, s.Payments.Receive))
	s.perform(t)
}

// returnPast gives a payment back on the provider's own pages, so that our refund
// of it will fail.
func (s *shop) returnPast(t testing.TB, checkout, buyer uuid.UUID) {
	t.Helper()
	intent, err := s.Payments.Intent(t.Context(), buyer, id.From[payment.Intent](checkout))
	must(t, err)
	gateway, err := payment.NewSandbox(s.bank, s.bank.Secret())
	must(t, err)
	_, err = gateway.Refund(t.Context(), payment.Refunding{Refund: id.New[payment.Refund](s.clock.Now()), Buyer: buyer, Payment: intent.Payment, Amount: intent.Amount})
	must(t, err)
}

// sequence takes what is booked up into the log.
func (s *shop) sequence(t testing.TB) {
	t.Helper()
	_, err := s.Transparency.Sequence(t.Context())
	must(t, err)
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

func skusOf(codes ...string) []uuid.UUID {
	var out []uuid.UUID
	for _, code := range codes {
		out = append(out, skuID(code).UUID())
	}
	return out
}
