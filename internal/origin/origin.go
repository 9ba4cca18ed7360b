// Package origin is where goods come from and what they are: counties, their
// townships and villages, the brands of villages, and the categories of the
// county's goods. All of it is data that everybody may read.
package origin

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Region is a county, a township or a village.
type Region struct {
	Code   string // six digits for a county (GB/T 2260), nine for a township, twelve for a village
	Parent string // the code of what it lies in; "" for a county
	Level  string // "county", "township" or "village"
	NameZH string
	NameEN string
}

// Brand is a brand of a village or a township.
type Brand struct {
	Code    string // "HONGXI"
	Name    string // "红喜"
	Region  string // where it is at home
	AboutZH string
	AboutEN string
}

// Category is a shelf of the shop. Categories are data, not code.
type Category struct {
	Code     string // "MEAT"
	NameZH   string
	NameEN   string
	Position int // from 1
}

// Service reads where goods come from and what they are.
type Service struct{ db *postgres.DB }

// New returns a Service on db.
func New(db *postgres.DB) *Service { return &Service{db: db} }

// Categories lists the shelves in their order. Public.
func (s *Service) Categories(ctx context.Context) ([]Category, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]Category, error) { return Categories(ctx, tx) })
}

// Regions lists, by code, the regions that lie right within parent, or with "" all
// of them. Public.
func (s *Service) Regions(ctx context.Context, parent string, p page.Request) (page.Of[Region], error) {
	after, _, err := p.After()
	if err != nil {
		return page.Of[Region]{}, err
	}
	rows, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]Region, error) { return regions(ctx, tx, parent, after, p.Size()+1) })
	return page.Cut(rows, p.Size(), func(r Region) (string, uuid.UUID) { return r.Code, uuid.Nil }), err
}

// Brands lists the brands by code. Public.
func (s *Service) Brands(ctx context.Context, p page.Request) (page.Of[Brand], error) {
	after, _, err := p.After()
	if err != nil {
		return page.Of[Brand]{}, err
	}
	rows, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]Brand, error) { return brands(ctx, tx, after, p.Size()+1) })
	return page.Cut(rows, p.Size(), func(b Brand) (string, uuid.UUID) { return b.Code, uuid.Nil }), err
}
