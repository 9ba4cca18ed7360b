package replay

import (
	"testing"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
)

// TestThePlannedProgrammesGoThroughTheFundsDesk lets the fund have the year's tenth, and takes the steps of
// the programmes, twice.
func TestThePlannedProgrammesGoThroughTheFundsDesk(t *testing.T) {
	t.Parallel()
	r := newReplay(t)
	const sold money.Fen = 261_000_000
	steps := r.giving(Year{Sales: []Sale{{Total: sold}}})
	home, order := MerchantID("E01").UUID(), id.FromName[programme.Programme]("test", "all of it").String()
	must(t, postgres.Do(t.Context(), r.DB.At(steps[0].at), func(tx *postgres.Tx) error {
		owed := ledger.Payable(home)
		return ledger.Book(t.Context(), tx, []ledger.Transfer{
			{Home: home, Kind: fund.Sale, Ref: order, Public: true, Moves: []ledger.Move{
				{What: fund.Goods, From: ledger.World("stripe"), To: owed, Amount: sold.Li()}, fund.Tenth(owed, sold),
			}},
			fund.Mature(home, order, sold),
		})
	}))
	for range 2 {
		for _, s := range steps {
			if err := s.do(t.Context(), s.at); err != nil {
				t.Fatalf("%s: %v", s.what, err)
			}
		}
	}
	st, err := fund.New(r.DB).Statement(t.Context())
	must(t, err)
	if st.FreeLi != 26_000_000 || st.CommittedLi != 0 || st.SpentLi != 235_000_000 {
		t.Errorf("free %v, committed %v, spent %v", st.FreeLi, st.CommittedLi, st.SpentLi)
	}
	all, err := programme.New(r.DB, rules()).Programmes(t.Context(), page.Request{Limit: page.MaxSize})
	must(t, err)
	if len(all.Data) != 9 {
		t.Errorf("%d programmes, want 9", len(all.Data))
	}
	other, err := postgres.Read(t.Context(), r.DB, func(tx *postgres.Tx) (money.Fen, error) { return programme.OtherTotal(t.Context(), tx) })
	if err != nil || other != groundsFen+30_000_000 {
		t.Errorf("%v of other money, %v: the two grounds share one amount", other, err)
	}
	if n := len(r.giving(Year{Sales: []Sale{{Total: 1000}}})); n != 1 {
		t.Errorf("a part of the year has %d steps, want 1: its fund cannot pay", n)
	}
}
