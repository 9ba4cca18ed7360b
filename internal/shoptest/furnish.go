package shoptest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/apikey"
	"github.com/shiyi-market/shiyi/internal/application"
	"github.com/shiyi-market/shiyi/internal/assistance"
	"github.com/shiyi-market/shiyi/internal/audit"
	"github.com/shiyi-market/shiyi/internal/carriage"
	"github.com/shiyi-market/shiyi/internal/cart"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/compensation"
	"github.com/shiyi-market/shiyi/internal/correction"
	"github.com/shiyi-market/shiyi/internal/disbursement"
	"github.com/shiyi-market/shiyi/internal/disclosure"
	"github.com/shiyi-market/shiyi/internal/dispatch"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/dossier"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/finding"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/intake"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/journal"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/onboarding"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/origin"
	"github.com/shiyi-market/shiyi/internal/payee"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/pupil"
	"github.com/shiyi-market/shiyi/internal/recall"
	"github.com/shiyi-market/shiyi/internal/receipt"
	"github.com/shiyi-market/shiyi/internal/reconcile"
	"github.com/shiyi-market/shiyi/internal/repayment"
	"github.com/shiyi-market/shiyi/internal/report"
	"github.com/shiyi-market/shiyi/internal/review"
	"github.com/shiyi-market/shiyi/internal/scrutiny"
	"github.com/shiyi-market/shiyi/internal/search"
	"github.com/shiyi-market/shiyi/internal/settlement"
	"github.com/shiyi-market/shiyi/internal/standing"
	"github.com/shiyi-market/shiyi/internal/statement"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/internal/trail"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/internal/voucher"
	"github.com/shiyi-market/shiyi/internal/webhook"
	"github.com/shiyi-market/shiyi/internal/witness"
)

// Services are the contexts of a shop, whoever assembled it. They convert to
// httpapi.Services and back: the edge is not imported here, so that a context's
// tests need not compile it.
type Services struct {
	Identity      *identity.Service
	Keys          *apikey.Service
	Merchants     *merchant.Service
	Catalog       *catalog.Service
	Inventory     *inventory.Service
	Carts         *cart.Service
	Carriage      *carriage.Service
	Onboarding    *onboarding.Service
	Orders        *order.Service
	Payments      *payment.Service
	Fund          *fund.Service
	Transparency  *transparency.Service
	Aftersales    *aftersale.Service
	Repayments    *repayment.Service
	Disputes      *dispute.Service
	Goodwill      *compensation.Service
	Reconciler    *reconcile.Service
	Fulfilment    *fulfilment.Service
	Dispatch      *dispatch.Service
	Receipts      *receipt.Service
	Reviews       *review.Service
	Claims        *claim.Service
	Standing      *standing.Service
	Origins       *origin.Service
	Scrutiny      *scrutiny.Service
	Search        *search.Service
	Payees        *payee.Service
	Settlements   *settlement.Service
	Trail         *trail.Service
	Intake        *intake.Service
	Files         *file.Service
	Vouchers      *voucher.Service
	Webhooks      *webhook.Service
	Recalls       *recall.Service
	Notices       *notice.Service
	Statements    *statement.Service
	Publications  *publication.Service
	Pupils        *pupil.Service
	Assistance    *assistance.Service
	Reports       *report.Service
	Disclosures   *disclosure.Service
	Traces        *trace.Service
	Applications  *application.Service
	Objections    *objection.Service
	Programmes    *programme.Service
	Grants        *grant.Service
	Disbursements *disbursement.Service
	Witnesses     *witness.Service
	Audit         *audit.Service
	Corrections   *correction.Service
	Findings      *finding.Service
	Journals      *journal.Service
}

// USCC is a unified social credit code that passes its check: the n-th of this
// region's cooperatives, which does not exist.
func USCC(n int) string {
	return checked(fmt.Sprintf("93152527XX%07d", n), merchant.CheckUSCC)
}

// SC is the number of a food production licence that passes its check.
func SC(n int) string { return checked(fmt.Sprintf("SC101152527%04d", n), merchant.CheckSC) }

// checked is a number with its last character.
func checked(but string, check func(string) error) string {
	for _, last := range "0123456789ABCDEFGHJKLMNPQRTUWXY" {
		if whole := but + string(last); check(whole) == nil {
			return whole
		}
	}
	panic("shoptest: no check character fits " + but)
}

// number is a small one that follows from an enterprise's code.
func number(code string) int {
	n := 0
	for _, r := range code {
		n = (n*31 + int(r)) % 10_000_000
	}
	return n
}

// Enrol lets an invented enterprise in, which may sell. It needs a code; what else
// matters to nobody's test need not be said. It comes in through the door: somebody
// applies, an official recommends, an operator approves, the agreement is signed.
func (s Services) Enrol(ctx context.Context, e merchant.Enrolment) (merchant.Merchant, error) {
	if e.ID.IsZero() {
		e.ID = id.FromName[merchant.Merchant]("test", e.Code)
	}
	applicant := identity.Account{ID: id.FromName[identity.Account]("applicant", e.Code), Email: strings.ToLower(e.Code) + "@applicant.example", Name: "申请人 " + e.Code}
	if err := s.Identity.Record(ctx, applicant); err != nil {
		return merchant.Merchant{}, err
	}
	d, err := s.Papers(ctx, applicant.ID.UUID(), Draft(e))
	if err != nil {
		return merchant.Merchant{}, fmt.Errorf("upload the papers of %s: %w", e.Code, err)
	}
	a, err := s.Onboarding.Record(ctx, identity.Caller{Account: applicant.ID}, id.FromName[onboarding.Application]("test", e.Code),
		onboarding.Given{Merchant: e.ID, Code: e.Code, AgreementNo: "A-" + e.Code}, d)
	if err == nil {
		a, err = s.Pass(ctx, a, "R-"+e.Code)
	}
	if err != nil {
		return merchant.Merchant{}, fmt.Errorf("enrol %s: %w", e.Code, err)
	}
	return s.Merchants.Merchant(ctx, a.Merchant)
}

// Scan is a small private picture, of its own for each name, that somebody uploads. The
// same name is the same file.
func (s Services) Scan(ctx context.Context, owner uuid.UUID, name string) (file.ID, error) {
	img := image.NewPaletted(image.Rect(0, 0, 16, 16), color.Palette{color.White, color.Black})
	for i, b := range sha256.Sum256([]byte(name)) {
		for bit := range 8 {
			img.Pix[8*i+bit] = b >> bit & 1
		}
	}
	var body bytes.Buffer
	if err := png.Encode(&body, img); err != nil {
		return file.ID{}, err
	}
	f, err := s.Files.Put(ctx, file.New{Owner: owner, Name: name + ".png", Private: true, Kind: file.Paper}, &body)
	return f.ID, err
}

// Papers is a draft with a scan wherever one is asked for, which its applicant uploads.
func (s Services) Papers(ctx context.Context, applicant uuid.UUID, d dossier.Draft) (dossier.Draft, error) {
	scan, err := s.Scan(ctx, applicant, "扫描件")
	if err != nil {
		return d, err
	}
	scans := []file.ID{scan}
	for i := range d.Contacts {
		d.Contacts[i].Files = scans
	}
	for i := range d.Licences {
		d.Licences[i].Files = scans
	}
	for i := range d.Linkage.Ways {
		d.Linkage.Ways[i].Files = scans
	}
	return d, nil
}

// Official is an official of the county that all invented enterprises are in.
var Official = identity.Caller{
	Account: id.FromName[identity.Account]("test", "official"), Roles: []identity.Grant{{Role: identity.County, Region: "152527"}},
}

// Pass brings a draft through to the enterprise.
func (s Services) Pass(ctx context.Context, a onboarding.Application, recommendation string) (onboarding.Application, error) {
	applicant := identity.Caller{Account: a.Applicant}
	agreement, err := s.Onboarding.Agreement(ctx)
	if err != nil {
		return a, err
	}
	for _, act := range []func() (onboarding.Application, error){
		func() (onboarding.Application, error) { return s.Onboarding.Submit(ctx, applicant, a.ID) },
		func() (onboarding.Application, error) {
			return s.Onboarding.Recommend(ctx, Official, a.ID, recommendation, "情况属实")
		},
		func() (onboarding.Application, error) {
			return s.Onboarding.Approve(ctx, Operator, a.ID, "材料齐全")
		},
		func() (onboarding.Application, error) {
			return s.Onboarding.Accept(ctx, applicant, a.ID, onboarding.Acceptance{
				Version: agreement.Version, SHA256: agreement.SHA256, Name: "测试", Position: "负责人",
			})
		},
	} {
		if a, err = act(); err != nil {
			return a, err
		}
	}
	return a, nil
}

// Draft is what an invented enterprise says of itself, with these scans of each paper.
func Draft(e merchant.Enrolment, scans ...file.ID) dossier.Draft {
	short := cmp.Or(e.ShortName, e.Code)
	d := dossier.Draft{
		Entity: dossier.Entity{
			LegalName: short + "（虚构示例）", ShortName: short, EntityType: "农民专业合作社", USCC: cmp.Or(e.USCC, USCC(number(e.Code))),
			Region: "152527", Township: "红旗镇", Fictional: true,
		},
		Contacts: []dossier.Contact{{Role: dossier.Representative, Name: "测试", Phone: "+8613800000000", Files: scans}},
		Linkage: dossier.Linkage{Households: max(1, e.Linkage.Households), Ways: []dossier.Way{{
			Mode: dossier.Cooperative, Villages: []string{"红喜村"}, Households: 1, From: "2026-01-01", To: "2026-12-31", Files: scans,
		}}},
	}
	if e.Licences == nil {
		e.Licences = []merchant.Licence{{Kind: "SC", No: SC(number(e.Code) % 10_000), ExpiresOn: "2099-12-31"}}
	}
	for _, l := range e.Licences {
		d.Licences = append(d.Licences, dossier.Licence{
			Kind: l.Kind, No: l.No, IssuedOn: "2020-01-01", ExpiresOn: l.ExpiresOn, For: []string{"PACKAGED_FOOD"}, Files: scans,
		})
	}
	return d
}

// Whole fills in what the listing of goods must say and a test need not. Goods of
// which no more is said are packaged food that is shipped anywhere.
func Whole(d catalog.Description) catalog.Description {
	kind, cold := "PACKAGED_FOOD", "N"
	switch {
	case d.Voucher:
		kind, cold = "VOUCHER_SERVICE", "VOUCHER"
	case d.AgeRestricted:
		kind = "LIQUOR"
	}
	d.Spec, d.SaleUnit, d.Kind, d.ColdChain = cmp.Or(d.Spec, "一份"), cmp.Or(d.SaleUnit, "份"), cmp.Or(d.Kind, kind), cmp.Or(d.ColdChain, cold)
	d.VATTreatment, d.ShipZone = cmp.Or(d.VATTreatment, "9%"), cmp.Or(d.ShipZone, "NATIONWIDE")
	d.ReturnRule = cmp.Or(d.ReturnRule, catalog.NoReason)
	d.Origin, d.RegionCode = cmp.Or(d.Origin, "内蒙古自治区锡林郭勒盟太仆寺旗"), cmp.Or(d.RegionCode, "152527")
	d.Maker, d.MakerAddress = cmp.Or(d.Maker, "示例企业（虚构示例）"), cmp.Or(d.MakerAddress, "太仆寺旗宝昌镇")
	if d.Voucher {
		return d
	}
	if d.NetUnit == "" {
		d.NetContent, d.NetUnit = 1000, "g"
	}
	d.Storage, d.ShelfLifeDays, d.StandardCode = cmp.Or(d.Storage, "常温避光"), cmp.Or(d.ShelfLifeDays, 365), cmp.Or(d.StandardCode, "Q/TEST 0001S")
	d.Ingredients, d.Allergens, d.MadeOnRule = cmp.Or(d.Ingredients, "见包装"), cmp.Or(d.Allergens, "无"), cmp.Or(d.MadeOnRule, "见包装喷码")
	d.LicenceNo, d.ConformityDoc = cmp.Or(d.LicenceNo, "SC10115252799011"), cmp.Or(d.ConformityDoc, "出厂检验报告")
	return d
}

// license files a licence of an enterprise with its scan and accepts it, unless it has it.
func (s Services) license(ctx context.Context, m merchant.ID, l merchant.Licence) error {
	scan, err := s.Scan(ctx, Seller(m).Account.UUID(), l.Kind)
	if err != nil {
		return err
	}
	l.Files = []file.ID{scan}
	filed, err := s.Standing.FileLicence(ctx, Seller(m), m, l)
	if errors.Is(err, merchant.ErrAccepted) {
		return nil
	}
	if err == nil {
		_, err = s.Standing.AcceptLicence(ctx, Operator, filed.ID)
	}
	return err
}

// Sell lists a product, lets Operator approve it, and opens the stock of each of its
// SKUs with so many pieces. What Whole fills in need not be said, and an enterprise
// that lacks a travel agency's licence gets one.
func (s Services) Sell(ctx context.Context, p catalog.NewProduct, pieces int64) (catalog.Product, error) {
	p.Description = Whole(p.Description)
	if p.Voucher {
		licence := merchant.Licence{Kind: "TRAVEL", No: "L-NMG-99001", ExpiresOn: "2099-12-31"}
		if err := s.license(ctx, p.Merchant, licence); err != nil {
			return catalog.Product{}, fmt.Errorf("license %s: %w", p.Code, err)
		}
	}
	listed, err := s.Catalog.Add(ctx, Seller(p.Merchant), p)
	if err == nil {
		listed, err = s.PutOnSale(ctx, listed)
	}
	if err != nil {
		return listed, fmt.Errorf("list %s: %w", p.Code, err)
	}
	for _, k := range listed.SKUs {
		if err := s.Inventory.Open(ctx, uuid.Nil, inventory.Line{Merchant: p.Merchant.UUID(), SKU: k.ID.UUID(), Qty: pieces}); err != nil {
			return listed, fmt.Errorf("open the stock of %s: %w", k.Code, err)
		}
	}
	return listed, nil
}

// PutOnSale submits a draft, and lets Operator approve it.
func (s Services) PutOnSale(ctx context.Context, p catalog.Product) (catalog.Product, error) {
	submitted, err := s.Catalog.Submit(ctx, Seller(p.Merchant), p.ID)
	if err != nil {
		return submitted, err
	}
	return s.Scrutiny.Approve(ctx, Operator, p.ID, submitted.Version)
}

// SignUp registers somebody, gives him roles and signs him in.
func (s Services) SignUp(ctx context.Context, r identity.Registration, roles ...identity.Grant) (identity.Session, error) {
	a, err := s.Identity.Register(ctx, r)
	if err != nil {
		return identity.Session{}, fmt.Errorf("register %s: %w", r.Name, err)
	}
	for _, g := range roles {
		root, err := s.Root(ctx)
		if err == nil {
			_, err = s.Identity.Grant(ctx, root, a.ID, g)
		}
		if err != nil {
			return identity.Session{}, fmt.Errorf("make %s %s: %w", r.Name, g.Role, err)
		}
	}
	session, _, err := s.Identity.SignIn(ctx, identity.Credentials{Login: cmp.Or(r.Phone, r.Email), Password: r.Password})
	if err != nil {
		return session, fmt.Errorf("sign %s in: %w", r.Name, err)
	}
	return session, nil
}

// Root is an operator with an account, who is in no test's way.
func (s Services) Root(ctx context.Context) (identity.Caller, error) {
	a, err := s.Identity.EnsureOperator(ctx, "root@shop.example", "correct-horse-battery")
	return identity.Caller{Account: a.ID, Roles: a.Roles}, err
}

// Seller is somebody who sells for an enterprise.
func Seller(m merchant.ID) identity.Caller {
	return identity.Caller{
		Account: id.FromName[identity.Account]("seller", m.String()),
		Roles:   []identity.Grant{{Role: identity.Merchant, Merchant: m.UUID()}},
	}
}
