// Package shoptest is a shop for tests: the real contexts on a database of the
// test's own, a payment provider that lives in the process, and a queue whose
// jobs the test performs. It also furnishes shops that others have assembled.
// Nothing but tests and what measures the program may import it.
package shoptest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/apikey"
	"github.com/shiyi-market/shiyi/internal/application"
	"github.com/shiyi-market/shiyi/internal/assistance"
	"github.com/shiyi-market/shiyi/internal/audit"
	"github.com/shiyi-market/shiyi/internal/carriage"
	"github.com/shiyi-market/shiyi/internal/cart"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/compensation"
	"github.com/shiyi-market/shiyi/internal/correction"
	"github.com/shiyi-market/shiyi/internal/disbursement"
	"github.com/shiyi-market/shiyi/internal/disclosure"
	"github.com/shiyi-market/shiyi/internal/dispatch"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/finding"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/intake"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/journal"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/onboarding"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/origin"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payee"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/pupil"
	"github.com/shiyi-market/shiyi/internal/quote"
	"github.com/shiyi-market/shiyi/internal/recall"
	"github.com/shiyi-market/shiyi/internal/receipt"
	"github.com/shiyi-market/shiyi/internal/reconcile"
	"github.com/shiyi-market/shiyi/internal/repayment"
	"github.com/shiyi-market/shiyi/internal/report"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/review"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/scrutiny"
	"github.com/shiyi-market/shiyi/internal/search"
	"github.com/shiyi-market/shiyi/internal/settlement"
	"github.com/shiyi-market/shiyi/internal/standing"
	"github.com/shiyi-market/shiyi/internal/statement"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/internal/trail"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/internal/voucher"
	"github.com/shiyi-market/shiyi/internal/webhook"
	"github.com/shiyi-market/shiyi/internal/witness"
)

// Shop is a shop that is open. It may be used by many goroutines.
type Shop struct {
	Services
	DB    *postgres.DB
	Clock *pgtest.Clock // stands at pgtest.Noon
	Bank  *sandbox.Sandbox

	// Failed hears of jobs that fail; nil: they fail the test. Perform forgets them: see Again.
	Failed func(j river.JobArgs, err error)

	gateway gateway.Gateway // to the bank

	performing sync.Mutex
	mu         sync.Mutex
	jobs       []river.JobArgs // that committed transactions left
}

// Options change a shop before it opens.
type Options struct {
	Log   *slog.Logger   // nil: nobody reads it
	Cache *catalog.Cache // nil: the catalogue is read anew each time
	// Between stands between the shop and its provider; nil: nothing does.
	Between func(gateway.Gateway) gateway.Gateway
}

// The two enterprises of a shop that is stocked. They may sell through the first
// of January 2027, in Shanghai.
var (
	Miller    = id.FromName[merchant.Merchant]("test", "miller")
	Distiller = id.FromName[merchant.Merchant]("test", "distiller")
)

// goods are what they sell: plain food, something for adults, and a voucher
// whose return needs a waiver.
var goods = []catalog.NewProduct{
	Product(Miller, "flour", 3300, catalog.Description{Category: "FLOUR_MIAN", Name: "莜面"}),
	Product(Distiller, "liquor", 12345, catalog.Description{Category: "LIQUOR", Name: "草原白酒", ReturnRule: catalog.NoReasonUnopened, AgeRestricted: true}),
	Product(Distiller, "stay", 29900, catalog.Description{
		Category: "TOURISM", Name: "农家院一晚", ReturnRule: catalog.VoucherRule,
		Voucher: true, VoucherValidDays: 180, ShipZone: "NONE",
	}),
}

// Product is a product of one SKU, whose ids follow from its code.
func Product(m merchant.ID, code string, price money.Fen, d catalog.Description) catalog.NewProduct {
	return catalog.NewProduct{
		ID: ProductID(code), Merchant: m, Code: code, Description: d,
		SKUs: []catalog.NewSKU{{ID: SKU(code), Code: strings.ToUpper(code), Price: price}},
	}
}

// ProductID names a Product.
func ProductID(code string) catalog.ProductID { return id.FromName[catalog.Product]("product", code) }

// SKU names the SKU of a Product.
func SKU(code string) catalog.SKUID { return id.FromName[catalog.SKU]("test", code) }

// Buyer is somebody without any role, and without an account.
func Buyer(name string) identity.Caller {
	return identity.Caller{Account: id.FromName[identity.Account]("test", name)}
}

// Operator is an operator without an account.
var Operator = identity.Caller{Account: Buyer("operator").Account, Roles: []identity.Grant{{Role: identity.Operator}}}

// New opens a shop with nothing in it.
func New(t testing.TB, o Options) *Shop {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Shop{Clock: pgtest.NewClock(pgtest.Noon)}
	s.DB = pgtest.NewAt(t, s.Clock.Now).Collecting(func(j river.JobArgs) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.jobs = append(s.jobs, j)
	})
	var err error
	s.Bank, err = sandbox.Open(sandbox.Config{PageURL: "https://shop.example/sandbox/pay/", Clock: s.Clock.Now}, o.Log)
	must(t, err)
	s.gateway, err = gateway.NewSandbox(s.Bank, s.Bank.Secret())
	must(t, err)
	if o.Between != nil {
		s.gateway = o.Between(s.gateway)
	}
	s.Payments = payment.New(s.DB, s.gateway, payment.Shop{
		Name: "Shop", Mark: "shop.test/log", SuccessURL: "https://shop.example/?paid={checkout}", CancelURL: "https://shop.example/?unpaid={checkout}",
	})
	// argon2id as fast as it can be made.
	s.Identity, err = identity.New(s.DB, identity.Config{MemoryKiB: 8, Iterations: 1, Concurrency: 4, Queue: 1000})
	must(t, err)
	s.Transparency, err = transparency.New(s.DB, transparency.Config{Origin: "shop.test/log", Folder: t.TempDir()}, ledger.Roller{}, trace.Follower{})
	must(t, err)
	must(t, s.Transparency.Sign(t.Context()))
	s.Witnesses, err = witness.New(s.DB, s.Transparency, nil, nil)
	must(t, err)
	s.Trail, s.Merchants, s.Inventory = trail.New(s.DB), merchant.New(s.DB), inventory.New(s.DB)
	s.Keys, s.Webhooks = apikey.New(s.DB), webhook.New(s.DB, webhook.Config{}, listener{})
	s.Catalog, s.Carts, s.Fund = catalog.New(s.DB, o.Cache), cart.New(s.DB), fund.New(s.DB)
	s.Carriage = carriage.New(s.DB)
	s.Onboarding = onboarding.New(s.DB)
	s.Files, err = file.Open(s.DB, file.Config{Folder: t.TempDir(), MaxBytes: 10 << 20, DailyBytes: 200 << 20})
	must(t, err)
	s.Scrutiny, s.Origins = scrutiny.New(s.DB, s.Catalog), origin.New(s.DB)
	s.Orders = order.New(s.DB, s.Payments, o.Log)
	s.Goodwill = compensation.New(s.DB, aftersale.Open, dispute.Unsettled)
	s.Aftersales, s.Disputes = aftersale.New(s.DB, aftersale.Hooks{Disputed: dispute.Disputed, Aside: dispute.Aside, Granted: compensation.Granted, Used: voucher.Used, Void: voucher.Returned}), dispute.New(s.DB)
	s.Services.Repayments = repayment.New(s.DB)
	s.Fulfilment, s.Dispatch = fulfilment.New(s.DB, aftersale.Open), dispatch.New(s.DB)
	s.Intake = intake.New(s.DB, s.Catalog)
	s.Recalls = recall.New(s.DB)
	s.Search = search.New(s.DB, inventory.InStock)
	s.Claims = claim.New(s.DB, s.Catalog, claim.Config{})
	s.Reviews = review.New(s.DB, s.Identity, s.Catalog)
	s.Vouchers = voucher.New(s.DB)
	s.Receipts = receipt.New(s.DB, s.Orders, s.Transparency, "https://shop.example")
	s.Standing = standing.New(s.DB)
	s.Payees = payee.New(s.DB, s.gateway, payee.Shop{Mark: "shop.test/log", ReturnURL: "https://shop.example/merchant"})
	s.Settlements = settlement.New(s.DB, s.gateway, settlement.Config{}, settlement.Options{
		Mark: "shop.test/log", Blocked: []settlement.Blocked{aftersale.Open, dispute.Unsettled},
	})
	s.Reconciler = reconcile.New(s.DB, reconcile.Deps{
		Gateway: s.gateway, Mark: "shop.test/log", Payments: s.Payments, Orders: s.Orders, Aftersales: s.Aftersales, Disputes: s.Disputes,
		Settlements: s.Settlements, Log: o.Log,
	})
	s.Notices = notice.New(s.DB)
	s.Statements = statement.New(s.DB)
	s.Publications = publication.New(s.DB, s.Transparency)
	s.Assistance, s.Reports, s.Disclosures = assistance.NewService(s.DB), report.New(s.DB), disclosure.New(s.DB)
	s.Pupils, err = pupil.Open(s.DB, pupil.Config{Folder: t.TempDir(), Access: time.Hour})
	must(t, err)
	s.Traces = trace.New(s.DB, s.Orders)
	s.Programmes, s.Applications = programme.New(s.DB, Rules), application.New(s.DB, Rules)
	s.Grants, s.Disbursements = grant.New(s.DB, Terms), disbursement.New(s.DB, Terms)
	s.Objections = objection.New(s.DB, map[objection.Subject]objection.Hooks{
		objection.Application: application.Hooks(), objection.Change: programme.Hooks(), objection.Grant: grant.Hooks(),
	})
	s.Audit, s.Corrections, s.Findings = audit.New(s.DB), correction.New(s.DB), finding.New(s.DB)
	s.Journals = journal.New(s.DB, nil)
	return s
}

// listener stands for all systems of enterprises: it hears every message, and
// nothing leaves the process.
type listener struct{}

// RoundTrip answers 204.
func (listener) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
}

// StockUp enrols the two enterprises and puts their goods on sale, and more, with
// so many pieces of each.
func (s *Shop) StockUp(t testing.TB, pieces int64, more ...catalog.NewProduct) {
	t.Helper()
	for i, m := range []merchant.Enrolment{
		{ID: Miller, Code: "E01", ShortName: "磨坊", USCC: USCC(1)},
		{ID: Distiller, Code: "E02", ShortName: "酒坊", USCC: USCC(2)},
	} {
		m.Licences = []merchant.Licence{{Kind: "SC", No: "SC10115252799011", ExpiresOn: "2027-01-01"}}
		m.Linkage.Households = int64(100 + i)
		_, err := s.Enrol(t.Context(), m)
		must(t, err)
	}
	for _, p := range append(goods[:len(goods):len(goods)], more...) {
		_, err := s.Sell(t.Context(), p, pieces)
		must(t, err)
	}
}

// Choose is what a buyer asks for who agrees to everything: pairs of a Product's
// code and a quantity.
func Choose(pairs ...any) quote.Placing {
	p := quote.Placing{AdultDeclared: true, WaiverConfirmed: true, ShipTo: &quote.Address{
		Recipient: "测试", Phone: "+8610000000000", Province: "北京市", City: "北京市", District: "东城区", Detail: "1",
	}}
	for i := 0; i < len(pairs); i += 2 {
		code, _ := pairs[i].(string)
		n, _ := pairs[i+1].(int)
		p.Lines = append(p.Lines, quote.Chosen{SKU: SKU(code), Quantity: int64(n)})
	}
	return p
}

// Place places a checkout of somebody.
func (s *Shop) Place(t testing.TB, who string, p quote.Placing) order.Checkout {
	t.Helper()
	c, err := s.Orders.Place(t.Context(), Buyer(who), p, request.Claim{}, nil)
	if err != nil {
		t.Fatalf("place: %v", err)
	}
	return c
}

// Pay pays on a page of the provider's, and performs what follows.
func (s *Shop) Pay(t testing.TB, page string) {
	t.Helper()
	s.PayAtBank(t, page)
	s.Perform(t)
}

// PayAtBank pays on a page of the provider's, whose word is received but not
// acted upon yet. It returns the id of the event that tells.
func (s *Shop) PayAtBank(t testing.TB, page string) string {
	t.Helper()
	event, err := s.Bank.Pay(path.Base(page), "")
	if err != nil {
		t.Fatalf("pay on %q: %v", page, err)
	}
	if err := s.Bank.Send(t.Context(), event, s.Payments.Receive); err != nil {
		t.Fatalf("webhook: %v", err)
	}
	return event
}

// Perform hears all that the provider has to say and does the jobs that wait, and
// what they lead to.
func (s *Shop) Perform(t testing.TB) {
	t.Helper()
	s.performing.Lock()
	defer s.performing.Unlock()
	for more := true; more; {
		if err := s.Bank.Flush(t.Context(), s.Payments.Receive); err != nil {
			t.Fatalf("deliver the provider's events: %v", err)
		}
		s.mu.Lock()
		jobs := s.jobs
		s.jobs = nil
		s.mu.Unlock()
		for _, j := range jobs {
			switch err := s.do(t.Context(), j); {
			case err == nil:
			case s.Failed != nil:
				s.Failed(j, err)
			default:
				t.Fatalf("the job %s %+v: %v", j.Kind(), j, err)
			}
		}
		more = len(jobs) > 0
	}
}

// Again puts jobs into the queue that Perform had done, or tried to do.
func (s *Shop) Again(jobs ...river.JobArgs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = append(s.jobs, jobs...)
}

// Tell sends what waits to be sent to enterprises' own systems.
func (s *Shop) Tell(t testing.TB) {
	t.Helper()
	if _, err := s.Webhooks.Deliver(t.Context()); err != nil {
		t.Fatalf("send messages: %v", err)
	}
}

// do does a job, as the worker would.
func (s *Shop) do(ctx context.Context, j river.JobArgs) error {
	switch j := j.(type) {
	case catalog.Changed:
		return s.Search.Index(ctx, j.Products...)
	case payment.Received:
		if err := s.Orders.Capture(ctx, j.Event); err != nil {
			return err
		}
		return s.Receipts.Tell(ctx, j.Event)
	case payment.PerformRefund:
		return s.Payments.PerformRefund(ctx, j.Buyer, j.Refund)
	case payment.RefundMoved:
		return s.Payments.SettleRefund(ctx, j.Event)
	case payment.Moved:
		return s.Reconciler.Follow(ctx, j.Payment)
	case payment.TransferMoved:
		return s.Settlements.Follow(ctx, j.Row)
	case payment.AccountMoved:
		return s.Payees.Refresh(ctx, j.Owner)
	case settlement.Pay:
		return s.Settlements.Perform(ctx, j.Payout)
	case settlement.TakeBack:
		return s.Settlements.TakeBack(ctx, j.Merchant, j.Reversal)
	case payment.Close:
		return s.Payments.Close(ctx, j.Buyer, j.Intent)
	case dispatch.Ship:
		return s.Dispatch.Ship(ctx, j)
	case intake.Write:
		return s.Intake.Write(ctx, j)
	}
	return fmt.Errorf("nobody knows the job %s: teach Shop.do what the worker does with it", j.Kind())
}

// Receive lets an order be received, and the time in which it could come back end.
func (s *Shop) Receive(t testing.TB, oid order.ID) {
	t.Helper()
	must(t, postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		o, err := order.Lock(t.Context(), tx, oid)
		if err == nil {
			_, err = fulfilment.Lock(t.Context(), tx, o)
		}
		if err == nil {
			_, err = tx.Exec(t.Context(), `UPDATE fulfilment SET state = 'received', received_at = ?, closes_at = ? WHERE merchant_id = ? AND order_id = ?`,
				tx.Now, tx.Now, o.Merchant, o.ID)
		}
		return err
	}))
}

// Enable opens the payout account of an enterprise, if it has none, and lets its holder
// tell the provider all that it asks. It returns the provider's name of it.
func (s *Shop) Enable(t testing.TB, m uuid.UUID) string {
	t.Helper()
	a, err := s.Payees.Open(t.Context(), m, Operator.Account.UUID())
	must(t, err)
	must(t, s.Bank.Onboard(a.Ref))
	must(t, s.Payees.Refresh(t.Context(), m))
	return a.Ref
}

// Decline settles all orders that are due while the provider, which does not say so,
// pays nothing to an enterprise; afterwards it would.
func (s *Shop) Decline(t testing.TB, m uuid.UUID) {
	t.Helper()
	must(t, s.Bank.Suspend(s.Enable(t, m)))
	_, err := s.Settlements.CloseDue(t.Context(), page.MaxSize)
	must(t, err)
	failed, err := s.Settlements.PayoutsIn(t.Context(), payout.Pending, page.Request{Limit: page.MaxSize})
	must(t, err)
	for _, p := range failed.Data {
		must(t, s.Settlements.Perform(t.Context(), p.ID))
	}
	s.Enable(t, m)
}

// ReturnPast gives a paid checkout back on the provider's own pages, so that no
// refund of ours can succeed any more.
func (s *Shop) ReturnPast(t testing.TB, checkout uuid.UUID) {
	t.Helper()
	back := gateway.Refunding{Refund: id.New[payment.Refund](s.Clock.Now()).UUID()}
	err := s.DB.SQL().QueryRowContext(t.Context(), "SELECT buyer_id, payment, amount_fen FROM payment_intent WHERE id = $1", checkout).
		Scan(&back.Buyer, &back.Payment, &back.Amount)
	must(t, err)
	_, err = s.gateway.Refund(t.Context(), back)
	must(t, err)
}

// Arrive brings a paid order to its buyer in one go: its goods were shipped, and are
// received now.
func (s *Shop) Arrive(t testing.TB, oid order.ID) {
	t.Helper()
	must(t, postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		o, err := order.Lock(t.Context(), tx, oid)
		if err == nil {
			_, err = fulfilment.Lock(t.Context(), tx, o)
		}
		for _, step := range []string{
			`state = 'shipped', shipped_at = @now`,
			`state = 'received', goods_received_at = @now, received_at = @now, closes_at = @closes`,
		} {
			if err == nil {
				_, err = tx.Exec(t.Context(), `UPDATE fulfilment SET `+step+` WHERE merchant_id = @merchant AND order_id = @order`,
					map[string]any{"now": tx.Now, "closes": fulfilment.Closes(tx.Now), "merchant": o.Merchant, "order": o.ID})
			}
		}
		return err
	}))
}

// PaidAs is the provider's name of what was paid for a checkout.
func (s *Shop) PaidAs(t testing.TB, checkout order.CheckoutID) string {
	t.Helper()
	var name string
	must(t, s.DB.SQL().QueryRowContext(t.Context(), "SELECT payment FROM payment_intent WHERE id = $1", checkout).Scan(&name))
	return name
}

// ByHand does something on the provider's own pages, of which it knows nothing of ours,
// and returns the provider's name of what was made.
func (s *Shop) ByHand(t testing.TB, path string, form url.Values) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.stripe.com"+path, strings.NewReader(form.Encode()))
	must(t, err)
	r.Header.Set("Authorization", "Bearer sk_test_hand")
	answer, err := s.Bank.RoundTrip(r)
	must(t, err)
	defer func() { must(t, answer.Body.Close()) }()
	var made struct{ ID string }
	must(t, json.NewDecoder(answer.Body).Decode(&made))
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("POST %s by hand: %s", path, answer.Status)
	}
	return made.ID
}

// Sequence takes what is booked up into the public log, and signs it.
func (s *Shop) Sequence(t testing.TB) {
	t.Helper()
	if _, err := s.Transparency.Drain(t.Context()); err != nil {
		t.Fatalf("sequence: %v", err)
	}
}

// Checkout is a checkout as it stands now.
func (s *Shop) Checkout(t testing.TB, c order.Checkout) order.Checkout {
	t.Helper()
	now, err := s.Orders.Checkout(t.Context(), identity.Caller{Account: c.Buyer}, c.ID)
	if err != nil {
		t.Fatalf("read the checkout: %v", err)
	}
	return now
}

// Repayments are the refunds of a checkout, in whatever state their money is.
func (s *Shop) Repayments(t testing.TB, checkout order.CheckoutID) []repayment.Repayment {
	t.Helper()
	var all []repayment.Repayment
	for _, state := range []gateway.RefundState{gateway.RefundPending, gateway.RefundSucceeded, gateway.RefundFailed} {
		of, err := s.Services.Repayments.In(t.Context(), state, page.Request{Limit: page.MaxSize})
		if err != nil {
			t.Fatalf("read the refunds: %v", err)
		}
		for _, r := range of.Data {
			if r.Intent.UUID() == checkout.UUID() {
				all = append(all, r)
			}
		}
	}
	return all
}

// Held is what an account holds, in li.
func (s *Shop) Held(t testing.TB, account ledger.Account) money.Li {
	t.Helper()
	b, err := postgres.Read(t.Context(), s.DB, func(tx *postgres.Tx) (ledger.Balance, error) { return ledger.Of(t.Context(), tx, account) })
	if err != nil {
		t.Fatalf("balance of %s: %v", account, err)
	}
	return b.Li()
}

// Pieces is what is available and what is reserved of a Product.
func (s *Shop) Pieces(t testing.TB, code string) [2]int64 {
	t.Helper()
	sku := SKU(code).UUID()
	all, err := s.Inventory.Levels(t.Context(), []uuid.UUID{sku})
	if err != nil {
		t.Fatalf("stock of %s: %v", code, err)
	}
	return [2]int64{all[sku].Available, all[sku].Reserved}
}

// File is a private picture that somebody uploads. The same name is the same file.
func (s *Shop) File(t testing.TB, owner uuid.UUID, name string) file.ID {
	t.Helper()
	f, err := s.Scan(t.Context(), owner, name)
	must(t, err)
	return f
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
