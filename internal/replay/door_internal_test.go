package replay

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/onboarding"
	"github.com/shiyi-market/shiyi/internal/page"
)

// TestAllEnterprisesComeInThroughTheDoor lets the recorded enterprises in, twice, and
// holds what they have become against the data.
func TestAllEnterprisesComeInThroughTheDoor(t *testing.T) {
	t.Parallel()
	y, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	r := newReplay(t)
	for range 2 {
		for _, e := range y.Enterprises {
			if err := r.letIn(t.Context(), e, y.Products); err != nil {
				t.Fatalf("%s: %v", e.row["enterprise_id"], err)
			}
		}
	}
	var acts int
	for _, e := range y.Enterprises {
		m, err := merchant.New(r.DB).Merchant(t.Context(), MerchantID(e.row["enterprise_id"]))
		if err != nil {
			t.Fatal(err)
		}
		l := e.licence()
		want := merchant.Merchant{
			ID: m.ID, Code: e.row["enterprise_id"], LegalName: e.row["legal_name"], ShortName: e.row["short_name"], EntityType: e.row["entity_type"],
			Fictional: e.yes("is_fictional"), Region: County, Township: e.row["township"], USCC: e.row["uscc_placeholder"], Brands: e.list("brands"),
			State: merchant.Active, RecommendationNo: e.row["county_recommendation_no"], RecommendedOn: merchant.Date(e.row["county_recommended_on"]),
			AgreementNo: e.row["donation_agreement_no"], AgreementSignedOn: merchant.Date(e.row["donation_agreement_signed_on"]),
			LicensedUntil: l.ExpiresOn, Licences: m.Licences, EnrolledAt: e.date("donation_agreement_signed_on").Add(hour),
			VerifiedAt: m.VerifiedAt, ReverificationDue: m.ReverificationDue,
			Linkage: merchant.Linkage{
				Modes: m.Linkage.Modes, Households: e.int("linked_households"), PoorHouseholds: e.int("linked_poor_households"),
				Employed: e.int("employed_poor_persons"), LandMu: e.int("land_transfer_mu"), PurchaseAgreements: e.int("purchase_agreement_households"),
				Dividends: money.Fen(e.int("dividends_2020_fen")), Evidence: e.list("linkage_evidence"),
			},
		}
		if diff := cmp.Diff(want, m, cmpopts.EquateComparable(m.ID, file.ID{})); diff != "" {
			t.Errorf("%s (-data +enrolled):\n%s", m.Code, diff)
		}
		if len(m.Licences) != 1 || m.Licences[0].No != l.No {
			t.Errorf("%s has the licences %v, want %v", m.Code, m.Licences, l)
		}
		if diff := cmp.Diff(e.list("linkage_modes"), m.Linkage.Modes[:len(e.list("linkage_modes"))]); diff != "" {
			t.Errorf("%s (-data +ways):\n%s", m.Code, diff)
		}
	}
	all, err := onboarding.New(r.DB).Queue(t.Context(), operator(), onboarding.Active, page.Request{Limit: page.MaxSize})
	if err != nil || len(all.Data) != 13 {
		t.Fatalf("%d applications, %v; want 13", len(all.Data), err)
	}
	for _, a := range all.Data {
		one, err := onboarding.New(r.DB).Application(t.Context(), operator(), onboarding.Platform, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		acts += len(one.Events)
	}
	if want := 13 * 6; acts != want {
		t.Errorf("%d things were done with the applications, want %d: nothing twice", acts, want)
	}
}
