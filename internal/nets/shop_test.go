package nets_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/apikey"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/disbursement"
	"github.com/shiyi-market/shiyi/internal/disclosure"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/finding"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/httpapi"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/onboarding"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/pupil"
	"github.com/shiyi-market/shiyi/internal/quote"
	"github.com/shiyi-market/shiyi/internal/recall"
	"github.com/shiyi-market/shiyi/internal/redisdb"
	idempotent "github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/returns"
	"github.com/shiyi-market/shiyi/internal/review"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/sheet"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/voucher"
	"github.com/shiyi-market/shiyi/internal/webhook"
)

// shop is the whole program in this process, on a database of its own: the real
// edge, the real contexts, the sandbox to pay with, and a Redis.
type shop struct {
	*shoptest.Shop
	handler http.Handler
	errors  *errorLog

	root      identity.Caller // an operator who is in no test's way
	desk      desk            // of the fund
	declining sync.Mutex
	serial    atomic.Int64
	secrets   sync.Map // what is shown to some only → secret
}

// secret says who may see something: one person, and who sells for these enterprises.
type secret struct {
	what   string
	person *person
	firms  []uuid.UUID
}

// person is somebody with an account.
type person struct {
	id                    identity.ID
	name, phone, password string
	token, session        string
	roles                 []identity.Grant
	firm                  *firm // whom he sells for, or nil
}

// firm is an enterprise with its goods.
type firm struct {
	id        merchant.ID
	listening sync.Once
	webhook   webhook.EndpointID
	products  []catalog.Product // 0: on sale, two SKUs; 1: liquor; 2: a voucher; 3: withdrawn; 4: two pieces left
}

// only is something that who sells for f may see, and nobody else.
func (f *firm) only(what string) secret { return secret{what, nobody, []uuid.UUID{f.id.UUID()}} }

// nobody in person.
var nobody = &person{name: "an enterprise"}

func (f *firm) sku() string { return f.products[0].SKUs[0].ID.String() }

func newShop(t testing.TB) *shop {
	t.Helper()
	s := &shop{errors: new(errorLog)}
	log := slog.New(s.errors)
	redis, err := redisdb.Open(t.Context(), redisdb.Config{}, log)
	if err != nil {
		t.Fatalf("redis: %v", err)
	}
	t.Cleanup(func() { _ = redis.Close() })
	s.Shop = shoptest.New(t, shoptest.Options{Log: log, Cache: catalog.NewCache(redis)})
	patient := patientTerms()
	s.Grants, s.Disbursements = grant.New(s.DB, patient), disbursement.New(s.DB, patient)
	s.handler, err = httpapi.New(httpapi.Config{Timeout: time.Minute}, httpapi.Deps{
		Services: httpapi.Services(s.Services), Log: log, Clock: s.Clock.Now, Redis: redis, Ready: s.DB.Ping,
	})
	if err != nil {
		t.Fatalf("edge: %v", err)
	}
	if s.root, err = s.Root(t.Context()); err != nil {
		t.Fatalf("operator: %v", err)
	}
	s.seal(t)
	return s
}

// next is a number that this shop has not used.
func (s *shop) next() int64 { return s.serial.Add(1) }

// person registers somebody, gives him roles and signs him in.
func (s *shop) person(t testing.TB, grants ...identity.Grant) *person {
	t.Helper()
	n := s.next()
	p := &person{name: fmt.Sprintf("人 %d", n), phone: fmt.Sprintf("+86139%08d", n), password: fmt.Sprintf("correct-horse-%d", n), roles: grants}
	session, err := s.SignUp(t.Context(), identity.Registration{Phone: p.phone, Password: p.password, Name: p.name}, grants...)
	if err != nil {
		t.Fatal(err)
	}
	p.id, p.session, p.token = session.Account, session.ID.String(), session.Token
	s.keep(secret{"the account", p, nil}, p.id.String())
	s.keep(secret{"the phone number", p, nil}, p.phone)
	s.keepSession(p, session)
	return p
}

// signIn makes another session of p.
func (s *shop) signIn(t testing.TB, p *person) (session string) {
	t.Helper()
	made, _, err := s.Identity.SignIn(t.Context(), identity.Credentials{Login: p.phone, Password: p.password, UserAgent: "nets"})
	if err != nil {
		t.Fatalf("sign in: %v", err)
	}
	s.keepSession(p, made)
	return made.ID.String()
}

func (s *shop) keepSession(p *person, made identity.Session) {
	s.keep(secret{"a session", p, nil}, made.ID.String())
	s.keep(secret{"a token", p, nil}, made.Token)
}

func (s *shop) keep(sec secret, value string) { s.secrets.Store(value, sec) }

// seller is somebody who sells for f.
func (s *shop) seller(t testing.TB, f *firm) *person {
	t.Helper()
	p := s.person(t, identity.Grant{Role: identity.Merchant, Merchant: f.id.UUID()})
	p.firm = f
	return p
}

// firm enrols an enterprise with goods on the shelf.
func (s *shop) firm(t testing.TB) *firm {
	t.Helper()
	n := s.next()
	m, err := s.Enrol(t.Context(), merchant.Enrolment{Code: fmt.Sprintf("N%04d", n)})
	if err != nil {
		t.Fatal(err)
	}
	f := &firm{id: m.ID}
	goods := oil()
	liquor, voucher := goods, goods
	liquor.Category, liquor.Name, liquor.AgeRestricted = "LIQUOR", "白酒", true
	voucher.Category, voucher.Name, voucher.NetContent, voucher.NetUnit = "TOURISM", "草原一日游", 0, ""
	voucher.Voucher, voucher.VoucherValidDays, voucher.ReturnRule = true, 90, catalog.VoucherRule
	for i, d := range []catalog.Description{goods, liquor, voucher, goods, goods} {
		pieces := int64(1_000_000)
		if i == 4 {
			pieces = 2
		}
		f.products = append(f.products, s.list(t, f, d, pieces, 1000, 2500))
	}
	if _, err := s.Catalog.Withdraw(t.Context(), shoptest.Seller(f.id), f.products[3].ID); err != nil {
		t.Fatalf("withdraw: %v", err)
	}
	return f
}

// fileLicence files a licence of a second kind for the firm, and accepts it if it is
// to count.
func (s *shop) fileLicence(t testing.TB, f *firm, counts bool) string {
	t.Helper()
	filed, err := s.Standing.FileLicence(t.Context(), shoptest.Seller(f.id), f.id, merchant.Licence{Kind: "CCC", No: fmt.Sprintf("2019%012d", s.next()), ExpiresOn: "2099-12-31"})
	if err == nil && counts {
		_, err = s.Standing.AcceptLicence(t.Context(), s.root, filed.ID)
	}
	if err != nil {
		t.Fatalf("file a licence: %v", err)
	}
	return filed.ID.String()
}

func oil() catalog.Description {
	return catalog.Description{Category: "OIL", Name: "亚麻籽油", Spec: "1L/桶", NetContent: 1000, NetUnit: "mL", SaleUnit: "桶"}
}

// list puts a product on sale, with a SKU for each price and so many pieces of each.
func (s *shop) list(t testing.TB, f *firm, d catalog.Description, pieces int64, prices ...money.Fen) catalog.Product {
	t.Helper()
	n := s.next()
	listed := catalog.NewProduct{Merchant: f.id, Code: fmt.Sprintf("P%d", n), Description: d}
	for i, price := range prices {
		listed.SKUs = append(listed.SKUs, catalog.NewSKU{Code: fmt.Sprintf("S%d-%d", n, i), Price: price})
	}
	p, err := s.Sell(t.Context(), listed, pieces)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// draft lists a product and leaves it a draft.
func (s *shop) draft(t testing.TB, f *firm) catalog.Product {
	t.Helper()
	n := s.next()
	p, err := s.Catalog.Add(t.Context(), shoptest.Seller(f.id), catalog.NewProduct{
		Merchant: f.id, Code: fmt.Sprintf("P%d", n), Description: shoptest.Whole(oil()), SKUs: []catalog.NewSKU{{Code: fmt.Sprintf("S%d", n), Price: 1990}},
	})
	if err != nil {
		t.Fatalf("list a draft: %v", err)
	}
	return p
}

// ask lets the shop answer.
func (s *shop) ask(t testing.TB, r request) answer {
	t.Helper()
	return ask(t, s.handler, r)
}

// bought is a checkout of a buyer.
type bought struct {
	ID     string
	PayURL string `json:"pay_url"`
	Orders []struct {
		ID       string
		Merchant struct{ ID uuid.UUID }
	}
}

// buy places a checkout of one thing of each enterprise, over HTTP.
func (s *shop) buy(t testing.TB, p *person, firms ...*firm) bought {
	t.Helper()
	type line struct {
		SKU      string `json:"sku_id"`
		Quantity int    `json:"quantity"`
	}
	body := map[string]any{"ship_to": map[string]string{
		"recipient": p.name, "phone": p.phone, "province": "北京市", "city": "北京市", "district": "朝阳区", "detail": "建国路1号",
	}}
	var lines []line
	for _, f := range firms {
		lines = append(lines, line{f.sku(), 2})
	}
	body["lines"] = lines
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	a := s.ask(t, request{method: http.MethodPost, target: "/v1/checkouts", body: raw, header: http.Header{
		"Authorization": {"Bearer " + p.token}, "Content-Type": {"application/json"}, "Idempotency-Key": {uuid.NewString()},
	}})
	var b bought
	if err := json.Unmarshal(a.body, &b); err != nil || a.status != http.StatusCreated {
		t.Fatalf("place a checkout: %v\n%s", a, s.errors.of(a))
	}
	s.note(p, b)
	return b
}

// note remembers whose a checkout and its orders are.
func (s *shop) note(p *person, b bought) {
	all := secret{what: "a checkout", person: p}
	for _, o := range b.Orders {
		all.firms = append(all.firms, o.Merchant.ID)
		s.keep(secret{"an order", p, []uuid.UUID{o.Merchant.ID}}, o.ID)
	}
	s.keep(all, b.ID)
}

// settle pays a checkout in the sandbox, and lets the shop do all that follows.
func (s *shop) settle(t testing.TB, b bought) {
	t.Helper()
	s.PayAtBank(t, b.PayURL)
	s.work(t)
}

// paid is an order that somebody buys of an enterprise, and pays.
func (s *shop) paid(t testing.TB, p *person, f *firm) order.ID {
	t.Helper()
	b := s.buy(t, p, f)
	s.settle(t, b)
	oid, err := id.Parse[order.Order](b.Orders[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return oid
}

// shipment is a parcel that an enterprise ships to somebody.
func (s *shop) shipment(t testing.TB, p *person, f *firm) string {
	t.Helper()
	return s.ship(t, s.paid(t, p, f), f)
}

// ship ships all of an order.
func (s *shop) ship(t testing.TB, oid order.ID, f *firm) (shipment string) {
	t.Helper()
	c, err := s.Fulfilment.Ship(t.Context(), shoptest.Seller(f.id), oid, fulfilment.Shipping{Carrier: "SF", Number: "SF1234567890"}, idempotent.Claim{}, nil)
	if err != nil {
		t.Fatalf("ship: %v", err)
	}
	return c.Shipments[0].ID.String()
}

// parcels is a sheet that ships an order.
func (s *shop) parcels(t testing.TB, p *person, f *firm) []byte {
	t.Helper()
	return []byte("order_id,carrier,tracking_number\n" + s.paid(t, p, f).String() + ",SF,SF1234567890\n")
}

// refuse refunds a paid checkout that somebody has given back on the provider's own
// pages: the refund fails, and again as often as it is retried.
func (s *shop) refuse(t testing.TB, b bought) (refund string) {
	t.Helper()
	oid, err := id.Parse[order.Order](b.Orders[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	s.ReturnPast(t, uuid.MustParse(b.ID))
	refunding := order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: "for a test"}
	c, err := s.Aftersales.Refund(t.Context(), s.root, oid, refunding, idempotent.Claim{}, nil)
	if err != nil {
		t.Fatalf("refund: %v", err)
	}
	s.work(t)
	return c.Refunds[0].ID.String()
}

// voucher sells somebody a service, and issues what he holds then.
func (s *shop) voucher(t testing.TB, p *person, f *firm) voucher.Voucher {
	t.Helper()
	buyer := identity.Caller{Account: p.id}
	c, err := s.Orders.Place(t.Context(), buyer, quote.Placing{
		Lines: []quote.Chosen{{SKU: f.products[2].SKUs[0].ID, Quantity: 1}}, WaiverConfirmed: true,
	}, idempotent.Claim{}, nil)
	if err != nil {
		t.Fatalf("place a checkout of a voucher: %v", err)
	}
	s.keep(secret{what: "a checkout", person: p, firms: []uuid.UUID{f.id.UUID()}}, c.ID.String())
	s.keep(secret{"an order", p, []uuid.UUID{f.id.UUID()}}, c.Orders[0].ID.String())
	s.PayAtBank(t, c.PayURL)
	s.work(t)
	_, err = s.Vouchers.IssueDue(t.Context(), 100)
	var all page.Of[voucher.Voucher]
	if err == nil {
		all, err = s.Vouchers.OfOrder(t.Context(), buyer, c.Orders[0].ID, page.Request{})
	}
	if err != nil || len(all.Data) != 1 {
		t.Fatalf("issue a voucher: %d, %v", len(all.Data), err)
	}
	return all.Data[0]
}

// asked is an appointment that somebody asks an enterprise for, ten days from now.
func (s *shop) asked(t testing.TB, p *person, f *firm) voucher.Appointment {
	t.Helper()
	a, err := s.Vouchers.Ask(t.Context(), identity.Caller{Account: p.id}, s.voucher(t, p, f).ID, merchant.DateOf(s.Clock.Now().AddDate(0, 0, 10)), 2)
	if err != nil {
		t.Fatalf("ask for an appointment: %v", err)
	}
	return a
}

// dispute lets the bank take a paid checkout back, all of it.
func (s *shop) dispute(t testing.TB, b bought) string {
	t.Helper()
	cid, err := id.Parse[order.Checkout](b.ID)
	if err != nil {
		t.Fatal(err)
	}
	said := dispute.Said{Provider: "sandbox", Ref: "dp_" + b.ID, Payment: "pi", Amount: 1, Currency: "cny", Reason: "fraudulent", State: dispute.Open, OpenedAt: s.Clock.Now()}
	if err := s.Disputes.Follow(t.Context(), cid, said); err != nil {
		t.Fatalf("dispute: %v", err)
	}
	return id.FromName[dispute.Dispute](said.Provider, said.Ref).String()
}

// cases are somebody's after-sales cases, one in each state in which there is something to do.
func (s *shop) cases(t testing.TB, p *person, f *firm) []string {
	t.Helper()
	buyer, seller := identity.Caller{Account: p.id}, shoptest.Seller(f.id)
	open := func(k returns.Kind, acts ...func(returns.ID) (returns.Case, error)) string {
		b := s.buy(t, p, f)
		s.settle(t, b)
		oid, err := id.Parse[order.Order](b.Orders[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		s.Arrive(t, oid)
		c, err := s.Aftersales.Ask(t.Context(), buyer, oid, returns.Asking{Kind: k, Reason: returns.Quality, Lines: []order.RefundLine{{N: 1, Quantity: 1}}})
		for _, act := range acts {
			if err == nil {
				_, err = act(c.ID)
			}
		}
		if err != nil {
			t.Fatalf("bring a case into its state: %v", err)
		}
		s.keep(secret{"a case", p, []uuid.UUID{f.id.UUID()}}, c.ID.String())
		return c.ID.String()
	}
	approve := func(c returns.ID) (returns.Case, error) {
		return s.Aftersales.Approve(t.Context(), seller, c, idempotent.Claim{}, nil)
	}
	send := func(c returns.ID) (returns.Case, error) {
		return s.Aftersales.SendBack(t.Context(), buyer, c, "顺丰", "SF1")
	}
	refuse := func(c returns.ID) (returns.Case, error) {
		return s.Aftersales.Refuse(t.Context(), seller, c, "for a test")
	}
	escalate := func(c returns.ID) (returns.Case, error) {
		return s.Aftersales.Escalate(t.Context(), buyer, c, "for a test")
	}
	return []string{
		open(returns.RefundOnly), open(returns.ReturnRefund, approve), open(returns.ReturnRefund, approve, send),
		open(returns.RefundOnly, refuse), open(returns.RefundOnly, refuse, escalate),
	}
}

// over is an order of somebody's whose time for returns is over.
func (s *shop) over(t testing.TB, p *person, f *firm) order.ID {
	t.Helper()
	oid := s.paid(t, p, f)
	s.Arrive(t, oid)
	const long = `UPDATE fulfilment SET received_at = $1, closes_at = $1 WHERE order_id = $2` // it came long ago
	if _, err := s.DB.SQL().ExecContext(t.Context(), long, s.Clock.Now().AddDate(0, 0, -1), oid); err != nil {
		t.Fatalf("let the window of returns be over: %v", err)
	}
	return oid
}

// compensation is goodwill for somebody, which the root operator has proposed.
func (s *shop) compensation(t testing.TB, p *person, f *firm) string {
	t.Helper()
	c, err := s.Goodwill.Propose(t.Context(), s.root, s.over(t, p, f), 100, "for a test")
	if err != nil {
		t.Fatalf("propose a compensation: %v", err)
	}
	return c.ID.String()
}

// fee is a transfer that a correction may touch.
func (s *shop) fee(t testing.TB) id.Of[ledger.Transfer] {
	t.Helper()
	ref := uuid.NewString()
	err := postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		return ledger.Book(t.Context(), tx, []ledger.Transfer{{Home: ledger.FundHome, Kind: "provider_fee", Ref: ref, Public: true, Moves: []ledger.Move{{What: "fee", From: "platform:fees", To: "world:stripe", Amount: 60}}}})
	})
	if err != nil {
		t.Fatalf("book a fee: %v", err)
	}
	booked, err := postgres.Read(t.Context(), s.DB, func(tx *postgres.Tx) ([]ledger.Entry, error) {
		return ledger.Entries(t.Context(), tx, []ledger.Reference{{Home: ledger.FundHome, Kind: "provider_fee", Ref: ref}})
	})
	if err != nil || len(booked) != 1 {
		t.Fatalf("find a fee: %d, %v", len(booked), err)
	}
	return booked[0].ID
}

// clerk is somebody of a role whom nobody else is.
func clerk(role identity.Role) identity.Caller {
	return identity.Caller{Account: id.FromName[identity.Account]("nets", string(role)), Roles: []identity.Grant{{Role: role}}}
}

// correction is one that is proposed.
func (s *shop) correction(t testing.TB) string {
	t.Helper()
	c, err := s.Corrections.Propose(t.Context(), clerk(identity.FundAdmin), s.fee(t), nil, "测试", "for a test")
	if err != nil {
		t.Fatalf("propose a correction: %v", err)
	}
	return c.ID.String()
}

// foundThings are what somebody found as an auditor: of an operator and of a fund administrator, one that is answered and
// one whose answer is accepted.
func (s *shop) foundThings(t testing.TB, p *person) []string {
	t.Helper()
	auditor := identity.Caller{Account: p.id, Roles: []identity.Grant{{Role: identity.Auditor}}}
	var all []string
	for _, steps := range [][]string{{}, {}, {"answer"}, {"answer", "accept"}} {
		asked := identity.Operator
		if len(all) == 1 {
			asked = identity.FundAdmin
		}
		f, err := s.Findings.Open(t.Context(), auditor, finding.Opening{
			Object: finding.Object{Kind: "day", ID: "2026-11-23"}, Severity: finding.Low, Title: "for a test", Asked: asked, Text: "for a test",
		})
		for _, step := range steps {
			who := auditor
			if step == "answer" {
				who = clerk(asked)
			}
			if err == nil {
				_, err = s.Findings.Take(t.Context(), who, f.ID, step, "for a test")
			}
		}
		if err != nil {
			t.Fatalf("open a finding: %v", err)
		}
		all = append(all, f.ID.String())
	}
	return all
}

// seal seals the month before the shop's first, as if something had been in it.
func (s *shop) seal(t testing.TB) {
	t.Helper()
	err := postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		d, err := publication.Publish(t.Context(), tx, publication.Document{Kind: publication.Seal, TitleZH: "测试", TitleEN: "a test", MediaType: "application/json", Body: []byte("{}")})
		if err != nil {
			return err
		}
		digest := d.Digest()
		_, err = tx.Exec(t.Context(), `INSERT INTO period_seal (month, until, publication_id, digest, sealed_by, at) VALUES ('2026-10-01', '2026-10-31T16:00:00Z', ?, ?, ?, ?)`,
			d.ID, digest[:], clerk(identity.Auditor).Account, tx.Now)
		return err
	})
	if err != nil {
		t.Fatalf("seal a month: %v", err)
	}
}

// digest is that of a compensation or a correction, or "" when there is none of this name.
func (s *shop) digest(t testing.TB, name string) (digest string) {
	t.Helper()
	if uuid.Validate(name) != nil {
		return ""
	}
	err := s.DB.SQL().QueryRowContext(t.Context(), `SELECT encode(digest, 'hex') FROM (SELECT id, digest FROM compensation UNION ALL SELECT id, digest FROM correction) x WHERE id::text = $1`, name).Scan(&digest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatalf("read a compensation: %v", err)
	}
	return digest
}

// feesVersion is the version of an enterprise's shipping fees, 0 when it has none.
func (s *shop) feesVersion(t testing.TB, f *firm) int64 {
	t.Helper()
	all, err := s.Carriage.Schedules(t.Context(), shoptest.Seller(f.id), page.Request{Limit: 1})
	if err != nil {
		t.Fatalf("read the shipping fees: %v", err)
	}
	if len(all.Data) == 0 {
		return 0
	}
	return all.Data[0].Version
}

// decline lets an enterprise's order be settled while nothing can be paid to it: the
// payout fails, and could be made now. After one that failed there is no other for some
// hours: then it is that one.
func (s *shop) decline(t testing.TB, p *person, f *firm) (payout string) {
	t.Helper()
	for range 5 { // work that others do may let us hear too early that nothing can be paid: then nothing is tried
		oid := s.paid(t, p, f)
		s.declining.Lock() // for it settles whatever is due
		s.Receive(t, oid)
		s.Decline(t, f.id.UUID())
		s.declining.Unlock()
		all, err := s.Settlements.Payouts(t.Context(), shoptest.Seller(f.id), page.Request{})
		if err != nil {
			t.Fatalf("read payouts: %v", err)
		}
		if len(all.Data) > 0 {
			return all.Data[0].ID.String()
		}
	}
	t.Fatal("there is no payout of what an enterprise sold")
	return ""
}

// discrepancy is a break of a day that is over, which nobody has looked at.
func (s *shop) discrepancy(t testing.TB) string {
	t.Helper()
	b := uuid.Must(uuid.NewV7()).String()
	const plant = `INSERT INTO recon_break (id, day, kind, object, expected_li, found_li, state, found_at) VALUES ($1, '2026-01-01', 'refund_unknown', $2, 0, -10, 'open', $3)`
	if _, err := s.DB.SQL().ExecContext(t.Context(), plant, b, "refund:re_"+b, s.Clock.Now()); err != nil {
		t.Fatalf("plant a break: %v", err)
	}
	return b
}

// work does all that waits, and lets the public log take up what was sold.
func (s *shop) work(t testing.TB) {
	t.Helper()
	s.Perform(t)
	s.Sequence(t)
}

// things makes things of the kind that a path parameter names, in each state that
// an operation may want one in, for somebody and an enterprise.
func (s *shop) things(t testing.TB, param string, p *person, f *firm) []string {
	t.Helper()
	switch param {
	case "application_id":
		return s.applications(t, p)
	case "session_id":
		return []string{s.signIn(t, p)}
	case "checkout_id":
		paid, placed := s.buy(t, p, f), s.buy(t, p, f)
		s.settle(t, paid)
		return []string{placed.ID, paid.ID}
	case "order_id":
		paid, shipped := s.paid(t, p, f), s.paid(t, p, f)
		s.ship(t, shipped, f)
		return []string{paid.String(), shipped.String()}
	case "sku_id":
		k := s.list(t, f, oil(), 1000, 1990).SKUs[0].ID
		if err := s.Carts.SetLine(t.Context(), p.id, k, 1); err != nil {
			t.Fatalf("fill the cart: %v", err)
		}
		return []string{k.String()}
	case "product_id":
		return []string{f.products[0].ID.String()}
	case "listing_id": // a product in each state, as its enterprise sees it
		onSale, withdrawn := s.list(t, f, oil(), 10, 1990), s.list(t, f, oil(), 10, 1990)
		draft, inReview := s.draft(t, f), s.draft(t, f)
		_, err := s.Catalog.Withdraw(t.Context(), shoptest.Seller(f.id), withdrawn.ID)
		if err == nil {
			_, err = s.Catalog.Submit(t.Context(), shoptest.Seller(f.id), inReview.ID)
		}
		if err != nil {
			t.Fatalf("bring products into their states: %v", err)
		}
		return []string{draft.ID.String(), inReview.ID.String(), onSale.ID.String(), withdrawn.ID.String()}
	case "merchant_id":
		active, suspended := s.firm(t), s.firm(t)
		s.fileLicence(t, active, true)
		if _, err := s.Merchants.Suspend(t.Context(), s.root, suspended.id, "for a test"); err != nil {
			t.Fatalf("suspend an enterprise: %v", err)
		}
		return []string{active.id.String(), suspended.id.String()}
	case "account_id":
		active, suspended := s.person(t), s.person(t)
		if _, err := s.Identity.Suspend(t.Context(), s.root, suspended.id, "for a test"); err != nil {
			t.Fatalf("suspend an account: %v", err)
		}
		return []string{active.id.String(), suspended.id.String()}
	case "document_id":
		return []string{s.publish(t).String()}
	case "programme_id", "programme_application_id", "programme_change_id", "other_money_id", "objection_period_id", "objection_id", "grant_id", "disbursement_id":
		return s.funded(t, param)
	case "duty_id":
		d, err := s.Disclosures.Open(t.Context(), s.steward(), disclosure.Event{Subject: id.New[shop](s.DB.Now()).String(), Title: "事项（虚构示例）", HappenedOn: s.DB.Now()})
		if err != nil {
			t.Fatalf("open a duty: %v", err)
		}
		return []string{d.ID.String()}
	case "pupil_id":
		return []string{s.pupil(t).ID.String()}
	case "pupil_request_id":
		q, err := s.Pupils.Ask(t.Context(), s.steward(), s.pupil(t).ID, pupil.Read, "for a test")
		if err != nil {
			t.Fatalf("ask for a record: %v", err)
		}
		return []string{q.ID.String()}
	case "import_id":
		i, err := s.Intake.Check(t.Context(), shoptest.Seller(f.id), f.id, sheet.CSV, s.sheet(f))
		if err != nil {
			t.Fatalf("bring a sheet: %v", err)
		}
		return []string{i.ID.String()}
	case "shipment_id":
		return []string{s.shipment(t, p, f)}
	case "batch_id":
		b, err := s.Dispatch.Check(t.Context(), shoptest.Seller(f.id), f.id, sheet.CSV, s.parcels(t, p, f))
		if err != nil {
			t.Fatalf("bring a sheet of parcels: %v", err)
		}
		return []string{b.ID.String()}
	case "licence_id": // of a firm of which nobody is: insiders do not decide on their own
		return []string{s.fileLicence(t, s.firm(t), false)}
	case "alert_id":
		a, err := s.Standing.AskToLeave(t.Context(), shoptest.Seller(f.id), f.id, "for a test")
		if err != nil {
			t.Fatalf("raise an alert: %v", err)
		}
		return []string{a.ID.String()}
	case "refund_id":
		paid := s.buy(t, p, f)
		s.settle(t, paid)
		return []string{s.refuse(t, paid)}
	case "case_id":
		return s.cases(t, p, f)
	case "compensation_id":
		return []string{s.compensation(t, p, f), s.compensation(t, p, f)}
	case "correction_id":
		return []string{s.correction(t)}
	case "finding_id":
		return s.foundThings(t, p)
	case "break_id":
		return []string{s.discrepancy(t)}
	case "dispute_id":
		paid := s.buy(t, p, f)
		s.settle(t, paid)
		return []string{s.dispute(t, paid)}
	case "payout_id":
		return []string{s.decline(t, p, f)}
	case "key_id":
		return []string{s.apiKey(t, p, f)}
	case "webhook_id":
		return []string{s.webhook(t, f).String()}
	case "delivery_id":
		return []string{s.delivery(t, f)}
	case "lot_id":
		return []string{s.lot(t, f).ID.String()}
	case "recall_id":
		return []string{s.recall(t, f)}
	case "review_id":
		shown, hidden := s.review(t, p, f), s.review(t, p, f)
		if _, err := s.Reviews.Hide(t.Context(), s.root, hidden, review.Fabricated, "for a test"); err != nil {
			t.Fatalf("hide a review: %v", err)
		}
		return []string{shown.String(), hidden.String()}
	case "voucher_id":
		return []string{s.voucher(t, p, f).ID.String()}
	case "appointment_id":
		return []string{s.asked(t, p, f).ID.String()}
	case "claim_id":
		return []string{s.claim(t, f, false), s.claim(t, f, true)}
	case "report_id":
		return []string{s.report(t, f)}
	case "file_id":
		return []string{s.file(t, p)}
	case "notice_id":
		if err := s.Notices.Tell(t.Context(), notice.OrderCanceled(p.id, id.New[order.Order](s.Clock.Now()))); err != nil {
			t.Fatalf("post a notice: %v", err)
		}
		all, err := s.Notices.Notices(t.Context(), identity.Caller{Account: p.id}, false, page.Request{Limit: 1})
		if err != nil || len(all.Data) != 1 {
			t.Fatalf("read a notice: %v", err)
		}
		return []string{all.Data[0].ID.String()}
	case "path":
		paid := s.buy(t, p, f) // so that the log is not empty
		s.settle(t, paid)
		return []string{"entries/000.p/1"}
	case "code":
		return []string{"request.invalid"}
	case "outflow":
		s.spend(t, s.paid(t, p, f), f)
		return []string{"0"}
	}
	t.Fatalf("the shop makes no things for the path parameter {%s}: teach shop.things", param)
	return nil
}

// applications are somebody's, one in each state in which there is something to do
// but the draft, which nobody else sees.
func (s *shop) applications(t testing.TB, p *person) []string {
	t.Helper()
	applicant := identity.Caller{Account: p.id}
	draft := func() onboarding.ID {
		code := fmt.Sprintf("A%d", s.next())
		d, err := s.Papers(t.Context(), p.id.UUID(), shoptest.Draft(merchant.Enrolment{Code: code}))
		if err != nil {
			t.Fatalf("upload the papers: %v", err)
		}
		d.Licences[0].Files = append(slices.Clone(d.Licences[0].Files), uploaded(t, s.file(t, p))) // what {file_id} names
		a, err := s.Onboarding.Record(t.Context(), applicant, id.New[onboarding.Application](s.Clock.Now()),
			onboarding.Given{Merchant: id.New[merchant.Merchant](s.Clock.Now())}, d)
		if err != nil {
			t.Fatalf("apply: %v", err)
		}
		return a.ID
	}
	start := func() onboarding.ID {
		a := draft()
		if _, err := s.Onboarding.Submit(t.Context(), applicant, a); err != nil {
			t.Fatalf("submit: %v", err)
		}
		return a
	}
	submitted, returned, recommended, approved := start(), start(), start(), start()
	_, err := s.Onboarding.Return(t.Context(), shoptest.Official, onboarding.County, returned,
		[]onboarding.Item{{Pointer: "/entity/township", Problem: onboarding.Wrong, Message: "请填写全称"}}, "for a test")
	for _, a := range []onboarding.ID{recommended, approved} {
		if err == nil {
			_, err = s.Onboarding.Recommend(t.Context(), shoptest.Official, a, "R-1", "for a test")
		}
	}
	if err == nil {
		_, err = s.Onboarding.Approve(t.Context(), shoptest.Operator, approved, "for a test")
	}
	if err != nil {
		t.Fatalf("decide on applications: %v", err)
	}
	return []string{submitted.String(), returned.String(), recommended.String(), approved.String()}
}

// apiKey is a new key of an enterprise.
func (s *shop) apiKey(t testing.TB, p *person, f *firm) string {
	t.Helper()
	caller := shoptest.Seller(f.id)
	caller.Account = p.id
	k, _, err := s.Keys.Make(t.Context(), caller, apikey.Making{
		Merchant: f.id.UUID(), Name: "test", Scopes: apikey.Scopes(), ExpiresAt: s.Clock.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	s.keep(f.only("an API key"), k.ID.String())
	return k.ID.String()
}

// webhook is where an enterprise hears of events: one for all, for it may not have many.
func (s *shop) webhook(t testing.TB, f *firm) webhook.EndpointID {
	t.Helper()
	f.listening.Do(func() {
		e, secret, err := s.Webhooks.Create(t.Context(), shoptest.Seller(f.id), f.id.UUID(), "https://erp.example/hook", webhook.Types())
		if err != nil {
			t.Errorf("make a webhook: %v", err)
			return
		}
		f.webhook = e.ID
		s.keep(f.only("a webhook"), e.ID.String())
		s.keep(f.only("a webhook's secret"), secret)
	})
	return f.webhook
}

// delivery is a message to an enterprise that waits to be sent.
func (s *shop) delivery(t testing.TB, f *firm) string {
	t.Helper()
	d, err := s.Webhooks.Ping(t.Context(), shoptest.Seller(f.id), s.webhook(t, f))
	if err != nil {
		t.Fatalf("ping a webhook: %v", err)
	}
	s.keep(f.only("a delivery"), d.ID.String())
	s.keep(f.only("an event"), d.Event.String())
	return d.ID.String()
}

// lot is a new lot of an enterprise.
func (s *shop) lot(t testing.TB, f *firm) inventory.Lot {
	t.Helper()
	l, err := s.Inventory.Receive(t.Context(), inventory.Receipt{
		Actor: s.root.Account.UUID(), Merchants: []uuid.UUID{f.id.UUID()}, SKU: f.products[0].SKUs[0].ID.UUID(),
		Code: fmt.Sprintf("lot %d", s.next()), Qty: 10,
	}, idempotent.Claim{}, nil)
	if err != nil {
		t.Fatalf("receive a lot: %v", err)
	}
	return l
}

// review is somebody's of what he bought of an enterprise.
func (s *shop) review(t testing.TB, p *person, f *firm) review.ID {
	t.Helper()
	paid := s.buy(t, p, f)
	s.settle(t, paid)
	oid, err := id.Parse[order.Order](paid.Orders[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Reviews.Write(t.Context(), identity.Caller{Account: p.id}, oid, review.Writing{Line: 1, Stars: 4, Text: "for a test"})
	if err != nil {
		t.Fatalf("review: %v", err)
	}
	return r.ID
}

// claim is an enterprise's price claim, confirmed or not.
func (s *shop) claim(t testing.TB, f *firm, confirmed bool) string {
	t.Helper()
	product := f.products[0]
	c, err := s.Claims.File(t.Context(), shoptest.Seller(f.id), claim.Filing{
		SKU: product.SKUs[0].ID, Platform: fmt.Sprintf("platform %d", s.next()), Reference: 9_999_999, Basis: claim.SameSKU,
		NetContent: product.NetContent, NetUnit: product.NetUnit, CapturedAt: s.Clock.Now(), Evidence: "for a test",
	})
	if err == nil && confirmed {
		c, err = s.Claims.Confirm(t.Context(), s.root, c.ID)
	}
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	return c.ID.String()
}

// report is an open one on an enterprise's product, of somebody who was never seen before.
func (s *shop) report(t testing.TB, f *firm) string {
	t.Helper()
	who := identity.Caller{Account: id.FromName[identity.Account]("reporter", strconv.FormatInt(s.next(), 10))}
	r, err := s.Claims.Report(t.Context(), who, f.products[0].ID, claim.Finding{Place: "for a test", Price: 1})
	if err != nil {
		t.Fatalf("report: %v", err)
	}
	return r.ID.String()
}

// recall is an open recall of an enterprise's lot.
func (s *shop) recall(t testing.TB, f *firm) string {
	t.Helper()
	r, err := s.Recalls.Open(t.Context(), s.root, s.lot(t, f).ID, recall.Opening{Level: 3, Reason: "for a test", Notice: "for a test of recalls"}, idempotent.Claim{}, nil)
	if err != nil {
		t.Fatalf("recall a lot: %v", err)
	}
	return r.ID.String()
}

// file is a picture that somebody uploaded for everybody.
func (s *shop) file(t testing.TB, p *person) string {
	t.Helper()
	var out bytes.Buffer
	err := png.Encode(&out, image.NewGray(image.Rect(0, 0, 2, 2)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Files.Put(t.Context(), file.New{Owner: p.id.UUID(), Name: "a.png", Kind: file.Picture}, &out)
	if err != nil {
		t.Fatalf("upload: %v", err)
	}
	return f.ID.String()
}

func uploaded(t testing.TB, name string) file.ID {
	t.Helper()
	f, err := id.Parse[file.File](name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// missing is a well-formed name of a thing that is not there.
func (s *shop) missing(param string) string {
	switch param {
	case "path":
		return "5/999"
	case "code":
		return "no.such_problem"
	case "outflow":
		return "999999"
	}
	return id.New[person](s.Clock.Now()).String()
}

// header is a good value of a required header, for a body.
func (s *shop) header(name string, body []byte) string {
	switch name {
	case "If-Match":
		return "*"
	case "from":
		return "2026-11-01"
	case "until":
		return "2026-11-30"
	case "day":
		return "2026-11-23"
	case "year":
		return "2026"
	case "quarter":
		return "4"
	case "Stripe-Signature":
		return sandbox.Sign(body, s.Bank.Secret(), s.Clock.Now())
	}
	return uuid.NewString()
}

// event is a signed body that the provider might send.
func (s *shop) event() []byte {
	return fmt.Appendf(nil, `{"id":"evt_%s","object":"event","api_version":%q,"created":%d,"livemode":false,"type":"customer.created","data":{"object":{}}}`,
		strings.ReplaceAll(uuid.NewString(), "-", ""), sandbox.Version, s.Clock.Now().Unix())
}

// leaks says what an answer to who asks shows that belongs to somebody else.
func (s *shop) leaks(r request, a answer, who caller) []violation {
	owner := r.op.authz.Owner
	if owner == "none" || r.op.authz.Public && !r.op.safe() {
		return nil
	}
	var out []violation
	for _, word := range words(a.body) {
		found, ok := s.secrets.Load(word)
		if !ok {
			continue
		}
		if bytes.Contains(r.body, []byte(word)) {
			continue // he has said it himself
		}
		sec := found.(secret)
		if r.op.id == "listPicks" && sec.what == "the phone number" {
			continue // an enterprise is shown where its parcels go; that they are its own, the ids of their orders tell
		}
		mine := who.person != nil && sec.person == who.person
		sells := who.firm != nil && slices.Contains(sec.firms, who.firm.id.UUID())
		if r.op.id == "listNotices" && (sells || slices.Contains(who.roles, string(identity.Operator))) {
			continue // who sells is told of his enterprise's orders, and operators of the cases that they decide
		}
		if owner == "merchant" && !sells || owner != "merchant" && !mine {
			out = append(out, violation{ruleLeak, r.op.id, fmt.Sprintf("the %s is shown %s of %s: %s", who.kind, sec.what, sec.person.name, word)})
		}
	}
	return out
}

// words are the strings of a JSON text.
func words(body []byte) []string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return nil
	}
	var out []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(v)
	return out
}

// errorLog is a log that keeps what went wrong inside, by request.
type errorLog struct{ byRequest sync.Map }

// Enabled is about errors alone.
func (l *errorLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle keeps a record.
func (l *errorLog) Handle(_ context.Context, r slog.Record) error {
	var request, text string
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "request_id" {
			request = a.Value.String()
		}
		text += fmt.Sprintf("%s=%v ", a.Key, a.Value)
		return true
	})
	l.byRequest.Store(request, r.Message+": "+text)
	return nil
}

// WithAttrs is the same log.
func (l *errorLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup is the same log.
func (l *errorLog) WithGroup(string) slog.Handler { return l }

// of is what was logged about the request that was answered so.
func (l *errorLog) of(a answer) string {
	text, ok := l.byRequest.Load(a.header.Get("X-Request-Id"))
	if !ok {
		return ""
	}
	return "our log: " + fmt.Sprint(text)
}

// spend pays one fen of an order's tenth to a programme.
func (s *shop) spend(t testing.TB, oid order.ID, f *firm) {
	t.Helper()
	grant := uuid.New()
	for _, x := range []ledger.Transfer{fund.Mature(f.id.UUID(), oid.String(), 10), fund.Grant(grant, 1), fund.PayGrant(grant, uuid.New(), uuid.New(), 1)} {
		if err := postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error { return ledger.Book(t.Context(), tx, []ledger.Transfer{x}) }); err != nil {
			t.Fatalf("spend of the fund: %v", err)
		}
	}
	if _, err := s.Transparency.Drain(t.Context()); err != nil {
		t.Fatalf("number what was spent: %v", err)
	}
}

// publish puts a report before the public.
func (s *shop) publish(t testing.TB) publication.ID {
	t.Helper()
	d, err := postgres.InTx(t.Context(), s.DB, func(tx *postgres.Tx) (publication.Document, error) {
		return publication.Publish(t.Context(), tx, publication.Document{
			Kind: publication.Report, TitleZH: "报告（虚构示例）", TitleEN: "Report (invented)", MediaType: "application/json",
			Body: []byte(`{"format":"shiyi.report/v1","kind":"progress","title_zh":"报告（虚构示例）","title_en":"Report (invented)","body_zh":"无","body_en":"Nothing"}`),
		})
	})
	if err != nil {
		t.Fatalf("publish a report: %v", err)
	}
	return d.ID
}

// steward administers the fund, and is none of the people who call.
func (s *shop) steward() identity.Caller {
	return identity.Caller{Account: id.FromName[identity.Account]("nets", "steward"), Roles: []identity.Grant{{Role: identity.FundAdmin}}}
}

// pupil writes a pupil down, in a programme of his own.
func (s *shop) pupil(t testing.TB) pupil.Pupil {
	t.Helper()
	programme := s.recorded(t).UUID()
	err := postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		return ledger.Book(t.Context(), tx, []ledger.Transfer{
			{Home: ledger.FundHome, Kind: "gift", Ref: programme.String(), Moves: []ledger.Move{{What: "gift", From: "world:somebody", To: fund.Free, Amount: 1e7}}},
			fund.Grant(programme, 1e6), fund.PayGrant(programme, programme, programme, 1e6),
		})
	})
	if err != nil {
		t.Fatalf("pay a programme: %v", err)
	}
	p, err := s.Pupils.Record(t.Context(), s.steward(), pupil.New{
		Programme: programme, Region: "152527101", Stage: pupil.Primary, ConsentOn: s.DB.Now(),
		Person: pupil.Person{Name: "学生（虚构示例）", IDNumber: "11010519491231002X", School: "学校（虚构示例）", Guardian: "家长（虚构示例）"},
	})
	if err != nil {
		t.Fatalf("write a pupil down: %v", err)
	}
	return p
}
