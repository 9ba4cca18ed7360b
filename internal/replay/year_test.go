package replay_test

import (
	"testing"

	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/replay"
)

func TestTheYearIsWhole(t *testing.T) {
	t.Parallel()
	y, err := replay.Read()
	if err != nil {
		t.Fatal(err)
	}
	enterprise := map[string]string{}
	for _, p := range y.Products {
		enterprise[p.Code] = p.Enterprise
	}
	var total money.Fen
	var orders int
	sold := map[string]int64{}
	for i, s := range y.Sales {
		if i > 0 && s.At.Before(y.Sales[i-1].At) {
			t.Fatalf("sale %s comes before the one before it", s.Order)
		}
		total += s.Total
		sellers := map[string]bool{}
		for _, l := range s.Lines {
			sellers[enterprise[l.Product]] = true
			sold[l.Product] += l.Units
		}
		orders += len(sellers)
	}
	if len(y.Enterprises) != 13 || len(y.Products) != 96 || len(y.Sales) != 11462 || orders != 17986 || total != 261_000_000 {
		t.Errorf("%d enterprises, %d products, %d checkouts, %d orders, %d fen", len(y.Enterprises), len(y.Products), len(y.Sales), orders, total)
	}
	for _, p := range y.Products {
		if sold[p.Code] != p.Units {
			t.Errorf("%s: the lines sell %d, the year's table %d", p.Code, sold[p.Code], p.Units)
		}
	}
}
