package reconcile_test

import (
	"context"
	"flag"
	"net/url"
	"path"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

// TestMain tries few sequences, unless somebody says how many (-rapid.checks=500).
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		_ = flag.Set("rapid.checks", "20")
	}
	m.Run()
}

// sold is an order as a person with pencil and paper would keep it.
type sold struct {
	order.Order
	left                       money.Fen // of the goods
	shipped, received, settled bool
	disputed                   bool
}

// bought is a checkout in that person's book.
type bought struct {
	order.Checkout
	payment string // "" until it is paid
	orders  []*sold
	dispute string // that is open
}

// paper is that person's book, from the beginning of a sequence on.
type paper struct {
	open, late, paid []*bought
	stock            map[string]int64
	before           figures
}

// figures are what the book must say, in li.
type figures struct {
	Pending, Free, Held money.Li
	Payable, Outside    [2]money.Li
}

var (
	sellers = [2]merchant.ID{shoptest.Miller, shoptest.Distiller}
	codes   = []string{"flour", "liquor"}
)

// world is the shop, and who pays whom outside it.
type world struct {
	*shoptest.Shop
	t        *testing.T
	accounts [2]string
}

// TestWhateverHappensTheBookIsThatOfPencilAndPaper: buyers, banks, enterprises, operators
// and the clock do whatever they can in any order, and after each step the book, the
// fund, what was paid out and the shelves are what the model says.
func TestWhateverHappensTheBookIsThatOfPencilAndPaper(t *testing.T) {
	t.Parallel()
	w := world{Shop: shoptest.New(t, shoptest.Options{}), t: t}
	w.StockUp(t, 1_000_000)
	for i, m := range sellers {
		w.accounts[i] = w.Enable(t, m.UUID())
	}
	rapid.Check(t, func(r *rapid.T) {
		p := w.begin()
		r.Repeat(map[string]func(*rapid.T){
			"buy":             func(r *rapid.T) { p.buy(r, w) },
			"pay":             func(r *rapid.T) { p.pay(r, w, true) },
			"pay, unheard of": func(r *rapid.T) { p.pay(r, w, false) },
			"hear":            func(*rapid.T) { p.hear(w) },
			"expire":          func(*rapid.T) { p.expire(w) },
			"cancel":          func(r *rapid.T) { p.cancel(r, w) },
			"ship":            func(r *rapid.T) { p.ship(r, w) },
			"receive":         func(r *rapid.T) { p.receive(r, w) },
			"settle":          func(*rapid.T) { p.settle(w) },
			"refund":          func(r *rapid.T) { p.refund(r, w) },
			"refund by hand":  func(r *rapid.T) { p.byHand(r, w) },
			"dispute":         func(r *rapid.T) { p.disputes(r, w) },
			"close a dispute": func(r *rapid.T) { p.closes(r, w) },
			"":                func(r *rapid.T) { p.check(r, w) },
		})
	})
}

func (w world) begin() *paper {
	w.Perform(w.t)
	w.Clock.Advance(31 * time.Minute)
	_, err := w.Orders.ExpireDue(w.t.Context(), 1000)
	must(w.t, err)
	w.settle()
	w.Sequence(w.t) // what is numbered need not be summed up each time
	p := &paper{stock: map[string]int64{}, before: w.figures()}
	for _, code := range codes {
		p.stock[code] = w.Pieces(w.t, code)[0]
	}
	return p
}

func (w world) figures() figures {
	f := figures{Pending: w.Held(w.t, fund.Pending), Free: w.Held(w.t, fund.Free), Held: w.Held(w.t, fund.Held)}
	for i, m := range sellers {
		f.Payable[i], f.Outside[i] = w.Held(w.t, ledger.Payable(m.UUID())), w.Held(w.t, payout.World(m.UUID()))
	}
	return f
}

func (p *paper) buy(r *rapid.T, w world) {
	var pairs []any
	for _, code := range codes {
		if n := rapid.IntRange(0, 2).Draw(r, code); n > 0 {
			pairs = append(pairs, code, n)
			p.stock[code] -= int64(n)
		}
	}
	if len(pairs) > 0 {
		who := rapid.SampledFrom([]string{"ann", "bob", "cem"}).Draw(r, "who")
		p.open = append(p.open, &bought{Checkout: w.Place(w.t, who, shoptest.Choose(pairs...))})
	}
}

func (p *paper) pay(r *rapid.T, w world, heard bool) {
	if b := take(r, &p.open); b != nil {
		_, err := w.Bank.Pay(path.Base(b.PayURL), "")
		must(w.t, err)
		b.payment = w.Bank.PaidAs(path.Base(b.PayURL))
		p.late = append(p.late, b)
		if heard {
			p.hear(w)
		}
	}
}

// hear tells the shop of all that the bank has to say: what was paid in time is sold.
func (p *paper) hear(w world) {
	w.Perform(w.t)
	for _, b := range p.late {
		if now := w.Checkout(w.t, b.Checkout); now.State == order.Paid {
			for _, o := range now.Orders {
				b.orders = append(b.orders, &sold{Order: o, left: o.Goods})
			}
			p.paid = append(p.paid, b)
		}
	}
	p.late = nil
}

func (p *paper) expire(w world) {
	w.Clock.Advance(31 * time.Minute)
	_, err := w.Orders.ExpireDue(w.t.Context(), 1000)
	must(w.t, err)
	for _, list := range []*[]*bought{&p.open, &p.late} {
		for _, b := range *list {
			for _, o := range b.Orders {
				p.putBack(o)
			}
		}
		*list = nil
	}
}

func (p *paper) putBack(o order.Order) {
	for _, l := range o.Lines {
		p.stock[code(l)] += l.Quantity
	}
}

func code(l order.Line) string {
	if l.Code == "FLOUR" {
		return "flour"
	}
	return "liquor"
}

// cancel ends a checkout that is not paid, or an order of which nothing left.
func (p *paper) cancel(r *rapid.T, w world) {
	if b := take(r, &p.open); b != nil {
		_, err := w.Orders.Cancel(w.t.Context(), identity.Caller{Account: b.Buyer}, b.ID, request.Claim{}, nil)
		must(w.t, err)
		for _, o := range b.Orders {
			p.putBack(o)
		}
		return
	}
	if o := p.any(r); o != nil {
		fresh := o.left == o.Goods
		now, err := w.Aftersales.Cancel(w.t.Context(), identity.Caller{Account: o.Buyer}, o.ID, request.Claim{}, nil)
		refused(r, err, o.shipped || o.received || o.left == 0 || o.disputed)
		if err == nil {
			o.left -= o.left
			if fresh {
				p.putBack(o.Order)
			} else { // pieces that a price reduction had been given on come back as well
				for i, l := range now.Lines {
					p.stock[code(l)] += l.RefundedQty - o.Lines[i].RefundedQty
				}
			}
			o.Order = now.Order
		}
	}
}

// refused holds what the shop refused against what the model refuses. What is refused for
// more reasons than the model knows is no divergence when the model refuses it too.
func refused(r *rapid.T, err error, want bool) {
	if err != nil && fault.Of(err) == nil || (err != nil) != want {
		r.Fatalf("the shop says %v, the model refuses it: %t", err, want)
	}
}

func (p *paper) ship(r *rapid.T, w world) {
	o := p.any(r)
	if o == nil || o.received {
		return
	}
	_, err := w.Fulfilment.Ship(w.t.Context(), shoptest.Seller(o.Merchant), o.ID, fulfilment.Shipping{Carrier: "SF", Number: "SF1234567890123"}, request.Claim{}, nil)
	refused(r, err, o.shipped || o.left == 0)
	o.shipped = o.shipped || err == nil
}

// receive lets an order be received, and the time in which it could come back end.
func (p *paper) receive(r *rapid.T, w world) {
	if o := p.any(r); o != nil && o.shipped && !o.received {
		w.Receive(w.t, o.ID)
		o.received = true
	}
}

// settle closes what is due, takes back what was refunded since, and pays.
func (w world) settle() {
	for _, step := range []func(context.Context, int) (int, error){w.Settlements.CloseDue, w.Settlements.Reclaim, w.Settlements.PayArrears} {
		w.Perform(w.t)
		_, err := step(w.t.Context(), 1000)
		must(w.t, err)
	}
	w.Perform(w.t)
}

func (p *paper) settle(w world) {
	w.settle()
	p.hear(w)
	for _, b := range p.paid {
		for _, o := range b.orders {
			o.settled = o.settled || o.received && !o.disputed
		}
	}
}

func (p *paper) refund(r *rapid.T, w world) {
	o := p.any(r)
	if o == nil {
		return
	}
	asked := order.Refunding{Reason: "model", Lines: []order.RefundLine{{N: 1, Amount: money.Fen(rapid.Int64Range(1, 13000).Draw(r, "amount"))}}}
	_, err := w.Aftersales.Refund(w.t.Context(), shoptest.Operator, o.ID, asked, request.Claim{}, nil)
	refused(r, err, o.left < asked.Lines[0].Amount || o.disputed)
	if err == nil {
		o.left -= asked.Lines[0].Amount
	}
}

// byHand gives a part of a payment back on the provider's own pages.
func (p *paper) byHand(r *rapid.T, w world) {
	if len(p.paid) == 0 {
		return
	}
	b := p.paid[rapid.IntRange(0, len(p.paid)-1).Draw(r, "which")]
	p.hear(w)
	var left money.Fen
	for _, o := range b.orders {
		left += o.left
	}
	if left == 0 || b.dispute != "" {
		return
	}
	amount := money.Fen(rapid.Int64Range(1, int64(left)).Draw(r, "amount"))
	w.ByHand(w.t, "/v1/refunds", url.Values{"payment_intent": {b.payment}, "amount": {strconv.FormatInt(int64(amount), 10)}})
	p.hear(w)
	for _, o := range b.orders {
		now, err := w.Aftersales.AnyOrder(w.t.Context(), o.ID)
		must(w.t, err)
		goods, _ := now.Left()
		amount -= o.left - goods
		o.left = goods
	}
	if amount != 0 {
		r.Fatalf("%d fen of a refund by hand are nobody's", amount)
	}
}

func (p *paper) disputes(r *rapid.T, w world) {
	if len(p.paid) == 0 {
		return
	}
	b := p.paid[rapid.IntRange(0, len(p.paid)-1).Draw(r, "which")]
	p.hear(w)
	var left money.Fen
	for _, o := range b.orders {
		left += o.left
	}
	if b.dispute != "" || left == 0 {
		return
	}
	var err error
	b.dispute, err = w.Bank.Dispute(b.payment, int64(left), "fraudulent")
	must(w.t, err)
	p.hear(w)
	for _, o := range b.orders {
		o.disputed = true
	}
}

func (p *paper) closes(r *rapid.T, w world) {
	for _, b := range p.paid {
		if b.dispute == "" {
			continue
		}
		won := rapid.Bool().Draw(r, "won")
		must(w.t, w.Bank.CloseDispute(b.dispute, won))
		p.hear(w)
		b.dispute = ""
		for _, o := range b.orders {
			o.disputed = false
			if !won {
				o.left = 0
			}
		}
		return
	}
}

// check compares the shop with the paper.
func (p *paper) check(r *rapid.T, w world) {
	want := p.before
	got := w.figures()
	want.Outside = got.Outside
	for i := range sellers { // what was paid out is what the provider says that it was
		if at := money.Fen(w.Bank.Holds(w.accounts[i])).Li(); at != got.Outside[i] {
			r.Fatalf("%s was paid %s by the provider, and %s by the book", sellers[i], at, got.Outside[i])
		}
		want.Payable[i] -= got.Outside[i] - p.before.Outside[i]
	}
	for _, b := range p.paid {
		for _, o := range b.orders {
			i := 0
			if o.Merchant == sellers[1] {
				i = 1
			}
			switch tenth := o.left.Tenth(); {
			case o.disputed:
				want.Held, want.Payable[i] = want.Held+tenth, want.Payable[i]-tenth
			case o.settled:
				want.Free, want.Payable[i] = want.Free+tenth, want.Payable[i]+9*tenth
			default:
				want.Pending, want.Payable[i] = want.Pending+tenth, want.Payable[i]+9*tenth
			}
		}
	}
	if got != want {
		r.Fatalf("the book has\n%+v\nand the paper\n%+v", got, want)
	}
	all, err := postgres.Read(w.t.Context(), w.DB, func(tx *postgres.Tx) ([]ledger.Balance, error) { return ledger.Below(w.t.Context(), tx, "") })
	must(w.t, err)
	var sum money.Li
	for _, b := range all {
		sum += b.Li()
	}
	if sum != 0 {
		r.Fatalf("all accounts together hold %s", sum)
	}
	for code, n := range p.stock {
		if now := w.Pieces(w.t, code)[0]; now != n {
			r.Fatalf("%d pieces of %s are free, and %d on paper", now, code, n)
		}
	}
}

// any is one of the orders that were paid, or nil.
func (p *paper) any(r *rapid.T) *sold {
	var all []*sold
	for _, b := range p.paid {
		all = append(all, b.orders...)
	}
	if len(all) == 0 {
		return nil
	}
	return all[rapid.IntRange(0, len(all)-1).Draw(r, "which")]
}

// take takes one out of a list, or is nil.
func take(r *rapid.T, list *[]*bought) *bought {
	if len(*list) == 0 {
		return nil
	}
	i := rapid.IntRange(0, len(*list)-1).Draw(r, "which")
	one := (*list)[i]
	*list = append((*list)[:i:i], (*list)[i+1:]...)
	return one
}
