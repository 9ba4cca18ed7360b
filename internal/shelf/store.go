package shelf

import (
	"context"
	"fmt"

	"github.com/shiyi-market/shiyi/internal/postgres"
)

// categoryRow is a row of the table category.
type categoryRow struct {
	Code     string `gorm:"primaryKey"`
	NameZH   string `gorm:"column:name_zh"`
	NameEN   string `gorm:"column:name_en"`
	Position int
}

// TableName is category.
func (categoryRow) TableName() string { return "category" }

// Categories lists the shelves in their order, in the caller's transaction.
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
