package replay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shiyi-market/shiyi/internal/dossier"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/onboarding"
)

// letIn brings an enterprise in through the door, on the days that the data has: it
// applies a week before the county recommends it. What was done by a replay that was
// stopped is not done again.
func (r *Replay) letIn(ctx context.Context, e Enterprise, goods []Product) error {
	code := e.Code()
	applicant, official := person("applicant "+code), person("official "+County)
	recommended := e.date("county_recommended_on").Add(hour)
	people, err := identity.New(r.DB.At(recommended.AddDate(0, 0, -7)), identity.Config{})
	if err != nil {
		return err
	}
	for _, who := range []identity.Account{applicant, official, person("operator")} {
		if err := people.Record(ctx, who); err != nil {
			return err
		}
	}
	at := func(t time.Time) *onboarding.Service { return onboarding.New(r.DB.At(t)) }
	signed := at(e.date("donation_agreement_signed_on").Add(hour))
	as := identity.Caller{Account: applicant.ID}
	scan, err := r.scan(ctx, recommended.AddDate(0, 0, -7), e, "入驻材料 application papers")
	if err != nil {
		return err
	}
	a, err := at(recommended.AddDate(0, 0, -7)).Record(ctx, as, id.FromName[onboarding.Application]("enterprise", code), onboarding.Given{
		Merchant: MerchantID(code), Code: code, AgreementNo: e.row["donation_agreement_no"],
	}, e.draft(goods, scan))
	if err != nil {
		return err
	}
	for _, step := range []struct {
		in onboarding.State
		do func() (onboarding.Application, error)
	}{
		{onboarding.Drafted, func() (onboarding.Application, error) {
			return at(recommended.AddDate(0, 0, -6)).Submit(ctx, as, a.ID)
		}},
		{onboarding.Submitted, func() (onboarding.Application, error) {
			as := identity.Caller{Account: official.ID, Roles: []identity.Grant{{Role: identity.County, Region: County}}}
			return at(recommended).Recommend(ctx, as, a.ID, e.row["county_recommendation_no"], "记录年度的推荐")
		}},
		{onboarding.Recommended, func() (onboarding.Application, error) {
			return at(e.date("platform_approved_on").Add(hour)).Approve(ctx, operator(), a.ID, "记录年度的审批")
		}},
		{onboarding.Approved, func() (onboarding.Application, error) {
			text, err := signed.Agreement(ctx)
			if err != nil {
				return a, err
			}
			return signed.Accept(ctx, as, a.ID, onboarding.Acceptance{Version: text.Version, SHA256: text.SHA256, Name: applicant.Name, Position: "负责人"})
		}},
	} {
		if a.State != step.in {
			continue
		}
		if a, err = step.do(); err != nil {
			return fmt.Errorf("an application that is %s: %w", step.in, err)
		}
	}
	return nil
}

// hour is when in the day somebody acts.
const hour = 10 * time.Hour

// person is somebody invented, the same in every replay, who never signs in.
func person(name string) identity.Account {
	return identity.Account{
		ID: id.FromName[identity.Account]("recorded", name), Name: "记录人物（虚构） " + name,
		Email: strings.ReplaceAll(strings.ToLower(name), " ", "-") + "@recorded.example",
	}
}

// seller is who applied for a recorded enterprise and has sold for it since.
func seller(code string) identity.Caller {
	return identity.Caller{
		Account: person("applicant " + code).ID, Roles: []identity.Grant{{Role: identity.Merchant, Merchant: MerchantID(code).UUID()}},
	}
}

// operator is who decided for the shop in the year.
func operator() identity.Caller {
	return identity.Caller{Account: person("operator").ID, Roles: []identity.Grant{{Role: identity.Operator}}}
}

// kinds are the kinds of these goods, each once.
func kinds(goods []Product) []string {
	all := []string{}
	for _, p := range goods {
		if !slices.Contains(all, p.row["product_kind"]) {
			all = append(all, p.row["product_kind"])
		}
	}
	return all
}

// draft is what the enterprise says of itself, with one scan for all its papers. Its
// contact and what the data does not tell of its licence and its households are invented.
func (e Enterprise) draft(goods []Product, scan file.ID) dossier.Draft {
	scans := []file.ID{scan}
	d := dossier.Draft{
		Entity: dossier.Entity{
			LegalName: e.row["legal_name"], ShortName: e.row["short_name"], EntityType: e.row["entity_type"], USCC: e.row["uscc_placeholder"],
			Region: County, Township: e.row["township"], Brands: e.list("brands"), Fictional: e.yes("is_fictional"),
		},
		Contacts: []dossier.Contact{{Role: dossier.Representative, Name: "负责人（虚构）", Phone: "+8613800000000", Files: scans}},
		Linkage: dossier.Linkage{
			Households: e.int("linked_households"), PoorHouseholds: e.int("linked_poor_households"), Evidence: e.list("linkage_evidence"), Ways: e.ways(scans),
		},
	}
	l := e.licence()
	issued := l.ExpiresOn.Time().AddDate(-newLicence, 0, 1)
	if latest := e.date("county_recommended_on").AddDate(0, -1, 0); issued.After(latest) {
		issued = latest
	}
	d.Licences = []dossier.Licence{{Kind: l.Kind, No: l.No, IssuedOn: merchant.DateOf(issued), ExpiresOn: l.ExpiresOn, For: kinds(goods), Files: scans}}
	return d
}

// ways are the data's ways, and one for each figure that none of them is of. Where
// the data has no households of a way, all that are linked are taken.
func (e Enterprise) ways(scans []file.ID) []dossier.Way {
	var all []dossier.Way
	add := func(m dossier.Mode, label string) *dossier.Way {
		all = append(all, dossier.Way{
			Mode: m, Label: label, Villages: []string{e.row["township"]}, Households: e.int("linked_households"), From: "2020-01-01", To: "2020-12-31",
			Files: scans,
		})
		return &all[len(all)-1]
	}
	for _, label := range e.list("linkage_modes") {
		add(modeOf(label), label)
	}
	of := func(m dossier.Mode) *dossier.Way {
		for i := range all {
			if all[i].Mode == m {
				return &all[i]
			}
		}
		return add(m, "")
	}
	if n := e.int("purchase_agreement_households"); n > 0 {
		of(dossier.Purchase).Households = n
	}
	if n := e.int("employed_poor_persons"); n > 0 {
		of(dossier.Employment).Persons = n
	}
	if n := e.int("land_transfer_mu"); n > 0 {
		of(dossier.Land).LandMu = n
	}
	if n := e.int("dividends_2020_fen"); n > 0 {
		of(dossier.Dividend).AmountFen = n
	}
	return all
}

// modeOf is the way that the data's own name of it stands for.
func modeOf(label string) dossier.Mode {
	for _, m := range []struct {
		word string
		mode dossier.Mode
	}{
		{"订单", dossier.Purchase},
		{"务工", dossier.Employment},
		{"手工", dossier.Employment},
		{"土地", dossier.Land},
		{"分红", dossier.Dividend},
	} {
		if strings.Contains(label, m.word) {
			return m.mode
		}
	}
	return dossier.Cooperative
}
