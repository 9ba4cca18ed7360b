package replay

import (
	"slices"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/page"
)

// TestTheRecordedClaimsAreJudgedAsTheDataSays replays everything but the sales, and
// looks at the end of the year and today.
func TestTheRecordedClaimsAreJudgedAsTheDataSays(t *testing.T) {
	t.Parallel()
	y, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	y.Sales = y.Sales[:1]
	r := newReplay(t)
	for range 2 { // the second changes nothing
		if _, err := r.run(t.Context(), y); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for _, p := range y.Products {
		if p.yes("price_claim_ok") {
			want = append(want, p.Code)
		}
	}
	if len(want) != 92 {
		t.Errorf("the data has %d products with a claim", len(want))
	}
	for _, at := range []time.Time{time.Date(2020, 12, 31, 12, 0, 0, 0, shanghai()), r.DB.Now()} {
		db := r.DB.At(at)
		shop := catalog.New(db, nil)
		claims := claim.New(db, shop, claim.Config{})
		var got []string
		for _, p := range y.Products {
			listed, err := shop.Product(t.Context(), ProductID(p.Code))
			if err != nil {
				t.Fatalf("%s at %v: %v", p.Code, at, err)
			}
			live, err := claims.Live(t.Context(), listed)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := live[SKUID(p.Code)]; ok {
				got = append(got, p.Code)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("at %v: %d products show a claim: %v; want %v", at, len(got), got, want)
		}
		if share, err := claims.Share(t.Context()); err != nil || share != (claim.Share{Live: 92, OnSale: 96}) || share.BasisPoints() != 9583 {
			t.Errorf("at %v: %+v, %v", at, share, err)
		}
	}
	all, n, next := claim.New(r.DB, catalog.New(r.DB, nil), claim.Config{}), 0, page.Request{Limit: page.MaxSize}
	for {
		p, err := all.All(t.Context(), operator(), claim.Filter{}, next)
		if err != nil {
			t.Fatal(err)
		}
		n += len(p.Data)
		if next.Cursor = p.Next; next.Cursor == "" {
			break
		}
	}
	if n != 94+92 {
		t.Errorf("%d claims were filed, want those of the year and those of today: %d", n, 94+92)
	}
}
