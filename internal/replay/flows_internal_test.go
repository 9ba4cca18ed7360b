package replay

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/onboarding"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/scrutiny"
	"github.com/shiyi-market/shiyi/internal/standing"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// TestEverythingOfTheYearComesByTheFlows replays everything but the sales, twice, of
// which the second changes nothing, and asks each context what came to it and how.
func TestEverythingOfTheYearComesByTheFlows(t *testing.T) {
	t.Parallel()
	y, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	y.Sales = y.Sales[:1]
	r := newReplay(t)
	for range 2 {
		if _, err := r.run(t.Context(), y); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("92 of 96 products show a claim at the end of the year and today", func(t *testing.T) { t.Parallel(); claimsHold(t, r, y) })
	t.Run("the claims are the data's, filed by sellers", func(t *testing.T) { t.Parallel(); claimsAreTheData(t, r, y) })
	t.Run("goods are submitted by their seller and approved by an operator", func(t *testing.T) { t.Parallel(); goodsWereReviewed(t, r, y) })
	t.Run("goods that need a certificate come in lots", func(t *testing.T) { t.Parallel(); goodsCameInLots(t, r, y) })
	t.Run("licences are renewed by filing and decision", func(t *testing.T) { t.Parallel(); licencesWereRenewed(t, r, y) })
	t.Run("all enterprises are verified again", func(t *testing.T) { t.Parallel(); allWereVerified(t, r, y) })
	t.Run("applications have papers that can be read", func(t *testing.T) { t.Parallel(); papersAreThere(t, r, y) })
}

// edges are the products that the data holds not to be claimed rightly, and why.
var edges = map[string]string{
	"P018": "STALE_EVIDENCE", "P076": "NO_COMPARABLE_REFERENCE", "P084": "NO_COMPARABLE_REFERENCE", "P086": "REFERENCE_NOT_HIGHER",
}

func claimsHold(t *testing.T, r *Replay, y Year) {
	t.Helper()
	for _, at := range []time.Time{time.Date(2020, 12, 31, 12, 0, 0, 0, shanghai()), r.DB.Now()} {
		db := r.DB.At(at)
		shop := catalog.New(db, nil)
		claims := claim.New(db, shop, claim.Config{})
		without := map[string]string{}
		for _, p := range y.Products {
			listed, err := shop.Product(t.Context(), ProductID(p.Code))
			if err != nil {
				t.Fatalf("%s at %v: %v", p.Code, at, err)
			}
			live, err := claims.Live(t.Context(), listed)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := live[SKUID(p.Code)]; !ok {
				without[p.Code] = p.row["price_claim_edge"]
			}
		}
		if diff := cmp.Diff(edges, without); diff != "" {
			t.Errorf("without a claim at %v (-want +got):\n%s", at, diff)
		}
		if share, err := claims.Share(t.Context()); err != nil || share != (claim.Share{Live: 92, OnSale: 96}) || share.BasisPoints() != 9583 {
			t.Errorf("at %v: %+v, %v", at, share, err)
		}
	}
}

func claimsAreTheData(t *testing.T, r *Replay, y Year) {
	t.Helper()
	got := map[catalog.SKUID][]claim.Claim{} // the oldest first
	service, next := claim.New(r.DB, catalog.New(r.DB, nil), claim.Config{}), page.Request{Limit: page.MaxSize}
	for {
		p, err := service.All(t.Context(), operator(), claim.Filter{}, next)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range p.Data {
			got[c.SKU] = append([]claim.Claim{c}, got[c.SKU]...)
		}
		if next.Cursor = p.Next; next.Cursor == "" {
			break
		}
	}
	today := time.Date(2026, 11, 23, 0, 0, 0, 0, shanghai())
	for _, p := range y.Products {
		var want []time.Time // when it was seen
		if p.row["ref_price_fen"] != "" {
			want = append(want, p.date("ref_captured_on"))
		}
		if edges[p.Code] == "" {
			want = append(want, today.UTC())
		}
		var seen []time.Time
		for _, c := range got[SKUID(p.Code)] {
			seen = append(seen, c.CapturedAt)
			if c.FiledBy != seller(p.Enterprise).Account || c.State != claim.Confirmed || int64(c.Reference) != p.int("ref_price_fen") ||
				c.Platform != p.row["ref_platform"] || string(c.Basis) != p.row["ref_basis"] || c.Evidence != p.row["ref_evidence_id"] ||
				!c.ExpiresAt.Equal(c.CapturedAt.AddDate(1, 0, 0)) {
				t.Errorf("%s: claimed %+v", p.Code, c)
			}
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("%s was seen (-want +got):\n%s", p.Code, diff)
		}
	}
	if len(edges) != 4 || len(got) != 94 {
		t.Errorf("%d SKUs were claimed, want 94", len(got))
	}
}

// acts are what the trail tells of an object, the first thing first: who did what.
func acts(t *testing.T, r *Replay, object string) []trail.Entry {
	t.Helper()
	noted, err := trail.New(r.DB).Entries(t.Context(), page.Request{Limit: page.MaxSize}, trail.Filter{Object: object})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(noted.Data, func(a, b trail.Entry) int { return a.At.Compare(b.At) })
	return noted.Data
}

func goodsWereReviewed(t *testing.T, r *Replay, y Year) {
	t.Helper()
	desk := scrutiny.New(r.DB, catalog.New(r.DB, nil))
	for _, p := range y.Products {
		who := seller(p.Enterprise).Account.UUID()
		c, err := desk.AnyProduct(t.Context(), operator(), ProductID(p.Code))
		if err != nil {
			t.Fatal(err)
		}
		if c.State != catalog.OnSale || c.SubmittedBy != who || len(c.Decisions) != 1 || c.Decisions[0].Verdict != scrutiny.Approved ||
			c.Decisions[0].By != operator().Account.UUID() || c.Decisions[0].By == who {
			t.Errorf("%s is %s, submitted by %s, decided on %+v", p.Code, c.State, c.SubmittedBy, c.Decisions)
		}
		var did []string
		for _, e := range acts(t, r, "product:"+ProductID(p.Code).String()) {
			did = append(did, e.Operation)
		}
		slices.Sort(did) // all three at the same time
		if diff := cmp.Diff([]string{"catalog.add", "catalog.submit", "scrutiny.approved"}, did); diff != "" {
			t.Errorf("what was done with %s (-want +got):\n%s", p.Code, diff)
		}
	}
	if len(y.Products) != 96 {
		t.Errorf("%d products", len(y.Products))
	}
}

func goodsCameInLots(t *testing.T, r *Replay, y Year) {
	t.Helper()
	shelf, lots := inventory.New(r.DB), 0
	for _, p := range y.Products {
		all, err := shelf.Lots(t.Context(), seller(p.Enterprise).Merchants(), SKUID(p.Code).UUID(), page.Request{})
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, l := range all.Data {
			got = append(got, l.Received)
			if diff := cmp.Diff(p.certificate(), l.Certificate, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s came with (-want +got):\n%s", p.Code, diff)
			}
		}
		var want []int64
		if kind := p.row["product_kind"]; kind == "FROZEN_RAW_MEAT" || kind == "FRESH_FARM_PRODUCE" {
			want = []int64{spare, p.Units}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s came in lots (-want +got):\n%s", p.Code, diff)
		}
		lots += len(got)
	}
	if lots != 2*(11+10) {
		t.Errorf("%d lots", lots)
	}
}

func licencesWereRenewed(t *testing.T, r *Replay, y Year) {
	t.Helper()
	october := time.Date(2020, 10, 30, 9, 0, 0, 0, shanghai())
	for _, e := range y.Enterprises {
		m := MerchantID(e.Code())
		filed, err := standing.New(r.DB).Licences(t.Context(), standing.LicenceFilter{Merchant: m}, page.Request{})
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(filed.Data)
		want := []time.Time{r.DB.Now()}
		if e.Code() == "E08" {
			want = []time.Time{october.UTC(), r.DB.Now()}
		}
		var at []time.Time
		for _, f := range filed.Data {
			at = append(at, f.FiledAt)
			if f.State != standing.Accepted || f.FiledBy != seller(e.Code()).Account || f.DecidedBy != operator().Account || !f.DecidedAt.Equal(f.FiledAt) ||
				f.No != e.licence().No || f.ExpiresOn != merchant.DateOf(f.FiledAt.AddDate(5, 0, 0)) || len(f.Files) != 1 || len(f.ProductKinds) == 0 {
				t.Errorf("%s filed %+v", e.Code(), f)
			}
		}
		if diff := cmp.Diff(want, at, cmp.Comparer(time.Time.Equal)); diff != "" {
			t.Errorf("%s filed at (-want +got):\n%s", e.Code(), diff)
		}
		held, err := merchant.New(r.DB).Merchant(t.Context(), m)
		if err != nil || held.LicensedUntil != "2031-11-23" || len(held.Licences) != len(want)+1 {
			t.Errorf("%s is licensed until %s by %d papers, %v", e.Code(), held.LicensedUntil, len(held.Licences), err)
		}
		if e.Code() == "E08" && (held.Licences[1].ExpiresOn != "2025-10-30" || held.Licences[2].ExpiresOn != "2020-10-31") {
			t.Errorf("E08 holds %+v", held.Licences)
		}
	}
}

func allWereVerified(t *testing.T, r *Replay, y Year) {
	t.Helper()
	want := []time.Time{time.Date(2020, 6, 10, 9, 0, 0, 0, shanghai()), r.DB.Now()}
	for _, e := range y.Enterprises {
		var at []time.Time
		for _, a := range acts(t, r, "merchant:"+MerchantID(e.Code()).String()) {
			if a.Operation != "standing.reverify" {
				continue
			}
			at = append(at, a.At)
			if a.Actor != operator().Account.UUID() {
				t.Errorf("%s was verified by %s", e.Code(), a.Actor)
			}
		}
		if diff := cmp.Diff(want, at, cmp.Comparer(time.Time.Equal)); diff != "" {
			t.Errorf("%s was verified at (-want +got):\n%s", e.Code(), diff)
		}
	}
}

func papersAreThere(t *testing.T, r *Replay, y Year) {
	t.Helper()
	files, err := file.Open(r.DB, r.Files)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range y.Enterprises {
		as := seller(e.Code())
		a, err := onboarding.New(r.DB).Application(t.Context(), as, onboarding.Applicant, id.FromName[onboarding.Application]("enterprise", e.Code()))
		if err != nil {
			t.Fatal(err)
		}
		papers := a.Files()
		if len(papers) != len(a.Contacts)+len(a.Licences)+len(a.Linkage.Ways) || len(papers) < 3 {
			t.Errorf("%s handed in %d papers", e.Code(), len(papers))
		}
		link, err := files.OwnLink(t.Context(), as.Account.UUID(), papers[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := files.Open(t.Context(), papers[0], "", 0); err == nil {
			t.Errorf("a paper of %s can be read by anybody", e.Code())
		}
		c, err := files.Open(t.Context(), papers[0], link.Token, 0)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(c)
		// 虚构示例, as the page has it
		if err != nil || c.Close() != nil || c.MediaType != file.PDF || !strings.Contains(string(body), "865A6784793A4F8B") {
			t.Errorf("a paper of %s: %s, %v\n%s", e.Code(), c.MediaType, err, body)
		}
	}
}
