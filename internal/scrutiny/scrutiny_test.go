package scrutiny_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/offer"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/price"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/scrutiny"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// shop has an enterprise with a food licence that is good through 2027-01-01.
type shop struct{ *shoptest.Shop }

var miller = shoptest.Seller(shoptest.Miller)

func newShop(t *testing.T) shop {
	t.Helper()
	s := shop{shoptest.New(t, shoptest.Options{})}
	s.StockUp(t, 10)
	return s
}

func draft(code string, change ...func(*catalog.NewProduct)) catalog.NewProduct {
	p := shoptest.Product(shoptest.Miller, code, 3300, shoptest.Whole(catalog.Description{Category: "FLOUR_MIAN", Name: "莜面"}))
	for _, f := range change {
		f(&p)
	}
	return p
}

// add lists a draft.
func (s shop) add(t *testing.T, n catalog.NewProduct) catalog.Product {
	t.Helper()
	p, err := s.Catalog.Add(t.Context(), miller, n)
	if err != nil {
		t.Fatalf("add %s: %v", n.Code, err)
	}
	return p
}

// do runs steps of a product's way and says where it ended.
func (s shop) do(t *testing.T, p catalog.ProductID, step string) error {
	t.Helper()
	var err error
	switch step {
	case "submit":
		_, err = s.Catalog.Submit(t.Context(), miller, p)
	case "edit":
		_, err = s.Catalog.Edit(t.Context(), miller, p, 0, func(d *catalog.Description, _ *[]file.ID) { d.Name += "。" })
	case "withdraw":
		_, err = s.Catalog.Withdraw(t.Context(), miller, p)
	case "approve":
		_, err = s.Scrutiny.Approve(t.Context(), shoptest.Operator, p, 0)
	case "return":
		_, err = s.Scrutiny.Return(t.Context(), shoptest.Operator, p, []scrutiny.Reason{{Pointer: "/storage", Message: "请写明开封后的贮存条件"}})
	case "delist":
		_, err = s.Scrutiny.Delist(t.Context(), shoptest.Operator, p, "抽检不合格")
	default:
		t.Fatalf("no such step: %s", step)
	}
	return err
}

// TestAListingGoesItsWayAndNoOther drives each step from each state.
func TestAListingGoesItsWayAndNoOther(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ways := map[catalog.State]string{ // how a draft comes into a state
		catalog.Draft: "", catalog.InReview: "submit", catalog.OnSale: "submit approve", catalog.Withdrawn: "submit approve withdraw",
	}
	after := map[catalog.State]map[string]catalog.State{
		catalog.Draft:     {"submit": catalog.InReview, "edit": catalog.Draft},
		catalog.InReview:  {"approve": catalog.OnSale, "return": catalog.Draft},
		catalog.OnSale:    {"edit": catalog.Draft, "withdraw": catalog.Withdrawn, "delist": catalog.Withdrawn},
		catalog.Withdrawn: {"submit": catalog.InReview, "edit": catalog.Draft},
	}
	n := 0
	for from, way := range ways {
		for _, step := range []string{"submit", "edit", "withdraw", "approve", "return", "delist"} {
			n++
			p := s.add(t, draft(fmt.Sprintf("P%d", n)))
			for _, before := range strings.Fields(way) {
				if err := s.do(t, p.ID, before); err != nil {
					t.Fatalf("on the way to %s: %s: %v", from, before, err)
				}
			}
			want, may := after[from][step]
			if !may {
				want = from
			}
			err := s.do(t, p.ID, step)
			if may != (err == nil) || !may && !errors.Is(err, catalog.ErrState) {
				t.Errorf("%s what is %s: %v, and it may be done: %t", step, from, err, may)
			}
			now, err := s.Scrutiny.OwnProduct(t.Context(), miller, p.ID)
			if err != nil || now.State != want {
				t.Errorf("%s what is %s makes it %s, %v; want %s", step, from, now.State, err, want)
			}
			_, shown := s.Catalog.Product(t.Context(), p.ID)
			if (shown == nil) != (want == catalog.OnSale) {
				t.Errorf("a product that is %s is shown with %v", want, shown)
			}
		}
	}
}

func TestTheDatabaseGuardsTheWayToo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.add(t, draft("P1"))
	owner := pgtest.Owner(t, s.DB)
	for statement, constraint := range map[string]string{
		"UPDATE product SET state = 'on_sale' WHERE id = $1":                                                              "product_state_moves",
		"UPDATE product SET state = 'withdrawn' WHERE id = $1":                                                            "product_state_moves",
		"UPDATE product SET state = 'in_review' WHERE id = $1":                                                            "product_review_was_asked_for",
		"INSERT INTO product SELECT (jsonb_populate_record(p, '{\"state\":\"on_sale\"}')).* FROM product p WHERE id = $1": "product_state_begins",
	} {
		if _, err := owner.ExecContext(t.Context(), statement, p.ID.UUID()); err == nil || !strings.Contains(err.Error(), "refused") && !strings.Contains(err.Error(), constraint) {
			t.Errorf("%s: %v, want %s", statement, err, constraint)
		}
	}
	if err := errors.Join(s.do(t, p.ID, "submit"), s.do(t, p.ID, "approve")); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.ExecContext(t.Context(), "DELETE FROM product_decision"); err == nil {
		t.Error("what was decided can be deleted")
	}
}

func TestNothingIsSubmittedThatSaysTooLittleOrTooMuch(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	little := s.add(t, draft("P1", func(n *catalog.NewProduct) { n.Storage, n.Ingredients = "", "" }))
	err := s.do(t, little.ID, "submit")
	if f := fault.Of(err); !errors.Is(err, catalog.ErrIncomplete) || len(f.Fields) != 2 || f.Fields[0].Pointer != "/ingredients" || f.Fields[1].Pointer != "/storage" {
		t.Errorf("without ingredients and storage: %v %+v", err, f)
	}
	much := s.add(t, draft("P2", func(n *catalog.NewProduct) { n.Name, n.Details = "特·供莜面", "送礼首选，全国第一" }))
	if hits := much.Lint(); len(hits) != 3 {
		t.Errorf("a draft is warned of %+v, want three words", hits)
	}
	err = s.do(t, much.ID, "submit")
	f := fault.Of(err)
	if !errors.Is(err, catalog.ErrWording) || len(f.Fields) != 2 || f.Fields[0].Pointer != "/name" || f.Fields[1].Keyword != "superlative" {
		t.Fatalf("with two words to refuse and one to review: %v %+v", err, f)
	}
	if m := f.Fields[0].Message; !strings.Contains(m, "特·供") || !strings.Contains(m, "characters 1 to 3") || !strings.Contains(m, "广告法") {
		t.Errorf("the word is named so: %s", m)
	}
	_, err = s.Catalog.Edit(t.Context(), miller, much.ID, 0, func(d *catalog.Description, _ *[]file.ID) { d.Name, d.Details = "莜面", "送礼首选" })
	if err := errors.Join(err, s.do(t, much.ID, "submit")); err != nil {
		t.Errorf("with a word that an operator decides about: %v", err)
	}
}

func TestAnEditOfGoodsOnSaleTakesThemOffUntilTheyAreApproved(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.add(t, draft("P1"))
	if err := errors.Join(s.do(t, p.ID, "submit"), s.do(t, p.ID, "approve")); err != nil {
		t.Fatal(err)
	}
	sku := p.SKUs[0].ID
	if _, err := s.Catalog.SetPrice(t.Context(), miller, sku, 2900); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Catalog.SetTiers(t.Context(), miller, sku, []price.Tier{{Class: price.Consumer, From: 2, Price: 2500}}); err != nil {
		t.Fatal(err)
	}
	on, err := s.Catalog.AddSKU(t.Context(), miller, p.ID, 3, catalog.NewSKU{Code: "MORE", Price: 100})
	if err != nil || on.State != catalog.OnSale || on.Version != 4 || len(on.SKUs) != 2 {
		t.Fatalf("prices and a SKU need no review: %+v, %v", on, err)
	}
	if _, err := s.Catalog.AddSKU(t.Context(), miller, p.ID, 4, catalog.NewSKU{Code: "MORE", Price: 100}); !errors.Is(err, catalog.ErrListed) {
		t.Errorf("the same SKU again: %v, want %v", err, catalog.ErrListed)
	}
	if err := s.do(t, p.ID, "edit"); err != nil {
		t.Fatal(err)
	}
	offers, err := postgres.Read(t.Context(), s.DB, func(tx *postgres.Tx) ([]offer.Offer, error) { return offer.Of(t.Context(), tx, []catalog.SKUID{sku}) })
	if err != nil || !errors.Is(offers[0].Check(s.Clock.Now()), catalog.ErrNotOnSale) {
		t.Errorf("after the edit the offer is %+v, %v", offers, err)
	}
}

func TestAStaleEditIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.add(t, draft("P1"))
	rename := func(to string) func(*catalog.Description, *[]file.ID) {
		return func(d *catalog.Description, _ *[]file.ID) { d.Name = to }
	}
	edited, err := s.Catalog.Edit(t.Context(), miller, p.ID, p.Version, rename("一"))
	if err != nil || edited.Version != p.Version+1 {
		t.Fatalf("edit = %+v, %v", edited, err)
	}
	if _, err := s.Catalog.Edit(t.Context(), miller, p.ID, p.Version, rename("二")); !errors.Is(err, request.ErrStale) {
		t.Errorf("an edit of what has been edited: %v, want %v", err, request.ErrStale)
	}
	won := pgtest.AtOnce(t, 8, func(i int) error {
		_, err := s.Catalog.Edit(t.Context(), miller, p.ID, edited.Version, rename(strconv.Itoa(i)))
		return err
	}, request.ErrStale)
	if won != 1 {
		t.Errorf("of eight edits of the same version %d were taken, want 1", won)
	}
	if err := s.do(t, p.ID, "submit"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Scrutiny.Approve(t.Context(), shoptest.Operator, p.ID, edited.Version); !errors.Is(err, request.ErrStale) {
		t.Errorf("an approval of what was read before: %v, want %v", err, request.ErrStale)
	}
}

func TestNobodyDecidesAboutHisOwnListing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	both := identity.Caller{Account: miller.Account, Roles: append([]identity.Grant{{Role: identity.Operator}}, miller.Roles...)}
	p := s.add(t, draft("P1"))
	if err := s.do(t, p.ID, "submit"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Scrutiny.Approve(t.Context(), both, p.ID, 0); !errors.Is(err, catalog.ErrOwnWork) {
		t.Errorf("his own is approved: %v, want %v", err, catalog.ErrOwnWork)
	}
	if _, err := s.Scrutiny.Return(t.Context(), both, p.ID, []scrutiny.Reason{{Message: "不行"}}); !errors.Is(err, catalog.ErrOwnWork) {
		t.Errorf("his own is returned: %v, want %v", err, catalog.ErrOwnWork)
	}
	for _, who := range []identity.Caller{miller, shoptest.Buyer("li"), {}} {
		_, err := s.Scrutiny.Approve(t.Context(), who, p.ID, 0)
		_, err2 := s.Scrutiny.Queue(t.Context(), who, page.Request{})
		_, err3 := s.Scrutiny.AnyProduct(t.Context(), who, p.ID)
		_, err4 := s.Scrutiny.Delist(t.Context(), who, p.ID, "不行")
		for _, err := range []error{err, err2, err3, err4} {
			if !errors.Is(err, identity.ErrForbidden) {
				t.Errorf("who is no operator: %v, want %v", err, identity.ErrForbidden)
			}
		}
	}
	if _, err := s.Scrutiny.OwnProduct(t.Context(), shoptest.Seller(shoptest.Distiller), p.ID); !errors.Is(err, catalog.ErrProduct) {
		t.Errorf("another enterprise reads it: %v, want %v", err, catalog.ErrProduct)
	}
	if err := s.do(t, p.ID, "approve"); err != nil {
		t.Errorf("another's: %v", err)
	}
	if _, err := s.Scrutiny.Approve(t.Context(), shoptest.Operator, id.New[catalog.Product](s.Clock.Now()), 0); !errors.Is(err, catalog.ErrProduct) {
		t.Errorf("what is not there: %v, want %v", err, catalog.ErrProduct)
	}
}

func TestWhatWasDecidedIsKeptWithItsReasons(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.add(t, draft("P1"))
	for _, step := range []string{"submit", "return", "submit", "approve", "delist"} {
		s.Clock.Advance(time.Minute)
		if err := s.do(t, p.ID, step); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
	c, err := s.Scrutiny.AnyProduct(t.Context(), shoptest.Operator, p.ID)
	if err != nil || len(c.Decisions) != 3 {
		t.Fatalf("decisions = %+v, %v, want three", c.Decisions, err)
	}
	for i, want := range []scrutiny.Verdict{scrutiny.Delisted, scrutiny.Approved, scrutiny.Returned} {
		if d := c.Decisions[i]; d.Verdict != want || d.By != shoptest.Operator.Account.UUID() || (want == scrutiny.Approved) != (len(d.Reasons) == 0) {
			t.Errorf("decision %d is %+v, want %s", i, d, want)
		}
	}
	if r := c.Decisions[2].Reasons; len(r) != 1 || r[0].Pointer != "/storage" {
		t.Errorf("it was returned for %+v", r)
	}
	for _, bad := range [][]scrutiny.Reason{nil, {{Message: "x"}}, {{Message: strings.Repeat("长", 501)}}, make([]scrutiny.Reason, 51)} {
		if _, err := s.Scrutiny.Return(t.Context(), shoptest.Operator, p.ID, bad); !errors.Is(err, scrutiny.ErrReasons) {
			t.Errorf("returned for %d reasons: %v, want %v", len(bad), err, scrutiny.ErrReasons)
		}
	}
	if _, err := s.Scrutiny.Delist(t.Context(), shoptest.Operator, p.ID, " "); !errors.Is(err, identity.ErrReason) {
		t.Errorf("delisted without a reason: %v, want %v", err, identity.ErrReason)
	}
	entries, err := s.Trail.Entries(t.Context(), page.Request{}, trail.Filter{Object: "product:" + p.ID.String()})
	if err != nil || len(entries.Data) != 6 {
		t.Errorf("the trail has %d entries, %v, want the adding and five steps", len(entries.Data), err)
	}
}

func TestGoodsNeedTheLicenceOfTheirKind(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.add(t, draft("P1", func(n *catalog.NewProduct) {
		n.Description = shoptest.Whole(catalog.Description{Category: "TOURISM", Name: "一日游", Voucher: true, VoucherValidDays: 90, ReturnRule: catalog.VoucherRule})
	}))
	if err := s.do(t, p.ID, "submit"); err != nil {
		t.Fatal(err)
	}
	if err := s.do(t, p.ID, "approve"); !errors.Is(err, scrutiny.ErrLicence) {
		t.Errorf("a voucher of a mill: %v, want %v", err, scrutiny.ErrLicence)
	}
	err := postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		_, err := merchant.Renew(t.Context(), tx, shoptest.Miller, merchant.Licence{Kind: "TRAVEL", No: "L-NMG-99001", ExpiresOn: "2099-12-31"})
		return err
	})
	if err := errors.Join(err, s.do(t, p.ID, "approve")); err != nil {
		t.Errorf("with the licence: %v", err)
	}
	food := s.add(t, draft("P2"))
	if err := s.do(t, food.ID, "submit"); err != nil {
		t.Fatal(err)
	}
	s.Clock.Set(time.Date(2027, 1, 1, 16, 0, 0, 0, time.UTC)) // the food licence's last day is over in the county
	if err := s.do(t, food.ID, "approve"); !errors.Is(err, scrutiny.ErrLicence) {
		t.Errorf("food of a mill whose licence has run out: %v, want %v", err, scrutiny.ErrLicence)
	}
}

func TestTheQueueIsWorkedOffInItsOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var want []string
	for i := range 5 {
		code := fmt.Sprintf("P%d", 9-i)
		p := s.add(t, draft(code))
		s.Clock.Advance(time.Second)
		if err := s.do(t, p.ID, "submit"); err != nil {
			t.Fatal(err)
		}
		want = append(want, code)
	}
	var got []string
	for p := (page.Request{Limit: 2}); ; {
		q, err := s.Scrutiny.Queue(t.Context(), shoptest.Operator, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range q.Data {
			got = append(got, p.Code)
		}
		if p.Cursor = q.Next; p.Cursor == "" {
			break
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the queue is %v, want %v", got, want)
	}
	if _, err := s.Scrutiny.Queue(t.Context(), shoptest.Operator, page.Request{Cursor: page.Encode("P1", uuid.Nil)}); !errors.Is(err, page.ErrCursor) {
		t.Errorf("another list's cursor: %v, want %v", err, page.ErrCursor)
	}
}

func TestPicturesAreTheCallersOwnAndStayWhenAColleagueEdits(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	upload := func(owner identity.ID) file.ID {
		t.Helper()
		f := id.New[file.File](s.Clock.Now())
		_, err := s.DB.SQL().ExecContext(t.Context(), `INSERT INTO file (id, owner_id, name, media_type, size, sha256, from_sha256, width, height, private, created_at)
			VALUES ($1, $2, 'x.png', 'image/png', 1, sha256('x'), sha256('x'), 1, 1, false, now())`, f.UUID(), owner.UUID())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	colleague := identity.Caller{Account: shoptest.Buyer("colleague").Account, Roles: miller.Roles}
	mine, his := upload(miller.Account), upload(colleague.Account)
	if _, err := s.Catalog.Add(t.Context(), miller, draft("P1", func(n *catalog.NewProduct) { n.Pictures = []file.ID{his} })); !errors.Is(err, file.ErrUnknown) {
		t.Errorf("a picture of somebody else: %v, want %v", err, file.ErrUnknown)
	}
	p := s.add(t, draft("P1", func(n *catalog.NewProduct) { n.Pictures = []file.ID{mine} }))
	show := func(who identity.Caller, all ...file.ID) error {
		_, err := s.Catalog.Edit(t.Context(), who, p.ID, 0, func(_ *catalog.Description, pictures *[]file.ID) { *pictures = all })
		return err
	}
	if err := show(colleague, his, mine); err != nil {
		t.Errorf("a colleague adds one before mine: %v", err)
	}
	if err := show(colleague, upload(shoptest.Buyer("li").Account)); !errors.Is(err, file.ErrUnknown) {
		t.Errorf("a picture of a stranger: %v, want %v", err, file.ErrUnknown)
	}
	if err := show(colleague, make([]file.ID, 21)...); !errors.Is(err, catalog.ErrInvalid) {
		t.Errorf("21 pictures: %v, want %v", err, catalog.ErrInvalid)
	}
	c, err := s.Scrutiny.OwnProduct(t.Context(), miller, p.ID)
	if err != nil || len(c.Pictures) != 2 || c.Pictures[0] != his {
		t.Errorf("it shows %v, %v", c.Pictures, err)
	}
}

// What a preview, the cart and the order's line say of a quantity is one price.
func TestAQuantityHasOnePriceFromTheCartToTheOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.Clock.Advance(time.Second) // after the price of one piece
	flour := shoptest.SKU("flour")
	tiers := []price.Tier{{Class: price.Institution, From: 1, Price: 100}, {Class: price.Consumer, From: 3, Price: 3000}, {Class: price.Consumer, From: 5, Price: 2500}}
	k, err := s.Catalog.SetTiers(t.Context(), miller, flour, tiers)
	if err != nil || len(k.Tiers) != 3 {
		t.Fatalf("tiers = %+v, %v", k, err)
	}
	for quantity, each := range map[int64]money.Fen{1: 3300, 2: 3300, 3: 3000, 4: 3000, 5: 2500, 7: 2500} {
		buyer := shoptest.Buyer(strconv.FormatInt(quantity, 10))
		if err := s.Carts.SetLine(t.Context(), buyer.Account, flour, quantity); err != nil {
			t.Fatal(err)
		}
		lines, err := s.Carts.Lines(t.Context(), buyer.Account)
		if err != nil || lines[0].Offer.PriceFor(quantity) != each {
			t.Errorf("%d in the cart: %+v, %v, want %d each", quantity, lines, err, each)
		}
	}
	c := s.Place(t, "li", shoptest.Choose("flour", 4))
	if l := c.Orders[0].Lines[0]; l.Price != 3000 || l.Total != 12000 || c.Total() != 12000 {
		t.Errorf("four are ordered at %d, in all %d", l.Price, l.Total)
	}
	if _, err := s.Catalog.SetTiers(t.Context(), miller, flour, tiers[1:2]); err != nil {
		t.Fatal(err)
	}
	c = s.Place(t, "li", shoptest.Choose("flour", 5))
	if l := c.Orders[0].Lines[0]; l.Price != 3000 {
		t.Errorf("after the tier of five ended, five are ordered at %d each, want 3000", l.Price)
	}
	history, err := s.Catalog.Prices(t.Context(), flour, 100)
	if err != nil || len(history) != 6 || history[5].Price != 3300 {
		t.Errorf("the history is %+v, %v; want the price, three tiers and the end of two", history, err)
	}
}

func TestGoodsForInstitutionsAreNotSoldToConsumers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, err := s.Sell(t.Context(), draft("bulk", func(n *catalog.NewProduct) { n.InstitutionsOnly = true }), 10)
	if err != nil {
		t.Fatal(err)
	}
	offers, err := postgres.Read(t.Context(), s.DB, func(tx *postgres.Tx) ([]offer.Offer, error) {
		return offer.Of(t.Context(), tx, []catalog.SKUID{shoptest.SKU("bulk"), shoptest.SKU("flour")})
	})
	if err != nil || len(offers) != 2 {
		t.Fatal(offers, err)
	}
	now := s.Clock.Now()
	if err := offers[0].Check(now); !errors.Is(err, catalog.ErrBuyerClass) {
		t.Errorf("for a consumer: %v, want %v", err, catalog.ErrBuyerClass)
	}
	if err := errors.Join(offers[0].CheckFor(price.Institution, now), offers[1].CheckFor(price.Institution, now), offers[1].Check(now)); err != nil {
		t.Errorf("for whom they are: %v", err)
	}
}
