package order_test

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/sandbox"
)

// shop is a small shop of two enterprises, with a provider that lives in the
// process and a queue whose jobs the test performs.
type shop struct {
	db       *postgres.DB
	clock    *pgtest.Clock
	bank     *sandbox.Sandbox
	payments *payment.Service
	orders   *order.Service
	returns  *aftersale.Service

	mu   sync.Mutex
	jobs []river.JobArgs
}

// The goods of the shop: prices in fen, each with the same stock.
var (
	flour  = catalog.NewProduct{Merchant: miller, Code: "flour", SKUs: []catalog.NewSKU{{ID: sku("flour"), Code: "flour", Price: 3300}}}
	noodle = catalog.NewProduct{Merchant: miller, Code: "noodle", SKUs: []catalog.NewSKU{{ID: sku("noodle"), Code: "noodle", Price: 1}}}
	liquor = catalog.NewProduct{Merchant: distiller, Code: "liquor", SKUs: []catalog.NewSKU{{ID: sku("liquor"), Code: "liquor", Price: 12345}}}
	stay   = catalog.NewProduct{Merchant: distiller, Code: "stay", SKUs: []catalog.NewSKU{{ID: sku("stay"), Code: "stay", Price: 29900}}}

	miller    = id.FromName[merchant.Merchant]("test", "miller")
	distiller = id.FromName[merchant.Merchant]("test", "distiller")
	address   = &order.Address{Recipient: "测试", Phone: "+8610000000000", Province: "北京市", City: "北京市", District: "东城区", Detail: "1"}
)

func sku(code string) catalog.SKUID { return id.FromName[catalog.SKU]("test", code) }

func buyer(name string) identity.Caller {
	return identity.Caller{Account: id.FromName[identity.Account]("test", name)}
}

func sellerOf(m merchant.ID) identity.Caller {
	return identity.Caller{Account: id.FromName[identity.Account]("test", m.String()), Roles: []identity.Grant{{Role: identity.Merchant, Merchant: m.UUID()}}}
}

func newShop(t testing.TB, stock int64) *shop {
	t.Helper()
	s := &shop{clock: pgtest.NewClock(pgtest.Noon)}
	s.db = pgtest.NewAt(t, s.clock.Now).Collecting(func(j river.JobArgs) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.jobs = append(s.jobs, j)
	})
	log := slog.New(slog.DiscardHandler)
	bank, err := sandbox.Open(sandbox.Config{PageURL: "http://localhost/sandbox/pay/", Clock: s.clock.Now}, log)
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := payment.NewSandbox(bank, bank.Secret())
	if err != nil {
		t.Fatal(err)
	}
	s.bank, s.payments = bank, payment.New(s.db, gateway, payment.Shop{Name: "test", SuccessURL: "http://localhost/paid/{checkout}", CancelURL: "http://localhost/canceled/{checkout}", Mark: "shop.test/log"})
	s.orders = order.New(s.db, s.payments, log)
	s.returns = aftersale.New(s.db)
	for m, code := range map[merchant.ID]string{miller: "E01", distiller: "E02"} {
		_, err := merchant.New(s.db).Enrol(t.Context(), merchant.Enrolment{
			ID: m, Code: code, LegalName: code + "（虚构示例）", ShortName: code, EntityType: "co-operative", Fictional: true, Region: "152527",
			Township: "红旗镇", USCC: "91152527XXXXXX0" + code, RecommendationNo: "R-" + code, RecommendedOn: "2026-01-01",
			AgreementNo: "A-" + code, AgreementSignedOn: "2026-01-02", Licences: []merchant.Licence{{Kind: "SC", No: "SC10115252799011", ExpiresOn: "2027-01-01"}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []catalog.NewProduct{flour, noodle, liquor, stay} {
		s.list(t, p, stock)
	}
	return s
}

func (s *shop) list(t testing.TB, p catalog.NewProduct, stock int64) {
	t.Helper()
	p.Description = catalog.Description{
		Category: "FLOUR_MIAN", Name: p.Code, Spec: "500g", SaleUnit: "袋", Kind: "PACKAGED_FOOD", ColdChain: "N",
		VATTreatment: "STANDARD", ReturnRule: catalog.NoReason, ShipZone: "NATIONWIDE", AgeRestricted: p.Code == "liquor",
	}
	if p.Code == "stay" {
		p.Voucher, p.VoucherValidDays, p.ReturnRule, p.ColdChain, p.ShipZone = true, 180, catalog.VoucherRule, "VOUCHER", "NONE"
	}
	if _, err := catalog.New(s.db, nil).Add(t.Context(), sellerOf(p.Merchant), p); err != nil {
		t.Fatal(err)
	}
	if err := inventory.New(s.db).Open(t.Context(), uuid.Nil, inventory.Line{Merchant: p.Merchant.UUID(), SKU: p.SKUs[0].ID.UUID(), Qty: stock}); err != nil {
		t.Fatal(err)
	}
}

// of is what a buyer asks for: pairs of a SKU's code and a quantity.
func of(pairs ...any) order.Placing {
	p := order.Placing{ShipTo: address, AdultDeclared: true, WaiverConfirmed: true}
	for i := 0; i < len(pairs); i += 2 {
		code, _ := pairs[i].(string)
		n, _ := pairs[i+1].(int)
		p.Lines = append(p.Lines, order.Chosen{SKU: sku(code), Quantity: int64(n)})
	}
	return p
}

func (s *shop) place(t testing.TB, who string, p order.Placing) order.Checkout {
	t.Helper()
	c, err := s.orders.Place(t.Context(), buyer(who), p, request.Claim{}, nil)
	if err != nil {
		t.Fatalf("place: %v", err)
	}
	return c
}

// pay pays at the provider, and performs what follows.
func (s *shop) pay(t testing.TB, c order.Checkout) {
	t.Helper()
	s.payAtBank(t, c)
	s.perform(t)
}

// payAtBank pays at the provider, whose word is received but not answered yet.
func (s *shop) payAtBank(t testing.TB, c order.Checkout) {
	t.Helper()
	opened, err := s.payments.Intent(t.Context(), c.Buyer.UUID(), c.Intent().ID)
	if err != nil {
		t.Fatalf("intent: %v", err)
	}
	event, err := s.bank.Pay(opened.Session, "")
	if err != nil {
		t.Fatalf("pay: %v", err)
	}
	if err := s.bank.Send(t.Context(), event, s.payments.Receive); err != nil {
		t.Fatalf("webhook: %v", err)
	}
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
			if err := s.do(t, j); err != nil {
				t.Fatalf("job %s: %v", j.Kind(), err)
			}
		}
	}
}

func (s *shop) do(t testing.TB, j river.JobArgs) error {
	t.Helper()
	switch j := j.(type) {
	case payment.Received:
		return s.orders.Capture(t.Context(), j.Event)
	case payment.PerformRefund:
		return s.payments.PerformRefund(t.Context(), j.Buyer, j.Refund)
	case payment.RefundMoved:
		return s.payments.SettleRefund(t.Context(), j.Event)
	case payment.Close:
		return s.payments.Close(t.Context(), j.Buyer, j.Intent)
	}
	t.Fatalf("an unknown job %s", j.Kind())
	return nil
}

func (s *shop) checkout(t testing.TB, c order.Checkout) order.Checkout {
	t.Helper()
	got, err := s.orders.Checkout(t.Context(), identity.Caller{Account: c.Buyer}, c.ID)
	if err != nil {
		t.Fatalf("read the checkout: %v", err)
	}
	return got
}

// repaid are the refunds of a checkout whose money arrived.
func (s *shop) repaid(t testing.TB, c order.Checkout) []aftersale.Repayment {
	t.Helper()
	all, err := s.returns.Repayments(t.Context(), payment.RefundSucceeded, page.Request{})
	if err != nil {
		t.Fatalf("read the refunds: %v", err)
	}
	return slices.DeleteFunc(all.Data, func(r aftersale.Repayment) bool { return r.Intent != c.Intent().ID })
}

// held is what an account holds, in li.
func (s *shop) held(t testing.TB, account ledger.Account) money.Li {
	t.Helper()
	b, err := postgres.Read(t.Context(), s.db, func(tx *postgres.Tx) (ledger.Balance, error) { return ledger.Of(t.Context(), tx, account) })
	if err != nil {
		t.Fatalf("balance: %v", err)
	}
	return b.Li()
}

// stock is what is available and reserved of a SKU.
func (s *shop) stock(t testing.TB, code string) [2]int64 {
	t.Helper()
	all, err := inventory.New(s.db).Levels(t.Context(), []uuid.UUID{sku(code).UUID()})
	if err != nil {
		t.Fatalf("stock: %v", err)
	}
	l := all[sku(code).UUID()]
	return [2]int64{l.Available, l.Reserved}
}

// adjust adds pieces to a shelf, or takes them away.
func (s *shop) adjust(t testing.TB, code string, delta int64) {
	t.Helper()
	if delta == 0 {
		return
	}
	for _, m := range []merchant.ID{miller, distiller} {
		_, err := inventory.New(s.db).Adjust(t.Context(), inventory.Adjustment{Merchants: []uuid.UUID{m.UUID()}, SKU: sku(code).UUID(), Delta: delta, Reason: "test"}, request.Claim{}, nil)
		if err == nil {
			return
		}
		if !errors.Is(err, inventory.ErrUnknown) {
			t.Fatalf("adjust %s: %v", code, err)
		}
	}
	t.Fatalf("nobody sells %s", code)
}

func (s *shop) later(d time.Duration) { s.clock.Advance(d) }
