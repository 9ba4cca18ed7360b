package replay

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/assistance"
	"github.com/shiyi-market/shiyi/internal/audit"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/journal"
	"github.com/shiyi-market/shiyi/internal/journal/journaltest"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/report"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

func newReplay(t testing.TB) *Replay {
	t.Helper()
	r := &Replay{
		Whole: true,
		DB:    pgtest.New(t), Logger: slog.New(slog.DiscardHandler),
		Files: file.Config{Folder: t.TempDir(), MaxBytes: 1 << 20},
		Shop:  payment.Shop{Name: "test", SuccessURL: "http://localhost/paid/{checkout}", CancelURL: "http://localhost/unpaid/{checkout}"},
	}
	bank, err := sandbox.Open(sandbox.Config{PageURL: "http://localhost/sandbox/pay/", Clock: r.DB.Now}, r.Logger)
	if err != nil {
		t.Fatal(err)
	}
	log, err := transparency.New(r.DB, transparency.Config{Origin: "shiyi.example/test", Folder: t.TempDir()}, ledger.Roller{}, trace.Follower{})
	if err != nil {
		t.Fatal(err)
	}
	r.Sandbox, r.Log = bank, log
	return r
}

// TestABrokenReplayGoesOnWhereItStopped stops a replay of the first weeks of the
// year in the middle, twice, and runs it again: everything happens once.
func TestABrokenReplayGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	y, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	y.Sales = y.Sales[:300]
	var want money.Fen
	for _, s := range y.Sales {
		want += s.Total
	}
	r := newReplay(t)
	if wanted, err := Wanted(t.Context(), r.DB); !wanted || err != nil {
		t.Errorf("an empty shop: %v, %v", wanted, err)
	}
	for _, after := range []int{100, 50} {
		ctx, stop := context.WithCancel(t.Context())
		r.Progress = func(done, _ int) {
			if done == after {
				stop()
			}
		}
		if _, err := r.run(ctx, y); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped: %v", err)
		}
		if wanted, err := Wanted(t.Context(), r.DB); !wanted || err != nil {
			t.Errorf("a broken replay: %v, %v", wanted, err)
		}
	}
	r.Progress = nil
	st, err := r.run(t.Context(), y)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.run(t.Context(), y)
	if err != nil || again != st {
		t.Errorf("a replay of a replayed year: %+v, %v; want no change of %+v", again, err, st)
	}
	if wanted, err := Wanted(t.Context(), r.DB); wanted || err != nil {
		t.Errorf("a replayed shop: %v, %v", wanted, err)
	}
	if st.SoldFen != want || st.LeviedLi != want.Tenth() || st.PendingLi != 0 || st.FreeLi != want.Tenth() || st.HeldLi != 0 {
		t.Errorf("sold %d fen, want %d: %+v", st.SoldFen, want, st)
	}
	var paid, owed, begun int64
	err = r.DB.SQL().QueryRowContext(t.Context(), `SELECT (SELECT 10 * sum(amount_fen) FROM payout WHERE state = 'paid'), (SELECT sum(owed_li) FROM payee),
		(SELECT count(*) FROM fulfilment WHERE closed_at IS NULL)`).Scan(&paid, &owed, &begun)
	if err != nil || money.Li(paid+owed) != want.Li()-want.Tenth() || owed >= 13*10 || begun != 0 {
		t.Errorf("%d li are paid and %d owed to the enterprises of %d sold, and %d orders are not settled, %v", paid, owed, want.Li(), begun, err)
	}
	r.kept(t, y)
	r.audited(t)
	if report, err := ledger.Check(t.Context(), r.DB); err != nil || len(report.Differences) > 0 {
		t.Errorf("the book: %+v, %v", report, err)
	}
	if got, err := fund.New(r.DB).Statement(t.Context()); err != nil || got != st {
		t.Errorf("statement %+v, %v", got, err)
	}
}

// audited lets others add the book of the year up, and holds it against the orders and the provider.
func (r *Replay) audited(t *testing.T) {
	t.Helper()
	year := journal.Period{From: "2020-01-01", Until: "2020-12-31"}
	journaltest.Agree(t, r.DB, year)
	sum, err := audit.New(r.DB).Summary(t.Context(), year)
	if err != nil || !sum.Agrees() || sum.Differences != 0 || sum.Paid != sum.Provider || sum.Orders == 0 {
		t.Errorf("the levy of the year: %+v, %v", sum, err)
	}
}

// kept holds the fees in the book against those of the sales.
func (r *Replay) kept(t *testing.T, y Year) {
	t.Helper()
	days := map[string]money.Li{}
	for _, s := range y.Sales {
		days[s.At.In(shanghai()).Format(time.DateOnly)] += ((s.Total*60 + 5000) / 10000).Li()
	}
	rows, err := r.DB.SQL().QueryContext(t.Context(), `SELECT x.ref, m.amount_li FROM transfer x JOIN move m ON m.home = x.home AND m.transfer_id = x.id
		WHERE x.kind = 'provider_fee' AND m.source = 'platform:fees' AND m.target = 'world:stripe'`)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	booked := map[string]money.Li{}
	for rows.Next() {
		var day string
		var li money.Li
		must(t, rows.Scan(&day, &li))
		booked[day] += li
	}
	must(t, rows.Err())
	if diff := cmp.Diff(days, booked); diff != "" || len(booked) == 0 {
		t.Errorf("fees by day (-sales +book):\n%s", diff)
	}
}

// TestTheWholeYearIsSettled replays all of the year: see its README.
func TestTheWholeYearIsSettled(t *testing.T) {
	t.Parallel()
	if *planted != 0 {
		t.Skip("`make year` replays all of it")
	}
	r := newReplay(t)
	began := time.Now()
	st, err := r.Run(t.Context())
	must(t, err)
	t.Logf("%+v in %s", st, time.Since(began).Round(time.Second))
	r.audited(t)
	if want := (fund.Statement{Orders: 17_986, SoldFen: 261_000_000, LeviedLi: 261_000_000, FreeLi: 26_000_000, SpentLi: 235_000_000}); st != want {
		t.Errorf("%+v, want %+v", st, want)
	}
	y, err := Read()
	must(t, err)
	r.kept(t, y)
	book, err := ledger.Check(t.Context(), r.DB)
	if err != nil || len(book.Differences) > 0 {
		t.Errorf("the book: %+v, %v", book, err)
	}
	t.Logf("%+v", book)
	r.story(t)
	r.followed(t)
}

// followed holds the trace against the year: every order's tenth is in projects, in the balance, or across both, and the
// parts in projects sum to the payments.
func (r *Replay) followed(t *testing.T) {
	t.Helper()
	report, err := trace.Check(t.Context(), r.DB)
	if err != nil || len(report.Differences) > 0 {
		t.Errorf("the queue: %+v, %v", report, err)
	}
	svc := trace.New(r.DB, nil)
	all, err := svc.Outflows(t.Context(), page.Request{Limit: page.MaxSize})
	must(t, err)
	gave, whole, paid := map[uuid.UUID]int64{}, map[uuid.UUID]int64{}, int64(0) // by maturing
	for _, o := range all.Data {
		var sum int64
		for p := (page.Request{Limit: page.MaxSize}); ; {
			parts, err := svc.Levies(t.Context(), o.N, p)
			must(t, err)
			for _, part := range parts.Data {
				gave[part.Of.Transfer] += part.Li()
				whole[part.Of.Transfer] = part.Of.Li()
				sum += part.Li()
			}
			if p.Cursor = parts.Next; p.Cursor == "" {
				break
			}
		}
		if sum != o.Li() || o.Late() {
			t.Errorf("outflow %d of %d li is made of %d (late: %v)", o.N, o.Li(), sum, o.Late())
		}
		paid += o.Li()
	}
	across := 0
	for transfer, li := range gave {
		if li > whole[transfer] {
			t.Errorf("maturing %s of %d li gave %d", transfer, whole[transfer], li)
		}
		if li < whole[transfer] {
			across++
		}
	}
	sum, err := svc.Summary(t.Context())
	must(t, err)
	if paid != 235_000_000 || sum.Queue.In.Count != 17_986 || sum.Queue.In.Li != 261_000_000 || across > 1 || len(gave) == 0 || len(gave) == 17_986 {
		t.Errorf("%d li were paid out of %d orders, %d of them in part; %+v", paid, len(gave), across, sum.Queue)
	}
	t.Logf("%d payments of %d li, made of %d orders; %d orders lie in the balance, %d across both", len(all.Data), paid, len(gave), 17_986-len(gave), across)
}

// story holds the yearly account against the figures that the story tells: 13 enterprises, ten
// categories, nearly a hundred products, 2.61 million yuan, one tenth of it, institutional purchases of more than
// 600,000 yuan, 12,000 kg of melons, 43,000 kg of potatoes, more than 700 people trained.
func (r *Replay) story(t *testing.T) {
	t.Helper()
	got, err := report.New(r.DB).Impact(t.Context(), 2020)
	must(t, err)
	if got.Enterprises != 13 || got.Categories != 10 || got.Products != 96 || got.Orders != 17_986 || got.Sold.String() != "2610000.000" || got.Levy*10 != got.Sold {
		t.Errorf("the shop's year: %+v", got)
	}
	kg := map[string]int64{}
	for _, e := range got.Purchases.Entries {
		kg[e.TitleZH] = e.Sum(assistance.Kilograms)
	}
	if got.Purchases.Amount != 61_158_000 || kg["工会采购"] != 12_000 || kg["助销/保底销售"] != 43_000 || got.Trained != 700 {
		t.Errorf("purchases of %d fen, %v kg; %d trained", got.Purchases.Amount, kg, got.Trained)
	}
	if got.Fund.Administration != 0 || got.Fund.AdministrationBP() != 0 || got.Linkage.Households == 0 {
		t.Errorf("the fund %+v, households %+v", got.Fund, got.Linkage)
	}
	if other, err := report.New(r.DB).Impact(t.Context(), 2019); err != nil || other.Orders != 0 || other.Sold != 0 {
		t.Errorf("the year before: %+v, %v", other, err)
	}
}

func BenchmarkReplay(b *testing.B) {
	y, err := Read()
	if err != nil {
		b.Fatal(err)
	}
	y.Sales = y.Sales[:min(b.N, len(y.Sales))]
	r := newReplay(b)
	b.ResetTimer()
	if _, err := r.run(b.Context(), y); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(y.Sales))/b.Elapsed().Seconds(), "checkouts/s")
}
