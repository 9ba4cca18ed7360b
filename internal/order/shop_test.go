package order_test

import (
	"testing"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

// What the tests name most often.
var (
	miller, distiller = shoptest.Miller, shoptest.Distiller

	buyer, of, sku = shoptest.Buyer, shoptest.Choose, shoptest.SKU
)

// noodle costs one fen, of which the tenth is one li.
var noodle = shoptest.Product(miller, "noodle", 1, catalog.Description{Category: "FLOUR_MIAN", Name: "挂面"})

func newShop(t testing.TB, pieces int64) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, pieces, noodle)
	return s
}
