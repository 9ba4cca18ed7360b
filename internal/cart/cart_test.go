package cart_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/cart"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/offer"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/scrutiny"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

type shop struct {
	db     *postgres.DB
	svc    *cart.Service
	goods  *catalog.Service
	seller identity.Caller
	clock  *pgtest.Clock
	skus   []catalog.SKUID
}

// newShop is a shop with n products of one SKU each.
func newShop(t *testing.T, n int) shop {
	t.Helper()
	clock := pgtest.NewClock(pgtest.Noon)
	db := pgtest.NewAt(t, clock.Now)
	e := merchant.Enrolment{
		Code: "E01", LegalName: "企业", ShortName: "企业", EntityType: "合作社", Region: "152527", Township: "宝昌镇", USCC: shoptest.USCC(1),
		AgreementNo: "A", AgreementSignedOn: "2019-12-13", Licences: []merchant.Licence{{Kind: "SC", No: shoptest.SC(1), ExpiresOn: "2030-01-01"}},
	}
	m, err := postgres.InTx(t.Context(), db, func(tx *postgres.Tx) (merchant.Merchant, error) { return merchant.Enrol(t.Context(), tx, e) })
	if err != nil {
		t.Fatalf("enrol: %v", err)
	}
	s := shop{db: db, svc: cart.New(db), goods: catalog.New(db, nil), clock: clock}
	s.seller = identity.Caller{Roles: []identity.Grant{{Role: identity.Merchant, Merchant: m.ID.UUID()}}}
	goods := shoptest.Services{Catalog: s.goods, Scrutiny: scrutiny.New(db, s.goods)}
	for i := range n {
		p, err := s.goods.Add(t.Context(), s.seller, catalog.NewProduct{
			Merchant: m.ID, Code: fmt.Sprintf("P%03d", i), SKUs: []catalog.NewSKU{{Code: fmt.Sprintf("S%03d", i), Price: 100}},
			Description: shoptest.Whole(catalog.Description{Category: "EGG", Name: "土鸡蛋", SaleUnit: "箱"}),
		})
		if err == nil {
			p, err = goods.PutOnSale(t.Context(), p)
		}
		if err != nil {
			t.Fatalf("add: %v", err)
		}
		s.skus = append(s.skus, p.SKUs[0].ID)
	}
	return s
}

func newAccount() identity.ID { return id.New[identity.Account](pgtest.Noon) }

// held is what is in a cart, as "SKU's number×quantity", with a "!" where it cannot be bought.
func (s shop) held(t testing.TB, account identity.ID) []string {
	t.Helper()
	lines, err := s.svc.Lines(t.Context(), account)
	if err != nil {
		t.Fatalf("lines: %v", err)
	}
	var out []string
	for _, l := range lines {
		bad := ""
		if l.Problem != nil {
			bad = "!"
		}
		if l.Offer.SKU != l.SKU {
			t.Errorf("line of %s has the offer of %s", l.SKU, l.Offer.SKU)
		}
		out = append(out, fmt.Sprintf("%s×%d%s", l.Offer.Code, l.Qty, bad))
	}
	return out
}

func (s shop) want(t testing.TB, account identity.ID, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.held(t, account)); diff != "" {
		t.Errorf("cart (-want +got):\n%s", diff)
	}
}

func TestACartIsFilledChangedAndEmptied(t *testing.T) {
	t.Parallel()
	s := newShop(t, 3)
	me := newAccount()
	set := func(sku catalog.SKUID, qty int64) {
		t.Helper()
		s.clock.Advance(time.Second)
		if err := s.svc.SetLine(t.Context(), me, sku, qty); err != nil {
			t.Fatalf("set %d: %v", qty, err)
		}
	}
	s.want(t, me)
	set(s.skus[2], 1)
	set(s.skus[0], cart.MaxQuantity)
	set(s.skus[1], 5)
	set(s.skus[2], 4) // keeps its place
	s.want(t, me, "S002×4", "S000×999", "S001×5")
	set(s.skus[0], 0)
	set(s.skus[0], 0) // nothing to take out is no fault
	s.want(t, me, "S002×4", "S001×5")
	if err := s.svc.Remove(t.Context(), me, s.skus[1]); err != nil {
		t.Fatalf("remove: %v", err)
	}
	if err := s.svc.Remove(t.Context(), me, s.skus[1]); !errors.Is(err, cart.ErrLine) {
		t.Errorf("remove twice: %v, want %v", err, cart.ErrLine)
	}
	s.want(t, me, "S002×4")
}

func TestEverybodyHasHisOwnCart(t *testing.T) {
	t.Parallel()
	s := newShop(t, 1)
	me, other := newAccount(), newAccount()
	if err := s.svc.SetLine(t.Context(), me, s.skus[0], 2); err != nil {
		t.Fatalf("set: %v", err)
	}
	s.want(t, other)
	if err := s.svc.Remove(t.Context(), other, s.skus[0]); !errors.Is(err, cart.ErrLine) {
		t.Errorf("another removes: %v, want %v", err, cart.ErrLine)
	}
	if err := s.svc.SetLine(t.Context(), other, s.skus[0], 0); err != nil {
		t.Errorf("another sets to 0: %v", err)
	}
	err := postgres.Do(t.Context(), s.db, func(tx *postgres.Tx) error { return cart.Clear(t.Context(), tx, other, s.skus) })
	if err != nil {
		t.Errorf("another clears: %v", err)
	}
	s.want(t, me, "S000×2")
}

func TestOnlyWhatCanBeBoughtIsPutIn(t *testing.T) {
	t.Parallel()
	s := newShop(t, 2)
	me := newAccount()
	for _, qty := range []int64{-1, cart.MaxQuantity + 1, 1 << 62} {
		if err := s.svc.SetLine(t.Context(), me, s.skus[0], qty); !errors.Is(err, cart.ErrQuantity) {
			t.Errorf("%d pieces: %v, want %v", qty, err, cart.ErrQuantity)
		}
	}
	if err := s.svc.SetLine(t.Context(), me, id.New[catalog.SKU](pgtest.Noon), 1); !errors.Is(err, catalog.ErrSKU) {
		t.Errorf("an unknown SKU: %v, want %v", err, catalog.ErrSKU)
	}
	if err := s.svc.SetLine(t.Context(), me, s.skus[0], 1); err != nil {
		t.Fatalf("set: %v", err)
	}
	own, err := postgres.Read(t.Context(), s.db, func(tx *postgres.Tx) ([]offer.Offer, error) { return offer.Of(t.Context(), tx, s.skus) })
	if err != nil {
		t.Fatalf("offers: %v", err)
	}
	for _, o := range own {
		if _, err := s.goods.Withdraw(t.Context(), s.seller, o.Product); err != nil {
			t.Fatalf("withdraw: %v", err)
		}
	}
	if err := s.svc.SetLine(t.Context(), me, s.skus[1], 1); !errors.Is(err, catalog.ErrNotOnSale) {
		t.Errorf("a withdrawn product: %v, want %v", err, catalog.ErrNotOnSale)
	}
	s.want(t, me, "S000×1!") // what was in it stays, and says why it cannot be bought
}

func TestACartHasAHundredLinesAtMost(t *testing.T) {
	t.Parallel()
	s := newShop(t, cart.MaxLines+1)
	me := newAccount()
	for _, k := range s.skus[:cart.MaxLines] {
		if err := s.svc.SetLine(t.Context(), me, k, 1); err != nil {
			t.Fatalf("set: %v", err)
		}
	}
	if err := s.svc.SetLine(t.Context(), me, s.skus[cart.MaxLines], 1); !errors.Is(err, cart.ErrFull) {
		t.Errorf("one more: %v, want %v", err, cart.ErrFull)
	}
	if err := s.svc.SetLine(t.Context(), me, s.skus[0], 7); err != nil {
		t.Errorf("more of what is in it: %v", err)
	}
}

func TestACheckoutReadsAndClearsTheCartInItsOwnTransaction(t *testing.T) {
	t.Parallel()
	s := newShop(t, 3)
	me := newAccount()
	for i, k := range s.skus {
		s.clock.Advance(time.Second)
		if err := s.svc.SetLine(t.Context(), me, k, int64(i+1)); err != nil {
			t.Fatalf("set: %v", err)
		}
	}
	failed := errors.New("out of stock")
	checkout := func(outcome error) error {
		return postgres.Do(t.Context(), s.db, func(tx *postgres.Tx) error {
			lines, err := cart.Contents(t.Context(), tx, me)
			if err != nil {
				return err
			}
			if len(lines) != 3 || lines[1].SKU != s.skus[1] || lines[1].Qty != 2 {
				t.Errorf("contents = %+v", lines)
			}
			return errors.Join(cart.Clear(t.Context(), tx, me, s.skus[:2]), outcome)
		})
	}
	if err := checkout(failed); !errors.Is(err, failed) {
		t.Fatalf("checkout: %v, want %v", err, failed)
	}
	s.want(t, me, "S000×1", "S001×2", "S002×3")
	if err := checkout(nil); err != nil {
		t.Fatalf("checkout: %v", err)
	}
	s.want(t, me, "S002×3")
}
