package shoptest

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/cart"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/origin"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/receipt"
	"github.com/shiyi-market/shiyi/internal/scrutiny"
	"github.com/shiyi-market/shiyi/internal/trail"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

// Services are the contexts of a shop, whoever assembled it. They convert to
// httpapi.Services and back: the edge is not imported here, so that a context's
// tests need not compile it.
type Services struct {
	Identity     *identity.Service
	Merchants    *merchant.Service
	Catalog      *catalog.Service
	Inventory    *inventory.Service
	Carts        *cart.Service
	Orders       *order.Service
	Payments     *payment.Service
	Fund         *fund.Service
	Transparency *transparency.Service
	Aftersales   *aftersale.Service
	Receipts     *receipt.Service
	Origins      *origin.Service
	Scrutiny     *scrutiny.Service
	Trail        *trail.Service
}

// Enrol enrols an invented enterprise that may sell. It needs a code of at most
// ten characters; what else matters to nobody's test need not be said.
func (s Services) Enrol(ctx context.Context, e merchant.Enrolment) (merchant.Merchant, error) {
	e.ShortName = cmp.Or(e.ShortName, e.Code)
	e.LegalName, e.EntityType, e.Fictional = e.ShortName+"（虚构示例）", "农民专业合作社", true
	e.Region, e.Township = "152527", "红旗镇"
	e.USCC = cmp.Or(e.USCC, "93152527"+strings.Repeat("X", 10-len(e.Code))+e.Code)
	e.RecommendationNo, e.RecommendedOn = "R-"+e.Code, "2026-01-01"
	e.AgreementNo, e.AgreementSignedOn = "A-"+e.Code, "2026-01-02"
	if e.Licences == nil {
		e.Licences = []merchant.Licence{{Kind: "SC", No: "SC-" + e.Code, ExpiresOn: "2099-12-31"}}
	}
	m, err := s.Merchants.Enrol(ctx, e)
	if err != nil {
		return m, fmt.Errorf("enrol %s: %w", e.Code, err)
	}
	return m, nil
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

// Sell lists a product, lets Operator approve it, and opens the stock of each of its
// SKUs with so many pieces. What Whole fills in need not be said, and an enterprise
// that lacks a travel agency's licence gets one.
func (s Services) Sell(ctx context.Context, p catalog.NewProduct, pieces int64) (catalog.Product, error) {
	p.Description = Whole(p.Description)
	if p.Voucher {
		licence := merchant.Licence{Kind: "TRAVEL", No: "L-NMG-99001", ExpiresOn: "2099-12-31"}
		if _, err := s.Merchants.RenewLicence(ctx, p.Merchant, licence); err != nil {
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
