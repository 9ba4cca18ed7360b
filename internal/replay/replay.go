package replay

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/reconcile"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/scrutiny"
	"github.com/shiyi-market/shiyi/internal/search"
	"github.com/shiyi-market/shiyi/internal/standing"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// sellers is how many checkouts are put through at once.
const sellers = 4

// ever is longer ago than anything that was recorded.
const ever = 100 * 365 * 24 * time.Hour

// Replay puts the recorded year into a shop.
type Replay struct {
	DB      *postgres.DB     // its clock is today's
	Sandbox *sandbox.Sandbox // pays the year; its payout accounts are to be kept
	// Whole goes on after the sales: what was sold is shipped, received, used and settled, until 2021-03-31. It takes
	// as long again.
	Whole bool
	Log   interface { // numbers and signs the year's leaves
		Drain(ctx context.Context) (int, error)
	}
	Files    file.Config  // where the enterprises' papers are kept
	Claims   claim.Config // how long the price claims of today live
	Logger   *slog.Logger
	Shop     payment.Shop        // what the provider's pages say of us
	Progress func(done, all int) // told after each checkout, from several goroutines; may be nil

	planted []step // what else happens in the year, in tests
}

// step is something other than a sale that happens in the year.
type step struct {
	at   time.Time
	what string
	do   func(ctx context.Context, at time.Time) error
}

// Operations of the trail by which a replay is known.
const (
	started  = "replay.started"
	finished = "replay.finished"
)

// year is what the trail calls the recorded year.
const year = "year:2020"

// Wanted reports whether a replay should run: the shop has no enterprise yet, or
// a replay was begun and not finished.
func Wanted(ctx context.Context, db *postgres.DB) (bool, error) {
	noted, err := trail.New(db).Entries(ctx, page.Request{Limit: page.MaxSize}, trail.Filter{Object: year})
	if err != nil {
		return false, err
	}
	if len(noted.Data) > 0 {
		return !slices.ContainsFunc(noted.Data, func(e trail.Entry) bool { return e.Operation == finished }), nil
	}
	anybody, err := merchant.New(db).Merchants(ctx, page.Request{Limit: 1})
	return len(anybody.Data) == 0, err
}

// Run replays the year and then does what makes the shop sell today. It may be
// stopped at any moment and run again: what has happened does not happen twice.
func (r *Replay) Run(ctx context.Context) (fund.Statement, error) {
	y, err := Read()
	if err != nil {
		return fund.Statement{}, err
	}
	return r.run(ctx, y)
}

func (r *Replay) run(ctx context.Context, y Year) (fund.Statement, error) {
	if err := r.note(ctx, started); err != nil {
		return fund.Statement{}, err
	}
	heard, err := r.heard(ctx, y.Sales[0].At)
	if err != nil {
		return fund.Statement{}, err
	}
	next := 0
	var done atomic.Int64
	for _, s := range r.steps(y) {
		upTo := next
		for upTo < len(y.Sales) && y.Sales[upTo].At.Before(s.at) {
			upTo++
		}
		if err := r.sell(ctx, y.Sales[next:upTo], heard, &done, len(y.Sales)); err != nil {
			return fund.Statement{}, err
		}
		next = upTo
		if err := s.do(ctx, s.at); err != nil {
			return fund.Statement{}, fmt.Errorf("%s: %w", s.what, err)
		}
	}
	if err := r.note(ctx, finished); err != nil {
		return fund.Statement{}, err
	}
	return fund.New(r.DB).Statement(ctx)
}

func (r *Replay) note(ctx context.Context, operation string) error {
	return postgres.Do(ctx, r.DB, func(tx *postgres.Tx) error {
		return trail.Note(ctx, tx, trail.Entry{Operation: operation, Object: year})
	})
}

// steps are what happens beside the sales, by time: enterprises are let in and
// list their goods, are re-verified in June, one renews its licence in October,
// price claims are filed, and the log is drained each month; last, today, everybody
// renews, is verified, stocks up and claims anew. What follows the sales is after.
func (r *Replay) steps(y Year) []step {
	var all []step
	if r.Whole {
		all = r.after(y)
	}
	goods := map[string][]Product{}
	for _, p := range y.Products {
		goods[p.Enterprise] = append(goods[p.Enterprise], p)
	}
	for _, e := range y.Enterprises {
		all = append(all,
			step{e.opensAt(), "let in " + e.row["enterprise_id"], func(ctx context.Context, at time.Time) error {
				return r.open(ctx, at, e, goods[e.row["enterprise_id"]])
			}},
			step{time.Date(2020, 6, 10, 9, 0, 0, 0, shanghai()), "re-verify " + e.row["enterprise_id"], func(ctx context.Context, at time.Time) error { return r.reverify(ctx, at, e) }})
		if e.row["licence_expires_on"] == "2020-10-31" {
			all = append(all, step{time.Date(2020, 10, 30, 9, 0, 0, 0, shanghai()), "renew " + e.row["enterprise_id"], func(ctx context.Context, at time.Time) error {
				return r.renew(ctx, at, e, goods[e.Code()])
			}})
		}
	}
	for _, e := range y.Enterprises {
		all = append(all, r.claims(e, goods[e.row["enterprise_id"]])...)
	}
	for month := range 12 {
		all = append(all, step{time.Date(2020, time.Month(month+2), 1, 0, 0, 0, 0, shanghai()), "close the month", r.closeMonth})
	}
	all = append(all, r.register()...)
	all = append(all, r.planted...)
	slices.SortStableFunc(all, func(a, b step) int { return a.at.Compare(b.at) })
	for _, e := range y.Enterprises {
		all = append(all,
			step{r.DB.Now(), "renew " + e.row["enterprise_id"], func(ctx context.Context, at time.Time) error {
				return r.renew(ctx, at, e, goods[e.Code()])
			}},
			step{r.DB.Now(), "re-verify " + e.row["enterprise_id"], func(ctx context.Context, at time.Time) error { return r.reverify(ctx, at, e) }},
			step{r.DB.Now(), "stock up " + e.row["enterprise_id"], func(ctx context.Context, at time.Time) error {
				return r.restock(ctx, at, goods[e.Code()])
			}},
			step{r.DB.Now(), "claim anew " + e.row["enterprise_id"], func(ctx context.Context, at time.Time) error {
				return r.recapture(ctx, at, goods[e.row["enterprise_id"]])
			}})
	}
	return all
}

func (r *Replay) drain(ctx context.Context, _ time.Time) error {
	_, err := r.Log.Drain(ctx)
	return err
}

// closeMonth books what the provider kept of the sales of a month that has just ended,
// and drains the log.
func (r *Replay) closeMonth(ctx context.Context, at time.Time) error {
	bank := r.Sandbox.At(at)
	provider, err := gateway.NewSandbox(bank, bank.Secret())
	if err != nil {
		return err
	}
	day := at.In(shanghai())
	if err := reconcile.New(r.DB.At(at), reconcile.Deps{Gateway: provider, Mark: r.Shop.Mark}).
		BookFees(ctx, merchant.DateOf(day.AddDate(0, -1, 0)), merchant.DateOf(day)); err != nil {
		return err
	}
	return r.drain(ctx, at)
}

// open lets an enterprise in by the recorded days, lists its goods and fills its shelves.
func (r *Replay) open(ctx context.Context, at time.Time, e Enterprise, goods []Product) error {
	db := r.DB.At(at)
	if err := r.letIn(ctx, e, goods); err != nil {
		return err
	}
	listed := make([]uuid.UUID, len(goods))
	for i, p := range goods {
		listed[i] = productID(p.Code).UUID()
		if err := list(ctx, db, seller(e.Code()), p.listing(e)); err != nil {
			return fmt.Errorf("list %s: %w", p.Code, err)
		}
		if err := p.shelve(ctx, inventory.New(db)); err != nil {
			return fmt.Errorf("stock %s: %w", p.Code, err)
		}
	}
	return search.New(db, inventory.InStock).Index(ctx, listed...)
}

// shelve opens the product's stock with what the year will sell: as a lot, where a
// certificate comes with it, and otherwise with what is left for today.
func (p Product) shelve(ctx context.Context, shelf *inventory.Service) error {
	qty := p.Units + spare
	if p.certificate().Kind != "" {
		qty = 0
	}
	who := seller(p.Enterprise)
	err := shelf.Open(ctx, who.Account.UUID(), inventory.Line{Merchant: MerchantID(p.Enterprise).UUID(), SKU: SKUID(p.Code).UUID(), Qty: qty})
	if err := ignore(err, inventory.ErrOpened); err != nil || qty > 0 {
		return err
	}
	return p.receive(ctx, shelf, yearLot, p.Units)
}

// receive takes in a lot of the product, once.
func (p Product) receive(ctx context.Context, shelf *inventory.Service, code string, qty int64) error {
	who := seller(p.Enterprise)
	_, err := shelf.Receive(ctx, inventory.Receipt{
		Actor: who.Account.UUID(), Merchants: who.Merchants(), SKU: SKUID(p.Code).UUID(), Code: code, Certificate: p.certificate(), Qty: qty,
	}, request.Claim{}, nil)
	return ignore(err, inventory.ErrLotKnown)
}

// restock receives what is left for today of goods that come in lots.
func (r *Replay) restock(ctx context.Context, at time.Time, goods []Product) error {
	for _, p := range goods {
		if p.certificate().Kind == "" {
			continue
		}
		if err := p.receive(ctx, inventory.New(r.DB.At(at)), spareLot, spare); err != nil {
			return fmt.Errorf("stock up %s: %w", p.Code, err)
		}
	}
	return nil
}

// ignore is err, or nil if that says that it was done before.
func ignore(err, done error) error {
	if errors.Is(err, done) {
		return nil
	}
	return err
}

// list brings a product on sale as every product comes there: a draft, which its
// enterprise submits and an operator approves. It goes on where a replay that was
// stopped left it.
func list(ctx context.Context, db *postgres.DB, seller identity.Caller, n catalog.NewProduct) error {
	db = db.Collecting(func(river.JobArgs) {}) // what follows from a listing is done when the year is over
	shop := catalog.New(db, nil)
	desk := scrutiny.New(db, shop)
	if _, err := shop.Add(ctx, seller, n); err != nil && !errors.Is(err, catalog.ErrListed) {
		return err
	}
	c, err := desk.OwnProduct(ctx, seller, n.ID)
	if err == nil && c.State == catalog.Draft {
		c.Product, err = shop.Submit(ctx, seller, n.ID)
	}
	if err == nil && c.State == catalog.InReview {
		_, err = desk.Approve(ctx, operator(), n.ID, c.Version)
	}
	return err
}

// reverify verifies an enterprise again, unless that was done on that day or since.
func (r *Replay) reverify(ctx context.Context, at time.Time, e Enterprise) error {
	db := r.DB.At(at)
	m, err := merchant.New(db).Merchant(ctx, MerchantID(e.row["enterprise_id"]))
	if err != nil || merchant.DateOf(m.VerifiedAt) >= merchant.DateOf(at) {
		return err
	}
	_, err = standing.New(db).Reverify(ctx, operator(), m.ID, "营业执照、许可证、经营地址、带贫协议（回放记录）")
	return err
}

// renew lets the enterprise file its licence anew, with a scan and for some years from
// then on, and an operator accept it.
func (r *Replay) renew(ctx context.Context, at time.Time, e Enterprise, goods []Product) error {
	m, l := MerchantID(e.Code()), e.licence()
	l.IssuedOn, l.ExpiresOn, l.ProductKinds = merchant.DateOf(at), merchant.DateOf(at.AddDate(newLicence, 0, 0)), kinds(goods)
	scan, err := r.scan(ctx, at, e, "许可证 licence "+l.No+" "+string(l.ExpiresOn))
	if err != nil {
		return err
	}
	l.Files = []file.ID{scan}
	papers := standing.New(r.DB.At(at))
	f, err := papers.FileLicence(ctx, seller(e.Code()), m, l)
	if errors.Is(err, merchant.ErrAccepted) {
		return nil
	}
	if err == nil {
		_, err = papers.AcceptLicence(ctx, operator(), f.ID)
	}
	return err
}

// sell puts checkouts through, several at once; all have ended when it returns.
func (r *Replay) sell(ctx context.Context, sales []Sale, heard map[order.CheckoutID]string, done *atomic.Int64, all int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(sellers)
	for _, s := range sales {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := r.buy(ctx, s, heard); err != nil {
				return fmt.Errorf("checkout %s: %w", s.Order, err)
			}
			if n := int(done.Add(1)); r.Progress != nil {
				r.Progress(n, all)
			}
			return nil
		})
	}
	return group.Wait()
}

// buyer is who bought: a random number, to which no account belongs.
func (s Sale) buyer() identity.Caller {
	return identity.Caller{Account: id.FromName[identity.Account]("buyer", s.Buyer)}
}

// claim makes the checkout happen once, however often the year is replayed.
func (s Sale) claim() request.Claim {
	return request.Claim{Caller: s.buyer().Account.UUID(), Operation: "replay", Key: s.Order, Hash: sha256.Sum256([]byte(s.Order))}
}

// heard are the payments that a replay which was stopped had heard of and not
// acted on, by checkout. The sandbox tells what it has not told yet at a time when
// no page of the year has ended.
func (r *Replay) heard(ctx context.Context, at time.Time) (map[order.CheckoutID]string, error) {
	bank := r.Sandbox.At(at)
	payments, err := r.payments(r.DB.At(at), bank)
	if err != nil {
		return nil, err
	}
	if err := bank.Flush(ctx, payments.Receive); err != nil {
		return nil, err
	}
	events, err := payments.Waiting(ctx, ever, -ever, 10*sellers)
	heard := make(map[order.CheckoutID]string, len(events))
	for _, e := range events {
		heard[id.From[order.Checkout](e.Intent)] = e.ID
	}
	return heard, err
}

func (r *Replay) payments(db *postgres.DB, bank *sandbox.Sandbox) (*payment.Service, error) {
	provider, err := gateway.NewSandbox(bank, bank.Secret())
	if err != nil {
		return nil, err
	}
	// The jobs of a recorded sale are done where it is replayed.
	return payment.New(db.Collecting(func(river.JobArgs) {}), provider, r.Shop), nil
}

// buy places one checkout, pays it at the sandbox, and does what the provider's
// word asks for, all at the recorded time and through the services that serve
// live requests.
func (r *Replay) buy(ctx context.Context, s Sale, heard map[order.CheckoutID]string) error {
	db, bank := r.DB.At(s.At), r.Sandbox.At(s.At)
	payments, err := r.payments(db, bank)
	if err != nil {
		return err
	}
	orders := order.New(db, payments, r.Logger)
	c, err := s.place(ctx, orders)
	if errors.Is(err, request.ErrRunning) {
		// It died between its effect and its answer; a minute later that is plain.
		c, err = s.place(ctx, order.New(r.DB.At(s.At.Add(time.Minute)), payments, r.Logger))
	}
	if err != nil || c.State == order.Paid {
		return err
	}
	if event, ok := heard[c.ID]; ok {
		return orders.Capture(ctx, event)
	}
	event, err := bank.Pay(path.Base(c.PayURL), "")
	if errors.Is(err, sandbox.ErrNoSession) {
		// A sandbox of today has forgotten the page of a replay that was stopped.
		var opened gateway.Opened
		if opened, err = payments.Open(ctx, c.Intent()); err == nil {
			event, err = bank.Pay(opened.Session, "")
		}
	}
	if err != nil {
		return err
	}
	if err := bank.Send(ctx, event, payments.Receive); err != nil {
		return err
	}
	return orders.Capture(ctx, event)
}

// place is the recorded checkout, placed now or by a replay that was stopped.
func (s Sale) place(ctx context.Context, orders *order.Service) (order.Checkout, error) {
	c, err := orders.Place(ctx, s.buyer(), s.placing(), s.claim(), func(c order.Checkout) (request.Answer, error) {
		return request.Answer{Status: 201, Body: []byte(c.ID.String())}, nil
	})
	var before *request.ReplayError
	if !errors.As(err, &before) {
		return c, err
	}
	cid, err := id.Parse[order.Checkout](string(before.Body))
	if err != nil {
		return c, err
	}
	return orders.Checkout(ctx, s.buyer(), cid)
}
