package report_test

import (
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/assistance"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/report"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestAYearIsWhatWasSoldInItAndWhatBecameOfItsTenth sells in the last second of one year in Shanghai and in
// the first of the next, takes goods back, pays a programme and registers help.
func TestAYearIsWhatWasSoldInItAndWhatBecameOfItsTenth(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 100)
	at := func(clock string) {
		t.Helper()
		when, err := time.Parse(time.RFC3339, clock)
		must(t, err)
		s.Clock.Set(when)
	}
	sell := func(pairs ...any) order.Checkout {
		t.Helper()
		c := s.Place(t, "ann", shoptest.Choose(pairs...))
		s.Pay(t, c.PayURL)
		return s.Checkout(t, c)
	}
	at("2026-12-31T23:59:58+08:00")
	c := sell("flour", 3, "liquor", 1)
	for _, o := range c.Orders {
		if o.Merchant == shoptest.Miller {
			_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, o.ID,
				order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: "damaged"}, request.Claim{}, nil)
			must(t, err)
		}
	}
	s.Perform(t)
	programme, grant := id.New[report.Impact](s.DB.Now()).UUID(), id.New[report.Impact](s.DB.Now()).UUID()
	must(t, postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		return ledger.Book(t.Context(), tx, []ledger.Transfer{
			{Home: ledger.FundHome, Kind: "gift", Ref: "g", Moves: []ledger.Move{{What: "gift", From: "world:somebody", To: fund.Free, Amount: 90_000}}},
			fund.Grant(grant, 5000), fund.PayGrant(grant, programme, grant, 4000), fund.ReturnGrant(programme, grant, 500),
		})
	}))
	_, err := s.Assistance.Record(t.Context(), shoptest.Operator, assistance.New{
		Year: 2026, Track: assistance.InstitutionalPurchase, TitleZH: "工会采购（虚构示例）", TitleEN: "Union", Source: "虚构示例",
		Figures: []assistance.Figure{{Name: assistance.AmountFen, ZH: "分", EN: "fen", Value: 1234}, {Name: assistance.Kilograms, ZH: "公斤", EN: "kg", Value: 77}},
	})
	must(t, err)
	at("2027-01-01T00:00:00+08:00")
	sell("flour", 1)

	svc := report.New(s.DB)
	of := func(year int) report.Impact {
		t.Helper()
		i, err := svc.Impact(t.Context(), year)
		must(t, err)
		return i
	}
	old, fresh := of(2026), of(2027)
	if old.Orders != 2 || old.Enterprises != 2 || old.Products != 2 || fresh.Orders != 1 || fresh.Enterprises != 1 {
		t.Errorf("2026 %+v; 2027 %+v", old, fresh)
	}
	if want := c.Goods.Li() - 33_000; old.Sold != want || old.Levy*10 != want || fresh.Sold != 33_000 || fresh.Levy != 3_300 {
		t.Errorf("sold %v and %v of which %v and %v, want %v", old.Sold, fresh.Sold, old.Levy, fresh.Levy, want)
	}
	if want := (report.Fund{Levied: old.Levy, Paid: 40_000, Returned: 5_000}); old.Fund != want || fresh.Fund.Paid != 0 {
		t.Errorf("the fund %+v, want %+v", old.Fund, want)
	}
	if old.Purchases.Amount != 1234 || old.Purchases.Kg != 77 || len(old.Assistance) != 0 || len(fresh.Purchases.Entries) != 0 {
		t.Errorf("purchases %+v", old.Purchases)
	}
}

// TestWhatIsNoProgrammeIsAdministration is the canary of the figure that is always zero.
func TestWhatIsNoProgrammeIsAdministration(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	must(t, postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		return ledger.Book(t.Context(), tx, []ledger.Transfer{
			{Home: ledger.FundHome, Kind: "gift", Ref: "g", Moves: []ledger.Move{{What: "gift", From: "world:somebody", To: fund.Free, Amount: 90_000}}},
			{Home: ledger.FundHome, Kind: "salary", Ref: "s", Moves: []ledger.Move{{What: "salary", From: fund.Free, To: "world:us", Amount: 30_000}}},
		})
	}))
	i, err := report.New(s.DB).Impact(t.Context(), s.DB.Now().Year())
	if err != nil || i.Fund.Administration != 30_000 || i.Fund.AdministrationBP() != 10_000 {
		t.Errorf("%+v, %v", i.Fund, err)
	}
}
