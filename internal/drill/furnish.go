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
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/shoptest"
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
func Fill(ctx context.Context, services httpapi.Services, w Wish) (Stock, error) {
	s := shoptest.Services(services)
	var all Stock
	for n := range w.Merchants {
		m, err := s.Enrol(ctx, merchant.Enrolment{ID: id.From[merchant.Merchant](MerchantID(n)), Code: fmt.Sprintf("D%02d", n)})
		if err != nil {
			return all, err
		}
		var skus []uuid.UUID
		for i := range w.Products {
			p, err := s.Sell(ctx, product(m.ID, n, i), w.Pieces)
			if err != nil {
				return all, err
			}
			skus = append(skus, p.SKUs[0].ID.UUID())
		}
		all.SKUs = append(all.SKUs, skus)
	}
	for n := range w.Buyers {
		session, err := s.SignUp(ctx, identity.Registration{Phone: Login(n), Password: Password(n), Name: fmt.Sprintf("买家 %d", n)})
		if err != nil {
			return all, err
		}
		all.Tokens = append(all.Tokens, session.Token)
	}
	return all, nil
}

// product is the i-th product of the n-th enterprise, described at the length of a
// real one: what reads cost depends on it.
func product(m merchant.ID, n, i int) catalog.NewProduct {
	return catalog.NewProduct{
		ID: id.From[catalog.Product](ProductID(n, i)), Merchant: m, Code: fmt.Sprintf("P%03d", i),
		Description: catalog.Description{
			Category: "OIL", Name: fmt.Sprintf("亚麻籽油 %d", i), Spec: "1L/桶", NetContent: 1000, NetUnit: "mL", SaleUnit: "桶",
			Storage: "阴凉干燥", ShelfLifeDays: 540, Origin: "内蒙古锡林郭勒盟太仆寺旗",
		},
		SKUs: []catalog.NewSKU{{ID: id.From[catalog.SKU](thing('c', n, i)), Code: fmt.Sprintf("D%02d-P%03d", n, i), Price: Price(i)}},
	}
}

// Login is what the n-th buyer signs in with.
func Login(n int) string { return fmt.Sprintf("+86139%08d", n) }

// Password is that of the n-th buyer.
func Password(n int) string { return fmt.Sprintf("correct-horse-battery-%d", n) }
