package carriage_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/carriage"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/listing"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/quote"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

var miller, distiller = shoptest.Seller(shoptest.Miller), shoptest.Seller(shoptest.Distiller)

// flat is the same rate for each region.
func flat(r carriage.Rate) (all []carriage.Rate) {
	for _, region := range carriage.Regions() {
		r.Region = region.Code
		all = append(all, r)
	}
	return all
}

func set(t *testing.T, s *shoptest.Shop, m merchant.ID, version int64, rates []carriage.Rate) error {
	t.Helper()
	_, err := s.Carriage.Set(t.Context(), shoptest.Seller(m), m, version, rates)
	return err
}

func TestEveryZoneAndEveryProvinceIsKnown(t *testing.T) {
	t.Parallel()
	reach := map[string]int{}
	for _, z := range carriage.Zones() {
		reach[z.Code] = len(z.Provinces)
	}
	if diff := cmp.Diff(map[string]int{"NATIONWIDE": 31, "COLD_NORTH_CHINA": 5, "NONE": 0}, reach); diff != "" {
		t.Errorf("provinces in each zone (-want +got):\n%s", diff)
	}
	if got := len(listing.Zones()); got != len(reach) {
		t.Errorf("listings name %d zones, %d reach somewhere", got, len(reach))
	}
	seen := map[string]bool{}
	for _, p := range carriage.Provinces() {
		known := slices.ContainsFunc(carriage.Regions(), func(r carriage.Region) bool { return r.Code == p.Region })
		if known != carriage.Delivers("NATIONWIDE", p) || seen[p.NameZH] {
			t.Errorf("%s is twice here, or in a region that there is not: %s", p.NameZH, p.Region)
		}
		seen[p.NameZH] = true
	}
}

// TestAFeeGrowsWithTheWeightAndEndsAtItsThreshold draws rates and parcels: a fee is made
// of the rate's own fen, never falls as the parcel grows heavier, steps by whole kilograms,
// and is nothing from the threshold on.
func TestAFeeGrowsWithTheWeightAndEndsAtItsThreshold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fen := func(name string) money.Fen {
			return money.Fen(rapid.Int64Range(0, int64(carriage.MaxFee)).Draw(t, name))
		}
		fee := func(r carriage.Rate, p carriage.Parcel) money.Fen {
			got, err := r.Fee(p)
			if err != nil {
				t.Fatalf("%+v for %+v: %v", r, p, err)
			}
			return got
		}
		r := carriage.Rate{First: fen("first"), Further: fen("further"), Cold: fen("cold"), FreeFrom: fen("free from") + 1}
		p := carriage.Parcel{Goods: r.FreeFrom - 1, Grams: rapid.Int64Range(0, 1e9).Draw(t, "grams"), Cold: rapid.Bool().Draw(t, "cold parcel")}
		kg := carriage.Kilograms(p.Grams)
		if kg < 1 || kg*1000 < p.Grams || p.Grams > 0 && (kg-1)*1000 >= p.Grams {
			t.Fatalf("%d g are %d kg", p.Grams, kg)
		}
		got, want := fee(r, p), r.First+r.Further*money.Fen(kg-1)
		if p.Cold {
			want += r.Cold
		}
		if got != want {
			t.Fatalf("%+v for %+v costs %d, want %d", r, p, got, want)
		}
		heavier := p
		heavier.Grams += rapid.Int64Range(0, 1e6).Draw(t, "more grams")
		if fee(r, heavier) < got {
			t.Fatalf("the heavier costs less: %+v", heavier)
		}
		p.Goods += money.Fen(rapid.Int64Range(1, 1e9).Draw(t, "more goods"))
		if got := fee(r, p); got != 0 {
			t.Fatalf("from the threshold on it costs %d", got)
		}
		if r.FreeFrom = 0; fee(r, p) != want {
			t.Fatalf("without a threshold it costs %d, want %d", fee(r, p), want)
		}
	})
	if _, err := (carriage.Rate{Further: carriage.MaxFee}).Fee(carriage.Parcel{Grams: 1 << 62}); !errors.Is(err, money.ErrRange) {
		t.Errorf("a mountain: %v, want %v", err, money.ErrRange)
	}
}

func TestAnEnterpriseSetsItsOwnFeesAndNobodyElseDoes(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10)
	rates := flat(carriage.Rate{First: 800, Further: 200})
	if _, err := s.Carriage.Set(t.Context(), distiller, shoptest.Miller, 0, rates); !errors.Is(err, merchant.ErrUnknown) {
		t.Errorf("another enterprise: %v, want %v", err, merchant.ErrUnknown)
	}
	for name, bad := range map[string][]carriage.Rate{
		"nothing": nil, "a region too few": rates[1:], "one twice": append(slices.Clone(rates), rates[0]), "the moon": append(slices.Clone(rates), carriage.Rate{Region: "MOON"}),
		"below nothing": flat(carriage.Rate{First: -1}), "too much": flat(carriage.Rate{Cold: carriage.MaxFee + 1}), "a threshold below nothing": flat(carriage.Rate{FreeFrom: -1}),
	} {
		if err := set(t, s, shoptest.Miller, 0, bad); !errors.Is(err, carriage.ErrInvalid) {
			t.Errorf("%s: %v, want %v", name, err, carriage.ErrInvalid)
		}
	}
	if n := pgtest.AtOnce(t, 4, func(int) error { return set(t, s, shoptest.Miller, 0, rates) }, request.ErrStale); n != 1 {
		t.Errorf("%d first versions", n)
	}
	s.Clock.Advance(time.Second)
	if err := set(t, s, shoptest.Miller, 1, flat(carriage.Rate{})); err != nil {
		t.Error(err)
	}
	all, err := s.Carriage.Schedules(t.Context(), miller, page.Request{})
	if err != nil || len(all.Data) != 2 || all.Data[0].Version != 2 || all.Data[1].Rates[0].First != 800 {
		t.Errorf("the schedules are %+v, %v", all, err)
	}
	if others, err := s.Carriage.Schedules(t.Context(), distiller, page.Request{}); err != nil || len(others.Data) != 0 {
		t.Errorf("another enterprise sees %+v, %v", others, err)
	}
}

func TestShippingIsPartOfThePriceAndNotOfTheTenth(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	dough := shoptest.Product(shoptest.Miller, "dough", 5000, catalog.Description{
		Category: "FLOUR_MIAN", Name: "速冻莜面鱼鱼", NetContent: 1500, NetUnit: "g", ColdChain: "FROZEN", ShipZone: "COLD_NORTH_CHINA",
	})
	s.StockUp(t, 10, dough)
	if err := set(t, s, shoptest.Miller, 0, flat(carriage.Rate{First: 800, Further: 200, Cold: 1500, FreeFrom: 20_000})); err != nil {
		t.Fatal(err)
	}
	ann := shoptest.Buyer("ann")
	to := func(p quote.Placing, province string) quote.Placing {
		there := *p.ShipTo
		there.Province = province
		p.ShipTo = &there
		return p
	}
	for _, tt := range []struct {
		name string
		p    quote.Placing
		want money.Fen
	}{
		{"one kilogram", shoptest.Choose("flour", 1), 800},
		{"three kilograms, kept cold", shoptest.Choose("dough", 2), 800 + 2*200 + 1500},
		{"enough of it", shoptest.Choose("dough", 4), 0},
		{"beside another enterprise, which asks for nothing", shoptest.Choose("flour", 1, "liquor", 2), 800},
		{"a voucher", shoptest.Choose("stay", 1), 0},
		{"far away", to(shoptest.Choose("flour", 1), "西藏自治区"), 800},
	} {
		c, _, err := s.Orders.Preview(t.Context(), ann, tt.p)
		if err != nil || c.Shipping != tt.want || c.Total() != c.Goods+tt.want {
			t.Errorf("%s: shipping costs %d, %v; want %d", tt.name, c.Shipping, err, tt.want)
		}
	}
	for _, tt := range []struct {
		name    string
		p       quote.Placing
		want    error
		pointer string
	}{
		{"out of the cold chain", to(shoptest.Choose("flour", 1, "dough", 1), "广东省"), carriage.ErrNotDelivered, "/lines/1/sku_id"},
		{"nowhere", to(shoptest.Choose("flour", 1), "北京"), carriage.ErrProvince, "/ship_to/province"},
	} {
		_, err := s.Orders.Place(t.Context(), ann, tt.p, request.Claim{}, nil)
		if f := fault.Of(err); !errors.Is(err, tt.want) || len(f.Fields) != 1 || f.Fields[0].Pointer != tt.pointer {
			t.Errorf("%s: %+v, want %v at %s", tt.name, err, tt.want, tt.pointer)
		}
	}
	p := shoptest.Choose("dough", 2, "liquor", 1)
	p.ExpectedTotal = 10_000 + 12_345
	if _, err := s.Orders.Place(t.Context(), ann, p, request.Claim{}, nil); !errors.Is(err, quote.ErrChanged) {
		t.Errorf("a total without shipping: %v, want %v", err, quote.ErrChanged)
	}
	p.ExpectedTotal += 2700
	c := s.Place(t, "ann", p)
	s.Pay(t, c.PayURL)
	paid := s.Checkout(t, c)
	i := slices.IndexFunc(paid.Orders, func(o order.Order) bool { return o.Merchant == shoptest.Miller })
	if o := paid.Orders[i]; o.Shipping != 2700 || paid.Orders[1-i].Shipping != 0 || s.Held(t, o.Payable()) != 9*10_000+27_000 {
		t.Errorf("sold: %+v, owed %d li", o, s.Held(t, o.Payable()))
	}
	if got := s.Held(t, fund.Pending); got != 22_345 {
		t.Errorf("the fund has %d li, want one tenth of the goods, 22345", got)
	}
}
