package offer_test

import (
	"errors"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/offer"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/price"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

func read(t *testing.T, s *shoptest.Shop, skus ...catalog.SKUID) []offer.Offer {
	t.Helper()
	got, err := postgres.Read(t.Context(), s.DB, func(tx *postgres.Tx) ([]offer.Offer, error) { return offer.Of(t.Context(), tx, skus) })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestAnOfferSaysWhatIsListed holds each field of the one statement against the
// product as the catalogue has it, so that no column is read into nothing.
func TestAnOfferSaysWhatIsListed(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10)
	if got := read(t, s); got != nil {
		t.Errorf("of nothing: %+v", got)
	}
	_, err := s.Catalog.SetTiers(t.Context(), shoptest.Seller(shoptest.Miller), shoptest.SKU("flour"), []price.Tier{
		{Class: price.Consumer, From: 5, Price: 3000}, {Class: price.Institution, From: 10, Price: 2500},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, s, shoptest.SKU("liquor"), shoptest.SKU("nothing"), shoptest.SKU("flour"))
	if len(got) != 2 || got[0].SKU != shoptest.SKU("liquor") || got[1].SKU != shoptest.SKU("flour") {
		t.Fatalf("got %+v, want the liquor and then the flour", got)
	}
	for i, code := range []string{"liquor", "flour"} {
		o := got[i]
		p, err := s.Catalog.Product(t.Context(), shoptest.ProductID(code))
		if err != nil {
			t.Fatal(err)
		}
		if o.Product != p.ID || o.Merchant != p.Merchant || o.MerchantName != p.MerchantName || o.ProductName != p.Name || o.ProductCode != p.Code ||
			o.Code != p.SKUs[0].Code || o.Price != p.SKUs[0].Price || o.Brand != p.Brand || o.Spec != p.Spec || o.CategoryCode != p.Category || o.Kind != p.Kind ||
			o.ReturnRule != p.ReturnRule || o.AgeRestricted != p.AgeRestricted || !o.OnSale || o.InstitutionsOnly || o.ConsumersOnly {
			t.Errorf("%s is offered as %+v, listed as %+v", code, o, p)
		}
		if o.Standing.State != merchant.Active || o.Standing.AgreementSignedOn == "" || o.Standing.LicensedUntil != "2027-01-01" {
			t.Errorf("%s: the enterprise stands at %+v", code, o.Standing)
		}
	}
	flour := got[1]
	for n, want := range map[int64]money.Fen{1: 3300, 4: 3300, 5: 3000, 1_000_000: 3000} {
		if p := flour.PriceFor(n); p != want {
			t.Errorf("%d pieces cost %d each, want %d", n, p, want)
		}
	}
	if p := flour.PriceOf(price.Institution, 10); p != 2500 {
		t.Errorf("ten cost an institution %d each, want 2500", p)
	}
}

func TestAnOfferIsSoldToWhomAndWhileItMay(t *testing.T) {
	t.Parallel()
	last := time.Date(2027, 1, 1, 15, 59, 59, 999_000_000, time.UTC) // 23:59:59.999 in the county
	fine := offer.Offer{OnSale: true, Standing: merchant.Standing{State: merchant.Active, AgreementSignedOn: "2026-01-01", LicensedUntil: "2027-01-01"}}
	with := func(f func(*offer.Offer)) offer.Offer {
		o := fine
		f(&o)
		return o
	}
	for _, tt := range []struct {
		name string
		o    offer.Offer
		c    price.Class
		at   time.Time
		want error
	}{
		{"in the licence's last moment", fine, price.Consumer, last, nil},
		{"at midnight in the county", fine, price.Consumer, last.Add(time.Millisecond), merchant.ErrLicenceExpired},
		{"not on sale", with(func(o *offer.Offer) { o.OnSale = false }), price.Consumer, last, catalog.ErrNotOnSale},
		{"for institutions, to one", with(func(o *offer.Offer) { o.InstitutionsOnly = true }), price.Institution, last, nil},
		{"for institutions, to a consumer", with(func(o *offer.Offer) { o.InstitutionsOnly = true }), price.Consumer, last, catalog.ErrBuyerClass},
		{"for consumers, to an institution", with(func(o *offer.Offer) { o.ConsumersOnly = true }), price.Institution, last, catalog.ErrBuyerClass},
		{"suspended", with(func(o *offer.Offer) { o.Standing.State = merchant.Suspended }), price.Consumer, last, merchant.ErrSuspended},
		{"nothing at all", offer.Offer{}, price.Consumer, last, catalog.ErrNotOnSale},
	} {
		if err := tt.o.CheckFor(tt.c, tt.at); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if err := fine.Check(last); err != nil {
		t.Errorf("a consumer: %v", err)
	}
}
