package shoptest

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/apikey"
	"github.com/shiyi-market/shiyi/internal/cart"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/intake"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/onboarding"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/receipt"
	"github.com/shiyi-market/shiyi/internal/trail"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

// Services are the contexts of a shop, whoever assembled it. They convert to
// httpapi.Services and back: the edge is not imported here, so that a context's
// tests need not compile it.
type Services struct {
	Identity     *identity.Service
	Keys         *apikey.Service
	Merchants    *merchant.Service
	Catalog      *catalog.Service
	Inventory    *inventory.Service
	Carts        *cart.Service
	Onboarding   *onboarding.Service
	Orders       *order.Service
	Payments     *payment.Service
	Fund         *fund.Service
	Transparency *transparency.Service
	Aftersales   *aftersale.Service
	Receipts     *receipt.Service
	Trail        *trail.Service
	Intake       *intake.Service
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
	a, err := s.Onboarding.Record(ctx, identity.Caller{Account: applicant.ID}, id.FromName[onboarding.Application]("test", e.Code),
		onboarding.Given{Merchant: e.ID, Code: e.Code, AgreementNo: "A-" + e.Code}, draft(e))
	if err == nil {
		a, err = s.Pass(ctx, a, "R-"+e.Code)
	}
	if err != nil {
		return merchant.Merchant{}, fmt.Errorf("enrol %s: %w", e.Code, err)
	}
	return s.Merchants.Merchant(ctx, a.Merchant)
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

// draft is what an invented enterprise says of itself.
func draft(e merchant.Enrolment) onboarding.Draft {
	short := cmp.Or(e.ShortName, e.Code)
	d := onboarding.Draft{
		Entity: onboarding.Entity{
			LegalName: short + "（虚构示例）", ShortName: short, EntityType: "农民专业合作社", USCC: cmp.Or(e.USCC, USCC(number(e.Code))),
			Region: "152527", Township: "红旗镇", Fictional: true,
		},
		Contacts: []onboarding.Contact{{Role: onboarding.Representative, Name: "测试", Phone: "+8613800000000"}},
		Linkage: onboarding.Linkage{Households: max(1, e.Linkage.Households), Ways: []onboarding.Way{{
			Mode: onboarding.Cooperative, Villages: []string{"红喜村"}, Households: 1, From: "2026-01-01", To: "2026-12-31",
		}}},
	}
	if e.Licences == nil {
		e.Licences = []merchant.Licence{{Kind: "SC", No: SC(number(e.Code) % 10_000), ExpiresOn: "2099-12-31"}}
	}
	for _, l := range e.Licences {
		d.Licences = append(d.Licences, onboarding.Licence{Kind: l.Kind, No: l.No, IssuedOn: "2020-01-01", ExpiresOn: l.ExpiresOn, For: []string{"PACKAGED_FOOD"}})
	}
	return d
}

// Sell puts a product on sale, with so many pieces of each of its SKUs. Goods of
// which no more is said are packaged food that is shipped anywhere.
func (s Services) Sell(ctx context.Context, p catalog.NewProduct, pieces int64) (catalog.Product, error) {
	p.Spec, p.SaleUnit = cmp.Or(p.Spec, "一份"), cmp.Or(p.SaleUnit, "份")
	p.Kind, p.VATTreatment = cmp.Or(p.Kind, "PACKAGED_FOOD"), cmp.Or(p.VATTreatment, "9%")
	p.ColdChain, p.ShipZone = cmp.Or(p.ColdChain, "N"), cmp.Or(p.ShipZone, "NATIONWIDE")
	p.ReturnRule = cmp.Or(p.ReturnRule, catalog.NoReason)
	listed, err := s.Catalog.Add(ctx, Seller(p.Merchant), p)
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
