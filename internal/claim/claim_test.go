package claim_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

const day = 24 * time.Hour

var (
	miller, operator = shoptest.Seller(shoptest.Miller), shoptest.Operator
	flour            = shoptest.ProductID("flour")
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newShop(t testing.TB) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 100)
	return s
}

// filing says that a sack of flour, which costs 3300 fen, costs 3980 elsewhere.
func filing(s *shoptest.Shop) claim.Filing {
	return claim.Filing{
		SKU: shoptest.SKU("flour"), Platform: "PLATFORM_A", Reference: 3980, Basis: claim.SameSpec, NetContent: 1000, NetUnit: "g",
		CapturedAt: s.Clock.Now().Add(-day), Evidence: "EV-1（虚构示例）",
	}
}

func filed(t testing.TB, s *shoptest.Shop, f claim.Filing) claim.Claim {
	t.Helper()
	c, err := s.Claims.File(t.Context(), miller, f)
	must(t, err)
	return c
}

func confirmed(t testing.TB, s *shoptest.Shop, f claim.Filing) claim.Claim {
	t.Helper()
	c, err := s.Claims.Confirm(t.Context(), operator, filed(t, s, f).ID)
	must(t, err)
	return c
}

// saving is what the flour's claim says that one saves, 0 without a live claim.
func saving(t testing.TB, s *shoptest.Shop) money.Fen {
	t.Helper()
	p, err := s.Catalog.Product(t.Context(), flour)
	must(t, err)
	live, err := s.Claims.Live(t.Context(), p)
	must(t, err)
	return live[shoptest.SKU("flour")].Saving
}

func TestAClaimIsShownWhileItHolds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	f := filing(s)
	f.CapturedAt = s.Clock.Now().AddDate(-1, 0, 10) // it ends while the enterprise may sell
	c := filed(t, s, f)
	if got := saving(t, s); got != 0 {
		t.Errorf("not confirmed: saves %d", got)
	}
	_, err := s.Claims.Confirm(t.Context(), operator, c.ID)
	must(t, err)
	price := func(fen money.Fen) {
		t.Helper()
		_, err := s.Catalog.SetPrice(t.Context(), miller, shoptest.SKU("flour"), fen)
		must(t, err)
	}
	for _, step := range []struct {
		name string
		do   func()
		want money.Fen
	}{
		{"confirmed", func() {}, 680},
		{"one fen below", func() { price(3979) }, 1},
		{"not lower", func() { price(3980) }, 0},
		{"lower again", func() { price(3300) }, 680},
		{"the last moment", func() { s.Clock.Set(c.ExpiresAt.Add(-time.Microsecond)) }, 680},
		{"stale", func() { s.Clock.Set(c.ExpiresAt) }, 0},
	} {
		step.do()
		if got := saving(t, s); got != step.want {
			t.Errorf("%s: saves %d, want %d", step.name, got, step.want)
		}
	}
	if want := c.CapturedAt.AddDate(1, 0, 0); !c.ExpiresAt.Equal(want) {
		t.Errorf("it ends %v, want %v", c.ExpiresAt, want)
	}
}

func TestTheNewestConfirmedEvidenceCounts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	confirmed(t, s, filing(s))
	lower := filing(s)
	lower.Reference, lower.CapturedAt = 3000, s.Clock.Now()
	newer := filed(t, s, lower)
	if got := saving(t, s); got != 680 {
		t.Errorf("before it is confirmed: saves %d", got)
	}
	_, err := s.Claims.Confirm(t.Context(), operator, newer.ID)
	must(t, err)
	if got := saving(t, s); got != 0 {
		t.Errorf("it is dearer than the newest reference, and saves %d", got)
	}
	_, err = s.Claims.Withdraw(t.Context(), miller, newer.ID, "采集有误")
	must(t, err)
	if got := saving(t, s); got != 680 {
		t.Errorf("the newest withdrawn: saves %d", got)
	}
}

func TestAWithdrawnClaimIsShownNoMore(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := confirmed(t, s, filing(s))
	if _, err := s.Claims.Withdraw(t.Context(), shoptest.Seller(shoptest.Distiller), c.ID, "不是我的"); !errors.Is(err, claim.ErrUnknown) {
		t.Errorf("another enterprise: %v", err)
	}
	n := pgtest.AtOnce(t, 6, func(int) error {
		_, err := s.Claims.Withdraw(t.Context(), miller, c.ID, "对方降价")
		return err
	}, claim.ErrWithdrawn)
	if got := saving(t, s); n != 1 || got != 0 {
		t.Errorf("withdrawn %d times, saves %d", n, got)
	}
}

func TestWhoFiledDoesNotDecide(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	second := identity.Caller{Account: shoptest.Buyer("second").Account, Roles: operator.Roles}
	insider := identity.Caller{Account: shoptest.Buyer("insider").Account, Roles: slices.Concat(operator.Roles, miller.Roles)}
	c, err := s.Claims.File(t.Context(), operator, filing(s))
	must(t, err)
	for _, who := range []struct {
		name   string
		caller identity.Caller
		want   *fault.Error
	}{
		{"a seller", miller, identity.ErrForbidden},
		{"who filed it", operator, claim.ErrOwnClaim},
		{"an operator who sells it", insider, claim.ErrOwnClaim},
	} {
		if _, err := s.Claims.Confirm(t.Context(), who.caller, c.ID); !errors.Is(err, who.want) {
			t.Errorf("%s confirms: %v, want %v", who.name, err, who.want)
		}
		if _, err := s.Claims.Reject(t.Context(), who.caller, c.ID, "证据不足"); !errors.Is(err, who.want) {
			t.Errorf("%s rejects: %v, want %v", who.name, err, who.want)
		}
	}
	if _, err := s.Claims.Reject(t.Context(), second, c.ID, ""); !errors.Is(err, identity.ErrReason) {
		t.Errorf("without a reason: %v", err)
	}
	n := pgtest.AtOnce(t, 8, func(i int) error {
		if i%2 == 0 {
			_, err := s.Claims.Confirm(t.Context(), second, c.ID)
			return err
		}
		_, err := s.Claims.Reject(t.Context(), second, c.ID, "证据不足")
		return err
	}, claim.ErrDecided)
	if n != 1 {
		t.Errorf("decided %d times", n)
	}
	if _, err := s.Claims.Confirm(t.Context(), second, id.New[claim.Claim](s.Clock.Now())); !errors.Is(err, claim.ErrUnknown) {
		t.Errorf("no such claim: %v", err)
	}
}

func TestAbsurdClaimsAreRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, c := range []struct {
		name   string
		change func(*claim.Filing)
		want   *fault.Error
	}{
		{"no platform", func(f *claim.Filing) { f.Platform = "" }, claim.ErrInvalid},
		{"a blank platform", func(f *claim.Filing) { f.Platform = " \u3000" }, claim.ErrInvalid},
		{"a NUL", func(f *claim.Filing) { f.Platform = "A\x00" }, claim.ErrInvalid},
		{"for nothing", func(f *claim.Filing) { f.Reference = 0 }, claim.ErrInvalid},
		{"beyond money", func(f *claim.Filing) { f.Reference = money.Max + 1 }, claim.ErrInvalid},
		{"no basis", func(f *claim.Filing) { f.Basis = "LOOKS_ALIKE" }, claim.ErrInvalid},
		{"in the future", func(f *claim.Filing) { f.CapturedAt = s.Clock.Now().Add(time.Second) }, claim.ErrInvalid},
		{"never", func(f *claim.Filing) { f.CapturedAt = time.Time{} }, claim.ErrInvalid},
		{"no evidence", func(f *claim.Filing) { f.Evidence = "" }, claim.ErrInvalid},
		{"blank evidence", func(f *claim.Filing) { f.Evidence = "  " }, claim.ErrInvalid},
		{"long evidence", func(f *claim.Filing) { f.Evidence = strings.Repeat("e", 201) }, claim.ErrInvalid},
		{"other net content", func(f *claim.Filing) { f.NetContent = 500 }, claim.ErrInvalid},
		{"other unit", func(f *claim.Filing) { f.NetUnit = "mL" }, claim.ErrInvalid},
		{"a year old", func(f *claim.Filing) { f.CapturedAt = s.Clock.Now().AddDate(-1, 0, 0) }, claim.ErrStale},
		{"another's file", func(f *claim.Filing) { f.Files = []file.ID{id.New[file.File](s.Clock.Now())} }, file.ErrUnknown},
		{"another's SKU", func(f *claim.Filing) { f.SKU = shoptest.SKU("liquor") }, catalog.ErrSKU},
		{"no SKU", func(f *claim.Filing) { f.SKU = shoptest.SKU("nothing") }, catalog.ErrSKU},
	} {
		f := filing(s)
		c.change(&f)
		if _, err := s.Claims.File(t.Context(), miller, f); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if p, err := s.Claims.Own(t.Context(), miller, page.Request{}); err != nil || len(p.Data) != 0 {
		t.Errorf("filed after all: %+v, %v", p, err)
	}
}

func TestAClaimFiledAtOnceIsFiledOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	n := pgtest.AtOnce(t, 8, func(i int) error {
		f := filing(s)
		f.Reference += money.Fen(i % 2)
		_, err := s.Claims.File(t.Context(), miller, f)
		return err
	}, claim.ErrFiled)
	p, err := s.Claims.Own(t.Context(), miller, page.Request{})
	if err != nil || n != 4 || len(p.Data) != 1 {
		t.Errorf("%d of 8 were told that theirs is there, and %d are, %v", n, len(p.Data), err)
	}
}

func TestOperatorsSeeWhatEndsSoon(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	old := filing(s)
	old.CapturedAt = s.Clock.Now().AddDate(-1, 0, 20)
	soon := confirmed(t, s, old)
	confirmed(t, s, filing(s))
	for _, c := range []struct {
		filter claim.Filter
		want   int
	}{
		{claim.Filter{}, 2},
		{claim.Filter{State: claim.Filed}, 0},
		{claim.Filter{State: claim.Confirmed}, 2},
		{claim.Filter{ExpiringWithinDays: 19}, 0},
		{claim.Filter{ExpiringWithinDays: 20}, 1},
	} {
		p, err := s.Claims.All(t.Context(), operator, c.filter, page.Request{})
		if err != nil || len(p.Data) != c.want || c.want == 1 && p.Data[0].ID != soon.ID {
			t.Errorf("%+v: %d, %v; want %d", c.filter, len(p.Data), err, c.want)
		}
	}
	if _, err := s.Claims.All(t.Context(), miller, claim.Filter{}, page.Request{}); !errors.Is(err, identity.ErrForbidden) {
		t.Errorf("a seller: %v", err)
	}
}

func TestTheShareIsOfWhatIsOnSale(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	confirmed(t, s, filing(s))
	got, err := s.Claims.Share(t.Context())
	if want := (claim.Share{Live: 1, OnSale: 3}); err != nil || got != want || got.BasisPoints() != 3333 {
		t.Errorf("%+v, %d, %v; want %+v", got, got.BasisPoints(), err, want)
	}
	if bp := (claim.Share{}).BasisPoints(); bp != 0 {
		t.Errorf("of nothing: %d", bp)
	}
}

func TestAPageOfProductsCostsOneStatement(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p, err := s.Catalog.Products(t.Context(), catalog.Filter{}, page.Request{})
	must(t, err)
	cost := func(products ...catalog.Product) int64 {
		before := s.DB.Statements()
		_, err := s.Claims.Live(t.Context(), products...)
		must(t, err)
		return s.DB.Statements() - before
	}
	if one, all := cost(p.Data[0]), cost(p.Data...); all != one || len(p.Data) != 3 {
		t.Errorf("%d statements for one product, %d for %d", one, all, len(p.Data))
	}
	if n := cost(); n != 0 {
		t.Errorf("%d statements for no products", n)
	}
}

// found is where somebody found the flour cheaper.
var found = claim.Finding{Place: "县城超市（虚构示例）", Price: 3000, Note: "同规格"}

func TestAReportIsResolvedOnceAndWithdrawsTheClaim(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	confirmed(t, s, filing(s))
	r, err := s.Claims.Report(t.Context(), shoptest.Buyer("li"), flour, found)
	must(t, err)
	if open, err := s.Claims.Reports(t.Context(), operator, true, page.Request{}); err != nil || len(open.Data) != 1 {
		t.Errorf("open: %d, %v", len(open.Data), err)
	}
	resolve := func(c identity.Caller, o claim.Outcome) error {
		_, err := s.Claims.Resolve(t.Context(), c, r.ID, o, "已核实")
		return err
	}
	insider := identity.Caller{Account: shoptest.Buyer("insider").Account, Roles: slices.Concat(operator.Roles, miller.Roles)}
	for _, c := range []struct {
		name string
		err  error
		want *fault.Error
	}{
		{"a seller", resolve(miller, claim.Noted), identity.ErrForbidden},
		{"an operator who sells it", resolve(insider, claim.NotComparable), claim.ErrOwnClaim},
		{"no outcome", resolve(operator, "gone"), claim.ErrInvalid},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
	if n := pgtest.AtOnce(t, 6, func(int) error { return resolve(operator, claim.ClaimWithdrawn) }, claim.ErrResolved); n != 1 {
		t.Errorf("resolved %d times", n)
	}
	if got := saving(t, s); got != 0 {
		t.Errorf("withdrawn, and saves %d", got)
	}
	own, err := s.Claims.OwnReports(t.Context(), shoptest.Buyer("li"), page.Request{})
	if err != nil || len(own.Data) != 1 || own.Data[0].Outcome != claim.ClaimWithdrawn || own.Data[0].Reason != "已核实" {
		t.Errorf("his own: %+v, %v", own, err)
	}
	if others, err := s.Claims.OwnReports(t.Context(), shoptest.Buyer("wang"), page.Request{}); err != nil || len(others.Data) != 0 {
		t.Errorf("another's: %+v, %v", others, err)
	}
	r, err = s.Claims.Report(t.Context(), shoptest.Buyer("li"), flour, found)
	must(t, err)
	if err := resolve(operator, claim.ClaimWithdrawn); !errors.Is(err, claim.ErrNone) {
		t.Errorf("nothing to withdraw: %v", err)
	}
	must(t, resolve(operator, claim.Noted))
}

func TestAStaleClaimIsNoneToWithdraw(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	f := filing(s)
	f.CapturedAt = s.Clock.Now().AddDate(-1, 0, 10) // it ends while the enterprise may sell
	c := confirmed(t, s, f)
	r, err := s.Claims.Report(t.Context(), shoptest.Buyer("li"), flour, found)
	must(t, err)
	s.Clock.Set(c.ExpiresAt)
	if _, err := s.Claims.Resolve(t.Context(), operator, r.ID, claim.ClaimWithdrawn, "已核实"); !errors.Is(err, claim.ErrNone) {
		t.Errorf("a stale claim was withdrawn: %v", err)
	}
}

func TestOneReportOfAProductIsOpenAtATime(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	report := func(who string, p catalog.ProductID, f claim.Finding) error {
		_, err := s.Claims.Report(t.Context(), shoptest.Buyer(who), p, f)
		return err
	}
	if n := pgtest.AtOnce(t, 6, func(int) error { return report("li", flour, found) }, claim.ErrReported); n != 1 {
		t.Errorf("%d are open", n)
	}
	must(t, report("wang", flour, found))
	must(t, report("li", shoptest.ProductID("liquor"), found))
	if err := report("li", shoptest.ProductID("nothing"), found); !errors.Is(err, catalog.ErrProduct) {
		t.Errorf("no such product: %v", err)
	}
	for name, change := range map[string]func(*claim.Finding){
		"nowhere":     func(f *claim.Finding) { f.Place = "" },
		"in a blank":  func(f *claim.Finding) { f.Place = " " },
		"for nothing": func(f *claim.Finding) { f.Price = 0 },
		"a long url":  func(f *claim.Finding) { f.URL = strings.Repeat("u", 501) },
		"a NUL":       func(f *claim.Finding) { f.Note = "\x00" },
	} {
		f := found
		change(&f)
		if err := report("zhao", flour, f); !errors.Is(err, claim.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheHistoryOfClaimsIsOnlyAddedTo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	confirmed(t, s, filing(s))
	for _, table := range []string{"price_claim", "price_claim_decision"} {
		for _, statement := range []string{"DELETE FROM " + table, "UPDATE " + table + " SET merchant_id = merchant_id", "TRUNCATE " + table + " CASCADE"} {
			if _, err := pgtest.Owner(t, s.DB).ExecContext(t.Context(), statement); err == nil {
				t.Errorf("%s: allowed", statement)
			}
		}
	}
}
