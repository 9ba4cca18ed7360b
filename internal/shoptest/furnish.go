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
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/receipt"
	"github.com/shiyi-market/shiyi/internal/search"
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
	Search       *search.Service
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
