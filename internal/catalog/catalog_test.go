package catalog_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/listing"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/offer"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/price"
	"github.com/shiyi-market/shiyi/internal/redisdb"
	"github.com/shiyi-market/shiyi/internal/scrutiny"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// shop is a catalogue of two enterprises with a seller each.
type shop struct {
	db        *postgres.DB
	svc       *catalog.Service
	desk      *scrutiny.Service
	merchants *merchant.Service
	clock     *pgtest.Clock
	a, b      merchant.Merchant
	sellsA    identity.Caller
	sellsB    identity.Caller
	ops       identity.Caller
}

func seller(m merchant.Merchant) identity.Caller {
	return identity.Caller{
		Account: id.New[identity.Account](pgtest.Noon),
		Roles:   []identity.Grant{{Role: identity.Merchant, Merchant: m.ID.UUID()}},
	}
}

func newShop(t *testing.T, cache *catalog.Cache) shop {
	t.Helper()
	clock := pgtest.NewClock(pgtest.Noon)
	db := pgtest.NewAt(t, clock.Now)
	s := shop{db: db, svc: catalog.New(db, cache), merchants: merchant.New(db), clock: clock}
	s.desk = scrutiny.New(db, s.svc)
	s.a, s.b = s.enrol(t, "E01"), s.enrol(t, "E02")
	s.sellsA, s.sellsB = seller(s.a), seller(s.b)
	s.ops = identity.Caller{Account: id.New[identity.Account](pgtest.Noon), Roles: []identity.Grant{{Role: identity.Operator}}}
	return s
}

func (s shop) enrol(t testing.TB, code string) merchant.Merchant {
	t.Helper()
	e := merchant.Enrolment{
		Code: code, LegalName: "企业" + code, ShortName: code + "号", EntityType: "有限责任公司", Region: "152527", Township: "宝昌镇",
		USCC: shoptest.USCC(int(code[2])), AgreementNo: "EDU-DON-" + code, AgreementSignedOn: "2019-12-13",
		Licences: []merchant.Licence{{Kind: "SC", No: shoptest.SC(int(code[2])), ExpiresOn: "2026-12-01"}},
	}
	m, err := postgres.InTx(t.Context(), s.db, func(tx *postgres.Tx) (merchant.Merchant, error) { return merchant.Enrol(t.Context(), tx, e) })
	if err != nil {
		t.Fatalf("enrol %s: %v", code, err)
	}
	return m
}

func oil() catalog.Description {
	return catalog.Description{
		Category: "OIL", Name: "冷榨亚麻籽油", Brand: "坝野", Spec: "2.5L/桶", NetContent: 2500, NetUnit: "mL", SaleUnit: "桶",
		Kind: "PACKAGED_FOOD", Storage: "常温避光", ColdChain: "N", ShelfLifeDays: 540, Origin: "内蒙古自治区锡林郭勒盟太仆寺旗",
		StandardCode: "GB/T 8235", ConformityDoc: "出厂检验报告", TraceCode: "TRC-152527-0032", VATTreatment: "9%",
		ReturnRule: catalog.NoReasonUnopened, ShipZone: "NATIONWIDE", RegionCode: "152527",
		Label: listing.Label{
			Ingredients: "亚麻籽", Allergens: "无", Maker: "坝野胡麻油脂有限公司（虚构示例）", MakerAddress: "太仆寺旗永丰镇",
			LicenceNo: "SC10215252799067", MadeOnRule: "见包装喷码",
		},
	}
}

// add lists a product and puts it on sale.
func (s shop) add(t testing.TB, c identity.Caller, m merchant.Merchant, code string, change ...func(*catalog.NewProduct)) catalog.Product {
	t.Helper()
	return s.putOnSale(t, c, s.draft(t, c, m, code, change...))
}

// putOnSale submits a product, and lets the operator approve it.
func (s shop) putOnSale(t testing.TB, c identity.Caller, p catalog.Product) catalog.Product {
	t.Helper()
	_, err := s.svc.Submit(t.Context(), c, p.ID)
	if err == nil {
		p, err = s.desk.Approve(t.Context(), s.ops, p.ID, 0)
	}
	if err != nil {
		t.Fatalf("put %s on sale: %v", p.Code, err)
	}
	return p
}

func (s shop) draft(t testing.TB, c identity.Caller, m merchant.Merchant, code string, change ...func(*catalog.NewProduct)) catalog.Product {
	t.Helper()
	n := catalog.NewProduct{
		Merchant: m.ID, Code: code, Description: oil(),
		SKUs: []catalog.NewSKU{{Code: code + "-1", Price: 16800}, {Code: code + "-2", Price: 9990}},
	}
	for _, f := range change {
		f(&n)
	}
	p, err := s.svc.Add(t.Context(), c, n)
	if err != nil {
		t.Fatalf("add %s: %v", code, err)
	}
	return p
}

var sameIDs = cmp.AllowUnexported(catalog.ProductID{}, catalog.SKUID{}, merchant.ID{})

func TestAProductIsReadAsItWasListed(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	p := s.add(t, s.sellsA, s.a, "P032")
	want := catalog.Product{
		ID: p.ID, Merchant: s.a.ID, MerchantName: "E01号", Code: "P032", Description: oil(), State: catalog.OnSale, Version: 3,
		EditedBy: s.sellsA.Account.UUID(), SubmittedBy: s.sellsA.Account.UUID(), SubmittedAt: pgtest.Noon,
		SKUs:      []catalog.SKU{{ID: p.SKUs[0].ID, Code: "P032-1", Price: 16800, Position: 1}, {ID: p.SKUs[1].ID, Code: "P032-2", Price: 9990, Position: 2}},
		CreatedAt: pgtest.Noon, UpdatedAt: pgtest.Noon,
	}
	before := s.db.Statements()
	read, err := s.svc.Product(t.Context(), p.ID)
	if n := s.db.Statements() - before; err != nil || n != 1 {
		t.Fatalf("product: %v, in %d statements, want 1", err, n)
	}
	before = s.db.Statements()
	list, err := s.svc.Products(t.Context(), catalog.Filter{}, page.Request{})
	if n := s.db.Statements() - before; err != nil || n != 1 || len(list.Data) != 1 {
		t.Fatalf("products: %d, %v, in %d statements, want one of each", len(list.Data), err, n)
	}
	for what, got := range map[string]catalog.Product{"added": p, "read": read, "listed": list.Data[0]} {
		if diff := cmp.Diff(want, got, sameIDs); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	if _, err := s.svc.Product(t.Context(), id.From[catalog.Product](p.SKUs[0].ID.UUID())); !errors.Is(err, catalog.ErrProduct) {
		t.Errorf("a SKU's id as a product's: %v, want %v", err, catalog.ErrProduct)
	}
}

func TestListsAreWalkedByKeyAndFilter(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	for i := range 7 {
		s.add(t, s.sellsA, s.a, fmt.Sprintf("P%02d", i), func(n *catalog.NewProduct) { n.Category = []string{"OIL", "EGG"}[i%2] })
		s.add(t, s.sellsB, s.b, fmt.Sprintf("P%02d", i)) // the same codes: only the ids tell them apart
	}
	tests := []struct {
		name string
		f    catalog.Filter
		want int
	}{
		{"all", catalog.Filter{}, 14},
		{"a category", catalog.Filter{Category: "EGG"}, 3},
		{"an enterprise", catalog.Filter{Merchant: s.b.ID}, 7},
		{"both", catalog.Filter{Category: "OIL", Merchant: s.a.ID}, 4},
		{"no such category", catalog.Filter{Category: "GOLD"}, 0},
	}
	for _, tt := range tests {
		seen := map[catalog.ProductID]bool{}
		var codes []string
		for p := (page.Request{Limit: 3}); ; {
			got, err := s.svc.Products(t.Context(), tt.f, p)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			for _, p := range got.Data {
				seen[p.ID] = true
				codes = append(codes, p.Code)
			}
			if p.Cursor = got.Next; p.Cursor == "" {
				break
			}
		}
		if len(seen) != tt.want || len(codes) != tt.want || !slices.IsSorted(codes) {
			t.Errorf("%s: walked over %v, want %d different ones in order", tt.name, codes, tt.want)
		}
	}
	for _, bad := range []string{"a\x00b", "\xff", "GOLD GOLD GOLD GOLD GOLD GOLD GOLD GOLD"} {
		if _, err := s.svc.Products(t.Context(), catalog.Filter{Category: bad}, page.Request{}); !errors.Is(err, catalog.ErrCategory) {
			t.Errorf("category %q: %v, want %v", bad, err, catalog.ErrCategory)
		}
	}
	if _, err := s.svc.Products(t.Context(), catalog.Filter{}, page.Request{Cursor: "!"}); !errors.Is(err, page.ErrCursor) {
		t.Errorf("a foreign cursor: %v, want %v", err, page.ErrCursor)
	}
}

func TestThePublicSeesOnlyWhatItCanBuy(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	p := s.add(t, s.sellsA, s.a, "P01")
	draft := s.draft(t, s.sellsA, s.a, "P02")
	seen := func(p catalog.ProductID, hidden error) bool {
		t.Helper()
		list, err := s.svc.Products(t.Context(), catalog.Filter{}, page.Request{})
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		_, err = s.svc.Product(t.Context(), p)
		if err != nil && !errors.Is(err, hidden) {
			t.Fatalf("product: %v, want %v", err, hidden)
		}
		listed := slices.ContainsFunc(list.Data, func(have catalog.Product) bool { return have.ID == p })
		if listed != (err == nil) {
			t.Errorf("listed %v, but shown %v", listed, err == nil)
		}
		return listed
	}
	offered := func(k catalog.SKUID) error {
		t.Helper()
		o, err := postgres.Read(t.Context(), s.db, func(tx *postgres.Tx) ([]offer.Offer, error) { return offer.Of(t.Context(), tx, []catalog.SKUID{k}) })
		if err != nil || len(o) != 1 {
			t.Fatalf("offers = %v, %v", o, err)
		}
		return o[0].Check(s.clock.Now())
	}
	check := func(when string, p catalog.Product, want error) {
		t.Helper()
		hidden := catalog.ErrPaused // by its enterprise, which is told apart from what is not offered
		if errors.Is(want, catalog.ErrNotOnSale) {
			hidden = catalog.ErrProduct
		}
		if seen(p.ID, hidden) != (want == nil) {
			t.Errorf("%s: seen %v, want %v", when, want != nil, want == nil)
		}
		if err := offered(p.SKUs[0].ID); !errors.Is(err, want) {
			t.Errorf("%s: offered with %v, want %v", when, err, want)
		}
	}
	check("on sale", p, nil)
	check("a draft", draft, catalog.ErrNotOnSale)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s.putOnSale(t, s.sellsA, draft)
	check("a draft put on sale", draft, nil)
	_, err := s.svc.Withdraw(t.Context(), s.sellsA, p.ID)
	must(err)
	check("withdrawn", p, catalog.ErrNotOnSale)
	s.putOnSale(t, s.sellsA, p)
	_, err = s.merchants.Suspend(t.Context(), s.ops, s.a.ID, "许可证待核验")
	must(err)
	check("its enterprise suspended", p, merchant.ErrSuspended)
	_, err = s.merchants.Reinstate(t.Context(), s.ops, s.a.ID, "核验通过")
	must(err)
	s.clock.Set(time.Date(2026, 12, 1, 15, 59, 59, 0, time.UTC))
	check("in the licence's last second", p, nil)
	s.clock.Advance(time.Second)
	check("after it", p, merchant.ErrLicenceExpired)
	must(postgres.Do(t.Context(), s.db, func(tx *postgres.Tx) error {
		_, err := merchant.Renew(t.Context(), tx, s.a.ID, merchant.Licence{Kind: "SC", No: shoptest.SC(int("E01"[2])), ExpiresOn: "2031-12-01"})
		return err
	}))
	check("renewed", p, nil)
}

func TestListingsThatAreNoGoodAreRefusedWithTheirPlaces(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	s.add(t, s.sellsA, s.a, "P01")
	tests := []struct {
		pointer string
		want    error
		change  func(*catalog.NewProduct)
	}{
		{"/code", catalog.ErrInvalid, func(n *catalog.NewProduct) { n.Code = "" }},
		{"/name", catalog.ErrInvalid, func(n *catalog.NewProduct) { n.Name = "a\x00b" }},
		{"/name", catalog.ErrInvalid, func(n *catalog.NewProduct) { n.Name = "a\xffb" }},
		{"/net_content", catalog.ErrInvalid, func(n *catalog.NewProduct) { n.NetUnit = "斤" }},
		{"/net_content", catalog.ErrInvalid, func(n *catalog.NewProduct) { n.NetContent = 0 }},
		{"/cold_chain", catalog.ErrInvalid, func(n *catalog.NewProduct) { n.ColdChain = "WARM" }},
		{"/return_rule", catalog.ErrInvalid, func(n *catalog.NewProduct) { n.ReturnRule = "NEVER" }},
		{"/voucher_valid_days", catalog.ErrInvalid, func(n *catalog.NewProduct) { n.Voucher = true }},
		{"/skus", catalog.ErrInvalid, func(n *catalog.NewProduct) { n.SKUs = nil }},
		{"/skus/0/price_fen", catalog.ErrInvalid, func(n *catalog.NewProduct) { n.SKUs[0].Price = 0 }},
		{"/skus/0/price_fen", catalog.ErrInvalid, func(n *catalog.NewProduct) { n.SKUs[0].Price = money.Max + 1 }},
		{"/category_code", catalog.ErrCategory, func(n *catalog.NewProduct) { n.Category = "GOLD" }},
		{"/kind", catalog.ErrInvalid, func(n *catalog.NewProduct) { n.Kind = "GOLD" }},
		{"/region_code", catalog.ErrRegion, func(n *catalog.NewProduct) { n.RegionCode = "999999" }},
		{"/code", catalog.ErrListed, func(n *catalog.NewProduct) { n.Code = "P01" }},
		{"/code", catalog.ErrListed, func(n *catalog.NewProduct) { n.SKUs[0].Code = "P01-1" }},
	}
	for _, tt := range tests {
		n := catalog.NewProduct{Merchant: s.a.ID, Code: "P02", Description: oil(), SKUs: []catalog.NewSKU{{Code: "P02-1", Price: 1}}}
		tt.change(&n)
		_, err := s.svc.Add(t.Context(), s.sellsA, n)
		if !errors.Is(err, tt.want) || fault.Of(err).Fields[0].Pointer != tt.pointer {
			t.Errorf("%v, want %v at %s", err, tt.want, tt.pointer)
		}
	}
	if got, err := s.svc.Own(t.Context(), s.sellsA, "", page.Request{}); err != nil || len(got.Data) != 1 {
		t.Errorf("listed %d, %v, want the first alone", len(got.Data), err)
	}
}

func TestNobodyTouchesAnotherEnterprisesGoods(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	p := s.add(t, s.sellsA, s.a, "P01")
	draft := s.draft(t, s.sellsA, s.a, "P02")
	for name, c := range map[string]identity.Caller{
		"another seller": s.sellsB, "an operator": s.ops, "a stranger": {},
		"a buyer": {Account: id.New[identity.Account](pgtest.Noon)},
	} {
		if _, err := s.svc.SetPrice(t.Context(), c, p.SKUs[0].ID, 1); !errors.Is(err, catalog.ErrSKU) {
			t.Errorf("%s sets a price: %v, want %v", name, err, catalog.ErrSKU)
		}
		if _, err := s.svc.Withdraw(t.Context(), c, p.ID); !errors.Is(err, catalog.ErrProduct) {
			t.Errorf("%s withdraws: %v, want %v", name, err, catalog.ErrProduct)
		}
		if _, err := s.svc.Submit(t.Context(), c, draft.ID); !errors.Is(err, catalog.ErrProduct) {
			t.Errorf("%s submits: %v, want %v", name, err, catalog.ErrProduct)
		}
		if _, err := s.svc.Edit(t.Context(), c, draft.ID, 0, func(d *catalog.Description, _ *[]file.ID) { d.Name = "x" }); !errors.Is(err, catalog.ErrProduct) {
			t.Errorf("%s edits: %v, want %v", name, err, catalog.ErrProduct)
		}
		if _, err := s.svc.AddSKU(t.Context(), c, draft.ID, 0, catalog.NewSKU{Code: "X", Price: 1}); !errors.Is(err, catalog.ErrProduct) {
			t.Errorf("%s adds a SKU: %v, want %v", name, err, catalog.ErrProduct)
		}
		if _, err := s.svc.SetTiers(t.Context(), c, p.SKUs[0].ID, nil); !errors.Is(err, catalog.ErrSKU) {
			t.Errorf("%s sets tiers: %v, want %v", name, err, catalog.ErrSKU)
		}
		if _, err := s.desk.OwnProduct(t.Context(), c, draft.ID); !errors.Is(err, catalog.ErrProduct) {
			t.Errorf("%s reads a draft: %v, want %v", name, err, catalog.ErrProduct)
		}
		n := catalog.NewProduct{Merchant: s.a.ID, Code: "P03", Description: oil(), SKUs: []catalog.NewSKU{{Code: "P03-1", Price: 1}}}
		if _, err := s.svc.Add(t.Context(), c, n); !errors.Is(err, catalog.ErrMerchant) {
			t.Errorf("%s lists: %v, want %v", name, err, catalog.ErrMerchant)
		}
		if got, err := s.svc.Own(t.Context(), c, "", page.Request{}); err != nil || len(got.Data) != 0 {
			t.Errorf("%s sees %d products as his own, %v", name, len(got.Data), err)
		}
	}
	if got, err := s.svc.Product(t.Context(), p.ID); err != nil || got.SKUs[0].Price != 16800 {
		t.Errorf("after all that: %+v, %v", got, err)
	}
	if _, err := s.svc.Product(t.Context(), draft.ID); !errors.Is(err, catalog.ErrProduct) {
		t.Errorf("the draft: %v, want %v", err, catalog.ErrProduct)
	}
}

func TestAPriceIsSetWrittenDownAndOfferedAtOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	p := s.add(t, s.sellsA, s.a, "P01")
	k := p.SKUs[0].ID
	s.clock.Advance(time.Hour)
	for _, fen := range []money.Fen{0, -1, money.Max + 1} {
		if _, err := s.svc.SetPrice(t.Context(), s.sellsA, k, fen); !errors.Is(err, catalog.ErrPrice) {
			t.Errorf("a price of %d: %v, want %v", fen, err, catalog.ErrPrice)
		}
	}
	for range 2 { // the second time it is no change
		if got, err := s.svc.SetPrice(t.Context(), s.sellsA, k, 15000); err != nil || got.Price != 15000 {
			t.Fatalf("set = %+v, %v", got, err)
		}
	}
	before := s.db.Statements()
	unknown := id.New[catalog.SKU](pgtest.Noon)
	offers, err := postgres.Read(t.Context(), s.db, func(tx *postgres.Tx) ([]offer.Offer, error) {
		return offer.Of(t.Context(), tx, []catalog.SKUID{p.SKUs[1].ID, unknown, k})
	})
	if n := s.db.Statements() - before; err != nil || n != 1 || len(offers) != 2 {
		t.Fatalf("offers = %d, %v, in %d statements; want both in one", len(offers), err, n)
	}
	want := offer.Offer{
		SKU: k, Product: p.ID, Merchant: s.a.ID, MerchantName: "E01号", ProductName: "冷榨亚麻籽油", ProductCode: "P01", Code: "P01-1",
		Brand: "坝野", Spec: "2.5L/桶", Unit: "桶", NetContent: 2500, NetUnit: "mL", CategoryCode: "OIL", Kind: "PACKAGED_FOOD",
		Price: 15000, VATTreatment: "9%", ReturnRule: catalog.NoReasonUnopened, ShipZone: "NATIONWIDE", ColdChain: "N", OnSale: true,
		Standing: merchant.Standing{State: merchant.Active, AgreementSignedOn: "2019-12-13", LicensedUntil: "2026-12-01"},
	}
	if diff := cmp.Diff(want, offers[1], sameIDs); diff != "" {
		t.Errorf("offer (-want +got):\n%s", diff)
	}
	history, err := s.svc.Prices(t.Context(), k, 10)
	wantHistory := []price.Point{
		{Class: price.Consumer, From: 1, Price: 15000, Since: pgtest.Noon.Add(time.Hour), Actor: s.sellsA.Account.UUID()},
		{Class: price.Consumer, From: 1, Price: 16800, Since: pgtest.Noon, Actor: s.sellsA.Account.UUID()},
	}
	if diff := cmp.Diff(wantHistory, history); err != nil || diff != "" {
		t.Errorf("history: %v (-want +got):\n%s", err, diff)
	}
	entries, err := trail.New(s.db).Entries(t.Context(), page.Request{}, trail.Filter{Object: "sku:" + k.String()})
	if err != nil || len(entries.Data) != 1 || entries.Data[0].Detail["from_fen"] != 16800.0 || entries.Data[0].Detail["to_fen"] != 15000.0 {
		t.Errorf("trail = %+v, %v, want one change from 16800 to 15000", entries.Data, err)
	}
}

func redis(t *testing.T) *redisdb.DB {
	t.Helper()
	r, err := redisdb.Open(t.Context(), redisdb.Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("open redis: %v", err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestPublicReadsAreRememberedForSecondsAndForgottenByAnEdit(t *testing.T) {
	t.Parallel()
	r := redis(t)
	here := newShop(t, catalog.NewCache(r))
	there := catalog.New(here.db, catalog.NewCache(r)) // another process on the same Redis
	p := here.add(t, here.sellsA, here.a, "P01")
	here.clock.Advance(time.Minute)

	price := func(svc *catalog.Service) money.Fen {
		t.Helper()
		list, err := svc.Products(t.Context(), catalog.Filter{}, page.Request{})
		one, err2 := svc.Product(t.Context(), p.ID)
		if err := errors.Join(err, err2); err != nil || len(list.Data) != 1 || list.Data[0].SKUs[0].Price != one.SKUs[0].Price {
			t.Fatalf("list %+v, product %+v, %v", list, one, err)
		}
		return one.SKUs[0].Price
	}
	statements := func(f func()) int64 {
		before := here.db.Statements()
		f()
		return here.db.Statements() - before
	}
	if n := statements(func() { price(here.svc) }); n != 2 {
		t.Errorf("the first readers took %d statements, want 2", n)
	}
	if n := statements(func() { price(here.svc); price(here.svc); price(there) }); n != 0 {
		t.Errorf("further readers, one of them in another process, took %d statements", n)
	}
	here.clock.Advance(time.Millisecond)
	if _, err := here.svc.SetPrice(t.Context(), here.sellsA, p.SKUs[0].ID, 5000); err != nil {
		t.Fatalf("set: %v", err)
	}
	if got := price(here.svc); got != 5000 {
		t.Errorf("right after the edit the price is %d here", got)
	}
	here.clock.Advance(catalog.MaxAge)
	if got := price(there); got != 5000 {
		t.Errorf("%v after the edit the price is %d elsewhere", catalog.MaxAge, got)
	}
	if got, err := here.svc.Product(t.Context(), p.ID); err != nil || cmp.Diff(got, mustProduct(t, there, p.ID), sameIDs) != "" {
		t.Errorf("a product that came through Redis differs: %v", err)
	}
}

func mustProduct(t testing.TB, svc *catalog.Service, p catalog.ProductID) catalog.Product {
	t.Helper()
	got, err := svc.Product(t.Context(), p)
	if err != nil {
		t.Fatalf("product: %v", err)
	}
	return got
}

func TestNoReaderAfterAnEditSeesTheTimeBeforeIt(t *testing.T) {
	t.Parallel()
	s := newShop(t, catalog.NewCache(redis(t)))
	p := s.add(t, s.sellsA, s.a, "P01")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := s.svc.Product(t.Context(), p.ID); err != nil {
					t.Errorf("read: %v", err)
					return
				}
			}
		})
	}
	for i := range 30 {
		s.clock.Advance(time.Millisecond)
		want := money.Fen(100 + i)
		if _, err := s.svc.SetPrice(t.Context(), s.sellsA, p.SKUs[0].ID, want); err != nil {
			t.Errorf("set: %v", err)
			break
		}
		if got, err := s.svc.Product(t.Context(), p.ID); err != nil || got.SKUs[0].Price != want {
			t.Errorf("after setting %d a reader saw %d, %v", want, got.SKUs[0].Price, err)
		}
	}
	close(stop)
	wg.Wait()
}

func TestAnEditIsSeenHereThoughRedisDidNotHearOfIt(t *testing.T) {
	t.Parallel()
	r := redis(t)
	s := newShop(t, catalog.NewCache(r))
	p := s.add(t, s.sellsA, s.a, "P01")
	s.clock.Advance(time.Millisecond)
	mustProduct(t, s.svc, p.ID) // now Redis holds it
	s.clock.Advance(time.Millisecond)
	if _, err := s.svc.SetPrice(t.Context(), s.sellsA, p.SKUs[0].ID, 5000); err != nil {
		t.Fatalf("set: %v", err)
	}
	if n, err := r.Client().Del(t.Context(), "catalog:edited").Result(); n != 1 || err != nil {
		t.Fatalf("forget the edit in Redis: %d, %v", n, err)
	}
	if got := mustProduct(t, s.svc, p.ID).SKUs[0].Price; got != 5000 {
		t.Errorf("the price is %d after it was set to 5000", got)
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	s := newShop(t, catalog.NewCache(nil))
	s.add(t, s.sellsA, s.a, "P01")
	for i := range 700 { // more than it holds
		if _, err := s.svc.Products(t.Context(), catalog.Filter{Category: fmt.Sprintf("C%d", i)}, page.Request{}); err != nil {
			t.Fatalf("list: %v", err)
		}
	}
	before := s.db.Statements()
	if _, err := s.svc.Products(t.Context(), catalog.Filter{Category: "C699"}, page.Request{}); err != nil {
		t.Fatalf("list: %v", err)
	}
	if n := s.db.Statements() - before; n != 0 {
		t.Errorf("the newest answer was not remembered: %d statements", n)
	}
}

// BenchmarkProducts is the hot read: a page that everybody looks at.
func BenchmarkProducts(b *testing.B) {
	clock := pgtest.NewClock(pgtest.Noon)
	db := pgtest.NewAt(b, clock.Now)
	svc := catalog.New(db, catalog.NewCache(nil))
	for b.Loop() {
		if _, err := svc.Products(b.Context(), catalog.Filter{}, page.Request{}); err != nil {
			b.Fatal(err)
		}
	}
}
