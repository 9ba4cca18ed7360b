package replay

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/returns"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/statement"
)

var planted = flag.Int("sales", 330, "how many checkouts of the first third of the year are replayed with planted refunds and disputes; 0 is the whole year's 11,462")

// ends is when all that is planted is over and settled, in the county.
var ends = time.Date(2021, 4, 1, 0, 30, 0, 0, shanghai())

// garden is a shop into which the recorded year is replayed, and what is planted in it.
type garden struct {
	*shoptest.Shop
	t      *testing.T
	r      *Replay
	super  *sql.DB
	y      Year
	chance *rand.Rand
	count  map[string]int
}

func newGarden(t *testing.T, sales int) *garden {
	t.Helper()
	y, err := Read()
	must(t, err)
	if all := y.Sales; sales > 0 {
		all = slices.DeleteFunc(all, func(s Sale) bool { return s.At.In(shanghai()).Month() > time.April })
		y.Sales = nil
		for i := range sales { // from the first to the last
			y.Sales = append(y.Sales, all[i*(len(all)-1)/(sales-1)])
		}
	}
	s := shoptest.New(t, shoptest.Options{})
	return &garden{
		Shop: s, t: t, y: y, super: pgtest.Super(t, s.DB), chance: rand.New(rand.NewPCG(2020, 3)), count: map[string]int{},
		r: &Replay{
			Whole: true, DB: s.DB, Sandbox: s.Bank, Log: s.Transparency, Logger: slog.New(slog.DiscardHandler),
			Files: file.Config{Folder: t.TempDir(), MaxBytes: 1 << 20},
			Shop:  payment.Shop{Name: "Shop", Mark: "shop.test/log", SuccessURL: "https://shop.example/?paid={checkout}", CancelURL: "https://shop.example/?unpaid={checkout}"},
		},
	}
}

// plant lets something happen at its time, and what follows from it.
func (g *garden) plant(at time.Time, what string, do func()) {
	g.r.planted = append(g.r.planted, step{at, what, func(context.Context, time.Time) error {
		g.Clock.Set(at)
		do()
		g.Perform(g.t)
		return nil
	}})
}

// midday is the middle of the so-manieth day after a sale, in the county.
func midday(s Sale, days int) time.Time {
	y, m, d := s.At.In(shanghai()).Date()
	return time.Date(y, m, d+days, 12, 0, 0, 0, shanghai())
}

// sold is the checkout of a recorded sale, as it stands now.
func (g *garden) sold(s Sale) order.Checkout {
	g.t.Helper()
	for next := (page.Request{Limit: page.MaxSize}); ; {
		p, err := g.Orders.Checkouts(g.t.Context(), s.buyer(), next)
		must(g.t, err)
		if i := slices.IndexFunc(p.Data, func(c order.Checkout) bool { return c.PlacedAt.Equal(s.At) }); i >= 0 {
			return p.Data[i]
		}
		if next.Cursor = p.Next; next.Cursor == "" {
			g.t.Fatalf("nobody bought %s", s.Order)
		}
	}
}

// The terms of what is planted, in days after the sale: within the window of returns of goods, and after settlement.
const (
	within = 11
	late   = 45
)

// refund lets an operator give so much of the first order of a sale back, while the bank
// does so with refunds.
func (g *garden) refund(s Sale, day int, what string, bank sandbox.Refunds, much func(o order.Order) order.Refunding, after ...func(refund payment.RefundID, ref string)) {
	g.count[what]++
	g.plant(midday(s, day), what, func() {
		c := g.sold(s)
		r := much(c.Orders[0])
		r.Reason = what + "（虚构示例）"
		for i, l := range r.Lines {
			if sold := c.Orders[0].Lines[l.N-1]; day == late && sold.VoucherDays > 0 { // it was used: only money comes back
				r.Lines[i].Quantity, r.Lines[i].Amount = 0, max(l.Amount, sold.Price*money.Fen(l.Quantity))
			}
		}
		_, err := g.Aftersales.Refund(g.t.Context(), operator(), c.Orders[0].ID, r, request.Claim{}, nil)
		must(g.t, err)
		g.Bank.SetRefunds(bank)
		g.Perform(g.t)
		g.Bank.SetRefunds(sandbox.RefundsArrive)
	})
	for i, then := range after {
		g.plant(midday(s, day+2+i), what, func() {
			of := g.Repayments(g.t, g.sold(s).ID)
			if len(of) != 1 {
				g.t.Fatalf("%s: %d refunds of %s", what, len(of), s.Order)
			}
			then(of[0].ID, of[0].Ref)
		})
	}
}

func whole(o order.Order) order.Refunding {
	r := order.Refunding{Restock: true}
	for _, l := range o.Lines {
		r.Lines = append(r.Lines, order.RefundLine{N: l.N, Quantity: l.Quantity})
	}
	return r
}

func onePiece(order.Order) order.Refunding {
	return order.Refunding{Restock: true, Lines: []order.RefundLine{{N: 1, Quantity: 1}}}
}

// reduction is a price reduction by an odd number of fen.
func reduction(o order.Order) order.Refunding {
	return order.Refunding{Lines: []order.RefundLine{{N: len(o.Lines), Amount: o.Lines[len(o.Lines)-1].Total/3 | 1}}}
}

func (g *garden) retry(refund payment.RefundID, _ string) {
	_, err := g.Services.Repayments.Retry(g.t.Context(), operator(), refund, request.Claim{}, nil)
	must(g.t, err)
}

// settles lets a bank say what became of a refund that it kept waiting.
func (g *garden) settles(arrived bool) func(payment.RefundID, string) {
	return func(_ payment.RefundID, ref string) { must(g.t, g.Bank.SettleRefund(ref, arrived)) }
}

// refunds are the ways in which something comes back.
func (g *garden) refunds() []func(s Sale) {
	const arrives, waits, fails = sandbox.RefundsArrive, sandbox.RefundsWait, sandbox.RefundsFail
	return []func(s Sale){
		func(s Sale) { g.refund(s, 1, "a piece before it is shipped", arrives, onePiece) },
		func(s Sale) { g.refund(s, within, "all after receipt", arrives, whole) },
		func(s Sale) { g.refund(s, within, "a reduction after receipt", arrives, reduction) },
		func(s Sale) { g.refund(s, late, "all after settlement", arrives, whole) },
		func(s Sale) { g.refund(s, late, "a reduction after settlement", arrives, reduction) },
		func(s Sale) { g.byHand(s, 2) },
		func(s Sale) { g.byHand(s, late) },
		func(s Sale) { g.refund(s, within, "slow", waits, reduction, g.settles(true)) },
		func(s Sale) { g.refund(s, within, "failed and tried anew", fails, whole, g.retry) },
		func(s Sale) {
			g.refund(s, within, "slow, failed, and tried anew the same day", waits, onePiece, func(refund payment.RefundID, ref string) {
				g.settles(false)(refund, ref)
				g.Perform(g.t)
				g.retry(refund, ref)
			})
		},
		func(s Sale) { // it comes back after it had arrived
			g.refund(s, late, "slow, late, and failed in the end", waits, onePiece, g.settles(true), g.settles(false), g.retry)
		},
	}
}

// byHand gives a part of a payment back on the provider's own pages.
func (g *garden) byHand(s Sale, day int) {
	g.count["by hand"]++
	g.plant(midday(s, day), "give back by hand", func() {
		g.ByHand(g.t, "/v1/refunds", url.Values{"payment_intent": {g.PaidAs(g.t, g.sold(s).ID)}, "amount": {strconv.FormatInt(int64(s.Total)/7|1, 10)}})
	})
}

// cancel gives an order back before anything of it is shipped.
func (g *garden) cancel(s Sale) {
	g.count["canceled"]++
	g.plant(s.At.Add(2*time.Hour), "cancel", func() {
		o := g.sold(s).Orders[0]
		_, err := g.Aftersales.Cancel(g.t.Context(), s.buyer(), o.ID, request.Claim{}, nil)
		if errors.Is(err, returns.ErrNoReason) {
			caller := identity.Caller{Account: person("applicant").ID, Roles: []identity.Grant{{Role: identity.Merchant, Merchant: o.Merchant.UUID()}}}
			_, err = g.Aftersales.CancelForMerchant(g.t.Context(), caller, o.ID, "无货（虚构示例）", request.Claim{}, nil)
		}
		must(g.t, err)
	})
}

// dispute lets a bank take a payment back, or a part of it, and decide twenty days later.
func (g *garden) dispute(s Sale, day int, part, won bool) {
	g.count["dispute won "+strconv.FormatBool(won)]++
	var dispute string
	g.plant(midday(s, day), "dispute", func() {
		amount := s.Total
		if part {
			amount = amount/3 | 1
		}
		var err error
		dispute, err = g.Bank.Dispute(g.PaidAs(g.t, g.sold(s).ID), int64(amount), "product_not_received")
		must(g.t, err)
	})
	g.plant(midday(s, day+20), "close a dispute", func() { must(g.t, g.Bank.CloseDispute(dispute, won)) })
}

// sow plants three refunds among a hundred sales, a dispute among a thousand, a few
// cancellations, and the comparison of each day half an hour after its end, as long as
// something happens, and of the last day of all.
func (g *garden) sow() {
	n := len(g.y.Sales)
	chosen := g.chance.Perm(n)
	next := func() Sale {
		s := g.y.Sales[chosen[0]]
		chosen = chosen[1:]
		return s
	}
	ways := g.refunds()
	for i := range max(n*3/100, len(ways)) {
		ways[i%len(ways)](next())
	}
	for i := range max(n/1000, 4) {
		g.dispute(next(), []int{6, late}[i/2%2], i%4 == 3, i%2 == 0)
	}
	for range max(n/500, 2) {
		g.cancel(next())
	}
	last := midday(g.y.Sales[n-1], late+20+2)
	if n == 11462 {
		last = ends
	}
	for day := midday(g.y.Sales[0], 1).Add(-12*time.Hour + 30*time.Minute); !day.After(last); day = day.AddDate(0, 0, 1) {
		g.plant(day, "compare", g.compare)
	}
	g.plant(ends, "compare the last day", func() {
		_, err := g.Reconciler.Run(g.t.Context(), merchant.DateOf(ends.AddDate(0, 0, -1)))
		must(g.t, err)
	})
}

func (g *garden) compare() {
	if n, err := g.Reconciler.RunDue(g.t.Context()); n != 1 || err != nil {
		g.t.Fatalf("%d days were compared at %s, %v", n, g.Clock.Now(), err)
	}
	if g.count["days"]++; g.count["days"]%30 == 0 { // nothing else tells the test's database how large its tables have become
		_, err := g.super.ExecContext(g.t.Context(), "ANALYZE")
		must(g.t, err)
	}
}

// breaks are all that were ever found, "kind object".
func (g *garden) breaks() []string {
	p, err := g.Reconciler.Breaks(g.t.Context(), "", page.Request{Limit: page.MaxSize})
	must(g.t, err)
	var all []string
	for _, b := range p.Data {
		all = append(all, string(b.Day)+" "+b.Kind+" "+b.Object)
	}
	return all
}

// sums are what went into and out of what all enterprises are owed, in li.
type sums struct {
	Sold, Refunded, Disputes, Payouts, Reversals money.Li
	Tenths                                       money.Li // less those that were returned
}

// said are the sums of the statements of each month, and the account of the whole time.
func (g *garden) said() (months map[string]sums, owed money.Li, sales int64) {
	months = map[string]sums{}
	for month := range 15 {
		first := time.Date(2020, time.Month(month+1), 1, 0, 0, 0, 0, time.UTC)
		o, err := g.Statements.Overview(g.t.Context(), statement.Month(first.Year(), int(first.Month())))
		must(g.t, err)
		var all sums
		var opening, closing money.Li
		for _, s := range o.Statements {
			all.Sold += s.Sums.Gross()
			all.Refunded += s.Sums.RefundedGoods + s.Sums.RefundedShipping
			all.Disputes += s.Sums.Disputes
			all.Payouts += s.Sums.Payouts
			all.Reversals += s.Sums.Reversals
			all.Tenths += s.Sums.Tenth - s.Sums.ReturnedTenth
			opening, closing, sales = opening+s.Opening, closing+s.Closing, sales+s.Sums.Orders
			if s.Sums.Other != 0 {
				g.t.Errorf("%s has %s that no word is for in %s", s.Enterprise.Code, s.Sums.Other, first.Format("2006-01"))
			}
		}
		if len(o.Statements) != 13 || opening != owed || o.Total.Closing != closing || o.FundLevied != all.Tenths {
			g.t.Errorf("%s: %d enterprises were owed %s, and %s at the end of the month before; the fund grew by %s, and by %s of theirs",
				first.Format("2006-01"), len(o.Statements), opening, owed, o.FundLevied, all.Tenths)
		}
		owed = closing
		if all != (sums{}) {
			months[first.Format("2006-01")] = all
		}
	}
	return months, owed, sales
}

// booked are the same sums, out of the moves of the book.
func (g *garden) booked() map[string]sums {
	const query = `SELECT to_char(x.at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month,
		sum(m.amount_li) FILTER (WHERE x.kind = 'sale' AND m.what <> 'tenth'), sum(m.amount_li) FILTER (WHERE x.kind = 'refund' AND m.what <> 'tenth'),
		sum(CASE WHEN m.target LIKE 'disputed:%' THEN -m.amount_li WHEN m.source LIKE 'disputed:%' AND m.target LIKE 'merchant:%' THEN m.amount_li END) FILTER (WHERE m.what <> 'tenth'),
		sum(m.amount_li) FILTER (WHERE x.kind = 'payout'), sum(m.amount_li) FILTER (WHERE x.kind = 'payout_reversal'),
		sum(CASE WHEN m.source LIKE 'fund:%' AND m.target LIKE 'fund:%' THEN 0 WHEN m.source LIKE 'fund:%' THEN -m.amount_li ELSE m.amount_li END) FILTER (WHERE m.what = 'tenth')
		FROM transfer x JOIN move m ON m.home = x.home AND m.transfer_id = x.id
		WHERE x.kind <> 'provider_fee' AND x.kind NOT LIKE 'grant%' GROUP BY 1` // what the fund gives is no enterprise's
	rows, err := g.DB.SQL().QueryContext(g.t.Context(), query)
	must(g.t, err)
	defer func() { must(g.t, rows.Close()) }()
	months := map[string]sums{}
	for rows.Next() {
		var month string
		var n [6]sql.NullInt64
		must(g.t, rows.Scan(&month, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5]))
		li := func(i int) money.Li { return money.Li(n[i].Int64) }
		months[month] = sums{li(0), li(1), li(2), li(3), li(4), li(5)}
	}
	must(g.t, rows.Err())
	return months
}

// told are the same sums by what the provider says, but for the tenths, of which it knows
// nothing; what it kept; and what it holds.
func (g *garden) told() (months map[string]sums, kept, holds money.Fen) {
	provider, err := gateway.NewSandbox(g.Bank, g.Bank.Secret())
	must(g.t, err)
	months = map[string]sums{}
	for e, err := range provider.Entries(g.t.Context(), g.y.Sales[0].At.Add(-time.Hour), g.Clock.Now()) {
		must(g.t, err)
		month := e.At.In(shanghai()).Format("2006-01")
		s := months[month]
		switch e.Type {
		case "charge":
			s.Sold += e.Amount.Li()
		case "refund", "refund_failure":
			s.Refunded -= e.Amount.Li()
		case "adjustment":
			s.Disputes += e.Amount.Li()
		case "transfer":
			s.Payouts -= e.Amount.Li()
		case "transfer_refund":
			s.Reversals += e.Amount.Li()
		default:
			g.t.Errorf("an entry %+v", e)
		}
		months[month] = s
		kept, holds = kept+e.Fee, holds+e.Amount-e.Fee
		g.count["entries"]++
	}
	return months, kept, holds
}

// total adds the months up; what a refund is that failed and was tried anew may be of two months.
func total(months map[string]sums) (all sums) {
	for _, s := range months {
		all.Sold, all.Refunded, all.Disputes = all.Sold+s.Sold, all.Refunded+s.Refunded, all.Disputes+s.Disputes
		all.Payouts, all.Reversals, all.Tenths = all.Payouts+s.Payouts, all.Reversals+s.Reversals, all.Tenths+s.Tenths
	}
	return all
}

// without leaves out of each month what is not the provider's to say of it.
func without(months map[string]sums) map[string]sums {
	out := map[string]sums{}
	for month, s := range months {
		s.Refunded, s.Tenths = 0, 0
		out[month] = s
	}
	return out
}

// differences hold what the statements say against the book, the fund and the provider.
func (g *garden) differences() (diff string) {
	said, owed, sales := g.said()
	book := g.booked()
	diff = cmp.Diff(book, said)
	told, kept, holds := g.told()
	diff += cmp.Diff(without(told), without(said))
	by, all := total(told), total(said)
	by.Tenths = all.Tenths
	diff += cmp.Diff(by, all)

	var payable, outside, there, dues money.Li
	for _, e := range g.y.Enterprises {
		m := MerchantID(e.Code()).UUID()
		payable, outside = payable+g.Held(g.t, ledger.Payable(m)), outside+g.Held(g.t, payout.World(m))
		a, err := g.Payees.Account(g.t.Context(), seller(e.Code()), MerchantID(e.Code()))
		must(g.t, err)
		there, dues = there+money.Fen(g.Bank.Holds(a.Ref)).Li(), dues+a.Owed
	}
	st, err := g.Fund.Statement(g.t.Context())
	must(g.t, err)
	type figures struct {
		Fund, Pending, Held, Levied, Owed, Dues, Outside, Fees, Provider money.Li
		Sales                                                            int64
	}
	want := figures{
		Fund: all.Tenths, Levied: st.SoldFen.Tenth(), Owed: owed, Dues: owed, Outside: all.Payouts - all.Reversals, Fees: -kept.Li(), Provider: holds.Li(), Sales: st.Orders,
	}
	got := figures{
		Fund:    g.Held(g.t, fund.Pending) + g.Held(g.t, fund.Free) + g.Held(g.t, fund.Held) + st.CommittedLi + st.SpentLi,
		Pending: g.Held(g.t, fund.Pending), Held: g.Held(g.t, fund.Held), Levied: st.LeviedLi,
		Owed: payable, Dues: dues, Outside: outside, Fees: g.Held(g.t, payout.Fees), Provider: -g.Held(g.t, order.Provider) - outside, Sales: sales,
	}
	if there != outside {
		diff += "the accounts of the enterprises hold " + there.String() + ", and by the book " + outside.String() + "\n"
	}
	g.t.Logf("sold %s, refunded %s, disputes %s, paid out %s, taken back %s, tenths %s, owed %s, fees %s, of %d orders in %d entries",
		all.Sold, all.Refunded, all.Disputes, all.Payouts, all.Reversals, all.Tenths, owed, kept, sales, g.count["entries"])
	return diff + cmp.Diff(want, got)
}

// TestAYearWithRefundsAndDisputesIsReconciledToTheLi replays the recorded year with
// refunds, cancellations and disputes of all kinds, compares each of its days with the
// provider, settles it, and adds up the statements of its enterprises.
func TestAYearWithRefundsAndDisputesIsReconciledToTheLi(t *testing.T) {
	t.Parallel()
	g := newGarden(t, *planted)
	g.sow()
	_, err := g.r.run(t.Context(), g.y)
	must(t, err)
	for _, b := range g.breaks() {
		t.Errorf("break: %s", b)
	}
	if diff := g.differences(); diff != "" {
		t.Errorf("the statements (-others +statements):\n%s", diff)
	}
	t.Logf("planted in %d sales: %v", len(g.y.Sales), g.count)

	// What this test would see: money sent by hand, and a booking of another amount.
	a, err := g.Payees.Account(t.Context(), seller("E01"), MerchantID("E01"))
	must(t, err)
	sent := g.ByHand(t, "/v1/transfers", url.Values{"amount": {"70"}, "currency": {"cny"}, "destination": {a.Ref}})
	g.Clock.Advance(24 * time.Hour)
	g.compare()
	if diff := cmp.Diff([]string{"2021-04-01 transfer_unknown transfer:" + sent}, g.breaks()); diff != "" {
		t.Errorf("breaks of a transfer by hand (-want +got):\n%s", diff)
	}
	if report, err := ledger.Check(t.Context(), g.DB); err != nil || len(report.Differences) > 0 {
		t.Errorf("the book: %+v, %v", report, err)
	}
	pgtest.Tamper(t, g.DB)
	for _, statement := range []string{
		`ALTER TABLE move DISABLE TRIGGER USER`,
		`UPDATE move SET amount_li = amount_li + 10 WHERE what = 'goods' AND (home, transfer_id) = (SELECT home, id FROM transfer WHERE kind = 'refund' ORDER BY id LIMIT 1)`,
	} {
		_, err := g.super.ExecContext(t.Context(), statement)
		must(t, err)
	}
	var at time.Time
	must(t, g.super.QueryRowContext(t.Context(), `SELECT at FROM transfer WHERE kind = 'refund' ORDER BY id LIMIT 1`).Scan(&at))
	_, err = g.Reconciler.Run(t.Context(), merchant.DateOf(at))
	must(t, err)
	if found := g.breaks(); len(found) != 2 {
		t.Errorf("breaks of a booking of another amount: %q", found)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
