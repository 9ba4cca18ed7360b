package origin

import (
	"context"
	"fmt"

	"github.com/shiyi-market/shiyi/internal/postgres"
)

// regionRow is a row of the table region.
type regionRow struct {
	Code       string `gorm:"primaryKey"`
	ParentCode *string
	Level      string
	NameZH     string `gorm:"column:name_zh"`
	NameEN     string `gorm:"column:name_en"`
}

// TableName is region.
func (regionRow) TableName() string { return "region" }

// brandRow is a row of the table brand.
type brandRow struct {
	Code       string `gorm:"primaryKey"`
	Name       string
	RegionCode string
	AboutZH    string `gorm:"column:about_zh"`
	AboutEN    string `gorm:"column:about_en"`
}

// TableName is brand.
func (brandRow) TableName() string { return "brand" }

// categoryRow is a row of the table category.
type categoryRow struct {
	Code     string `gorm:"primaryKey"`
	NameZH   string `gorm:"column:name_zh"`
	NameEN   string `gorm:"column:name_en"`
	Position int
}

// TableName is category.
func (categoryRow) TableName() string { return "category" }

func regions(ctx context.Context, tx *postgres.Tx, parent, after string, limit int) ([]Region, error) {
	rows, err := postgres.Rows[regionRow](ctx, tx, `SELECT * FROM region WHERE code > ? AND (? = '' OR parent_code = ?) ORDER BY code LIMIT ?`,
		after, parent, parent, limit)
	if err != nil {
		return nil, fmt.Errorf("list regions: %w", err)
	}
	out := make([]Region, len(rows))
	for i, r := range rows {
		out[i] = Region{Code: r.Code, Level: r.Level, NameZH: r.NameZH, NameEN: r.NameEN}
		if r.ParentCode != nil {
			out[i].Parent = *r.ParentCode
		}
	}
	return out, nil
}

func brands(ctx context.Context, tx *postgres.Tx, after string, limit int) ([]Brand, error) {
	rows, err := postgres.Rows[brandRow](ctx, tx, `SELECT * FROM brand WHERE code > ? ORDER BY code LIMIT ?`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list brands: %w", err)
	}
	out := make([]Brand, len(rows))
	for i, r := range rows {
		out[i] = Brand{Code: r.Code, Name: r.Name, Region: r.RegionCode, AboutZH: r.AboutZH, AboutEN: r.AboutEN}
	}
	return out, nil
}

// Codes lists the codes of all regions, in the caller's transaction.
func Codes(ctx context.Context, tx *postgres.Tx) ([]string, error) {
	rows, err := postgres.On[regionRow](tx).Select("code").Order("code").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the codes of regions: %w", err)
	}
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.Code
	}
	return out, nil
}

// Categories is Service.Categories in the caller's transaction.
func Categories(ctx context.Context, tx *postgres.Tx) ([]Category, error) {
	rows, err := postgres.On[categoryRow](tx).Order("position").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("list categories: %w", err)
	}
	out := make([]Category, len(rows))
	for i, r := range rows {
		out[i] = Category(r)
	}
	return out, nil
}
