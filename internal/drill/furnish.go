package drill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/app"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/httpapi"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
)

// Wish is what a shop is to be furnished with.
type Wish struct {
	Merchants int   // how many enterprises
	Products  int   // of each, with one SKU
	Pieces    int64 // in stock of each SKU
	Buyers    int   // with a session each
}

// Stock is what a shop was furnished with.
type Stock struct {
	// SKUs are the SKUs of each enterprise.
	SKUs [][]uuid.UUID
	// Tokens are the sessions of the buyers.
	Tokens []string
}

// Price is what the n-th SKU of an enterprise costs.
func Price(n int) money.Fen { return money.Fen(1000 + 10*n + 3) }

// MerchantID is the id of the n-th enterprise.
func MerchantID(n int) uuid.UUID { return thing('a', n, 0) }

// ProductID is the id of a product of the n-th enterprise.
func ProductID(n, product int) uuid.UUID { return thing('b', n, product) }

// thing is an id that a script in SQL can compute, too: a letter, the number of
// the enterprise, and that of its product.
func thing(letter byte, merchant, product int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("00000000-0000-7000-8%c00-%06d%06d", letter, merchant, product))
}

// Furnish fills the empty shop in a state folder through its services, while no
// program runs there: enterprises, goods in stock, and buyers who have signed in.
func Furnish(ctx context.Context, lookup func(string) (string, bool), w Wish) (_ Stock, err error) {
	cfg, err := app.Load(ctx, lookup)
	if err != nil {
		return Stock{}, err
	}
	cfg.Identity.MemoryKiB, cfg.Identity.Iterations = 64, 1 // buyers are made by the hundred
	a, err := app.Open(ctx, cfg, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return Stock{}, err
	}
	defer func() { err = errors.Join(err, a.Close(ctx)) }()
	return Fill(ctx, a.Services(), w)
}

// Furnish furnishes the shop of the program, which must not run.
func (p *Program) Furnish(ctx context.Context, w Wish) (Stock, error) {
	return Furnish(ctx, p.lookup, w)
}

// Fill is Furnish for a program that is assembled already.
func Fill(ctx context.Context, s httpapi.Services, w Wish) (Stock, error) {
	var all Stock
	for m := range w.Merchants {
		skus, err := enterprise(ctx, s, m, w)
		if err != nil {
			return all, err
		}
		all.SKUs = append(all.SKUs, skus)
	}
	for b := range w.Buyers {
		token, err := buyer(ctx, s.Identity, b)
		if err != nil {
			return all, err
		}
		all.Tokens = append(all.Tokens, token)
	}
	return all, nil
}

func enterprise(ctx context.Context, s httpapi.Services, n int, w Wish) ([]uuid.UUID, error) {
	m, err := s.Merchants.Enrol(ctx, merchant.Enrolment{
		ID:   id.From[merchant.Merchant](MerchantID(n)),
		Code: fmt.Sprintf("D%02d", n), LegalName: fmt.Sprintf("演练合作社 %d", n), ShortName: fmt.Sprintf("演练 %d", n),
		EntityType: "cooperative", Fictional: true, Region: "152527", Township: "宝昌镇", USCC: fmt.Sprintf("93152527MA%08d", n),
		RecommendationNo: "R1", RecommendedOn: "2026-01-01", AgreementNo: fmt.Sprintf("A%d", n), AgreementSignedOn: "2026-01-02",
		Licences: []merchant.Licence{{Kind: "SC", No: fmt.Sprintf("SC%d", n), ExpiresOn: "2099-12-31"}},
	})
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	seller := identity.Caller{Account: identity.ID{}, Roles: []identity.Grant{{Role: identity.Merchant, Merchant: m.ID.UUID()}}}
	var skus []uuid.UUID
	for i := range w.Products {
		p, err := s.Catalog.Add(ctx, seller, catalog.NewProduct{
			ID: id.From[catalog.Product](ProductID(n, i)), Merchant: m.ID, Code: fmt.Sprintf("P%03d", i),
			Description: catalog.Description{
				Category: "OIL", Name: fmt.Sprintf("亚麻籽油 %d", i), Spec: "1L/桶", NetContent: 1000, NetUnit: "mL", SaleUnit: "桶", Kind: "PACKAGED_FOOD",
				Storage: "阴凉干燥", ColdChain: "N", ShelfLifeDays: 540, Origin: "内蒙古锡林郭勒盟太仆寺旗", VATTreatment: "9%",
				ReturnRule: catalog.NoReason, ShipZone: "NATIONWIDE",
			},
			SKUs: []catalog.NewSKU{{ID: id.From[catalog.SKU](thing('c', n, i)), Code: fmt.Sprintf("D%02d-P%03d", n, i), Price: Price(i)}},
		})
		if err != nil {
			return nil, fmt.Errorf("list a product: %w", err)
		}
		sku := p.SKUs[0].ID.UUID()
		if err := s.Inventory.Open(ctx, uuid.Nil, inventory.Line{Merchant: m.ID.UUID(), SKU: sku, Qty: w.Pieces}); err != nil {
			return nil, fmt.Errorf("open stock: %w", err)
		}
		skus = append(skus, sku)
	}
	return skus, nil
}

// Login is what the n-th buyer signs in with.
func Login(n int) string { return fmt.Sprintf("+86139%08d", n) }

// Password is that of the n-th buyer.
func Password(n int) string { return fmt.Sprintf("correct-horse-battery-%d", n) }

// buyer registers the n-th buyer and signs him in.
func buyer(ctx context.Context, s *identity.Service, n int) (token string, err error) {
	phone, password := Login(n), Password(n)
	if _, err := s.Register(ctx, identity.Registration{Phone: phone, Password: password, Name: fmt.Sprintf("买家 %d", n)}); err != nil {
		return "", fmt.Errorf("register: %w", err)
	}
	session, _, err := s.SignIn(ctx, identity.Credentials{Login: phone, Password: password, UserAgent: "drill"})
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	return session.Token, nil
}
